//! [`Args`]: what the program was called with, read by the table of commands.

use std::ffi::OsString;
use std::time::Duration;

use crate::commands::{self, Action, COMMANDS, Command, Flag, GLOBAL};
use crate::failure::Failure;
use crate::format::{read_bytes, read_time};

/// A command, its words and its options.
#[derive(Debug)]
pub(crate) struct Args {
    pub(crate) command: &'static Command,
    pub(crate) words: Vec<String>,
    given: Vec<(&'static str, String)>,
}

/// What is wanted of the program.
#[derive(Debug)]
pub(crate) enum Wish {
    Run(Args),
    /// Help with a command, or with all of them.
    Help(Option<&'static Command>, Length),
    Version,
}

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    Short,
    Long,
}

impl Wish {
    pub(crate) fn of(args: impl IntoIterator<Item: Into<OsString>>) -> Result<Self, Failure> {
        let mut parser = lexopt::Parser::from_iter(args);
        let mut command: Option<&'static Command> = None;
        let (mut words, mut given) = (Vec::new(), Vec::new());
        while let Some(arg) = parser.next()? {
            let flag = match &arg {
                lexopt::Arg::Value(_) => None,
                lexopt::Arg::Long(name) => Some(known(command, |flag| flag.long == *name)),
                lexopt::Arg::Short(name) => Some(known(command, |flag| flag.short == Some(*name))),
            };
            let is_short = matches!(arg, lexopt::Arg::Short(_));
            match (flag, arg) {
                (Some(None), lexopt::Arg::Long(name)) => return Err(unknown(name, command)),
                (Some(None), arg) => return Err(arg.unexpected().into()),
                (Some(Some(flag)), _) if flag.long == "help" => {
                    let length = if is_short { Length::Short } else { Length::Long };
                    return Ok(Self::Help(command, length));
                }
                (Some(Some(flag)), _) if flag.long == "version" => return Ok(Self::Version),
                (Some(Some(flag)), _) if flag.value.is_empty() => {
                    given.push((flag.long, String::new()));
                }
                (Some(Some(flag)), _) => given.push((flag.long, value_of(flag, &mut parser)?)),
                (None, lexopt::Arg::Value(word)) => {
                    let word = text(word)?;
                    match command {
                        None => command = Some(command_of(&word)?),
                        Some(_) => words.push(word),
                    }
                }
                (None, arg) => return Err(arg.unexpected().into()),
            }
        }
        let Some(command) = command else {
            let failure = Failure::usage("which command?");
            return Err(failure.hint("geecache --help lists them"));
        };
        let args = Args { command, words, given };
        args.check_words()?;
        if command.action == Action::Help {
            let about = args.words.first().map(|word| command_of(word)).transpose()?;
            return Ok(Self::Help(about, Length::Long));
        }
        Ok(Self::Run(args))
    }
}

fn known(
    command: Option<&'static Command>,
    is_it: impl Fn(&Flag) -> bool,
) -> Option<&'static Flag> {
    let own = command.map_or(&[][..], |command| command.flags);
    GLOBAL.iter().chain(own).find(|flag| is_it(flag))
}

fn unknown(name: &str, command: Option<&'static Command>) -> Failure {
    let flags = GLOBAL.iter().chain(command.map_or(&[][..], |command| command.flags));
    let of = command.map_or_else(String::new, |command| format!(" of {}", command.name));
    let failure = Failure::usage(format_args!("there is no option --{name}{of}"));
    let near = nearest(name, flags.map(|flag| flag.long)).map(|near| format!("--{near}"));
    // It may belong to a command that comes later.
    let later = COMMANDS.iter().find(|it| it.flags.iter().any(|flag| flag.long == name));
    match (near, later, command) {
        (_, Some(later), None) => failure.hint(format_args!(
            "it belongs to {0}: put it behind that word, as in geecache {0} --{name}",
            later.name
        )),
        (Some(near), ..) => failure.hint(format_args!("did you mean {near}?")),
        _ => failure.hint(help_for(command)),
    }
}

fn help_for(command: Option<&'static Command>) -> String {
    match command {
        Some(command) => format!("see: geecache {} --help", command.name),
        None => "see: geecache --help".to_owned(),
    }
}

fn command_of(word: &str) -> Result<&'static Command, Failure> {
    commands::find(word).ok_or_else(|| {
        let failure = Failure::usage(format_args!("there is no command {word:?}"));
        match nearest(word, COMMANDS.iter().map(|command| command.name)) {
            Some(near) => failure.hint(format_args!("did you mean {near}?")),
            None => failure.hint("geecache --help lists all commands"),
        }
    })
}

/// The one of `names` that `word` was meant to be, if it is off by two letters at most, and by
/// less than half of them.
fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let far = |name: &'a str| (distance(word, name), name);
    let (distance, name) = names.map(far).min()?;
    (distance <= 2 && 2 * distance < name.chars().count()).then_some(name)
}

/// How many letters have to be put in, taken out, changed, or swapped with the next one.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = changed.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && (a[i - 1], a[i - 2]) == (b[j - 2], b[j - 1]) {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

fn value_of(flag: &Flag, parser: &mut lexopt::Parser) -> Result<String, Failure> {
    let value = parser
        .value()
        .map_err(|_| Failure::usage(format_args!("--{} needs its {}", flag.long, flag.value)))?;
    let value = text(value)?;
    if !flag.values.is_empty() && !flag.values.contains(&&*value) {
        let failure = Failure::usage(format_args!("--{} can't be {value:?}", flag.long));
        return Err(failure.hint(format_args!("it is one of: {}", flag.values.join(", "))));
    }
    Ok(value)
}

