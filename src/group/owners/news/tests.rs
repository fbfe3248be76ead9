use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::clock::Deadline;
use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;

/// Notes which copies are dropped.
#[derive(Default)]
struct Copies(Mutex<Vec<String>>);

impl Copies {
    fn dropped(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.0))
    }
}

impl CopyHost for Copies {
    fn drop_copy(&self, key: &str) {
        lock(&self.0).push(key.to_owned());
    }

    fn drop_copies(&self) {
        lock(&self.0).push("all".to_owned());
    }
}

/// A peer that has made some changes, and tells them two at a time.
struct Teller {
    origin: u64,
    changes: Vec<&'static str>,
    /// Told in place of the changes.
    fault: Option<PeerErrorKind>,
    asked: Mutex<usize>,
}

impl Teller {
    fn new(changes: &[&'static str]) -> Self {
        Self { origin: 1, changes: changes.to_vec(), fault: None, asked: Mutex::default() }
    }
}

impl PeerGetter for Teller {
    fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
        unreachable!("the answers have come")
    }

    fn name(&self) -> &str {
        "teller"
    }

    fn change_mark(&self, _group: &str) -> Option<ChangeMark> {
        Some(ChangeMark::new(self.origin, self.changes.len() as u64))
    }

    fn changes_since(
        &self,
        _group: &str,
        mark: Option<ChangeMark>,
    ) -> Result<ChangesSince, PeerError> {
        *lock(&self.asked) += 1;
        if let Some(kind) = self.fault {
            return Err(PeerError::new(kind, self.name(), "as it was told"));
        }
        let mark = mark.expect("it is asked from a mark on");
        if mark.origin() != self.origin {
            return Ok(ChangesSince::Unknown { mark: ChangeMark::new(self.origin, 0) });
        }
        let behind = self.changes.iter().skip(mark.count() as usize).take(2);
        let keys: Vec<String> = behind.map(|&key| key.to_owned()).collect();
        let mark = ChangeMark::new(self.origin, mark.count() + keys.len() as u64);
        Ok(ChangesSince::Keys { keys, mark })
    }
}

fn follow(news: &News, peer: &Teller, copies: &Copies) -> Vec<String> {
    news.follow(peer, "g", Call::one(None), copies);
    copies.dropped()
}

#[test]
fn all_copies_go_when_a_peer_is_heard_for_the_first_time_and_then_those_of_changed_keys() {
    let (news, copies) = (News::default(), Copies::default());
    assert_eq!(follow(&news, &Teller::new(&["a"]), &copies), ["all"]);
    let peer = Teller::new(&["a", "b", "c", "d"]);
    assert_eq!(follow(&news, &peer, &copies), ["b", "c", "d"]);
    assert_eq!(*lock(&peer.asked), 2);
    // It is known by now, and so is what an answer tells that was overtaken.
    assert_eq!(follow(&news, &peer, &copies), [""; 0]);
    assert_eq!(follow(&news, &Teller::new(&["a", "b"]), &copies), [""; 0]);
    assert_eq!((*lock(&peer.asked), news.heard.value()), (2, 2));
}

#[test]
fn all_copies_go_where_the_changes_are_not_known() {
    let (news, copies) = (News::default(), Copies::default());
    follow(&news, &Teller::new(&[]), &copies);
    for kind in [PeerErrorKind::TimedOut, PeerErrorKind::NotSupported] {
        let fault = Some(kind);
        let changes = vec!["a"; news.heard.value() as usize];
        let peer = Teller { changes, fault, ..Teller::new(&[]) };
        assert_eq!(follow(&news, &peer, &copies), ["all"]);
        assert_eq!(follow(&news, &peer, &copies), [""; 0]);
    }
    // Another life of the peer.
    let restarted = Teller { origin: 2, ..Teller::new(&["a"]) };
    assert_eq!(follow(&news, &restarted, &copies), ["all"]);
    assert_eq!(follow(&news, &restarted, &copies), [""; 0]);
    // Too much to be told.
    let busy = Teller { origin: 2, ..Teller::new(&["k"; 100]) };
    assert_eq!(follow(&news, &busy, &copies).last().unwrap(), "all");
    assert_eq!(*lock(&busy.asked), MAX_PARTS);
}

#[test]
fn who_has_no_time_does_without_the_copies() {
    let (news, copies) = (News::default(), Copies::default());
    follow(&news, &Teller::new(&[]), &copies);
    let peer = Teller::new(&["a"]);
    let hasty = Call::one(Deadline::after(TIME / 2));
    news.follow(&peer, "g", hasty, &copies);
    assert_eq!((copies.dropped(), *lock(&peer.asked)), (vec!["all".to_owned()], 0));
    let peer = Teller::new(&["a", "b"]);
    news.follow(&peer, "g", Call::one(Deadline::after(Duration::from_secs(600))), &copies);
    assert_eq!(copies.dropped(), ["b"]);
}

#[test]
fn nobody_waits_for_who_asks_and_what_is_heard_meanwhile_is_asked_for_the_next_time() {
    /// Hears of another change while a copy is dropped.
    struct Meanwhile<'a>(&'a News, Copies);
    impl CopyHost for Meanwhile<'_> {
        fn drop_copy(&self, key: &str) {
            assert_eq!(follow(self.0, &Teller::new(&["a", "b"]), &Copies::default()), [""; 0]);
            self.1.drop_copy(key);
        }

        fn drop_copies(&self) {
            self.1.drop_copies();
        }
    }
    let news = News::default();
    follow(&news, &Teller::new(&[]), &Copies::default());
    let host = Meanwhile(&news, Copies::default());
    news.follow(&Teller::new(&["a"]), "g", Call::one(None), &host);
    assert_eq!(host.1.dropped(), ["a"]);
    assert_eq!(follow(&news, &Teller::new(&["a", "b"]), &Copies::default()), ["b"]);
}

#[test]
fn a_transport_that_panics_leaves_the_question_to_the_next_one() {
    struct Panics;
    impl CopyHost for Panics {
        fn drop_copy(&self, _key: &str) {
            panic!("as asked");
        }

        fn drop_copies(&self) {
            panic!("as asked");
        }
    }
    let news = News::default();
    let peer = Teller::new(&["a"]);
    for _ in 0..2 {
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            news.follow(&peer, "g", Call::one(None), &Panics);
        }));
        assert!(panicked.is_err());
    }
    assert_eq!(follow(&news, &peer, &Copies::default()), ["all"]);
}
