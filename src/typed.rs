//! [`TypedGroup`]: a group whose keys and values have types.
//!
//! ```text
//! typed        the handle: a get is a get of the group below, and a value made of what it returns
//!   builder      how one is made
//!   inner        what handles share: gets of text, and what becomes of bytes
//!   decoded      the values, each beside the entry that it was made of
//!   loader       the getter: keys from text, values to bytes
//!   formats      codecs of the feature serde
//!   codec        a value as bytes
//!   key          a key as text
//! ```

mod builder;
mod codec;
mod conditional;
mod decoded;
#[cfg(feature = "serde")]
mod formats;
mod inner;
mod key;
mod loader;
mod old;
mod stats;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

pub use builder::TypedGroupBuilder;
pub use codec::{Codec, Versioned};
pub use conditional::TypedConditional;
#[cfg(feature = "serde")]
pub use formats::{Json, Postcard};
pub use key::{AsKey, CacheKey, KeyText};
pub use loader::{TypedBatch, TypedGetter, TypedLoaded};
pub use old::TypedOld;
pub use stats::TypedStats;

use crate::error::Error;
use crate::group::{Group, InsertReport, RemoveReport};
use crate::origin::Origin;
use inner::Inner;
use key::with_text;

/// A [`Group`] whose keys are `K` and whose values are `V`.
///
/// Keys have a [text](CacheKey), and a [`Codec`] makes bytes of values, so peers share them as they
/// share those of any group. In memory a value is decoded once for each entry: a get of a value
/// that is there returns the same `Arc<V>` again and again, and decodes nothing. The values take
/// memory beside the bytes, within a bound of their own
/// ([`decoded_bytes`](TypedGroupBuilder::decoded_bytes)).
///
/// A `TypedGroup` is a handle: clones are cheap and share everything.
///
/// ```
/// # #[cfg(not(feature = "serde"))] fn main() {}
/// # #[cfg(feature = "serde")] fn main() -> Result<(), geecache::Error> {
/// use geecache::{Error, Json, TypedGroup};
/// use serde::{Deserialize, Serialize};
/// use std::io;
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct User {
///     name: String,
///     age: u8,
/// }
///
/// // A query to a database, in real life.
/// let load = |id: u64| {
///     let tom = User { name: "Tom".into(), age: 41 };
///     Ok::<_, io::Error>((id == 7).then_some(tom))
/// };
/// let users: TypedGroup<u64, User> = TypedGroup::new("users", 64 << 20, Json, load);
/// assert_eq!(users.get(&7)?.name, "Tom");
/// assert!(matches!(users.get(&8), Err(Error::NotFound { .. })));
/// # Ok(())
/// # }
/// ```
///
/// For peers, give [`group`](Self::group) to a pool: `pool.add(users.group())?`.
///
/// # Values of other versions
///
/// A value in memory or at a peer that can't be decoded is a miss: it is loaded by this process's
/// own getter, and kept. So peers of another version, or with another codec, cost loads, and never
/// an error. That is counted ([`TypedStats::decode_errors`]) and logged, once for each group. See
/// the [guide](crate::guide::typed) for how to change a type.
///
/// # Which types
///
/// For keys that are text use `str`, as in `TypedGroup<str, User>`, which is asked by `get("Tom")`.
/// For several parts use a tuple, as in `TypedGroup<(&'static str, u64), User>`: it can be asked by
/// strings of any lifetime.
pub struct TypedGroup<K: ?Sized, V> {
    inner: Arc<Inner<V>>,
    /// A group may be used as one with keys that live shorter.
    key: PhantomData<fn() -> *const K>,
}

/// Reading.
impl<K: CacheKey + ?Sized, V: Send + Sync + 'static> TypedGroup<K, V> {
    /// The value of `key`: from memory, from the peer that owns it, or from the getter.
    ///
    /// # Errors
    ///
    /// Those of [`Group::get`]; [`Error::Encode`] when the codec made no bytes of what the getter
    /// returned, and [`Error::Decode`] when it made no value of bytes that this process has loaded,
    /// or can't load because it has no [source](crate::NoSource).
    ///
    /// # Blocking
    ///
    /// As [`Group::get`].
    ///
    /// # Panics
    ///
    /// As [`Group::get`].
    #[inline]
    pub fn get(&self, key: &K) -> Result<Arc<V>, Error> {
        with_text(key, |key| self.inner.get(key, self.inner.group.wait_timeout()))
    }

    /// As [`get`](Self::get), but waits no longer than `timeout`, as [`Group::get_timeout`] does.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] or [`Error::Overloaded`] after `timeout`, and those of
    /// [`get`](Self::get).
    pub fn get_timeout(&self, key: &K, timeout: Duration) -> Result<Arc<V>, Error> {
        with_text(key, |key| self.inner.get(key, Some(timeout)))
    }

    /// As [`get`](Self::get), and tells where the value came from, as [`Group::get_with_origin`]
    /// does.
    ///
    /// # Errors
    ///
    /// Those of [`get`](Self::get).
    pub fn get_with_origin(&self, key: &K) -> Result<(Arc<V>, Origin), Error> {
        with_text(key, |key| self.inner.get_with_origin(key, self.inner.group.wait_timeout()))
    }

    /// The values of many keys; element *i* of the answer belongs to the *i*-th key. Asks each
    /// owner once, and the getter once, as [`Group::get_many`] does.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get`](Self::get).
    ///
    /// # Blocking
    ///
    /// As [`Group::get_many`].
    pub fn get_many<Q: AsKey<K>>(
        &self,
        keys: impl IntoIterator<Item = Q>,
    ) -> Vec<Result<Arc<V>, Error>> {
        self.get_many_by(keys, self.inner.group.wait_timeout())
    }

    /// As [`get_many`](Self::get_many), but waits no longer than `timeout`, as
    /// [`get_timeout`](Self::get_timeout) does.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get_timeout`](Self::get_timeout).
    pub fn get_many_timeout<Q: AsKey<K>>(
        &self,
        keys: impl IntoIterator<Item = Q>,
        timeout: Duration,
    ) -> Vec<Result<Arc<V>, Error>> {
        self.get_many_by(keys, Some(timeout))
    }

    /// As [`get_many`](Self::get_many), and tells where each value came from.
    ///
    /// # Errors
    ///
    /// Per key, those of [`get`](Self::get).
    pub fn get_many_with_origin<Q: AsKey<K>>(
        &self,
        keys: impl IntoIterator<Item = Q>,
    ) -> Vec<Result<(Arc<V>, Origin), Error>> {
        let timeout = self.inner.group.wait_timeout();
        with_texts(keys, |keys| self.inner.get_many_with_origin(keys, timeout))
    }

    fn get_many_by<Q: AsKey<K>>(
        &self,
        keys: impl IntoIterator<Item = Q>,
        timeout: Option<Duration>,
    ) -> Vec<Result<Arc<V>, Error>> {
        with_texts(keys, |keys| self.inner.get_many(keys, timeout))
    }

    /// The value of `key` if it is in this process's memory, not past its ttl, and can be decoded.
    /// Never loads and asks nobody.
    #[must_use]
    pub fn peek(&self, key: &K) -> Option<Arc<V>> {
        with_text(key, |key| {
            let entry = self.inner.group.peek(key)?;
            self.inner.value_of(key, &entry).ok()
        })
    }
}

