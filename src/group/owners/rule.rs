//! [`OwnerErrors`]: whether the getter runs here where an owner failed.

/// What becomes of the owner's word that its getter failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnerErrors {
    /// The getter of this process is tried, as GeeCache does. The default.
    #[default]
    LoadLocally,
    /// The caller gets the owner's message as an [`Error::Load`](crate::Error::Load), and the
    /// source is spared a second load.
    Return,
    /// As [`Return`](Self::Return), and so is every other failure of the peers that were asked: one
    /// that is down, or too slow. The getter of this process runs for what this process owns alone.
    /// It is what [`Group::remote`](crate::Group::remote) does.
    ReturnAll,
}
