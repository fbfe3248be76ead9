use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::clock::Deadline;
use crate::error::{Error, PeerError, PeerErrorKind};
use crate::group::batch::all;
use crate::group::nesting::{Inside, LoadId};
use crate::peers::TellAnswer;
use crate::sync::lock;

mod rounds;

/// A group that keeps nothing, and whose clock stands.
struct Host;

impl CopyHost for Host {
    fn drop_copy(&self, _key: &str) {}

    fn drop_copies(&self) {}
}

impl OwnerHost for Host {
    fn find_copy(&self, _key: &str) -> Option<Loaded> {
        None
    }

    fn may_ask(&self, peer: &Arc<dyn PeerGetter>) -> bool {
        !peer.name().ends_with(" that is owed")
    }

    fn now(&self) -> u64 {
        1
    }

    fn tick(&self) -> u64 {
        0
    }

    fn is_for_one_who_came_at(&self, _came: u64, _loaded: &Loaded) -> bool {
        true
    }

    fn keep_copy(
        &self,
        _key: &str,
        loaded: Loaded,
        _asked: u64,
        _is_wanted: &dyn Fn() -> bool,
    ) -> Loaded {
        loaded
    }

    fn load_beside(self: &Arc<Self>, _key: &str, _call: Call) -> Answer {
        Ok(Loaded::from("beside"))
    }
}

/// A peer that answers with its name, or not at all, and remembers what it was asked for.
struct Peer {
    name: &'static str,
    error: Option<PeerErrorKind>,
    asked: Mutex<Vec<Vec<String>>>,
}

