use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use super::{Inserted, Lru, SENTINEL, Weight, entry_weight};
use crate::testing::{Random, with_seeds};

impl<V: Weight> Lru<V> {
    /// Checks every link, count and sum against each other.
    fn validate(&self) {
        let mut linked = 0;
        let mut weight = 0;
        let mut at = SENTINEL;
        loop {
            let next = self.nodes[at as usize].next;
            assert_eq!(self.nodes[next as usize].prev, at, "links of {at} and {next} disagree");
            if next == SENTINEL {
                break;
            }
            let node = &self.nodes[next as usize];
            let (key, _) = node.entry.as_ref().expect("linked, so in use");
            assert_eq!(self.index.get(key), Some(&next), "the index finds another node");
            linked += 1;
            weight += node.weight;
            at = next;
        }
        let mut free = 0;
        let mut at = self.free;
        while at != SENTINEL {
            assert!(self.nodes[at as usize].entry.is_none(), "a free node holds an entry");
            free += 1;
            at = self.nodes[at as usize].next;
        }
        assert_eq!(linked, self.len());
        assert_eq!(1 + linked + free, self.nodes.len(), "a node is neither linked nor free");
        assert_eq!(weight, self.weight);
        assert!(self.weight <= self.max_weight, "{} > {}", self.weight, self.max_weight);
    }
}

fn keys<V>(evicted: &[(Arc<str>, V)]) -> Vec<&str> {
    evicted.iter().map(|(key, _)| &**key).collect()
}

#[test]
fn the_least_recently_used_entry_goes_first() {
    let mut lru = Lru::new(6);
    for key in ["a", "b", "c"] {
        assert_eq!(lru.insert(key, "x").evicted, []);
    }
    assert_eq!(lru.get("a"), Some(&"x"));
    assert_eq!(lru.peek("b"), Some(&"x"));
    assert_eq!(keys(&lru.insert("d", "x").evicted), ["b"]);
    assert_eq!(lru.iter().map(|(key, _)| key).collect::<Vec<_>>(), ["d", "a", "c"]);
    assert_eq!(keys(&lru.insert("e", "xxx").evicted), ["c", "a"]);
    lru.validate();
}

#[test]
fn a_bound_of_exactly_two_entries_holds_two() {
    let mut lru = Lru::new("k1v1k2v2".len() as u64);
    lru.insert("k1", "v1");
    lru.insert("k2", "v2");
    assert_eq!(lru.len(), 2);
    assert_eq!(keys(&lru.insert("k3", "v3").evicted), ["k1"]);
}

#[test]
fn a_value_that_does_not_fit_is_handed_back_and_evicts_nothing() {
    let mut lru = Lru::new(4);
    lru.insert("a", "x");
    lru.insert("b", "x");
    let refused = lru.insert("c", "four");
    assert_eq!(refused, Inserted { replaced: None, refused: Some("four"), evicted: vec![] });
    assert_eq!(lru.len(), 2);
    let refused = lru.insert("a", "four");
    assert_eq!(refused, Inserted { replaced: Some("x"), refused: Some("four"), evicted: vec![] });
    assert_eq!((lru.len(), lru.weight()), (1, 2), "an outdated value must not stay");
    lru.validate();
}

#[test]
fn a_value_of_the_greatest_weight_does_not_fit() {
    #[derive(Debug, PartialEq)]
    struct Boulder;
    impl Weight for Boulder {
        fn weight(&self) -> u64 {
            u64::MAX
        }
    }
    let mut lru = Lru::new(100);
    assert_eq!(lru.insert("key", Boulder).refused, Some(Boulder));
    assert_eq!((lru.len(), lru.weight()), (0, 0));
    lru.validate();
}

#[test]
fn replacing_a_value_counts_the_difference() {
    let mut lru = Lru::new(10);
    lru.insert("key", "long");
    assert_eq!(lru.insert("key", "s").replaced, Some("long"));
    assert_eq!((lru.len(), lru.weight()), (1, 4));
    assert_eq!(lru.insert("key", "1234567").evicted, []);
    assert_eq!(lru.weight(), 10);
}

#[test]
fn an_unbounded_cache_keeps_everything_until_it_is_popped() {
    let mut lru = Lru::unbounded();
    for i in 0..1000 {
        assert_eq!(lru.insert(i.to_string(), i.to_string()).evicted, []);
    }
    for i in 0..1000 {
        assert_eq!(lru.pop_oldest().map(|(_, value)| value), Some(i.to_string()));
    }
    assert_eq!(lru.pop_oldest(), None);
    assert!(lru.is_empty() && lru.weight() == 0);
    lru.validate();
}

