//! [`Finding`]: one thing that was looked at.

use serde_json::{Value, json};

use crate::output::Output;
use crate::style::Paint;

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Good,
    /// It works, but somebody should look at it.
    Doubtful,
    Bad,
    /// It could not be seen.
    Unknown,
}

/// One thing that was looked at.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) what: &'static str,
    pub(super) verdict: Verdict,
    pub(super) told: String,
    /// More lines, such as one for each peer.
    pub(super) lines: Vec<String>,
    /// What to do about it.
    pub(super) hint: Option<String>,
}

impl Finding {
    pub(super) fn new(what: &'static str, verdict: Verdict, told: impl Into<String>) -> Self {
        Self { what, verdict, told: told.into(), lines: Vec::new(), hint: None }
    }

    pub(super) fn lines(self, lines: Vec<String>) -> Self {
        Self { lines, ..self }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "check": self.what,
            "verdict": self.verdict.name(),
            "text": self.told,
            "lines": self.lines,
            "hint": self.hint,
        })
    }
}

impl Verdict {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }

    /// Its sign, which differs without colours, too.
    pub(super) fn mark(self, out: &Output) -> String {
        let (paint, sign) = match self {
            Self::Good => (Paint::Good, "✓"),
            Self::Doubtful => (Paint::Caution, "!"),
            Self::Bad => (Paint::Bad, "✗"),
            Self::Unknown => (Paint::Dim, "–"),
        };
        out.paint(paint, sign)
    }
}