impl Peer {
    fn new(name: &'static str, error: Option<PeerErrorKind>) -> Arc<Self> {
        Arc::new(Self { name, error, asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<Vec<String>> {
        lock(&self.asked).clone()
    }
}

impl PeerGetter for Peer {
    fn get(&self, group: &str, key: &str) -> Result<Loaded, PeerError> {
        let mut answer = None;
        self.get_many(group, &[key], &mut |_, told| answer = Some(told));
        answer.unwrap()
    }

    fn get_many(&self, _group: &str, keys: &[&str], tell: TellAnswer<'_>) {
        lock(&self.asked).push(keys.iter().map(|&key| key.to_owned()).collect());
        for at in 0..keys.len() {
            tell(
                at,
                match self.error {
                    None => Ok(Loaded::from(self.name)),
                    Some(kind) => Err(PeerError::new(kind, self.name, "as it was told")),
                },
            );
        }
    }

    fn name(&self) -> &str {
        self.name
    }
}

/// Names the peers whose names begin like the key, one after the other; nobody for other keys.
struct ByLetter {
    peers: Vec<Arc<Peer>>,
    picks: Mutex<HashMap<String, usize>>,
}

impl PeerPicker for ByLetter {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let mut picks = lock(&self.picks);
        let nth = picks.entry(key.to_owned()).or_default();
        let mut peers = self.peers.iter().filter(|peer| peer.name.starts_with(&key[..1]));
        *nth += 1;
        peers.nth(*nth - 1).map(|peer| Arc::clone(peer) as Arc<dyn PeerGetter>)
    }

    /// The last of all.
    fn pick_peer_that(&self, _key: &str, may_ask: MayAsk<'_>) -> Option<Arc<dyn PeerGetter>> {
        let last = Arc::clone(self.peers.last()?) as Arc<dyn PeerGetter>;
        Some(last).filter(may_ask)
    }
}

fn owners(peers: &[&Arc<Peer>], rule: OwnerErrors) -> Arc<Owners> {
    let owners = Owners::new(Telling::quiet("g"), rule, None, StackBytes::default());
    let peers = peers.iter().map(|&peer| Arc::clone(peer)).collect();
    let picker = ByLetter { peers, picks: Mutex::default() };
    assert!(owners.register(Arc::new(picker)));
    Arc::new(owners)
}

/// Asks, and loads as "here"; the values, and the keys that were loaded, in the order of the calls.
fn ask(owners: &Arc<Owners>, keys: &[&str], call: Call) -> (Vec<String>, Vec<Vec<String>>) {
    let loaded = Mutex::new(Vec::new());
    let load_here = |keys: &[&str], answers: &mut [Option<Answer>], _: Call| {
        lock(&loaded).push(keys.iter().map(|&key| key.to_owned()).collect());
        answers.fill(Some(Ok(Loaded::from("here"))));
    };
    let mut answers = vec![None; keys.len()];
    owners.ask(keys, &mut answers, call, &Arc::new(Host), load_here);
    let text = |answer: Answer| match answer {
        Ok(loaded) => loaded.value().unwrap().as_str().unwrap().to_owned(),
        Err(error) => error.to_string(),
    };
    (all(answers).into_iter().map(text).collect(), loaded.into_inner().unwrap())
}

#[test]
fn one_that_may_not_be_asked_is_passed_over_for_all_its_keys() {
    let (a, b) = (Peer::new("a that is owed", None), Peer::new("b", None));
    let keys = ["a1", "x", "b1", "a2"];
    let (answers, loaded) =
        ask(&owners(&[&a, &b], OwnerErrors::default()), &keys, Call::many(None));
    assert_eq!(
        (answers, loaded),
        (["b", "here", "b", "b"].map(String::from).into(), vec![vec!["x".into()]])
    );
    assert_eq!(
        (a.asked().len(), b.asked()),
        (0, vec![["b1", "a1", "a2"].map(String::from).into()])
    );
    let alone = owners(&[&a], OwnerErrors::default());
    let (answers, loaded) = ask(&alone, &["x", "a1", "y", "a2"], Call::many(None));
    assert_eq!((answers.len(), a.asked().len()), (4, 0));
    assert_eq!(loaded, [["x", "a1", "y", "a2"].map(String::from)]);
    assert_eq!((alone.counters.misses.value(), alone.counters.own_misses.value()), (0, 4));
}

#[test]
fn each_owner_is_asked_once_for_all_its_keys_and_ours_are_loaded_here() {
    let (a, b) = (Peer::new("a", None), Peer::new("b", None));
    let owners = owners(&[&a, &b], OwnerErrors::default());
    let (answers, loaded) = ask(&owners, &["a1", "x", "b1", "a2"], Call::many(None));
    assert_eq!(answers, ["a", "here", "b", "a"]);
    assert_eq!(
        (a.asked(), b.asked()),
        (vec![vec!["a1".into(), "a2".into()]], vec![vec!["b1".into()]])
    );
    assert_eq!(loaded, [["x"]]);
    assert_eq!(owners.counters.loads.value(), 3);
}

#[test]
fn nobody_is_asked_where_there_is_nobody() {
    let owners = Arc::new(Owners::new(
        Telling::quiet("g"),
        OwnerErrors::default(),
        None,
        StackBytes::default(),
    ));
    let (answers, loaded) = ask(&owners, &["a1", "b1"], Call::many(None));
    assert_eq!((answers, loaded), (vec!["here".into(); 2], vec![vec!["a1".into(), "b1".into()]]));
}

#[test]
fn a_stand_in_answers_for_an_owner_that_fails_and_then_the_getter() {
    let a = Peer::new("a", Some(PeerErrorKind::Unreachable));
    let (second, third) = (Peer::new("a second", None), Peer::new("a third", None));
    for call in [Call::one(None), Call::many(None)] {
        let owners = owners(&[&a, &second, &third], OwnerErrors::default());
        assert_eq!(ask(&owners, &["a1"], call).0, ["a second"]);
    }
    let silent = Peer::new("a second", Some(PeerErrorKind::TimedOut));
    for call in [Call::one(None), Call::many(None)] {
        let owners = owners(&[&a, &silent, &third], OwnerErrors::default());
        assert_eq!(ask(&owners, &["a1"], call).0, ["here"], "two peers are enough");
        assert_eq!(owners.counters.errors.value(), 2);
    }
    assert!(third.asked().is_empty());
}

#[test]
fn one_stand_in_is_asked_for_a_batch_however_many_there_are() {
    /// Every key has the owner, and then a stand-in of its own.
    struct Spread(Arc<Peer>, Vec<Arc<Peer>>, Mutex<Vec<String>>);
    impl PeerPicker for Spread {
        fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
            let mut seen = lock(&self.2);
            if seen.iter().any(|it| it == key) {
                return Some(Arc::clone(&self.1[key.len() % self.1.len()]) as _);
            }
            seen.push(key.to_owned());
            Some(Arc::clone(&self.0) as _)
        }
    }
    let silent = |name| Peer::new(name, Some(PeerErrorKind::TimedOut));
    let stand_ins: Vec<_> = ["one", "two", "three"].map(silent).into_iter().collect();
    let owners =
        Owners::new(Telling::quiet("g"), OwnerErrors::default(), None, StackBytes::default());
    let picker = Spread(silent("owner"), stand_ins.clone(), Mutex::default());
    assert!(owners.register(Arc::new(picker)));
    let (answers, _) = ask(&Arc::new(owners), &["k", "kk", "kkk", "kkkk"], Call::many(None));
    assert_eq!(answers, ["here"; 4]);
    let asked: Vec<_> = stand_ins.iter().flat_map(|peer| peer.asked()).collect();
    assert_eq!(asked, [["k", "kkkk"]], "the one that two keys have in common");
}

#[test]
fn the_word_of_an_owner_whose_getter_failed_is_final_where_the_group_says_so() {
    let a = Peer::new("a", Some(PeerErrorKind::Load));
    let refusing = owners(&[&a, &a], OwnerErrors::Return);
    let (answers, loaded) = ask(&refusing, &["a1"], Call::one(None));
    assert!(answers[0].contains("failed") && loaded.is_empty(), "{answers:?}");
    let lenient = owners(&[&a, &a], OwnerErrors::LoadLocally);
    assert_eq!(ask(&lenient, &["a1"], Call::one(None)).0, ["here"]);
    assert_eq!(a.asked().len(), 2, "no peer is asked twice");
}

#[test]
fn a_caller_without_time_left_sends_nothing_and_holds_nothing_against_the_peer() {
    let a = Peer::new("a", None);
    for form in [Call::one, Call::many] {
        let owners = owners(&[&a], OwnerErrors::default());
        let call = form(Deadline::after(Duration::ZERO));
        let mut answers = [None];
        owners.ask(&["a1"], &mut answers, call, &Arc::new(Host), |_, _, _| {});
        assert!(matches!(answers, [Some(Err(Error::TimedOut { .. }))]), "{answers:?}");
        assert_eq!(owners.counters.errors.value(), 0);
    }
    assert!(a.asked().is_empty());
}

/// A peer that is silent for as long as its asker has time.
struct Silent;

impl PeerGetter for Silent {
    fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
        unreachable!("there is a time limit")
    }

