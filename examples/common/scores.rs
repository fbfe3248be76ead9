//! The source of truth of the demos: slow, and it keeps account of every load.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long the source takes for any key.
pub(crate) const SLOW: Duration = Duration::from_millis(50);

/// Who scored what.
const SCORES: [(&str, &str); 5] =
    [("Tom", "630"), ("Jack", "589"), ("Sam", "567"), ("Ann", "612"), ("Kim", "598")];

/// The score of `name`, if there is one.
pub(crate) fn score(name: &str) -> Option<&'static str> {
    SCORES.iter().find(|(known, _)| *known == name).map(|(_, score)| *score)
}

/// The slow source, and the list of its loads.
#[derive(Default)]
pub(crate) struct Source {
    loads: Mutex<Vec<Load>>,
}

/// One call of a getter.
#[derive(Clone)]
pub(crate) struct Load {
    /// 1 is the first.
    pub(crate) number: usize,
    /// The name of the peer whose getter it was.
    pub(crate) by: String,
    key: String,
    ended: Instant,
}

impl Source {
    /// What the getter of the peer `by` does.
    pub(crate) fn load(&self, by: &str, key: &str) -> Option<&'static str> {
        thread::sleep(SLOW);
        let mut loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        let number = loads.len() + 1;
        loads.push(Load { number, by: by.to_owned(), key: key.to_owned(), ended: Instant::now() });
        score(key)
    }

    /// The last load of `key`, if it ended after `start`.
    pub(crate) fn load_since(&self, start: Instant, key: &str) -> Option<Load> {
        let loads = self.loads.lock().unwrap_or_else(PoisonError::into_inner);
        loads.iter().rfind(|load| load.key == key && load.ended >= start).cloned()
    }

    /// How many loads there were.
    pub(crate) fn loads(&self) -> usize {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
