//! [`Json`] and [`Postcard`]: codecs for all that serde knows.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::BoxError;
use crate::typed::codec::Codec;

/// Values as JSON, by `serde_json` (feature `serde`).
///
/// The bytes describe themselves: programs of other languages read them, and a type may get new
/// fields with `#[serde(default)]` while peers of the older version run. Other changes make
/// `decode` fail, and the value is loaded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

impl<V: Serialize + DeserializeOwned> Codec<V> for Json {
    fn encode(&self, value: &V) -> Result<Vec<u8>, BoxError> {
        Ok(serde_json::to_vec(value)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, BoxError> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

/// Values in the format of the crate `postcard` (feature `serde`): short, and quick to decode.
///
/// The bytes do not describe themselves. Of those of a type with other fields something wrong may
/// be made, so put a [version](crate::Versioned) before them. It needs the deserializer to know the
/// type: `#[serde(untagged)]` and `#[serde(flatten)]` do not work.
///
/// A type that contains itself is decoded with one call inside the other. How deep that goes is
/// said by the bytes, so take [`Json`] for such a type, which takes 128 levels, if you do not trust
/// all peers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Postcard;

impl<V: Serialize + DeserializeOwned> Codec<V> for Postcard {
    fn encode(&self, value: &V) -> Result<Vec<u8>, BoxError> {
        Ok(postcard::to_allocvec(value)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, BoxError> {
        let (value, rest) = postcard::take_from_bytes(bytes)?;
        if !rest.is_empty() {
            return Err(format!("{} bytes are left over", rest.len()).into());
        }
        Ok(value)
    }
}
