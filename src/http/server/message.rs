//! [`HttpRequest`] and [`HttpResponse`], and the [`Handler`] between them.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::byteview::ByteView;
use crate::http::note::Note;
use crate::one_line::OneLine;
use crate::repeats::Repeats;

/// The status that allows neither a body nor its length.
pub(super) const NO_CONTENT: u16 = 204;

/// Answers requests.
pub(crate) trait Handler: Send + Sync + 'static {
    /// Looks at a request before its body is read; the body is empty then. An error is the answer.
    /// It may be called again when the body is there.
    fn admit(&self, request: &HttpRequest<'_>) -> Result<(), HttpResponse>;

    /// The answer to a request without a body that needs no place among those in flight, if it is
    /// such a one: it is there at once. It may panic as well.
    fn at_once(&self, request: &HttpRequest<'_>) -> Option<HttpResponse>;

    /// The answer to `request`, which was admitted. Called from many threads at once. It may block,
    /// and it may panic: the server answers a 500.
    fn handle(&self, request: &HttpRequest<'_>) -> HttpResponse;

    /// The answer to a request, or to a connection, that the server can't take for `reason`. It
    /// tells clients that the server lives.
    fn overloaded(&self, reason: &'static str) -> HttpResponse;

    /// How long the client is going to wait, if it says so in its headers.
    fn patience(&self, headers: &dyn Headers) -> Option<Duration> {
        let _ = headers;
        None
    }
}

/// A request, as a [`Handler`] sees it.
pub(crate) struct HttpRequest<'a> {
    /// The method, such as `GET`.
    pub(crate) method: &'a str,
    /// The target of the request line, undecoded.
    pub(crate) target: &'a str,
    /// The headers.
    pub(crate) headers: &'a dyn Headers,
    /// The body; empty if there was none.
    pub(crate) body: &'a [u8],
    /// The body once more, where it has an allocation of its own.
    pub(crate) own_body: Option<&'a ByteView>,
    /// Tells where it comes from, if that is known.
    pub(crate) client: &'a dyn Fn() -> Option<SocketAddr>,
    /// When its head began to come, or was taken from those that waited.
    pub(crate) came: Instant,
    /// Tells whether the client has ended the connection, as far as that is known: nobody reads
    /// the answer.
    pub(crate) is_given_up: &'a dyn Fn() -> bool,
}

impl HttpRequest<'_> {
    /// The value of the first header called `name`, in any case of letters. It may be no text.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.header(name)
    }

    /// The body, to be kept for longer than the request.
    pub(crate) fn body_to_keep(&self) -> ByteView {
        self.own_body.map_or_else(|| ByteView::from(self.body), ByteView::clone)
    }
}

impl fmt::Debug for HttpRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("target", &self.target)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// The headers of a request, in whatever form the server keeps them.
pub(crate) trait Headers {
    /// The value of the first header called `name`, in any case of letters. It may be no text.
    fn header(&self, name: &str) -> Option<&[u8]>;
}

/// Headers as pairs of name and value, for requests that no server made.
impl Headers for &[(&str, &str)] {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let (_, value) = self.iter().find(|(field, _)| field.eq_ignore_ascii_case(name))?;
        Some(value.as_bytes())
    }
}

/// An answer. The server adds `Content-Length`, except to a 204, and `Connection` where it is
/// needed.
#[derive(Clone, Debug)]
pub(crate) struct HttpResponse {
    /// The status code.
    pub(crate) status: u16,
    /// The value of `Content-Type`.
    pub(crate) content_type: &'static str,
    /// What peers of ours are told.
    pub(crate) note: Note,
    /// Whether `Expires` tells once more what the note does of the value's life.
    pub(crate) has_expires: bool,
    /// Further headers.
    pub(crate) headers: &'static [(&'static str, &'static str)],
    /// The body. It is not sent in answer to a `HEAD`, but its length is.
    pub(crate) body: ResponseBody,
}

impl HttpResponse {
    /// The bytes to send behind the head in answer to `method`.
    pub(super) fn body_for(&self, method: &str) -> &[u8] {
        if method == "HEAD" || self.status == NO_CONTENT { &[] } else { &self.body }
    }

    /// An answer of text, such as an error's message.
    pub(crate) fn text(status: u16, text: impl Into<ResponseBody>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            note: Note::default(),
            has_expires: false,
            headers: &[],
            body: text.into(),
        }
    }
}

/// A body: bytes that others have, too, or its own. Neither is copied to make it.
#[derive(Clone, Debug)]
pub(crate) enum ResponseBody {
    Shared(ByteView),
    Own(Vec<u8>),
}

impl Deref for ResponseBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Shared(bytes) => bytes,
            Self::Own(bytes) => bytes,
        }
    }
}

impl From<ByteView> for ResponseBody {
    fn from(bytes: ByteView) -> Self {
        Self::Shared(bytes)
    }
}

impl From<Vec<u8>> for ResponseBody {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Own(bytes)
    }
}

impl From<String> for ResponseBody {
    fn from(text: String) -> Self {
        Self::Own(text.into_bytes())
    }
}

impl From<&str> for ResponseBody {
    fn from(text: &str) -> Self {
        Self::Own(text.into())
    }
}

/// The handler's answer, or a 500 if it panics. `repeats` knows what was logged before.
pub(super) fn answer_of(
    handler: &dyn Handler,
    request: &HttpRequest<'_>,
    repeats: &Repeats,
) -> HttpResponse {
    let answer = || match handler.admit(request) {
        Ok(()) => handler.handle(request),
        Err(refusal) => refusal,
    };
    caught(request, repeats, answer).unwrap_or_else(|refusal| refusal)
}

/// The handler's answer to a request that it answers at once, or a 500 if it panics.
pub(super) fn answer_at_once_of(
    handler: &dyn Handler,
    request: &HttpRequest<'_>,
    repeats: &Repeats,
) -> Option<HttpResponse> {
    caught(request, repeats, || handler.at_once(request)).unwrap_or_else(Some)
}

/// What `answer` returns. If it panics, the error is what the client gets.
fn caught<T>(
    request: &HttpRequest<'_>,
    repeats: &Repeats,
    answer: impl FnOnce() -> T,
) -> Result<T, HttpResponse> {
    match catch_unwind(AssertUnwindSafe(answer)) {
        Ok(answer) => Ok(answer),
        Err(panic) => {
            if let Some(again) = repeats.due("a handler panicked") {
                let message = message_of(&*panic);
                let (method, target) = (request.method, request.target);
                log::error!(
                    "the handler of {}{again}",
                    OneLine(format_args!("{method} {target} panicked: {message}"))
                );
            }
            // A payload may panic in its drop, too.
            std::mem::forget(panic);
            Err(HttpResponse::text(500, "the handler panicked\n"))
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
