//! [`Event`]: what happened in a group or among its peers; and [`EventSink`], where it is told.

mod text;

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use crate::clock::wall_time;
use crate::error::{Error, PeerError};
use crate::sync::lock;
use crate::workers::Workers;

/// Events that wait for a subscriber, at most.
const MOST_WAITING: usize = 1024;
/// Bytes of text in them, at most.
const MOST_WAITING_BYTES: usize = 1 << 20;
/// So many of the last rare events are remembered.
const MOST_RECENT: usize = 32;
/// And so many of one kind.
const MOST_OF_A_KIND: usize = 8;
/// A remembered event has no more bytes of text.
const MOST_RECENT_BYTES: usize = 4 << 10;

/// Something that happened; for [`GroupBuilder::on_event`](crate::GroupBuilder::on_event), and for
/// `HttpPoolBuilder::on_event` (the last three kinds). `Display` tells it in a line.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// An entry left a cache of the group, or did not get into it, for want of room.
    Evicted {
        /// The group's name.
        group: String,
        /// The key.
        key: String,
        /// Why.
        reason: EvictionReason,
    },
    /// An entry was dropped as its time to live was over. It is noticed when its key is asked for,
    /// or when others need the room.
    Expired {
        /// The group's name.
        group: String,
        /// The key.
        key: String,
    },
    /// The getter failed on a key.
    LoadFailed {
        /// The group's name.
        group: String,
        /// The key.
        key: String,
        /// What callers get, unless there is a stale value for them.
        error: Error,
    },
    /// A caller or a peer got a value past its ttl.
    StaleServed {
        /// The group's name.
        group: String,
        /// The key.
        key: String,
        /// Why.
        reason: StaleReason,
    },
    /// The getter failed several times in a row, and rests. It is told once, and not again until
    /// the source has answered. See [`source_breaker`](crate::GroupBuilder::source_breaker).
    SourceDown {
        /// The group's name.
        group: String,
        /// After so long it is tried again.
        pause: Duration,
        /// The last error of the getter.
        cause: Arc<dyn std::error::Error + Send + Sync + 'static>,
    },
    /// The getter of a source that was down has answered.
    SourceUp {
        /// The group's name.
        group: String,
    },
    /// A peer did not make a removal, a clearing or an insertion, so it may have an old value.
    RemovalIncomplete {
        /// The group's name.
        group: String,
        /// The first of the keys; `None` if it was the whole group.
        first_key: Option<String>,
        /// How many keys.
        keys: usize,
        /// Why.
        error: PeerError,
    },
    /// A peer did not remove what has a tag, so it may have an old value.
    TagRemovalIncomplete {
        /// The group's name.
        group: String,
        /// The first of the tags.
        first_tag: String,
        /// How many tags.
        tags: usize,
        /// Why.
        error: PeerError,
    },
    /// A snapshot could not be written or read.
    SnapshotFailed {
        /// The group's name.
        group: String,
        /// Why: an [`Error::Snapshot`].
        error: Error,
    },
    /// A peer failed, and is not asked for a while. It is told once, and not again until the peer
    /// has been up.
    PeerDown {
        /// The peer.
        peer: String,
        /// After so long it is tried again, and after longer pauses if it fails then.
        pause: Duration,
    },
    /// A peer that was down has answered.
    PeerUp {
        /// The peer.
        peer: String,
    },
    /// There is a new list of peers.
    ListChanged {
        /// All peers in it, this process among them if it is one.
        peers: Vec<String>,
    },
}

/// Why an entry is not in a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvictionReason {
    /// It had to make room for another one.
    MadeRoom,
    /// It came, and was worth less than those that are there.
    NotAdmitted,
    /// It alone is too large for its part of the cache.
    TooLarge,
}

/// Why a value is served past its ttl.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StaleReason {
    /// It is being refreshed.
    Refreshing,
    /// Its load failed.
    LoadFailed,
    /// Its load takes longer than the [`soft_timeout`](crate::GroupBuilder::soft_timeout), and goes
    /// on.
    SlowLoad,
}

