//! Owners that are slower than they usually are, and loads beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use geecache::{
    Error, Group, GroupBuilder, HotCache, Loaded, Origin, OwnerErrors, PeerError, PeerErrorKind,
    PeerGetter, PeerPicker,
};

use crate::support::{CountingGetter, Gate, Hand, all_at_once, start, until};

/// Owns every key, and holds requests for "slow" keys at a gate. Those for "then slow" ones are
/// held from the second request of a test on.
#[derive(Clone)]
struct Owner {
    gate: Gate,
    requests: Arc<AtomicUsize>,
}

impl PeerGetter for Owner {
    fn get(&self, _group: &str, key: &str) -> Result<Loaded, PeerError> {
        let before = self.requests.fetch_add(1, Ordering::SeqCst);
        if before == 0 {
            std::thread::sleep(USUAL);
        }
        if key.starts_with("slow") || key.starts_with("then slow") && before > LEAST_ANSWERS {
            self.gate.pass();
        }
        if key.ends_with("failing") {
            return Err(PeerError::new(PeerErrorKind::Load, "owner", "as the test wants it"));
        }
        Ok(Loaded::from("theirs"))
    }

    fn name(&self) -> &str {
        "owner"
    }
}

impl PeerPicker for Owner {
    fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        Some(Arc::new(self.clone()))
    }
}

/// How often an owner has answered before it is taken for slow.
const LEAST_ANSWERS: usize = 20;
/// The longest of the first answers, and so what is usual: no busy machine takes as long by chance
/// for nothing.
const USUAL: Duration = Duration::from_millis(50);

/// A group whose owner is known, and its own source, which holds some keys at a gate.
fn group_of(build: impl FnOnce(GroupBuilder) -> GroupBuilder) -> (Owner, Source, Group) {
    let (here, there) = (Gate::closed(), Gate::closed());
    let getter = {
        let (here, there) = (here.clone(), there.clone());
        CountingGetter::with(move |key| match key {
            // The thread that asks the owner may be late.
            "slow" => {
                there.wait_for_arrivals(1);
                Ok(Loaded::from("ours"))
            }
            key if key.ends_with("failing here") => Err("as the test wants it".into()),
            "slow everywhere, failing" => {
                here.pass();
                Ok(Loaded::from("ours"))
            }
            _ => Ok(Loaded::from("ours")),
        })
    };
    let owner = Owner { gate: there, requests: Arc::default() };
    let builder = Group::builder("g", 1 << 20, getter.clone()).hot_cache(HotCache::Off);
    let group = build(builder).build();
    group.register_peers(owner.clone()).unwrap();
    for n in 0..LEAST_ANSWERS {
        assert_eq!(group.get(&format!("fast {n}")).unwrap(), "theirs");
    }
    assert_eq!(group.stats().hedges, 0, "nobody knows yet what is slow");
    (owner, Source { getter, gate: here }, group)
}

struct Source {
    getter: CountingGetter,
    gate: Gate,
}

#[test]
fn a_slow_owner_is_doubled_and_the_first_value_is_for_all_who_wait() {
    let (owner, source, group) = group_of(|builder| builder.hedge(0.95));
    let values = {
        let group = group.clone();
        all_at_once(8, move |_| group.get_with_origin("slow").unwrap())
    };
    for (value, _) in &values {
        assert_eq!(*value, "ours");
    }
    assert!(values.iter().any(|(_, origin)| *origin == Origin::Getter));
    let stats = group.stats();
    assert_eq!((stats.hedges, stats.hedges_won, stats.peer_errors), (1, 1, 0));
    assert_eq!(source.getter.calls_of("slow"), 1);
    owner.gate.open();
    let answers = LEAST_ANSWERS as u64 + 1;
    until("the owner has answered as well", || group.stats().peer_loads == answers);
    assert_eq!(group.stats().peer_errors, 0, "it is no failure");
}

#[test]
fn a_load_beside_that_fails_is_no_answer() {
    let (owner, source, group) = group_of(|builder| builder.hedge(0.95));
    let waits = start({
        let group = group.clone();
        move || group.get("slow and failing here")
    });
    until("it was tried", || source.getter.calls_of("slow and failing here") == 1);
    owner.gate.open();
    assert_eq!(waits.result().unwrap(), "theirs");
}

#[test]
fn a_load_beside_that_fails_does_not_serve_an_expired_copy_while_the_owner_is_asked() {
    let (hand, minute) = (Hand::default(), Duration::from_secs(60));
    let (owner, _, group) = group_of(|builder| {
        let builder = builder.hedge(0.95).hot_cache(HotCache::Always).hot_ttl(minute);
        builder.stale_if_error(60 * minute).soft_timeout(minute).clock(hand.clock())
    });
    let key = "then slow and failing here";
    group.get(key).unwrap();
    hand.advance(2 * minute);
    let waits = start({
        let group = group.clone();
        move || group.get_with_origin(key)
    });
    until("it was tried", || group.stats().local_load_errors == 1);
    owner.gate.open();
    assert_eq!(waits.result().unwrap(), ("theirs".into(), Origin::Owner));
    assert_eq!(group.stats().hits_stale, 0);
}

#[test]
fn an_owner_that_fails_late_is_followed_by_the_load_that_runs() {
    let (owner, source, group) = group_of(|builder| builder.hedge(0.95));
    let waits = start({
        let group = group.clone();
        move || group.get("slow everywhere, failing")
    });
    source.gate.wait_for_arrivals(1);
    owner.gate.open();
    until("the owner has failed", || group.stats().peer_errors == 1);
    source.gate.open();
    assert_eq!(waits.result().unwrap(), "ours");
    assert_eq!(source.getter.calls(), 1);
}

#[test]
fn second_loads_are_few_however_slow_the_owner_is() {
    let (owner, source, group) = group_of(|builder| builder.hedge(0.5));
    let callers: Vec<_> = (0..30)
        .map(|n| {
            let group = group.clone();
            start(move || group.get(&format!("slow {n}")))
        })
        .collect();
    // 50 questions have saved up two second loads and a half. Whoever has the value of one of those
    // before its own question is on its way does not ask.
    until("what was saved up is spent", || source.getter.calls() == 2);
    owner.gate.wait_for_arrivals(28);
    owner.gate.open();
    callers.into_iter().for_each(|caller| drop(caller.result().unwrap()));
    assert_eq!(group.stats().hedges, 2);
}

#[test]
fn nothing_is_loaded_beside_without_the_option_or_where_errors_are_the_owner_s() {
    let rules: [fn(GroupBuilder) -> GroupBuilder; 2] =
        [|it| it, |it| it.hedge(0.95).owner_errors(OwnerErrors::ReturnAll)];
    for rule in rules {
        let (owner, source, group) = group_of(rule);
        let waits = start({
            let group = group.clone();
            move || group.get("slow and failing")
        });
        owner.gate.wait_for_arrivals(1);
        std::thread::sleep(2 * USUAL);
        assert_eq!((source.getter.calls(), group.stats().hedges), (0, 0));
        owner.gate.open();
        let ended: Result<_, Error> = waits.result();
        assert!(ended.is_err() || source.getter.calls() == 1);
    }
}
