//! How far the test is: a bar on a terminal, and a line every ten seconds elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::common::output::say;

/// Between two lines.
const LINES: u64 = 10;

pub(crate) struct Progress {
    seconds: u64,
    /// `None` where nobody looks at it.
    bar: Option<ProgressBar>,
    /// The seconds of the last line.
    told: u64,
}

impl Progress {
    pub(crate) fn of(seconds: u64) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("  {bar:30} {pos}/{len} s  {msg}");
            ProgressBar::new(seconds).with_style(style.expect("the template is sound"))
        });
        Self { seconds, bar, told: 0 }
    }

    pub(crate) fn tell(&mut self, elapsed: Duration, faults: u64) {
        let at = elapsed.as_secs().min(self.seconds);
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{faults} faults"));
            bar.set_position(at);
        } else if at >= self.told + LINES {
            say(format_args!("  {at}/{} s, {faults} faults", self.seconds));
            self.told = at;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