impl Event {
    /// What it is called in logs and metrics, such as `peer-down`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Evicted { .. } => "evicted",
            Self::Expired { .. } => "expired",
            Self::LoadFailed { .. } => "load-failed",
            Self::StaleServed { .. } => "stale-served",
            Self::SourceDown { .. } => "source-down",
            Self::SourceUp { .. } => "source-up",
            Self::RemovalIncomplete { .. } => "removal-incomplete",
            Self::TagRemovalIncomplete { .. } => "tag-removal-incomplete",
            Self::SnapshotFailed { .. } => "snapshot-failed",
            Self::PeerDown { .. } => "peer-down",
            Self::PeerUp { .. } => "peer-up",
            Self::ListChanged { .. } => "list-changed",
        }
    }

    /// The bytes of its text, about.
    fn text_bytes(&self) -> usize {
        match self {
            Self::Evicted { group, key, .. }
            | Self::Expired { group, key }
            | Self::StaleServed { group, key, .. } => group.len() + key.len(),
            // The key is in the error once more.
            Self::LoadFailed { group, key, .. } => 2 * (group.len() + key.len()),
            Self::RemovalIncomplete { group, first_key, .. } => {
                group.len() + first_key.as_ref().map_or(0, String::len)
            }
            Self::TagRemovalIncomplete { group, first_tag, .. } => group.len() + first_tag.len(),
            Self::SourceDown { group, .. } | Self::SourceUp { group } => group.len(),
            // A path is not long.
            Self::SnapshotFailed { group, .. } => group.len() + 256,
            Self::PeerDown { peer, .. } | Self::PeerUp { peer } => peer.len(),
            Self::ListChanged { peers } => peers.iter().map(String::len).sum(),
        }
    }
}

/// An event of the past.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PastEvent {
    /// When it happened, by the clock on the wall.
    pub at: SystemTime,
    /// What happened.
    pub event: Event,
}

type Subscriber = dyn Fn(&Event) + Send + Sync;

/// Where events are told, for those who write a transport. Groups and pools have one each.
///
/// A subscriber is called on a thread that exists only while there is something to tell, with one
/// event after the other. It can be slow, and it can panic: up to 1,024 events wait for it, or 1
/// MiB of text, and what comes then is dropped and [counted](Self::dropped).
///
/// The last 32 rare events are remembered, subscriber or not, and of each kind the last 8. Clones
/// share all of it.
#[derive(Clone)]
pub struct EventSink {
    /// `None` if nobody listens.
    line: Option<Arc<EventLine>>,
    recent: Arc<Mutex<VecDeque<PastEvent>>>,
}

/// Events on their way to a subscriber.
struct EventLine {
    subscriber: Box<Subscriber>,
    /// Two threads, of which the second takes over when the first is about to end.
    threads: Workers,
    waiting: Mutex<UntoldEvents>,
    dropped: AtomicU64,
}

#[derive(Default)]
struct UntoldEvents {
    events: VecDeque<Event>,
    text_bytes: usize,
    /// Whether a thread tells them.
    is_told: bool,
}

impl EventSink {
    /// A sink that nobody listens to.
    #[must_use]
    pub fn new() -> Self {
        Self { line: None, recent: Arc::default() }
    }

    /// A sink with a subscriber. Its thread is called `events of NAME`.
    #[must_use]
    pub fn with_subscriber(
        name: &str,
        subscriber: impl Fn(&Event) + Send + Sync + 'static,
    ) -> Self {
        let line = EventLine {
            subscriber: Box::new(subscriber),
            threads: Workers::new(("events of", Arc::from(name)), 2, &Arc::default()),
            waiting: Mutex::default(),
            dropped: AtomicU64::new(0),
        };
        Self { line: Some(Arc::new(line)), recent: Arc::default() }
    }

