//! [`Fate`]: what is to become of a request, decided before another one of its connection is.

use crate::http::server::message::HttpResponse;
use crate::http::server::tiny::shared::TinyShared;

/// What is to become of a request.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    Handled,
    /// Its body is too long to be read.
    TooLong,
    /// Its connection is over.
    LeftAlone,
    Refused(Flaw),
}

impl Fate {
    /// Decides on the latest request of its connection. If that is the last one, the next finds the
    /// connection over.
    pub(super) fn of(shared: &TinyShared, request: &tiny_http::Request) -> Self {
        shared.saw_request(request.remote_addr());
        let flaw = Flaw::of(request);
        // Before any answer: each of them drops the request, and with it what is left of its body.
        let is_long = request.body_length().is_some_and(|len| len > shared.limits.max_body_bytes);
        let is_over = || request.remote_addr().is_some_and(|client| shared.ended.contains(*client));
        let fate = match flaw {
            _ if is_over() => Self::LeftAlone,
            _ if is_long => Self::TooLong,
            Some(flaw) => Self::Refused(flaw),
            None => Self::Handled,
        };
        if flaw.is_some() {
            end_connection(shared, request);
        }
        fate
    }
}

/// What is wrong with the form of a request.
#[derive(Clone, Copy)]
pub(super) enum Flaw {
    /// tiny_http takes all that the connection still brings for the body, and lets go of the
    /// connection afterwards.
    Upgrade,
    /// The body has no length of its own, and tiny_http does not tell whether such a body has come
    /// to its end.
    Encoding,
    /// The same, with a length beside it.
    EncodingAndLength,
    /// There are two lengths, or one that is no number. tiny_http takes the first, or none.
    Length,
    /// A control character, which tiny_http takes for a part of the method, the target, a name or a
    /// value. To another reader it may end the line, and another header begins.
    Control,
}

impl Flaw {
    fn of(request: &tiny_http::Request) -> Option<Self> {
        let (mut connection, mut lengths, mut is_encoded, mut is_plain) = (None, 0, false, true);
        let is_control = |byte: u8| byte.is_ascii_control() && byte != b'\t';
        let has_control = |text: &str| text.bytes().any(is_control);
        if has_control(request.method().as_str()) || has_control(request.url()) {
            return Some(Self::Control);
        }
        for header in request.headers() {
            let (name, value) = (header.field.as_str().as_str(), header.value.as_str());
            if has_control(name) || has_control(value) {
                return Some(Self::Control);
            }
            if name.eq_ignore_ascii_case("Connection") {
                // tiny_http looks at the first one only.
                connection.get_or_insert(value);
            } else if name.eq_ignore_ascii_case("Transfer-Encoding") {
                is_encoded = true;
            } else if name.eq_ignore_ascii_case("Content-Length") {
                lengths += 1;
                is_plain &= !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            }
        }
        if connection.is_some_and(|value| value.to_ascii_lowercase().contains("upgrade")) {
            return Some(Self::Upgrade);
        }
        match (is_encoded, lengths) {
            (true, 0) => Some(Self::Encoding),
            (true, _) => Some(Self::EncodingAndLength),
            (false, 0) => None,
            // tiny_http takes a length past every number for none.
            (false, 1) if is_plain && request.body_length().is_some() => None,
            (false, _) => Some(Self::Length),
        }
    }

    pub(super) fn answer(self) -> HttpResponse {
        let (status, text) = match self {
            Self::Upgrade => (400, "there is nothing to upgrade to\n"),
            Self::Encoding => (411, "the body needs a Content-Length\n"),
            Self::EncodingAndLength | Self::Length | Self::Control => (400, "malformed request\n"),
        };
        HttpResponse::text(status, text)
    }
}

/// Has nothing handled that comes on the connection of `request` after it.
pub(super) fn end_connection(shared: &TinyShared, request: &tiny_http::Request) {
    if let Some(client) = request.remote_addr() {
        shared.ended.add(*client);
    }
}
