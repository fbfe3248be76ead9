//! [`PlainScreen`]: a terminal that shows one picture after the other. Where there is no way to
//! read single keys, Ctrl-C ends it.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use crate::failure::Failure;
use crate::top::state::Size;

/// How long `keys` waits.
const MOMENT: Duration = Duration::from_millis(100);

/// The terminal shows its cursor again after the drop.
pub(super) struct PlainScreen;

impl PlainScreen {
    pub(super) fn open() -> Result<Self, Failure> {
        let screen = Self;
        screen.write("\x1b[?1049h\x1b[?25l\x1b[2J")?;
        Ok(screen)
    }

    /// What is usual.
    pub(super) fn size(&self) -> Size {
        Size { columns: 80, lines: 24 }
    }

    pub(super) fn draw(&self, lines: &[String]) -> Result<(), Failure> {
        let lines = lines.join("\n\x1b[K");
        self.write(&format!("\x1b[H\x1b[K{lines}"))
    }

    /// None, after a moment.
    pub(super) fn keys(&self) -> Result<Vec<u8>, Failure> {
        thread::sleep(MOMENT);
        Ok(Vec::new())
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| Failure::output(&error))
    }
}

impl Drop for PlainScreen {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = self.write("\x1b[?25h\x1b[?1049l");
    }
}
