//! [`News`]: what peers tell of changes beside their answers, for who is not told of them.
//!
//! A peer whose transport asks for it tells with each answer how many changes it has made: its
//! [mark](ChangeMark). What is held here of each peer is the mark that all copies are as new as. A
//! newer one tells that there were changes. The peer is asked which keys they were of, and these
//! copies go. Every peer hears of every change, so it does not matter which one a copy came from.
//!
//! Nothing older is kept afterwards:
//!
//! * *An answer that is older than the mark is still under way.* It may be of one of the keys that
//!   changed. Its flight is doomed with the copy, and nobody keeps what it brings.
//! * *The peer was not heard before.* Nobody knows how old the copies are, so all of them go, and
//!   all flights are doomed. A request that is sent from then on is answered with the mark that was
//!   heard, or a newer one.
//! * *The peer takes a mark and then reads an old value.* It does so before the change is counted,
//!   which is after its caches are empty. So the change has a place behind that mark.
//!
//! One caller asks which keys changed. Others that hear of the same changes do not wait for it, so
//! that a copy may be served for as long as that question takes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::change::{ChangeMark, ChangesSince};
use crate::group::call::Call;
use crate::peers::PeerGetter;
use crate::stats::Counter;
use crate::sync::lock;

/// The question takes a round trip. Who has less time does without the copies.
const TIME: Duration = Duration::from_millis(250);
/// Changes are told in parts. After so many it is better to begin with no copies.
const MAX_PARTS: usize = 8;
/// Of so many peers the marks are known. Only who meets new ones all the time has met so many.
const MAX_PEERS: usize = 4096;

/// Drops copies.
pub(in crate::group) trait CopyHost {
    /// Sees to it that nobody gets the copy of `key` that there is, or that is on its way.
    fn drop_copy(&self, key: &str);

    /// The same for all keys.
    fn drop_copies(&self);
}

/// The marks that all copies of a group are as new as.
#[derive(Default)]
pub(super) struct News {
    marks: Mutex<HashMap<String, HeardMark>>,
    /// Answers that told of changes.
    pub(super) heard: Counter,
}

/// What was heard of one peer.
#[derive(Debug, Clone, Copy)]
struct HeardMark {
    mark: ChangeMark,
    /// Whether somebody asks for the changes since then.
    is_asking: bool,
}

/// What a mark that a peer told is for those who had not heard of it.
enum Novelty {
    /// Nothing was known of that peer.
    First,
    /// There were changes since that mark.
    Since(ChangeMark),
}

impl News {
    /// Drops the copies that are older than what `peer` told beside its last answers.
    pub(super) fn follow(
        &self,
        peer: &dyn PeerGetter,
        group: &str,
        call: Call,
        host: &impl CopyHost,
    ) {
        let Some(told) = peer.change_mark(group) else { return };
        let Some(novelty) = self.hear(peer.name(), told) else { return };
        self.heard.add_one();
        let mut catch_up = CatchUp { news: self, peer: peer.name(), mark: None };
        let has_time = call.deadline.is_none_or(|deadline| deadline.left() >= TIME);
        let caught_up = match novelty {
            Novelty::Since(mark) if has_time => ask(peer, group, (mark, told), host),
            _ => None,
        };
        catch_up.mark = Some(caught_up.unwrap_or_else(|| {
            host.drop_copies();
            told
        }));
    }

    /// Whether a mark is news. Who gets an answer looks after the copies.
    fn hear(&self, peer: &str, told: ChangeMark) -> Option<Novelty> {
        let mut marks = lock(&self.marks);
        let Some(heard) = marks.get_mut(peer) else {
            if marks.len() >= MAX_PEERS {
                marks.clear();
            }
            marks.insert(peer.to_owned(), HeardMark { mark: told, is_asking: true });
            return Some(Novelty::First);
        };
        let is_known = told.origin() == heard.mark.origin() && told.count() <= heard.mark.count();
        if is_known || heard.is_asking {
            return None;
        }
        heard.is_asking = true;
        Some(Novelty::Since(heard.mark))
    }
}

/// Asks `peer` for the changes from one mark on until another one, and drops the copies of their
/// keys. The mark up to which this went; `None` if it is not known which keys they were.
fn ask(
    peer: &dyn PeerGetter,
    group: &str,
    (mut mark, told): (ChangeMark, ChangeMark),
    host: &impl CopyHost,
) -> Option<ChangeMark> {
    for _ in 0..MAX_PARTS {
        let Ok(ChangesSince::Keys { keys, mark: next }) = peer.changes_since(group, Some(mark))
        else {
            return None;
        };
        keys.iter().for_each(|key| host.drop_copy(key));
        if next.origin() != told.origin() || next.count() <= mark.count() {
            return None;
        }
        mark = next;
        if mark.count() >= told.count() {
            return Some(mark);
        }
    }
    None
}

/// Somebody looks after the copies. However that ends, another one may do it the next time.
struct CatchUp<'a> {
    news: &'a News,
    peer: &'a str,
    /// What all copies are as new as now, if it went well.
    mark: Option<ChangeMark>,
}

impl Drop for CatchUp<'_> {
    fn drop(&mut self) {
        let mut marks = lock(&self.news.marks);
        match (self.mark, marks.get_mut(self.peer)) {
            (Some(mark), Some(heard)) => *heard = HeardMark { mark, is_asking: false },
            (None, Some(_)) => drop(marks.remove(self.peer)),
            (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests;
