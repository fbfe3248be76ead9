//! Rules that a compiler does not check, read from the text of the sources.

mod circles;
mod delegation;
mod dialect;
mod facts;
mod graph;
mod lengths;
mod lexer;
mod links;
mod names;
mod promises;
mod rooms;
mod source;
mod transport;
mod words;

use self::source::{Source, both_crates};

#[track_caller]
fn assert_none(rule: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

/// The lines of code that hold one of `words`.
fn lines_with(words: &[&str], applies_to: impl Fn(&Source) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in both_crates().into_iter().flatten().filter(|source| applies_to(source)) {
        for (number, line) in &source.code {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}: {}", source.at(*number), line.trim()));
            }
        }
    }
    found
}

/// What stands after the `//` of a line that holds nothing else.
fn comment_text(line: &str) -> Option<&str> {
    let text = line.trim_start().strip_prefix("//")?;
    Some(text.trim_start_matches(['/', '!']).trim_start())
}
