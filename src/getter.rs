//! [`Getter`], the source of truth behind a group, and what it returns: [`Loaded`], [`Refreshed`].

mod batch;
mod beside;
mod conditional;
mod no_source;

use std::sync::Arc;
use std::time::Duration;

pub use batch::BatchGetter;
pub(crate) use batch::{SharedError, spread};
pub(crate) use beside::{EncodeFailed, NotAKey, is_beside_source};
pub use conditional::ConditionalGetter;
pub use no_source::NoSource;

use crate::byteview::ByteView;
use crate::error::BoxError;
use crate::origin::Origin;
use crate::tag::{Marks, RemovedTags, Tag, TagList};

/// The slow source of truth behind a [`Group`](crate::Group): a database, a file, another service.
///
/// Closures and functions are getters when they take a `&str` and return a `Result` of anything
/// that becomes a [`Loaded`] (`Vec<u8>`, `String`, `&str`, [`ByteView`], an `Option` of these, …).
/// Write the argument's type: `|key: &str| …`. [`BatchGetter`] makes one of a closure that loads
/// many keys at once. An `Arc` of a getter is a getter, too, and so is a `Box<dyn Getter>`.
///
/// ```
/// use geecache::Group;
/// use std::io;
///
/// fn read(key: &str) -> io::Result<Option<Vec<u8>>> {
///     match std::fs::read(format!("/var/empty/{key}")) {
///         Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None), // absent, not an error
///         other => other.map(Some),
///     }
/// }
/// let files = Group::new("files", 1 << 20, read);
/// let squares = Group::new("squares", 1 << 20, |key: &str| {
///     key.parse().map(|n: u64| (n * n).to_string())
/// });
/// assert_eq!(squares.get("12")?, "144");
/// # Ok::<(), geecache::Error>(())
/// ```
///
/// # Why it belongs to the group
///
/// Some caches take a loader with each get, as `get_with(key, || …)`. A group has none of that on
/// purpose. The key has to say all that a load needs, because others load it, too: the owner of the
/// key for a caller in another process, a thread of the group that refreshes the value, and a
/// caller that comes later. None of them has the closure of the first one. What a load needs beside
/// the key, such as a tenant, belongs into the key; what every load needs, such as a pool of
/// connections, into the getter. A program that has a value at hand gives it to
/// [`Group::insert`](crate::Group::insert).
///
/// # For those who implement it
///
/// * It runs on the thread that asks first for a key, or on a thread of the group: for callers with
///   a time limit, as peers have one, and for refreshes. Many calls for different keys run at once.
///   It may block. No lock of the crate is held meanwhile.
/// * It has the stack of the thread that it runs on. That of the threads of the crate is 2 MiB,
///   where a main thread has 8 MiB as a rule. A getter that needs 3 MiB works in a first test, and
///   ends the whole process when a peer asks, unless the
///   [group](crate::GroupBuilder::stack_bytes) and the pool are given larger stacks.
/// * It may panic: the panic goes to the caller whose thread ran it, and the others that waited
///   load again. On a thread of the group it is an [`Error::Load`](crate::Error::Load) for the
///   caller.
/// * Other callers of the same key wait while it runs, so it should bound its own time.
/// * It may ask this or another group for *other* keys. It never waits for another caller's load in
///   this process then, and never for a thread of the group: what is being loaded already is loaded
///   once more, on its own thread, and that value is not kept. So a time limit does not end such a
///   load early.
/// * A peer that it asks may wait for a load there, up to the time of a request. It does not wait
///   for one that waits for its answer: the request names the [`Chain`](crate::Chain) that it
///   belongs to, and what the same chain is loading is loaded once more. Two such loads whose
///   getters each need what the other one loads, at two peers, wait until the time is over.
/// * Keys must not need each other in a circle. A key that needs itself gets
///   [`Error::ReentrantLoad`](crate::Error::ReentrantLoad) when its getter asks for it the eighth
///   time on one thread, and each time after that until the first getter on the thread returns. In
///   a circle over several peers it comes sooner.
/// * In a pool that steals work a getter that waits runs other callers on its thread. What they
///   get there is nested, too: the ninth load of one key on the thread is taken for a circle, and
///   the 65th level for a chain that is too long. Where the getter asks peers, it is the third.
/// * At most 64 getters run one inside the other on a thread, so that the stack does not end. The
///   next one that is asked for is an [`Error::NestedTooDeep`](crate::Error::NestedTooDeep). A
///   level takes up to 16 KiB of the stack beside what the getter needs.
/// * In a pool that steals work, such as rayon's, a getter that splits its work should have a pool
///   of its own. Else a thread that works for the getter may take up a task that gets the same key.
///   It then waits for the getter, which waits for it. Nobody can see that, but a caller without a
///   [time limit](crate::Group::get_timeout) that has waited for too long loads on its own thread
///   as well. The first value is then that of all who wait, and the circle ends.
/// * *Too long* is 5 s; where loads usually take longer than 1 s, four times that, and 30 s at
///   most. A slow getter may so run a second time beside itself: one caller does that at a time,
///   and the others go on waiting. The next one does so after twice the time, if neither has come
///   back by then. An error of such a load is its caller's alone.
pub trait Getter: Send + Sync + 'static {
    /// Loads the value of `key`. [`Loaded::absent`] or the error [`NotFound`](crate::NotFound) say
    /// that there is none.
    ///
    /// # Errors
    ///
    /// Whatever went wrong; the callers get it as the source of
    /// [`Error::Load`](crate::Error::Load). Errors are not cached.
    fn get(&self, key: &str) -> Result<Loaded, BoxError>;

    /// Loads many keys; element *i* of the answer belongs to `keys[i]`.
    ///
    /// Defaults to [`get`](Self::get) for one key after the other. A source that can answer many
    /// keys at once (`SELECT … WHERE key IN (…)`) should override it. An answer of another length
    /// than `keys` is an error for every key. A panic is one too.
    ///
    /// It may ask its group for other keys, as `get` may. Those that are being loaded at that
    /// moment, by this call or by anyone, it does not wait for: they are loaded once more.
    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Whether [`get_many`](Self::get_many) is one [`get`](Self::get) after the other. Then each
    /// key of a batch has its answer as soon as its own load is done, for other callers who wait
    /// for it too, and not when all of them are. A panic is an error of its key alone.
    ///
    /// `true` for closures. Defaults to `false`, as `get_many` may be overridden: where it is not,
    /// say `true` here.
    fn loads_one_by_one(&self) -> bool {
        false
    }

    /// Loads a key of which the cache still has the value `old`. A source that can tell cheaply
    /// that a value has not changed (an ETag, the time of the last change, a version) says so with
    /// [`Refreshed::Unchanged`]; the entry then lives on, and nothing is sent or decoded again.
    ///
    /// It is called in place of [`get`](Self::get) for a value that is refreshed while it is served
    /// ([`stale_while_revalidate`](crate::GroupBuilder::stale_while_revalidate),
    /// [`refresh_ahead`](crate::GroupBuilder::refresh_ahead)), and for one that has expired and is
    /// still held for [`stale_if_error`](crate::GroupBuilder::stale_if_error). For a closure see
    /// [`ConditionalGetter`].
    ///
    /// Defaults to `get`.
    ///
    /// # Errors
    ///
    /// As `get`.
    fn refresh(&self, key: &str, old: &Loaded) -> Result<Refreshed, BoxError> {
        let _ = old;
        self.get(key).map(Refreshed::Changed)
    }

    /// As [`refresh`](Self::refresh), for many keys; element *i* of the answer belongs to `keys[i]`
    /// with the old value `old[i]`. It is called where *all* keys of a call have an old value.
    ///
    /// Defaults to [`get_many`](Self::get_many), also where `refresh` is overridden: a batch costs
    /// one call then, and not one for each key. Where that
    /// [is so anyway](Self::loads_one_by_one), `refresh` is called for each key.
    fn refresh_many(&self, keys: &[&str], old: &[Loaded]) -> Vec<Result<Refreshed, BoxError>> {
        let _ = old;
        let loaded = self.get_many(keys).into_iter();
        loaded.map(|loaded| loaded.map(Refreshed::Changed)).collect()
    }
}

