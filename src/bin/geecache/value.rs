//! Values as they are printed.

use geecache::{ByteView, Loaded};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::format::{base64, bytes, printable};
use crate::output::Output;

/// How the bytes of a value are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Raw {
    /// As they are, whatever reads them.
    Always,
    /// As they are, unless a terminal reads them that they would confuse.
    IfHarmless,
}

/// Writes one value.
pub(crate) fn write(out: &Output, value: &[u8], raw: Raw) -> Result<(), Failure> {
    if raw == Raw::Always || !out.is_terminal() {
        return out.bytes(value);
    }
    match text(value) {
        Some(text) if text.ends_with('\n') => out.bytes(text.as_bytes()),
        Some(text) => out.line(text),
        None => {
            let size = bytes(value.len() as u64);
            out.aside(format_args!("{size} that are no text: --raw writes them, >FILE keeps them"));
            Ok(())
        }
    }
}

/// A value in a row of a table.
pub(crate) fn brief(value: &[u8]) -> String {
    match text(value) {
        Some(text) => printable(text),
        None => format!("({}, no text)", bytes(value.len() as u64)),
    }
}

/// The value as text, if a terminal can show it.
fn text(value: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(value).ok()?;
    let is_shown = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().all(is_shown).then_some(text)
}

/// Adds a value to an object: `value` if it is text, else `value_base64`.
pub(crate) fn to_json(object: &mut Value, loaded: &Loaded) {
    object["found"] = json!(loaded.value().is_some());
    if let Some(value) = loaded.value() {
        object["bytes"] = json!(value.len());
        match ByteView::as_str(value) {
            Ok(text) => object["value"] = json!(text),
            Err(_) => object["value_base64"] = json!(base64(value)),
        }
    }
    let ttl = loaded.time_to_live();
    object["ttl_ms"] = json!(ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_that_does_nothing_else_is_text() {
        assert_eq!(text("a\tb\n你".as_bytes()), Some("a\tb\n你"));
        assert_eq!([text(b"\x1b[2J"), text(b"\xff"), text(b"a\r")], [None; 3]);
        assert_eq!((brief(b"a\nb"), brief(b"\xff")), ("a\\nb".into(), "(1 B, no text)".into()));
    }
}
