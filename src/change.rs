//! [`ChangeStamp`]: which change of which process this is. [`ChangeMark`]: a place in the row of
//! all changes of a process.

use std::fmt;

/// Says which change this is: who makes it, and how many that one has made before.
///
/// A transport carries it from [`PeerGetter`](crate::PeerGetter) to
/// [`PeerSide`](crate::PeerSide) as it is. By it a peer refuses an insertion that comes later than
/// a newer change of the same key by the same process: a request may lie on its way for long.
///
/// Changes of different origins have no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ChangeStamp {
    origin: u64,
    number: u64,
}

impl ChangeStamp {
    /// The stamp of a change that has no order, as those of other programs: it is always made.
    pub const UNORDERED: Self = Self { origin: 0, number: 0 };

    /// The stamp that a transport was told. An `origin` of 0 is nobody: such a change is
    /// [`UNORDERED`](Self::UNORDERED).
    #[must_use]
    pub const fn new(origin: u64, number: u64) -> Self {
        if origin == 0 { Self::UNORDERED } else { Self { origin, number } }
    }

    /// Who makes the change: a random number of one group, in one life of its process.
    #[must_use]
    pub const fn origin(self) -> u64 {
        self.origin
    }

    /// The number of the change among those of its origin. They begin at 1, and a newer change has
    /// a greater one.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.number
    }

    /// Whether the change has an order at all.
    #[must_use]
    pub const fn is_ordered(self) -> bool {
        self.origin != 0
    }
}

/// A place in the row of changes that a group made in one process: its own ones, and those that
/// peers told it.
///
/// It has all of the changes that were counted before the mark was taken. Marks of different
/// origins can't be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangeMark {
    origin: u64,
    count: u64,
}

impl ChangeMark {
    /// The mark that a transport was told.
    #[must_use]
    pub const fn new(origin: u64, count: u64) -> Self {
        Self { origin, count }
    }

    /// Whose row it is: a random number of one group, in one life of its process.
    #[must_use]
    pub const fn origin(self) -> u64 {
        self.origin
    }

    /// How many changes stand before the mark.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.count
    }
}

/// What was changed in a process since a [`ChangeMark`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChangesSince {
    /// Keys that were removed or inserted.
    Keys {
        /// The keys, in no particular order. None, if there was no change.
        keys: Vec<String>,
        /// The place up to which these are all. There may be more changes behind it: ask again
        /// from there, until no key is told.
        mark: ChangeMark,
    },
    /// Maybe all keys: there was a clearing, or the mark is of another life of the process, or too
    /// many changes have come since.
    Unknown {
        /// The place from which on the changes are known.
        mark: ChangeMark,
    },
}

/// A change was not made, as it came too late: a newer one of the same origin was made before it,
/// or may have been, or who sent it waits no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LateChange;

impl fmt::Display for LateChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the change came too late")
    }
}

impl std::error::Error for LateChange {}
