mod later;
mod zones;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::sync::lock;

type Log = Arc<Mutex<Vec<String>>>;

/// Tells a log what it was told.
struct Here(Log);

impl ChangeHost for Here {
    fn forget(&self, key: &str) {
        lock(&self.0).push(format!("here -{key}"));
    }

    fn forget_all(&self) {
        lock(&self.0).push("here clear".to_owned());
    }

    fn forget_tag(&self, tag: Tag) {
        lock(&self.0).push(format!("here -#{tag:?}"));
    }

    fn begin(&self, loaded: Loaded) -> Loaded {
        loaded
    }

    fn keep_newer(
        &self,
        key: &str,
        loaded: Loaded,
        version: u64,
        _is_newest: &dyn Fn() -> bool,
    ) -> Option<bool> {
        lock(&self.0).push(format!("here +{key}@{version}"));
        (version > 1).then_some(loaded.value().is_some())
    }

    fn keep_inserted(&self, key: &str, loaded: Loaded, is_newest: &dyn Fn() -> bool) -> bool {
        lock(&self.0).push(format!("here +{key}"));
        loaded.value().is_some() && is_newest()
    }

    fn keep_as_owner(&self, key: &str, loaded: Loaded) -> bool {
        self.keep_inserted(key, loaded, &|| true)
    }
}

struct Peer {
    name: &'static str,
    error: Mutex<Option<PeerErrorKind>>,
    log: Log,
}

impl Peer {
    fn told(&self, what: String) -> Result<(), PeerError> {
        lock(&self.log).push(format!("{} {what}", self.name));
        lock(&self.error)
            .map_or(Ok(()), |kind| Err(PeerError::new(kind, self.name, "as it was told")))
    }
}

impl PeerGetter for Peer {
    fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
        unreachable!("changes ask for nothing")
    }

    fn name(&self) -> &str {
        self.name
    }

    fn remove(&self, _group: &str, keys: &[&str], _stamp: ChangeStamp) -> Result<(), PeerError> {
        self.told(format!("-{}", keys.join(",")))
    }

    fn remove_tags(
        &self,
        _group: &str,
        tags: &[&str],
        _stamp: ChangeStamp,
    ) -> Result<(), PeerError> {
        self.told(format!("-#{}", tags.join(",")))
    }

    fn clear(&self, _group: &str, _stamp: ChangeStamp) -> Result<(), PeerError> {
        self.told("clear".to_owned())
    }

    fn insert(
        &self,
        _group: &str,
        key: &str,
        value: &Loaded,
        _stamp: ChangeStamp,
    ) -> Result<bool, PeerError> {
        self.told(format!("+{key}")).map(|()| value.value().is_some())
    }
}

/// The first peer owned every key, the second one owns it, and there is a third.
struct Three([Arc<Peer>; 3]);

impl PeerPicker for Three {
    fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        Some(Arc::clone(&self.0[1]) as _)
    }

    fn previous_owner(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        Some(Arc::clone(&self.0[0]) as _)
    }

    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        self.0.iter().map(|peer| Arc::clone(peer) as _).collect()
    }
}

/// Three peers, of which the owner fails with `error`, if any; a process, and the log of all.
fn three(error: Option<PeerErrorKind>) -> (Changes, Here, Three, Log) {
    let log = Log::default();
    let peer =
        |name, error| Arc::new(Peer { name, error: Mutex::new(error), log: Arc::clone(&log) });
    let peers = Three([peer("previous", None), peer("owner", error), peer("third", None)]);
    (Changes::new(Telling::quiet("g")), Here(Arc::clone(&log)), peers, log)
}

/// What the log says up to each message of `here`: one round of requests, in a fixed order.
fn rounds(log: &Log) -> Vec<String> {
    let log = lock(log);
    let mut rounds = vec![Vec::new()];
    for line in log.iter() {
        if line.starts_with("here") {
            rounds.push(Vec::new());
        } else {
            rounds.last_mut().expect("there is one").push(line.clone());
        }
    }
    let sorted = rounds.into_iter().filter(|round| !round.is_empty()).map(|mut round| {
        round.sort_unstable();
        round.join("; ")
    });
    sorted.collect()
}

#[test]
fn a_removal_goes_the_way_of_the_values_and_comes_home_after_each_step() {
    let (changes, here, peers, log) = three(None);
    let report = changes.remove(&["k"], &here, &peers);
    assert!(report.is_complete() && report.peers.len() == 3, "{report:?}");
    assert_eq!(rounds(&log), ["previous -k", "owner -k", "previous -k; third -k"]);
    let lines = lock(&log);
    assert_eq!((lines.first(), lines.last()), (Some(&"here -k".into()), Some(&"here -k".into())));
    assert_eq!(changes.counters.removes.value(), 1);
}

