//! [`NoteTags`]: the tags of a value, as a note tells them.

use crate::getter::Loaded;
use crate::tag::Tag;

/// A value has no more tags.
pub(super) const MAX_TAGS: usize = 8;

/// The numbers of up to eight tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NoteTags {
    numbers: [u64; MAX_TAGS],
    count: u8,
}

impl NoteTags {
    pub(crate) fn of(loaded: &Loaded) -> Self {
        let mut tags = Self::default();
        for tag in loaded.tags() {
            // A value has no more tags than there is room for.
            let _ = tags.add(tag.number());
        }
        tags
    }

    /// Takes in one more number; `None` if there are eight.
    pub(super) fn add(&mut self, number: u64) -> Option<()> {
        *self.numbers.get_mut(usize::from(self.count))? = number;
        self.count += 1;
        Some(())
    }

    pub(super) fn numbers(&self) -> &[u64] {
        &self.numbers[..self.count.into()]
    }

    /// A result with these tags.
    pub(crate) fn tag(&self, loaded: Loaded) -> Loaded {
        self.numbers().iter().copied().map(Tag::from_number).fold(loaded, Loaded::tag)
    }
}
