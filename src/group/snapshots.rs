//! [`Snapshots`]: what a group keeps on a disk, when, and what it knows of that.

mod options;
mod reports;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use options::{SnapshotOptions, SnapshotTrust};
pub use reports::{LoadReport, SaveReport, SkippedEntries};

use crate::snapshot::PeerMark;
use crate::stats::Counter;
use crate::sync::lock;

/// The snapshots of a group: its options and its counters, and whose turn it is to write.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// `None` if the group keeps none by itself.
    pub(super) options: Option<SnapshotOptions>,
    pub(super) counters: SnapshotCounters,
    pub(super) marks: Mutex<KnownMarks>,
    stage: Mutex<KeepingStage>,
    /// Told of each change of `stage`.
    changed: Condvar,
    /// Whether the file was not read yet, and loads may wait for it.
    is_awaited: AtomicBool,
}

#[derive(Debug, Default)]
pub(super) struct SnapshotCounters {
    pub(super) written: Counter,
    pub(super) loaded: Counter,
    pub(super) skipped: Counter,
    pub(super) failures: Counter,
}

/// Where the journals of the peers were, lately and a while ago.
///
/// A peer notes a change before it has told all others. So a mark that was just taken may stand
/// behind a change that this process is yet to be told of. Before one that is
/// [old enough](Self::OLD_ENOUGH) each change was told, or its peer was given up.
///
/// What was changed since a mark is not loaded again, also where this process was told of it and
/// has a newer value. So marks are taken [often](Self::TAKEN_EVERY).
#[derive(Debug, Default)]
pub(super) struct KnownMarks {
    /// With the time from which on they were taken, the newest ones at the end. Of those that are
    /// old enough there is one.
    taken: VecDeque<(Instant, Vec<PeerMark>)>,
    /// Those of a file that was loaded.
    of_file: Vec<PeerMark>,
}

impl KnownMarks {
    /// How old a mark is when a file relies on it, at least.
    pub(super) const OLD_ENOUGH: Duration = Duration::from_secs(15);
    /// The pause between two marks.
    pub(super) const TAKEN_EVERY: Duration = Duration::from_secs(3);

    /// Whether it is time to take others.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let last = self.taken.back().map(|(begun, _)| *begun);
        last.is_none_or(|last| now.saturating_duration_since(last) >= Self::TAKEN_EVERY)
    }

    /// Takes others, which were taken from `begun` on. Returns those that are out of date.
    pub(super) fn add(&mut self, marks: Vec<PeerMark>, begun: Instant) -> Vec<Vec<PeerMark>> {
        self.taken.push_back((begun, marks));
        let old = self.taken.iter().filter(|(taken, _)| is_old(*taken, begun)).count();
        self.taken.drain(..old.saturating_sub(1)).map(|(_, marks)| marks).collect()
    }

    /// Begins with those of a file that was loaded, which are older than all others.
    pub(super) fn begin_with(&mut self, marks: &[PeerMark]) {
        if self.of_file.is_empty() {
            self.of_file = marks.to_vec();
        }
    }

    /// Those that are old enough at `now`.
    pub(super) fn old(&self, now: Instant) -> Vec<PeerMark> {
        let newest = self.taken.iter().rev().find(|(taken, _)| is_old(*taken, now));
        newest.map_or(&self.of_file, |(_, marks)| marks).clone()
    }
}

fn is_old(taken: Instant, now: Instant) -> bool {
    now.saturating_duration_since(taken) >= KnownMarks::OLD_ENOUGH
}

#[derive(Debug, Clone, Copy, Default)]
struct KeepingStage {
    is_writing: bool,
    is_over: bool,
    /// Whether the file may be replaced: what is in it is loaded, or of no use.
    may_replace: bool,
    is_reading: bool,
    /// When the first load began to wait for the file.
    awaited_since: Option<Instant>,
}

