//! What a file declares, what it imports, and which paths it names.

use std::collections::BTreeSet;

use super::lexer::Token;
use super::source::Source;

/// What a [`Source`] says, without its unit tests.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) items: Vec<Item>,
    pub(super) imports: Vec<Import>,
    /// The paths that are named outside of imports, such as `wire::encode`.
    pub(super) paths: Vec<Named>,
    /// The words of the code outside of imports.
    words: BTreeSet<String>,
}

/// A type, a function, a module, …
pub(super) struct Item {
    /// The word before its name: `struct`, `fn`, …
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) is_public: bool,
    /// Whether it stands in the file itself, and not in an `impl`, a function, or a module within.
    is_at_top: bool,
    /// Whether it belongs to an `impl` or a trait.
    pub(super) is_associated: bool,
    pub(super) first_line: usize,
    /// Where its block ends.
    pub(super) last_line: usize,
}

/// One name that a `use` brings in.
pub(super) struct Import {
    pub(super) from: Named,
    /// The name that it has here; `*` for all names.
    pub(super) name: String,
    pub(super) is_public: bool,
}

/// A path as it stands in the code.
#[derive(Clone)]
pub(super) struct Named {
    pub(super) path: Vec<String>,
    /// The modules within the file around it.
    pub(super) within: Vec<String>,
    pub(super) line: usize,
}

const ITEMS: &[&str] =
    &["struct", "enum", "union", "trait", "type", "fn", "const", "static", "mod", "macro_rules"];

/// What a block of braces is.
enum Block {
    Module(String),
    /// Of an `impl` or a trait.
    Associated,
    Other,
}

impl Facts {
    pub(super) fn of(source: &Source) -> Self {
        let mut reader = Reader {
            tokens: &source.tokens,
            at: 0,
            open: Vec::new(),
            next: None,
            brackets: 0,
            facts: Self::default(),
        };
        while reader.at < reader.tokens.len() {
            reader.step();
        }
        reader.facts
    }

    /// Whether the file itself declares `name`.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.items.iter().any(|item| item.is_at_top && item.name == name)
    }

    /// Whether `import` only hands a name on, which the file itself does not use.
    pub(super) fn only_hands_on(&self, import: &Import) -> bool {
        import.is_public && !self.words.contains(&import.name)
    }
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    /// The blocks around, each with the item whose end is its end.
    open: Vec<(Block, Option<usize>)>,
    /// What the next block will be, and how many brackets are open there.
    next: Option<(Block, Option<usize>, usize)>,
    /// Open brackets other than braces.
    brackets: usize,
    facts: Facts,
}

