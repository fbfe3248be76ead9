//! [`MarkBook`]: how far a peer has come with its changes, as it told.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::change::ChangeMark;
use crate::sync::lock;

/// The newest mark of each group that a peer told.
#[derive(Debug, Default)]
pub(super) struct MarkBook(Mutex<HashMap<Box<str>, ChangeMark>>);

impl MarkBook {
    /// The mark of a group, if it was told.
    pub(super) fn of(&self, group: &str) -> Option<ChangeMark> {
        lock(&self.0).get(group).copied()
    }

    /// It tells a mark beside an answer.
    pub(super) fn hear(&self, group: &str, mark: ChangeMark) {
        let mut marks = lock(&self.0);
        match marks.get_mut(group) {
            // Answers overtake each other.
            Some(known) if known.origin() == mark.origin() && known.count() >= mark.count() => {}
            Some(known) => *known = mark,
            None => drop(marks.insert(group.into(), mark)),
        }
    }
}
