//! Which file uses which.

use std::collections::BTreeMap;

use super::facts::{Facts, Named};
use super::source::Source;

/// How many names that stand for others are followed until a path is given up.
const MAX_HOPS: usize = 16;

/// The files of a crate, and what each of them says.
pub(super) struct Graph<'s> {
    pub(super) sources: &'s [Source],
    pub(super) facts: Vec<Facts>,
    /// The files by the modules that they are.
    files: BTreeMap<Vec<String>, usize>,
}

/// One file uses what another one declares.
pub(super) struct Use {
    pub(super) user: usize,
    pub(super) used: usize,
    /// Where the user says so.
    pub(super) line: usize,
    /// As what.
    pub(super) path: String,
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// A module with a file of its own.
    Module(usize),
    /// Something that this file declares.
    Item(usize),
}

impl<'s> Graph<'s> {
    pub(super) fn of(sources: &'s [Source]) -> Self {
        let facts = sources.iter().map(Facts::of).collect();
        let files = sources.iter().enumerate().map(|(file, source)| (source.module(), file));
        Self { sources, facts, files: files.collect() }
    }

    /// What the files use of each other. Tests use what they like, and so does the root.
    ///
    /// A module alone is not counted: what is used through its name is. Neither is a name that is
    /// only handed on.
    pub(super) fn uses(&self) -> Vec<Use> {
        let mut uses = Vec::new();
        for (user, source) in self.sources.iter().enumerate() {
            if source.is_test || source.is_root() {
                continue;
            }
            let facts = &self.facts[user];
            let imports = facts.imports.iter().filter(|import| !facts.only_hands_on(import));
            let imports = imports.map(|import| (&import.from, import.name == "*"));
            let paths = facts.paths.iter().filter(|named| !self.begins_with_item(user, named));
            let paths = paths.map(|named| (named, false));
            for (named, is_glob) in imports.chain(paths) {
                let used = match self.place(user, named) {
                    Some(Place::Module(used)) if is_glob => used,
                    Some(Place::Item(used)) => used,
                    _ => continue,
                };
                if used != user {
                    let path = named.path.join("::");
                    uses.push(Use { user, used, line: named.line, path });
                }
            }
        }
        uses.sort_by_key(|it| (it.user, it.used, it.line));
        uses
    }

    pub(super) fn path(&self, file: usize) -> &'s str {
        &self.sources[file].path
    }

    /// Tells a use as an offence: `src/a.rs:3 uses crate::b::C`.
    pub(super) fn show(&self, it: &Use) -> String {
        format!("{} uses {}", self.sources[it.user].at(it.line), it.path)
    }

    /// Whether a path begins with an imported item, as `Ring::new`. Then the import says it all.
    fn begins_with_item(&self, file: usize, named: &Named) -> bool {
        let mut imports = self.facts[file].imports.iter();
        let import = imports.find(|import| import.name == named.path[0]);
        let place = import.and_then(|import| self.place(file, &import.from));
        matches!(place, Some(Place::Item(_)))
    }

    /// What `named` leads to; `None` for what is not of this crate.
    fn place(&self, file: usize, named: &Named) -> Option<Place> {
        let path = self.absolute(file, named, MAX_HOPS)?;
        let declared = self.declared(&path, MAX_HOPS);
        // Something that a macro made, for example: it is at least below this module.
        declared.or_else(|| self.file_above(&path).map(|(file, _)| Place::Item(file)))
    }

    /// The path from the root of the crate on.
    fn absolute(&self, file: usize, named: &Named, hops: usize) -> Option<Vec<String>> {
        let hops = hops.checked_sub(1)?;
        let (first, rest) = named.path.split_first()?;
        let mut path = self.sources[file].module();
        path.extend(named.within.iter().cloned());
        match &**first {
            "crate" => path.clear(),
            "self" => {}
            "super" => {
                path.pop();
                let supers = rest.iter().take_while(|part| *part == "super").count();
                path.truncate(path.len().saturating_sub(supers));
                path.extend(rest[supers..].iter().cloned());
                return Some(path);
            }
            _ => {
                path.push(first.clone());
                if !self.files.contains_key(&path) {
                    // A name that was imported.
                    let mut imports = self.facts[file].imports.iter();
                    let import = imports.find(|import| {
                        import.name == *first
                            && import.from.within == named.within
                            && import.from.path.first() != Some(first)
                    })?;
                    path = self.absolute(file, &import.from, hops)?;
                }
            }
        }
        path.extend(rest.iter().cloned());
        Some(path)
    }

    /// The file of the innermost module on the path that has one, and what comes after it.
    fn file_above<'p>(&self, path: &'p [String]) -> Option<(usize, &'p [String])> {
        (0..=path.len()).rev().find_map(|end| {
            let (module, rest) = path.split_at(end);
            self.files.get(module).map(|&file| (file, rest))
        })
    }

    /// What is declared by this path, after all names that are handed on.
    fn declared(&self, path: &[String], hops: usize) -> Option<Place> {
        let hops = hops.checked_sub(1)?;
        let (file, rest) = self.file_above(path)?;
        let Some((name, rest)) = rest.split_first() else { return Some(Place::Module(file)) };
        if self.facts[file].declares(name) {
            return Some(Place::Item(file));
        }
        let imports = self.facts[file].imports.iter();
        let mut imports = imports.filter(|import| import.from.within.is_empty());
        imports.find_map(|import| {
            let mut path = match &*import.name {
                "*" => self.absolute(file, &import.from, hops)?,
                known if known == name => {
                    let path = self.absolute(file, &import.from, hops)?;
                    return self.declared(&[&path, rest].concat(), hops);
                }
                _ => return None,
            };
            path.push(name.clone());
            path.extend_from_slice(rest);
            self.declared(&path, hops)
        })
    }
}

