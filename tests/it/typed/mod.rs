//! Groups whose keys and values have types.

mod decoded;
#[cfg(feature = "serde")]
mod formats;
mod keys;
mod refreshed;
mod values;
mod versions;

use std::sync::Arc;

use geecache::{BoxError, Codec, Group, TypedGroup, Versioned};

use crate::support::{CountingGetter, value_of};

/// Text as its bytes, but no text that has "impossible" in it.
#[derive(Clone, Copy)]
struct Text;

impl Codec<String> for Text {
    fn encode(&self, value: &String) -> Result<Vec<u8>, BoxError> {
        if value.contains("impossible") {
            return Err("no such text can be written".into());
        }
        Ok(value.clone().into())
    }

    fn decode(&self, bytes: &[u8]) -> Result<String, BoxError> {
        assert!(bytes != b"panic", "a value that makes the codec panic");
        Ok(std::str::from_utf8(bytes)?.to_owned())
    }
}

/// Groups with text for keys and values.
type Texts = TypedGroup<str, String>;

/// A group over a source that counts; the values are those of [`value_of`].
fn counted() -> (Texts, CountingGetter) {
    let getter = CountingGetter::new();
    (TypedGroup::over(Group::new("texts", 1 << 20, getter.clone()), Text), getter)
}

/// A source whose values are those of [`value_of`], written by a program of this version.
fn source_of(version: u32) -> CountingGetter {
    CountingGetter::with(move |key| {
        Ok(Versioned::new(version, Text).encode(&value_of(key))?.into())
    })
}

/// What a program of this version makes of a group.
fn texts_of(version: u32, group: &Group) -> Texts {
    TypedGroup::over(group.clone(), Versioned::new(version, Text))
}

/// Bytes that no codec of these tests takes.
const RUBBISH: &[u8] = b"\xff\xfe";

#[track_caller]
fn assert_same(a: &Arc<String>, b: &Arc<String>) {
    assert!(Arc::ptr_eq(a, b), "{a:?} was decoded twice");
}
