//! Lines on standard output and standard error. A reader that went away is no reason to panic, as
//! `println!` would.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use log::{LevelFilter, Log, Metadata, Record};

/// Prints a line.
pub(crate) fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Prints a line for those who look for what went wrong.
pub(crate) fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// What stands above [`row`]s.
pub(crate) const HEADING: &str = "key         answer         owner  answered from           time";

/// A request and its answer.
pub(crate) fn row(key: &str, answer: &str, owner: &str, from: &str, time: &str) -> String {
    let (key, answer) = (printable(key), printable(answer));
    format!("{key:11} {answer:14} {owner:6} {from:19} {time:>8}")
}

/// The text with its line breaks and the like made visible.
fn printable(text: &str) -> String {
    let show =
        |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(show).collect()
}

/// A time: `53.1 ms`, `47 µs`.
pub(crate) fn human(time: Duration) -> String {
    match time.as_micros() {
        micros @ ..1000 => format!("{micros} µs"),
        micros => format!("{:.1} ms", micros as f64 / 1e3),
    }
}

/// `1 load`, `6 loads`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Sends what the crate logs to standard error: warnings and worse, or what `RUST_LOG` names
/// (`off`, `error`, `warn`, `info`, `debug`, `trace`).
pub(crate) fn show_log() {
    let level = std::env::var("RUST_LOG").ok().and_then(|level| level.parse().ok());
    log::set_max_level(level.unwrap_or(LevelFilter::Warn));
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
            complain(format_args!("[{}] {}", record.level(), record.args()));
        }
    }

    fn flush(&self) {}
}
