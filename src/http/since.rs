//! What is told of changes, as a frame: a mark, and the keys behind it.

use std::iter;

use crate::change::ChangesSince;
use crate::http::frame::{self, MalformedFrame, Operation};
use crate::http::note;

/// Stands before a mark behind which all keys may be changed.
const UNKNOWN: char = '?';
const NO_MARK: MalformedFrame = MalformedFrame::new("it has no mark");

/// The answer to a frame whose only key is a mark.
pub(crate) fn encode(told: &ChangesSince) -> Vec<u8> {
    if let ChangesSince::Keys { keys, mark } = told {
        let mark = note::mark_text(*mark);
        let parts: Vec<&str> = iter::once(&*mark).chain(keys.iter().map(String::as_str)).collect();
        let is_short = keys.iter().all(|key| key.len() <= frame::MAX_KEY_BYTES);
        if is_short && frame::fitting(&parts) == parts.len() {
            return frame::encode_request(Operation::Changes, &parts);
        }
    }
    let (ChangesSince::Keys { mark, .. } | ChangesSince::Unknown { mark }) = told;
    let unknown = format!("{UNKNOWN}{}", note::mark_text(*mark));
    frame::encode_request(Operation::Changes, &[&unknown])
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(body: &[u8]) -> Result<ChangesSince, MalformedFrame> {
    let (operation, parts) = frame::decode_request(body)?;
    let (first, keys) = parts.split_first().ok_or(NO_MARK)?;
    if operation != Operation::Changes {
        return Err(NO_MARK);
    }
    let unknown = first.strip_prefix(UNKNOWN);
    let mark = note::mark(unknown.unwrap_or(first).as_bytes()).ok_or(NO_MARK)?;
    if unknown.is_some() {
        return Ok(ChangesSince::Unknown { mark });
    }
    let keys = keys.iter().map(|&key| key.to_owned()).collect();
    Ok(ChangesSince::Keys { keys, mark })
}

/// Any bytes as an answer: for the unit tests and for the fuzz target.
#[cfg(any(test, feature = "unstable-bench"))]
pub(crate) fn drive(bytes: &[u8]) {
    if let Ok(told) = decode(bytes) {
        assert_eq!(decode(&encode(&told)), Ok(told));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::ChangeMark;
    use crate::testing::with_seeds;

    const MARK: ChangeMark = ChangeMark::new(0xabc, 7);
    const TEXT: &str = "0000000000000abc.7";

    fn keys(keys: &[&str]) -> ChangesSince {
        let keys = keys.iter().map(|&key| key.to_owned()).collect();
        ChangesSince::Keys { keys, mark: MARK }
    }

    #[test]
    fn an_answer_without_a_mark_is_none() {
        let frame = |parts: &[&str]| frame::encode_request(Operation::Changes, parts);
        assert_eq!(decode(&frame(&[TEXT, "a", "b"])), Ok(keys(&["a", "b"])));
        assert_eq!(decode(&frame(&[TEXT])), Ok(keys(&[])));
        let unknown = Ok(ChangesSince::Unknown { mark: MARK });
        assert_eq!(decode(&frame(&["?0000000000000abc.7"])), unknown);
        for bad in ["", "?", "0000000000000abc", "0000000000000abc.", "x", "??0000000000000abc.7"] {
            assert_eq!(decode(&frame(&[bad, "a"])), Err(NO_MARK), "{bad:?}");
        }
        assert_eq!(decode(&frame::encode_request(Operation::Remove, &[TEXT])), Err(NO_MARK));
        assert!(decode(b"").is_err());
    }

    #[test]
    fn what_does_not_fit_is_not_known() {
        let long = "k".repeat(frame::MAX_KEY_BYTES);
        let longer = "k".repeat(frame::MAX_KEY_BYTES + 1);
        let unknown = Ok(ChangesSince::Unknown { mark: MARK });
        assert_eq!(decode(&encode(&keys(&[&*long; 10]))), Ok(keys(&[&*long; 10])));
        assert_eq!(decode(&encode(&keys(&[&*long; 17]))), unknown);
        assert_eq!(decode(&encode(&keys(&[&longer]))), unknown);
        assert_eq!(decode(&encode(&keys(&["k"; frame::MAX_KEYS]))), unknown);
    }

    #[test]
    fn any_bytes_are_an_answer_that_comes_back_or_none() {
        let whole =
            [encode(&keys(&["a", "bc", ""])), encode(&ChangesSince::Unknown { mark: MARK })];
        with_seeds(5_000, |random| {
            let mut bytes = whole[random.below(2) as usize].clone();
            for _ in 0..random.below(3) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] = random.below(256) as u8;
            }
            bytes.truncate(bytes.len() - random.below(3) as usize);
            drive(&bytes);
        });
    }
}
