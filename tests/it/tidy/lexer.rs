//! Tells the code of a file from its prose, and cuts the code into tokens.

/// The characters of a file, three times. What does not belong there is blank, so that lines and
/// columns stay the same.
pub(super) struct Layers {
    /// The code, with its strings.
    pub(super) code: Vec<char>,
    /// The code alone: no strings, no characters, no lifetimes.
    pub(super) bare: Vec<char>,
    /// What stands in comments and strings.
    pub(super) prose: Vec<char>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Lifetime,
    Literal,
    Comment,
}

impl Layers {
    pub(super) fn of(text: &str) -> Self {
        let text: Vec<char> = text.chars().collect();
        let mut layers = Self { code: Vec::new(), bare: Vec::new(), prose: Vec::new() };
        let mut at = 0;
        while at < text.len() {
            let (kind, length) = next_part(&text, at);
            for &c in &text[at..at + length] {
                let keep = |is_kept: bool| if is_kept || c == '\n' { c } else { ' ' };
                layers.code.push(keep(kind != Kind::Comment));
                layers.bare.push(keep(kind == Kind::Code));
                layers.prose.push(keep(matches!(kind, Kind::Comment | Kind::Literal)));
            }
            at += length;
        }
        layers
    }
}

/// What begins at `at`, and how many characters of it there are.
fn next_part(text: &[char], at: usize) -> (Kind, usize) {
    let rest = &text[at..];
    let starts_with = |what: &str| what.chars().eq(rest.iter().copied().take(what.len()));
    let in_word = at > 0 && is_word(text[at - 1]);
    if starts_with("//") {
        let end = rest.iter().position(|&c| c == '\n');
        (Kind::Comment, end.unwrap_or(rest.len()))
    } else if starts_with("/*") {
        (Kind::Comment, block_comment(rest))
    } else if starts_with("\"") {
        (Kind::Literal, quoted(rest, '"'))
    } else if rest[0] == 'r' && (!in_word || text[at - 1] == 'b') && raw_string(rest).is_some() {
        (Kind::Literal, raw_string(rest).unwrap_or(1))
    } else if rest[0] == '\'' {
        let is_char = rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'');
        if is_char {
            return (Kind::Literal, quoted(rest, '\''));
        }
        let name = rest[1..].iter().take_while(|&&c| is_word(c)).count();
        (Kind::Lifetime, 1 + name)
    } else {
        (Kind::Code, 1)
    }
}

/// Block comments may hold others.
fn block_comment(text: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn quoted(text: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of `r"…"` or `r#"…"#`, if that is what `text` begins with.
fn raw_string(text: &[char]) -> Option<usize> {
    let hashes = text[1..].iter().take_while(|&&c| c == '#').count();
    let begin = 1 + hashes;
    if text.get(begin) != Some(&'"') {
        return None;
    }
    let mut at = begin + 1;
    while at < text.len() {
        let closing = text[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count();
        if text[at] == '"' && closing == hashes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(text.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// A word, `::`, or any other character of the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Counted from 1.
    pub(super) line: usize,
    /// Where it begins in the file, in characters.
    pub(super) at: usize,
}

impl Token {
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(is_word)
    }
}

/// The tokens of the [bare](Layers::bare) code.
pub(super) fn tokens(bare: &[char]) -> Vec<Token> {
    let (mut tokens, mut line, mut at) = (Vec::new(), 1, 0);
    while at < bare.len() {
        let length = match bare[at] {
            c if is_word(c) => bare[at..].iter().take_while(|&&c| is_word(c)).count(),
            ':' if bare.get(at + 1) == Some(&':') => 2,
            _ => 1,
        };
        if !bare[at].is_whitespace() {
            let text = bare[at..at + length].iter().collect();
            tokens.push(Token { text, line, at });
        }
        if bare[at] == '\n' {
            line += 1;
        }
        at += length;
    }
    tokens
}

mod tests {
    use super::*;

    fn layers(text: &str) -> [String; 3] {
        let Layers { code, bare, prose } = Layers::of(text);
        [code, bare, prose].map(|layer| {
            assert_eq!(layer.len(), text.chars().count(), "every layer is as long as the text");
            let layer: String = layer.into_iter().collect();
            let lines: Vec<_> = layer.lines().map(str::trim).collect();
            lines.join("|")
        })
    }

    #[test]
    fn comments_are_no_code() {
        let [code, bare, prose] = layers("a(); // b\n/* c /* d */ e */ f();");
        assert_eq!((code.as_str(), bare.as_str()), ("a();|f();", "a();|f();"));
        assert_eq!(prose, "// b|/* c /* d */ e */");
    }

    #[test]
    fn what_stands_in_a_string_is_no_comment_and_not_bare() {
        let [code, bare, prose] = layers(r#"a("http://b \" // c"); // d"#);
        assert_eq!(code, r#"a("http://b \" // c");"#);
        assert_eq!(bare.split_whitespace().collect::<Vec<_>>(), ["a(", ");"]);
        assert!(prose.contains("http://b") && prose.contains("// d"));
    }

    #[test]
    fn raw_strings_characters_and_lifetimes_are_told_apart() {
        let [_, bare, _] = layers("r#\"a \" b\"# br\"c\" '\"' '\\'' '{' &'d e for");
        assert_eq!(bare.split_whitespace().collect::<Vec<_>>(), ["b", "&", "e", "for"]);
    }

    #[test]
    fn tokens_are_words_and_signs_with_their_lines() {
        let tokens = tokens(&Layers::of("use a::{b, c_1};\n  x: Y").bare);
        let texts: Vec<_> = tokens.iter().map(|token| token.text.as_str()).collect();
        assert_eq!(texts, ["use", "a", "::", "{", "b", ",", "c_1", "}", ";", "x", ":", "Y"]);
        assert_eq!(tokens[8].line, 1);
        assert_eq!((tokens[9].line, tokens[9].at), (2, 19));
    }
}
