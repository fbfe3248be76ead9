//! [`TakeOver`]: has a previous owner hand over what has come to be this process's.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::cache::Addition;
use crate::error::{PeerError, PeerErrorKind};
use crate::group::loads::LoadHost;
use crate::group::parts::Parts;
use crate::origin::Origin;
use crate::peers::{HandOverEntry, HandOverPart, HandOverState, PeerGetter};
use crate::random;

/// The hand-over from one previous owner to a group, for those who write a transport; from
/// [`Group::take_over_from`](crate::Group::take_over_from).
///
/// Each [step](Self::step) asks for one part. Who drives it says how fast it goes, and ends it by
/// its drop.
pub struct TakeOver {
    parts: Arc<Parts>,
    peer: Arc<dyn PeerGetter>,
    session: u64,
    /// `None` if there was none as it began.
    warm_up: Option<u64>,
    entries: u64,
    bytes: u64,
    missed: u64,
}

/// What a [step](TakeOver::step) of a hand-over came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakeOverStep {
    /// Bytes of keys and values that came, kept or not.
    pub bytes: usize,
    /// What comes next.
    pub state: HandOverState,
}

impl TakeOver {
    pub(super) fn new(parts: Arc<Parts>, peer: Arc<dyn PeerGetter>) -> Self {
        let warm_up = parts.owners.picker().warm_up();
        parts.owners.begin_hand_over(&peer);
        let session = random::number();
        Self { parts, peer, session, warm_up, entries: 0, bytes: 0, missed: 0 }
    }

    /// Has the peer hand over the next part, of up to `max_bytes`, and keeps what of it this
    /// process owns and lacks, as long as there is room that nobody uses. The state tells whether
    /// to go on.
    ///
    /// It [ends](HandOverState::Ended) where the peer has nothing more, where there is no more
    /// room, and with the [warm-up](crate::PeerPicker::warm_up) in which it began.
    ///
    /// # Errors
    ///
    /// Those of [`PeerGetter::hand_over`]. Others of its parts may still come.
    ///
    /// # Blocking
    ///
    /// As long as the transport takes.
    pub fn step(&mut self, max_bytes: usize) -> Result<TakeOverStep, PeerError> {
        let ended = TakeOverStep { bytes: 0, state: HandOverState::Ended };
        let Some(warm_up) = self.warm_up else { return Ok(ended) };
        if self.parts.owners.picker().warm_up() != Some(warm_up) {
            return Ok(ended);
        }
        if !self.parts.changes.may_read(&self.peer) {
            // It is told what it was not told yet, before anything is read from it.
            return Ok(TakeOverStep { bytes: 0, state: HandOverState::NotYet });
        }
        let (asked, tick) = (self.parts.memory.now(), LoadHost::tick(&*self.parts));
        let HandOverPart { entries, state } =
            self.ask(max_bytes).inspect_err(|_| self.missed += 1)?;
        let mut step = TakeOverStep { bytes: 0, state };
        for entry in &entries {
            step.bytes += entry.bytes();
            if self.keep(entry, warm_up, (asked, tick)) == Addition::NoRoom {
                self.missed += 1;
                step.state = HandOverState::Ended;
            }
        }
        if step.state == HandOverState::Ended && self.missed == 0 {
            self.parts.owners.end_hand_over(&self.peer, warm_up);
        }
        Ok(step)
    }

    fn ask(&self, max_bytes: usize) -> Result<HandOverPart, PeerError> {
        let ask = || self.peer.hand_over(&self.parts.name, self.session, max_bytes);
        catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|panic| {
            // Its drop may panic as well.
            std::mem::forget(panic);
            let message = "the transport panicked";
            Err(PeerError::new(PeerErrorKind::Protocol, self.peer.name(), message))
        })
    }

    /// Keeps what was handed over to a question of the time `asked`, and of this tick. See
    /// [`handover`](crate::group::owners) for the removals that are made meanwhile.
    fn keep(&mut self, entry: &HandOverEntry, warm_up: u64, (asked, tick): (u64, u64)) -> Addition {
        let HandOverEntry { key, value, load_time, heat } = entry;
        let Parts { owners, memory, .. } = &*self.parts;
        if key.is_empty() || !owners.picker().owns(key) {
            return Addition::Unwanted;
        }
        // See `changes::tags`.
        let tick = owners.tick_of_what_is_taken_over(tick);
        let value = memory.with_an_end(memory.aged(value.clone(), asked));
        let value = value.came_from(Origin::PreviousOwner).begun_at(tick);
        let is_wanted = || !owners.was_removed(key, warm_up);
        let added = memory.keep_handed_over(key, &value, (*load_time, *heat), is_wanted);
        if added == Addition::Kept {
            let (bytes, counters) = (entry.bytes(), owners.hand_over_counters());
            counters.taken_over.add_one();
            counters.taken_over_bytes.add(bytes);
            self.entries += 1;
            self.bytes += bytes as u64;
        }
        added
    }

    /// The name of the group.
    #[must_use]
    pub fn group(&self) -> &str {
        &self.parts.name
    }

    /// The previous owner.
    #[must_use]
    pub fn peer(&self) -> &Arc<dyn PeerGetter> {
        &self.peer
    }

    /// How many entries were kept so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Bytes of their keys and values.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl fmt::Debug for TakeOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("TakeOver");
        debug.field("group", &self.parts.name).field("peer", &self.peer.name());
        debug.field("entries", &self.entries).finish_non_exhaustive()
    }
}
