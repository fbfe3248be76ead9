//! The codecs of the feature `serde`.

use std::io;

use geecache::{Codec, Error, Group, Json, Postcard, TypedGroup, Versioned};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    age: u8,
}

/// The same type in a later version of the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NewUser {
    name: String,
    age: u8,
    #[serde(default)]
    country: String,
}

fn tom() -> User {
    User { name: "Tom".into(), age: 41 }
}

/// A group of that codec.
fn users<C: Codec<User>>(codec: C) -> TypedGroup<u64, User> {
    let load = |id: u64| Ok::<_, io::Error>((id == 7).then(tom));
    TypedGroup::new("users", 1 << 20, codec, load)
}

#[test]
fn values_go_through_each_format() {
    for group in [users(Json), users(Postcard), users(Versioned::new(3, Postcard))] {
        for _ in 0..2 {
            assert_eq!(*group.get(&7).unwrap(), tom());
        }
        assert!(matches!(group.get(&8), Err(Error::NotFound { .. })));
        let other = User { age: 42, ..tom() };
        group.insert(&8, other.clone()).unwrap();
        assert_eq!(*group.get(&8).unwrap(), other);
    }
    assert_eq!(users(Json).group().get("7").unwrap(), r#"{"name":"Tom","age":41}"#);
    assert_eq!(users(Postcard).group().get("7").unwrap(), b"\x03Tom\x29");
}

/// What a program with values of type `New` makes of the bytes of `tom`.
fn read_as<New: DeserializeOwned + Serialize>(codec: impl Codec<User> + Codec<New>) -> Option<New> {
    let bytes = codec.encode(&tom()).unwrap();
    codec.decode(&bytes).ok()
}

#[test]
fn json_takes_a_new_field_that_has_a_default_and_postcard_refuses() {
    let expected = NewUser { name: "Tom".into(), age: 41, country: String::new() };
    assert_eq!(read_as::<NewUser>(Json), Some(expected));
    assert_eq!(read_as::<NewUser>(Postcard), None, "too short");
    assert_eq!(read_as::<(String,)>(Postcard), None, "something is left over");
    assert_eq!(read_as::<(String, i8)>(Postcard), Some(("Tom".into(), 41)), "that is no User");
}

#[test]
fn bytes_that_are_no_value_are_an_error_in_every_format() {
    fn is_refused(codec: impl Codec<User>) {
        let whole = codec.encode(&tom()).unwrap();
        for len in 0..whole.len() {
            assert!(codec.decode(&whole[..len]).is_err(), "{len} of {whole:?}");
        }
        assert!(codec.decode(&[&whole[..], b"x"].concat()).is_err());
        assert!(codec.decode(&[0xff; 64]).is_err());
    }
    is_refused(Json);
    is_refused(Postcard);
    is_refused(Versioned::new(7, Postcard));
}

#[test]
fn a_value_that_the_format_does_not_know_is_an_encode_error() {
    use std::collections::BTreeMap;

    let load = |_: String| Ok::<_, io::Error>(BTreeMap::from([(vec![1], 2)]));
    let group: TypedGroup<str, BTreeMap<Vec<u8>, u8>> =
        TypedGroup::new("maps", 1 << 20, Json, load);
    let error = group.get("Tom").unwrap_err();
    assert!(matches!(&error, Error::Encode { .. }), "{error:?}");
    assert!(error.to_string().ends_with("key must be a string"), "{error}");
}

#[test]
fn what_another_program_wrote_as_json_is_read() {
    let raw = |_: &str| Ok::<_, io::Error>(r#" {"age": 41, "name": "Tom", "more": [1]} "#);
    let group: TypedGroup<u64, User> = TypedGroup::over(Group::new("users", 1 << 20, raw), Json);
    assert_eq!(*group.get(&7).unwrap(), tom());
}
