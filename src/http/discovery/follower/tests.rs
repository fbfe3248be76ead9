use std::net::TcpListener;

use super::*;
use crate::consistenthash::RingHash;
use crate::http::identity::Identity;
use crate::http::peer::PeerOptions;
use crate::http::peers::PeersOptions;
use crate::http::pool::HttpPool;

type Answer = Result<Option<Vec<String>>, BoxError>;

const SECOND: Duration = Duration::from_secs(1);
const OWN: &str = "http://own:1";

/// What a source answers next.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<VecDeque<Answer>>>);

impl Discover for Script {
    fn discover(&mut self) -> Answer {
        let next = lock(&self.0).pop_front();
        next.expect("the script has an answer")
    }

    fn name(&self) -> String {
        "script".to_owned()
    }
}

/// A follower without its thread, and its clock.
struct Bench {
    peers: Arc<Peers>,
    script: Script,
    follower: ListFollower,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let hash = RingHash::default();
        let (replicas, warm_up) = (hash.replicas(), Duration::ZERO);
        let own = PeerUrl::parse(OWN).unwrap();
        let mut peer = PeerOptions::default();
        peer.exchange.identity = Arc::new(Identity::new(Some(&own), None));
        let options = PeersOptions { hash, replicas, warm_up, zone: None, peer };
        let peers = Arc::new(Peers::new(Some(own), options));
        let script = Script::default();
        let (follower, _) = ListFollower::new(&peers, script.clone().into()).unwrap();
        Self { peers, script, follower, now: Instant::now() }
    }

    /// What the list is after the next answer, which comes after `pause`.
    fn after(&mut self, pause: Duration, answer: Answer) -> Vec<String> {
        self.now += pause;
        lock(&self.script.0).push_back(answer);
        assert!(self.follower.step(self.now));
        self.peers.list().iter().map(|peer| peer.url.as_str().to_owned()).collect()
    }

    fn reasons(&self) -> Vec<String> {
        let state = lock(&self.follower.shared.state);
        let reason = |(_, url, kind, reason): &(_, PeerUrl, ListChangeKind, String)| {
            format!("{url} {kind}: {reason}")
        };
        state.changes.iter().map(reason).collect()
    }

    fn error(&self) -> Option<String> {
        lock(&self.follower.shared.state).last_error.clone()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is the answer of a source")]
fn names(urls: &[&str]) -> Answer {
    Ok(Some(urls.iter().map(|&url| url.to_owned()).collect()))
}

/// A URL at which connections are accepted, and nothing is answered.
fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

#[test]
fn the_list_follows_its_source_and_has_this_process() {
    let mut bench = Bench::new();
    let (_listener, a) = silent();
    let list = bench.after(SECOND, names(&[&a]));
    assert_eq!(list, [a.as_str(), OWN]);
    assert_eq!(bench.after(SECOND, names(&[OWN])), [a.as_str(), OWN], "it may come back");
    assert_eq!(bench.after(29 * SECOND, Ok(None)), [a.as_str(), OWN]);
    assert_eq!(bench.after(SECOND, Ok(None)), [OWN]);
    let expected = [
        format!("{a} is in the list now: script says so"),
        format!("{a} is no longer in the list: script has lacked it for 30s"),
    ];
    assert_eq!(bench.reasons(), expected);
}

#[test]
fn a_peer_that_is_missing_and_refuses_connections_goes_at_once() {
    let mut bench = Bench::new();
    // Nothing listens on port 1.
    let dead = "http://127.0.0.1:1";
    assert_eq!(bench.after(SECOND, names(&[dead])), [dead, OWN]);
    assert_eq!(bench.after(SECOND, names(&[dead])), [dead, OWN], "the source has it");
    bench.follower.greet(Instant::now());
    assert_eq!(bench.after(SECOND, names(&[OWN])), [OWN]);
    assert!(bench.reasons()[1].contains("refuses connections"), "{:?}", bench.reasons());
}

#[test]
fn an_answer_that_is_none_keeps_the_last_list_and_ages_nobody() {
    let mut bench = Bench::new();
    let (_listener, a) = silent();
    let before = bench.after(SECOND, names(&[&a, OWN]));
    let panics = || -> Answer { panic!("as asked") };
    for (answer, reason) in [
        (Err("the resolver is gone\n".into()), "the resolver is gone\\n"),
        (names(&[]), "no peer"),
        (names(&[OWN, "localhost:8001"]), "http://host:port"),
        (names(&[OWN, "https://a:1"]), "TLS"),
        (names(&[OWN, "http://a:1#weight=201"]), "10000 points"),
        (names(&["http://a:1#weight=2", "http://a:1"]), "twice"),
    ] {
        assert_eq!(bench.after(60 * SECOND, answer), before);
        assert!(bench.error().is_some_and(|error| error.contains(reason)), "{:?}", bench.error());
    }
    bench.follower.source = Box::new(panics);
    assert!(bench.follower.step(bench.now));
    assert_eq!(bench.error().as_deref(), Some("it panicked"));
    bench.follower.source = Box::new(bench.script.clone());
    assert_eq!(bench.after(60 * SECOND, names(&[OWN])), before, "missing from now on");
    assert_eq!(bench.error(), None);
}

#[test]
fn a_peer_that_tells_its_zone_ages_nobody_while_the_source_has_no_answer() {
    let mut bench = Bench::new();
    let (_listener, missing) = silent();
    let pool = HttpPool::builder().zone("x").bind("127.0.0.1:0").unwrap();
    let there = pool.url().unwrap();
    bench.after(SECOND, names(&[&missing, there]));
    bench.after(SECOND, names(&[there]));
    let before = bench.after(60 * SECOND, Err("the resolver is gone".into()));
    assert!(before.contains(&missing));
    // One that is silent may take all of the time for greetings, and the other is the next then.
    (0..2).for_each(|_| bench.follower.greet(bench.now));
    let list = bench.peers.list();
    assert_eq!(list.iter().map(|peer| peer.url.as_str()).collect::<Vec<_>>(), before);
    let zone = list.iter().find(|peer| peer.url.as_str() == there).unwrap().zone.clone();
    assert_eq!(zone.as_deref(), Some("x"));
    assert!(bench.reasons().contains(&format!("{there} is in another zone: it said so")));
}

#[test]
fn a_process_that_has_left_is_not_added_again() {
    let mut bench = Bench::new();
    let (_listener, a) = silent();
    bench.after(SECOND, names(&[&a, OWN]));
    bench.peers.leave();
    assert_eq!(bench.after(SECOND, names(&[&a, OWN])), [a.as_str()]);
    assert_eq!(bench.after(SECOND, names(&[&a])), [a.as_str()]);
}

#[test]
fn a_list_that_somebody_else_has_set_is_replaced() {
    let mut bench = Bench::new();
    bench.after(SECOND, names(&[OWN, "http://b:1"]));
    let other = [OWN, "http://c:1"].map(|url| bench.peers.parse(url).unwrap());
    bench.peers.set(other.into()).unwrap();
    assert_eq!(bench.after(SECOND, Ok(None)), ["http://b:1", OWN]);
}

#[test]
fn changes_are_remembered_up_to_a_bound() {
    let mut bench = Bench::new();
    for weight in 1..=100 {
        bench.after(SECOND, names(&[OWN, &format!("http://b:1#weight={weight}")]));
    }
    assert_eq!(bench.reasons().len(), MAX_CHANGES);
    assert_eq!(bench.peers.list()[0].weight.get(), 100);
}

#[test]
fn a_follower_ends_with_its_peers() {
    let mut bench = Bench::new();
    let peers = Arc::downgrade(&bench.peers);
    lock(&bench.script.0).push_back(names(&[OWN]));
    drop(bench.peers);
    assert_eq!(peers.strong_count(), 0);
    assert!(!bench.follower.step(bench.now));
}

#[test]
fn a_farewell_in_the_name_of_a_peer_that_does_not_leave_counts_for_nothing() {
    let mut bench = Bench::new();
    let peer = "http://127.0.0.1:1";
    let before = bench.after(SECOND, names(&[peer, OWN]));
    // Who knows its URL can make up the rest.
    let incarnation = u64::from(crc32fast::hash(peer.as_bytes())) << 32;
    bench.peers.identity().is_left_by(incarnation);
    bench.follower.let_go(bench.now);
    let list = bench.after(SECOND, Ok(None));
    assert_eq!(list, before);
    assert_eq!(bench.peers.stats()[0].requests, 1, "it was asked");
}

#[test]
fn a_peer_that_has_left_is_none_for_as_long_as_it_says_so() {
    let leaver = HttpPool::bind("127.0.0.1:0").unwrap();
    let url = leaver.url().unwrap();
    let mut bench = Bench::new();
    let late_source = || names(&[url, OWN]);
    assert_eq!(bench.after(SECOND, late_source()).len(), 2);
    thread::scope(|scope| {
        scope.spawn(|| leaver.leave(600 * SECOND));
        let deadline = Instant::now() + 60 * SECOND;
        while bench.peers.list().len() == 2 {
            assert!(Instant::now() < deadline, "it is not heard");
            bench.follower.greet(bench.now);
        }
        for _ in 0..4 {
            bench.now += 10 * SECOND;
            bench.follower.greet_those_who_left(bench.now);
            assert_eq!(bench.after(SECOND, late_source()), [OWN]);
        }
        leaver.shutdown();
    });
    bench.follower.greet_those_who_left(bench.now);
    assert_eq!(bench.after(13 * SECOND, late_source()), [OWN]);
    assert_eq!(bench.after(SECOND, late_source()).len(), 2, "another process may be there");
    assert_eq!(bench.reasons().len(), 3, "{:?}", bench.reasons());
}

#[test]
fn a_source_that_repeats_a_list_which_is_none_still_has_no_answer() {
    let mut bench = Bench::new();
    bench.after(SECOND, names(&[OWN, "http://b:1"]));
    for (answer, reason) in [(names(&[]), "no peer"), (names(&["b"]), "http://host:port")] {
        bench.after(SECOND, answer);
        let since = lock(&bench.follower.shared.state).failing_since;
        assert!(since.is_some());
        for _ in 0..2 {
            bench.after(60 * SECOND, Ok(None));
            let error = bench.error();
            assert!(error.as_ref().is_some_and(|error| error.contains(reason)), "{error:?}");
            assert_eq!(lock(&bench.follower.shared.state).failing_since, since);
        }
        // It could not be read in between, and is the same again.
        bench.after(SECOND, Err("it is gone".into()));
        bench.after(SECOND, Ok(None));
        assert!(bench.error().is_some_and(|error| error.contains(reason)));
        bench.after(SECOND, names(&[OWN, "http://b:1"]));
        assert_eq!(bench.error(), None);
        bench.after(SECOND, Ok(None));
        assert_eq!(bench.error(), None);
    }
}

#[test]
fn an_answer_that_comes_when_another_source_is_followed_is_too_late() {
    let mut bench = Bench::new();
    let before = bench.after(SECOND, names(&[OWN]));
    let shared = Arc::clone(&bench.follower.shared);
    bench.follower.source = Box::new(move || {
        lock(&shared.state).is_over = true;
        names(&[OWN, "http://b:1"])
    });
    assert!(!bench.follower.step(bench.now));
    let list: Vec<_> = bench.peers.list().iter().map(|peer| peer.url.to_string()).collect();
    assert_eq!(list, before);
}
