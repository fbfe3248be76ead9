//! Keys with types, and what peers ask for.

use std::io;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use geecache::{BoxError, CacheKey, Codec, Error, KeyText, TypedGetter, TypedGroup, TypedLoaded};

use super::Text;

/// A group that counts, and whose values are the keys as the getter gets them.
fn numbers() -> (TypedGroup<u64, String>, Arc<AtomicUsize>) {
    let loads = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&loads);
    let load = move |n: u64| {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok::<_, io::Error>(format!("number {n}"))
    };
    (TypedGroup::new("numbers", 1 << 20, Text, load), loads)
}

#[test]
fn peers_ask_for_the_text_of_a_key() {
    let (group, loads) = numbers();
    let served = group.group().peer_side().get("7").unwrap();
    assert_eq!(*served.value().unwrap(), "number 7");
    assert_eq!(*group.get(&7).unwrap(), "number 7");
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[test]
fn a_text_that_is_no_key_is_an_error_and_no_absence_and_its_neighbours_are_loaded() {
    let (group, loads) = numbers();
    for text in ["seven", "07", "7 "] {
        let answer = group.group().get(text);
        let Err(Error::Load { source, .. }) = &answer else { panic!("{answer:?}") };
        let expected = "the key is not of the type that the group's keys have";
        assert_eq!(source.to_string(), expected);
    }
    assert_eq!(loads.load(Ordering::SeqCst), 0);
    let answers = group.group().get_many(["7", "seven", "8"]);
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn a_key_of_several_parts_may_hold_strings_that_live_for_a_moment() {
    let load = |(name, n): (String, u8)| Ok::<_, io::Error>(format!("{name} {n}"));
    let group: TypedGroup<(&'static str, u8), String> =
        TypedGroup::new("pairs", 1 << 20, Text, load);
    let name = String::from("a:b");
    assert_eq!(*group.get(&(name.as_str(), 7)).unwrap(), "a:b 7");
    let short_lived: &TypedGroup<(&str, u8), String> = &group;
    assert_eq!(short_lived.get_many([(&*name, 7)]).len(), 1);
    assert_eq!(group.group().main_cache_stats().entries, 1);
}

#[test]
fn a_program_may_have_keys_of_its_own() {
    struct Sku(u32);

    impl CacheKey for Sku {
        type Owned = Self;

        fn write_text(&self, text: &mut KeyText) {
            text.push_str("sku-");
            self.0.write_text(text);
        }

        fn parse_text(text: &str) -> Option<Self> {
            text.strip_prefix("sku-")?.parse().ok().map(Self)
        }
    }

    let load = |sku: Sku| Ok::<_, io::Error>(format!("article {}", sku.0));
    let group: TypedGroup<Sku, String> = TypedGroup::new("articles", 1 << 20, Text, load);
    assert_eq!(*group.get(&Sku(7)).unwrap(), "article 7");
    assert!(group.group().peek("sku-7").is_some());
}

#[test]
fn texts_that_are_no_keys_and_values_that_have_no_bytes_are_no_failures_of_the_source() {
    struct Picky;
    impl Codec<String> for Picky {
        fn encode(&self, value: &String) -> Result<Vec<u8>, BoxError> {
            if value == "13" { Err("no bytes".into()) } else { Ok(value.clone().into_bytes()) }
        }

        fn decode(&self, bytes: &[u8]) -> Result<String, BoxError> {
            Ok(String::from_utf8(bytes.to_vec())?)
        }
    }
    let load = |n: u64| Ok::<_, io::Error>(n.to_string());
    let group: TypedGroup<u64, String> = TypedGroup::builder("picky", 1 << 20, Picky, load)
        .group(|group| group.source_breaker(NonZeroU32::MIN, Duration::from_secs(3600)))
        .build();
    assert!(group.group().get("x").is_err());
    assert!(group.group().get_many(["y", "z"]).iter().all(Result::is_err));
    assert!(matches!(group.get(&13), Err(Error::Encode { .. })));
    assert_eq!(*group.get(&7).unwrap(), "7");
}

#[test]
fn a_getter_is_not_asked_for_no_keys() {
    struct Rows;
    impl TypedGetter<u64, String> for Rows {
        fn get(&self, key: u64) -> Result<TypedLoaded<String>, BoxError> {
            Ok(key.to_string().into())
        }

        fn get_many(&self, keys: Vec<u64>) -> Vec<Result<TypedLoaded<String>, BoxError>> {
            assert!(!keys.is_empty(), "a query of no keys");
            keys.into_iter().map(|key| self.get(key)).collect()
        }
    }
    let group: TypedGroup<u64, String> = TypedGroup::new("rows", 1 << 20, Text, Rows);
    for answer in group.group().get_many(["x", "y"]) {
        let Err(Error::Load { source, .. }) = &answer else { panic!("{answer:?}") };
        assert!(source.to_string().contains("not of the type"), "{source}");
    }
}
