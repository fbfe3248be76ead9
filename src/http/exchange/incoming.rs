//! [`Incoming`]: an answer whose head has come, and whose body has not been read.

use ureq::Body;
use ureq::http::header::{self, HeaderValue};
use ureq::http::response::Parts;
use ureq::http::{Response, Version};

use crate::byteview::ByteView;
use crate::http::exchange::body::{self, Allowance};
use crate::http::exchange::failure::{CallError, Failure};
use crate::http::note::{self, BadNote, Note, Status};
use crate::http::protocol::{GALAXY_STATUS, Wire};
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
    pub(super) fn new(answer: Response<Body>, mut allowance: Allowance) -> Self {
        let (head, body) = answer.into_parts();
        let note = head.headers.get(note::HEADER);
        let note = note.map_or_else(|| Ok(Note::default()), |text| Note::read(text.as_bytes()));
        // HTTP/1.1 without a word on the connection leaves it open.
        let stays_open =
            head.version == Version::HTTP_11 && !head.headers.contains_key(header::CONNECTION);
        allowance.line = allowance.line.filter(|_| stays_open);
        Self { head, body, note, allowance }
    }

    /// The HTTP status.
    pub(crate) fn code(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// The value of the first header called `name`.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        self.head.headers.get(name).map(HeaderValue::as_bytes)
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

    /// What the answer means in the protocol `wire`, where it is not what was asked for.
    pub(crate) fn into_failure(mut self, wire: &Wire) -> Failure {
        let text = body::read_text(&mut self.body, &self.head.headers);
        let header = |name: &str| std::str::from_utf8(self.header(name)?).ok();
        let answer = ErrorAnswer {
            code: self.code(),
            status: self.status(),
            content_type: header("content-type"),
            text: &text,
            galaxy: header(GALAXY_STATUS),
        };
        let (kind, verdict) = answer.classify(wire);
        Failure::new(kind, verdict, answer.message(kind))
    }

    /// Reads a body that is not needed, so that the connection can be used again. Whether there was
    /// one.
    pub(crate) fn drain(mut self) -> bool {
        !body::read_text(&mut self.body, &self.head.headers).is_empty()
    }
}
