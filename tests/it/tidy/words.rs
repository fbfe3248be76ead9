//! Words that not every reader knows.

use std::fs;
use std::path::Path;

use super::assert_none;
use super::source::{Source, both_crates, folder};

/// Archaic or poetic words, and idioms.
const UNWANTED: &[&str] = &[
    "albeit",
    "anew",
    "behind the scenes",
    "hence",
    "henceforth",
    "hereby",
    "herein",
    "hither",
    "in no time",
    "lest",
    "naught",
    "nigh",
    "nought",
    "the like of",
    "thence",
    "thereby",
    "therein",
    "thereof",
    "thereupon",
    "thither",
    "to and fro",
    "upon",
    "whence",
    "whereby",
    "wherein",
    "whereupon",
    "whilst",
    "whoever",
    "whomever",
    "whosoever",
];

#[test]
fn text_is_in_plain_english() {
    let mut offences = Vec::new();
    for source in both_crates().into_iter().flatten().chain(&folder("examples")) {
        let prose = source.prose.iter().map(String::as_str).collect::<Vec<_>>();
        let found = unwanted(&prose).into_iter();
        offences.extend(found.map(|(line, words)| format!("{}: {words}", source.at(line))));
    }
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let found = unwanted(&readme.lines().collect::<Vec<_>>()).into_iter();
    offences.extend(found.map(|(line, words)| format!("README.md:{line}: {words}")));
    assert_none("use an everyday word", &offences);
}

/// Where unwanted words stand, be it over the end of a line.
fn unwanted(lines: &[&str]) -> Vec<(usize, &'static str)> {
    let mut words = Vec::new();
    for (i, line) in lines.iter().enumerate() {
        let is_in_word = |c: char| c.is_alphanumeric() || c == '\'' || c == '_';
        let in_line = line.split(|c| !is_in_word(c)).filter(|word| !word.is_empty());
        words.extend(in_line.map(|word| (i + 1, word.to_lowercase())));
    }
    let mut found = Vec::new();
    for at in 0..words.len() {
        for unwanted in UNWANTED {
            let mut expected = unwanted.split(' ').zip(&words[at..]).peekable();
            let is_whole = unwanted.split(' ').count() <= words.len() - at;
            if is_whole && expected.all(|(word, (_, found))| word == found) {
                found.push((words[at].0, *unwanted));
            }
        }
    }
    found
}

mod tests {
    use super::*;
    use crate::tidy::source::tree;

    #[test]
    fn whole_words_are_found_in_any_case_and_over_lines() {
        let lines = ["Whoever runs, runs it anew; renewed", "in no", "", "time, to and", "from"];
        assert_eq!(unwanted(&lines), [(1, "whoever"), (1, "anew"), (2, "in no time")]);
        assert_eq!(unwanted(&["to and fro", "behind the"]), [(1, "to and fro")]);
    }

    #[test]
    fn text_is_what_stands_in_comments_and_strings() {
        let text = "fn anew() {} // whence\n/// Hither\nlet a = \"thither\";";
        let source: &Source = &tree("src", &[("a.rs", text)])[0];
        let prose: Vec<_> = source.prose.iter().map(String::as_str).collect();
        assert_eq!(unwanted(&prose), [(1, "whence"), (2, "hither"), (3, "thither")]);
    }
}