    fn get_many_timeout(
        &self,
        _group: &str,
        keys: &[&str],
        timeout: Duration,
        tell: TellAnswer<'_>,
    ) {
        std::thread::sleep(timeout);
        let error = || PeerError::new(PeerErrorKind::TimedOut, "silent", "it is silent");
        (0..keys.len()).for_each(|at| tell(at, Err(error())));
    }
}

/// "s…" is owned by the silent peer, "a…" by another one, and the rest by this process.
struct SilentFirst(Arc<Silent>, Arc<Peer>);

impl PeerPicker for SilentFirst {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        match &key[..1] {
            "s" => Some(Arc::clone(&self.0) as _),
            "a" => Some(Arc::clone(&self.1) as _),
            _ => None,
        }
    }
}

#[test]
fn what_is_asked_after_a_silent_owner_keeps_its_share_of_the_time_without_a_free_thread() {
    for inside_getter in [false, true] {
        let owners = Arc::new(Owners::new(
            Telling::quiet("g"),
            OwnerErrors::default(),
            None,
            StackBytes::default(),
        ));
        let a = Peer::new("a", None);
        assert!(owners.register(Arc::new(SilentFirst(Arc::new(Silent), Arc::clone(&a)))));
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for _ in 0..MAX_FAN_OUT {
            let gate = Arc::clone(&gate);
            assert!(owners.fan_out.run_now(move || assert!(lock(&gate).recv().is_err())));
        }
        let load = LoadId { group: 0, key_hash: 0 };
        let _inside = inside_getter.then(|| Inside::begin([load].into_iter(), None));
        let call = Call::many(Deadline::after(Duration::from_secs(4)));
        let (answers, loaded) = ask(&owners, &["s1", "a1", "ours", "s2"], call);
        assert_eq!(answers, ["here", "a", "here", "here"]);
        assert_eq!(loaded, [vec!["ours"], vec!["s1", "s2"]], "the getter stands in, too");
        assert!(!call.is_over());
        drop(open);
    }
}

/// What the peers of a test have in common: which of them are silent, of those that are asked for a
/// key as the first, the second, and so on; and how often one has kept its caller waiting.
struct Twins {
    is_silent: fn(&str, usize) -> bool,
    waits: AtomicUsize,
    picks: Mutex<HashMap<String, usize>>,
}

struct Twin(Arc<Twins>, usize);

/// What a silent one takes of its caller's time: no less than what counts as lost.
const TIMEOUT: Duration = losses::LEAST;

