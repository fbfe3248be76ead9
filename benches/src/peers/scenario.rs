//! What is asked for: keys and values that all contenders make alike, those in Go as well.

use std::fmt;

use super::BoxError;

/// The values of a case fill this many bytes, unless their number says else: more than the
/// processor's caches hold, and the same for any number of threads.
const DATA_BYTES: usize = 32 << 20;

/// A thread asks for at most this many different keys, unless a batch is larger.
const MAX_KEYS: usize = 256;

/// One case: who asks for what.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Scenario {
    pub(super) threads: usize,
    pub(super) value_bytes: usize,
    /// Keys asked for at once.
    pub(super) batch: usize,
}

impl Scenario {
    /// The keys of one thread, which are no other thread's, so that no load is shared. They are
    /// asked for in turn.
    pub(super) fn keys(&self, thread: usize) -> Vec<String> {
        let fitting = DATA_BYTES / (self.value_bytes * self.threads);
        let calls = (fitting.min(MAX_KEYS) / self.batch).max(1);
        let bytes = self.value_bytes;
        (0..calls * self.batch).map(|n| format!("{bytes}:{thread}:{n}")).collect()
    }

    /// As the commands of a client have it.
    pub(super) fn words(&self) -> String {
        format!("{} {} {}", self.threads, self.value_bytes, self.batch)
    }

    pub(super) fn from_words(words: &[&str]) -> Result<Self, BoxError> {
        let [threads, value_bytes, batch] = words else {
            return Err(format!("a case is three numbers, not {words:?}").into());
        };
        Ok(Self {
            threads: threads.parse()?,
            value_bytes: value_bytes.parse()?,
            batch: batch.parse()?,
        })
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, value_bytes, batch } = self;
        write!(f, "{threads} threads, values of {value_bytes} bytes, {batch} keys at once")
    }
}

/// The value that `key` stands for.
pub(super) fn value_of(key: &str) -> Result<Vec<u8>, BoxError> {
    let bytes = key.split(':').next().unwrap_or_default().parse()?;
    Ok(vec![filling(key); bytes])
}

/// Whether `value` is, as far as a glance tells, the value of `key`.
pub(super) fn check(key: &str, value: &[u8], value_bytes: usize) -> Result<(), BoxError> {
    let byte = filling(key);
    if value.len() == value_bytes && value.first() == Some(&byte) && value.last() == Some(&byte) {
        return Ok(());
    }
    Err(format!("the value of {key:?} is wrong: {} bytes", value.len()).into())
}

fn filling(key: &str) -> u8 {
    key.bytes().fold(0, u8::wrapping_add)
}
