//! Gets that meet, over real sockets.

use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use super::*;
use crate::http::exchange::ExchangeOptions;
use crate::http::peer::options::PeerOptions;
use crate::http::testing::{FaultyPeer, SOON, Talk, ok};
use crate::http::url::PeerUrl;

const LONG: Duration = Duration::from_secs(600);
/// Answered when it is asked for alone, and not from memory.
const COLD: &str = "cold";

/// What the peer does with a request for many keys.
#[derive(Clone, Copy, PartialEq)]
enum Batches {
    Known,
    Unknown,
    Silent,
}

/// A peer whose values are their keys. It does not answer the first two requests before it may.
struct Gate {
    peer: FaultyPeer,
    gets: Arc<AtomicUsize>,
    posts: Arc<AtomicUsize>,
    open: Vec<mpsc::Sender<()>>,
}

impl Gate {
    fn new(batches: Batches) -> Self {
        let (gets, posts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let gates = [mpsc::channel::<()>(), mpsc::channel::<()>()];
        let (open, closed): (Vec<_>, Vec<_>) = gates.into_iter().unzip();
        let closed = std::sync::Mutex::new(closed);
        let (their_gets, their_posts) = (Arc::clone(&gets), Arc::clone(&posts));
        let peer = FaultyPeer::start(move |talk, _| {
            while let Some(head) = talk.request() {
                let answer = if head.starts_with("POST") {
                    let keys = keys_of(talk, &head);
                    their_posts.fetch_add(1, Ordering::SeqCst);
                    match batches {
                        Batches::Known => ok(&answers(&keys)),
                        Batches::Unknown => {
                            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 4\r\n\r\nbad\n".to_vec()
                        }
                        Batches::Silent => return talk.stay_silent(),
                    }
                } else {
                    let gate = crate::sync::lock(&closed).pop();
                    their_gets.fetch_add(1, Ordering::SeqCst);
                    if let Some(gate) = gate {
                        // Opened by a message, or by the end of the test.
                        let _ = gate.recv_timeout(SOON);
                    }
                    let path = head.split(' ').nth(1).unwrap();
                    ok(path.rsplit('/').next().unwrap().as_bytes())
                };
                if !talk.say(&answer) {
                    return;
                }
            }
        });
        Self { peer, gets, posts, open }
    }

    fn requests(&self) -> (usize, usize) {
        (self.gets.load(Ordering::SeqCst), self.posts.load(Ordering::SeqCst))
    }

    #[track_caller]
    fn await_gets(&self, count: usize) {
        let begun = Instant::now();
        while self.requests().0 < count {
            assert!(begun.elapsed() < SOON, "{:?} requests", self.requests());
            thread::yield_now();
        }
    }
}

fn keys_of(talk: &mut Talk, head: &str) -> Vec<String> {
    let length = head.to_ascii_lowercase();
    let length = length.split("content-length: ").nth(1).unwrap();
    let mut body = vec![0; length.split("\r\n").next().unwrap().parse().unwrap()];
    talk.stream.read_exact(&mut body).unwrap();
    let (operation, keys) = frame::decode_request(&body).unwrap();
    assert_eq!(operation, Operation::Held);
    keys.into_iter().map(str::to_owned).collect()
}

fn answers(keys: &[String]) -> Vec<u8> {
    let answer = |key: &String| match key.as_str() {
        COLD => KeyAnswer::NotCached,
        key => KeyAnswer::Loaded(Loaded::from(key)),
    };
    let all: Vec<KeyAnswer> = keys.iter().map(answer).collect();
    frame::fuzz::encoded(&all, frame::MAX_PEEKED_BYTES)
}

/// One way to a peer.
struct Way {
    link: Link,
    abilities: Abilities,
    lanes: Lanes,
}

impl Way {
    fn to(peer: &FaultyPeer, timeout: Duration) -> Self {
        let exchange = ExchangeOptions { timeout, ..ExchangeOptions::default() };
        let lanes = NonZeroUsize::MIN;
        let options = PeerOptions { exchange, lanes, ..PeerOptions::default() };
        let link = Link::without_breaker(PeerUrl::parse(&peer.url).unwrap(), options);
        Self { link, abilities: Abilities::default(), lanes: Lanes::with_turn(1, LONG) }
    }

    fn get(&self, key: &str) -> Result<String, PeerErrorKind> {
        self.get_within(key, self.link.timeout())
    }

    fn get_within(&self, key: &str, timeout: Duration) -> Result<String, PeerErrorKind> {
        let answer = get((&self.link, &self.abilities, &self.lanes), "g", key, timeout);
        let value = answer.map_err(|error| error.kind())?.into_value().expect("it exists");
        Ok(String::from_utf8_lossy(value.as_slice()).into_owned())
    }

    /// What becomes of gets of `keys` that wait for two others to be answered.
    fn meet(&self, gate: &mut Gate, keys: &[&str]) -> Vec<Result<String, PeerErrorKind>> {
        let times: Vec<_> = keys.iter().map(|&key| (key, self.link.timeout())).collect();
        self.meet_within(gate, &times)
    }

