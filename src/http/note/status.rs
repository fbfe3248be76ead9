//! [`Status`]: what an answer means, by name.

/// What an answer that is not a value means, so that it can be told from a foreign server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    BadRequest,
    /// The path names another key than the note, or another group.
    OtherKey,
    /// The asker speaks another protocol.
    OtherProtocol,
    /// The asker belongs to another cluster.
    OtherCluster,
    /// The asker is this very process, which it knows by another name.
    Itself,
    /// The asker shows no token that is known.
    Unauthorized,
    NoSuchGroup,
    NotFound,
    LoadFailed,
    TimedOut,
    Overloaded,
    ShuttingDown,
    /// It answers still, but has left the list of peers.
    HasLeft,
    NotSupported,
    /// An insertion has removed the older value, and the new one is not kept.
    NotKept,
    /// An insertion came too late. There is no older value.
    Late,
}

impl Status {
    pub(crate) const ALL: [Self; 16] = [
        Self::BadRequest,
        Self::OtherKey,
        Self::OtherProtocol,
        Self::OtherCluster,
        Self::Itself,
        Self::Unauthorized,
        Self::NoSuchGroup,
        Self::NotFound,
        Self::LoadFailed,
        Self::TimedOut,
        Self::Overloaded,
        Self::ShuttingDown,
        Self::HasLeft,
        Self::NotSupported,
        Self::NotKept,
        Self::Late,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::OtherKey => "other-key",
            Self::OtherProtocol => "other-protocol",
            Self::OtherCluster => "other-cluster",
            Self::Itself => "itself",
            Self::Unauthorized => "unauthorized",
            Self::NoSuchGroup => "no-such-group",
            Self::NotFound => "not-found",
            Self::LoadFailed => "load-failed",
            Self::TimedOut => "timed-out",
            Self::Overloaded => "overloaded",
            Self::ShuttingDown => "shutting-down",
            Self::HasLeft => "has-left",
            Self::NotSupported => "not-supported",
            Self::NotKept => "not-kept",
            Self::Late => "late",
        }
    }

    pub(super) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name().as_bytes() == name)
    }

    /// The HTTP status that goes with the name.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::BadRequest | Self::OtherKey | Self::OtherProtocol => 400,
            Self::Unauthorized => 401,
            Self::NoSuchGroup | Self::NotFound => 404,
            Self::NotSupported => 405,
            Self::Late => 409,
            Self::HasLeft => 410,
            Self::OtherCluster | Self::Itself => 421,
            Self::NotKept => 204,
            Self::LoadFailed => 500,
            Self::Overloaded | Self::ShuttingDown => 503,
            Self::TimedOut => 504,
        }
    }

    /// Whether an answer of this HTTP status may have the name. Some clusters have the two numbers
    /// the other way round that tell of a failed load and of a peer that can't answer.
    pub(super) fn goes_with(self, code: u16) -> bool {
        match self.code() {
            500 | 503 => matches!(code, 500 | 503),
            only => only == code,
        }
    }
}
