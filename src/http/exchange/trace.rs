//! What a call has seen of its connection. ureq does everything on the thread of the call and tells
//! none of this, so the connector and the socket note it for the thread.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    static TRACE: Cell<Trace> = const { Cell::new(Trace::NOTHING) };
}

/// What a call has seen of its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace {
    /// It made a connection, or tried to: no kept one was used.
    pub(super) connected: bool,
    /// Bytes of the request have left.
    pub(super) sent: bool,
    /// The head of the answer has come.
    pub(super) answered: bool,
    /// When the last bytes came.
    pub(super) heard: Option<Instant>,
}

impl Trace {
    const NOTHING: Self = Self { connected: false, sent: false, answered: false, heard: None };

    /// Forgets the last call of this thread.
    pub(super) fn begin() {
        TRACE.set(Self::NOTHING);
    }

    /// What this thread's call has seen since [`begin`](Self::begin).
    pub(super) fn of_this_thread() -> Self {
        TRACE.get()
    }

    pub(super) fn note_connect() {
        TRACE.set(Self { connected: true, ..TRACE.get() });
    }

    pub(super) fn note_sent() {
        TRACE.set(Self { sent: true, ..TRACE.get() });
    }

    pub(super) fn note_answer() {
        TRACE.set(Self { answered: true, ..TRACE.get() });
    }

    pub(super) fn note_heard() {
        TRACE.set(Self { heard: Some(Instant::now()), ..TRACE.get() });
    }

    /// Whether the peer may know of the call.
    pub(super) fn reached_the_peer(&self) -> bool {
        self.connected || self.sent
    }

    /// Whether the body of an answer was still coming after `moment`.
    pub(super) fn was_coming_after(&self, moment: Instant) -> bool {
        self.answered && self.heard.is_some_and(|heard| heard > moment)
    }
}
