//! An [`Entry`]: header, key and value in one allocation. What a look-up gives of it: [`Found`].
//!
//! ```text
//! key length u32 | load_ms u32 | dead_at u64 | key | value | marks, if it has some:
//!                                                    version u64 | tick u64 | tags u64 … | kind u8
//! ```
//!
//! One allocation means one place in memory to wait for: the look-up compares the key, reads the
//! time of death and counts the reference of the caller's `ByteView` in the same one or two cache
//! lines. The value is copied once, when the entry is made. The top bit of the key length tells
//! that the key has no value.

use std::sync::Arc;

use crate::byteview::ByteView;
use crate::tag::{Marks, RemovedTags, Tag};

/// What the store keeps beside a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Meta {
    /// When the entry is dead, in milliseconds of the group's clock; 0 = never.
    pub(crate) dead_at: u64,
    /// How long the value took to load, in milliseconds. The store only keeps it.
    pub(crate) load_ms: u32,
}

/// What an entry holds for its key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Body<'a> {
    /// `None` = the key is known to be absent.
    pub(super) value: Option<&'a [u8]>,
    pub(super) marks: Option<&'a Marks>,
}

impl<'a> Body<'a> {
    pub(crate) fn new(value: Option<&'a [u8]>, marks: Option<&'a Marks>) -> Self {
        Self { value, marks }
    }

    /// Its bytes and those of `key`, as the store counts them.
    pub(super) fn payload(&self, key: &str) -> u64 {
        let value = self.value.map_or(0, <[u8]>::len);
        (key.len() + value + self.marks.map_or(0, Marked::bytes)) as u64
    }
}

impl<'a> From<Option<&'a ByteView>> for Body<'a> {
    fn from(value: Option<&'a ByteView>) -> Self {
        Self::new(value.map(ByteView::as_slice), None)
    }
}

/// Bytes before the key.
pub(super) const HEADER_BYTES: usize = 16;
/// No key is as long as this, so the bit is free to tell that there is no value.
const ABSENT: u32 = 1 << 31;
/// Nor as this: the bit tells that there are marks.
const MARKED: u32 = 1 << 30;

/// A whole entry. What is dropped with it may be huge, so no entry is dropped under a lock.
#[derive(Debug)]
pub(super) struct Entry(Arc<[u8]>);

impl Entry {
    /// Copies all of it together; `None` if the key is 1 GiB long or longer.
    pub(super) fn new(key: &str, body: Body<'_>, meta: Meta) -> Option<Self> {
        let key_len = u32::try_from(key.len()).ok().filter(|len| len & (ABSENT | MARKED) == 0)?;
        let absent = if body.value.is_none() { ABSENT } else { 0 };
        let marked = if body.marks.is_some() { MARKED } else { 0 };
        let value = body.value.unwrap_or_default();
        let value_start = HEADER_BYTES + key.len();
        let value_end = value_start + value.len();
        let zeros = std::iter::repeat_n(0, value_end + body.marks.map_or(0, Marked::bytes));
        // Collecting a run of known length into an `Arc` allocates once, and copies nothing.
        let mut bytes: Arc<[u8]> = zeros.collect();
        let fields = Arc::get_mut(&mut bytes).expect("nobody else has it yet");
        fields[..4].copy_from_slice(&(key_len | absent | marked).to_le_bytes());
        fields[4..8].copy_from_slice(&meta.load_ms.to_le_bytes());
        fields[8..16].copy_from_slice(&meta.dead_at.to_le_bytes());
        fields[HEADER_BYTES..value_start].copy_from_slice(key.as_bytes());
        fields[value_start..value_end].copy_from_slice(value);
        if let Some(marks) = body.marks {
            Marked::write(marks, &mut fields[value_end..]);
        }
        Some(Self(bytes))
    }

    /// The same entry. Dropped under a lock this costs nothing while the store has the entry, too.
    pub(super) fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    #[inline]
    pub(super) fn has_key(&self, key: &[u8]) -> bool {
        // The length is compared first, as slices do, so that a shorter key is never read past its
        // end.
        self.key_len() == key.len() && self.0[HEADER_BYTES..].starts_with(key)
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.0[HEADER_BYTES..HEADER_BYTES + self.key_len()]
    }

    /// When the entry is dead; 0 = never.
    #[inline]
    fn dead_at(&self) -> u64 {
        u64_at(&self.0, 8)
    }

    /// Whether the entry may be dead at some time: at its own, or when a tag is removed.
    pub(super) fn can_die(&self) -> bool {
        self.dead_at() != 0 || self.marked().is_some_and(|marked| marked.tag_count() > 0)
    }

    /// Whether it is, at the time `now`, which is asked only if the entry has a time to die at.
    #[inline]
    pub(super) fn is_dead(&self, now: impl FnOnce() -> u64, removed: &RemovedTags) -> bool {
        let dead_at = self.dead_at();
        if dead_at != 0 && dead_at <= now() {
            return true;
        }
        self.u32_at(0) & MARKED != 0 && self.is_removed(removed)
    }