#[test]
fn everything_is_cleared_three_times() {
    let (changes, here, peers, log) = three(None);
    assert!(changes.clear(&here, &peers).is_complete());
    assert_eq!(rounds(&log), ["owner clear; previous clear; third clear"; 3]);
}

#[test]
fn an_insertion_ends_at_the_owner_and_removes_elsewhere() {
    let (changes, here, peers, log) = three(None);
    assert!(changes.insert("k", Loaded::from("v"), &here, &peers).is_complete());
    let lines = lock(&log).clone();
    assert_eq!(lines[..3], ["here -k", "previous -k", "owner +k"]);
    assert_eq!(lines.last().unwrap(), "here -k");
    assert!(!lines.contains(&"owner -k".to_owned()));
}

#[test]
fn a_report_tells_whether_the_owner_has_the_value_and_whether_nobody_has_an_older_one() {
    use crate::peers::NoPeers;
    for (error, value, is_kept) in [
        (None, Loaded::from("v"), true),
        (None, Loaded::absent(), false),
        (Some(PeerErrorKind::Protocol), Loaded::from("v"), false),
        (Some(PeerErrorKind::TimedOut), Loaded::from("v"), false),
    ] {
        let (changes, here, peers, _) = three(error);
        let report = changes.insert("k", value, &here, &peers);
        assert_eq!((report.is_kept, report.is_complete()), (is_kept, error.is_none()));
    }
    let (changes, here, ..) = three(None);
    assert!(changes.insert("k", Loaded::from("v"), &here, &NoPeers).is_kept);
    assert!(!changes.insert("k", Loaded::absent(), &here, &NoPeers).is_kept);
}

#[test]
fn an_owner_that_did_not_take_the_value_loses_the_old_one() {
    let (changes, here, peers, log) = three(Some(PeerErrorKind::Protocol));
    let report = changes.insert("k", Loaded::from("v"), &here, &peers);
    assert!(!report.is_complete());
    assert!(lock(&log).contains(&"owner -k".to_owned()));
}

#[test]
fn a_peer_that_was_late_once_is_not_waited_for_again() {
    let (changes, here, peers, log) = three(Some(PeerErrorKind::TimedOut));
    assert!(!changes.clear(&here, &peers).is_complete());
    let to_owner = lock(&log).iter().filter(|line| line.starts_with("owner")).count();
    assert_eq!(to_owner, 1);
}

#[test]
fn where_there_are_no_peers_only_this_process_changes() {
    use crate::peers::NoPeers;
    let (changes, here, _, log) = three(None);
    changes.remove(&["a", "b"], &here, &NoPeers);
    changes.clear(&here, &NoPeers);
    assert!(changes.insert("c", Loaded::from("v"), &here, &NoPeers).peers.is_empty());
    assert_eq!(*lock(&log), ["here -a", "here -b", "here clear", "here -c", "here -c", "here +c"]);
}

/// Three peers without names: the first owns every key, and is late.
struct Unnamed([Arc<Nameless>; 3]);

struct Nameless {
    is_late: bool,
    told: AtomicUsize,
}

impl PeerGetter for Nameless {
    fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
        unreachable!("changes ask for nothing")
    }

    fn remove(&self, _group: &str, _keys: &[&str], _stamp: ChangeStamp) -> Result<(), PeerError> {
        self.told.fetch_add(1, Ordering::SeqCst);
        let late = || PeerError::new(PeerErrorKind::TimedOut, self.name(), "too late");
        if self.is_late { Err(late()) } else { Ok(()) }
    }

    fn insert(
        &self,
        group: &str,
        key: &str,
        _value: &Loaded,
        stamp: ChangeStamp,
    ) -> Result<bool, PeerError> {
        self.remove(group, &[key], stamp).map(|()| true)
    }
}

impl PeerPicker for Unnamed {
    fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        Some(Arc::clone(&self.0[0]) as _)
    }

    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        self.0.iter().map(|peer| Arc::clone(peer) as _).collect()
    }
}

#[test]
fn a_late_peer_without_a_name_keeps_nothing_from_the_others() {
    for insert in [false, true] {
        let (changes, here, ..) = three(None);
        let nameless = |is_late| Arc::new(Nameless { is_late, told: AtomicUsize::new(0) });
        let peers = Unnamed([nameless(true), nameless(false), nameless(false)]);
        let reports = match insert {
            false => changes.remove(&["k"], &here, &peers).peers,
            true => changes.insert("k", Loaded::from("v"), &here, &peers).peers,
        };
        let told: Vec<_> = peers.0.iter().map(|peer| peer.told.load(Ordering::SeqCst)).collect();
        assert_eq!(told, [1, 2, 2], "the others once more, as one was not told");
        let done = reports.iter().filter(|report| report.outcome.is_done()).count();
        assert_eq!((reports.len(), done), (3, 2), "{reports:?}");
    }
}

