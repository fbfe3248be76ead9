//! What a call has seen of its connection. ureq does everything on the thread of the call and tells
//! none of this, so the connector and the socket note it for the thread.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    static TRACE: Cell<Trace> = const { Cell::new(Trace::NOTHING) };
}

/// A way on which less than that comes in half of the time of a call is as good as broken.
const LEAST_LATE_BYTES: usize = 4 << 10;

/// What a call has seen of its connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace {
    /// It made a connection, or tried to: no kept one was used.
    pub(super) connected: bool,
    /// Bytes of the request have left.
    pub(super) sent: bool,
    /// The head of the answer has come.
    pub(super) answered: bool,
    /// From when on what comes is counted, and how much has come since.
    late: Option<Instant>,
    late_bytes: usize,
}

impl Trace {
    const NOTHING: Self =
        Self { connected: false, sent: false, answered: false, late: None, late_bytes: 0 };

    /// Forgets the last call of this thread. The next one has time until `late` twice over.
    pub(super) fn begin(late: Option<Instant>) {
        TRACE.set(Self { late, ..Self::NOTHING });
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

    pub(super) fn note_heard(bytes: usize) {
        let trace = TRACE.get();
        if trace.late.is_some_and(|late| Instant::now() >= late) {
            TRACE.set(Self { late_bytes: trace.late_bytes.saturating_add(bytes), ..trace });
        }
    }

    /// Whether the peer may know of the call.
    pub(super) fn reached_the_peer(&self) -> bool {
        self.connected || self.sent
    }

    /// Whether the body of an answer was still coming in the second half of the time, and not just
    /// in drops.
    pub(super) fn was_coming(&self) -> bool {
        self.answered && self.late_bytes >= LEAST_LATE_BYTES
    }
}
