//! Any bytes as a message: for the unit tests and for the fuzz target.

use crate::http::protobuf::{
    GetResponse, SetRequest, decode_response, decode_set, encode_response, encode_set,
};

/// Reads a message as an answer, and as a request that sets a value.
pub(in crate::http) fn drive(message: &[u8]) {
    drive_response(message);
    drive_set(message);
}

/// Reads an answer and looks at all that was found: the value lies within the message, and both
/// come back from a message of ours.
pub(super) fn drive_response(message: &[u8]) -> Option<GetResponse> {
    let response = decode_response(message).ok()?;
    let value = message.get(response.value.clone());
    assert!(value.is_some(), "{message:02x?} gives {response:?}");
    let value = value.unwrap_or_default();
    let again = encode_response(value, Some(response.expire));
    let read = decode_response(&again);
    assert_eq!(read.as_ref().map(|read| read.expire), Ok(response.expire));
    assert_eq!(read.map(|read| again[read.value] == *value), Ok(true));
    Some(response)
}

/// Reads a request and looks at all that was found: the value lies within the message, and all of
/// it comes back from a message of ours.
pub(super) fn drive_set(message: &[u8]) -> Option<SetRequest<'_>> {
    let set = decode_set(message).ok()?;
    let value = message.get(set.value.clone());
    assert!(value.is_some(), "{message:02x?} gives {set:?}");
    let value = value.unwrap_or_default();
    let again = encode_set(set.group, set.key, value, set.expire);
    let read = decode_set(&again);
    let names = read.as_ref().map(|read| (read.group, read.key, read.expire));
    assert_eq!(names, Ok((set.group, set.key, set.expire)));
    assert_eq!(read.map(|read| again[read.value] == *value), Ok(true));
    Some(set)
}