/// Changing.
impl<K: CacheKey + ?Sized, V: Send + Sync + 'static> TypedGroup<K, V> {
    /// Removes `key` everywhere, as [`Group::remove`] does.
    pub fn remove(&self, key: &K) -> RemoveReport {
        with_text(key, |key| self.inner.group.remove(key))
    }

    /// As [`remove`](Self::remove), for many keys with few requests.
    pub fn remove_many<Q: AsKey<K>>(&self, keys: impl IntoIterator<Item = Q>) -> RemoveReport {
        with_texts(keys, |keys| self.inner.group.remove_many(keys))
    }

    /// Removes all values with this [tag](TypedLoaded::tag) everywhere, as [`Group::remove_tag`]
    /// does.
    pub fn remove_tag(&self, tag: &str) -> RemoveReport {
        self.inner.group.remove_tag(tag)
    }

    /// As [`remove_tag`](Self::remove_tag), for many tags with few requests.
    pub fn remove_tags<S: AsRef<str>>(&self, tags: impl IntoIterator<Item = S>) -> RemoveReport {
        self.inner.group.remove_tags(tags)
    }

    /// Puts a value at the owner of `key` and removes the key everywhere else, as
    /// [`Group::insert`] does. The value may have a life of its own: [`TypedLoaded::ttl`].
    ///
    /// # Errors
    ///
    /// [`Error::EmptyKey`] when the text of `key` is empty, and [`Error::Encode`] when the codec
    /// makes no bytes of the value. What goes wrong at peers is in the report.
    pub fn insert(&self, key: &K, value: impl Into<TypedLoaded<V>>) -> Result<InsertReport, Error> {
        with_text(key, |key| self.inner.insert(key, value.into()))
    }

    /// As [`insert`](Self::insert), but only if what the owner has is of an older
    /// [version](TypedLoaded::version), or of none, as [`Group::insert_if_newer`] does.
    ///
    /// # Errors
    ///
    /// Those of [`insert`](Self::insert).
    pub fn insert_if_newer(
        &self,
        key: &K,
        value: impl Into<TypedLoaded<V>>,
        version: u64,
    ) -> Result<InsertReport, Error> {
        self.insert(key, value.into().version(version))
    }
}

/// Looking at it.
impl<K: ?Sized, V> TypedGroup<K, V> {
    /// The group below, which has the bytes: for a pool, a registry, statistics, and for what a
    /// typed group has no method of its own.
    #[must_use]
    pub fn group(&self) -> &Group {
        &self.inner.group
    }

    /// What was decoded, and what is kept of that.
    #[must_use]
    pub fn typed_stats(&self) -> TypedStats {
        self.inner.stats()
    }
}

/// Calls `then` with the texts of keys.
fn with_texts<K: CacheKey + ?Sized, Q: AsKey<K>, T>(
    keys: impl IntoIterator<Item = Q>,
    then: impl FnOnce(&[&str]) -> T,
) -> T {
    let keys = Vec::from_iter(keys);
    let texts: Vec<Cow<'_, str>> = keys.iter().map(|key| key.as_key().to_text()).collect();
    let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
    then(&texts)
}

impl<K: ?Sized, V> Clone for TypedGroup<K, V> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), key: PhantomData }
    }
}

impl<K: ?Sized, V> fmt::Debug for TypedGroup<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedGroup").field("name", &self.group().name()).finish_non_exhaustive()
    }
}
