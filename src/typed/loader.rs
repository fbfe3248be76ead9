//! [`TypedGetter`]: the source of truth behind a typed group, and the [`Getter`] that it becomes.

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{BoxError, Error};
use crate::getter::{EncodeFailed, Getter, Loaded, NotAKey, Refreshed, spread};
use crate::tag::Tag;
use crate::typed::codec::Codec;
use crate::typed::key::{CacheKey, parse_exactly};
use crate::typed::old::TypedOld;

/// The slow source of truth behind a [`TypedGroup`](crate::TypedGroup).
///
/// Closures and functions are such getters when they take the key as its
/// [`Owned`](CacheKey::Owned) type and return a `Result` of a value, of an `Option` of a value, or
/// of a [`TypedLoaded`]. Write the argument's type: `|id: u64| …`, and `|name: String| …` for a
/// group with keys of type `str`. [`TypedBatch`] makes one of a closure that loads many keys at
/// once. What is said of a [`Getter`] holds for these, too.
pub trait TypedGetter<K: CacheKey + ?Sized, V>: Send + Sync + 'static {
    /// Loads the value of `key`. [`TypedLoaded::absent`] or the error
    /// [`NotFound`](crate::NotFound) say that there is none.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; the callers get it as the source of
    /// [`Error::Load`](crate::Error::Load).
    fn get(&self, key: K::Owned) -> Result<TypedLoaded<V>, BoxError>;

    /// Loads many keys; element *i* of the answer belongs to `keys[i]`. Defaults to
    /// [`get`](Self::get) for one key after the other.
    fn get_many(&self, keys: Vec<K::Owned>) -> Vec<Result<TypedLoaded<V>, BoxError>> {
        keys.into_iter().map(|key| self.get(key)).collect()
    }

    /// As [`Getter::loads_one_by_one`].
    fn loads_one_by_one(&self) -> bool {
        false
    }

    /// Loads a key of which the cache still has an `old` value, or says that this has not changed:
    /// as [`Getter::refresh`]. A batch of such keys goes to [`get_many`](Self::get_many), unless
    /// they are loaded [one by one](Self::loads_one_by_one). Defaults to [`get`](Self::get).
    ///
    /// # Errors
    ///
    /// As `get`.
    fn refresh(
        &self,
        key: K::Owned,
        old: &TypedOld<'_, V>,
    ) -> Result<Refreshed<TypedLoaded<V>>, BoxError> {
        let _ = old;
        self.get(key).map(Refreshed::Changed)
    }
}

impl<K, V, F, R, E> TypedGetter<K, V> for F
where
    K: CacheKey + ?Sized,
    F: Fn(K::Owned) -> Result<R, E> + Send + Sync + 'static,
    R: Into<TypedLoaded<V>>,
    E: Into<BoxError>,
{
    fn get(&self, key: K::Owned) -> Result<TypedLoaded<V>, BoxError> {
        self(key).map(Into::into).map_err(Into::into)
    }

    fn loads_one_by_one(&self) -> bool {
        true
    }
}

/// What a load of a [`TypedGetter`] ended with: a value, or the knowledge that there is none;
/// either may say how long it holds. A value and an `Option` of a value become one by `into`.
#[derive(Debug, Clone)]
pub struct TypedLoaded<V> {
    value: Option<V>,
    /// What is said beside the value, as it would be of none.
    said: Loaded,
}

impl<V> TypedLoaded<V> {
    /// The key does not exist.
    #[must_use]
    pub fn absent() -> Self {
        Self::of(None)
    }

    fn of(value: Option<V>) -> Self {
        Self { value, said: Loaded::absent() }
    }

