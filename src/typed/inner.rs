//! [`Inner`]: what the handles on a typed group share, and how it gets its values.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::byteview::ByteView;
use crate::clock::Deadline;
use crate::error::Error;
use crate::getter::{Loaded, NoSource};
use crate::group::{Beside, Group, InsertReport, IsUseful, not_found};
use crate::one_line::OneLine;
use crate::origin::Origin;
use crate::stats::Counter;
use crate::typed::codec::{Codec, try_decode};
use crate::typed::decoded::Decoded;
use crate::typed::loader::{TypedLoaded, typed_error};
use crate::typed::stats::TypedStats;

/// How often a key is loaded here of which there are useless bytes. After the first time, only the
/// load of another caller, which was joined, can have brought some again.
const MAX_LOADS: usize = 3;

/// What handles share, whatever type their keys have.
pub(super) struct Inner<V> {
    pub(super) group: Group,
    pub(super) codec: Arc<dyn Codec<V>>,
    pub(super) weigher: Option<Box<Weigher<V>>>,
    pub(super) decoded: Decoded<V>,
    pub(super) is_useful: IsUseful,
    pub(super) decodes: Counter,
    pub(super) decode_errors: Counter,
    pub(super) has_told: AtomicBool,
}

/// A value, and where a load says that it came from.
type TypedAnswer<V> = Result<(Arc<V>, Origin), Error>;

/// How many bytes a value takes.
pub(super) type Weigher<V> = dyn Fn(&V) -> u64 + Send + Sync;

