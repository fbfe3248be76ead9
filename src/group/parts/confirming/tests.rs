use std::io;
use std::sync::Mutex;

use super::*;
use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::group::Group;
use crate::group::snapshots::KnownMarks;
use crate::peers::PeerPicker;

/// A peer that tells of changes by a journal of its own, in portions of two keys.
struct Telling {
    name: &'static str,
    journal: Mutex<Journal>,
}

enum Journal {
    Down,
    Panics,
    /// Its origin, how many changes are forgotten, and those that are not.
    Of(u64, u64, Vec<&'static str>),
}

impl PeerGetter for Telling {
    fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
        unreachable!("it is not asked for values")
    }

    fn name(&self) -> &str {
        self.name
    }

    fn changes_since(
        &self,
        _group: &str,
        mark: Option<ChangeMark>,
    ) -> Result<ChangesSince, PeerError> {
        match &*lock(&self.journal) {
            Journal::Down => Err(PeerError::new(PeerErrorKind::Unreachable, self.name, "down")),
            Journal::Panics => panic!("the transport panics"),
            Journal::Of(origin, forgotten, keys) => {
                let now = ChangeMark::new(*origin, forgotten + keys.len() as u64);
                let known = mark
                    .filter(|mark| mark.origin() == *origin)
                    .and_then(|mark| mark.count().checked_sub(*forgotten));
                let Some(known) = known else { return Ok(ChangesSince::Unknown { mark: now }) };
                let keys = keys.iter().skip(known as usize).take(2);
                let keys: Vec<String> = keys.map(|&key| key.to_owned()).collect();
                let mark = ChangeMark::new(*origin, forgotten + known + keys.len() as u64);
                Ok(ChangesSince::Keys { keys, mark })
            }
        }
    }
}

struct Peers {
    peers: Vec<Arc<Telling>>,
    is_told: bool,
}

impl PeerPicker for Peers {
    fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        None
    }

    fn is_told(&self) -> bool {
        self.is_told
    }

    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        self.peers.iter().map(|peer| Arc::clone(peer) as Arc<dyn PeerGetter>).collect()
    }
}

/// A group with peers "a" and "b", of which each has such a journal.
fn group(journals: [Journal; 2]) -> Group {
    group_that_is_told(true, journals)
}

fn group_that_is_told(is_told: bool, journals: [Journal; 2]) -> Group {
    let group = Group::new("g", 1 << 20, |key: &str| Ok::<_, io::Error>(key.to_owned()));
    let named = ["a", "b"].into_iter().zip(journals);
    let peers = named
        .map(|(name, journal)| Arc::new(Telling { name, journal: Mutex::new(journal) }))
        .collect();
    group.register_peers(Peers { peers, is_told }).unwrap();
    group
}

/// What a file says that was written when "a" had 3 changes, and "b" 1.
fn marks() -> Vec<PeerMark> {
    let mark = |peer: &str, origin, count| PeerMark { peer: peer.to_owned(), origin, count };
    vec![mark("a", 10, 3), mark("b", 20, 1)]
}

fn word(journals: [Journal; 2]) -> (bool, bool, Vec<String>) {
    let word = group(journals).parts.word_of_peers(&marks());
    let mut gone: Vec<String> = word.gone.into_iter().collect();
    gone.sort_unstable();
    (word.is_given, word.is_all_gone, gone)
}

const KNOWS: &[&str] = &["old", "old", "old", "x", "y", "z", "x"];

#[test]
fn a_peer_that_was_up_all_the_time_names_what_was_removed() {
    let told = word([Journal::Of(10, 0, KNOWS.to_vec()), Journal::Down]);
    assert_eq!(told, (true, false, ["x", "y", "z"].map(str::to_owned).to_vec()));
    let told = word([Journal::Of(10, 0, KNOWS.to_vec()), Journal::Of(20, 0, vec!["old", "w"])]);
    assert_eq!(told.2, ["w", "x", "y", "z"], "each may know of another one");
    assert_eq!(word([Journal::Of(10, 3, vec![]), Journal::Panics]), (true, false, vec![]));
}

#[test]
fn peers_that_are_down_or_were_started_again_have_no_word() {
    assert_eq!(word([Journal::Down, Journal::Panics]), (false, false, vec![]));
    assert_eq!(word([Journal::Of(11, 0, KNOWS.to_vec()), Journal::Down]), (false, false, vec![]));
}

#[test]
fn a_peer_that_saw_a_clearing_or_forgot_changes_keeps_everything_out() {
    let told = word([Journal::Of(10, 4, vec!["y"]), Journal::Of(20, 0, vec!["old"])]);
    assert_eq!((told.0, told.1), (true, true));
}

#[test]
fn marks_are_taken_of_those_who_tell_and_are_relied_on_when_they_are_old() {
    let group = group([Journal::Of(10, 0, KNOWS.to_vec()), Journal::Down]);
    let parts = &group.parts;
    parts.note_marks();
    assert_eq!(parts.old_marks(), [], "a removal may be on its way");
    let mut known = lock(&parts.snapshots.marks);
    let (now, second) = (Instant::now(), Duration::from_secs(1));
    assert!(!known.is_due(now) && known.is_due(now + KnownMarks::TAKEN_EVERY));
    let mark = |count| vec![PeerMark { peer: "a".to_owned(), origin: 10, count }];
    for n in 1..100 {
        let then = now + n * KnownMarks::TAKEN_EVERY;
        known.add(mark(7 + u64::from(n)), then);
        let age = n * KnownMarks::TAKEN_EVERY + second;
        let old = known.old(then + second);
        // The newest that is old enough, and so less than 3 s older than that.
        let expected = (age >= KnownMarks::OLD_ENOUGH).then(|| mark(7 + u64::from(n) - 5));
        assert_eq!(old, expected.unwrap_or_default(), "{n}");
    }
}

#[test]
fn one_who_is_told_of_no_changes_takes_no_marks() {
    for is_told in [true, false] {
        let journals = [Journal::Of(10, 0, KNOWS.to_vec()), Journal::Down];
        let group = group_that_is_told(is_told, journals);
        group.parts.note_marks();
        let soon = Instant::now() + KnownMarks::OLD_ENOUGH;
        let marks = lock(&group.parts.snapshots.marks).old(soon);
        assert_eq!(marks.len(), usize::from(is_told));
    }
}

#[test]
fn marks_of_a_file_are_relied_on_until_there_are_others() {
    let group = group([Journal::Of(10, 0, KNOWS.to_vec()), Journal::Down]);
    group.parts.word_of_peers(&marks());
    assert_eq!(group.parts.old_marks(), marks());
    group.parts.note_marks();
    assert_eq!(group.parts.old_marks(), marks());
}
