//! [`Plus`]: what a `+` in a path stands for.

/// What a `+` in the path of a request stands for; see
/// [`HttpPoolBuilder::plus`](crate::HttpPoolBuilder::plus).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Plus {
    /// A space: the clients of GeeCache and groupcache escape as forms do, and send a real plus as
    /// `%2B`.
    Space,
    /// Itself: clients that escape as paths do send it bare.
    Literal,
}
