//! [`BatchGetter`]: a getter from a closure that answers many keys at once.

use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::error::{BoxError, NotFound};
use crate::getter::{Getter, Loaded};

/// A [`Getter`] from a closure that loads many keys with one query.
///
/// The closure is given keys that differ, and returns a map, or another list of pairs. A key that
/// is not in the map does not exist. An error is the error of all keys of the call, and
/// [`NotFound`] says that none of them exists. What the map has beside the keys that were asked for
/// is ignored; of two values of one key the last counts.
///
/// [`Group::get_many`](crate::Group::get_many) calls it once for all keys that this process has to
/// load, and so does a batch of a peer. A get of one key calls it with that key alone.
///
/// ```
/// use geecache::{BatchGetter, Group};
/// use std::collections::HashMap;
/// use std::io;
///
/// let squares = Group::new("squares", 1 << 20, BatchGetter::new(|keys: &[&str]| {
///     // SELECT key, value FROM squares WHERE key IN (…), in real life.
///     let rows = keys.iter().filter_map(|key| {
///         let n: u64 = key.parse().ok()?;
///         Some((key.to_string(), (n * n).to_string()))
///     });
///     Ok::<HashMap<_, _>, io::Error>(rows.collect())
/// }));
/// let values = squares.get_many(["2", "three", "4"]);
/// assert_eq!(values[0].as_ref().unwrap(), "4");
/// assert!(values[1].is_err()); // Error::NotFound
/// assert_eq!(values[2].as_ref().unwrap(), "16");
/// assert_eq!(squares.stats().local_loads, 3);
/// ```
pub struct BatchGetter<F, R> {
    load: F,
    max_batch: Option<NonZeroUsize>,
    answer: PhantomData<fn() -> R>,
}

impl<F, R, K, V, E> BatchGetter<F, R>
where
    F: Fn(&[&str]) -> Result<R, E> + Send + Sync + 'static,
    R: IntoIterator<Item = (K, V)> + 'static,
    K: AsRef<str>,
    V: Into<Loaded>,
    E: Into<BoxError>,
{
    /// The getter that asks `load`.
    pub fn new(load: F) -> Self {
        Self { load, max_batch: None, answer: PhantomData }
    }

    /// The most keys of one call of the closure, for a source that takes no more: with more keys it
    /// is called several times, one call after the other, and an error is that of the keys of its
    /// call. Defaults to no limit.
    #[must_use]
    pub fn max_batch(mut self, keys: NonZeroUsize) -> Self {
        self.max_batch = Some(keys);
        self
    }

    /// One call of the closure.
    fn load(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        let rows = (self.load)(keys);
        let rows = rows.map(|rows| rows.into_iter().map(|(key, value)| (key, value.into())));
        spread(keys, rows, Loaded::absent)
    }
}

impl<F, R, K, V, E> Getter for BatchGetter<F, R>
where
    F: Fn(&[&str]) -> Result<R, E> + Send + Sync + 'static,
    R: IntoIterator<Item = (K, V)> + 'static,
    K: AsRef<str>,
    V: Into<Loaded>,
    E: Into<BoxError>,
{
    fn get(&self, key: &str) -> Result<Loaded, BoxError> {
        self.load(&[key]).pop().unwrap_or_else(|| Ok(Loaded::absent()))
    }

    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        let most = self.max_batch.map_or_else(|| keys.len().max(1), NonZeroUsize::get);
        keys.chunks(most).flat_map(|keys| self.load(keys)).collect()
    }
}

impl<F, R> fmt::Debug for BatchGetter<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchGetter").field("max_batch", &self.max_batch).finish_non_exhaustive()
    }
}

/// The rows of a query as an answer to each of its keys: what is not there is absent, and an error
/// is that of all of them.
pub(crate) fn spread<T, K: AsRef<str>>(
    keys: &[impl AsRef<str>],
    rows: Result<impl IntoIterator<Item = (K, T)>, impl Into<BoxError>>,
    absent: impl Fn() -> T,
) -> Vec<Result<T, BoxError>> {
    let rows = match rows.map_err(Into::into) {
        Ok(rows) => Some(rows),
        Err(error) if error.is::<NotFound>() => None,
        Err(error) => {
            let shared = SharedError(error.into());
            return keys.iter().map(|_| Err(shared.clone().into())).collect();
        }
    };
    let mut places: Vec<(&str, usize)> = keys.iter().map(AsRef::as_ref).zip(0..).collect();
    places.sort_unstable();
    let mut answers: Vec<_> = keys.iter().map(|_| Ok(absent())).collect();
    for (key, value) in rows.into_iter().flatten() {
        let key = key.as_ref();
        if let Ok(found) = places.binary_search_by(|(wanted, _)| (*wanted).cmp(key)) {
            answers[places[found].1] = Ok(value);
        }
    }
    answers
}

/// One error of many keys. A group takes it apart again, so callers see the error that it holds.
#[derive(Debug, Clone)]
pub(crate) struct SharedError(pub(crate) Arc<dyn Error + Send + Sync>);

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}
