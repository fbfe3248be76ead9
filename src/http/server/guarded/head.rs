//! The head of a request, taken strictly.

use std::mem::MaybeUninit;

use httparse::{Error, Header, Status};

use crate::http::server::answer::Connection;
use crate::http::server::message::Headers;

/// Headers that a request may have.
pub(super) const MAX_HEADERS: usize = 64;

/// Where a header will be: to fill the places beforehand takes longer than to parse.
pub(super) const NO_HEADER: MaybeUninit<Header<'_>> = MaybeUninit::uninit();

/// A request's line and headers.
#[derive(Debug)]
pub(super) struct Head<'h, 'b> {
    pub(super) method: &'b str,
    pub(super) target: &'b str,
    pub(super) headers: &'h [Header<'b>],
    /// Bytes of the head.
    pub(super) len: usize,
    /// Bytes of the body that follows.
    pub(super) body_len: usize,
    /// What the answer says about the connection.
    pub(super) connection: Connection,
    /// Whether the client waits for a word before it sends the body.
    pub(super) expects_continue: bool,
}

/// Why a request is refused; its connection ends with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal(pub(super) u16, pub(super) &'static str);

const MALFORMED: Refusal = Refusal(400, "malformed request\n");
const TOO_MANY_HEADERS: Refusal = Refusal(431, "too many headers, or too long\n");

/// Parses what has arrived. `None` means that more must come.
///
/// Where two readers of one request could disagree about its length, it is refused: one
/// `Content-Length` at most, plain digits; no `Transfer-Encoding`; no line that ends in a bare line
/// feed; no folded header.
pub(super) fn parse<'h, 'b>(
    bytes: &'b [u8],
    headers: &'h mut [MaybeUninit<Header<'b>>; MAX_HEADERS],
    max_head_bytes: usize,
    max_body_bytes: usize,
) -> Result<Option<Head<'h, 'b>>, Refusal> {
    let mut request = httparse::Request::new(&mut []);
    let len = match request.parse_with_uninit_headers(bytes, headers) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) if bytes.len() < max_head_bytes => return Ok(None),
        Ok(Status::Partial) => return Err(too_long(bytes)),
        Err(Error::TooManyHeaders) => return Err(TOO_MANY_HEADERS),
        Err(Error::Version) if names_another_version(bytes) => {
            return Err(Refusal(505, "this server speaks HTTP/1.0 and HTTP/1.1\n"));
        }
        Err(_) => return Err(MALFORMED),
    };
    if len > max_head_bytes {
        return Err(too_long(&bytes[..max_head_bytes]));
    }
    let httparse::Request {
        method: Some(method),
        path: Some(target),
        version: Some(minor),
        headers,
    } = request
    else {
        return Err(MALFORMED);
    };
    if has_bare_line_feed(&bytes[..len]) || !target.is_ascii() {
        return Err(MALFORMED);
    }

    let mut head = Head {
        method,
        target,
        headers,
        len,
        body_len: 0,
        connection: Connection::Open,
        expects_continue: false,
    };
    head.read_headers(minor, max_body_bytes)?;
    Ok(Some(head))
}

impl Head<'_, '_> {
    /// Takes from the headers what concerns the connection.
    fn read_headers(&mut self, minor: u8, max_body_bytes: usize) -> Result<(), Refusal> {
        let (mut hosts, mut lengths, mut has_encoding) = (0, 0, false);
        let (mut close, mut keep_alive) = (false, false);
        for header in self.headers {
            let (name, value) = (header.name, header.value);
            if name.eq_ignore_ascii_case("content-length") {
                lengths += 1;
                self.body_len = content_length(value, max_body_bytes)?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                has_encoding = true;
            } else if name.eq_ignore_ascii_case("host") {
                hosts += 1;
            } else if name.eq_ignore_ascii_case("connection") {
                for token in value.split(|&byte| byte == b',') {
                    close |= token.trim_ascii().eq_ignore_ascii_case(b"close");
                    keep_alive |= token.trim_ascii().eq_ignore_ascii_case(b"keep-alive");
                }
            } else if name.eq_ignore_ascii_case("expect") && minor > 0 {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal(417, "unknown expectation\n"));
                }
                self.expects_continue = true;
            }
        }
        if lengths > 1 || (lengths == 1 && has_encoding) || hosts > 1 || (hosts == 0 && minor > 0) {
            return Err(MALFORMED);
        }
        if has_encoding {
            return Err(Refusal(411, "the body needs a Content-Length\n"));
        }
        self.connection = match (close, minor) {
            (true, _) => Connection::Close,
            (false, 0) if keep_alive => Connection::KeepAlive,
            (false, 0) => Connection::Close,
            (false, _) => Connection::Open,
        };
        Ok(())
    }
}

fn content_length(value: &[u8], max_body_bytes: usize) -> Result<usize, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(MALFORMED);
    }
    // Digits that don't fit a number are a length that is too long.
    let length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
    length.filter(|&length| length <= max_body_bytes).ok_or(Refusal(413, "the body is too long\n"))
}

