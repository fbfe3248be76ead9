//! Any text as a request's target: for the unit tests and for the fuzz target.

use crate::http::wire::*;

const BASE: &str = "/_geecache/";

/// Reads `text` as a target, as what stands below the base of one, and as names.
pub(crate) fn drive(text: &str) {
    read_query(text);
    for plus in [Plus::Space, Plus::Literal] {
        read_target(text, plus);
        read_target(&format!("{BASE}{text}"), plus);
        if let Some((group, key)) = text.split_once('/') {
            assert_come_back(group, key, plus);
        }
    }
}

/// What is read of a query must come back, too.
fn read_query(target: &str) {
    let Ok(Query(pairs)) = Query::of(target) else { return };
    for (name, value) in pairs {
        let mut again = "/s?".to_owned();
        push_query_value(&mut again, &name);
        again.push('=');
        push_query_value(&mut again, &value);
        assert_eq!(Query::of(&again), Ok(Query(vec![(name, value)])));
    }
}

/// What is read must be readable once more from a target of ours.
fn read_target(target: &str, plus: Plus) {
    let (names, group) = (parse_target(BASE, target, plus), parse_group(BASE, target, plus));
    assert!(names.is_err() || group.is_err(), "{target:?} has a key, and has none");
    if let Ok((group, key)) = names {
        assert!(!group.is_empty() && group.len() + key.len() < target.len(), "{target:?}");
        assert_come_back(&group, &key, plus);
    }
    if let Ok(group) = group {
        assert_come_back(&group, "", plus);
    }
}

pub(super) fn assert_come_back(group: &str, key: &str, plus: Plus) {
    if group.is_empty() {
        return;
    }
    let path = request_path(BASE, group, key);
    // Nothing in it that a server or a client on the way could read in another way.
    assert!(path.is_ascii() && !path.contains(['+', ' ', '?', '#', '\r', '\n']), "{path:?}");
    assert!(!path.split('/').any(|segment| segment == "." || segment == ".."), "{path:?}");
    assert_eq!(parse_target(BASE, &path, plus), Ok((group.into(), key.into())));
    assert_eq!(parse_group(BASE, &group_path(BASE, group), plus), Ok(group.into()));
}
