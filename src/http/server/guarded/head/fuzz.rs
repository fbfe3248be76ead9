//! Any bytes as the head of a request: for the unit tests and for the fuzz target.

use crate::http::server::guarded::head::{MAX_HEADERS, NO_HEADER, parse};

pub(super) const MAX_HEAD: usize = 512;
const MAX_BODY: usize = 1000;

/// Reads `bytes` as a head, and checks that it is a sound one if it was taken, however the bytes
/// were cut on their way.
pub(crate) fn drive(bytes: &[u8]) {
    let mut headers = [NO_HEADER; MAX_HEADERS];
    let Ok(Some(head)) = parse(bytes, &mut headers, MAX_HEAD, MAX_BODY) else { return };
    assert!(head.len <= bytes.len().min(MAX_HEAD) && head.body_len <= MAX_BODY, "{head:?}");
    assert!(!head.target.is_empty() && head.target.bytes().all(|byte| byte.is_ascii_graphic()));

    // The lines, read in the plainest way: nothing may decide the length but one number.
    let lines: Vec<&[u8]> = bytes[..head.len].split(|&byte| byte == b'\n').collect();
    assert!(lines.iter().all(|line| line.is_empty() || line.ends_with(b"\r")), "{head:?}");
    // What looks like a field may be the first line: `Name : HTTP/1.1`.
    let is_blank = |line: &&&[u8]| line.trim_ascii().is_empty();
    let values = |name: &str| -> Vec<&[u8]> {
        let fields = lines.iter().skip_while(is_blank).skip(1).filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((line[..colon].trim_ascii(), line[colon + 1..].trim_ascii()))
        });
        fields
            .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
            .collect()
    };
    assert!(values("transfer-encoding").is_empty(), "{head:?}");
    let told = match values("content-length")[..] {
        [] => Some(0),
        [length] => std::str::from_utf8(length).ok().and_then(|digits| digits.parse().ok()),
        _ => None,
    };
    assert_eq!(told, Some(head.body_len), "{head:?}");

    for end in 0..head.len {
        let mut headers = [NO_HEADER; MAX_HEADERS];
        let part = parse(&bytes[..end], &mut headers, MAX_HEAD, MAX_BODY);
        assert!(matches!(part, Ok(None)), "{end} bytes of {head:?} give {part:?}");
    }
}
