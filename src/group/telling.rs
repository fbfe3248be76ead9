//! [`Telling`]: what a group tells the log, and those who listen to its events.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, PeerError, PeerErrorKind};
use crate::events::{Event, EventSink, StaleReason};
use crate::group::batch::Answer;
use crate::group::error::{GetterPanicked, SharedCause, load_failed};
use crate::group::snapshots::{LoadReport, SaveReport, SkippedEntries};
use crate::one_line::OneLine;
use crate::repeats::Repeats;
use crate::singleflight::Leader;
use crate::stats::Counter;

/// The name of a group, and where its parts tell what happens.
#[derive(Debug)]
pub(super) struct Telling {
    pub(super) group: Arc<str>,
    pub(super) events: EventSink,
    /// What was logged before.
    pub(super) repeats: Arc<Repeats>,
}

impl Telling {
    pub(super) fn new(group: impl Into<Arc<str>>, events: EventSink) -> Arc<Self> {
        Arc::new(Self { group: group.into(), events, repeats: Arc::default() })
    }

    /// For a group that nobody listens to.
    #[cfg(test)]
    pub(super) fn quiet(group: &str) -> Arc<Self> {
        Self::new(group, EventSink::new())
    }

    fn group(&self) -> String {
        self.group.as_ref().to_owned()
    }
}

/// Loads.
impl Telling {
    /// The getter failed on `key`; what its callers get.
    pub(super) fn load_failed(&self, key: &str, source: SharedCause) -> Error {
        let error = load_failed(&self.group, key, source);
        let (group, key) = (self.group(), key.to_owned());
        self.events.tell(Event::LoadFailed { group, key, error: error.clone() });
        error
    }

    /// A guard for a run of the getter. It counts and tells of a panic when it is dropped, unless
    /// it is disarmed.
    pub(super) fn of_panic<'a>(
        &'a self,
        led: &'a [Option<Leader<Answer>>],
        counter: &'a Counter,
    ) -> TellOfPanic<'a> {
        TellOfPanic { telling: self, led, counter: Some(counter) }
    }

    /// Does a load on a thread of the group, and tells the log of a panic: there is no caller to go
    /// on to.
    pub(super) fn apart(&self, key: &str, load: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(load)) {
            // Its drop may panic as well.
            std::mem::forget(panic);
            self.panicked("apart", &format!("{key:?}"));
        }
    }

    /// The getter panicked where no caller's thread has to end by it. `what` says on which keys,
    /// and `how` in which kind of call.
    pub(super) fn panicked(&self, how: &'static str, what: &str) {
        if let Some(again) = self.repeats.due(("the getter panicked", how)) {
            log::error!("the getter of group {:?} panicked on {what}{again}", self.group);
        }
    }

    /// A load takes so long that one who waits for it begins another.
    pub(super) fn second_load(&self, key: &str, patience: Duration) {
        let Some(again) = self.repeats.due("a second load") else { return };
        let group = &self.group;
        log::warn!(
            "{key:?} of group {group:?} loads for {patience:?} by now: a second load begins{again}"
        );
    }

    /// The getter failed several times in a row, and rests.
    pub(super) fn source_down(&self, pause: Duration, cause: SharedCause) {
        if let Some(again) = self.repeats.due("source down") {
            let (group, cause) = (&self.group, OneLine(&cause));
            log::warn!(
                "the source of group {group:?} is down, resting for {pause:?}: {cause}{again}"
            );
        }
        self.events.tell(Event::SourceDown { group: self.group(), pause, cause });
    }

    /// It has answered.
    pub(super) fn source_up(&self) {
        if let Some(again) = self.repeats.due("source up") {
            log::info!("the source of group {:?} is up again{again}", self.group);
        }
        self.events.tell(Event::SourceUp { group: self.group() });
    }

    /// A value is served past its ttl, as its load failed.
    pub(super) fn served_stale(&self, key: &str, source: impl fmt::Display) {
        if let Some(again) = self.repeats.due("stale") {
            let (group, source) = (&self.group, OneLine(source));
            log::warn!("serving {key:?} of group {group:?} past its ttl: {source}{again}");
        }
    }

    /// The same, for whatever reason, to those who listen.
    pub(super) fn stale_event(&self, key: &str, reason: StaleReason) {
        self.events.tell_often(|| {
            let (group, key) = (self.group(), key.to_owned());
            Event::StaleServed { group, key, reason }
        });
    }
}

/// See [`Telling::of_panic`].
pub(super) struct TellOfPanic<'a> {
    telling: &'a Telling,
    led: &'a [Option<Leader<Answer>>],
    /// `None` when it is disarmed.
    counter: Option<&'a Counter>,
}

impl TellOfPanic<'_> {
    pub(super) fn disarm(mut self) {
        self.counter = None;
    }
}