mod tests {
    use super::*;
    use crate::tidy::source::tree;

    fn uses(files: &[(&str, &str)]) -> Vec<String> {
        let sources = tree("src", files);
        let graph = Graph::of(&sources);
        let show =
            |it: &Use| format!("{}:{} {}", graph.path(it.user), it.line, graph.path(it.used));
        graph.uses().iter().map(show).collect()
    }

    #[test]
    fn all_ways_to_name_a_module_lead_to_its_file() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "mod c; mod d;\nuse c::C;\nuse self::d::{self, D};\nfn e() { crate::b::B }"),
            (
                "a/c.rs",
                "use super::d::D;\nfn f() { super::super::b::B; self::G; }\nstruct C; struct G;",
            ),
            ("a/d.rs", "use crate::b;\nfn g() { b::B }\nstruct D;"),
            ("b.rs", "struct B;"),
        ];
        let expected = [
            "a.rs:2 a/c.rs",
            "a.rs:3 a/d.rs",
            "a.rs:4 b.rs",
            "a/c.rs:1 a/d.rs",
            "a/c.rs:2 b.rs",
            "a/d.rs:2 b.rs",
        ];
        assert_eq!(uses(&files), expected);
    }

    #[test]
    fn a_name_that_is_handed_on_counts_for_the_file_that_declares_it() {
        let files = [
            ("lib.rs", "mod a; mod b; mod e;\npub use a::C;"),
            ("a/mod.rs", "mod c; mod d;\npub use c::C;\npub(crate) use d::*;"),
            ("a/c.rs", "pub struct C;"),
            ("a/d.rs", "pub struct D;"),
            ("b.rs", "use crate::{C, a::D};"),
            ("e.rs", "use crate::a;\nfn e() { a::C }"),
        ];
        assert_eq!(uses(&files), ["b.rs:1 a/c.rs", "b.rs:1 a/d.rs", "e.rs:2 a/c.rs"]);
    }

    #[test]
    fn a_child_sees_what_its_parent_imports() {
        let files = [
            ("a.rs", "mod b;\nuse crate::c::C;"),
            ("a/b.rs", "use super::*;\nuse super::C;"),
            ("c.rs", "struct C;"),
        ];
        assert_eq!(uses(&files), ["a.rs:2 c.rs", "a/b.rs:1 a.rs", "a/b.rs:2 c.rs"]);
    }

    #[test]
    fn what_a_parent_hands_on_it_imports_only_if_it_uses_it() {
        let handed_on = [("a.rs", "mod b;\npub use b::B;"), ("a/b.rs", "struct B;")];
        assert_eq!(uses(&handed_on), [""; 0]);
        let used = [("a.rs", "mod b;\npub use b::B;\nfn c() -> B {}"), ("a/b.rs", "struct B;")];
        assert_eq!(uses(&used), ["a.rs:2 a/b.rs"]);
    }

    #[test]
    fn what_is_not_of_the_crate_or_for_tests_does_not_count() {
        let files = [
            ("lib.rs", "mod http; mod a;"),
            (
                "a.rs",
                "use other::http::{self, X};\nfn b() { http::Y; std::mem::take(); Self::z() }",
            ),
            ("http.rs", "pub(in crate::a) struct Y;\n#[cfg(test)]\nmod tests;"),
            ("http/tests.rs", "use crate::a::b;"),
        ];
        assert_eq!(uses(&files), [""; 0]);
    }

    #[test]
    fn a_module_in_the_file_is_the_file() {
        let files = [
            ("a.rs", "mod b { use super::C; fn d() { crate::e::f::g() } }\nstruct C; use b::d;"),
            ("e.rs", "mod f { fn g() {} }"),
        ];
        assert_eq!(uses(&files), ["a.rs:1 e.rs"]);
    }
}
