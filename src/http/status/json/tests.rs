//! What is written here is read by serde_json, and the other way round.

use serde_json::{Value, json};

use super::*;
use crate::http::status::fuzz;
use crate::http::testing::with_changed;
use crate::testing::{Random, with_seeds};

#[test]
fn another_reader_reads_what_was_written() {
    let strange = "\"\\\n\r\t\0\u{7f}<script>&amp;\u{2028}é你👍";
    let text = object(|object| {
        object.member("text", strange);
        object.member(strange, 7_u64);
        object.member("most", u64::MAX);
        object.member("size", 12_usize);
        object.member("part", 0.25);
        object.member("small", 1e-9);
        object.member("no number", f64::NAN);
        object.member("yes", true);
        object.member("none", None::<&str>);
        object.member("some", Some(1_u64));
        object.object("empty", |_| {});
        object.object("nested", |object| object.member("a", "b"));
        object.list("list", 0..3_u64, |object, n| object.member("n", n));
        object.list("no list", [0; 0], |_, _| {});
        object.written("written", "{\"a\":[1]}");
    });
    let expected = json!({
        "text": strange, strange: 7, "most": u64::MAX, "size": 12, "part": 0.25, "small": 1e-9,
        "no number": null, "yes": true, "none": null, "some": 1, "empty": {},
        "nested": {"a": "b"}, "list": [{"n": 0}, {"n": 1}, {"n": 2}], "no list": [],
        "written": {"a": [1]},
    });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    assert!(is_object(&text));
    assert!(!text.contains(['<', '>', '&', '\n']), "{text}");
}

#[test]
fn a_text_is_taken_for_json_only_if_another_reader_takes_it() {
    for text in [
        "",
        "{",
        "}",
        "{}",
        " {} \n",
        "{}{}",
        "[]",
        "1",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1 \"b\":2}",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":-}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":-0.5e+7}",
        "{\"a\":1e}",
        "{\"a\":+1}",
        "{\"a\":tru}",
        "{\"a\":nulll}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u1234\"}",
        "{\"a\":\"\u{1}\"}",
        "{\"a\":\"",
        "{\"a\":[1,2,{}]}",
        "{\"a\":[1,]}",
        "{\"a\":[}",
        "{\"a\":1}x",
        "{\"a\":\"\\ud800\"}",
        "\u{feff}{}",
        "{\"\":null}",
    ] {
        let expected = matches!(serde_json::from_str(text), Ok(Value::Object(_)));
        assert_eq!(is_object(text), expected, "{text:?}");
    }
    let deep = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert!(is_object(&deep(16)) && !is_object(&deep(17)) && !is_object(&deep(1_000_000)));
}

#[test]
fn random_changes_of_a_text_are_judged_alike() {
    let text = "{\"a\":[1,-2.5e3,true,null],\"b\":{\"c\":\"x\\n\\u00e9\"},\"d\":false}";
    with_seeds(20, |random: &mut Random| {
        for _ in 0..200 {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(bytes.len() as u64) as usize;
                let byte = b"{}[]\",:0.e\\u"[random.below(12) as usize];
                match random.below(3) {
                    0 => drop(bytes.remove(at)),
                    1 => bytes.insert(at, byte),
                    _ => bytes[at] = byte,
                }
            }
            let changed = String::from_utf8(bytes).unwrap();
            let expected = matches!(serde_json::from_str(&changed), Ok(Value::Object(_)));
            assert_eq!(is_object(&changed), expected, "{changed}");
        }
    });
}

/// What a fuzzer found worth keeping, and the same with bytes changed at random.
#[test]
fn any_question_is_passed_on_as_it_was_and_any_answer_leaves_ours_whole() {
    const SEEDS: &[&str] = &[
        "/status.json?group=scores&key=Tom&cluster",
        "/status.json?group=a%20b&key=%2B%26+%C3%A9",
        "{\"digest\":\"00000000\",\"a\":[{},{\"b\":-0.5e+7}],\"c\":\"\\u0007\"}",
        "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":[[[[[[[[[[[]]]]]]]]]]]}}}}}",
    ];
    const OTHERS: &[u8] = b"{}[]:,\"\\ue0.-&=?%+\n<";
    with_changed(20_000, SEEDS, OTHERS, fuzz::drive);
}
