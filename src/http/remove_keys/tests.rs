use super::fuzz::drive;
use super::*;

fn keys_of(text: &str) -> Option<Vec<String>> {
    drive(text.as_bytes()).map(|(_, keys)| keys)
}

#[test]
fn what_go_sends_is_read() {
    for (text, keys) in [
        (r#"{"group":"g","keys":["Tom","Jack"]}"#, &["Tom", "Jack"][..]),
        (r#"{"group":"g","keys":[""]}"#, &[""]),
        (r#"{"group":"g","keys":[]}"#, &[]),
        (r#"{"group":"g","keys":null}"#, &[]),
        (r#"{"group":"g"}"#, &[]),
        (r#"{}"#, &[]),
        (" {\r\n\t\"keys\" : [ \"a\" , \"b\" ] } \n", &["a", "b"]),
        (r#"{"x":"y","n":-1.5e+3,"keys":["k"],"b":true}"#, &["k"]),
        (
            r#"{"keys":["\u003ca\u003e\u0026","\"\\\/","\b\f\n\r\t","\u2028"]}"#,
            &["<a>&", "\"\\/", "\x08\x0c\n\r\t", "\u{2028}"],
        ),
        (r#"{"keys":["é你😀","\u00e9\u4f60\ud83d\ude00"]}"#, &["é你😀", "é你😀"]),
        (
            r#"{"keys":["\ud83d","\ud83dx","\ud83d\u0041","\ude00"]}"#,
            &["\u{fffd}", "\u{fffd}x", "\u{fffd}A", "\u{fffd}"],
        ),
        (r#"{"keys":["a"],"keys":["b"]}"#, &["b"]),
    ] {
        assert_eq!(
            keys_of(text).as_deref(),
            Some(&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>()[..]),
            "{text}"
        );
    }
    let (group, _) = drive(br#"{"group":"a \u0022"}"#).unwrap();
    assert_eq!(group.as_deref(), Some("a \""));
    assert_eq!(drive(b"{\"group\":null}").unwrap().0, None);
}

#[test]
fn what_is_written_is_what_go_reads() {
    assert_eq!(
        write("g", &["Tom", "a\"b\\c\n"]),
        r#"{"group":"g","keys":["Tom","a\"b\\c\u000a"]}"#
    );
    assert_eq!(write("", &[]), r#"{"group":"","keys":[]}"#);
}

#[test]
fn what_is_no_such_request_is_an_error() {
    for text in [
        "",
        "{",
        "[]",
        "null",
        r#"{"keys"}"#,
        r#"{"keys":"a"}"#,
        r#"{"keys":[1]}"#,
        r#"{"keys":[["a"]]}"#,
        r#"{"keys":["a",]}"#,
        r#"{"keys":["a" "b"]}"#,
        r#"{"keys":["a"}"#,
        r#"{"keys":["a]}"#,
        r#"{"keys":["\x"]}"#,
        r#"{"keys":["\u12"]}"#,
        r#"{"keys":["\u12g4"]}"#,
        r#"{"keys":["\u+123"]}"#,
        r#"{"keys":["\ud83d\u12"]}"#,
        "{\"keys\":[\"a\nb\"]}",
        r#"{"keys":["a"]} x"#,
        r#"{"keys":["a"],}"#,
        r#"{"group":1}"#,
        r#"{"x":{}}"#,
        r#"{"x":[]}"#,
        r#"{"x":}"#,
        "{\"keys\":[\"é",
    ] {
        assert_eq!(keys_of(text), None, "{text}");
    }
    assert_eq!(drive(b"{\"keys\":[\"\xff\"]}"), None);
}

#[test]
fn every_beginning_of_a_request_is_an_error() {
    let text = r#"{"group":"scores","keys":["Tom","\ud83d\ude00",""]}"#;
    for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
        assert_eq!(keys_of(&text[..end]), None);
    }
}