impl Reader<'_> {
    fn text(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }

    fn before(&self) -> &str {
        self.at.checked_sub(1).map_or("", |before| self.text(before))
    }

    fn step(&mut self) {
        let token = &self.tokens[self.at];
        match &*token.text {
            "use" => return self.import(),
            "impl" if ["", ";", "{", "}", "]", "unsafe"].contains(&self.before()) => {
                self.next = Some((Block::Associated, None, self.brackets));
            }
            "(" | "[" => self.brackets += 1,
            ")" | "]" => self.brackets = self.brackets.saturating_sub(1),
            ";" if self
                .next
                .as_ref()
                .is_some_and(|(_, _, brackets)| *brackets == self.brackets) =>
            {
                self.next = None;
            }
            "{" => {
                let (block, item, _) = self.next.take().unwrap_or((Block::Other, None, 0));
                self.open.push((block, item));
            }
            "}" => {
                if let Some((_, Some(item))) = self.open.pop() {
                    self.facts.items[item].last_line = token.line;
                }
            }
            word if token.is_word() => {
                self.facts.words.insert(word.to_owned());
                self.item();
                self.path();
            }
            _ => {}
        }
        self.at += 1;
    }

    /// The item that is declared here, if one is.
    fn item(&mut self) {
        let Some(kind) = ITEMS.iter().find(|kind| **kind == self.text(self.at)) else { return };
        let name = self.at + if *kind == "macro_rules" { 2 } else { 1 };
        let Some(name) = self.tokens.get(name).filter(|name| name.is_word()) else { return };
        // `const fn` is a `fn`, `*const T` a pointer, and `union` a word as any other elsewhere.
        let is_none = name.text == "fn"
            || self.before() == "*"
            || *kind == "union" && !["{", "<"].contains(&self.text(self.at + 2));
        if is_none {
            return;
        }
        let is_associated = matches!(self.open.last(), Some((Block::Associated, _)));
        self.facts.items.push(Item {
            kind,
            name: name.text.clone(),
            is_public: self.before() == "pub",
            is_at_top: self.open.is_empty(),
            is_associated,
            first_line: name.line,
            last_line: name.line,
        });
        let block = match *kind {
            "mod" => Block::Module(name.text.clone()),
            "trait" => Block::Associated,
            _ => Block::Other,
        };
        if ["struct", "enum", "union", "trait", "fn", "mod"].contains(kind) {
            let item = self.facts.items.len() - 1;
            self.next = Some((block, Some(item), self.brackets));
        }
    }

    /// The path that begins here, if one does.
    fn path(&mut self) {
        if ["::", "$"].contains(&self.before()) {
            return;
        }
        let mut path = vec![self.text(self.at).to_owned()];
        let mut end = self.at + 1;
        while self.text(end) == "::" && self.tokens.get(end + 1).is_some_and(Token::is_word) {
            path.push(self.text(end + 1).to_owned());
            end += 2;
        }
        if path.len() > 1 {
            let named = Named { path, within: self.within(), line: self.tokens[self.at].line };
            self.facts.paths.push(named);
        }
    }

    fn within(&self) -> Vec<String> {
        let modules = self.open.iter().filter_map(|(block, _)| match block {
            Block::Module(name) => Some(name.clone()),
            _ => None,
        });
        modules.collect()
    }

    /// Reads a `use` up to its `;`.
    fn import(&mut self) {
        // After `pub`, or `pub(crate)`.
        let is_public = ["pub", ")"].contains(&self.before());
        self.at += 1;
        if self.text(self.at) == "::" {
            self.at += 1;
        }
        self.import_tree(&[], is_public);
        while !["", ";"].contains(&self.text(self.at)) {
            self.at += 1;
        }
        self.at += 1;
    }

    /// Reads `a::b`, `a::b as c`, `a::*` or `a::{…}` below `before`.
    fn import_tree(&mut self, before: &[String], is_public: bool) {
        let mut path = before.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        loop {
            let text = self.text(self.at).to_owned();
            self.at += 1;
            match &*text {
                "{" => {
                    while !["}", ""].contains(&self.text(self.at)) {
                        self.import_tree(&path, is_public);
                        if self.text(self.at) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "" | ";" | "}" => return,
                // `a::{self}` is `a`.
                "self" if !before.is_empty() => {}
                "*" => {}
                _ => path.push(text.clone()),
            }
            if self.text(self.at) == "::" {
                self.at += 1;
                continue;
            }
            let mut name = if text == "*" { Some(&text) } else { path.last() }.cloned();
            if self.text(self.at) == "as" {
                name = Some(self.text(self.at + 1).to_owned());
                self.at += 2;
            }
            let from = Named { path, within: self.within(), line };
            let name = name.unwrap_or_default();
            self.facts.imports.push(Import { from, name, is_public });
            return;
        }
    }
}

mod tests {
    use super::*;
    use crate::tidy::source::tree;

    fn facts(text: &str) -> Facts {
        Facts::of(&tree("src", &[("a.rs", text)])[0])
    }

    fn imports(text: &str) -> Vec<String> {
        let import = |import: &Import| {
            let path = import.from.path.join("::");
            if path.ends_with(&import.name) { path } else { format!("{path} as {}", import.name) }
        };
        facts(text).imports.iter().map(import).collect()
    }

    fn paths(text: &str) -> Vec<String> {
        facts(text).paths.iter().map(|named| named.path.join("::")).collect()
    }

    #[test]
    fn lists_of_imports_are_taken_apart() {
        assert_eq!(imports("use a::B; rest"), ["a::B"]);
        assert_eq!(imports("pub use a::{B, C};"), ["a::B", "a::C"]);
        let text = "use {a::{B, c::{self, D, E,},}, f::G as H}; use self::i::*;";
        let all = ["a::B", "a::c", "a::c::D", "a::c::E", "f::G as H", "self::i as *"];
        assert_eq!(imports(text), all);
        assert_eq!(imports("pub(in a::b) use super::C;\nuse ::d::E;"), ["super::C", "d::E"]);
    }

    #[test]
    fn paths_in_code_are_found_and_those_in_text_are_not() {
        assert_eq!(paths("let a: b::C = d::e::f(g::<H>());"), ["b::C", "d::e::f"]);
        assert_eq!(paths("// a::b\nlet c = \"d::e\"; <F as G>::h(); $crate::i;"), [""; 0]);
    }

    #[test]
    fn modules_in_the_file_are_known_around_a_path() {
        let facts = facts("mod a { use super::B; fn c() { d::e() } }\nf::g()");
        assert_eq!(facts.imports[0].from.within, ["a"]);
        assert_eq!(facts.paths[0].within, ["a"]);
        assert_eq!((facts.paths[1].within.len(), facts.paths[1].line), (0, 2));
    }

    #[test]
    fn items_are_known_with_what_they_belong_to() {
        let text = "pub struct A;\nimpl B for A {\n type C = D;\n fn e(f: [u8; 3]) -> impl G {\n\
                    let h = || { i };\n }\n}\nfn j() {}\ntrait K { fn l(); fn m() {\n}\n}";
        let facts = facts(text);
        let items: Vec<_> = facts
            .items
            .iter()
            .map(|item| (&*item.name, item.is_associated, item.last_line - item.first_line))
            .collect();
        let expected = [
            ("A", false, 0),
            ("C", true, 0),
            ("e", true, 2),
            ("j", false, 0),
            ("K", false, 2),
            ("l", true, 0),
            ("m", true, 1),
        ];
        assert_eq!(items, expected);
        assert!(facts.declares("A") && facts.declares("j") && !facts.declares("e"));
        assert!(facts.items[0].is_public && !facts.items[3].is_public);
    }

    #[test]
    fn a_public_import_that_the_file_uses_is_more_than_handed_on() {
        let facts = facts("pub use a::B;\npub(crate) use a::C;\nuse a::D;\nfn e() -> B {}");
        let handed_on: Vec<_> = facts.imports.iter().map(|it| facts.only_hands_on(it)).collect();
        assert_eq!(handed_on, [false, true, false]);
    }
}