#[test]
fn as_many_peers_as_there_are_threads_are_told_at_the_same_time() {
    /// A peer that answers when all of them were asked.
    struct Together(Arc<std::sync::Barrier>, String);
    impl PeerGetter for Together {
        fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
            unreachable!("changes ask for nothing")
        }

        fn name(&self) -> &str {
            &self.1
        }

        fn remove(
            &self,
            _group: &str,
            _keys: &[&str],
            _stamp: ChangeStamp,
        ) -> Result<(), PeerError> {
            self.0.wait();
            Err(PeerError::new(PeerErrorKind::TimedOut, self.name(), "it is silent"))
        }
    }
    struct Many(Vec<Arc<Together>>);
    impl PeerPicker for Many {
        fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
            None
        }

        fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
            self.0.iter().map(|peer| Arc::clone(peer) as _).collect()
        }
    }
    let count = MAX_FAN_OUT + 1;
    let all = Arc::new(std::sync::Barrier::new(count));
    let peer = |n: usize| Arc::new(Together(Arc::clone(&all), n.to_string()));
    let many = Many((0..count).map(peer).collect());
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let changes = Changes::new(Telling::quiet("g"));
        done.send(changes.remove(&["k"], &Here(Log::default()), &many)).unwrap();
    });
    let report = is_done.recv_timeout(std::time::Duration::from_secs(10));
    let report = report.expect("nobody waits until another one was told");
    assert!(report.peers.iter().all(|peer| peer.outcome.has_timed_out()));
    assert_eq!(report.peers.len(), count);
}

#[test]
fn an_insertion_that_a_newer_change_overtakes_is_not_kept() {
    /// Makes a newer change just before the value would be kept.
    struct Overtaken<'a>(&'a Changes, Here, ChangeStamp);
    impl ChangeHost for Overtaken<'_> {
        fn forget(&self, key: &str) {
            self.1.forget(key);
        }

        fn forget_all(&self) {
            self.1.forget_all();
        }

        fn forget_tag(&self, tag: Tag) {
            self.1.forget_tag(tag);
        }

        fn begin(&self, loaded: Loaded) -> Loaded {
            loaded
        }

        fn keep_newer(
            &self,
            key: &str,
            loaded: Loaded,
            version: u64,
            is_newest: &dyn Fn() -> bool,
        ) -> Option<bool> {
            self.1.keep_newer(key, loaded, version, is_newest)
        }

        fn keep_inserted(&self, key: &str, loaded: Loaded, is_newest: &dyn Fn() -> bool) -> bool {
            self.0.remove_here(&[key], self.2, &self.1);
            self.1.keep_inserted(key, loaded, is_newest)
        }

        fn keep_as_owner(&self, key: &str, loaded: Loaded) -> bool {
            self.1.keep_as_owner(key, loaded)
        }
    }
    for (number, is_late) in [(6, true), (4, false)] {
        let (changes, here, ..) = three(None);
        let host = Overtaken(&changes, here, ChangeStamp::new(7, number));
        let inserted = changes.insert_here("k", Loaded::from("v"), ChangeStamp::new(7, 5), &host);
        assert_eq!(inserted, if is_late { Err(LateChange) } else { Ok(true) });
        assert_eq!(changes.counters.late.value(), u64::from(is_late));
    }
}

#[test]
fn the_steps_of_a_change_have_growing_numbers_and_no_step_of_another_group_is_compared() {
    let (changes, ..) = three(None);
    let (first, second) = (changes.stamps.next(), changes.stamps.next());
    assert_eq!((first.number(), second.number()), (1, 2));
    assert_eq!(first.origin(), second.origin());
    assert!(first.is_ordered());
    assert_ne!(three(None).0.stamps.next().origin(), first.origin());
}

#[test]
fn a_late_insertion_is_told_as_such_and_leaves_nothing_older() {
    let (changes, here, peers, log) = three(Some(PeerErrorKind::Late));
    let report = changes.insert("k", Loaded::from("v"), &here, &peers);
    assert!(report.is_complete() && !report.is_kept, "{report:?}");
    let is_late = |peer: &PeerReport| matches!(peer.outcome, RemoveOutcome::Late);
    assert!(report.peers.iter().any(is_late), "{report:?}");
    // It is not told to remove what it does not have.
    assert!(!lock(&log).contains(&"owner -k".to_owned()));
}