    fn meet_within(
        &self,
        gate: &mut Gate,
        times: &[(&str, Duration)],
    ) -> Vec<Result<String, PeerErrorKind>> {
        thread::scope(|scope| {
            let first: Vec<_> = ["x", "y"].map(|key| scope.spawn(move || self.get(key))).into();
            gate.await_gets(2);
            let mut met = Vec::new();
            for &(key, time) in times {
                met.push(scope.spawn(move || self.get_within(key, time)));
                self.lanes.await_waiting(met.len());
            }
            gate.open.clear();
            let join = |it: thread::ScopedJoinHandle<'_, _>| it.join().unwrap();
            let first: Vec<_> = first.into_iter().map(join).collect();
            assert_eq!(first, values(&["x", "y"]));
            met.into_iter().map(join).collect()
        })
    }
}

fn values(keys: &[&str]) -> Vec<Result<String, PeerErrorKind>> {
    keys.iter().map(|&key| Ok(key.to_owned())).collect()
}

#[test]
fn gets_that_meet_are_one_request_and_what_is_not_in_memory_one_more() {
    let mut gate = Gate::new(Batches::Known);
    let way = Way::to(&gate.peer, SOON);
    let keys = ["a", "b", COLD, "d", "e"];
    assert_eq!(way.meet(&mut gate, &keys), values(&keys));
    assert_eq!(gate.requests(), (3, 1));
    assert_eq!(way.link.stats().requests, 4, "those of a batch are one request");
    assert!(gate.peer.connections() <= 2, "{}", gate.peer.connections());
}

#[test]
fn peer_that_does_not_know_batches_is_asked_for_each_key() {
    let mut gate = Gate::new(Batches::Unknown);
    let way = Way::to(&gate.peer, SOON);
    let keys = ["a", "b", "c"];
    assert_eq!(way.meet(&mut gate, &keys), values(&keys));
    assert_eq!(gate.requests(), (5, 1));
    // It is remembered: from now on nobody waits for anybody.
    let _all: Vec<_> = (0..2).map(|_| way.lanes.turn("g", "k", Instant::now() + LONG)).collect();
    assert_eq!(way.get("d").unwrap(), "d");
    assert_eq!(gate.requests(), (6, 1));
}

#[test]
fn gets_that_meet_at_a_silent_peer_end_in_their_time() {
    let mut gate = Gate::new(Batches::Silent);
    let way = Way::to(&gate.peer, Duration::from_millis(1500));
    let ended = way.meet(&mut gate, &["a", "b", "c"]);
    assert_eq!(ended[0], Err(PeerErrorKind::TimedOut));
    // They came later, and may have had a moment left to ask alone.
    for (ended, key) in ended[1..].iter().zip(["b", "c"]) {
        let ends_well = *ended == Err(PeerErrorKind::TimedOut) || *ended == Ok(key.to_owned());
        assert!(ends_well, "{key}: {ended:?}");
    }
    assert_eq!((gate.requests().1, way.lanes.waiting()), (1, 0));
}

#[test]
fn who_asks_for_others_too_keeps_the_time_that_they_do_not_have() {
    let mut gate = Gate::new(Batches::Silent);
    let way = Way::to(&gate.peer, SOON);
    let times = [("a", Duration::from_secs(4)), ("b", Duration::from_millis(2500))];
    let ended = way.meet_within(&mut gate, &times);
    assert_eq!(ended, [Ok("a".to_owned()), Err(PeerErrorKind::TimedOut)]);
    assert_eq!(gate.requests(), (3, 1), "the one who had time has asked alone");
}

#[test]
fn one_in_a_hurry_ends_no_get_that_has_the_time_to_connect() {
    use PeerErrorKind::{Overloaded, TimedOut, Unreachable};
    let cases = [
        (Unreachable, Verdict::Refused, true),
        (Unreachable, Verdict::Failed, true),
        // No connection within the little time that there was.
        (Unreachable, Verdict::Unclear, false),
        (Unreachable, Verdict::Silent, false),
        (Overloaded, Verdict::Unclear, true),
        (TimedOut, Verdict::Failed, false),
    ];
    for (kind, verdict, expected) in cases {
        assert_eq!(is_for_all(&Failure::new(kind, verdict, "")), expected, "{kind:?} {verdict:?}");
    }
}

#[test]
fn long_values_are_asked_for_one_by_one_and_wait_for_nobody() {
    let gate = Gate::new(Batches::Known);
    let way = Way::to(&gate.peer, SOON);
    let _all: Vec<_> = (0..2).map(|_| way.lanes.turn("g", "k", Instant::now() + LONG)).collect();
    way.lanes.saw(&Ok(Loaded::from(vec![7; 1 << 20])));
    // The first two requests are held back until the test lets go of them.
    drop(gate.open);
    assert_eq!(way.get("a").unwrap(), "a");
    assert_eq!((gate.gets.load(Ordering::SeqCst), gate.posts.load(Ordering::SeqCst)), (1, 0));
}