    /// Tells a rare event, which is remembered. Returns at once: call it without a lock all the
    /// same.
    pub fn tell(&self, event: Event) {
        if event.text_bytes() <= MOST_RECENT_BYTES {
            self.remember(PastEvent { at: wall_time(), event: event.clone() });
        }
        if let Some(line) = &self.line {
            line.push(event);
        }
    }

    /// Remembers an event, in place of an older one of its kind if there are many of it: loads that
    /// fail one after the other must not push out what happened to a peer.
    fn remember(&self, past: PastEvent) {
        let kind = past.event.name();
        let mut recent = lock(&self.recent);
        let of_kind = recent.iter().filter(|it| it.event.name() == kind).count();
        let oldest = if of_kind >= MOST_OF_A_KIND {
            recent.iter().position(|it| it.event.name() == kind)
        } else {
            (recent.len() >= MOST_RECENT).then_some(0)
        };
        let gone = oldest.and_then(|at| recent.remove(at));
        recent.push_back(past);
        drop(recent);
        drop(gone);
    }

    /// Tells an event that may happen again and again, and is not remembered. It is not even made
    /// when nobody listens.
    pub fn tell_often(&self, event: impl FnOnce() -> Event) {
        if let Some(line) = &self.line {
            line.push(event());
        }
    }

    /// Whether somebody listens.
    #[must_use]
    pub fn has_subscriber(&self) -> bool {
        self.line.is_some()
    }

    /// The last rare events, the newest one at the end.
    #[must_use]
    pub fn recent(&self) -> Vec<PastEvent> {
        lock(&self.recent).iter().cloned().collect()
    }

    /// How many events the subscriber was not told, as too many waited for it.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.line.as_ref().map_or(0, |line| line.dropped.load(Ordering::Relaxed))
    }
}

impl Default for EventSink {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSink").field("has_subscriber", &self.has_subscriber()).finish()
    }
}

impl EventLine {
    fn push(self: &Arc<Self>, event: Event) {
        let text_bytes = event.text_bytes();
        let mut waiting = lock(&self.waiting);
        let is_full = waiting.events.len() >= MOST_WAITING
            || waiting.text_bytes + text_bytes > MOST_WAITING_BYTES;
        if is_full {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            waiting.text_bytes += text_bytes;
            waiting.events.push_back(event);
        }
        let is_told = std::mem::replace(&mut waiting.is_told, true);
        drop(waiting);
        let line = Arc::clone(self);
        if !is_told && !self.threads.run_now(move || line.tell_all()) {
            // There is no thread. The next event tries again.
            lock(&self.waiting).is_told = false;
        }
    }