/// A value with a weight that anyone can change while the cache holds it.
#[derive(Debug, Clone)]
struct Changing(Rc<Cell<u64>>);

impl Changing {
    fn new(weight: u64) -> Self {
        Self(Rc::new(Cell::new(weight)))
    }
}

impl Weight for Changing {
    /// Panics for a weight of 0.
    fn weight(&self) -> u64 {
        assert_ne!(self.0.get(), 0, "no weight");
        self.0.get()
    }
}

#[test]
fn a_weight_that_changes_counts_as_it_was_at_the_insertion() {
    let mut lru = Lru::new(20);
    let values = [Changing::new(4), Changing::new(4)];
    lru.insert("a", values[0].clone());
    lru.insert("b", values[1].clone());
    values.iter().for_each(|value| value.0.set(1));
    assert_eq!(lru.weight(), 10);
    assert!(lru.remove("a").is_some());
    assert_eq!(lru.weight(), 5, "not what it says it weighs now");
    values[1].0.set(1_000);
    assert_eq!(keys(&lru.insert("c", Changing::new(19)).evicted), ["b"]);
    assert_eq!((lru.len(), lru.weight()), (1, 20));
    lru.validate();
}

#[test]
fn a_weight_that_panics_leaves_the_cache_as_it_was() {
    let mut lru = Lru::new(20);
    let (held, weightless) = (Changing::new(4), Changing::new(0));
    lru.insert("a", held.clone());
    let refused = catch_unwind(AssertUnwindSafe(|| lru.insert("a", weightless)));
    assert!(refused.is_err(), "the panic is the caller's");
    assert_eq!((lru.len(), lru.weight()), (1, 5));
    // What was weighed once is not weighed again.
    held.0.set(0);
    assert!(lru.remove("a").is_some());
    lru.insert("b", Changing::new(4));
    assert_eq!(lru.pop_oldest().map(|(key, _)| key).as_deref(), Some("b"));
    assert_eq!((lru.len(), lru.weight()), (0, 0));
    lru.validate();
}

/// The same cache in the plainest way: a `Vec`, least recently used first.
struct Model {
    entries: Vec<(Arc<str>, Vec<u8>)>,
    max_weight: u64,
}

impl Model {
    fn weight(&self) -> u64 {
        self.entries.iter().map(|(key, value)| entry_weight(key, value)).sum()
    }

    fn take(&mut self, key: &str) -> Option<Vec<u8>> {
        let at = self.entries.iter().position(|(held, _)| &**held == key)?;
        Some(self.entries.remove(at).1)
    }

    fn insert(&mut self, key: &str, value: Vec<u8>) -> Inserted<Vec<u8>> {
        let replaced = self.take(key);
        let mut evicted = Vec::new();
        if entry_weight(key, &value) > self.max_weight {
            return Inserted { replaced, refused: Some(value), evicted };
        }
        self.entries.push((key.into(), value));
        while self.weight() > self.max_weight {
            evicted.push(self.entries.remove(0));
        }
        Inserted { replaced, refused: None, evicted }
    }

    fn touch(&mut self, key: &str) -> Option<Vec<u8>> {
        let value = self.take(key)?;
        self.entries.push((key.into(), value.clone()));
        Some(value)
    }
}

#[test]
fn behaves_like_a_list_that_is_searched_under_random_operations() {
    with_seeds(20, |random: &mut Random| {
        let max_weight = random.below(400);
        let mut lru = Lru::new(max_weight);
        let mut model = Model { entries: Vec::new(), max_weight };
        for _ in 0..2_000 {
            let key = format!("{:x}", random.below(64));
            match random.below(10) {
                0..=3 => {
                    let value = vec![b'x'; random.below(24) as usize];
                    assert_eq!(lru.insert(&*key, value.clone()), model.insert(&key, value));
                }
                4..=6 => assert_eq!(lru.get(&key), model.touch(&key).as_ref()),
                7 => assert_eq!(lru.remove(&key), model.take(&key)),
                8 => assert_eq!(lru.peek(&key).is_some(), model.contains(&key)),
                _ => {
                    let oldest = (!model.entries.is_empty()).then(|| model.entries.remove(0));
                    assert_eq!(lru.pop_oldest(), oldest);
                }
            }
            lru.validate();
            assert_eq!(lru.weight(), model.weight());
            let order: Vec<_> = lru.iter().map(|(key, _)| key).collect();
            let expected: Vec<_> = model.entries.iter().rev().map(|(key, _)| &**key).collect();
            assert_eq!(order, expected);
        }
    });
}

impl Model {
    fn contains(&self, key: &str) -> bool {
        self.entries.iter().any(|(held, _)| &**held == key)
    }
}
