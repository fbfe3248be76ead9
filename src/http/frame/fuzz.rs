//! Any bytes as a frame: for the unit tests and for the fuzz target.

use crate::byteview::ByteView;
use crate::http::frame::answers::{ANSWER_HEAD_BYTES, MAX_MESSAGE_BYTES};
use crate::http::frame::*;

impl<'a> From<&'a KeyAnswer> for AnswerRef<'a> {
    fn from(answer: &'a KeyAnswer) -> Self {
        match answer {
            KeyAnswer::Loaded(loaded) => Self::Loaded(loaded),
            KeyAnswer::Failed(kind, message) => Self::Failed(*kind, message.into()),
            KeyAnswer::NotCached => Self::NotCached,
            KeyAnswer::Left => Self::Left,
        }
    }
}

/// What a peer answers.
pub(crate) fn encoded(answers: &[KeyAnswer], max_bytes: usize) -> Vec<u8> {
    encode_answers(answers.iter().map(AnswerRef::from), max_bytes)
}

/// Reads any bytes as a frame of either kind, and checks what comes of it.
pub(crate) fn drive(bytes: &[u8]) {
    if let Ok((operation, keys)) = decode_request(bytes) {
        assert!((1..=MAX_KEYS).contains(&keys.len()));
        assert_eq!(encode_request(operation, &keys), bytes, "a request has one form only");
    }
    if let Ok(request) = handed::decode_request(bytes) {
        assert_eq!(handed::encode_request(request), bytes, "a request has one form only");
    }
    let frame = ByteView::from(bytes);
    if let Ok(part) = handed::decode_part(&frame) {
        let again = ByteView::from(handed::encode_part(&part));
        assert_eq!(handed::decode_part(&again), Ok(part));
    }
    let told = bytes
        .get(2..6)
        .map_or(0, |count| u32::from_be_bytes([count[0], count[1], count[2], count[3]]) as usize);
    for count in [told, 1, MAX_KEYS] {
        if let Ok(answers) = decode_answers(&frame, count) {
            assert_eq!(answers.len(), count);
            let bytes: usize = answers.iter().map(bytes_of).sum();
            assert!(bytes + HEAD_BYTES + count * ANSWER_HEAD_BYTES <= frame.len());
            if answers.iter().all(|answer| !is_cut(answer)) {
                let again = ByteView::from(encoded(&answers, usize::MAX));
                assert_eq!(decode_answers(&again, count).as_ref(), Ok(&answers));
            }
        }
    }
}

pub(super) fn bytes_of(answer: &KeyAnswer) -> usize {
    match answer {
        KeyAnswer::Loaded(loaded) => loaded.value().map_or(0, |value| value.len()),
        // What was not UTF-8 is longer in its replacement.
        KeyAnswer::Failed(..) | KeyAnswer::NotCached | KeyAnswer::Left => 0,
    }
}

/// Whether a message is longer than what is sent; it grows where it was not UTF-8.
fn is_cut(answer: &KeyAnswer) -> bool {
    matches!(answer, KeyAnswer::Failed(_, message) if message.len() > MAX_MESSAGE_BYTES)
}
