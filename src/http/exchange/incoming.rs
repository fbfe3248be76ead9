//! [`Incoming`]: an answer whose head has come, and whose body has not been read.

use ureq::Body;
use ureq::http::Response;
use ureq::http::response::Parts;

use crate::byteview::ByteView;
use crate::http::exchange::body::{self, Allowance};
use crate::http::exchange::failure::{CallError, Failure};
use crate::http::note::{self, BadNote, Note, Status};
use crate::http::wire::ErrorAnswer;

/// An answer, with its body still to be read. It should be read to its end, or the connection can't
/// be used again.
pub(crate) struct Incoming {
    head: Parts,
    body: Body,
    note: Result<Note, BadNote>,
    allowance: Allowance,
}

impl Incoming {
    pub(super) fn new(answer: Response<Body>, allowance: Allowance) -> Self {
        let (head, body) = answer.into_parts();
        let note = head.headers.get(note::HEADER);
        let note = note.map_or_else(|| Ok(Note::default()), |text| Note::read(text.as_bytes()));
        Self { head, body, note, allowance }
    }

    /// The HTTP status.
    pub(crate) fn code(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// What a peer of ours tells beside the answer.
    pub(crate) fn note(&self) -> Result<Note, Failure> {
        self.note.map_err(Failure::broken)
    }

    /// What the answer means, if a peer of ours sent it.
    pub(crate) fn status(&self) -> Option<Status> {
        self.note.ok()?.status_with(self.code())
    }

    /// The whole body, which may be `limit` bytes long.
    pub(crate) fn into_value(mut self, limit: u64) -> Result<ByteView, CallError> {
        body::read_value(&mut self.body, &self.head.headers, limit, &self.allowance)
    }

    /// What the answer means, where it is not what was asked for.
    pub(crate) fn into_failure(mut self) -> Failure {
        let text = body::read_text(&mut self.body, &self.head.headers);
        let content_type = self.head.headers.get("content-type");
        let answer = ErrorAnswer {
            code: self.code(),
            status: self.status(),
            content_type: content_type.and_then(|value| value.to_str().ok()),
            text: &text,
        };
        let (kind, verdict) = answer.classify();
        Failure::new(kind, verdict, answer.message(kind))
    }

    /// Reads a body that is not needed, so that the connection can be used again.
    pub(crate) fn drain(mut self) {
        let _ = body::read_text(&mut self.body, &self.head.headers);
    }
}
