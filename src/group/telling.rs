//! [`Telling`]: what a group tells the log, and those who listen to its events.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::error::{BoxError, Error, PeerError, PeerErrorKind};
use crate::events::{Event, EventSink, StaleReason};
use crate::group::batch::Answer;
use crate::group::error::{GetterPanicked, load_failed};
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
    pub(super) fn load_failed(&self, key: &str, source: BoxError) -> Error {
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
            self.telling.load_failed(leader.key(), GetterPanicked.into());
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

    /// A change was not made everywhere: the first of its keys, and how many they are; or `None`
    /// and none for all of the group.
    pub(super) fn incomplete(&self, (first_key, keys): (Option<String>, usize), error: PeerError) {
        let group = self.group();
        self.events.tell(Event::RemovalIncomplete { group, first_key, keys, error });
    }
}
