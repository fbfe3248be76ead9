//! [`OneLine`]: what others have written, on one line of a log.

use std::fmt::{self, Display, Write};

/// The longest text, in characters. What is longer is cut, and ends in an ellipsis.
const LONGEST: usize = 400;

/// Shows a text that may come from a socket so that it can't be taken for another line of a log:
/// control characters are escaped.
pub(crate) struct OneLine<T>(pub(crate) T);

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut escaped = Escaped { out: f, left: LONGEST, is_cut: false };
        let written = write!(escaped, "{}", self.0);
        // The formatting ends with an error where the text is cut.
        if escaped.is_cut { f.write_char('…') } else { written }
    }
}

struct Escaped<'a, 'b> {
    out: &'a mut fmt::Formatter<'b>,
    left: usize,
    is_cut: bool,
}

impl Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if self.left == 0 {
                self.is_cut = true;
                return Err(fmt::Error);
            }
            self.left -= 1;
            if is_misleading(char) {
                write!(self.out, "{}", char.escape_debug())?;
            } else {
                self.out.write_char(char)?;
            }
        }
        Ok(())
    }
}

/// Whether a terminal, or a reader of logs, might do something else with it than show it: end the
/// line, move, colour, or turn the direction of the text.
fn is_misleading(char: char) -> bool {
    let ends_a_line = ('\u{2028}'..='\u{2029}').contains(&char);
    let turns = matches!(char, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || ('\u{2066}'..='\u{2069}').contains(&char);
    char.is_control() || ends_a_line || turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_stays_on_its_line() {
        for (text, shown) in [
            ("the disk is gone", "the disk is gone"),
            ("C:\\dir \"quoted\" 你好", "C:\\dir \"quoted\" 你好"),
            ("a\r\nERROR b", "a\\r\\nERROR b"),
            ("\u{1b}[2J\0\t\u{85}\u{7f}", "\\u{1b}[2J\\0\\t\\u{85}\\u{7f}"),
            ("a\u{2028}b\u{202e}c", "a\\u{2028}b\\u{202e}c"),
        ] {
            assert_eq!(OneLine(text).to_string(), shown);
            // However it comes in pieces.
            let pieces = OneLine(format_args!("{}{text}{}", "<", ">")).to_string();
            assert_eq!(pieces, format!("<{shown}>"));
        }
    }

    #[test]
    fn long_text_is_cut() {
        let fits = "é".repeat(LONGEST);
        assert_eq!(OneLine(&fits).to_string(), fits);
        assert_eq!(OneLine(format!("{fits}x")).to_string(), format!("{fits}…"));
        assert_eq!(OneLine("\n".repeat(1 << 20)).to_string(), "\\n".repeat(LONGEST) + "…");
    }
}
