//! What the peers know of a snapshot: what was removed since it was written.
//!
//! Each process keeps a journal of the changes that it made or was told of. A removal goes to all
//! peers. So one peer that was up all the time since a file was written knows each removal that
//! reached it, and can say which keys these were.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::change::{ChangeMark, ChangesSince};
use crate::group::parts::Parts;
use crate::group::parts::loading::PeersWord;
use crate::peers::PeerGetter;
use crate::snapshot::PeerMark;
use crate::sync::lock;

/// So long the peers have to say what was removed, all together. Those that were not asked by then
/// say nothing.
const ASK_FOR: Duration = Duration::from_secs(3);

impl Parts {
    /// What the peers of these marks say of the time since.
    ///
    /// One of them that knows the whole time is enough, unless another one says that it may have
    /// been all keys.
    pub(in crate::group) fn word_of_peers(&self, marks: &[PeerMark]) -> PeersWord {
        let (mut word, begun) = (PeersWord::default(), Instant::now());
        let peers = if marks.is_empty() { Vec::new() } else { self.owners.picker().peers() };
        for peer in peers {
            let mark = marks.iter().find(|mark| mark.peer == peer.name());
            if let Some(mark) = mark.filter(|_| begun.elapsed() < ASK_FOR) {
                self.ask_of(&peer, mark, begun, &mut word);
            }
        }
        if word.is_given && !word.is_all_gone {
            // A process that ends soon after it began relies on the same marks once more.
            lock(&self.snapshots.marks).begin_with(marks);
        }
        word
    }

    /// Adds what one peer says of the time since its mark.
    fn ask_of(
        &self,
        peer: &Arc<dyn PeerGetter>,
        mark: &PeerMark,
        begun: Instant,
        word: &mut PeersWord,
    ) {
        let mut since = ChangeMark::new(mark.origin, mark.count);
        while begun.elapsed() < ASK_FOR {
            match self.changes_at(peer, Some(since)) {
                Some(ChangesSince::Keys { keys, mark }) if mark.origin() == since.origin() => {
                    let is_all = keys.is_empty() || mark.count() <= since.count();
                    word.gone.extend(keys);
                    since = mark;
                    if is_all {
                        word.is_given = true;
                        return;
                    }
                }
                // A clearing, or more changes than it remembers.
                Some(ChangesSince::Unknown { mark }) if mark.origin() == since.origin() => {
                    word.is_all_gone = true;
                    return;
                }
                // It was started again, or is down.
                _ => return,
            }
        }
    }

    fn changes_at(
        &self,
        peer: &Arc<dyn PeerGetter>,
        mark: Option<ChangeMark>,
    ) -> Option<ChangesSince> {
        let ask = || peer.changes_since(&self.name, mark);
        match catch_unwind(AssertUnwindSafe(ask)) {
            Ok(told) => told.ok(),
            Err(panic) => {
                // Its drop may panic as well.
                std::mem::forget(panic);
                None
            }
        }
    }

    /// Notes where the peers' journals are now, if that was not done lately. Who is not told of
    /// changes notes nothing: what it holds may be older than these places.
    pub(super) fn note_marks(&self) {
        if !self.owners.picker().is_told() {
            return;
        }
        let begun = Instant::now();
        let is_due = lock(&self.snapshots.marks).is_due(begun);
        if !is_due {
            return;
        }
        let mark_of = |peer: Arc<dyn PeerGetter>| {
            let told = (begun.elapsed() < ASK_FOR).then(|| self.changes_at(&peer, None)).flatten();
            let (ChangesSince::Keys { mark, .. } | ChangesSince::Unknown { mark }) = told?;
            let peer = peer.name().to_owned();
            Some(PeerMark { peer, origin: mark.origin(), count: mark.count() })
        };
        let marks = self.owners.picker().peers().into_iter().filter_map(mark_of).collect();
        let before = lock(&self.snapshots.marks).add(marks, begun);
        drop(before);
    }

    /// Where the peers' journals were a while ago.
    pub(in crate::group) fn old_marks(&self) -> Vec<PeerMark> {
        lock(&self.snapshots.marks).old(Instant::now())
    }
}

#[cfg(test)]
mod tests;
