//! What the crate logs, on standard error.

use std::io::{self, Write};

use log::{LevelFilter, Log, Metadata, Record};

/// Shows it from now on.
pub(crate) fn show() {
    log::set_max_level(LevelFilter::Debug);
    // Fails only if there is a logger already, and then that one does it.
    let _ = log::set_logger(&ToStderr);
}

struct ToStderr;

impl Log for ToStderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("geecache")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let level = record.level().as_str().to_lowercase();
            let _ = writeln!(io::stderr(), "{level}: {}", record.args());
        }
    }

    fn flush(&self) {}
}
