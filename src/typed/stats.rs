//! [`TypedStats`]: what a typed group decoded.

/// What a [`TypedGroup`](crate::TypedGroup) decoded since it was made, and what it keeps of that. A
/// snapshot: the fields are read one after the other. What the group below did is told by
/// [`Group::stats`](crate::Group::stats).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TypedStats {
    /// Calls of the codec to make a value of bytes. A get of a value that is there already is none.
    pub decodes: u64,
    /// Those of them that failed. A get is then answered by a load here, unless this process has
    /// just loaded the bytes itself.
    pub decode_errors: u64,
    /// Values held now. Some may belong to entries that are gone, and be freed soon.
    pub decoded: u64,
    /// What these values weigh, with 96 bytes for each.
    pub decoded_bytes: u64,
    /// The bound on `decoded_bytes`.
    pub max_decoded_bytes: u64,
    /// Values that had to go to make room, while their entries were still there.
    pub evictions: u64,
}
