//! [`CountingGetter`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::error::BoxError;
use crate::getter::{Getter, Loaded};
use crate::sync::lock;
use crate::testing::gate::Gate;

/// A source that counts what it is asked. Clones share the counts.
///
/// So a test can say that a value was loaded once, or by whom, without a look at how.
#[derive(Clone)]
pub struct CountingGetter {
    asked: Arc<Asked>,
}

struct Asked {
    calls: Mutex<BTreeMap<String, usize>>,
    batches: Mutex<Vec<Vec<String>>>,
    behaviour: Box<Behaviour>,
}

type Behaviour = dyn Fn(&str) -> Result<Loaded, BoxError> + Send + Sync;

/// What a [`CountingGetter`] has for `key`, unless it was told otherwise: `value of <key>`.
#[must_use]
pub fn value_of(key: &str) -> String {
    format!("value of {key}")
}

impl CountingGetter {
    /// A source that has a value for each key: [`value_of`] it.
    #[must_use]
    pub fn new() -> Self {
        Self::with(|key| Ok(value_of(key).into()))
    }

    /// A source that does as `behaviour` does.
    #[must_use]
    pub fn with(
        behaviour: impl Fn(&str) -> Result<Loaded, BoxError> + Send + Sync + 'static,
    ) -> Self {
        let behaviour = Box::new(behaviour);
        let (calls, batches) = (Mutex::default(), Mutex::default());
        Self { asked: Arc::new(Asked { calls, batches, behaviour }) }
    }

    /// As [`new`](Self::new), but each load passes `gate` first: it waits until the test lets it
    /// go.
    #[must_use]
    pub fn behind(gate: &Gate) -> Self {
        let gate = gate.clone();
        Self::with(move |key| {
            gate.pass();
            Ok(value_of(key).into())
        })
    }

    /// For how many keys it was called, each as often as it was.
    #[must_use]
    pub fn calls(&self) -> usize {
        lock(&self.asked.calls).values().sum()
    }

    /// How often it was called for `key`.
    #[must_use]
    pub fn calls_of(&self, key: &str) -> usize {
        lock(&self.asked.calls).get(key).copied().unwrap_or(0)
    }

    /// The keys of each call of [`Getter::get_many`], oldest first.
    #[must_use]
    pub fn batches(&self) -> Vec<Vec<String>> {
        lock(&self.asked.batches).clone()
    }
}

impl Default for CountingGetter {
    fn default() -> Self {
        Self::new()
    }
}

impl Getter for CountingGetter {
    fn get(&self, key: &str) -> Result<Loaded, BoxError> {
        *lock(&self.asked.calls).entry(key.to_owned()).or_default() += 1;
        (self.asked.behaviour)(key)
    }

    fn get_many(&self, keys: &[&str]) -> Vec<Result<Loaded, BoxError>> {
        let batch = keys.iter().map(|&key| key.to_owned()).collect();
        lock(&self.asked.batches).push(batch);
        keys.iter().map(|key| self.get(key)).collect()
    }
}

impl fmt::Debug for CountingGetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountingGetter").field("calls", &self.calls()).finish_non_exhaustive()
    }
}
