//! [`Tokens`]: the secret by which peers know each other.

use std::fmt;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::http::small_file;
use crate::repeats::Repeats;
use crate::sync::lock;

/// How often a file is looked at, while there are requests.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest token, in bytes.
const MAX_TOKEN_BYTES: usize = 512;
/// The longest file, in bytes.
const MAX_FILE_BYTES: u64 = 16 << 10;
const SCHEME: &[u8] = b"bearer ";

/// What stands before the token in a request.
const HEADER: &[u8] = b"Authorization: Bearer ";
/// The most bytes that a token adds to the head of a request.
pub(crate) const MAX_HEADER_BYTES: usize = HEADER.len() + MAX_TOKEN_BYTES + b"\r\n".len();

/// The token that requests carry, and those that are taken. Its `Debug` tells none of them.
pub(crate) struct Tokens {
    /// `None` where they are given once and for all.
    file: Option<PathBuf>,
    state: Mutex<TokenState>,
    /// What was logged before.
    repeats: Repeats,
}

struct TokenState {
    known: Arc<Known>,
    looked: Instant,
}

struct Known {
    /// The line that is added to requests.
    header: Vec<u8>,
    taken: Vec<Vec<u8>>,
}

impl Known {
    /// The first token is the one that is sent.
    fn new(tokens: Vec<Vec<u8>>) -> Result<Self, String> {
        let first = tokens.first().ok_or("it holds no token")?;
        for token in &tokens {
            validate(token)?;
        }
        Ok(Self { header: [HEADER, first, b"\r\n"].concat(), taken: tokens })
    }

    /// Those of a file: one in each line that is neither empty nor a comment.
    fn of_file(path: &Path) -> Result<Self, String> {
        let text = small_file::read_text(path, MAX_FILE_BYTES);
        Self::of_text(&text.map_err(|error| error.to_string())?)
    }

    fn of_text(text: &str) -> Result<Self, String> {
        if text.starts_with('\u{feff}') {
            return Err("it begins with a byte order mark, which is no part of a token".to_owned());
        }
        let lines = text.lines().map(str::trim);
        let tokens = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self::new(tokens.map(|token| token.as_bytes().to_vec()).collect())
    }
}

impl Tokens {
    /// Tokens that never change. The first one is sent, all are taken.
    ///
    /// The error says what is wrong with one of them, and not which.
    pub(crate) fn fixed(tokens: Vec<String>) -> Result<Self, String> {
        let known = Known::new(tokens.into_iter().map(String::into_bytes).collect())?;
        Ok(Self::with(None, known))
    }

    /// The tokens of a file, which is read again when it changes.
    pub(crate) fn file(path: PathBuf) -> Result<Self, String> {
        let known = Known::of_file(&path)?;
        Ok(Self::with(Some(path), known))
    }

    fn with(file: Option<PathBuf>, known: Known) -> Self {
        let (known, looked) = (Arc::new(known), Instant::now());
        let state = Mutex::new(TokenState { known, looked });
        Self { file, state, repeats: Repeats::default() }
    }

    /// Adds the token to a request whose first `length` bytes stand in `head`, after the first
    /// line, and tells how long it is then. `None` if that line has no end or there is no room for
    /// [`MAX_HEADER_BYTES`].
    pub(crate) fn add_to(&self, head: &mut [u8], length: usize) -> Option<usize> {
        let at = head[..length].iter().position(|&byte| byte == b'\n')? + 1;
        let known = self.known();
        let end = length + known.header.len();
        if end > head.len() {
            return None;
        }
        head.copy_within(at..length, at + known.header.len());
        head[at..at + known.header.len()].copy_from_slice(&known.header);
        Some(end)
    }

    /// Whether a request with this `Authorization` comes from somebody who knows a token. How long
    /// that takes tells nothing about the tokens.
    pub(crate) fn admits(&self, authorization: Option<&[u8]>) -> bool {
        let shown = authorization.and_then(|value| {
            let (scheme, token) = value.split_at_checked(SCHEME.len())?;
            scheme.eq_ignore_ascii_case(SCHEME).then_some(token.trim_ascii())
        });
        let Some(shown) = shown else { return false };
        let known = self.known();
        let same = |found: bool, token: &Vec<u8>| is_same(shown, token) | found;
        known.taken.iter().fold(false, same)
    }

    /// What is known by now. The file is read by one of the callers, about once a second.
    fn known(&self) -> Arc<Known> {
        let mut state = lock(&self.state);
        let is_due = |_: &&PathBuf| state.looked.elapsed() >= LOOK_EVERY;
        let Some(path) = self.file.as_ref().filter(is_due) else {
            return Arc::clone(&state.known);
        };
        state.looked = Instant::now();
        drop(state);
        let read = match Known::of_file(path) {
            Ok(read) => Arc::new(read),
            Err(error) => {
                if let Some(again) = self.repeats.due("the file can't be taken") {
                    log::warn!("keeping the old tokens: {path:?} can't be taken: {error}{again}");
                }
                return Arc::clone(&lock(&self.state).known);
            }
        };
        let mut state = lock(&self.state);
        if read.taken == state.known.taken {
            return Arc::clone(&state.known);
        }
        state.known = Arc::clone(&read);
        drop(state);
        log::info!("the tokens in {path:?} have changed");
        read
    }

    /// Has the next call look at the file.
    #[cfg(test)]
    pub(crate) fn look_now(&self) {
        let mut state = lock(&self.state);
        state.looked = state.looked.checked_sub(LOOK_EVERY).expect("the clock began long ago");
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("file", &self.file).finish_non_exhaustive()
    }
}

