//! What `--help` tells.

use crate::args::Length;
use crate::commands::{ABOUT, COMMANDS, Command, ENVIRONMENT, Flag, GLOBAL};
use crate::failure::EXITS;
use crate::format::width;
use crate::output::Output;
use crate::style::Paint;

/// How wide the text is.
const COLUMNS: usize = 80;

/// The help with `command`, or with the whole.
pub(crate) fn text(command: Option<&Command>, length: Length, out: &Output) -> String {
    let page = Page { out, text: String::new() };
    match command {
        Some(command) => page.command(command, length),
        None => page.whole(length),
    }
}

struct Page<'a> {
    out: &'a Output,
    text: String,
}

impl Page<'_> {
    fn whole(mut self, length: Length) -> String {
        self.line(ABOUT);
        self.usage("COMMAND [WORDS] [OPTIONS]");
        let about = |command: &Command| (command.name.to_owned(), command.about.to_owned());
        self.pairs("Commands", COMMANDS.iter().map(about));
        match length {
            Length::Short => {
                self.line("");
                self.line("geecache COMMAND --help tells about one, --help about all options.");
            }
            Length::Long => {
                self.flags("Options of all commands", GLOBAL);
                let own = |(name, about): &(&str, &str)| ((*name).to_owned(), (*about).to_owned());
                self.pairs("Environment", ENVIRONMENT.iter().map(own));
                self.line("");
                self.paragraph(
                    "There is no option for the token itself: other users of a machine can read \
                     the options of a program.",
                    "  ",
                );
                let code = |(exit, about): &(crate::failure::Exit, &str)| {
                    ((*exit as u8).to_string(), (*about).to_owned())
                };
                self.pairs("Exit codes", EXITS.iter().map(code));
            }
        }
        self.text
    }

    fn command(mut self, command: &Command, length: Length) -> String {
        self.line(command.about);
        let words = [command.name, command.words, "[OPTIONS]"];
        self.usage(
            &words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "),
        );
        if length == Length::Long {
            for paragraph in command.details {
                self.line("");
                self.paragraph(paragraph, "");
            }
        }
        if !command.flags.is_empty() {
            self.flags("Options", command.flags);
        }
        match length {
            Length::Short => {
                self.line("");
                self.line("--help tells more, and the options of all commands.");
            }
            Length::Long => {
                self.flags("Options of all commands", GLOBAL);
                self.examples(command);
            }
        }
        self.text
    }

    fn examples(&mut self, command: &Command) {
        if !command.examples.is_empty() {
            self.heading("Examples");
        }
        for (line, about) in command.examples {
            let about = if about.is_empty() { String::new() } else { format!("  # {about}") };
            self.line(&format!("  {line}{}", self.out.paint(Paint::Dim, &about)));
        }
    }

    fn usage(&mut self, words: &str) {
        self.line("");
        let usage = self.out.paint(Paint::Bold, "Usage:");
        self.line(&format!("{usage} geecache {words}"));
    }

    fn flags(&mut self, heading: &str, flags: &[Flag]) {
        self.pairs(heading, flags.iter().map(|flag| (names(flag), about(flag))));
    }

    /// Names on the left, what they mean on the right.
    fn pairs(&mut self, heading: &str, pairs: impl Iterator<Item = (String, String)>) {
        let pairs: Vec<_> = pairs.collect();
        let wide = pairs.iter().map(|(name, _)| width(name)).max().unwrap_or_default();
        self.heading(heading);
        for (name, about) in pairs {
            let blanks = " ".repeat(wide - width(&name));
            let name = self.out.paint(Paint::Accent, &name);
            let mut first = format!("  {name}{blanks}  ");
            for line in wrapped(&about, COLUMNS - wide - 4) {
                self.line(&format!("{first}{line}"));
                first = " ".repeat(wide + 4);
            }
        }
    }

    fn heading(&mut self, heading: &str) {
        self.line("");
        self.line(&self.out.paint(Paint::Bold, &format!("{heading}:")));
    }

    fn paragraph(&mut self, text: &str, indent: &str) {
        for line in wrapped(text, COLUMNS - indent.len()) {
            self.line(&format!("{indent}{line}"));
        }
    }

    fn line(&mut self, line: &str) {
        self.text += line;
        self.text.push('\n');
    }
}

/// `-p, --peers URL,...`.
pub(crate) fn names(flag: &Flag) -> String {
    let short = flag.short.map_or_else(|| "    ".to_owned(), |short| format!("-{short}, "));
    let value = if flag.value.is_empty() { String::new() } else { format!(" {}", flag.value) };
    format!("{short}--{}{value}", flag.long)
}

/// What an option does, with its values.
pub(crate) fn about(flag: &Flag) -> String {
    match flag.values {
        [] => flag.about.to_owned(),
        values => format!("{}; one of {}", flag.about, values.join(", ")),
    }
}

/// The text in lines of at most `columns`.
fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last().map_or(0, |line| width(line));
        if line > 0 && line + 1 + width(word) > columns {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}