fn text(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| Failure::usage(format_args!("{word:?} is not UTF-8")))
}

impl Args {
    fn check_words(&self) -> Result<(), Failure> {
        let Self { command, words, .. } = self;
        let wrong = match words.len() {
            few if few < command.least => {
                let missing = command.words.split(' ').nth(few).unwrap_or_default();
                format!("{} needs a {}", command.name, missing.trim_end_matches("..."))
            }
            many if many > command.most => {
                format!("{} does not know what to do with {:?}", command.name, words[command.most])
            }
            _ => return Ok(()),
        };
        Err(Failure::usage(wrong).hint(help_for(Some(command))))
    }

    /// Whether an option was given.
    pub(crate) fn has(&self, long: &str) -> bool {
        self.text(long).is_some()
    }

    /// The value of an option; the last one, if there are several.
    pub(crate) fn text(&self, long: &str) -> Option<&str> {
        self.given.iter().rev().find(|(name, _)| *name == long).map(|(_, value)| &**value)
    }

    /// The parts between commas of all that an option was given.
    pub(crate) fn list(&self, long: &str) -> Vec<String> {
        let values = self.given.iter().filter(|(name, _)| *name == long);
        values.flat_map(|(_, value)| parts(value)).collect()
    }

    pub(crate) fn time(&self, long: &str) -> Result<Option<Duration>, Failure> {
        self.read(long, read_time, "a time, such as 500ms, 2s or 10m")
    }

    pub(crate) fn bytes(&self, long: &str) -> Result<Option<u64>, Failure> {
        self.read(long, read_bytes, "a size, such as 100, 4KiB or 1MiB")
    }

    /// A whole number from 1 to `most`.
    pub(crate) fn number(&self, long: &str, most: usize) -> Result<Option<usize>, Failure> {
        let read = |text: &str| text.parse().ok().filter(|number| (1..=most).contains(number));
        self.read(long, read, &format!("a whole number from 1 to {most}"))
    }

    fn read<T>(
        &self,
        long: &str,
        read: impl Fn(&str) -> Option<T>,
        what: &str,
    ) -> Result<Option<T>, Failure> {
        let Some(text) = self.text(long) else { return Ok(None) };
        let wrong = || Failure::usage(format_args!("--{long} is {what}, and not {text:?}"));
        read(text).map(Some).ok_or_else(wrong)
    }
}

/// The parts between commas, without blanks and empty ones.
pub(crate) fn parts(list: &str) -> Vec<String> {
    let parts = list.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        match Wish::of(["geecache"].into_iter().chain(line.split_whitespace())).unwrap() {
            Wish::Run(args) => args,
            other => panic!("{other:?}"),
        }
    }

    fn failure(line: &str) -> (String, String) {
        let line = ["geecache"].into_iter().chain(line.split_whitespace());
        let failure = Wish::of(line).unwrap_err();
        (failure.message, failure.hint.unwrap_or_default())
    }

    #[test]
    fn options_stand_anywhere_and_the_last_one_counts() {
        let args = args("--timeout 1s get scores -p a,b Tom --peers=c --timeout 2s -i -- --json");
        assert_eq!(
            (args.command.name, &args.words[..]),
            ("get", &["scores", "Tom", "--json"].map(String::from)[..])
        );
        assert_eq!(args.list("peers"), ["a", "b", "c"]);
        assert_eq!(args.time("timeout").unwrap(), Some(Duration::from_secs(2)));
        assert!(args.has("info") && !args.has("json"));
    }

    #[test]
    fn wrong_lines_are_told_with_what_to_do() {
        for (line, message, hint) in [
            ("", "which command?", "--help"),
            ("gte a b", "there is no command \"gte\"", "did you mean get?"),
            ("get a", "get needs a KEY", "geecache get --help"),
            ("ring a", "ring does not know what to do with \"a\"", "geecache ring --help"),
            ("get a b --jsno", "there is no option --jsno of get", "did you mean --json?"),
            ("--yes clear a", "there is no option --yes", "behind that word"),
            ("get a b --peers", "--peers needs its URL,...", ""),
            ("get a b --hash md5", "--hash can't be \"md5\"", "crc32, mixed, balanced, fnv1"),
        ] {
            let (told, next) = failure(line);
            assert!(told.contains(message) && next.contains(hint), "{line}: {told} / {next}");
        }
    }

    #[test]
    fn only_what_is_close_is_suggested() {
        for (line, hint) in [
            ("foo", "geecache --help"),
            ("ge", "did you mean get?"),
            ("sttas", "did you mean stats?"),
            ("isnert", "did you mean insert?"),
            ("get a b --nope", "geecache get --help"),
            ("get a b --tokenfile", "did you mean --token-file?"),
        ] {
            let next = failure(line).1;
            assert!(next.contains(hint), "{line}: {next}");
        }
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(args("bench g --threads 8").number("threads", 256).unwrap(), Some(8));
        for wrong in ["0", "257", "-1", "x", "1.5"] {
            let args = args(&format!("bench g --threads={wrong}"));
            let failure = args.number("threads", 256).unwrap_err();
            assert!(failure.message.contains("from 1 to 256"), "{}", failure.message);
        }
    }
}
