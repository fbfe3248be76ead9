//! How long a file, a function and a line may be.

use super::facts::Facts;
use super::source::{Source, both_crates, crate_sources, folder};
use super::{assert_none, comment_text};

/// Lines of code in a file; comments and blank lines are not counted.
const MAX_FILE: usize = 400;
/// Lines of code in a function; comments and blank lines are not counted.
const MAX_FUNCTION: usize = 60;
/// Lines of a page of the guide, and of README: one idea, which is read at once.
const MAX_PAGE: usize = 150;
/// Characters in a line.
const MAX_WIDTH: usize = 100;

#[test]
fn no_file_is_too_long() {
    for sources in both_crates() {
        assert_none("cut it by idea", &long_files(sources));
    }
    assert_none("cut it by idea", &long_files(&folder("examples")));
}

#[test]
fn no_function_is_too_long() {
    for sources in both_crates() {
        assert_none("take a part of it out", &long_functions(sources));
    }
    assert_none("take a part of it out", &long_functions(&folder("examples")));
}

#[test]
fn no_page_is_too_long() {
    let pages = crate_sources().iter().filter(|source| source.path.starts_with("guide/"));
    let page = |source: &Source| (source.path.clone(), source.lines.len());
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let readme = ("README.md".to_owned(), readme.unwrap().lines().count());
    let long = pages.map(page).chain([readme]).filter(|(_, lines)| *lines >= MAX_PAGE);
    let long: Vec<_> = long.map(|(path, lines)| format!("{path}: {lines} lines")).collect();
    assert_none("cut it by idea", &long);
}

#[test]
fn no_line_is_too_wide() {
    let folders = ["src", "tests", "examples", "benches/src"];
    let wide: Vec<_> = folders.iter().flat_map(|name| wide_lines(&folder(name))).collect();
    assert_none("break the line", &wide);
}

/// Tests are files, too.
fn long_files(sources: &[Source]) -> Vec<String> {
    let long = sources.iter().filter(|source| source.code_lines > MAX_FILE);
    let show =
        |source: &Source| format!("{}/{}: {} lines", source.folder, source.path, source.code_lines);
    long.map(show).collect()
}

fn long_functions(sources: &[Source]) -> Vec<String> {
    let mut long = Vec::new();
    for source in sources {
        let items = Facts::of(source).items.into_iter();
        for item in items.filter(|item| item.kind == "fn") {
            let lines = item.first_line..=item.last_line;
            let lines = source.code.iter().filter(|(line, _)| lines.contains(line)).count();
            if lines > MAX_FUNCTION {
                long.push(format!(
                    "{}: {} has {lines} lines",
                    source.at(item.first_line),
                    item.name
                ));
            }
        }
    }
    long
}

fn wide_lines(sources: &[Source]) -> Vec<String> {
    let mut wide = Vec::new();
    for source in sources {
        for (i, line) in source.lines.iter().enumerate() {
            let width = line.chars().count();
            if width > MAX_WIDTH && !can_not_be_broken(line) {
                wide.push(format!("{}: {width} characters", source.at(i + 1)));
            }
        }
    }
    wide
}

/// Rows of tables in comments, and URLs that would not fit into a line of their own.
fn can_not_be_broken(line: &str) -> bool {
    let Some(text) = comment_text(line) else { return false };
    let before = line.chars().count() - text.chars().count();
    let is_long_url =
        |word: &str| word.contains("://") && before + word.chars().count() > MAX_WIDTH;
    let is_link = text.starts_with('[') && text.contains("]: http");
    text.starts_with('|') || is_link || text.split_whitespace().any(is_long_url)
}

mod tests {
    use super::*;
    use crate::tidy::source::tree;

    #[test]
    fn lines_of_code_are_counted_and_comments_are_not() {
        let text = "// a\n\n/* b\n c */\nd();\n".repeat(MAX_FILE);
        assert_eq!(long_files(&tree("src", &[("a.rs", &*text)])), [""; 0]);
        let text = format!("{text}#[cfg(test)]\nmod e {{}}");
        assert_eq!(long_files(&tree("src", &[("a.rs", &*text)])), ["src/a.rs: 402 lines"]);
    }

    #[test]
    fn a_function_is_as_long_as_its_code() {
        let body = "// b\n\nc();\n";
        let fits = format!("fn a() {{\n{}}}\n", body.repeat(MAX_FUNCTION - 2));
        let long = format!("struct D;\nimpl D {{\nfn e() {{\n{}}}\n}}", body.repeat(MAX_FUNCTION));
        let test = format!("#[cfg(test)]\nmod tests {{ {long} }}");
        let files = [("a.rs", &*fits), ("b.rs", &*long), ("c.rs", &*test)];
        assert_eq!(long_functions(&tree("src", &files)), ["src/b.rs:3: e has 62 lines"]);
    }

    #[test]
    fn a_wide_line_is_told_but_for_tables_and_urls_that_can_not_be_broken() {
        let long = "é".repeat(MAX_WIDTH - 3);
        let text = format!(
            "// {long}\n// {long}é\n/// | {long} |\nlet a = \"{long}\";\n\
             // [a]: https://b/{long}\n    // see https://a/{long} there\n// http://a is {long}"
        );
        let wide = wide_lines(&tree("src", &[("a.rs", &*text)]));
        let lines: Vec<_> = wide.iter().filter_map(|it| it.split(": ").next()).collect();
        assert_eq!(lines, ["src/a.rs:2", "src/a.rs:4", "src/a.rs:7"]);
    }
}
