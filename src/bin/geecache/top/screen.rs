//! [`Screen`]: a terminal that shows one picture after the other, and gives single keys.

use std::fs::File;
use std::io::{self, Read, Write};
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::termios::{
    OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use crate::failure::{Exit, Failure};
use crate::top::state::Size;

/// Another page of the terminal, without a cursor, whose lines are not broken.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
/// Back to how it was.
const LEAVE: &[u8] = b"\x1b[?7h\x1b[?25h\x1b[?1049l";
/// What stands between these is shown at once, where the terminal knows that.
const BEGIN: &str = "\x1b[?2026h\x1b[H";
const END: &str = "\x1b[?2026l";

/// The terminal is as it was after the drop, and after a panic.
pub(super) struct Screen {
    before: Arc<Before>,
}

/// The terminal, and how it was.
struct Before {
    tty: File,
    modes: Termios,
    is_restored: AtomicBool,
}

impl Before {
    /// Does it once: at a panic, or at the drop.
    fn restore(&self) {
        if !self.is_restored.swap(true, Ordering::SeqCst) {
            // There is nobody to tell, and nothing else to try.
            let _ = (&self.tty).write_all(LEAVE);
            let _ = tcsetattr(&self.tty, OptionalActions::Flush, &self.modes);
        }
    }
}

impl Screen {
    pub(super) fn open() -> Result<Self, Failure> {
        let tty = File::options()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .map_err(|error| failed(&error))?;
        let modes = tcgetattr(&tty).map_err(|error| failed(&error.into()))?;
        let mut raw = modes.clone();
        raw.make_raw();
        // A read ends after a tenth of a second, with a key or without.
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 1;
        let before = Arc::new(Before { tty, modes, is_restored: AtomicBool::new(false) });
        let screen = Self { before: Arc::clone(&before) };
        // From here on the drop restores it.
        tcsetattr(&before.tty, OptionalActions::Flush, &raw)
            .map_err(|error| failed(&error.into()))?;
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // The message is to be seen.
            before.restore();
            told(info);
        }));
        screen.write(ENTER)?;
        Ok(screen)
    }

    /// Its size; 80×24 if it does not tell.
    pub(super) fn size(&self) -> Size {
        match tcgetwinsize(&self.before.tty) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                Size { columns: size.ws_col.into(), lines: size.ws_row.into() }
            }
            _ => Size { columns: 80, lines: 24 },
        }
    }

    pub(super) fn draw(&self, lines: &[String]) -> Result<(), Failure> {
        // Each line is emptied before it is written: behind a full one, its last sign would go.
        let lines = lines.join("\r\n\x1b[K");
        self.write(format!("{BEGIN}\x1b[K{lines}{END}").as_bytes())
    }

    /// Waits a moment for keys. Those that send more than one byte, as arrows do, are left out.
    pub(super) fn keys(&self) -> Result<Vec<u8>, Failure> {
        let mut keys = [0; 64];
        match (&self.before.tty).read(&mut keys) {
            Ok(count) if keys[..count].contains(&0x1b) => Ok(Vec::new()),
            Ok(count) => Ok(keys[..count].to_vec()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Vec::new()),
            Err(error) => Err(failed(&error)),
        }
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut tty = &self.before.tty;
        tty.write_all(bytes).and_then(|()| tty.flush()).map_err(|error| failed(&error))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.before.restore();
    }
}

fn failed(error: &io::Error) -> Failure {
    let failure = Failure::new(Exit::Local, format_args!("the terminal fails: {error}"));
    failure.hint("top --once prints one screen without a terminal")
}