impl<F, V, E> Getter for F
where
    F: Fn(&str) -> Result<V, E> + Send + Sync + 'static,
    V: Into<Loaded>,
    E: Into<BoxError>,
{
    fn get(&self, key: &str) -> Result<Loaded, BoxError> {
        self(key).map(Into::into).map_err(Into::into)
    }

    fn loads_one_by_one(&self) -> bool {
        true
    }
}

impl<G: Getter + ?Sized> Getter for Arc<G> {
    fn get(&self, key: &str) -> Result<Loaded, BoxError> {
        (**self).get(key)
    }

    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        (**self).get_many(keys)
    }

    fn loads_one_by_one(&self) -> bool {
        (**self).loads_one_by_one()
    }

    fn refresh(&self, key: &str, old: &Loaded) -> Result<Refreshed, BoxError> {
        (**self).refresh(key, old)
    }

    fn refresh_many(&self, keys: &[&str], old: &[Loaded]) -> Vec<Result<Refreshed, BoxError>> {
        (**self).refresh_many(keys, old)
    }
}

impl Getter for Box<dyn Getter> {
    fn get(&self, key: &str) -> Result<Loaded, BoxError> {
        (**self).get(key)
    }

    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        (**self).get_many(keys)
    }

    fn loads_one_by_one(&self) -> bool {
        (**self).loads_one_by_one()
    }

    fn refresh(&self, key: &str, old: &Loaded) -> Result<Refreshed, BoxError> {
        (**self).refresh(key, old)
    }

    fn refresh_many(&self, keys: &[&str], old: &[Loaded]) -> Vec<Result<Refreshed, BoxError>> {
        (**self).refresh_many(keys, old)
    }
}