impl<V: Send + Sync + 'static> Inner<V> {
    #[inline]
    pub(super) fn get(&self, key: &str, timeout: Option<Duration>) -> Result<Arc<V>, Error> {
        match self.group.get_in_memory(key) {
            Some(Some(entry)) => match self.decoded.get(&entry) {
                Some(value) => Ok(value),
                None => self.decode_or_load(key, &entry, timeout.and_then(Deadline::after)),
            },
            Some(None) => Err(not_found(self.group.name(), key)),
            None => self.load(key, timeout.and_then(Deadline::after)),
        }
    }

    /// The value of a key that is not in memory.
    fn load(&self, key: &str, deadline: Option<Deadline>) -> Result<Arc<V>, Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        let loaded = self.group.load_until(key, deadline);
        self.accept_or_load(key, loaded, deadline).map(|(value, _)| value)
    }

    /// As [`get`](Self::get), and where the value came from.
    pub(super) fn get_with_origin(&self, key: &str, timeout: Option<Duration>) -> TypedAnswer<V> {
        let deadline = timeout.and_then(Deadline::after);
        let loaded = self.group.get_until(key, deadline);
        self.with_origin(key, self.accept_or_load(key, loaded, deadline))
    }

    fn accept_or_load(
        &self,
        key: &str,
        loaded: Result<Loaded, Error>,
        deadline: Option<Deadline>,
    ) -> TypedAnswer<V> {
        match self.accept(key, loaded) {
            Accepted::Answer(answer) => answer,
            Accepted::Useless(error) => self.load_here(&[key], vec![error], deadline).remove(0),
        }
    }

    fn with_origin(&self, key: &str, found: TypedAnswer<V>) -> TypedAnswer<V> {
        found.map(|(value, origin)| (value, self.group.origin_of(key, origin)))
    }

    fn decode_or_load(
        &self,
        key: &str,
        entry: &ByteView,
        deadline: Option<Deadline>,
    ) -> Result<Arc<V>, Error> {
        self.value_of(key, entry)
            .or_else(|error| Ok(self.load_here(&[key], vec![error], deadline).remove(0)?.0))
    }

    pub(super) fn get_many(
        &self,
        keys: &[&str],
        timeout: Option<Duration>,
    ) -> Vec<Result<Arc<V>, Error>> {
        let found = self.find_many(keys, timeout).into_iter();
        found.map(|found| found.map(|(value, _)| value)).collect()
    }

    /// As [`get_many`](Self::get_many), and where the values came from.
    pub(super) fn get_many_with_origin(
        &self,
        keys: &[&str],
        timeout: Option<Duration>,
    ) -> Vec<TypedAnswer<V>> {
        let found = keys.iter().zip(self.find_many(keys, timeout));
        found.map(|(key, found)| self.with_origin(key, found)).collect()
    }

    fn find_many(&self, keys: &[&str], timeout: Option<Duration>) -> Vec<TypedAnswer<V>> {
        let deadline = timeout.and_then(Deadline::after);
        let loaded = self.group.get_many_until(keys, deadline);
        let (mut answers, mut useless) = (Vec::with_capacity(keys.len()), Vec::new());
        for (at, (key, loaded)) in keys.iter().zip(loaded).enumerate() {
            answers.push(match self.accept(key, loaded) {
                Accepted::Answer(answer) => answer,
                Accepted::Useless(error) => {
                    useless.push((*key, at));
                    Err(error)
                }
            });
        }
        if useless.is_empty() {
            return answers;
        }
        // A key that was asked for twice is loaded once.
        useless.sort_unstable();
        let mut again = useless.clone();
        again.dedup_by_key(|(key, _)| *key);
        let (keys, places): (Vec<&str>, Vec<usize>) = again.into_iter().unzip();
        let errors = places.iter().filter_map(|&at| answers[at].as_ref().err()).cloned().collect();
        let loaded = self.load_here(&keys, errors, deadline);
        for (key, at) in useless {
            if let Ok(found) = keys.binary_search(&key) {
                answers[at] = loaded[found].clone();
            }
        }
        answers
    }

    /// Loads keys here of which the group has nothing that can be decoded; `errors` are why.
    fn load_here(
        &self,
        keys: &[&str],
        errors: Vec<Error>,
        deadline: Option<Deadline>,
    ) -> Vec<TypedAnswer<V>> {
        let mut answers: Vec<_> = errors.into_iter().map(Err).collect();
        let mut open: Vec<usize> = (0..keys.len()).collect();
        for _ in 0..MAX_LOADS {
            if open.is_empty() {
                break;
            }
            let open_keys: Vec<&str> = open.iter().map(|&at| keys[at]).collect();
            let loaded = self.group.load_useful_until(&open_keys, deadline, &self.is_useful);
            let mut still_open = Vec::new();
            for (at, loaded) in open.into_iter().zip(loaded) {
                match self.accept(keys[at], loaded) {
                    // Why it had to be loaded says more.
                    Accepted::Answer(Err(Error::Load { source, .. }))
                        if source.is::<NoSource>() => {}
                    Accepted::Answer(answer) => answers[at] = answer,
                    Accepted::Useless(error) => {
                        answers[at] = Err(error);
                        still_open.push(at);
                    }
                }
            }
            open = still_open;
        }
        answers
    }

    /// The value that the group has found or loaded.
    fn accept(&self, key: &str, loaded: Result<Loaded, Error>) -> Accepted<V> {
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return Accepted::Answer(Err(typed_error(error))),
        };
        let Some(bytes) = loaded.value() else {
            return Accepted::Answer(Err(not_found(self.group.name(), key)));
        };
        let origin = loaded.origin();
        let value = if origin.is_memory() {
            self.value_of(key, bytes)
        } else if let Some(value) = self.decoded.get(bytes) {
            // The getter said that it has not changed.
            Ok(value)
        } else {
            self.decode(key, bytes).map(|value| match self.group.entry_of(key, &loaded) {
                Some(entry) => self.keep(&entry, value),
                None => value,
            })
        };
        match value {
            // To ask the getter again would not help where it has made the value.
            Err(error) if !loaded.is_of_the_getter() => Accepted::Useless(error),
            value => Accepted::Answer(value.map(|value| (value, origin))),
        }
    }

    /// The value of an entry.
    pub(super) fn value_of(&self, key: &str, entry: &ByteView) -> Result<Arc<V>, Error> {
        match self.decoded.get(entry) {
            Some(value) => Ok(value),
            None => Ok(self.keep(entry, self.decode(key, entry)?)),
        }
    }

    fn keep(&self, entry: &ByteView, value: Arc<V>) -> Arc<V> {
        let weight = match &self.weigher {
            Some(weigh) => weigh(&value),
            None => (size_of::<V>() + entry.len()) as u64,
        };
        self.decoded.insert(entry, value, weight)
    }

    fn decode(&self, key: &str, bytes: &ByteView) -> Result<Arc<V>, Error> {
        self.decodes.add_one();
        let source = match try_decode(&*self.codec, bytes) {
            Ok(value) => return Ok(Arc::new(value)),
            Err(source) => source,
        };
        self.decode_errors.add_one();
        let (group, key) = (self.group.name().to_owned(), key.to_owned());
        let error = Error::Decode { group, key, source: source.into() };
        if !self.has_told.swap(true, Ordering::Relaxed) {
            let error = OneLine(&error);
            log::warn!("{error}; such values are loaded here, and not told of again");
        }
        Err(error)
    }

    pub(super) fn insert(&self, key: &str, value: TypedLoaded<V>) -> Result<InsertReport, Error> {
        let encoded = value.encode(&*self.codec).map_err(|source| Error::Encode {
            group: self.group.name().to_owned(),
            key: key.to_owned(),
            source: source.into(),
        })?;
        self.group.insert(key, encoded)
    }
}

impl<V> Inner<V> {
    pub(super) fn stats(&self) -> TypedStats {
        TypedStats {
            decodes: self.decodes.value(),
            decode_errors: self.decode_errors.value(),
            decoded: self.decoded.len() as u64,
            decoded_bytes: self.decoded.bytes(),
            max_decoded_bytes: self.decoded.max_bytes(),
            evictions: self.decoded.evictions.value(),
        }
    }
}

/// What became of what the group said of a key.
enum Accepted<V> {
    Answer(TypedAnswer<V>),
    /// There are bytes that can't be decoded, and that the own getter may do better than.
    Useless(Error),
}

impl<V: Send + Sync + 'static> Beside for Inner<V> {
    fn removed(&self, value: &ByteView) {
        self.decoded.remove(value);
    }

    fn renewed(&self, old: &ByteView, new: &ByteView) {
        // The entry may not have been kept.
        let is_another = !Arc::ptr_eq(old.allocation(), new.allocation());
        if let Some(value) = self.decoded.get(old).filter(|_| is_another) {
            self.keep(new, value);
            self.decoded.remove(old);
        }
    }

    fn cleared(&self) {
        self.decoded.look_everywhere();
    }

    fn inserted(&self) {
        self.decoded.look_around();
    }
}
