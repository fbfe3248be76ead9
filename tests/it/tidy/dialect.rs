//! What stands nowhere in the code but in tests.

use super::source::{Source, both_crates, tree};
use super::{assert_none, lines_with};

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
    let outside = |source: &Source| source.folder == "src" && source.path != "sync.rs";
    assert_none("the poison policy lives in sync.rs", &lines_with(&[".lock()"], outside));
}

#[test]
fn paths_begin_at_the_crate_or_at_an_own_child() {
    for sources in both_crates() {
        assert_none("write crate::… for super::…", &supers(sources));
    }
}

fn supers(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources {
        let pairs = source.tokens.windows(2);
        for pair in pairs.filter(|pair| pair[0].text == "super" && pair[1].text == "::") {
            offences.push(source.at(pair[0].line));
        }
    }
    offences
}

#[test]
fn each_module_has_an_import_of_its_own() {
    let rule = "write use std::fmt; use std::io::Read;";
    for sources in both_crates() {
        assert_none(rule, &trees_of_imports(sources));
    }
}

/// A list of imports over several lines names items of one module, and no paths below it.
fn trees_of_imports(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources {
        let mut list = None;
        for (at, line) in source.lines.iter().enumerate() {
            let line = line.trim_start();
            if line.starts_with("use ") && line.ends_with("::{") {
                list = Some(at + 1);
            } else if line.starts_with("};") {
                list = None;
            } else if line.contains("::") {
                offences.extend(list.take().map(|begin| source.at(begin)));
            }
        }
    }
    offences
}

#[test]
fn code_works_with_the_oldest_supported_compiler() {
    let rule = "let-chains need a newer Rust than Cargo.toml names";
    for sources in both_crates() {
        assert_none(rule, &let_chains(sources));
    }
}

/// `if let … && …` needs Rust 1.88. A condition can go over several lines, so it is read up to its
/// brace.
fn let_chains(sources: &[Source]) -> Vec<String> {
    let mut offences = Vec::new();
    for source in sources {
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
                offences.push(format!("{}: {}", source.at(*number), condition.trim()));
            }
        }
    }
    offences
}

/// Whether a `let` condition has an `&&` outside of any brackets, and so is not a part of its
/// expression.
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

mod tests {
    use super::*;

    #[test]
    fn chains_are_told_from_conditions_within_an_expression() {
        let text = "if let Some(a) = b && c {\n}\nif let Some(a) = b(c && d) {\n\
                    } else if a\n    && let Some(b) = c\n{\n}";
        let sources = tree("src", &[("a.rs", text)]);
        let chains = let_chains(&sources);
        assert_eq!(chains.len(), 2, "{chains:?}");
        assert!(chains[0].starts_with("src/a.rs:1") && chains[1].starts_with("src/a.rs:4"));
    }

    #[test]
    fn a_parent_is_named_in_unit_tests_only() {
        let text = "use super::b;\npub(super) fn c() { super::super::d() }\n\
                    #[cfg(test)]\nmod tests { use super::*; }";
        let sources = tree("src", &[("a/b.rs", text)]);
        assert_eq!(supers(&sources), ["src/a/b.rs:1", "src/a/b.rs:2", "src/a/b.rs:2"]);
    }

    #[test]
    fn a_list_of_items_is_fine_and_a_tree_of_modules_is_not() {
        let list = "use std::io::{\n    Read,\n    Write,\n};\nfn a() { b::c() }";
        let nested = "use std::{\n    fmt,\n    io::{self, Read},\n};\nfn a() { b::c() }";
        let sources = tree("src", &[("a.rs", list), ("b.rs", nested)]);
        assert_eq!(trees_of_imports(&sources), ["src/b.rs:1"]);
    }
}
