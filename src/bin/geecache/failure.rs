//! [`Failure`]: why the program ends early, with which code, and what to do about it.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use geecache::{Error, PeerError, PeerErrorKind};

/// How the program ends. The codes are a promise to scripts: [`EXITS`] tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    No = 1,
    Usage = 2,
    NoAnswer = 3,
    Refused = 4,
    PeerFailed = 5,
    Incomplete = 6,
    Unsound = 7,
    Local = 8,
}

/// What the codes mean, for the help and the manual page.
pub(crate) const EXITS: [(Exit, &str); 9] = [
    (Exit::Done, "done"),
    (Exit::No, "the answer is no: no such key, not in memory, not kept, not confirmed"),
    (Exit::Usage, "called wrongly"),
    (Exit::NoAnswer, "no peer answered in time"),
    (Exit::Refused, "a peer did not take the token or the certificate"),
    (Exit::PeerFailed, "a peer answered with an error, such as a source that failed"),
    (Exit::Incomplete, "a change did not reach all peers"),
    (Exit::Unsound, "check found something wrong, or bench had failures"),
    (Exit::Local, "this machine failed: a file, the output, the terminal"),
];

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why the program ends early.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Empty if there is nobody to tell.
    pub(crate) message: String,
    /// What to do next.
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string(), hint: None }
    }

    pub(crate) fn usage(message: impl Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn hint(self, hint: impl Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }

    /// The output can't be written. One whose reader went away, as `head` does, has done its work.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, ""),
            _ => Self::new(Exit::Local, format_args!("can not write the output: {error}")),
        }
    }

    /// A peer did not give what it was asked for. What to do about one that does not let us in
    /// depends on the options.
    pub(crate) fn peer(error: &PeerError) -> Self {
        let url = error.peer();
        let failure = Self::new(exit_of(error.kind()), error);
        if let Some(hint) = hint_about_tls(error) {
            return failure.hint(hint);
        }
        match error.kind() {
            PeerErrorKind::Unreachable => failure.hint(format_args!(
                "is it running, and is this its address? see: geecache check --peers {url}"
            )),
            PeerErrorKind::TimedOut | PeerErrorKind::Overloaded => {
                failure.hint("try again, or wait longer: --timeout 10s")
            }
            PeerErrorKind::NoSuchGroup => {
                failure.hint(format_args!("see which groups it has: geecache stats --peers {url}"))
            }
            PeerErrorKind::Protocol => {
                failure.hint("does it speak another protocol? see --protocol and --base-path")
            }
            PeerErrorKind::NotSupported => {
                failure.hint("peers in Go, and older ones, can be asked for values alone")
            }
            _ => failure,
        }
    }
}

/// What to do about a peer that was not asked as it wants, with TLS or without it.
pub(crate) fn hint_about_tls(error: &PeerError) -> Option<&'static str> {
    match (error.kind(), error.message()) {
        (PeerErrorKind::Protocol, why) if why.contains("this port speaks TLS") => {
            Some("name the peers as https://..., and by --tls-ca who signs their certificates")
        }
        (PeerErrorKind::Unreachable, why) if why.contains("is no TLS") => {
            Some("name the peers as http://..., without --tls-ca")
        }
        (PeerErrorKind::Unreachable, why) if why.contains("TLS: invalid peer certificate") => {
            Some("its certificate must be for this host, and signed by the authority in --tls-ca")
        }
        _ => None,
    }
}

/// The code for a peer's error.
pub(crate) fn exit_of(kind: PeerErrorKind) -> Exit {
    match kind {
        PeerErrorKind::Unreachable | PeerErrorKind::TimedOut | PeerErrorKind::Overloaded => {
            Exit::NoAnswer
        }
        PeerErrorKind::Unauthorized => Exit::Refused,
        PeerErrorKind::NotFound => Exit::No,
        _ => Exit::PeerFailed,
    }
}

/// What this crate does not take: a URL, an option, a key.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::EmptyKey | Error::InvalidPeer { .. } | Error::InvalidGroup { .. } => {
                Self::usage(error)
            }
            Error::InvalidOption { option: "token", .. } => {
                Self::usage(error).hint("it comes from GEECACHE_TOKEN")
            }
            Error::InvalidOption { .. } => Self::usage(error),
            _ => Self::new(Exit::PeerFailed, error),
        }
    }
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::usage(error)
    }
}
