//! Any bytes as the header of a request or an answer: for the unit tests and for the fuzz target.

use crate::http::note::*;

/// Reads `bytes` as a note. What is read must be the same once more when it is written and read.
pub(crate) fn drive(bytes: &[u8]) {
    let Ok(note) = Note::read(bytes) else { return };
    let text = note.text();
    assert!(text.iter().all(|byte| (b' '..=b'~').contains(byte)), "{note:?}");
    assert_eq!(Note::read(&text), Ok(note), "{:?}", String::from_utf8_lossy(bytes));
}
