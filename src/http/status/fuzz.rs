//! Any bytes as what is asked of the status pages, and as what a peer says of itself: for the unit
//! tests and for the fuzz target.

use crate::group::Group;
use crate::http::status::json::{self, is_object};
use crate::http::status::key::KeyQuestion;
use crate::http::wire::Query;
use crate::registry::Registry;

/// Reads a question, and passes it on as the page does; and takes the text for a peer's answer.
pub(crate) fn drive(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    read_question(text);
    if is_object(text) {
        // It is put into an answer of ours as it is, which must stay whole.
        let whole = json::object(|object| object.written("status", text));
        // One level more may be one too many.
        assert!(is_object(&whole) || text.matches(['{', '[']).count() >= 16, "{text:?}");
    }
    let whole = json::object(|object| object.member(text, text));
    assert!(is_object(&whole) && whole.is_ascii() == text.is_ascii(), "{text:?}");
    assert!(!whole.contains(['\n', '<', '>', '&']), "{text:?}");
}

fn read_question(target: &str) {
    let Ok(query) = Query::of(target) else { return };
    let registry = Registry::new();
    if let Some(name) = query.value("group") {
        let group = Group::new(name, 0, |_: &str| Ok::<_, std::io::Error>("value"));
        // Some texts are no name of a group.
        let _ = registry.insert(&group);
    }
    let Ok(question) = KeyQuestion::read(&registry, target) else { return };
    let path = question.path();
    assert!(path.is_ascii() && !path.contains(['+', ' ', '#', '\r', '\n']), "{path:?}");
    let Ok(again) = KeyQuestion::read(&registry, &path) else {
        panic!("{path:?} is not read again");
    };
    assert_eq!((again.group.name(), &again.key), (question.group.name(), &question.key));
    assert!(!again.is_for_cluster, "who is asked for its part asks nobody");
}
