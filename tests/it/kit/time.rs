//! The clock of pools: what is decided by it, without a wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geecache::testing::{Cluster, CountingGetter, FakeClock, wait_until};
use geecache::{BoxError, Discover, Discovery, Group, Origin, PeerState};

fn peers_with(clock: &FakeClock, count: usize) -> Cluster {
    let source = CountingGetter::new();
    Cluster::builder(count)
        .group(move |_| Group::builder("scores", 1 << 20, source.clone()).hot_ttl(Duration::ZERO))
        // What is handed over in bulk comes when it comes.
        .pool(|pool, _| pool.hand_over_rate(0))
        .clock(clock)
        .start()
        .unwrap()
}

#[test]
fn peer_that_came_back_is_asked_when_its_pause_is_over() {
    let clock = FakeClock::new();
    let cluster = peers_with(&clock, 2);
    let keys = cluster.keys_owned_by(1, 3);
    cluster.kill(1);
    cluster.group(0).get(&keys[0]).unwrap();
    cluster.restart(1).unwrap();
    let state = || cluster.pool(0).peer_stats()[0].state;
    cluster.group(0).get(&keys[1]).unwrap();
    assert_eq!((state(), cluster.group(0).stats().peer_loads), (PeerState::Down, 0));
    // A second, give or take a fifth.
    clock.advance(Duration::from_millis(1_300));
    cluster.group(0).get(&keys[2]).unwrap();
    assert_eq!((state(), cluster.group(0).stats().peer_loads), (PeerState::Up, 1));
}

#[test]
fn previous_owners_are_asked_until_the_warm_up_is_over() {
    let clock = FakeClock::new();
    let keys = {
        let future = peers_with(&FakeClock::new(), 3);
        future.keys_owned_by(2, 2)
    };
    let cluster = peers_with(&clock, 2);
    keys.iter().for_each(|key| assert!(cluster.group(0).get(key).is_ok()));
    cluster.add().unwrap();
    cluster.group(2).get(&keys[0]).unwrap();
    assert_eq!(cluster.group(2).stats().peek_hits, 1);
    clock.advance(Duration::from_secs(60));
    cluster.group(2).get(&keys[1]).unwrap();
    assert_eq!(cluster.group(2).stats().peeks, 1);
}

/// A source that says what a test has it say.
struct Told(Arc<Mutex<Vec<String>>>);

impl Discover for Told {
    fn discover(&mut self) -> Result<Option<Vec<String>>, BoxError> {
        Ok(Some(self.0.lock().unwrap().clone()))
    }

    fn name(&self) -> String {
        "told".to_owned()
    }
}

#[test]
fn peer_that_its_source_lacks_goes_when_its_time_is_over() {
    let clock = FakeClock::new();
    let cluster = peers_with(&clock, 2);
    let urls = [0, 1].map(|peer| cluster.pool(peer).url().unwrap().to_owned());
    let source = Arc::new(Mutex::new(urls.to_vec()));
    let pool = cluster.pool(0);
    let discovery = Discovery::of(Told(Arc::clone(&source)));
    pool.follow(discovery.every(Duration::from_secs(100)).absence(Duration::from_secs(600)))
        .unwrap();
    source.lock().unwrap().pop();
    clock.advance(Duration::from_secs(100));
    wait_until("it is missed", || pool.follow_stats().unwrap().missing == urls[1..]);
    assert_eq!(pool.list_stats().peers, 2);
    clock.advance(Duration::from_secs(600));
    wait_until("it is gone", || pool.list_stats().peers == 1);
}

/// As `guide::source` and `guide::consistency` say.
#[test]
fn a_stale_value_of_another_owner_is_counted_there() {
    let clock = FakeClock::new();
    let calls = AtomicUsize::new(0);
    let source = CountingGetter::with(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Ok("630".into()),
        _ => Err("down".into()),
    });
    let reader = clock.reader();
    let cluster = Cluster::builder(2)
        .group(move |_| {
            Group::builder("scores", 1 << 20, source.clone())
                .ttl(Duration::from_secs(10))
                .stale_if_error(Duration::from_secs(600))
                .clock(reader.clone())
                .build()
        })
        .clock(&clock)
        .start()
        .unwrap();
    let key = cluster.key_owned_by(1);
    cluster.group(0).get(&key).unwrap();
    clock.advance(Duration::from_secs(60));
    let (value, origin) = cluster.group(0).get_with_origin(&key).unwrap();
    assert!(value == "630" && origin == Origin::OwnerMemory, "{value:?} {origin:?}");
    assert_eq!([0, 1].map(|peer| cluster.group(peer).stats().hits_stale), [0, 1]);
    assert_eq!(cluster.group(1).get_with_origin(&key).unwrap().1, Origin::Stale);
}
