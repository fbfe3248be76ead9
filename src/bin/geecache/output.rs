//! [`Output`]: what the program prints, for people or for programs.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::columns::Columns;
use crate::failure::Failure;
use crate::format::printable;
use crate::style::{Paint, Style};

/// Whom the output is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    /// One JSON value in each line.
    Json,
}

/// Standard output and standard error.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) form: Form,
    pub(crate) style: Style,
    /// The colours of standard error.
    errors: Style,
}

impl Output {
    pub(crate) fn new(form: Form, color: Option<&str>) -> Self {
        let style = Style::of(|| io::stdout().is_terminal(), color);
        let errors = Style::of(|| io::stderr().is_terminal(), color);
        Self { form, style, errors }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.form == Form::Json
    }

    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    pub(crate) fn line(&self, line: impl Display) -> Result<(), Failure> {
        self.bytes(format!("{line}\n").as_bytes())
    }

    pub(crate) fn json(&self, value: &Value) -> Result<(), Failure> {
        self.line(value)
    }

    pub(crate) fn columns(&self, columns: &Columns) -> Result<(), Failure> {
        columns.lines(self.style, None).into_iter().try_for_each(|line| self.line(line))
    }

    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).map_err(|error| Failure::output(&error))
    }

    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        self.style.paint(paint, text)
    }

    /// A line beside the output, on standard error.
    pub(crate) fn aside(&self, line: impl Display) {
        // Nobody can be told that nobody can be told.
        let _ = writeln!(io::stderr(), "{line}");
    }

    pub(crate) fn warn(&self, line: impl Display) {
        let mark = self.errors.paint(Paint::Caution, "geecache:");
        self.aside(format_args!("{mark} {}", shown(&line.to_string())));
    }

    pub(crate) fn complain(&self, failure: &Failure) {
        if failure.message.is_empty() {
            return;
        }
        let mark = self.errors.paint(Paint::Bad, "geecache:");
        self.aside(format_args!("{mark} {}", shown(&failure.message)));
        if let Some(hint) = &failure.hint {
            self.aside(self.errors.paint(Paint::Dim, &format!("  {hint}")));
        }
    }
}

/// What peers said can be in it.
fn shown(message: &str) -> String {
    message.lines().map(printable).collect::<Vec<_>>().join("\n")
}
