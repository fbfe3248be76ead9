//! Tests that the guide names as proof.

use super::assert_none;
use super::source::{crate_sources, folder};

#[test]
fn tests_that_the_guide_names_exist() {
    let (mut functions, tests) = (Vec::new(), folder("tests"));
    for source in crate_sources().iter().chain(&tests) {
        functions.extend(source.lines.iter().filter_map(|line| name_of_function(line)));
    }
    let mut offences = Vec::new();
    for source in crate_sources().iter().filter(|source| source.path.starts_with("guide/")) {
        for (n, line) in source.lines.iter().enumerate() {
            for name in named_tests(line) {
                if !functions.contains(&name) {
                    offences.push(format!("{}: {name}", source.at(n + 1)));
                }
            }
        }
    }
    assert_none("name a test that exists", &offences);
}

fn name_of_function(line: &str) -> Option<&str> {
    let rest = line.trim_start().strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

/// The code in a table's row that reads as the name of a test: no option has so many words, and a
/// metric begins otherwise.
fn named_tests(line: &str) -> impl Iterator<Item = &str> {
    let row = line.strip_prefix("//! |").unwrap_or_default();
    let code = row.split('`').skip(1).step_by(2);
    code.filter(|code| {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let is_metric = code.starts_with("geecache_");
        code.chars().all(is_plain) && code.matches('_').count() >= 4 && !is_metric
    })
}

mod tests {
    use super::*;

    #[test]
    fn names_of_tests_are_told_from_other_code() {
        let row = "//! | `max_connections` | 3 | `it_is_said_here_twice`, `Not_this_one_at_all` |";
        assert_eq!(named_tests(row).collect::<Vec<_>>(), ["it_is_said_here_twice"]);
        assert_eq!(named_tests("//! see `it_is_said_here_twice`").count(), 0);
        assert_eq!(name_of_function("    fn one_of_them(server: Server) {"), Some("one_of_them"));
    }
}
