//! [`Abilities`]: which operations a peer knows, as far as it was seen. The clock is the caller's.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::error::PeerErrorKind;
use crate::sync::lock;

/// For how long it is remembered that a peer does not know batches, or peeks. It may be replaced by
/// one that does.
const UNKNOWN_FOR: Duration = Duration::from_secs(60);
/// For how long it is remembered that a peer makes changes. It may be replaced by one that does
/// not.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// For how long it is remembered whether a peer is one of this crate. It may be replaced by
/// another.
const PROGRAM_FOR: Duration = Duration::from_secs(60);
/// So many peeks in a row that were not answered in time bring a [`PEEKS_PAUSE`].
const LATE_PEEKS: u32 = 3;
/// For how long a peer is not peeked at when it was late again and again: the loads that wait for
/// it would all be late.
const PEEKS_PAUSE: Duration = Duration::from_secs(1);

/// What is remembered for a while of the operations that a peer knows, or does not.
#[derive(Debug, Default)]
pub(super) struct Abilities {
    lacks_batches: TimedFlag,
    lacks_peeks: TimedFlag,
    makes_changes: TimedFlag,
    /// Which program answers there, and until when that is believed.
    program: Mutex<Option<(Program, Instant)>>,
    /// Peeks in a row that were not answered in time.
    late_peeks: AtomicU32,
}

impl Abilities {
    /// Whether a batch is worth a try.
    pub(super) fn may_know_batches(&self, now: Instant) -> bool {
        !self.lacks_batches.is_set(now)
    }

    pub(super) fn lacks_batches(&self, now: Instant) {
        self.lacks_batches.set(now, UNKNOWN_FOR);
    }

    /// Whether a peek is worth a try.
    pub(super) fn may_answer_peeks(&self, now: Instant) -> bool {
        !self.lacks_peeks.is_set(now)
    }

    /// Learns from the end of a peek: with or without an error.
    pub(super) fn peeked(&self, error: Option<PeerErrorKind>, now: Instant) {
        match error {
            None => self.late_peeks.store(0, Ordering::Relaxed),
            Some(PeerErrorKind::NotSupported) => self.lacks_peeks.set(now, UNKNOWN_FOR),
            Some(PeerErrorKind::TimedOut) => {
                if self.late_peeks.fetch_add(1, Ordering::Relaxed) + 1 >= LATE_PEEKS {
                    self.late_peeks.store(0, Ordering::Relaxed);
                    self.lacks_peeks.set(now, PEEKS_PAUSE);
                }
            }
            Some(_) => {}
        }
    }

    /// Whether the peer is known to be of another program, so that it is told of changes, and asked
    /// what it has in memory, in that program's way.
    pub(super) fn is_foreign(&self, now: Instant) -> bool {
        self.program(now) == Some(Program::Foreign)
    }

    pub(super) fn mark_foreign(&self, now: Instant) {
        self.saw(Program::Foreign, now);
    }

    /// Whether the peer is known to make changes.
    pub(super) fn makes_changes(&self, now: Instant) -> bool {
        self.makes_changes.is_set(now)
    }

    /// Learns from the end of a change.
    pub(super) fn changed<T, E>(&self, ended: &Result<T, E>, now: Instant) {
        let known_for = if ended.is_ok() { KNOWN_FOR } else { Duration::ZERO };
        self.makes_changes.set(now, known_for);
    }
}

/// Who answers at the address of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// One with this crate.
    Ours,
    /// One of GeeCache or groupcache, or something else.
    Foreign,
}

impl Abilities {
    /// Which program the peer is, if that was seen lately.
    pub(super) fn program(&self, now: Instant) -> Option<Program> {
        let (program, until) = (*lock(&self.program))?;
        (now < until).then_some(program)
    }

    pub(super) fn saw(&self, program: Program, now: Instant) {
        *lock(&self.program) = now.checked_add(PROGRAM_FOR).map(|until| (program, until));
    }

    /// Another one may answer there from now on.
    pub(super) fn doubt_program(&self) {
        *lock(&self.program) = None;
    }
}

/// Something that holds until a moment.
#[derive(Debug, Default)]
struct TimedFlag {
    until: Mutex<Option<Instant>>,
}

impl TimedFlag {
    /// Sets it for `span` from `now` on.
    fn set(&self, now: Instant, span: Duration) {
        *lock(&self.until) = now.checked_add(span);
    }

    fn is_set(&self, now: Instant) -> bool {
        lock(&self.until).is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_learned_holds_for_its_span_and_no_longer() {
        let (flag, now) = (TimedFlag::default(), Instant::now());
        assert!(!flag.is_set(now));
        flag.set(now, Duration::from_secs(60));
        assert!(flag.is_set(now));
        assert!(flag.is_set(now + Duration::from_millis(59_999)));
        assert!(!flag.is_set(now + Duration::from_secs(60)));
    }

    #[test]
    fn three_late_peeks_in_a_row_bring_a_pause_and_an_answer_between_them_none() {
        let (abilities, now) = (Abilities::default(), Instant::now());
        let late = Some(PeerErrorKind::TimedOut);
        for error in [late, late, None, late, Some(PeerErrorKind::Unreachable), late] {
            abilities.peeked(error, now);
            assert!(abilities.may_answer_peeks(now));
        }
        abilities.peeked(late, now);
        assert!(!abilities.may_answer_peeks(now));
        assert!(abilities.may_answer_peeks(now + SECOND));
        abilities.peeked(late, now + SECOND);
        assert!(abilities.may_answer_peeks(now + SECOND), "the row begins again");
        abilities.peeked(Some(PeerErrorKind::NotSupported), now);
        assert!(!abilities.may_answer_peeks(now + 59 * SECOND));
    }

    #[test]
    fn a_change_that_failed_makes_the_next_one_careful() {
        let (abilities, now) = (Abilities::default(), Instant::now());
        assert!(!abilities.makes_changes(now));
        abilities.changed(&Ok::<(), ()>(()), now);
        assert!(abilities.makes_changes(now + 59 * SECOND));
        abilities.changed(&Err::<(), _>(()), now);
        assert!(!abilities.makes_changes(now));
    }
}
