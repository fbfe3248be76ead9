//! [`Tag`], by which values are removed together, and what the crate keeps beside a value: the
//! [`Marks`].

mod removed;

use std::fmt;
use std::hash::Hasher;

pub(crate) use removed::RemovedTags;

/// So many tags a value has at most, each of its own. With more of them it has [`Tag::ANY`] alone.
pub(crate) const MAX_TAGS: usize = 8;

/// Names values that are removed together, such as all that were made from one row of a database.
/// A value has it by [`Loaded::tag`](crate::Loaded::tag), and
/// [`Group::remove_tag`](crate::Group::remove_tag) removes all values that have it.
///
/// A tag is made from a name, and is a hash of 64 bits of it, the same in every process. To remove
/// it at peers over HTTP, its name may have up to 64 KiB. Two names with one hash are one tag: to
/// remove the one removes the other as well, and their values are loaded again. Among a million
/// names that happens once in 37 million programs.
///
/// ```
/// use geecache::Tag;
///
/// assert_eq!(Tag::from("user:7"), Tag::from(String::from("user:7")));
/// assert_ne!(Tag::from("user:7"), Tag::from("user:8"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u64);

impl Tag {
    /// The tag that every removal of a tag removes, whatever that tag is. A value has it that was
    /// given more than 8 others.
    pub const ANY: Self = Self(0);

    /// The tag with this number, for a transport that was told it.
    #[must_use]
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The number by which a transport tells it.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl From<&str> for Tag {
    fn from(name: &str) -> Self {
        // SipHash 2-4, as it was when it was published: all peers have to agree on it, and what
        // `DefaultHasher` does may change with the version of the compiler.
        #[expect(deprecated, reason = "its successor promises no fixed algorithm")]
        let mut hasher = std::hash::SipHasher::new();
        hasher.write(name.as_bytes());
        Self(hasher.finish().max(1))
    }
}

impl From<&String> for Tag {
    fn from(name: &String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<String> for Tag {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({:016x})", self.0)
    }
}

/// The tags of one value, each of them once.
#[derive(Clone, Copy, Default)]
pub(crate) struct TagList {
    tags: [u64; MAX_TAGS],
    count: u8,
}

impl TagList {
    /// Takes in one more tag. The ninth one makes of all of them [`Tag::ANY`].
    pub(crate) fn add(&mut self, tag: Tag) {
        let tags = &self.tags[..self.count.into()];
        if tags == [Tag::ANY.0] || tags.contains(&tag.0) {
            return;
        }
        if tag == Tag::ANY || tags.len() == MAX_TAGS {
            *self = Self::default();
            self.count = 1;
            return;
        }
        self.tags[usize::from(self.count)] = tag.0;
        self.count += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.count.into()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Tag> + Clone + use<> {
        self.tags.into_iter().take(self.count.into()).map(Tag)
    }
}

impl FromIterator<Tag> for TagList {
    fn from_iter<I: IntoIterator<Item = Tag>>(tags: I) -> Self {
        let mut list = Self::default();
        tags.into_iter().for_each(|tag| list.add(tag));
        list
    }
}

impl PartialEq for TagList {
    fn eq(&self, other: &Self) -> bool {
        self.tags[..self.len()] == other.tags[..other.len()]
    }
}

impl Eq for TagList {}

impl fmt::Debug for TagList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// What most values do not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Marks {
    pub(crate) tags: TagList,
    /// Which state of the source it is.
    pub(crate) version: Option<u64>,
    /// The [tick](RemovedTags::tick) at which this process began to load it, or to ask for it: the
    /// value has to go if one of its tags was removed since.
    pub(crate) tick: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_same_tag_in_every_version_of_the_program() {
        assert_eq!(Tag::from("user:7").number(), 0x0f73_2311_e7e3_45f3);
        assert_eq!(Tag::from("").number(), 0x1e92_4b9d_7377_00d7);
    }

    #[test]
    fn a_list_has_each_tag_once_and_no_more_than_eight() {
        let numbers = |count: u64| (1..=count).map(Tag::from_number);
        let list: TagList = numbers(8).chain(numbers(8)).collect();
        assert!(list.iter().eq(numbers(8)));
        for many in [numbers(9).collect::<TagList>(), numbers(100).collect()] {
            assert!(many.iter().eq([Tag::ANY]), "{many:?}");
        }
        let list: TagList = numbers(3).chain([Tag::ANY]).chain(numbers(5)).collect();
        assert!(list.iter().eq([Tag::ANY]));
        assert_eq!(TagList::default().len(), 0);
    }
}
