//! Any bytes as a token file and a header: for the unit tests and for the fuzz target.

use crate::http::token::*;

/// What stands before the first NUL is a file, what follows it is the value of `Authorization`.
///
/// Those who show one of the tokens are admitted, and nobody else.
pub(crate) fn drive(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let (file, header) = (parts.next().unwrap_or_default(), parts.next());
    let Ok(text) = std::str::from_utf8(file) else { return };
    let Ok(known) = Known::of_text(text) else { return };
    let all = known.taken.clone();
    let tokens = Tokens::with(None, known);
    for token in &all {
        assert!(text.lines().any(|line| line.trim().as_bytes() == token), "{token:?}");
        assert!(tokens.admits(Some(&[b"Bearer ", &token[..]].concat())), "{token:?}");
        let longer = [b"Bearer ", &token[..], &token[..]].concat();
        let is_another = all.contains(&[&token[..], &token[..]].concat());
        assert_eq!(tokens.admits(Some(&longer)), is_another, "{token:?} twice");
    }
    let mut head = b"GET /\r\n\r\n".to_vec();
    let length = head.len();
    head.resize(length + MAX_HEADER_BYTES, 0);
    let length = tokens.add_to(&mut head, length).expect("there is room");
    let whole = [b"GET /\r\nAuthorization: Bearer ", &all[0][..], b"\r\n\r\n"].concat();
    assert_eq!(head[..length], whole);
    assert_eq!(tokens.admits(header), header.is_some_and(|value| shows_one(value, &all)));
}

/// What [`Tokens::admits`] says, without its care for the time that it takes.
fn shows_one(value: &[u8], tokens: &[Vec<u8>]) -> bool {
    let (scheme, token) = value.split_at(value.len().min(SCHEME.len()));
    let token = token.trim_ascii();
    scheme.to_ascii_lowercase() == SCHEME && tokens.iter().any(|known| known == token)
}
