//! [`Traceparent`]: which trace a request belongs to, in the words of W3C; and which one the
//! current thread works for.

use std::cell::Cell;

thread_local! {
    static CURRENT: Cell<Option<Traceparent>> = const { Cell::new(None) };
}

/// The length of `version-traceid-parentid-flags`.
const LENGTH: usize = 55;

/// A valid one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traceparent([u8; LENGTH]);

impl Traceparent {
    pub(crate) const HEADER: &str = "traceparent";

    /// As [Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header) has it. A later
    /// version than 00 may be longer there; here it may not. `None` for anything else.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let bytes: [u8; LENGTH] = text.try_into().ok()?;
        let is_hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_zero = |part: &[u8]| part.iter().all(|&b| b == b'0');
        let (version, trace) = (&bytes[..2], &bytes[3..35]);
        let (parent, flags) = (&bytes[36..52], &bytes[53..]);
        let has_dashes = [2, 35, 52].into_iter().all(|at| bytes[at] == b'-');
        let is_valid = has_dashes
            && [version, trace, parent, flags].into_iter().all(is_hex)
            && version != b"ff"
            && !is_zero(trace)
            && !is_zero(parent);
        is_valid.then_some(Self(bytes))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// That of the current thread.
    pub(super) fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// Makes `traceparent` that of the current thread, until the end of what is returned.
    pub(super) fn enter(traceparent: Option<Self>) -> CurrentTraceparent {
        CurrentTraceparent { before: CURRENT.replace(traceparent) }
    }
}

/// The drop gives the thread back the one that it had before.
pub(super) struct CurrentTraceparent {
    before: Option<Traceparent>,
}

impl Drop for CurrentTraceparent {
    fn drop(&mut self) {
        CURRENT.set(self.before);
    }
}

/// The `traceparent` of the work that the current thread does: of the peer's request that it
/// answers, or of [`with_traceparent`]. For getters, which so know for whom they load (feature
/// `tracing`).
///
/// It is handed along to the threads of a group that run the getter for callers with a time limit.
/// A load that several callers wait for has that of the first one. A refresh has none.
#[must_use]
pub fn traceparent() -> Option<String> {
    Traceparent::current().map(|current| current.as_str().to_owned())
}

/// Runs `work` with `text` as the [`traceparent`] of the current thread, and so of the requests to
/// peers that it makes (feature `tracing`).
///
/// It is for transports, which do so while they answer a request that had the header; and for
/// programs that know the trace of a call, and have no framework that keeps it. A `text` that is
/// not valid counts as none.
///
/// ```
/// # #[cfg(feature = "tracing")] {
/// let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let seen = geecache::with_traceparent(text, geecache::traceparent);
/// assert_eq!(seen.as_deref(), Some(text));
/// assert_eq!(geecache::traceparent(), None);
/// # }
/// ```
pub fn with_traceparent<R>(text: &str, work: impl FnOnce() -> R) -> R {
    let _current = Traceparent::enter(Traceparent::parse(text.as_bytes()));
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn what_is_valid_is_kept_as_it_is() {
        for valid in [VALID, &VALID.replace("00-4", "01-4"), &VALID.replace("-01", "-ff")] {
            assert_eq!(Traceparent::parse(valid.as_bytes()).unwrap().as_str(), valid);
        }
    }

    #[test]
    fn what_is_not_valid_is_none() {
        let wrong = [
            String::new(),
            VALID[1..].to_owned(),
            format!("{VALID}0"),
            format!("{VALID}-00"),
            format!("{} ", &VALID[..54]),
            VALID.to_uppercase(),
            VALID.replace('-', "_"),
            VALID.replace("00-4", "ff-4"),
            VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            VALID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            VALID.replace("-01", "-0g"),
            VALID.replace("-01", "\r\n1"),
            VALID.replace("b7-01", "é-01"),
        ];
        for wrong in wrong {
            assert_eq!(Traceparent::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
        assert_eq!(Traceparent::parse(&[0xff; LENGTH]), None);
    }

    #[test]
    fn each_thread_has_its_own_and_gets_back_what_it_had() {
        let inner = VALID.replace("-01", "-00");
        with_traceparent(VALID, || {
            let seen = with_traceparent(&inner, traceparent);
            assert_eq!(seen.as_deref(), Some(&*inner));
            assert_eq!(with_traceparent("garbage", traceparent), None);
            assert_eq!(std::thread::spawn(traceparent).join().unwrap(), None);
            let panicked = std::panic::catch_unwind(|| with_traceparent(&inner, || panic!("here")));
            assert!(panicked.is_err());
            assert_eq!(traceparent().as_deref(), Some(VALID));
        });
        assert_eq!(traceparent(), None);
    }
}
