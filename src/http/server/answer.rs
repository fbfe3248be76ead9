//! An answer as bytes.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant, SystemTime};

use crate::http::date::HttpDate;
use crate::http::note;
use crate::http::server::message::{HttpResponse, NO_CONTENT};

/// Bodies up to this many bytes are copied behind their head, so that one system call sends both.
pub(super) const COPIED_BODY: usize = 32 * 1024;

/// Bytes of an answer that a client must take within the time of one write.
const LEAST_PROGRESS: usize = 1024 * 1024;

/// What an answer says about its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connection {
    /// Nothing: an HTTP/1.1 connection stays open.
    Open,
    /// It stays open, said aloud for an HTTP/1.0 client that asked.
    KeepAlive,
    /// No request after this one will be answered.
    Close,
}

/// Appends the head of `response` to `out`, with the empty line that ends it.
pub(super) fn write_head(out: &mut Vec<u8>, response: &HttpResponse, connection: Connection) {
    let status = response.status;
    // Piece by piece: formatting takes longer than all the rest of a short answer.
    out.extend_from_slice(b"HTTP/1.1 ");
    push_number(out, status.into());
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    if status != NO_CONTENT {
        out.extend_from_slice(b"\r\nContent-Length: ");
        push_number(out, response.body.len());
        out.extend_from_slice(b"\r\nContent-Type: ");
        out.extend_from_slice(response.content_type.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    if response.has_expires {
        let end = response.note.ttl.and_then(|ttl| SystemTime::now().checked_add(ttl));
        if let Some(end) = end.and_then(HttpDate::of) {
            push_header(out, "Expires", &end);
        }
    }
    for (name, value) in response.headers {
        push_header(out, name, value.as_bytes());
    }
    let note = response.note.text();
    if !note.is_empty() {
        push_header(out, note::HEADER, &note);
    }
    out.extend_from_slice(match connection {
        Connection::Open => b"\r\n",
        Connection::KeepAlive => b"Connection: keep-alive\r\n\r\n",
        Connection::Close => b"Connection: close\r\n\r\n",
    });
}

fn push_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Writes `head` and then `body` to a client that takes at least [`LEAST_PROGRESS`] within each
/// `patience`, which is also the write timeout of its socket.
pub(super) fn write_all(
    out: &mut impl io::Write,
    mut head: &[u8],
    mut body: &[u8],
    patience: Duration,
) -> io::Result<()> {
    let (mut taken, mut since) = (0, Instant::now());
    while !head.is_empty() || !body.is_empty() {
        let written = if body.is_empty() {
            out.write(head)
        } else {
            out.write_vectored(&[IoSlice::new(head), IoSlice::new(body)])
        };
        // A blocking socket writes everything, unless its timeout, or a signal, ends the call
        // first. In the second case the client may well be reading.
        let n = match written {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        let from_head = n.min(head.len());
        head = &head[from_head..];
        body = &body[n - from_head..];
        taken += n;
        if taken >= LEAST_PROGRESS {
            (taken, since) = (0, Instant::now());
        } else if !(head.is_empty() && body.is_empty()) && since.elapsed() >= patience {
            return Err(does_not_read());
        }
    }
    // What was taken may still be on its way through TLS.
    loop {
        match out.flush() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                if since.elapsed() >= patience {
                    return Err(does_not_read());
                }
            }
            flushed => return flushed,
        }
    }
}

fn does_not_read() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client does not read")
}

fn push_number(out: &mut Vec<u8>, mut number: usize) {
    let start = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[start..].reverse();
}

/// The words that go with a status code.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        NO_CONTENT => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http::date;

    fn head_of(response: &HttpResponse, connection: Connection) -> String {
        let mut out = Vec::new();
        write_head(&mut out, response, connection);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn head_carries_length_type_and_headers() {
        let mut response = HttpResponse::text(200, "630");
        response.headers = &[("Allow", "GET")];
        response.note.ttl = Some(Duration::from_millis(12));
        assert_eq!(
            head_of(&response, Connection::Close),
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Allow: GET\r\nGeecache: ttl=12\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn head_tells_when_a_value_ends_where_it_is_to() {
        let expires = |ttl, has_expires| {
            let mut response = HttpResponse { has_expires, ..HttpResponse::text(200, "630") };
            response.note.ttl = ttl;
            let head = head_of(&response, Connection::Open);
            let line = head.lines().find_map(|line| line.strip_prefix("Expires: "));
            line.map(|line| date::read(line.as_bytes()).unwrap())
        };
        let minute = Duration::from_secs(60);
        let before = SystemTime::now();
        let end = expires(Some(minute), true).unwrap();
        assert!(end >= before + minute && end <= SystemTime::now() + minute);
        assert_eq!(expires(Some(minute), false), None);
        assert_eq!(expires(None, true), None);
        assert_eq!(expires(Some(Duration::MAX), true), None);
    }

    /// A client that takes `at_once` bytes in a call, after as many signals as that.
    struct Client {
        at_once: usize,
        signals: usize,
        taken: Vec<u8>,
    }

    impl io::Write for Client {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.signals > 0 {
                self.signals -= 1;
                return Err(io::ErrorKind::Interrupted.into());
            }
            let n = bytes.len().min(self.at_once);
            self.taken.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn write(at_once: usize, signals: usize, patience: Duration) -> io::Result<Vec<u8>> {
        let mut client = Client { at_once, signals, taken: Vec::new() };
        let body = vec![b'b'; 3 * LEAST_PROGRESS];
        write_all(&mut client, b"head", &body, patience)?;
        Ok(client.taken)
    }

    #[test]
    fn answer_that_signals_interrupt_is_written_to_its_end() {
        let whole = [b"head".to_vec(), vec![b'b'; 3 * LEAST_PROGRESS]].concat();
        for (at_once, signals) in [(1000, 0), (3, 5), (1 << 16, 1000), (usize::MAX, 1)] {
            assert_eq!(write(at_once, signals, Duration::from_secs(1000)).unwrap(), whole);
        }
    }

    #[test]
    fn client_that_takes_too_little_in_its_time_is_given_up() {
        for (at_once, signals) in [(1000, 0), (LEAST_PROGRESS - 5, 0), (1 << 30, usize::MAX)] {
            let error = write(at_once, signals, Duration::ZERO).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        }
        let error = write(0, 0, Duration::from_secs(1000)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        for number in [0, 9, 10, 200, 1_000_500, usize::MAX] {
            let mut out = b"x".to_vec();
            push_number(&mut out, number);
            assert_eq!(out, format!("x{number}").into_bytes());
        }
    }

    #[test]
    fn no_content_has_no_length() {
        assert_eq!(
            head_of(&HttpResponse::text(204, "x"), Connection::Open),
            "HTTP/1.1 204 No Content\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_without_content_has_no_length() {
        let head = head_of(&HttpResponse::text(204, ""), Connection::Open);
        assert_eq!(head, "HTTP/1.1 204 No Content\r\n\r\n");
    }
}
