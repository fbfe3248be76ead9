//! [`Verdict`]: what one call tells about the health of its peer.

/// What a call told about the health of its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The peer answered, if only with its getter's error: it is well.
    Answered,
    /// It did not answer in time, or what came was no answer.
    Failed,
    /// Nothing listens at its address.
    Refused,
    /// A request was sent, and not answered to a caller that had less time than is usual.
    Silent,
    /// Nothing is known: the call failed for a reason on our side.
    Unclear,
}
