//! [`Origin`]: where a value came from.

/// Where a value came from; from [`Group::get_with_origin`](crate::Group::get_with_origin).
///
/// Callers that wait for another caller's load get what that one got, and its origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Origin {
    /// The getter of this process.
    #[default]
    Getter,
    /// The memory of this process, which owns the key.
    Memory,
    /// A copy in the memory of this process, of what another peer owns or has loaded.
    Copy,
    /// The memory of this process, past its ttl: it is being refreshed, or its load failed.
    Stale,
    /// The owner's memory.
    OwnerMemory,
    /// The owner, which had to load it or does not say.
    Owner,
    /// The peer that answers for an owner that is down.
    StandIn,
    /// The memory of the peer that owned the key before the list of peers changed.
    PreviousOwner,
}

impl Origin {
    /// Whether it is the memory of this process.
    #[must_use]
    pub fn is_memory(self) -> bool {
        matches!(self, Self::Memory | Self::Copy | Self::Stale)
    }

    /// What logs and metrics call it, such as `owner-memory`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Getter => "getter",
            Self::Memory => "memory",
            Self::Copy => "copy",
            Self::Stale => "stale",
            Self::OwnerMemory => "owner-memory",
            Self::Owner => "owner",
            Self::StandIn => "stand-in",
            Self::PreviousOwner => "previous-owner",
        }
    }
}
