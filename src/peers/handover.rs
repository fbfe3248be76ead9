//! What previous owners of keys hand to new ones: [`HandOverPart`].

use std::time::Duration;

use crate::getter::Loaded;

/// A part of what a peer hands over, hottest first; the answer of
/// [`PeerGetter::hand_over`](crate::PeerGetter::hand_over) and
/// [`PeerSide::hand_over`](crate::PeerSide::hand_over).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOverPart {
    /// Keys that the asker owns. There may be none before the end: the peer has looked at other
    /// keys meanwhile.
    pub entries: Vec<HandOverEntry>,
    /// What comes next.
    pub state: HandOverState,
}

impl HandOverPart {
    /// Nothing, and what comes next.
    #[must_use]
    pub fn empty(state: HandOverState) -> Self {
        Self { entries: Vec::new(), state }
    }
}

/// What comes after a part of a hand-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandOverState {
    /// A further part.
    More,
    /// Nothing: it was the last part.
    Ended,
    /// The peer hands nothing over now and may do so soon: its list of peers is another one, or it
    /// is busy with others.
    NotYet,
}

/// A value that moves to another owner, or the knowledge that there is none.
///
/// A transport carries all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOverEntry {
    /// Whose value it is.
    pub key: String,
    /// With what is left of its life.
    pub value: Loaded,
    /// How long it took to load, in whole milliseconds.
    pub load_time: Duration,
    /// How much it is asked for: a number that only caches understand. Each is one.
    pub heat: u8,
}

impl HandOverEntry {
    /// Bytes of the key and the value.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.len() + self.value.value().map_or(0, |value| value.len())
    }
}
