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
    fn load(&self, keys: &[&str], answers: &mut Vec<Result<Loaded, BoxError>>) {
        let rows = match (self.load)(keys) {
            Ok(rows) => rows,
            Err(error) => {
                let error: BoxError = error.into();
                if error.is::<NotFound>() {
                    answers.extend(keys.iter().map(|_| Ok(Loaded::absent())));
                } else {
                    let shared = SharedError(error.into());
                    answers.extend(keys.iter().map(|_| Err(shared.clone().into())));
                }
                return;
            }
        };
        let mut places: Vec<(&str, usize)> = keys.iter().copied().zip(answers.len()..).collect();
        places.sort_unstable();
        answers.extend(keys.iter().map(|_| Ok(Loaded::absent())));
        for (key, value) in rows {
            let key = key.as_ref();
            if let Ok(found) = places.binary_search_by(|(wanted, _)| wanted.cmp(&key)) {
                answers[places[found].1] = Ok(value.into());
            }
        }
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
        let mut answers = Vec::with_capacity(1);
        self.load(&[key], &mut answers);
        answers.pop().unwrap_or_else(|| Ok(Loaded::absent()))
    }

    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        let mut answers = Vec::with_capacity(keys.len());
        let most = self.max_batch.map_or(keys.len().max(1), NonZeroUsize::get);
        for keys in keys.chunks(most) {
            self.load(keys, &mut answers);
        }
        answers
    }
}

impl<F, R> fmt::Debug for BatchGetter<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchGetter").field("max_batch", &self.max_batch).finish_non_exhaustive()
    }
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
