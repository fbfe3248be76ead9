//! [`Failure`]: why a request did not get what it was sent for.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::error::PeerErrorKind;
use crate::http::exchange::options::ExchangeOptions;
use crate::http::exchange::trace::Trace;
use crate::http::note::Note;
use crate::http::tls::{TlsRefusal, refusal};
use crate::http::verdict::Verdict;

/// Why a request did not get what it was sent for, and what that tells about the peer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: PeerErrorKind,
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
    /// What else a peer of ours told, where the answer is that there is no value.
    pub(crate) note: Note,
}

impl Failure {
    pub(crate) fn new(kind: PeerErrorKind, verdict: Verdict, message: impl fmt::Display) -> Self {
        Self { kind, verdict, message: message.to_string(), note: Note::default() }
    }

    /// The answer breaks the protocol.
    pub(crate) fn broken(what: impl fmt::Display) -> Self {
        Self::new(PeerErrorKind::Protocol, Verdict::Failed, what)
    }
}

/// How a call ended that gave nothing.
pub(crate) enum CallError {
    /// There was no whole answer.
    Http(ureq::Error),
    /// There was one, but not what was asked for.
    Answer(Failure),
}

/// What a call has spent.
#[derive(Clone, Copy)]
pub(super) struct Spent {
    /// The time that it had.
    pub(super) left: Duration,
    pub(super) trace: Trace,
}

impl Spent {
    /// What it tells about the peer that the time was not enough, where a call `usual`ly gets more.
    fn blame(&self, usual: Duration) -> Verdict {
        if self.trace.was_coming() {
            // The way is slow, and the peer well.
            Verdict::Answered
        } else if self.left >= usual {
            Verdict::Failed
        } else if self.trace.reached_the_peer() {
            Verdict::Silent
        } else {
            Verdict::Unclear
        }
    }
}

impl CallError {
    /// What it means for the caller.
    pub(super) fn into_failure(self, spent: Spent, options: &ExchangeOptions) -> Failure {
        use PeerErrorKind::{NotSupported, Protocol, TimedOut, Unauthorized, Unreachable};
        let error = match self {
            Self::Answer(failure) => return failure,
            Self::Http(error) => error,
        };
        let (message, left) = (error.to_string(), spent.left);
        match error {
            ureq::Error::Timeout(ureq::Timeout::Connect) => {
                let usual = options.connect_timeout;
                let message = format!("no connection within {:?}", usual.min(left));
                Failure::new(Unreachable, spent.blame(usual), message)
            }
            ureq::Error::Timeout(ureq::Timeout::Resolve) => {
                let message = format!("no address for its name within {left:?}");
                Failure::new(Unreachable, spent.blame(options.timeout), message)
            }
            ureq::Error::Timeout(_) => {
                let verdict = spent.blame(options.timeout);
                let what = if verdict == Verdict::Answered { "whole answer" } else { "answer" };
                Failure::new(TimedOut, verdict, format!("no {what} within {left:?}"))
            }
            ureq::Error::HostNotFound => {
                Failure::new(Unreachable, Verdict::Failed, "no address is known for its name")
            }
            ureq::Error::Io(error) => {
                let kind = match refusal(&error) {
                    Some(TlsRefusal::OfUs) => Unauthorized,
                    Some(TlsRefusal::OfThem) | None => Unreachable,
                };
                // Who is refused would be so again, after as much work: that counts as a failure.
                Failure::new(kind, io_verdict(&error), error)
            }
            ureq::Error::Http(_) | ureq::Error::BadUri(_) => {
                Failure::new(NotSupported, Verdict::Unclear, message)
            }
            _ => Failure::new(Protocol, Verdict::Failed, message),
        }
    }

    /// Whether a call ended as it does on a connection that the other side has closed.
    pub(super) fn is_of_a_closed_connection(&self) -> bool {
        match self {
            Self::Http(ureq::Error::Io(error)) => matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::NotConnected
            ),
            _ => false,
        }
    }
}

impl From<Failure> for CallError {
    fn from(failure: Failure) -> Self {
        Self::Answer(failure)
    }
}

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        // The reader of a body wraps ureq's errors; this unwraps them.
        Self::Http(error.into())
    }
}

/// What a failed operation on a socket tells about the peer.
fn io_verdict(error: &io::Error) -> Verdict {
    /// ENFILE and EMFILE, on all Unixes: this process, or this machine, has no descriptor left.
    const NO_DESCRIPTOR: [i32; 2] = [23, 24];
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Verdict::Refused,
        // No local port is left.
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::OutOfMemory => Verdict::Unclear,
        _ if cfg!(unix) && error.raw_os_error().is_some_and(|it| NO_DESCRIPTOR.contains(&it)) => {
            Verdict::Unclear
        }
        _ => Verdict::Failed,
    }
}
