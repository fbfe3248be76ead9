//! [`ConditionalGetter`]: a getter with a closure of its own for values that are there.

use std::fmt;

use crate::error::BoxError;
use crate::getter::{Getter, Loaded, Refreshed};

/// A [`Getter`] with a closure of its own for values that the cache still has: one that asks the
/// source whether they have changed.
///
/// The closure gets the key and the old value, and returns a `Result` of a [`Refreshed`]. The value
/// may hold what the source needs to tell, such as an ETag or the time of the last change.
///
/// ```
/// use geecache::{ConditionalGetter, Group, Loaded, Refreshed};
/// use std::io;
/// use std::time::Duration;
///
/// // "7:Tom" is version 7 of the text "Tom".
/// fn load(_key: &str) -> io::Result<&'static str> {
///     Ok("7:Tom")
/// }
/// fn refresh(key: &str, old: &Loaded) -> io::Result<Refreshed> {
///     match old.value() {
///         Some(value) if value.starts_with(b"7:") => Ok(Refreshed::Unchanged),
///         _ => Ok(Refreshed::Changed(load(key)?.into())),
///     }
/// }
/// let names = Group::builder("names", 1 << 20, ConditionalGetter::new(load, refresh))
///     .ttl(Duration::from_secs(60))
///     .stale_while_revalidate(Duration::from_secs(600))
///     .build();
/// assert_eq!(names.get("1").unwrap(), "7:Tom");
/// ```
pub struct ConditionalGetter<G, F> {
    getter: G,
    refresh: F,
}

impl<G, F, E> ConditionalGetter<G, F>
where
    G: Getter,
    F: Fn(&str, &Loaded) -> Result<Refreshed, E> + Send + Sync + 'static,
    E: Into<BoxError>,
{
    /// The getter that loads with `getter`, and asks `refresh` of what is there.
    pub fn new(getter: G, refresh: F) -> Self {
        Self { getter, refresh }
    }
}

impl<G, F, E> Getter for ConditionalGetter<G, F>
where
    G: Getter,
    F: Fn(&str, &Loaded) -> Result<Refreshed, E> + Send + Sync + 'static,
    E: Into<BoxError>,
{
    fn get(&self, key: &str) -> Result<Loaded, BoxError> {
        self.getter.get(key)
    }

    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        self.getter.get_many(keys)
    }

    fn loads_one_by_one(&self) -> bool {
        self.getter.loads_one_by_one()
    }

    fn refresh(&self, key: &str, old: &Loaded) -> Result<Refreshed, BoxError> {
        (self.refresh)(key, old).map_err(Into::into)
    }
}

impl<G, F> fmt::Debug for ConditionalGetter<G, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConditionalGetter").finish_non_exhaustive()
    }
}
