use std::fmt::Write;

use super::*;
use crate::testing::{Random, with_seeds};

#[track_caller]
fn assert_text<K: CacheKey<Owned = K> + PartialEq + std::fmt::Debug>(key: K, text: &str) {
    assert_eq!(key.to_text(), text);
    assert_eq!(with_text(&key, str::to_owned), text);
    assert_eq!(parse_exactly::<K>(text), Some(key));
}

#[test]
fn keys_are_the_text_that_one_would_write() {
    assert_text("Tom".to_owned(), "Tom");
    for number in [0, 7, 10, u64::MAX] {
        assert_text(number, &number.to_string());
        assert_text(u128::from(number), &number.to_string());
    }
    for number in [0, -1, i64::MIN, i64::MAX] {
        assert_text(number, &number.to_string());
        assert_text(i128::from(number), &number.to_string());
    }
    assert_text((-128_i8, 255_u8, 7_usize), "-128:255:7");
    assert_text(("user".to_owned(), 7_u32), "user:7");
    assert_eq!(("user", 7).to_text(), "user:7");
    assert_eq!((&"user", &&7).to_text(), "user:7");
    let texts: [&dyn Fn() -> String; 4] = [
        &|| Box::<str>::from("Tom").to_text().into_owned(),
        &|| Arc::<str>::from("Tom").to_text().into_owned(),
        &|| Cow::Borrowed("Tom").to_text().into_owned(),
        &|| <str as CacheKey>::to_text("Tom").into_owned(),
    ];
    assert!(texts.iter().all(|text| text() == "Tom"));
}

#[test]
fn parts_that_hold_the_colon_can_be_told_apart() {
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_text(pair("a:b", "c"), r"a\:b:c");
    assert_text(pair("a", "b:c"), r"a:b\:c");
    assert_text(pair(r"a\", "b"), r"a\\:b");
    assert_text(pair(r"a\:b", ""), r"a\\\:b:");
    assert_text(pair("", ""), ":");
    assert_text((pair("a", "b"), "c".to_owned()), r"a\:b:c");
    assert_text(("a".to_owned(), pair("b", "c")), r"a:b\:c");
    assert_text((1, 2, 3, 4, 5, 6), "1:2:3:4:5:6");
}

#[test]
fn texts_that_no_key_has_are_no_keys() {
    for text in ["", "-", "007", "+7", "-0", "7 ", " 7", "18446744073709551616", "seven", "٧"] {
        assert_eq!(parse_exactly::<u64>(text), None, "{text:?}");
        assert_eq!(parse_exactly::<i64>(text), None, "{text:?}");
        assert_eq!(parse_exactly::<usize>(text), None, "{text:?}");
    }
    for text in ["", "a", r"a\:7", "a:7:8", "a:", "a:07", r"a\b:7", "a:7\\"] {
        assert_eq!(parse_exactly::<(String, u64)>(text), None, "{text:?}");
    }
    assert_eq!(parse_exactly::<u8>("256"), None);
}

#[cfg(feature = "uuid")]
#[test]
fn a_uuid_has_one_text_of_many_that_could_be_parsed() {
    let text = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    assert_text(uuid::Uuid::try_parse(text).unwrap(), text);
    assert_eq!(parse_exactly::<uuid::Uuid>(&text.to_uppercase()), None);
    assert_eq!(parse_exactly::<uuid::Uuid>(&text.replace('-', "")), None);
}

#[test]
fn short_and_long_texts_grow_in_pieces() {
    for pieces in [1, 47, 48, 49, 500] {
        let mut text = KeyText::new();
        let expected: String = (0..pieces).map(|n| char::from(b'a' + (n % 26) as u8)).collect();
        expected.chars().for_each(|char| text.write_char(char).unwrap());
        assert_eq!(text.as_str(), expected);
        assert_eq!(format!("{text:?}"), format!("{expected:?}"));
    }
    for before in [0, 28, 29, 47, 48, 60] {
        let mut text = KeyText::new();
        text.push_str(&"x".repeat(before));
        text.push_digits(u64::MAX);
        assert_eq!(text.as_str(), format!("{}{}", "x".repeat(before), u64::MAX));
    }
    let mut text = KeyText::new();
    text.push_str(&"x".repeat(100));
    text.push_str("y");
    assert_eq!(text.as_str().len(), 101);
}

#[test]
fn all_pairs_of_texts_come_back_and_no_two_have_one_text() {
    with_seeds(500, |random: &mut Random| {
        let piece = |random: &mut Random| -> String {
            let count = random.below(60);
            (0..count).map(|_| [':', '\\', 'a', '你'][random.below(4) as usize]).collect()
        };
        let (a, b) = ((piece(random), piece(random)), (piece(random), piece(random)));
        let (text_a, text_b) = (a.to_text().into_owned(), b.to_text().into_owned());
        assert_eq!(parse_exactly::<(String, String)>(&text_a).as_ref(), Some(&a));
        assert_eq!(text_a == text_b, a == b);
    });
}