    #[inline(never)]
    fn is_removed(&self, removed: &RemovedTags) -> bool {
        self.marked().is_some_and(|it| removed.has_removed_since(it.tick(), || it.tags()))
    }

    /// Which state of the source it is, if it was told.
    pub(super) fn version(&self) -> Option<u64> {
        self.marked()?.version()
    }

    fn marked(&self) -> Option<Marked<'_>> {
        Marked::of(&self.0)
    }

    /// Bytes of key, value and marks. Read from the handle alone: the allocation itself is not
    /// touched.
    #[inline]
    pub(super) fn payload(&self) -> u64 {
        (self.0.len() - HEADER_BYTES) as u64
    }

    /// What a look-up gives of it. It shares the allocation.
    #[inline]
    pub(super) fn found(&self) -> Found {
        Found(Arc::clone(&self.0))
    }

    /// Whether `value` is that of this entry, and not one with the same bytes.
    pub(super) fn is_of(&self, value: &ByteView) -> bool {
        Arc::ptr_eq(&self.0, value.allocation())
    }

    /// Gives the entry other times, and the tick of the load that found it unchanged, if nobody
    /// else has its value.
    pub(super) fn set_meta(&mut self, meta: Meta, tick: u64) -> bool {
        let marked_bytes = self.marked().map_or(0, |marked| marked.0.len());
        let Some(fields) = Arc::get_mut(&mut self.0) else { return false };
        if marked_bytes > 0 {
            let at = fields.len() - marked_bytes;
            fields[at + 8..at + 16].copy_from_slice(&tick.to_le_bytes());
        }
        fields[4..8].copy_from_slice(&meta.load_ms.to_le_bytes());
        fields[8..16].copy_from_slice(&meta.dead_at.to_le_bytes());
        true
    }

    #[inline]
    fn key_len(&self) -> usize {
        key_len(&self.0)
    }

    #[inline]
    fn u32_at(&self, at: usize) -> u32 {
        u32_at(&self.0, at)
    }
}

/// What a look-up found: the entry, shared with the cache.
///
/// It is no more than a handle, so it comes from under the lock to the caller in two registers.
/// What is asked about it is read from the entry, which the look-up has just brought near.
#[derive(Debug)]
pub(crate) struct Found(Arc<[u8]>);

impl Found {
    /// Whether the key has a value. If not, it is known to be absent.
    #[inline]
    pub(crate) fn has_value(&self) -> bool {
        u32_at(&self.0, 0) & ABSENT == 0
    }

    /// When the entry is dead, in milliseconds of the group's clock; 0 = never.
    #[inline]
    pub(crate) fn dead_at(&self) -> u64 {
        u64_at(&self.0, 8)
    }

    pub(crate) fn meta(&self) -> Meta {
        Meta { dead_at: self.dead_at(), load_ms: u32_at(&self.0, 4) }
    }

    /// What is kept beside the value or the absence, if there is anything. Copied from the entry,
    /// for those few who want to know.
    pub(crate) fn marks(&self) -> Option<Arc<Marks>> {
        Marked::of(&self.0).map(|marked| Arc::new(marked.marks()))
    }

    /// The value, which shares the allocation; `None` of a key that is known to be absent.
    pub(crate) fn into_value(self) -> Option<ByteView> {
        let key_len = key_len(&self.0);
        self.into_value_after(key_len)
    }

    /// The same, for the one who has looked for `key`. The processor need not wait for the length
    /// in the header then before it fetches the value.
    #[inline]
    pub(crate) fn into_value_of(self, key: &str) -> Option<ByteView> {
        self.into_value_after(key.len())
    }

    #[inline]
    fn into_value_after(self, key_len: usize) -> Option<ByteView> {
        let end = match u32_at(&self.0, 0) & (ABSENT | MARKED) {
            0 => self.0.len(),
            MARKED => self.0.len() - Marked::of(&self.0).map_or(0, |marked| marked.0.len()),
            _ => return None,
        };
        Some(ByteView::of_range(self.0, HEADER_BYTES + key_len..end))
    }
}

#[cfg(any(test, feature = "unstable-bench"))]
impl Found {
    /// What would be found of an entry without marks.
    pub(crate) fn unmarked(value: Option<&ByteView>, meta: Meta) -> Self {
        Entry::new("", value.into(), meta).expect("a short key").found()
    }

    fn value(&self) -> Option<ByteView> {
        Self(Arc::clone(&self.0)).into_value()
    }
}

/// The same value and the same beside it, whatever the key.
#[cfg(any(test, feature = "unstable-bench"))]
impl PartialEq for Found {
    fn eq(&self, other: &Self) -> bool {
        let beside = |found: &Self| (found.meta(), found.marks());
        self.value() == other.value() && beside(self) == beside(other)
    }
}

/// The marks of an entry, as they stand behind its value.
#[derive(Clone, Copy)]
struct Marked<'a>(&'a [u8]);

/// Version, tick, and the kind.
const MARKED_BYTES: usize = 17;
/// The bit of the kind of marks with a version.
const VERSIONED: u8 = 1 << 7;

