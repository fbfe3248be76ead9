//! [`TypedConditional`]: a typed getter with a closure of its own for values that are there.

use std::fmt;

use crate::error::BoxError;
use crate::getter::Refreshed;
use crate::typed::key::CacheKey;
use crate::typed::loader::{TypedGetter, TypedLoaded};
use crate::typed::old::TypedOld;

/// A [`TypedGetter`] with a closure of its own for values that the cache still has, as
/// [`ConditionalGetter`](crate::ConditionalGetter) is for bytes. The closure gets the key and the
/// old value.
///
/// ```
/// # #[cfg(not(feature = "serde"))] fn main() {}
/// # #[cfg(feature = "serde")] fn main() {
/// use geecache::{BoxError, Json, Refreshed, TypedConditional, TypedGroup, TypedLoaded, TypedOld};
/// use std::time::Duration;
///
/// // A version and a name.
/// type User = (u64, String);
/// let load = |id: u32| Ok::<User, BoxError>((7, format!("user {id}")));
/// let refresh = move |id: u32, old: &TypedOld<'_, User>| match old.decode() {
///     Ok((7, _)) => Ok(Refreshed::Unchanged),
///     _ => Ok::<_, BoxError>(Refreshed::Changed(load(id)?.into())),
/// };
/// let users: TypedGroup<u32, User> =
///     TypedGroup::builder("users", 1 << 20, Json, TypedConditional::new(load, refresh))
///         .group(|group| group.ttl(Duration::from_secs(60)))
///         .build();
/// assert_eq!(users.get(&1).unwrap().1, "user 1");
/// # }
/// ```
pub struct TypedConditional<G, F> {
    getter: G,
    refresh: F,
}

impl<G, F> TypedConditional<G, F> {
    /// The getter that loads with `getter`, and asks `refresh` of what is there.
    pub fn new<O, V, E>(getter: G, refresh: F) -> Self
    where
        F: Fn(O, &TypedOld<'_, V>) -> Result<Refreshed<TypedLoaded<V>>, E>,
    {
        Self { getter, refresh }
    }
}

impl<K, V, G, F, E> TypedGetter<K, V> for TypedConditional<G, F>
where
    K: CacheKey + ?Sized,
    G: TypedGetter<K, V>,
    F: Fn(K::Owned, &TypedOld<'_, V>) -> Result<Refreshed<TypedLoaded<V>>, E>,
    F: Send + Sync + 'static,
    E: Into<BoxError>,
{
    fn get(&self, key: K::Owned) -> Result<TypedLoaded<V>, BoxError> {
        self.getter.get(key)
    }

    fn get_many(&self, keys: Vec<K::Owned>) -> Vec<Result<TypedLoaded<V>, BoxError>> {
        self.getter.get_many(keys)
    }

    fn loads_one_by_one(&self) -> bool {
        self.getter.loads_one_by_one()
    }

    fn refresh(
        &self,
        key: K::Owned,
        old: &TypedOld<'_, V>,
    ) -> Result<Refreshed<TypedLoaded<V>>, BoxError> {
        (self.refresh)(key, old).map_err(Into::into)
    }
}

impl<G, F> fmt::Debug for TypedConditional<G, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedConditional").finish_non_exhaustive()
    }
}