/// A load that waits for the file looks for its value so often.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Snapshots {
    pub(super) fn new(options: Option<SnapshotOptions>) -> Self {
        let is_awaited = options.as_ref().is_some_and(|options| !options.loads_wait.is_zero());
        Self { options, is_awaited: AtomicBool::new(is_awaited), ..Self::default() }
    }

    /// Whether loads may have to wait for the file.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_awaited.load(Ordering::Acquire)
    }

    pub(super) fn is_reading(&self) -> bool {
        lock(&self.stage).is_reading
    }

    /// Loads do not wait for the file, or no longer.
    pub(super) fn stop_waiting(&self) {
        self.is_awaited.store(false, Ordering::Release);
        self.changed.notify_all();
    }

    /// The file is being read, until what is returned is dropped.
    pub(super) fn begin_reading(&self) -> ReadingFile<'_> {
        lock(&self.stage).is_reading = true;
        ReadingFile(self)
    }

    /// Waits for a moment, or until the file is read; whether it was worth a wait.
    pub(super) fn wait_for_file(&self) -> bool {
        let limit = self.options.as_ref().map_or(Duration::ZERO, |options| options.loads_wait);
        let mut stage = lock(&self.stage);
        let since = *stage.awaited_since.get_or_insert_with(Instant::now);
        let left = limit.saturating_sub(since.elapsed());
        if left.is_zero() || !self.is_awaited() {
            self.is_awaited.store(false, Ordering::Release);
            return false;
        }
        let waits = |_: &mut KeepingStage| self.is_awaited();
        let waited = self.changed.wait_timeout_while(stage, left.min(LOOK_EVERY), waits);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        true
    }

    /// Waits until nobody else writes a snapshot of the group.
    pub(super) fn turn(&self) -> WritingTurn<'_> {
        let stage = lock(&self.stage);
        let stage = self.changed.wait_while(stage, |stage| stage.is_writing);
        stage.unwrap_or_else(PoisonError::into_inner).is_writing = true;
        WritingTurn(self)
    }

    /// Ends the keeping of snapshots; whether this call did.
    pub(super) fn end(&self) -> bool {
        let before = std::mem::replace(&mut lock(&self.stage).is_over, true);
        self.stop_waiting();
        !before
    }

    /// What the file had is in memory now, or is of no use: it may be replaced, unless the keeping
    /// has ended before. Whether it may be.
    pub(super) fn let_replace(&self) -> bool {
        let mut stage = lock(&self.stage);
        stage.may_replace |= !stage.is_over;
        stage.may_replace
    }

    pub(super) fn may_replace(&self) -> bool {
        lock(&self.stage).may_replace
    }

    pub(super) fn is_over(&self) -> bool {
        lock(&self.stage).is_over
    }

    /// Waits for as long as `time`, or until the keeping ends; whether it goes on.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let stage = lock(&self.stage);
        let waited = self.changed.wait_timeout_while(stage, time, |stage| !stage.is_over);
        !waited.unwrap_or_else(PoisonError::into_inner).0.is_over
    }
}

/// The file is being read. However that ends, nobody waits for it afterwards.
pub(super) struct ReadingFile<'a>(&'a Snapshots);

impl Drop for ReadingFile<'_> {
    fn drop(&mut self) {
        lock(&self.0.stage).is_reading = false;
        self.0.stop_waiting();
    }
}

/// The right to write a snapshot.
pub(super) struct WritingTurn<'a>(&'a Snapshots);

impl Drop for WritingTurn<'_> {
    fn drop(&mut self) {
        lock(&self.0.stage).is_writing = false;
        self.0.changed.notify_all();
    }
}

/// What the handles of a group hold, and nobody else: with the last of them it calls `end`.
pub(super) struct WhenLastHandleGoes(pub(super) Box<dyn Fn() + Send + Sync>);

impl Drop for WhenLastHandleGoes {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What ends with the handles of a group.
pub(super) type LastHandle = Arc<WhenLastHandleGoes>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_wait_for_a_file_that_is_read_and_for_no_longer_than_they_may() {
        let with = |loads_wait| {
            Snapshots::new(Some(SnapshotOptions::new("nowhere").loads_wait(loads_wait)))
        };
        let slow = with(Duration::from_millis(20));
        let reading = slow.begin_reading();
        assert!(slow.is_awaited() && slow.is_reading());
        // Each wait takes a part of the time, so this ends.
        while slow.wait_for_file() {}
        assert!(!slow.is_awaited());
        drop(reading);

        let fast = with(Duration::from_secs(3_600));
        assert!(fast.wait_for_file());
        drop(fast.begin_reading());
        assert!(!fast.wait_for_file() && !fast.is_awaited() && !fast.is_reading());

        let over = with(Duration::from_secs(3_600));
        over.end();
        assert!(!over.wait_for_file(), "nobody reads it any more");
        assert!(!with(Duration::ZERO).is_awaited() && !Snapshots::new(None).is_awaited());
    }
}
