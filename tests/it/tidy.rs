//! Rules that a compiler does not check, read from the text of the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of the core, lowest first: each uses only those that stand before it.
const LEVELS: &[&str] = &[
    // Know nothing.
    "byteview",
    "error",
    "sync",
    "clock",
    "random",
    // Generic structures, and threads.
    "lru",
    "consistenthash",
    "singleflight",
    "workers",
    // What users implement and read.
    "getter",
    "peers",
    "stats",
    // The store, the load path, and the names of groups.
    "cache",
    "group",
    "registry",
    // One transport of many that could be.
    "http",
];

/// Private modules that `http` uses all the same: tools that know nothing of a cache.
const TOOLS: &[&str] = &["sync"];

/// One source file, with comments and unit tests taken out.
struct Source {
    /// Below `src/`, with `/` between the parts.
    path: String,
    /// The lines as they are.
    lines: Vec<String>,
    /// The lines of code, by their numbers; without comments, and without unit tests.
    code: Vec<(usize, String)>,
}

impl Source {
    fn read(root: &Path, file: &Path) -> Self {
        let path = file.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let is_test_file =
            path.split('/').any(|part| ["tests", "tests.rs", "testing.rs"].contains(&part));
        let mut code = Vec::new();
        for (i, line) in lines.iter().enumerate() {
            // A block of unit tests stands at the end of its file.
            let tests_begin = line == "#[cfg(test)]"
                && lines.get(i + 1).is_some_and(|next| next == "mod tests {");
            if is_test_file || tests_begin {
                break;
            }
            let line = without_comment(line);
            if !line.trim().is_empty() {
                code.push((i + 1, line.to_owned()));
            }
        }
        Self { path, lines, code }
    }

    /// The room that the file belongs to: `group` for `group.rs` and `group/builder.rs`.
    fn module(&self) -> &str {
        let first = self.path.split('/').next().unwrap();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    fn is_http(&self) -> bool {
        self.path.starts_with("http/") || self.path == "http.rs"
    }

    /// The paths that start with `crate::`, that part taken off; `{…}` lists are taken apart.
    fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut paths = Vec::new();
        for (at, (number, line)) in self.code.iter().enumerate() {
            for (begin, _) in line.match_indices("crate::") {
                let is_word =
                    line[..begin].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
                if is_word {
                    continue;
                }
                // A list may go on over the next lines.
                let rest = self.code[at + 1..].iter().map(|(_, line)| line.trim());
                let text: String =
                    std::iter::once(&line[begin + "crate::".len()..]).chain(rest).collect();
                expand(&text, "", &mut |path| paths.push((*number, path)));
            }
        }
        paths
    }
}

/// Calls `tell` with every path at the start of `text`: `a::{b, c::d}; …` has the paths `a::b` and `a::c::d`.
fn expand<'t>(text: &'t str, before: &str, tell: &mut dyn FnMut(String)) -> &'t str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    let (path, rest) = text.split_at(end.unwrap_or(text.len()));
    let path = format!("{before}{path}");
    let Some(mut list) = rest.strip_prefix('{') else {
        if !path.is_empty() && !path.ends_with(':') {
            tell(path);
        }
        return rest;
    };
    loop {
        list = expand(list.trim_start(), &path, tell).trim_start();
        match list.chars().next() {
            Some(',') => list = &list[1..],
            Some('}') => return &list[1..],
            Some(_) => match list.find([',', '}']) {
                Some(next) => list = &list[next..],
                None => return "",
            },
            None => return "",
        }
    }
}

/// `line` up to a `//`, if that does not stand in a string (an odd number of quotes before it) or a URL.
fn without_comment(line: &str) -> &str {
    let in_string = |at: usize| line[..at].matches('"').count() % 2 == 1;
    let comment = line.match_indices("//").map(|(at, _)| at).find(|&at| !in_string(at));
    &line[..comment.unwrap_or(line.len())]
}

fn sources() -> Vec<Source> {
    fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    assert!(files.len() > 10, "the sources were not found");
    files.iter().map(|file| Source::read(&root, file)).collect()
}

#[track_caller]
fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