    fn tell_all(&self) {
        loop {
            let mut waiting = lock(&self.waiting);
            let Some(event) = waiting.events.pop_front() else {
                waiting.is_told = false;
                return;
            };
            waiting.text_bytes -= event.text_bytes();
            drop(waiting);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.subscriber)(&event))) {
                // Its drop may panic as well.
                std::mem::forget(panic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver};

    use super::*;
    use crate::error::PeerErrorKind;

    const SOON: Duration = Duration::from_secs(20);

    fn peer_up(peer: impl Into<String>) -> Event {
        Event::PeerUp { peer: peer.into() }
    }

    /// A subscriber that tells the names of peers, and waits with each for the gate.
    fn gated_sink() -> (EventSink, mpsc::Sender<()>, Receiver<String>) {
        let (gate, opens) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let (opens, tell) = (Mutex::new(opens), Mutex::new(tell));
        let sink = EventSink::with_subscriber("test", move |event| {
            let Event::PeerUp { peer } = event else { panic!("{event:?}") };
            lock(&opens).recv_timeout(SOON).unwrap();
            lock(&tell).send(peer.clone()).unwrap();
        });
        (sink, gate, told)
    }

    #[test]
    fn events_are_told_in_their_order_and_those_past_the_bound_are_counted() {
        let (sink, gate, told) = gated_sink();
        sink.tell(peer_up("first"));
        // One is with the subscriber by now or soon, so the queue has room for one more or not.
        for n in 0..MOST_WAITING + 99 {
            sink.tell_often(|| peer_up(n.to_string()));
        }
        let dropped = sink.dropped() as usize;
        assert!((99..=100).contains(&dropped), "{dropped}");
        (0..2 * MOST_WAITING).for_each(|_| gate.send(()).unwrap());
        assert_eq!(told.recv_timeout(SOON).unwrap(), "first");
        for n in 0..MOST_WAITING + 99 - dropped {
            assert_eq!(told.recv_timeout(SOON).unwrap(), n.to_string());
        }
        assert_eq!(sink.dropped() as usize, dropped);
        assert_eq!(lock(&sink.line.as_ref().unwrap().waiting).text_bytes, 0);
    }

    #[test]
    fn long_events_past_the_bound_in_bytes_are_dropped() {
        let (sink, gate, told) = gated_sink();
        for _ in 0..6 {
            sink.tell(peer_up("x".repeat(MOST_WAITING_BYTES / 4)));
        }
        assert!((1..=2).contains(&sink.dropped()), "{}", sink.dropped());
        assert!(sink.recent().is_empty(), "they are too long for that, too");
        (0..6).for_each(|_| gate.send(()).unwrap());
        (0..4).for_each(|_| assert!(told.recv_timeout(SOON).is_ok()));
    }

    #[test]
    fn a_subscriber_that_panics_is_told_the_next_event() {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let sink = EventSink::with_subscriber("test", move |event| {
            let Event::PeerUp { peer } = event else { panic!("{event:?}") };
            assert_ne!(peer, "bad");
            lock(&tell).send(peer.clone()).unwrap();
        });
        for peer in ["bad", "good", "bad", "better"] {
            sink.tell(peer_up(peer));
        }
        let told = [(); 2].map(|()| told.recv_timeout(SOON).unwrap());
        assert_eq!(told, ["good", "better"]);
    }

    #[test]
    fn a_subscriber_may_tell_events_itself_and_hold_the_last_handle() {
        let (tell, told) = mpsc::channel();
        let sink_of_its_own = Arc::new(Mutex::new(None::<EventSink>));
        let held = Arc::clone(&sink_of_its_own);
        let tell = Mutex::new(tell);
        let sink = EventSink::with_subscriber("test", move |event| {
            let sink = lock(&held).take();
            if let Some(sink) = sink {
                sink.tell(peer_up("from inside"));
            }
            lock(&tell).send(event.name()).unwrap();
        });
        *lock(&sink_of_its_own) = Some(sink.clone());
        sink.tell(Event::ListChanged { peers: Vec::new() });
        drop(sink);
        let told = [(); 2].map(|()| told.recv_timeout(SOON).unwrap());
        assert_eq!(told, ["list-changed", "peer-up"]);
    }

    #[test]
    fn the_last_rare_events_are_remembered_and_others_are_not_even_made() {
        let sink = EventSink::new();
        sink.tell_often(|| unreachable!("nobody listens"));
        let shown =
            || -> Vec<String> { sink.recent().iter().map(|past| past.event.to_string()).collect() };
        sink.tell(Event::ListChanged { peers: vec!["a".to_owned()] });
        (0..MOST_OF_A_KIND + 5).for_each(|n| sink.tell(peer_up(n.to_string())));
        assert_eq!(shown().len(), 1 + MOST_OF_A_KIND, "a kind pushes out no other");
        assert_eq!(shown()[..2], ["the list of peers has 1 now", "peer 5 is up again"]);
        for n in 0..MOST_RECENT {
            let (peer, pause) = (n.to_string(), SOON);
            sink.tell(match n % 4 {
                0 => Event::PeerDown { peer, pause },
                1 => Event::RemovalIncomplete {
                    group: peer,
                    first_key: None,
                    keys: 0,
                    error: PeerError::new(PeerErrorKind::Load, "a", "b"),
                },
                2 => Event::ListChanged { peers: vec![peer] },
                _ => peer_up(peer),
            });
        }
        assert_eq!(shown().len(), MOST_RECENT);
        assert_eq!(sink.dropped(), 0);
    }
}
