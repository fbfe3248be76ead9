//! [`CacheKey`]: keys with a type, and the text that each of them is in a group.

mod text;
mod tuples;

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

pub use text::KeyText;

/// A key with a type: anything that has a stable text form.
///
/// The text is what a group, its peers and its logs know the key by. It must be the same in every
/// process and every version of the program that shares the group, and two keys must not have the
/// same text.
///
/// | type | text |
/// |---|---|
/// | `str`, `String`, `Box<str>`, `Arc<str>`, `Cow<str>` | itself |
/// | integers | decimal, such as `-12` |
/// | `(A, B)`, and so on up to six | the parts with a colon between them, such as `user:7`; a colon or a backslash within a part has a backslash before it |
/// | `uuid::Uuid`, feature `uuid` | with hyphens, in small letters |
///
/// A reference to a key is a key. A key whose text is empty is
/// [`Error::EmptyKey`](crate::Error::EmptyKey).
///
/// # For those who implement it
///
/// ```
/// use geecache::{CacheKey, KeyText};
///
/// struct UserId(u64);
///
/// impl CacheKey for UserId {
///     type Owned = Self;
///
///     fn write_text(&self, text: &mut KeyText) {
///         text.push_str("user-");
///         self.0.write_text(text);
///     }
///
///     fn parse_text(text: &str) -> Option<Self> {
///         u64::parse_text(text.strip_prefix("user-")?).map(Self)
///     }
/// }
///
/// assert_eq!(UserId(7).to_text(), "user-7");
/// ```
pub trait CacheKey {
    /// The key as getters get it, made from the text: for `str` a `String`.
    type Owned: CacheKey + 'static;

    /// Appends the text of this key. [`KeyText`] takes `write!`, too.
    fn write_text(&self, text: &mut KeyText);

    /// The key with this text; `None` if there is none. A peer may ask for any text.
    ///
    /// A text that [`write_text`](Self::write_text) does not write need not be refused, such as
    /// `007` for 7: the group does that.
    fn parse_text(text: &str) -> Option<Self::Owned>;

    /// The text, where the key holds it. Spares a copy of it. Defaults to `None`.
    fn as_text(&self) -> Option<&str> {
        None
    }

    /// The text of this key.
    fn to_text(&self) -> Cow<'_, str> {
        match self.as_text() {
            Some(text) => Cow::Borrowed(text),
            None => {
                let mut text = KeyText::new();
                self.write_text(&mut text);
                Cow::Owned(text.as_str().to_owned())
            }
        }
    }
}

/// What stands for a key of type `K` in a list of keys: the key itself or a reference to it. For
/// text it is all that holds text, such as `String` for `str`.
pub trait AsKey<K: ?Sized> {
    /// The key.
    fn as_key(&self) -> &K;
}

impl<K> AsKey<K> for K {
    fn as_key(&self) -> &K {
        self
    }
}

impl<K: ?Sized> AsKey<K> for &K {
    fn as_key(&self) -> &K {
        self
    }
}

/// Types that hold text.
macro_rules! texts_as_keys {
    ($($key:ty),*) => { $(
        impl AsKey<str> for $key {
            fn as_key(&self) -> &str {
                self
            }
        }
    )* };
}

texts_as_keys!(&&str, String, &String, Box<str>, &Box<str>, Arc<str>, &Arc<str>);
texts_as_keys!(Cow<'_, str>, &Cow<'_, str>);

/// Calls `then` with the text of `key`.
#[inline]
pub(super) fn with_text<T>(key: &(impl CacheKey + ?Sized), then: impl FnOnce(&str) -> T) -> T {
    if let Some(text) = key.as_text() {
        return then(text);
    }
    let mut text = KeyText::new();
    key.write_text(&mut text);
    then(text.as_str())
}

/// The key with exactly this text.
pub(super) fn parse_exactly<K: CacheKey + ?Sized>(text: &str) -> Option<K::Owned> {
    K::parse_text(text).filter(|key| with_text(key, |written| written == text))
}

impl<K: CacheKey + ?Sized> CacheKey for &K {
    type Owned = K::Owned;

    #[inline]
    fn write_text(&self, text: &mut KeyText) {
        (**self).write_text(text);
    }

    fn parse_text(text: &str) -> Option<K::Owned> {
        K::parse_text(text)
    }

    #[inline]
    fn as_text(&self) -> Option<&str> {
        (**self).as_text()
    }
}

/// A type that is text.
macro_rules! text {
    ($key:ty) => {
        impl CacheKey for $key {
            type Owned = String;

            #[inline]
            fn write_text(&self, text: &mut KeyText) {
                text.push_str(self);
            }

            fn parse_text(text: &str) -> Option<String> {
                Some(text.to_owned())
            }

            #[inline]
            fn as_text(&self) -> Option<&str> {
                Some(self)
            }
        }
    };
}

text!(str);
text!(String);
text!(Box<str>);
text!(Arc<str>);
text!(Cow<'_, str>);

/// An integer of up to 64 bits.
macro_rules! integer {
    ($key:ty) => {
        impl CacheKey for $key {
            type Owned = Self;

            #[inline]
            fn write_text(&self, text: &mut KeyText) {
                #[allow(unused_comparisons, reason = "not all integers have a sign")]
                if *self < 0 {
                    text.push_str("-");
                }
                // One type, so that the digits are written by one function.
                let magnitude = i128::from(*self).unsigned_abs();
                text.push_digits(magnitude as u64);
            }

            fn parse_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    };
}

integer!(u8);
integer!(u16);
integer!(u32);
integer!(u64);
integer!(i8);
integer!(i16);
integer!(i32);
integer!(i64);

/// One that may have more.
macro_rules! other_integer {
    ($key:ty) => {
        impl CacheKey for $key {
            type Owned = Self;

            fn write_text(&self, text: &mut KeyText) {
                // Writing into it never fails.
                let _ = write!(text, "{self}");
            }

            fn parse_text(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }
    };
}

other_integer!(u128);
other_integer!(i128);
other_integer!(usize);
other_integer!(isize);

#[cfg(feature = "uuid")]
impl CacheKey for uuid::Uuid {
    type Owned = Self;

    fn write_text(&self, text: &mut KeyText) {
        text.push_str(self.hyphenated().encode_lower(&mut Self::encode_buffer()));
    }

    fn parse_text(text: &str) -> Option<Self> {
        Self::try_parse(text).ok()
    }
}

#[cfg(test)]
mod tests;