/// The lines of code that hold one of `words`.
fn lines_with(words: &[&str], applies_to: impl Fn(&Source) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| applies_to(source)) {
        for (number, line) in &source.code {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("src/{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    found
}

#[test]
fn lower_modules_know_nothing_of_upper_ones() {
    let level = |module: &str| LEVELS.iter().position(|known| *known == module);
    let mut offences = Vec::new();
    for source in sources() {
        if ["lib", "testing"].contains(&source.module()) {
            continue;
        }
        let Some(own) = level(source.module()) else {
            offences.push(format!("src/{} has no place among the levels", source.path));
            continue;
        };
        for (number, path) in source.crate_paths() {
            let module = path.split("::").next().unwrap();
            let allowed = match level(module) {
                Some(used) => used <= own,
                // An item of the root may come from anywhere, but a transport may use what anybody may.
                None => source.is_http(),
            };
            if !allowed {
                offences.push(format!("src/{}:{number} uses crate::{path}", source.path));
            }
        }
    }
    assert_none("a module uses lower ones only, by the path of the module", &offences);
}

#[test]
fn every_level_is_a_module() {
    let modules: BTreeSet<_> = sources().iter().map(|source| source.module().to_owned()).collect();
    let gone: Vec<_> = LEVELS
        .iter()
        .filter(|level| **level != "http" && !modules.contains(**level))
        .map(|level| (*level).to_owned())
        .collect();
    assert_none("these are levels, but no modules", &gone);
}

#[test]
fn the_generic_structures_know_neither_error_nor_group() {
    let mut offences = Vec::new();
    for source in sources() {
        if ["lru", "consistenthash", "singleflight"].contains(&source.module()) {
            for (number, path) in source.crate_paths() {
                // The one exception: views of bytes have a weight.
                if !path.starts_with("sync") && !path.starts_with("byteview::ByteView") {
                    offences.push(format!("src/{}:{number} uses crate::{path}", source.path));
                }
            }
        }
    }
    assert_none("they are useful without the rest", &offences);
}

#[test]
fn http_uses_of_the_core_only_what_everybody_can() {
    let sources = sources();
    let root = sources.iter().find(|source| source.path == "lib.rs").unwrap();
    let (mut public_modules, mut public_items) = (BTreeSet::new(), BTreeSet::new());
    let text: String = root.code.iter().map(|(_, line)| format!("{} ", line.trim())).collect();
    for part in text.split("pub ").skip(1) {
        if let Some(module) = part.strip_prefix("mod ") {
            public_modules.insert(module.split([';', ' ']).next().unwrap().to_owned());
        }
        if let Some(list) = part.strip_prefix("use ") {
            expand(list, "", &mut |path| {
                public_items.insert(path);
            });
        }
    }
    assert!(public_modules.contains("lru") && public_items.contains("group::Group"));

    let mut offences = Vec::new();
    for source in sources.iter().filter(|source| source.is_http()) {
        for (number, path) in source.crate_paths() {
            let module = path.split("::").next().unwrap();
            let allowed = module == "http"
                || TOOLS.contains(&module)
                || public_modules.contains(module)
                || public_items.contains(&path)
                || public_items.iter().any(|item| item.ends_with(&format!("::{path}")));
            if !allowed {
                offences.push(format!("src/{}:{number} uses crate::{path}", source.path));
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
    assert_none("the core knows no HTTP", &lines_with(&words, |source| !source.is_http()));
    let inner = lines_with(&["http::"], |source| !source.is_http() && source.path != "lib.rs");
    assert_none("the core does not use its transport", &inner);
}

#[test]
fn no_file_is_longer_than_500_lines() {
    let long: Vec<_> = sources()
        .iter()
        .filter(|source| source.lines.len() > 500)
        .map(|source| format!("src/{}: {} lines", source.path, source.lines.len()))
        .collect();
    assert_none("cut it by idea", &long);
}

#[test]
fn code_works_with_the_oldest_supported_compiler() {
    // `if let … && …` needs Rust 1.88. A condition can go over several lines, so it is read up to its brace.
    let mut offences = Vec::new();
    for source in sources() {
        for (at, (number, line)) in source.code.iter().enumerate() {
            let line = line.trim_start();
            let line = line.strip_prefix("} else ").unwrap_or(line);
            if !["if ", "while "].iter().any(|word| line.starts_with(word)) {
                continue;
            }
            let mut condition = String::new();
            for (_, line) in &source.code[at..] {
                condition.push_str(line);
                if line.trim_end().ends_with('{') {
                    break;
                }
            }
            let begins_with_let =
                ["if let ", "while let "].iter().any(|word| line.starts_with(word));
            if condition.contains("&& let ") || begins_with_let && is_chain(&condition) {
                offences.push(format!("src/{}:{number}: {}", source.path, condition.trim()));
            }
        }
    }
    assert_none("let-chains need a newer Rust than Cargo.toml names", &offences);
}

/// Whether a `let` condition has an `&&` outside of any brackets, and so is not a part of its expression.
fn is_chain(condition: &str) -> bool {
    let mut depth = 0;
    let mut before = ' ';
    for c in condition.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '&' if before == '&' && depth == 0 => return true,
            _ => {}
        }
        before = c;
    }
    false
}

#[test]
fn nothing_is_unwrapped_outside_of_tests() {
    let words = [".unwrap()", ".unwrap_err()", ".expect_err("];
    assert_none("say with `expect` why it holds", &lines_with(&words, |_| true));
}

#[test]
fn nothing_is_printed() {
    let words = ["println!", "print!(", "eprint!(", "dbg!(", "todo!(", "unimplemented!("];
    assert_none("the log facade is for that", &lines_with(&words, |_| true));
}

#[test]
fn locks_are_taken_by_the_one_helper() {
    let outside = |source: &Source| source.module() != "sync";
    assert_none("the poison policy lives in sync.rs", &lines_with(&[".lock()"], outside));
}

#[test]
fn the_reader_of_the_sources_reads_them_right() {
    let paths = |text: &str| {
        let mut paths = Vec::new();
        expand(text, "", &mut |path| paths.push(path));
        paths
    };
    assert_eq!(paths("a::B; rest"), ["a::B"]);
    assert_eq!(paths("a::{B, C};"), ["a::B", "a::C"]);
    assert_eq!(paths("{a::{B, c::{D, E}}, f::G as H};"), ["a::B", "a::c::D", "a::c::E", "f::G"]);
    assert_eq!(paths("a::f(x)"), ["a::f"]);
    assert_eq!(without_comment("let a = 1; // crate::b"), "let a = 1; ");
    assert_eq!(without_comment(r#"let a = "http://b";"#), r#"let a = "http://b";"#);
    assert!(is_chain("if let Some(a) = b && c {"));
    assert!(!is_chain("if let Some(a) = b(c && d) {"));
}