impl PeerGetter for Twin {
    fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
        unreachable!("they are asked for batches")
    }

    fn get_many(&self, _group: &str, keys: &[&str], tell: TellAnswer<'_>) {
        let Self(twins, nth) = self;
        let is_silent = (twins.is_silent)(keys[0], *nth);
        if is_silent {
            twins.waits.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(TIMEOUT);
        }
        let error = || PeerError::new(PeerErrorKind::TimedOut, "twin", "it is silent");
        let answer = || if is_silent { Err(error()) } else { Ok("twin".into()) };
        (0..keys.len()).for_each(|at| tell(at, answer()));
    }
}

/// Every pick is a peer of its own.
struct ManyTwins(Arc<Twins>);

impl PeerPicker for ManyTwins {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let mut picks = lock(&self.0.picks);
        let nth = picks.entry(key.to_owned()).or_default();
        *nth += 1;
        Some(Arc::new(Twin(Arc::clone(&self.0), *nth)))
    }
}

/// Asks twins for keys on one thread; the values, and how often it waited for a timeout.
fn ask_twins(keys: &[&str], is_silent: fn(&str, usize) -> bool) -> (String, usize) {
    let twins = Arc::new(Twins { is_silent, waits: AtomicUsize::new(0), picks: Mutex::default() });
    let owners = Arc::new(Owners::new(
        Telling::quiet("g"),
        OwnerErrors::default(),
        None,
        StackBytes::default(),
    ));
    assert!(owners.register(Arc::new(ManyTwins(Arc::clone(&twins)))));
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    for _ in 0..MAX_FAN_OUT {
        let gate = Arc::clone(&gate);
        assert!(owners.fan_out.run_now(move || assert!(lock(&gate).recv().is_err())));
    }
    let load_here = |_: &[&str], answers: &mut [Option<Answer>], _: Call| {
        answers.fill(Some(Ok(Loaded::from("here"))));
    };
    let mut answers = vec![None; keys.len()];
    owners.ask(keys, &mut answers, Call::many(None), &Arc::new(Host), load_here);
    drop(open);
    let value = |answer: Answer| answer.unwrap().value().unwrap().as_str().unwrap().to_owned();
    let values: Vec<String> = all(answers).into_iter().map(value).collect();
    (values.join(" "), twins.waits.load(Ordering::SeqCst))
}

#[test]
fn many_silent_owners_cost_a_batch_two_timeouts_without_a_free_thread() {
    let (answers, waits) = ask_twins(&["a", "b", "c", "d", "e"], |_, _| true);
    assert_eq!((answers.as_str(), waits), ("here here here here here", 2));
}

#[test]
fn one_silent_owner_keeps_no_other_one_from_being_asked() {
    let (answers, waits) = ask_twins(&["a", "b", "c", "d"], |key, nth| key == "b" && nth == 1);
    assert_eq!((answers.as_str(), waits), ("twin twin twin twin", 1));
}

#[test]
fn the_flight_of_a_key_ends_as_soon_as_the_peer_has_told_of_it() {
    /// Has told of the first key, and waits until somebody has got it before it tells of the next.
    struct Streaming(OnceLock<Arc<Owners>>);
    impl PeerGetter for Streaming {
        fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
            unreachable!("it is asked for a batch")
        }

        fn get_many(&self, _group: &str, _keys: &[&str], tell: TellAnswer<'_>) {
            let owners = self.0.get().unwrap();
            let join = || owners.flights.join("a1");
            let joined = std::thread::scope(|scope| scope.spawn(join).join().unwrap());
            let Ok(Ticket::Follower(follower)) = joined else { panic!("the flight is led here") };
            tell(0, Ok("a".into()));
            let soon = Deadline::after(Duration::from_secs(10)).map(|deadline| deadline.at);
            let Waited::Value(Forwarded::Answered(got)) = follower.wait(soon) else {
                panic!("the value has come");
            };
            tell(1, Ok(got));
            tell(1, Ok("told twice".into()));
            tell(2, Ok("of no key".into()));
        }
    }
    struct Always(Arc<Streaming>);
    impl PeerPicker for Always {
        fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
            Some(Arc::clone(&self.0) as _)
        }
    }
    let owners = Arc::new(Owners::new(
        Telling::quiet("g"),
        OwnerErrors::default(),
        None,
        StackBytes::default(),
    ));
    let peer = Arc::new(Streaming(OnceLock::new()));
    assert!(owners.register(Arc::new(Always(Arc::clone(&peer)))));
    assert!(peer.0.set(Arc::clone(&owners)).is_ok());
    assert_eq!(ask(&owners, &["a1", "a2"], Call::many(None)).0, ["a", "a"]);
}
