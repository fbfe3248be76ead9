//! The files that the rules are about.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::lexer::{Layers, Token, tokens};

/// One file. Its unit tests do not count as its code.
pub(super) struct Source {
    /// The folder of the package that it stands in: `src`, `tests`, …
    pub(super) folder: String,
    /// Below that folder, with `/` between the parts.
    pub(super) path: String,
    /// The lines as they are.
    pub(super) lines: Vec<String>,
    /// How many lines hold code, that of tests too.
    pub(super) code_lines: usize,
    /// Whether the whole file is a test.
    pub(super) is_test: bool,
    /// The lines of code with their numbers: no comments and no unit tests.
    pub(super) code: Vec<(usize, String)>,
    /// The code as tokens: no comments, no strings and no unit tests.
    pub(super) tokens: Vec<Token>,
    /// What stands in comments and strings, line by line.
    pub(super) prose: Vec<String>,
    /// The modules in files of their own that are tests.
    test_modules: Vec<String>,
}

impl Source {
    fn new(folder: &str, path: &str, text: &str) -> Self {
        let Layers { mut code, mut bare, prose } = Layers::of(text);
        let code_lines = non_blank(&code).len();
        let mut test_modules = Vec::new();
        for (begin, end, module) in test_items(&tokens(&bare)) {
            for layer in [&mut code, &mut bare] {
                layer[begin..end].iter_mut().filter(|c| **c != '\n').for_each(|c| *c = ' ');
            }
            test_modules.extend(module);
        }
        let prose: String = prose.into_iter().collect();
        Self {
            folder: folder.to_owned(),
            path: path.to_owned(),
            lines: text.lines().map(str::to_owned).collect(),
            code_lines,
            is_test: false,
            code: non_blank(&code),
            tokens: tokens(&bare),
            prose: prose.lines().map(str::to_owned).collect(),
            test_modules,
        }
    }

    /// The path of the module that the file is: empty for `lib.rs` and `main.rs`.
    pub(super) fn module(&self) -> Vec<String> {
        let path = self.path.strip_suffix(".rs").unwrap_or(&self.path);
        let path = path.strip_suffix("/mod").unwrap_or(path);
        path.split('/').filter(|part| !matches!(*part, "lib" | "main")).map(str::to_owned).collect()
    }

    pub(super) fn is_root(&self) -> bool {
        matches!(&*self.path, "lib.rs" | "main.rs")
    }

    pub(super) fn is_http(&self) -> bool {
        self.module().first().is_some_and(|first| first == "http")
    }

    /// Names a line, as `src/group.rs:12`.
    pub(super) fn at(&self, line: usize) -> String {
        format!("{}/{}:{line}", self.folder, self.path)
    }
}

/// The lines that hold more than blanks, by their numbers.
fn non_blank(text: &[char]) -> Vec<(usize, String)> {
    let text: String = text.iter().collect();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(i, line)| (i + 1, line.trim_end().to_owned())).collect()
}

/// What stands under `#[cfg(test)]`, from where to where; for `mod name;` the name, too.
fn test_items(tokens: &[Token]) -> Vec<(usize, usize, Option<String>)> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut items = Vec::new();
    let mut at = 0;
    while at + mark.len() < tokens.len() {
        let is_mark = tokens[at..].iter().zip(mark).all(|(token, mark)| token.text == mark);
        if !is_mark {
            at += 1;
            continue;
        }
        let (begin, item) = (tokens[at].at, at + mark.len());
        let end = end_of_item(tokens, item);
        let words: Vec<&str> = tokens[item..=end].iter().map(|token| &*token.text).collect();
        let module = match words[..] {
            [.., "mod", name, ";"] => Some(name.to_owned()),
            _ => None,
        };
        items.push((begin, tokens[end].at + 1, module));
        at = end + 1;
    }
    items
}

/// The last token of the item, the field or the argument that begins at `at`.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    // More attributes may stand before it.
    while tokens[at].text == "#" {
        at = closing(tokens, at + 1) + 1;
    }
    let items = ["pub", "fn", "mod", "impl", "struct", "enum", "trait", "const", "static", "use"];
    let is_item = items.contains(&&*tokens[at].text);
    let is_use = tokens[at..].iter().take(6).any(|token| token.text == "use");
    while at < tokens.len() {
        match &*tokens[at].text {
            ";" => return at,
            "," if !is_item => return at,
            "{" if !is_use => return closing(tokens, at),
            "(" | "[" | "{" => at = closing(tokens, at),
            // The end of what the field or the argument stands in.
            ")" | "]" | "}" => return at - 1,
            _ => {}
        }
        at += 1;
    }
    tokens.len() - 1
}

