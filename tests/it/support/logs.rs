//! What the crate tells through the `log` facade, for tests to look at.

use std::sync::{Mutex, Once};

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Kept(Mutex<Vec<(Level, String)>>);

static KEPT: Kept = Kept(Mutex::new(Vec::new()));
static SET_UP: Once = Once::new();

impl Log for Kept {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("geecache") && metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.0.lock().unwrap().push((record.level(), record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// Keeps what is logged from now on, by all tests of the process.
pub(crate) fn keep_logs() {
    SET_UP.call_once(|| {
        log::set_logger(&KEPT).unwrap();
        log::set_max_level(LevelFilter::Info);
    });
}

/// What was logged with all of `words` in it.
pub(crate) fn logged(words: &[&str]) -> Vec<(Level, String)> {
    let kept = KEPT.0.lock().unwrap();
    kept.iter().filter(|(_, text)| words.iter().all(|word| text.contains(word))).cloned().collect()
}