impl<'a> Marked<'a> {
    /// The marks in this allocation of an entry, if it has some.
    fn of(entry: &'a [u8]) -> Option<Self> {
        let is_marked = entry.len() > HEADER_BYTES && u32_at(entry, 0) & MARKED != 0;
        let kind = entry.last().filter(|_| is_marked)?;
        let bytes = MARKED_BYTES + 8 * usize::from(kind & !VERSIONED);
        Some(Self(&entry[entry.len() - bytes..]))
    }

    /// How many bytes these marks take.
    fn bytes(marks: &Marks) -> usize {
        MARKED_BYTES + 8 * marks.tags.len()
    }

    fn write(marks: &Marks, bytes: &mut [u8]) {
        let numbers = [marks.version.unwrap_or_default(), marks.tick].into_iter();
        let numbers = numbers.chain(marks.tags.iter().map(Tag::number));
        for (field, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        let versioned = if marks.version.is_some() { VERSIONED } else { 0 };
        if let Some(kind) = bytes.last_mut() {
            *kind = marks.tags.len() as u8 | versioned;
        }
    }

    fn kind(self) -> u8 {
        self.0.last().copied().unwrap_or_default()
    }

    fn tag_count(self) -> u8 {
        self.kind() & !VERSIONED
    }

    fn version(self) -> Option<u64> {
        (self.kind() & VERSIONED != 0).then(|| u64_at(self.0, 0))
    }

    fn tick(self) -> u64 {
        u64_at(self.0, 8)
    }

    fn tags(self) -> impl Iterator<Item = Tag> + use<'a> {
        (0..self.tag_count())
            .map(move |n| Tag::from_number(u64_at(self.0, 16 + 8 * usize::from(n))))
    }

    fn marks(self) -> Marks {
        Marks { tags: self.tags().collect(), version: self.version(), tick: self.tick() }
    }
}

/// How long the key of this allocation of an entry is.
#[inline]
fn key_len(entry: &[u8]) -> usize {
    (u32_at(entry, 0) & !(ABSENT | MARKED)) as usize
}

#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

#[inline]
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tag::MAX_TAGS;

    #[test]
    fn what_goes_in_comes_out() {
        let meta = Meta { dead_at: u64::MAX - 1, load_ms: u32::MAX };
        let marks = |tags: u64| Marks {
            tags: (1..=tags).map(|n| Tag::from_number(u64::MAX - n)).collect(),
            version: (tags % 2 == 0).then_some(u64::MAX),
            tick: u64::MAX - 7,
        };
        let all_marks = [None, Some(marks(0)), Some(marks(1)), Some(marks(MAX_TAGS as u64))];
        for (key, value) in [("", None), ("", Some("")), ("key", None), ("你好", Some("value"))] {
            for marks in &all_marks {
                let body = Body::new(value.map(str::as_bytes), marks.as_ref());
                let entry = Entry::new(key, body, meta).expect("a short key");
                assert!(entry.has_key(key.as_bytes()) && !entry.has_key(b"ke"));
                assert_eq!(entry.key(), key.as_bytes());
                let found = entry.found();
                assert_eq!(found.has_value(), value.is_some());
                assert_eq!(found.meta(), meta);
                assert_eq!(found.marks().as_deref(), marks.as_ref());
                assert_eq!(found.value().as_deref(), value.map(str::as_bytes));
                assert_eq!(found.into_value_of(key).as_deref(), value.map(str::as_bytes));
                assert_eq!(entry.version(), marks.and_then(|marks| marks.version));
                assert_eq!(entry.payload(), body.payload(key));
            }
            let unmarked = Entry::new(key, Body::new(value.map(str::as_bytes), None), meta);
            let size = (key.len() + value.map_or(0, str::len)) as u64;
            assert_eq!(unmarked.expect("a short key").payload(), size, "no room for marks");
        }
    }

    #[test]
    fn what_a_look_up_found_fits_into_two_registers() {
        assert_eq!(size_of::<Option<Found>>(), 2 * size_of::<usize>());
    }

    #[test]
    fn an_entry_whose_tag_is_removed_is_dead_until_it_is_found_unchanged() {
        let removed = RemovedTags::default();
        let tags = [Tag::from("a")].into_iter().collect();
        let marks = Marks { tags, version: Some(3), tick: removed.tick() };
        let body = Body::new(Some(b"value"), Some(&marks));
        let mut entry = Entry::new("key", body, Meta::default()).expect("a short key");
        let never = || panic!("it has no time to die at");
        assert!(entry.can_die() && !entry.is_dead(never, &removed));
        removed.remove(Tag::from("a"));
        assert!(entry.is_dead(never, &removed));
        assert!(entry.set_meta(Meta { dead_at: 9, load_ms: 1 }, removed.tick()));
        assert!(!entry.is_dead(|| 8, &removed) && entry.is_dead(|| 9, &removed));
        let found = entry.found();
        assert_eq!(found.marks().as_deref(), Some(&Marks { tick: 1, ..marks }));
        assert_eq!(found.into_value().expect("it has a value"), "value");
        let plain = Entry::new("key", Body::new(None, None), Meta::default()).expect("short");
        assert!(!plain.can_die() && !plain.is_dead(never, &removed));
    }
}
