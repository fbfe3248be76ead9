//! Who stands for another peer or picker passes on all that there is.

use std::collections::BTreeSet;

use super::assert_none;
use super::source::crate_sources;

/// Where the traits are, and each `impl` that hands all of one to another value.
const TRAITS: &str = "peers.rs";
const DELEGATES: &[(&str, &str, &str)] = &[
    ("peers.rs", "pub trait PeerPicker", "impl<P: PeerPicker + ?Sized> PeerPicker for Arc<P>"),
    ("testing/delegating.rs", "pub trait PeerPicker", "impl PeerPicker for DelegatingPicker"),
    ("testing/delegating.rs", "pub trait PeerGetter", "impl PeerGetter for DelegatingGetter"),
];

/// A method that is left out has its default, which knows less, and nobody notices.
#[test]
fn who_delegates_leaves_no_method_out() {
    let lines = |path: &str| {
        let source = crate_sources().iter().find(|source| source.path == path);
        &source.unwrap_or_else(|| panic!("there is no src/{path}")).lines
    };
    let mut offences = Vec::new();
    for (path, declared, delegate) in DELEGATES {
        let all = methods(lines(TRAITS), declared);
        assert!(all.len() > 5, "{declared} has {all:?}");
        let there = methods(lines(path), delegate);
        offences.extend(all.difference(&there).map(|name| format!("src/{path}: {name}")));
    }
    assert_none("pass it on", &offences);
}

/// The names of the methods in the item that begins with `head`.
fn methods<'a>(lines: &'a [String], head: &str) -> BTreeSet<&'a str> {
    let item = lines.iter().skip_while(|line| !line.starts_with(head)).skip(1);
    let item = item.take_while(|line| *line != "}");
    let name = |line: &'a String| line.strip_prefix("    fn ")?.split(['(', '<']).next();
    item.filter_map(name).collect()
}

mod tests {
    use super::*;

    #[test]
    fn methods_are_those_of_one_item() {
        let item = "impl B {\n    fn c(&self);\n    fn d<E>() {\n        fn f() {}\n    }\n}\n";
        let text = format!("fn a() {{}}\n{item}fn g() {{}}");
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        assert_eq!(methods(&lines, "impl B"), BTreeSet::from(["c", "d"]));
        assert!(methods(&lines, "impl C").is_empty());
    }
}