/// Which part of a head that is too long made it so.
fn too_long(bytes: &[u8]) -> Refusal {
    let line = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(0);
    if bytes[line..].contains(&b'\n') {
        TOO_MANY_HEADERS
    } else {
        Refusal(414, "the request line is too long\n")
    }
}

/// Whether the first line ends in a version of HTTP, just not in one of ours.
fn names_another_version(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let version = line.rsplit(|&byte| byte == b' ').next().unwrap_or_default();
    version.strip_prefix(b"HTTP/").is_some_and(|number| {
        number.first().is_some_and(u8::is_ascii_digit)
            && number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
    })
}

fn has_bare_line_feed(head: &[u8]) -> bool {
    // Counted to the end, and not only searched, so that the compiler makes it many bytes at a
    // time.
    let bare = head.windows(2).filter(|pair| pair[1] == b'\n' && pair[0] != b'\r').count();
    bare > 0 || head.first() == Some(&b'\n')
}

impl Headers for &[Header<'_>] {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let header = self.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(header.value)
    }
}

#[cfg(any(test, feature = "unstable-bench"))]
pub(super) mod fuzz;

#[cfg(test)]
mod tests {
    use super::fuzz::{MAX_HEAD, drive};
    use super::*;

    const WHOLE: &str = "\r\nPOST /_geecache/g/a%2Fb?x HTTP/1.1\r\nHost: peer:8001\r\n\
        Connection: foo, Close\r\nContent-Length: 3\r\nExpect: 100-Continue\r\nX:\r\n\r\n";

    /// The length of the whole request, if it has arrived.
    fn length(bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        let mut headers = [NO_HEADER; MAX_HEADERS];
        let head = parse(bytes, &mut headers, MAX_HEAD, 1000)?;
        Ok(head.map(|head| head.len + head.body_len))
    }

    #[test]
    fn head_tells_what_concerns_the_connection() {
        let mut headers = [NO_HEADER; MAX_HEADERS];
        let head = parse(WHOLE.as_bytes(), &mut headers, MAX_HEAD, 3).unwrap().unwrap();
        assert_eq!((head.method, head.target), ("POST", "/_geecache/g/a%2Fb?x"));
        assert_eq!((head.len, head.body_len), (WHOLE.len(), 3));
        assert_eq!((head.connection, head.expects_continue), (Connection::Close, true));
        let headers = &head.headers;
        assert_eq!(
            (headers.header("HOST"), headers.header("x")),
            (Some(&b"peer:8001"[..]), Some(&b""[..]))
        );
    }

    #[test]
    fn part_of_a_head_waits_for_more() {
        for end in 0..WHOLE.len() {
            assert_eq!(length(&WHOLE.as_bytes()[..end]), Ok(None), "{end}");
        }
        assert_eq!(length(WHOLE.as_bytes()), Ok(Some(WHOLE.len() + 3)));
    }

    #[test]
    fn method_that_looks_like_a_field_is_none() {
        drive(b"Transfer-EncodinG : HTTP/1.0\r\n\r\n");
        drive(b"\r\nContent-Length : HTTP/1.1\r\nHost: x\r\n\r\n");
        drive(b"Content-Length: HTTP/1.1\r\nContent-Length: 3\r\nHost: x\r\n\r\n");
    }

    #[test]
    fn length_past_every_number_is_too_long_and_not_malformed() {
        for digits in ["1001", "18446744073709551616", &"9".repeat(300)] {
            let head = format!("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: {digits}\r\n\r\n");
            assert_eq!(length(head.as_bytes()).unwrap_err().0, 413, "{digits}");
        }
    }

    #[test]
    fn head_past_the_limit_is_refused_however_much_of_it_has_come() {
        let line = format!("GET /{}", "x".repeat(MAX_HEAD));
        let header = format!("GET / HTTP/1.1\r\nHost: {}", "x".repeat(MAX_HEAD));
        for end in [MAX_HEAD, MAX_HEAD + 1, line.len()] {
            assert_eq!(length(&line.as_bytes()[..end]).unwrap_err().0, 414);
            assert_eq!(length(&header.as_bytes()[..end]).unwrap_err().0, 431);
        }
        assert_eq!(length(format!("{header}\r\n\r\n").as_bytes()).unwrap_err().0, 431);
    }

    /// Bytes are changed, dropped and doubled at random.
    #[test]
    fn broken_heads_are_taken_or_refused_without_a_panic() {
        let seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut state = seed;
        let mut random = move |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % below as u64).unwrap()
        };
        for _ in 0..50_000 {
            let mut bytes = WHOLE.as_bytes().to_vec();
            for _ in 0..=random(4) {
                let at = random(bytes.len());
                match random(4) {
                    0 => drop(bytes.remove(at)),
                    1 => bytes.insert(at, b"\r\n :,0\0\xff"[random(8)]),
                    2 => bytes[at] = b"\r\n :,9\t\x80"[random(8)],
                    _ => bytes.extend_from_within(..at),
                }
            }
            drive(&bytes);
        }
    }
}
