//! Any bytes as a request to remove keys: for the unit tests and for the fuzz target.

use crate::http::remove_keys::{RemoveKeys, write};

/// Reads a request; what was read is the same when it is written and read again.
pub(in crate::http) fn drive(text: &[u8]) -> Option<(Option<String>, Vec<String>)> {
    let request = RemoveKeys::read(text).ok()?;
    let keys: Vec<String> = request.keys().collect();
    let group = request.group.clone().unwrap_or_default();
    let again = write(&group, &keys.iter().map(String::as_str).collect::<Vec<_>>());
    let read = RemoveKeys::read(again.as_bytes());
    assert_eq!(read.as_ref().map(|read| read.keys().eq(keys.iter().cloned())), Ok(true), "{again}");
    assert_eq!(read.map(|read| read.group), Ok(Some(group)), "{again}");
    Some((request.group, keys))
}