impl Drop for TellOfPanic<'_> {
    fn drop(&mut self) {
        let Some(counter) = self.counter else { return };
        counter.add_one();
        for leader in self.led.iter().flatten() {
            self.telling.load_failed(leader.key(), Arc::new(GetterPanicked));
        }
    }
}

/// Peers.
impl Telling {
    /// A peer did not answer the `first` of so many keys.
    pub(super) fn peer_failed(&self, first: &str, keys: usize, error: &PeerError) {
        let cause = ("getting", error.peer(), error.kind(), keys > 1);
        let Some(again) = self.repeats.due(cause) else { return };
        let (group, error) = (&self.group, OneLine(error));
        match keys {
            1 => log::warn!("getting {first:?} of group {group:?}: {error}{again}"),
            _ => log::warn!("getting {keys} keys of group {group:?}: {error}{again}"),
        }
    }

    /// A peer did not make a change.
    pub(super) fn change_failed(&self, error: &PeerError) {
        // Beside peers that can't, every removal would warn of it.
        if error.kind() == PeerErrorKind::NotSupported {
            log::debug!("changing group {:?}: {}", self.group, OneLine(error));
        } else if let Some(again) = self.repeats.due(("changing", error.peer(), error.kind())) {
            log::warn!("changing group {:?}: {}{again}", self.group, OneLine(error));
        }
    }

    /// A change was not made everywhere.
    pub(super) fn incomplete(&self, of: Subject, error: PeerError) {
        let group = self.group();
        self.events.tell(match of {
            Subject::Keys(first_key, keys) => {
                Event::RemovalIncomplete { group, first_key, keys, error }
            }
            Subject::Tags(first_tag, tags) => {
                Event::TagRemovalIncomplete { group, first_tag, tags, error }
            }
        });
    }
}

/// What a change changes.
pub(super) enum Subject {
    /// The first of its keys, and how many they are; or `None` and none for all of the group.
    Keys(Option<String>, usize),
    /// The first of its tags, and how many they are.
    Tags(String, usize),
}

/// Why how many entries were not loaded: `: 2 expired, 1 removed`; empty if all were.
fn reasons(skipped: &SkippedEntries) -> String {
    let SkippedEntries { expired, removed, unconfirmed, moved, newer, no_room } = *skipped;
    let all = [
        (expired, "expired"),
        (removed, "removed"),
        (unconfirmed, "unconfirmed"),
        (moved, "of other owners"),
        (newer, "newer in memory"),
        (no_room, "without room"),
    ];
    let mut text = String::new();
    for (number, why) in all.into_iter().filter(|(number, _)| *number > 0) {
        text += if text.is_empty() { ": " } else { ", " };
        text += &format!("{number} {why}");
    }
    text
}

/// Snapshots.
impl Telling {
    pub(super) fn saved(&self, path: &Path, report: &SaveReport) {
        let (group, path) = (&self.group, path.display());
        let SaveReport { entries, bytes, took } = report;
        log::debug!(
            "snapshot of group {group:?} at {path}: {entries} entries, {bytes} bytes in {took:?}"
        );
    }

    pub(super) fn loaded_snapshot(&self, path: &Path, report: &LoadReport) {
        let (group, path) = (&self.group, path.display());
        if !report.found {
            log::info!("group {group:?} has no snapshot at {path} yet");
            return;
        }
        let LoadReport { entries, took, .. } = report;
        let (rest, why) = (report.skipped.total(), reasons(&report.skipped));
        log::info!(
            "group {group:?} loaded {entries} entries from {path} in {took:?}, and {rest} not{why}"
        );
        if let Some(at) = report.damaged_at {
            log::warn!("snapshot of group {group:?} at {path}: damaged from byte {at} on");
        }
    }

    pub(super) fn snapshot_failed(&self, path: &Path, error: &Error) {
        if let Some(again) = self.repeats.due(("snapshot", path)) {
            log::warn!("group {:?}: {}{again}", self.group, OneLine(error));
        }
        let (group, error) = (self.group(), error.clone());
        self.events.tell(Event::SnapshotFailed { group, error });
    }

    pub(super) fn no_snapshot_thread(&self, error: &io::Error) {
        log::error!("no thread for the snapshot of group {:?}: {error}", self.group);
    }

    /// What a peer could not be told for a while is told.
    pub(super) fn debt_paid(&self, peer: &str, lasted: Duration) {
        if let Some(again) = self.repeats.due(("paid", peer)) {
            let (group, peer) = (&self.group, OneLine(peer));
            log::info!("{peer} has made all changes of group {group:?} after {lasted:?}{again}");
        }
    }

    /// A peer is still to be told.
    pub(super) fn debt_remains(&self, peer: &str, debt: impl fmt::Display) {
        if let Some(again) = self.repeats.due(("owed", peer)) {
            let (group, debt) = (&self.group, OneLine(debt));
            log::warn!("group {group:?} reads nothing from one who is to be told: {debt}{again}");
        }
    }
}
