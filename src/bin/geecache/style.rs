//! [`Style`]: colours, where somebody sees them.

use std::env;

/// What a text is painted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Paint {
    #[default]
    Plain,
    Bold,
    Dim,
    Good,
    Bad,
    Caution,
    Accent,
}

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Coloured,
}

impl Style {
    /// For a stream that is a terminal, or none, by the word that `--color` was given.
    pub(crate) fn of(is_terminal: impl FnOnce() -> bool, word: Option<&str>) -> Self {
        let wanted = match word {
            Some("always") => true,
            Some("never") => false,
            _ => {
                let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
                let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
                !is_set("NO_COLOR") && !is_dumb && is_terminal()
            }
        };
        if wanted { Self::Coloured } else { Self::Plain }
    }

    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Plain => return text.to_owned(),
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Good => "32",
            Paint::Bad => "31",
            Paint::Caution => "33",
            Paint::Accent => "36",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}
