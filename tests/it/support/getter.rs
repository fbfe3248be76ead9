//! [`CountingGetter`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use geecache::{BoxError, Getter, Loaded};

use super::Gate;

/// A source that counts what it is asked. Clones share the counts.
#[derive(Clone)]
pub(crate) struct CountingGetter {
    inner: Arc<Inner>,
}

struct Inner {
    calls: Mutex<BTreeMap<String, usize>>,
    batches: Mutex<Vec<Vec<String>>>,
    behaviour: Box<Behaviour>,
}

type Behaviour = dyn Fn(&str) -> Result<Loaded, BoxError> + Send + Sync;

impl CountingGetter {
    /// Its value of every key is `value of <key>`.
    pub(crate) fn new() -> Self {
        Self::with(|key| Ok(value_of(key).into()))
    }

    /// It does as `behaviour` does.
    pub(crate) fn with(
        behaviour: impl Fn(&str) -> Result<Loaded, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let behaviour = Box::new(behaviour);
        Self {
            inner: Arc::new(Inner {
                calls: Mutex::default(),
                batches: Mutex::default(),
                behaviour,
            }),
        }
    }

    /// As [`new`](Self::new), but each load passes `gate` first.
    pub(crate) fn behind(gate: &Gate) -> Self {
        let gate = gate.clone();
        Self::with(move |key| {
            gate.pass();
            Ok(value_of(key).into())
        })
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> usize {
        self.inner.calls.lock().unwrap().values().sum()
    }

    /// How often it was called for `key`.
    pub(crate) fn calls_of(&self, key: &str) -> usize {
        self.inner.calls.lock().unwrap().get(key).copied().unwrap_or(0)
    }

    /// The keys of every call for many keys, oldest first.
    pub(crate) fn batches(&self) -> Vec<Vec<String>> {
        self.inner.batches.lock().unwrap().clone()
    }
}

impl Getter for CountingGetter {
    fn get(&self, key: &str) -> Result<Loaded, BoxError> {
        *self.inner.calls.lock().unwrap().entry(key.to_owned()).or_default() += 1;
        (self.inner.behaviour)(key)
    }

    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        let batch = keys.iter().map(|&key| key.to_owned()).collect();
        self.inner.batches.lock().unwrap().push(batch);
        keys.iter().map(|key| self.get(key)).collect()
    }
}

/// What the sources of the tests hold for `key`.
pub(crate) fn value_of(key: &str) -> String {
    format!("value of {key}")
}