/// What a load ended with: a value, or the knowledge that there is none; either may say how long it
/// holds.
///
/// Two are equal if they say the same, wherever they came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    value: Option<ByteView>,
    ttl: Option<Duration>,
    origin: Origin,
    /// Whether the getter was shown this value, and said that it has not changed.
    is_unchanged: bool,
    /// What most results do not have.
    marks: Option<Arc<Marks>>,
}

impl Loaded {
    /// The key does not exist.
    #[must_use]
    pub fn absent() -> Self {
        Self::of(None)
    }

    fn of(value: Option<ByteView>) -> Self {
        Self { value, ttl: None, origin: Origin::default(), is_unchanged: false, marks: None }
    }

    /// This result holds for `ttl` from now on, and is not served from a cache afterwards.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// This result is removed with all others that have this tag, by
    /// [`Group::remove_tag`](crate::Group::remove_tag). It may have several tags, one by one. The
    /// knowledge that there is no value can have them as well.
    ///
    /// Up to 8 tags of a result are told apart. One with more of them has
    /// [`Tag::ANY`] in their place: it goes with every removal of a tag.
    ///
    /// ```
    /// use geecache::{Loaded, Tag};
    ///
    /// let page = Loaded::from("<html>…").tag("user:7").tag("shop:3");
    /// assert!(page.tags().eq([Tag::from("user:7"), Tag::from("shop:3")]));
    /// ```
    #[must_use]
    pub fn tag(mut self, tag: impl Into<Tag>) -> Self {
        self.marks_mut().tags.add(tag.into());
        self
    }

    /// This result shows the source of truth in the state of this `version`: a number that grows
    /// with each change of the key there, such as a counter in the row or the time of its last
    /// change. What is cached of a newer version is not replaced by it, see
    /// [`Group::insert_if_newer`](crate::Group::insert_if_newer).
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.marks_mut().version = Some(version);
        self
    }

    /// This result came from `origin`. For those who write a transport, to whom a peer tells that
    /// it had the value in [memory](Origin::Memory). What a getter returns comes from the
    /// [`Getter`](Origin::Getter).
    #[must_use]
    pub fn came_from(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// Where this result came from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The value, or `None` where the key does not exist.
    #[must_use]
    pub fn value(&self) -> Option<&ByteView> {
        self.value.as_ref()
    }

    /// The value, or `None` where the key does not exist.
    #[must_use]
    pub fn into_value(self) -> Option<ByteView> {
        self.value
    }

    /// How long this result holds from now on; `None` is without end.
    #[must_use]
    pub fn time_to_live(&self) -> Option<Duration> {
        self.ttl
    }

    /// The [tags](Self::tag) of this result, up to 8.
    pub fn tags(&self) -> impl Iterator<Item = Tag> + use<> {
        self.tag_list().iter()
    }

    /// The [version](Self::version) of this result, if it has one.
    #[must_use]
    pub fn version_number(&self) -> Option<u64> {
        self.marks.as_ref()?.version
    }

    fn tag_list(&self) -> TagList {
        self.marks.as_ref().map(|marks| marks.tags).unwrap_or_default()
    }

    fn marks_mut(&mut self) -> &mut Marks {
        Arc::make_mut(self.marks.get_or_insert_default())
    }
}

