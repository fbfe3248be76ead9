//! The core stands without its transport, and the transport without the inside of the core.

use std::collections::BTreeSet;

use super::assert_none;
use super::facts::{Facts, Named};
use super::lines_with;
use super::source::{Source, crate_sources};

/// Private modules that `http` uses all the same: tools that know nothing of a cache.
const TOOLS: &[&str] = &["one_line", "repeats", "spans", "stack", "sync"];

/// The paths that start with `crate::`, that part taken off.
fn crate_paths(source: &Source) -> Vec<(usize, String)> {
    let facts = Facts::of(source);
    let named = facts.imports.iter().map(|import| &import.from).chain(&facts.paths);
    let path =
        |named: &Named| Some((named.line, named.path.strip_prefix(&["crate".into()])?.join("::")));
    named.filter_map(path).collect()
}

#[test]
fn the_core_names_things_by_their_modules() {
    let modules: BTreeSet<_> =
        crate_sources().iter().filter_map(|source| source.module().first().cloned()).collect();
    let mut offences = Vec::new();
    let core = |source: &&Source| !source.is_http() && !source.is_root();
    for source in crate_sources().iter().filter(core) {
        for (line, path) in crate_paths(source) {
            if !path.split("::").next().is_some_and(|first| modules.contains(first)) {
                offences.push(format!("{} uses crate::{path}", source.at(line)));
            }
        }
    }
    assert_none("names of the root are for users, and for transports", &offences);
}

#[test]
fn the_generic_structures_know_neither_error_nor_group() {
    let mut offences = Vec::new();
    for source in crate_sources() {
        let module = source.module();
        let generic = ["lru", "consistenthash", "singleflight"];
        let Some(own) = module.first().filter(|first| generic.contains(&&***first)) else {
            continue;
        };
        for (line, path) in crate_paths(source) {
            // The one exception: views of bytes have a weight.
            let allowed = ["sync", "byteview::ByteView", &**own];
            if !allowed.iter().any(|allowed| path.starts_with(allowed)) {
                offences.push(format!("{} uses crate::{path}", source.at(line)));
            }
        }
    }
    assert_none("they are useful without the rest", &offences);
}

#[test]
fn http_uses_of_the_core_only_what_everybody_can() {
    let root = crate_sources().iter().find(|source| source.is_root()).unwrap();
    let root = Facts::of(root);
    let modules = root.items.iter().filter(|item| item.kind == "mod" && item.is_public);
    let modules: BTreeSet<_> = modules.map(|item| item.name.clone()).collect();
    let items = root.imports.iter().filter(|import| import.is_public);
    let items: BTreeSet<_> = items.map(|import| import.from.path.join("::")).collect();
    assert!(modules.contains("lru") && items.contains("group::Group"));

    let mut offences = Vec::new();
    for source in crate_sources().iter().filter(|source| source.is_http()) {
        for (line, path) in crate_paths(source) {
            let module = path.split("::").next().unwrap();
            let allowed = module == "http"
                || TOOLS.contains(&module)
                || modules.contains(module)
                || items.contains(&path)
                || items.iter().any(|item| item.ends_with(&format!("::{path}")));
            if !allowed {
                offences.push(format!("{} uses crate::{path}", source.at(line)));
            }
        }
    }
    assert_none("any other transport could be written outside of the crate", &offences);
}

#[test]
fn http_words_are_named_under_http_only() {
    let words = [
        "ureq",
        "tiny_http",
        "httparse",
        "socket2",
        "percent_encoding",
        "TcpListener",
        "TcpStream",
    ];
    // The guide is text alone; its pages may be named after HTTP. The kit for tests stands over the
    // transport, and breaks it.
    let is_kit = |source: &Source| source.module().first().is_some_and(|it| it == "testing");
    let is_core =
        |source: &Source| !source.is_http() && !is_kit(source) && source.path != "guide.rs";
    assert_none("the core knows no HTTP", &lines_with(&words, is_core));
    let inner = lines_with(&["http::"], |source| is_core(source) && !source.is_root());
    assert_none("the core does not use its transport", &inner);
}