/// What a token may hold: what stands in a header as it is (the `b64token` of RFC 6750).
fn validate(token: &[u8]) -> Result<(), String> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
    if token.is_empty() {
        return Err("a token is empty".to_owned());
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(format!("a token is longer than {MAX_TOKEN_BYTES} bytes"));
    }
    if !token.iter().all(plain) {
        return Err("a token may hold letters, digits and -._~+/= only".to_owned());
    }
    Ok(())
}

/// Whether two texts are the same, in a time that depends on the length of `shown` alone.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let mut differs = usize::from(shown.len() != token.len());
    // A token is not empty.
    for (byte, other) in shown.iter().zip(token.iter().cycle()) {
        differs |= usize::from(byte ^ other);
    }
    black_box(differs) == 0
}

#[cfg(any(test, feature = "unstable-bench"))]
pub(super) mod fuzz;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::http::testing::with_changed;

    fn tokens(all: &[&str]) -> Result<Tokens, String> {
        Tokens::fixed(all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn who_shows_one_of_the_tokens_is_admitted_and_nobody_else() {
        let tokens = tokens(&["new-secret", "old-secret"]).unwrap();
        let mut head = b"GET / HTTP/1.1\r\na: b\r\n\r\nbody".to_vec();
        let length = head.len();
        assert_eq!(tokens.add_to(&mut head, length), None, "there is no room");
        head.resize(length + MAX_HEADER_BYTES, 0);
        assert_eq!(tokens.add_to(&mut head, 7), None, "the first line has no end");
        let length = tokens.add_to(&mut head, length).unwrap();
        let whole = b"GET / HTTP/1.1\r\nAuthorization: Bearer new-secret\r\na: b\r\n\r\nbody";
        assert_eq!(&head[..length], whole);
        for good in ["Bearer new-secret", "bearer old-secret", "BEARER  new-secret "] {
            assert!(tokens.admits(Some(good.as_bytes())), "{good}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "new-secret",
            "Basic new-secret",
            "Bearer new-secre",
            "Bearer new-secrets",
            "Bearer new-secretnew-secret",
            "Bearer New-secret",
            "Bearer new-secret old-secret",
            "Bearer \u{0}",
        ] {
            assert!(!tokens.admits(Some(bad.as_bytes())), "{bad:?}");
        }
        assert!(!tokens.admits(Some(b"Bearer \xff\xfe")));
        assert!(!tokens.admits(None));
    }

    #[test]
    fn tokens_that_no_header_can_carry_are_refused_without_being_told() {
        for bad in ["", "two words", "line\nbreak", "é", &"x".repeat(513)] {
            let error = tokens(&["fine", bad]).unwrap_err();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
        assert!(tokens(&[]).is_err());
        assert!(tokens(&[&"x".repeat(512)]).is_ok());
    }

    #[test]
    fn nothing_that_is_shown_of_tokens_holds_one() {
        let tokens = tokens(&["hush"]).unwrap();
        assert!(!format!("{tokens:?}").contains("hush"));
    }

    #[test]
    fn a_file_is_read_again_when_it_changes_and_kept_when_it_is_broken() {
        let name = format!("geecache-tokens-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        assert!(Tokens::file(path.clone()).is_err(), "there is no such file");
        fs::write(&path, "# for the cache\n\nold\n").unwrap();
        let tokens = Tokens::file(path.clone()).unwrap();
        let admits = |token: &str| {
            tokens.look_now();
            tokens.admits(Some(format!("Bearer {token}").as_bytes()))
        };
        assert!(admits("old") && !admits("new"));
        fs::write(&path, "new-token\nold\n").unwrap();
        assert!(admits("new-token") && admits("old"));
        assert_eq!(tokens.known().header, b"Authorization: Bearer new-token\r\n");
        for broken in ["", "# nothing but a comment\n", "two words on one line\n"] {
            fs::write(&path, broken).unwrap();
            assert!(admits("new-token"), "{broken:?}");
        }
        fs::write(&path, "x".repeat(20_000)).unwrap();
        assert!(admits("new-token"));
        fs::remove_file(&path).unwrap();
        assert!(admits("new-token") && admits("old"));
        fs::write(&path, "the-last-one\n").unwrap();
        assert!(admits("the-last-one") && !admits("old"));
        fs::remove_file(&path).unwrap();
    }

    /// What a fuzzer found worth keeping, and the same with bytes changed at random.
    #[test]
    fn a_byte_order_mark_is_named() {
        for text in ["\u{feff}secret\n", "\u{feff}# all\nsecret\n"] {
            let refused = Known::of_text(text).err().unwrap();
            assert!(refused.contains("byte order mark"), "{refused}");
        }
    }

    #[test]
    fn any_file_and_any_header_admit_those_alone_who_know_a_token() {
        const SEEDS: &[&[u8]] = &[
            b"new\nold\n\0Bearer old",
            b"# two\r\nnew\r\n\r\n old \r\n\0bEARER \t new\t",
            b"ab\n\0Bearer abab",
            b"a\n\0Bearer aa",
            b"ab\n\0Bearer ab\0",
            b"ab\n\0Bearer",
            b"\xef\xbb\xbfab\n\0Bearer ab",
            b"a\rb\n\0Bearer a",
            b"\xc2\xa0ab\n\0Bearer \xc2\xa0ab",
            b"=\n\0Bearer =",
            b"vbearer  \0bearer \nvbearer  ",
            b"/\0bearer \x0e",
            b"a\0\r\r\rz\n=\n\x0c",
        ];
        for seed in SEEDS {
            fuzz::drive(seed);
        }
        with_changed(20_000, SEEDS, b"\r\n\0 #ab=B\xff", fuzz::drive);
    }
}
