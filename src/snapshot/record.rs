//! [`SnapshotRecord`]: an entry of a cache, in a file.

use crate::snapshot::frame::{Fields, put_count, put_text};
use crate::tag::{Tag, TagList};

/// The first byte of the body of a record.
const RECORD: u8 = 2;

const HAS_VALUE: u8 = 1;
const HAS_LIFE: u8 = 2;
const IS_COPY: u8 = 4;
const HAS_VERSION: u8 = 8;

/// An entry of a cache, in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SnapshotRecord<'a> {
    pub(crate) key: &'a str,
    /// `None` = the key is known to be absent.
    pub(crate) value: Option<&'a [u8]>,
    /// What was left of its life at the time of the header, in milliseconds; `None` = no end.
    pub(crate) left_ms: Option<u64>,
    /// How long it took to load, in milliseconds.
    pub(crate) load_ms: u32,
    pub(crate) heat: u8,
    /// Whether it was a copy of what another peer owned.
    pub(crate) is_copy: bool,
    /// The version of the value, of groups whose values have one.
    pub(crate) version: Option<u64>,
    pub(crate) tags: TagList,
}

impl<'a> SnapshotRecord<'a> {
    /// Writes all but the value, which comes last.
    pub(super) fn write_head(&self, body: &mut Vec<u8>) {
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        body.push(RECORD);
        body.push(
            flag(HAS_VALUE, self.value.is_some())
                | flag(HAS_LIFE, self.left_ms.is_some())
                | flag(IS_COPY, self.is_copy)
                | flag(HAS_VERSION, self.version.is_some()),
        );
        body.push(self.heat);
        body.extend_from_slice(&self.load_ms.to_le_bytes());
        for number in [self.left_ms, self.version].into_iter().flatten() {
            body.extend_from_slice(&number.to_le_bytes());
        }
        put_count(body, self.tags.len());
        for tag in self.tags.iter() {
            body.extend_from_slice(&tag.number().to_le_bytes());
        }
        put_text(body, self.key);
    }

    /// `None` if the body is that of no record.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let mut fields = Fields(body);
        if fields.u8()? != RECORD {
            return None;
        }
        let (flags, heat, load_ms) = (fields.u8()?, fields.u8()?, fields.u32()?);
        let mut number = |flag: u8| match flags & flag {
            0 => Some(None),
            _ => fields.u64().map(Some),
        };
        let (left_ms, version) = (number(HAS_LIFE)?, number(HAS_VERSION)?);
        let tags = fields.list(|fields| fields.u64().map(Tag::from_number))?;
        let tags = tags.into_iter().collect();
        let key = fields.text().filter(|key| !key.is_empty())?;
        let value = match flags & HAS_VALUE {
            0 if fields.0.is_empty() => None,
            0 => return None,
            _ => Some(fields.0),
        };
        let is_copy = flags & IS_COPY != 0;
        Some(Self { key, value, left_ms, load_ms, heat, is_copy, version, tags })
    }
}