/// The bracket that closes the one at `at`.
fn closing(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(at) {
        match &*token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    tokens.len() - 1
}

/// The sources that `files` would be: `(path, text)`.
pub(super) fn tree<P: AsRef<str>, T: AsRef<str>>(folder: &str, files: &[(P, T)]) -> Vec<Source> {
    let read = |(path, text): &(P, T)| Source::new(folder, path.as_ref(), text.as_ref());
    let mut sources: Vec<Source> = files.iter().map(read).collect();
    let tests: Vec<Vec<String>> = sources
        .iter()
        .flat_map(|source| {
            let children = source.test_modules.iter().cloned();
            children.map(|child| source.module().into_iter().chain([child]).collect())
        })
        .collect();
    for source in &mut sources {
        let module = source.module();
        if tests.iter().any(|test| module.starts_with(test)) {
            source.is_test = true;
            source.code.clear();
            source.tokens.clear();
        }
    }
    sources
}

/// The sources of the crate, without those of its command.
pub(super) fn crate_sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
        let mut sources = folder("src");
        sources.retain(|source| !source.path.starts_with("bin/"));
        assert!(sources.len() > 10, "the sources were not found");
        sources
    });
    &SOURCES
}

/// The sources of the command, which is a crate of its own.
pub(super) fn command_sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
        let sources = folder("src/bin/geecache");
        assert!(sources.len() > 10, "the sources were not found");
        sources
    });
    &SOURCES
}

/// Both crates.
pub(super) fn both_crates() -> [&'static [Source]; 2] {
    [crate_sources(), command_sources()]
}

/// The Rust files in a folder of the package; none where there is no such folder, as there are no
/// benches in what is published. What cargo has made of a package within it is not read.
pub(super) fn folder(name: &str) -> Vec<Source> {
    fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if !path.ends_with("target") {
                    collect(&path, files);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let files: Vec<(String, String)> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            (path, fs::read_to_string(file).unwrap())
        })
        .collect();
    tree(name, &files)
}

mod tests {
    use super::*;

    fn code_of(text: &str) -> Vec<String> {
        let sources = tree("src", &[("a.rs", text)]);
        sources[0].tokens.iter().map(|token| token.text.clone()).collect()
    }

    #[test]
    fn what_is_for_tests_only_is_no_code() {
        assert_eq!(code_of("a;\n#[cfg(test)]\nmod tests {\n mod b { } c }\nd;"), words("a ; d ;"));
        assert_eq!(code_of("#[cfg(test)]\nuse a::{b, c};\nd;"), words("d ;"));
        assert_eq!(code_of("#[cfg(test)]\n#[derive(A)]\npub(super) struct B { c: D }\ne"), ["e"]);
        assert_eq!(code_of("#[cfg(test)] fn a<B, C>(b: [u8; 3]) { b } d"), ["d"]);
        assert_eq!(code_of("A { #[cfg(test)] b: c, d: e }"), words("A { d : e }"));
        assert_eq!(code_of("A { #[cfg(test)] b: c }"), words("A { }"));
        assert_eq!(code_of("#[cfg(any(test, b))] mod a;").len(), 15);
    }

    #[track_caller]
    fn words(text: &str) -> Vec<&str> {
        text.split_whitespace().collect()
    }

    #[test]
    fn a_file_below_a_test_module_is_a_test() {
        let files = [
            ("lib.rs", "mod a;\n#[cfg(test)]\nmod testing;"),
            ("a.rs", "mod b;\n#[cfg(test)]\nmod tests;"),
            ("a/b.rs", "x;"),
            ("a/tests.rs", "mod more;\n// no code\nx;"),
            ("a/tests/more.rs", "x;"),
            ("testing.rs", "x;"),
        ];
        let sources = tree("src", &files);
        let tests: Vec<_> = sources.iter().map(|source| source.is_test).collect();
        assert_eq!(tests, [false, false, false, true, true, true]);
        assert!(sources[2].tokens.len() == 2 && sources[3].tokens.is_empty());
        assert_eq!(sources[3].code_lines, 2);
    }

    #[test]
    fn lines_keep_their_numbers() {
        let sources = tree("src", &[("a/mod.rs", "// a\n\nlet b = \"c\"; // d\n/* e\n */ f")]);
        let code = [(3, "let b = \"c\";".to_owned()), (5, "    f".to_owned())];
        assert_eq!(sources[0].code, code);
        assert_eq!(
            (sources[0].module(), sources[0].at(3)),
            (vec!["a".into()], "src/a/mod.rs:3".into())
        );
    }
}
