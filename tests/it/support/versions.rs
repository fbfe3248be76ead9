//! [`Versions`] and [`Hand`]: a source of truth and a clock that change when a test says so.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geecache::{BoxError, ByteView, Loaded};

use super::{CountingGetter, Gate};

/// A clock that only moves when it is told.
#[derive(Clone, Default)]
pub(crate) struct Hand(Arc<AtomicU64>);

impl Hand {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Milliseconds since the test began.
    pub(crate) fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn clock(&self) -> impl Fn() -> Duration + Send + Sync + use<> {
        let hand = self.clone();
        move || Duration::from_millis(hand.now_ms())
    }
}

/// A source of truth in which every key has a version, 0 at first, and its value tells it. Clones
/// are the same source.
#[derive(Clone, Default)]
pub(crate) struct Versions {
    inner: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    versions: BTreeMap<String, u64>,
    condition: BTreeMap<String, Condition>,
    /// Loads that read the value and then come to these gates, oldest first.
    holds: Vec<Gate>,
}

/// What the source says of a key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Condition {
    #[default]
    Present,
    Absent,
    Failing,
}

impl Versions {
    /// Changes the value of `key`; its new version.
    pub(crate) fn write(&self, key: &str) -> u64 {
        let mut state = self.inner.lock().unwrap();
        let version = state.versions.entry(key.to_owned()).or_default();
        *version += 1;
        *version
    }

    pub(crate) fn version(&self, key: &str) -> u64 {
        self.inner.lock().unwrap().versions.get(key).copied().unwrap_or(0)
    }

    pub(crate) fn make(&self, key: &str, condition: Condition) {
        self.inner.lock().unwrap().condition.insert(key.to_owned(), condition);
    }

    pub(crate) fn condition(&self, key: &str) -> Condition {
        self.inner.lock().unwrap().condition.get(key).copied().unwrap_or_default()
    }

    /// The next load reads what there is, and comes to `gate` with it before it returns.
    pub(crate) fn hold_next(&self, gate: &Gate) {
        self.inner.lock().unwrap().holds.push(gate.clone());
    }

    /// A getter that reads this source.
    pub(crate) fn getter(&self) -> CountingGetter {
        let source = self.clone();
        CountingGetter::with(move |key| source.read(key))
    }

    /// The same for a getter whose values have a tag.
    pub(crate) fn tagged_getter(&self, tag: &'static str) -> CountingGetter {
        let source = self.clone();
        CountingGetter::with(move |key| source.read(key).map(|loaded| loaded.tag(tag)))
    }

    fn read(&self, key: &str) -> Result<Loaded, BoxError> {
        let read = match self.condition(key) {
            Condition::Present => Ok(Loaded::from(value_at(self.version(key)))),
            Condition::Absent => Ok(Loaded::absent()),
            Condition::Failing => Err("the source fails".into()),
        };
        let hold = {
            let holds = &mut self.inner.lock().unwrap().holds;
            if holds.is_empty() { None } else { Some(holds.remove(0)) }
        };
        if let Some(gate) = hold {
            gate.pass();
        }
        read
    }
}

/// The value of any key at a version.
pub(crate) fn value_at(version: u64) -> String {
    format!("version {version}")
}

/// The version that a value tells.
#[track_caller]
pub(crate) fn version_of(value: &ByteView) -> u64 {
    let text = std::str::from_utf8(value).unwrap();
    text.strip_prefix("version ").unwrap().parse().unwrap()
}
