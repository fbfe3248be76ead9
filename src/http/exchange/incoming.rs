//! [`Incoming`]: an answer whose head has come, and whose body has not been read.

use ureq::Body;
use ureq::http::Response;
use ureq::http::response::Parts;

use crate::byteview::ByteView;
use crate::http::exchange::body;
use crate::http::exchange::failure::{CallError, Failure};
use crate::http::wire::{self, ErrorAnswer, Status};

/// An answer, with its body still to be read. It should be read to its end, or the connection can't
/// be used again.
pub(crate) struct Incoming {
    head: Parts,
    body: Body,
}

impl Incoming {
    pub(super) fn new(answer: Response<Body>) -> Self {
        let (head, body) = answer.into_parts();
        Self { head, body }
    }

    /// The HTTP status.
    pub(crate) fn code(&self) -> u16 {
        self.head.status.as_u16()
    }

    /// What our header says of the answer, if a peer of ours sent it.
    pub(crate) fn status(&self) -> Option<Status> {
        Status::read(self.code(), self.header(wire::STATUS_HEADER))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The whole body, which may be `limit` bytes long.
    pub(crate) fn into_value(mut self, limit: u64) -> Result<ByteView, CallError> {
        body::read_value(&mut self.body, &self.head.headers, limit)
    }

    /// What the answer means, where it is not what was asked for.
    pub(crate) fn into_failure(mut self) -> Failure {
        let text = body::read_text(&mut self.body, &self.head.headers);
        let answer = ErrorAnswer {
            code: self.code(),
            status: self.header(wire::STATUS_HEADER),
            content_type: self.header("content-type"),
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
