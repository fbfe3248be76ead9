//! Any bytes as a message: for the unit tests and for the fuzz target.

use crate::http::protobuf::{GetResponse, decode, encode};

/// Reads a message and looks at all that was found: the value lies within the message, and both
/// come back from a message of ours.
pub(in crate::http) fn drive(message: &[u8]) -> Option<GetResponse> {
    let response = decode(message).ok()?;
    let value = message.get(response.value.clone());
    assert!(value.is_some(), "{message:02x?} gives {response:?}");
    let value = value.unwrap_or_default();
    let again = encode(value, response.expire);
    let read = decode(&again);
    assert_eq!(read.as_ref().map(|read| read.expire), Ok(response.expire));
    assert_eq!(read.map(|read| again[read.value] == *value), Ok(true));
    Some(response)
}
