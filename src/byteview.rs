//! [`ByteView`]: an immutable, shared run of bytes.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Bound, Deref, Range, RangeBounds};
use std::sync::Arc;

/// An immutable view of bytes that may be shared by many holders.
///
/// A `ByteView` is a range of an `Arc<[u8]>`. Cloning it and taking a [`slice`](Self::slice) of it
/// copy no bytes: both count a reference. The whole allocation stays alive for as long as any view
/// of it does, so a small slice kept for long keeps all of it; [`to_vec`](slice::to_vec) makes an
/// independent copy. A short value that came from a peer with others, as those of
/// [`get_many`](crate::Group::get_many) do, shares an allocation of up to 4 KiB with them. What a
/// cache keeps is always a copy that shares nothing.
///
/// It dereferences to `[u8]`, and compares, orders and hashes like the bytes that it shows.
///
/// ```
/// use geecache::ByteView;
///
/// let view = ByteView::from("hello, world");
/// let world = view.slice(7..);
/// assert_eq!(world, "world");
/// assert_eq!(world.len(), 5);
/// assert_eq!(world.as_str(), Ok("world"));
/// ```
#[derive(Clone)]
pub struct ByteView {
    bytes: Arc<[u8]>,
    start: usize,
    end: usize,
}

impl ByteView {
    /// The view of `range` in `bytes`, sharing the allocation. `range` must lie within `bytes`.
    pub(crate) fn of_range(bytes: Arc<[u8]>, range: Range<usize>) -> Self {
        debug_assert!(range.start <= range.end && range.end <= bytes.len());
        Self { bytes, start: range.start, end: range.end }
    }

    /// A view of a part of this view; no bytes are copied.
    ///
    /// # Panics
    ///
    /// If the range does not lie within the view, as slicing does.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let start = match range.start_bound() {
            Bound::Included(&at) => at,
            Bound::Excluded(&at) => at.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&at) => at.saturating_add(1),
            Bound::Excluded(&at) => at,
            Bound::Unbounded => self.len(),
        };
        assert!(
            start <= end && end <= self.len(),
            "range {start}..{end} out of a view of {} bytes",
            self.len()
        );
        Self { bytes: Arc::clone(&self.bytes), start: self.start + start, end: self.start + end }
    }

    /// The bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The allocation that the bytes lie in.
    #[inline]
    pub(crate) fn allocation(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// The bytes as text.
    ///
    /// # Errors
    ///
    /// If they are not UTF-8.
    pub fn as_str(&self) -> Result<&str, std::str::Utf8Error> {
        std::str::from_utf8(self.as_slice())
    }
}

impl Deref for ByteView {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for ByteView {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Borrow<[u8]> for ByteView {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Default for ByteView {
    fn default() -> Self {
        Self::from(&[][..])
    }
}

impl From<Arc<[u8]>> for ByteView {
    fn from(bytes: Arc<[u8]>) -> Self {
        let end = bytes.len();
        Self { bytes, start: 0, end }
    }
}

impl From<Vec<u8>> for ByteView {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from(Arc::<[u8]>::from(bytes))
    }
}

impl From<&[u8]> for ByteView {
    fn from(bytes: &[u8]) -> Self {
        Self::from(Arc::<[u8]>::from(bytes))
    }
}

impl<const N: usize> From<&[u8; N]> for ByteView {
    fn from(bytes: &[u8; N]) -> Self {
        Self::from(&bytes[..])
    }
}

impl From<String> for ByteView {
    fn from(text: String) -> Self {
        Self::from(text.into_bytes())
    }
}

impl From<&str> for ByteView {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl fmt::Debug for ByteView {
    /// Shows the bytes as an escaped byte string, the first 64 of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self[..self.len().min(64)];
        write!(f, "b\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.len() { write!(f, "… ({} bytes)", self.len()) } else { Ok(()) }
    }
}

impl PartialEq for ByteView {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for ByteView {}

impl PartialOrd for ByteView {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByteView {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for ByteView {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl PartialEq<[u8]> for ByteView {
    fn eq(&self, other: &[u8]) -> bool {
        self.as_slice() == other
    }
}

impl PartialEq<&[u8]> for ByteView {
    fn eq(&self, other: &&[u8]) -> bool {
        self.as_slice() == *other
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for ByteView {
    fn eq(&self, other: &&[u8; N]) -> bool {
        self.as_slice() == *other
    }
}

impl PartialEq<Vec<u8>> for ByteView {
    fn eq(&self, other: &Vec<u8>) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl PartialEq<str> for ByteView {
    fn eq(&self, other: &str) -> bool {
        self.as_slice() == other.as_bytes()
    }
}

impl PartialEq<&str> for ByteView {
    fn eq(&self, other: &&str) -> bool {
        self.as_slice() == other.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::ByteView;

    #[test]
    fn slices_and_clones_share_the_bytes() {
        let view = ByteView::from("abcdef");
        let slice = view.slice(1..=3);
        assert_eq!(slice, "bcd");
        assert_eq!(slice.slice(1..), "cd");
        let clone = slice.clone();
        assert_eq!(clone.as_ptr(), view[1..].as_ptr());
        assert_eq!(clone, slice);
        assert_eq!(view.slice(6..), "");
    }

    #[test]
    #[should_panic(expected = "range 2..4 out of a view of 3 bytes")]
    fn a_slice_of_a_slice_can_not_reach_past_its_end() {
        let _ = ByteView::from("abcdef").slice(..3).slice(2..4);
    }

    #[test]
    #[should_panic(expected = "out of a view of 6 bytes")]
    fn a_slice_up_to_the_greatest_number_is_out_of_the_view() {
        let _ = ByteView::from("abcdef").slice(0..=usize::MAX);
    }

    #[test]
    fn compares_orders_and_hashes_like_its_bytes() {
        use std::collections::HashSet;
        let (a, b) = (ByteView::from("xa").slice(1..), ByteView::from("a"));
        assert_eq!(a, b);
        let c = ByteView::from("c");
        assert!(a < c);
        let set = HashSet::from([a]);
        assert!(set.contains(&b"a"[..]));
        assert_eq!(b, b"a");
        assert_eq!(b, vec![b'a']);
    }

    #[test]
    fn debug_output_is_bounded_and_escaped() {
        assert_eq!(format!("{:?}", ByteView::from("a\n\u{e9}")), r#"b"a\n\xc3\xa9""#);
        let long = format!("{:?}", ByteView::from(vec![b'x'; 1000]));
        assert!(long.ends_with("… (1000 bytes)") && long.len() < 100);
    }
}