/// What the crate keeps beside it.
impl Loaded {
    pub(crate) fn marks(&self) -> Option<&Marks> {
        self.marks.as_deref()
    }

    pub(crate) fn shared_marks(&self) -> Option<Arc<Marks>> {
        self.marks.clone()
    }

    /// The same result with these marks in place of its own.
    pub(crate) fn with_marks(self, marks: Option<Arc<Marks>>) -> Self {
        Self { marks, ..self }
    }

    /// The same result, of which the getter has said that it has not changed, and nothing of its
    /// life.
    pub(crate) fn unchanged(self) -> Self {
        Self { ttl: None, origin: Origin::default(), is_unchanged: true, ..self }
    }

    /// Whether the getter made this value, and was not only shown it.
    pub(crate) fn is_of_the_getter(&self) -> bool {
        self.origin == Origin::Getter && !self.is_unchanged
    }

    /// The same result with this value in place of its own.
    pub(crate) fn with_value(self, value: Option<ByteView>) -> Self {
        Self { value, ..self }
    }

    /// This result of something that began at this tick.
    pub(crate) fn begun_at(mut self, tick: u64) -> Self {
        if self.marks.as_ref().is_some_and(|marks| marks.tick != tick) {
            self.marks_mut().tick = tick;
        }
        self
    }

    /// Whether one who came at the tick `came` may have this result of another's load: not if a tag
    /// of it was removed since, and the load may have begun before that.
    pub(crate) fn is_for_one_who_came_at(&self, came: u64, removed: &RemovedTags) -> bool {
        self.marks().is_none_or(|marks| marks.tick >= came || !removed.has_removed(marks))
    }
}

impl PartialEq for Loaded {
    fn eq(&self, other: &Self) -> bool {
        let said = |it: &Self| (it.ttl, it.tag_list(), it.version_number());
        self.value == other.value && said(self) == said(other)
    }
}

impl Eq for Loaded {}

impl<T: Into<ByteView>> From<T> for Loaded {
    fn from(value: T) -> Self {
        Self::of(Some(value.into()))
    }
}

impl<T: Into<ByteView>> From<Option<T>> for Loaded {
    fn from(value: Option<T>) -> Self {
        Self::of(value.map(Into::into))
    }
}

/// What [`Getter::refresh`] says of a value that the cache still has. With another `T`, what a
/// [`TypedGetter`](crate::TypedGetter) says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refreshed<T = Loaded> {
    /// The old value is still right. It lives on as long as a new value without a ttl of its own
    /// would: for the [ttl](crate::GroupBuilder::ttl) of the group.
    Unchanged,
    /// The old value is still right, for so long from now on.
    UnchangedFor(Duration),
    /// There is a new value, or none any more.
    Changed(T),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_closures_return_becomes_loaded() {
        assert_eq!(Loaded::from("v").value(), Some(&ByteView::from("v")));
        assert_eq!(Loaded::from(Some(vec![1])).value(), Some(&ByteView::from(&[1])));
        assert_eq!(Loaded::from(None::<String>), Loaded::absent());
        let brief = Loaded::from("v").ttl(Duration::from_secs(1));
        assert_eq!(brief.time_to_live(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn get_many_asks_one_by_one_and_each_key_fails_alone() {
        let getter = |key: &str| key.parse::<u32>().map(|n| (n + 1).to_string());
        let answers = getter.get_many(&["1", "x", "3"]);
        assert_eq!(answers[0].as_ref().ok(), Some(&Loaded::from("2")));
        assert!(answers[1].is_err());
        assert_eq!(answers[2].as_ref().ok(), Some(&Loaded::from("4")));
    }
}
