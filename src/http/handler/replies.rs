//! The answers that are no values.

use std::fmt::{self, Write};

use crate::http::note::{Note, Status};
use crate::http::server::HttpResponse;

/// The longest text of an error that is sent, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 8 << 10;

/// A change was made.
pub(super) fn done() -> HttpResponse {
    HttpResponse::text(204, Vec::new())
}

/// A change was made that a peer of another program asked for.
pub(super) fn done_for_foreign() -> HttpResponse {
    HttpResponse::text(200, Vec::new())
}

/// An error, as text with a newline, and with our header beside it.
pub(super) fn refuse(status: Status, text: impl fmt::Display) -> HttpResponse {
    let mut body = Bounded(String::new());
    // A message that does not fit is cut; the formatting ends there with an error that means
    // nothing else.
    let _ = write!(body, "{text}");
    body.0.push('\n');
    let mut response = HttpResponse::text(status.code(), body.0);
    response.note = Note::of(status);
    response
}

/// A text of at most [`MAX_TEXT_BYTES`].
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut end = text.len().min(MAX_TEXT_BYTES - self.0.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.0.push_str(&text[..end]);
        if end == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