    /// This result holds for `ttl` from now on, and is not served from a cache afterwards.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Self {
        Self { said: self.said.ttl(ttl), ..self }
    }

    /// As [`Loaded::tag`]: this result is removed with all others that have this tag.
    #[must_use]
    pub fn tag(self, tag: impl Into<Tag>) -> Self {
        Self { said: self.said.tag(tag), ..self }
    }

    /// As [`Loaded::version`]: what is cached of a newer version is not replaced by this result.
    #[must_use]
    pub fn version(self, version: u64) -> Self {
        Self { said: self.said.version(version), ..self }
    }

    /// As a group keeps it.
    pub(super) fn encode(self, codec: &dyn Codec<V>) -> Result<Loaded, BoxError>
    where
        V: 'static,
    {
        let loaded = match &self.value {
            Some(value) => codec.encode(value)?.into(),
            None => Loaded::absent(),
        };
        let loaded = loaded.with_marks(self.said.shared_marks());
        Ok(match self.said.time_to_live() {
            Some(ttl) => loaded.ttl(ttl),
            None => loaded,
        })
    }
}

impl<V> From<V> for TypedLoaded<V> {
    fn from(value: V) -> Self {
        Self::of(Some(value))
    }
}

impl<V> From<Option<V>> for TypedLoaded<V> {
    fn from(value: Option<V>) -> Self {
        Self::of(value)
    }
}

/// A [`TypedGetter`] from a closure that loads many keys with one query.
///
/// The closure is given keys that differ, and returns a map, or another list of pairs: keys, and
/// values as a [`TypedGetter`] returns them. A key that is not in the map does not exist. An error
/// is the error of all keys of the call.
///
/// ```
/// # #[cfg(not(feature = "serde"))] fn main() {}
/// # #[cfg(feature = "serde")] fn main() {
/// use geecache::{Json, TypedBatch, TypedGroup};
/// use std::collections::HashMap;
/// use std::io;
///
/// let load = |ids: &[u64]| {
///     // SELECT id, name FROM users WHERE id IN (…), in real life.
///     let rows = ids.iter().filter(|id| **id < 100).map(|id| (*id, format!("user {id}")));
///     Ok::<HashMap<_, _>, io::Error>(rows.collect())
/// };
/// let names: TypedGroup<u64, String> =
///     TypedGroup::new("names", 1 << 20, Json, TypedBatch::new(load));
/// let found = names.get_many([7, 700]);
/// assert_eq!(**found[0].as_ref().unwrap(), "user 7");
/// assert!(found[1].is_err()); // Error::NotFound
/// # }
/// ```
pub struct TypedBatch<F, R> {
    load: F,
    max_batch: Option<NonZeroUsize>,
    answer: PhantomData<fn() -> R>,
}

impl<F, R> TypedBatch<F, R> {
    /// The getter that asks `load`.
    pub fn new<O, E>(load: F) -> Self
    where
        F: Fn(&[O]) -> Result<R, E>,
    {
        Self { load, max_batch: None, answer: PhantomData }
    }

    /// The most keys of one call of the closure, as
    /// [`BatchGetter::max_batch`](crate::BatchGetter::max_batch). Defaults to no
    /// limit.
    #[must_use]
    pub fn max_batch(mut self, keys: NonZeroUsize) -> Self {
        self.max_batch = Some(keys);
        self
    }

    /// One call of the closure.
    fn load<O, Q, T, V, E>(&self, keys: &[O]) -> Vec<Result<TypedLoaded<V>, BoxError>>
    where
        F: Fn(&[O]) -> Result<R, E>,
        O: CacheKey,
        R: IntoIterator<Item = (Q, T)>,
        Q: CacheKey,
        T: Into<TypedLoaded<V>>,
        E: Into<BoxError>,
    {
        let texts: Vec<_> = keys.iter().map(CacheKey::to_text).collect();
        let row = |(key, value): (Q, T)| (key.to_text().into_owned(), value.into());
        let rows = (self.load)(keys).map(|rows| rows.into_iter().map(row));
        spread(&texts, rows, TypedLoaded::absent)
    }
}

