//! The manual page, from the table of commands.

use std::fmt::Write;

use crate::commands::{ABOUT, COMMANDS, ENVIRONMENT, Flag, GLOBAL};
use crate::failure::EXITS;
use crate::help;

/// The page as roff.
pub(crate) fn page() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut page = format!(".TH GEECACHE 1 \"\" \"geecache {version}\" \"User Commands\"\n");
    page += ".SH NAME\ngeecache \\- looks into a geecache cluster, and changes what it holds\n";
    page += ".SH SYNOPSIS\n.B geecache\n.I COMMAND\n[\\fIWORDS\\fR] [\\fIOPTIONS\\fR]\n";
    let _ = writeln!(page, ".SH DESCRIPTION\n{}", escaped(ABOUT));
    page += "The peers are those that \\fB\\-\\-peers\\fR or \\fBGEECACHE_PEERS\\fR names, or one \
             of them: then its status names the others.\n";
    page += "A peer without a status page (one in Go, or an older one) is asked for keys all the \
             same.\n.SH COMMANDS\n";
    for command in COMMANDS {
        let _ = writeln!(page, ".SS geecache {} {}", command.name, escaped(command.words));
        let _ = writeln!(page, "{}", escaped(command.about));
        for paragraph in command.details {
            let _ = writeln!(page, ".PP\n{}", escaped(paragraph));
        }
        flags(&mut page, command.flags);
        for (line, about) in command.examples {
            let about = if about.is_empty() { String::new() } else { format!("  # {about}") };
            let _ = writeln!(page, ".PP\n.EX\n  {}\n.EE", escaped(&format!("{line}{about}")));
        }
    }
    page += ".SH OPTIONS OF ALL COMMANDS\n";
    flags(&mut page, GLOBAL);
    page += ".SH ENVIRONMENT\n";
    for (name, about) in ENVIRONMENT {
        let _ = writeln!(page, ".TP\n.B {name}\n{}", escaped(about));
    }
    page += ".PP\nThere is no option for the token itself: other users of a machine can read the \
             options of a program.\n.SH EXIT STATUS\n";
    for (exit, about) in EXITS {
        let _ = writeln!(page, ".TP\n.B {}\n{}", exit as u8, escaped(about));
    }
    page
}

fn flags(page: &mut String, flags: &[Flag]) {
    for flag in flags {
        let names = escaped(help::names(flag).trim_start());
        let _ = writeln!(page, ".TP\n.B {names}\n{}", escaped(&help::about(flag)));
    }
}

/// Text that roff takes for nothing else.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}
