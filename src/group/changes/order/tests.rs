use super::*;
use crate::testing::with_seeds;

const A: u64 = 1;
const B: u64 = 2;

fn stamp(origin: u64, number: u64) -> ChangeStamp {
    ChangeStamp::new(origin, number)
}

/// The numbers are as they should be.
fn validate(order: &Order) {
    let numbers = lock(&order.numbers);
    assert!(numbers.came.len() <= MAX_CHANGES && numbers.of_keys.len() <= numbers.came.len());
    assert!(numbers.origins.len() <= MAX_ORIGINS);
    let came: HashMap<u64, u64> =
        numbers.came.iter().map(|(id, stamp)| (*id, stamp.number())).collect();
    assert_eq!(came, numbers.of_keys);
}

#[test]
fn a_change_is_late_after_a_newer_one_of_its_key_and_origin() {
    let order = Order::default();
    assert_eq!(order.begin("k", stamp(A, 5)), Standing::Newest);
    assert_eq!(order.begin("k", stamp(A, 4)), Standing::Superseded);
    assert_eq!(order.begin("other", stamp(A, 4)), Standing::Newest);
    assert_eq!(order.begin("k", stamp(B, 1)), Standing::Newest);
    // A request may be sent twice.
    assert_eq!(order.begin("k", stamp(A, 5)), Standing::Newest);
    assert!(order.is_newest("k", stamp(A, 5)));
    assert_eq!(order.begin("k", stamp(A, 6)), Standing::Newest);
    assert!(!order.is_newest("k", stamp(A, 5)));
    assert!(order.is_newest("k", stamp(B, 1)));
}

#[test]
fn what_has_no_order_is_never_late() {
    let order = Order::default();
    order.begin("k", stamp(A, 5));
    assert_eq!(order.begin("k", ChangeStamp::UNORDERED), Standing::Newest);
    assert!(order.is_newest("k", ChangeStamp::UNORDERED));
    assert_eq!(order.begin("k", stamp(A, 4)), Standing::Superseded);
}

#[test]
fn a_clearing_is_newer_than_all_that_came_before_it() {
    let order = Order::default();
    order.begin_clear(stamp(A, 5));
    order.begin_clear(stamp(A, 3));
    assert_eq!(order.begin("k", stamp(A, 4)), Standing::Superseded);
    assert_eq!(order.begin("k", stamp(B, 4)), Standing::Newest);
    assert_eq!(order.begin("k", stamp(A, 6)), Standing::Newest);
    order.begin_clear(stamp(A, 7));
    assert!(!order.is_newest("k", stamp(A, 6)));
}

#[test]
fn what_is_older_than_what_is_remembered_is_not_known() {
    let order = Order::default();
    assert_eq!(order.begin("k", stamp(A, 2)), Standing::Newest);
    for number in 0..MAX_CHANGES as u64 {
        assert_eq!(order.begin(&number.to_string(), stamp(A, number + 3)), Standing::Newest);
    }
    validate(&order);
    assert_eq!(order.begin("k", stamp(A, 1)), Standing::Unknown);
    assert!(!order.is_newest("k", stamp(A, 2)));
    assert_eq!(order.begin("k", stamp(B, 1)), Standing::Newest);
    assert_eq!(order.begin("0", stamp(A, 3)), Standing::Unknown);
    assert_eq!(order.begin("9", stamp(A, 3)), Standing::Superseded);
}

#[test]
fn so_many_origins_are_remembered() {
    let order = Order::default();
    for origin in 1..=MAX_ORIGINS as u64 + 1 {
        order.begin_clear(stamp(origin, 9));
        order.begin_clear(stamp(B, 9));
    }
    validate(&order);
    assert_eq!(order.begin("k", stamp(B, 8)), Standing::Superseded);
    assert_eq!(order.begin("k", stamp(A, 8)), Standing::Newest);
}

#[test]
fn changes_in_any_order_end_with_the_newest() {
    with_seeds(200, |random| {
        let order = Order::default();
        let mut newest: HashMap<(u64, u64), u64> = HashMap::new();
        for _ in 0..300 {
            let (origin, key) = (1 + random.below(3), random.below(8));
            let (stamp, name) = (stamp(origin, 1 + random.below(100)), key.to_string());
            let last = newest.entry((origin, key)).or_default();
            let expected =
                if stamp.number() < *last { Standing::Superseded } else { Standing::Newest };
            assert_eq!(order.begin(&name, stamp), expected);
            *last = stamp.number().max(*last);
            assert!(order.is_newest(&name, ChangeStamp::new(origin, *last)));
        }
        validate(&order);
    });
}