impl<K, V, F, R, Q, T, E> TypedGetter<K, V> for TypedBatch<F, R>
where
    K: CacheKey + ?Sized,
    F: Fn(&[K::Owned]) -> Result<R, E> + Send + Sync + 'static,
    R: IntoIterator<Item = (Q, T)> + 'static,
    Q: CacheKey,
    T: Into<TypedLoaded<V>>,
    E: Into<BoxError>,
{
    fn get(&self, key: K::Owned) -> Result<TypedLoaded<V>, BoxError> {
        self.load(&[key]).pop().unwrap_or_else(|| Ok(TypedLoaded::absent()))
    }

    fn get_many(&self, keys: Vec<K::Owned>) -> Vec<Result<TypedLoaded<V>, BoxError>> {
        let most = self.max_batch.map_or_else(|| keys.len().max(1), NonZeroUsize::get);
        keys.chunks(most).flat_map(|keys| self.load(keys)).collect()
    }
}

impl<F, R> fmt::Debug for TypedBatch<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedBatch").field("max_batch", &self.max_batch).finish_non_exhaustive()
    }
}

/// The getter of a typed group, as the group below it takes it.
pub(super) struct Encoding<K: ?Sized, V, G> {
    getter: G,
    codec: Arc<dyn Codec<V>>,
    key: PhantomData<fn() -> *const K>,
}

impl<K: ?Sized, V, G> Encoding<K, V, G> {
    pub(super) fn new(getter: G, codec: Arc<dyn Codec<V>>) -> Self {
        Self { getter, codec, key: PhantomData }
    }
}

impl<K, V, G> Encoding<K, V, G>
where
    K: CacheKey + ?Sized,
    V: 'static,
    G: TypedGetter<K, V>,
{
    fn encode(&self, loaded: TypedLoaded<V>) -> Result<Loaded, BoxError> {
        loaded.encode(&*self.codec).map_err(|error| EncodeFailed(error.into()).into())
    }
}

impl<K, V, G> Getter for Encoding<K, V, G>
where
    K: CacheKey + ?Sized + 'static,
    V: 'static,
    G: TypedGetter<K, V>,
{
    fn get(&self, key: &str) -> Result<Loaded, BoxError> {
        let key = parse_exactly::<K>(key).ok_or(NotAKey)?;
        self.encode(self.getter.get(key)?)
    }

    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        let (mut parsed, mut are_keys) = (Vec::with_capacity(keys.len()), Vec::new());
        for key in keys {
            let key = parse_exactly::<K>(key);
            are_keys.push(key.is_some());
            parsed.extend(key);
        }
        let asked = parsed.len();
        // Sources need not know what to do with no keys at all.
        let answers = match asked {
            0 => Vec::new(),
            _ => self.getter.get_many(parsed),
        };
        if answers.len() != asked {
            let wrong = || format!("the getter answered {} of {asked} keys", answers.len());
            return keys.iter().map(|_| Err(wrong().into())).collect();
        }
        let mut answers = answers.into_iter();
        let answer = |is_key| match is_key {
            true => answers.next().unwrap_or_else(|| Err(NotAKey.into())),
            false => Err(NotAKey.into()),
        };
        let answers: Vec<_> = are_keys.into_iter().map(answer).collect();
        answers.into_iter().map(|answer| self.encode(answer?)).collect()
    }

    fn loads_one_by_one(&self) -> bool {
        self.getter.loads_one_by_one()
    }

    fn refresh(&self, key: &str, old: &Loaded) -> Result<Refreshed, BoxError> {
        let key = parse_exactly::<K>(key).ok_or(NotAKey)?;
        Ok(match self.getter.refresh(key, &TypedOld::new(old, &*self.codec))? {
            Refreshed::Changed(loaded) => Refreshed::Changed(self.encode(loaded)?),
            Refreshed::Unchanged => Refreshed::Unchanged,
            Refreshed::UnchangedFor(ttl) => Refreshed::UnchangedFor(ttl),
        })
    }
}

/// An error of the group below, as the typed group has it.
pub(super) fn typed_error(error: Error) -> Error {
    if let Error::Load { group, key, source } = &error {
        if let Some(EncodeFailed(source)) = source.downcast_ref() {
            let (group, key, source) = (group.clone(), key.clone(), Arc::clone(source));
            return Error::Encode { group, key, source };
        }
    }
    error
}
