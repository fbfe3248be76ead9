//! The tags and the version of a value, in front of it in a frame.
//!
//! ```text
//! kind  version      tags
//! u8    u64, if any  u64 …
//! ```
//!
//! The kind is the number of tags and, in its highest bit, whether there is a version.

use crate::getter::Loaded;
use crate::tag::Tag;

/// The bit of the kind of marks with a version.
const VERSIONED: u8 = 1 << 7;
/// A value has no more tags.
const MAX_TAGS: usize = 8;

/// Whether there is anything to write.
pub(super) fn are_there(loaded: &Loaded) -> bool {
    loaded.version_number().is_some() || loaded.tags().next().is_some()
}

pub(super) fn write(loaded: &Loaded, frame: &mut Vec<u8>) {
    let (count, version) = (loaded.tags().count() as u8, loaded.version_number());
    frame.push(count | if version.is_some() { VERSIONED } else { 0 });
    for number in version.into_iter().chain(loaded.tags().map(Tag::number)) {
        frame.extend_from_slice(&number.to_be_bytes());
    }
}

/// What marks a value.
#[derive(Default)]
pub(super) struct FrameMarks {
    tags: Vec<Tag>,
    version: Option<u64>,
}

impl FrameMarks {
    /// Reads the numbers that this kind has. Too many tags are none.
    pub(super) fn read<E>(
        kind: u8,
        mut number: impl FnMut() -> Result<u64, E>,
    ) -> Result<Option<Self>, E> {
        let count = usize::from(kind & !VERSIONED);
        if count > MAX_TAGS {
            return Ok(None);
        }
        let version = if kind & VERSIONED == 0 { None } else { Some(number()?) };
        let tags = (0..count).map(|_| number().map(Tag::from_number));
        Ok(Some(Self { tags: tags.collect::<Result<_, _>>()?, version }))
    }

    pub(super) fn mark(&self, loaded: Loaded) -> Loaded {
        let loaded = self.tags.iter().copied().fold(loaded, Loaded::tag);
        self.version.into_iter().fold(loaded, Loaded::version)
    }
}
