//! [`TypedGroupBuilder`]: how a typed group is made.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};

use crate::byteview::ByteView;
use crate::group::{Beside, Group, GroupBuilder};
use crate::stats::Counter;
use crate::typed::TypedGroup;
use crate::typed::codec::{Codec, try_decode};
use crate::typed::decoded::Decoded;
use crate::typed::inner::{Inner, Weigher};
use crate::typed::key::CacheKey;
use crate::typed::loader::{Encoding, TypedGetter};

/// Making one.
impl<K, V> TypedGroup<K, V>
where
    K: CacheKey + ?Sized,
    V: Send + Sync + 'static,
{
    /// A group that keeps at most `cache_bytes` bytes of what `codec` makes of the values of
    /// `getter`, with default options. The values themselves take up to as much again.
    ///
    /// Give the type where it is made: `let users: TypedGroup<u64, User> = TypedGroup::new(…)`.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        cache_bytes: u64,
        codec: impl Codec<V>,
        getter: impl TypedGetter<K, V>,
    ) -> Self
    where
        K: 'static,
    {
        Self::builder(name, cache_bytes, codec, getter).build()
    }

    /// Starts a group with options. The arguments are those of [`new`](Self::new).
    ///
    /// ```
    /// # #[cfg(not(feature = "serde"))] fn main() {}
    /// # #[cfg(feature = "serde")] fn main() {
    /// use geecache::{Json, TypedGroup};
    /// use std::io;
    /// use std::time::Duration;
    ///
    /// let double = |n: u32| Ok::<_, io::Error>(2 * u64::from(n));
    /// let doubles: TypedGroup<u32, u64> = TypedGroup::builder("doubles", 64 << 20, Json, double)
    ///     .group(|group| group.ttl(Duration::from_secs(60)))
    ///     .decoded_bytes(16 << 20)
    ///     .build();
    /// assert_eq!(*doubles.get(&21).unwrap(), 42);
    /// # }
    /// ```
    #[must_use]
    pub fn builder(
        name: impl Into<String>,
        cache_bytes: u64,
        codec: impl Codec<V>,
        getter: impl TypedGetter<K, V>,
    ) -> TypedGroupBuilder<K, V>
    where
        K: 'static,
    {
        let codec: Arc<dyn Codec<V>> = Arc::new(codec);
        let getter = Encoding::<K, V, _>::new(getter, Arc::clone(&codec));
        TypedGroupBuilder::of(Group::builder(name, cache_bytes, getter), codec)
    }

    /// Keys and values of this type over a group that is there, such as a
    /// [remote](Group::remote) one. Its getter must return what `codec` can decode.
    ///
    /// ```
    /// # #[cfg(not(feature = "serde"))] fn main() {}
    /// # #[cfg(feature = "serde")] fn main() {
    /// use geecache::{Group, Json, TypedGroup};
    ///
    /// let users: TypedGroup<u64, String> = TypedGroup::over(Group::remote("users"), Json);
    /// assert!(users.get(&7).is_err()); // it has no peers yet
    /// # }
    /// ```
    #[must_use]
    pub fn over(group: Group, codec: impl Codec<V>) -> Self {
        Self::builder_over(group, codec).build()
    }

    /// As [`over`](Self::over), with options.
    #[must_use]
    pub fn builder_over(group: Group, codec: impl Codec<V>) -> TypedGroupBuilder<K, V, Group> {
        TypedGroupBuilder::of(group, Arc::new(codec))
    }
}

/// Makes a [`TypedGroup`] with other than the default options; from [`TypedGroup::builder`] or
/// [`TypedGroup::builder_over`].
pub struct TypedGroupBuilder<K: ?Sized, V, G = GroupBuilder> {
    group: G,
    codec: Arc<dyn Codec<V>>,
    weigher: Option<Box<Weigher<V>>>,
    decoded_bytes: Option<u64>,
    key: PhantomData<fn() -> *const K>,
}

impl<K: ?Sized, V, G> TypedGroupBuilder<K, V, G> {
    fn of(group: G, codec: Arc<dyn Codec<V>>) -> Self {
        Self { group, codec, weigher: None, decoded_bytes: None, key: PhantomData }
    }

    /// What all values in memory may weigh together, beside the bytes that they were made of; each
    /// counts as its [weight](Self::weigher) and 96 bytes. Past that those go that were not used
    /// for long, and are decoded again when they are asked for. With 0 none is kept.
    ///
    /// Defaults to the bytes of the group's cache.
    #[must_use]
    pub fn decoded_bytes(mut self, bytes: u64) -> Self {
        self.decoded_bytes = Some(bytes);
        self
    }

    /// How many bytes a value takes, with all that it holds. Defaults to its size and the length of
    /// its encoded form, which is a good guess for text and bytes; types with many small parts,
    /// such as maps, take more.
    #[must_use]
    pub fn weigher(mut self, weigh: impl Fn(&V) -> u64 + Send + Sync + 'static) -> Self {
        self.weigher = Some(Box::new(weigh));
        self
    }
}

impl<K: ?Sized, V> TypedGroupBuilder<K, V> {
    /// Sets options of the group below: `.group(|group| group.ttl(MINUTE).stale_if_error(HOUR))`.
    #[must_use]
    pub fn group(mut self, options: impl FnOnce(GroupBuilder) -> GroupBuilder) -> Self {
        self.group = options(self.group);
        self
    }
}

impl<K, V, G> TypedGroupBuilder<K, V, G>
where
    K: CacheKey + ?Sized,
    V: Send + Sync + 'static,
    G: Into<Group>,
{
    /// Makes the group.
    #[must_use]
    pub fn build(self) -> TypedGroup<K, V> {
        let group: Group = self.group.into();
        let bound = self.decoded_bytes.unwrap_or_else(|| group.main_cache_stats().max_bytes);
        let codec = Arc::clone(&self.codec);
        let inner = Arc::new(Inner {
            group,
            codec: self.codec,
            weigher: self.weigher,
            decoded: Decoded::new(bound),
            is_useful: Arc::new(move |bytes: &ByteView| try_decode(&*codec, bytes).is_ok()),
            decodes: Counter::default(),
            decode_errors: Counter::default(),
            has_told: AtomicBool::new(false),
        });
        let neighbour = Arc::downgrade(&inner) as Weak<dyn Beside>;
        inner.group.tell_of_entries(neighbour);
        TypedGroup { inner, key: PhantomData }
    }
}

impl<K: ?Sized, V, G: fmt::Debug> fmt::Debug for TypedGroupBuilder<K, V, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedGroupBuilder").field("group", &self.group).finish_non_exhaustive()
    }
}
