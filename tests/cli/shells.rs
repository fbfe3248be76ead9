//! Help, completions, the manual page, colours, and a reader that goes away.

use std::process::{Command, Stdio};

use crate::support::{Cluster, ended, program, run};

const COMMANDS: [&str; 14] = [
    "get",
    "peek",
    "owner",
    "remove",
    "insert",
    "clear",
    "stats",
    "top",
    "ring",
    "check",
    "bench",
    "completions",
    "man",
    "help",
];

#[test]
fn help_tells_of_each_command() {
    let ran = run("--help").well();
    for name in COMMANDS {
        assert!(ran.text().contains(&format!("\n  {name} ")), "{name}: {}", ran.text());
        let short = run(&format!("{name} -h")).well();
        let long = run(&format!("{name} --help")).well();
        let usage = format!("Usage: geecache {name}");
        assert!(short.text().contains(&usage) && long.text().contains(&usage));
        assert!(short.out.len() < long.out.len(), "{name}");
        assert_eq!(run(&format!("help {name}")).well().text(), long.text());
        for line in long.text().lines().filter(|line| !line.contains("geecache completions")) {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
    assert!(ran.text().contains("Exit codes") && ran.text().contains("GEECACHE_TOKEN"));
    assert_eq!(
        run("--version").well().text(),
        concat!("geecache ", env!("CARGO_PKG_VERSION"), "\n")
    );
    run("").failed(2, &["which command?", "geecache --help"]);
}

#[test]
fn the_guide_tells_the_same_codes() {
    let guide = include_str!("../../src/guide/command.rs");
    let help = run("--help").well();
    let (_, codes) = help.text().split_once("Exit codes:\n").unwrap();
    let mut count = 0;
    for line in codes.lines() {
        let (code, means) = line.trim().split_once("  ").unwrap();
        assert!(guide.contains(&format!("//! | {code} | {means} |\n")), "{line}");
        count += 1;
    }
    assert_eq!(count, 9);
}

#[test]
fn completions_name_commands_and_options() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&format!("completions {shell}")).well();
        for part in COMMANDS.iter().chain(&["token-file", "by-peer", "crc32 mixed"]) {
            assert!(ran.text().contains(part), "{shell}: {part}");
        }
    }
}

#[test]
fn bash_completes() {
    let script = run("completions bash").well();
    // What would be completed for the words, the last of which is being written.
    let complete = |words: &str| {
        let count = words.split(' ').count() - 1;
        let script = format!(
            "{}\nCOMP_WORDS=({words}); COMP_CWORD={count}\n[ \"{words}\" = \"${{words% }}\" ] || \
             COMP_WORDS+=('')\n_geecache\necho \"${{COMPREPLY[*]}}\"",
            script.text()
        );
        let output = Command::new("bash").args(["--norc", "-c", &script]).output();
        output.ok().map(|output| {
            assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
            String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
        })
    };
    let Some(commands) = complete("geecache re") else {
        return; // There is no bash here.
    };
    assert_eq!(commands, "remove");
    assert_eq!(complete("geecache --timeout 2s che").unwrap(), "check");
    assert_eq!(complete("geecache clear --y").unwrap(), "--yes");
    assert_eq!(complete("geecache ring --hash m").unwrap(), "mixed");
    assert_eq!(complete("geecache completions z").unwrap(), "zsh");
    assert_eq!(complete("geecache get --by").unwrap(), "");
}

#[test]
fn the_manual_page_is_roff() {
    let ran = run("man").well();
    assert!(ran.text().starts_with(".TH GEECACHE 1 "));
    for name in COMMANDS {
        assert!(ran.text().contains(&format!("\n.SS geecache {name} ")), "{name}");
    }
    let is_control = |line: &&str| line.starts_with('.') || line.starts_with('\'');
    for line in ran.text().lines().filter(is_control) {
        let request = line[1..].split(' ').next().unwrap();
        assert!(["TH", "SH", "SS", "TP", "PP", "B", "I", "EX", "EE"].contains(&request), "{line}");
    }
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let cluster = Cluster::of(1);
    assert!(!cluster.run("ring").well().text().contains('\u{1b}'));
    assert!(cluster.run("ring --color always").well().text().contains('\u{1b}'));
    assert!(!cluster.run("ring --color never").well().text().contains('\u{1b}'));
    assert!(!cluster.run("ring --json --color always").well().text().contains('\u{1b}'));
}

#[test]
fn a_reader_that_goes_away_is_no_trouble() {
    let cluster = Cluster::of(3);
    for line in ["man", "--help", "completions bash", "stats", "check", "get scores Tom Sam"] {
        let peers = cluster.one();
        let mut command = program();
        command.args(line.split(' ')).env("GEECACHE_PEERS", &peers).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Closed before anything was written, as a rule; either way nobody complains.
        drop(child.stdout.take());
        let ran = ended(child);
        assert_eq!((ran.code, &*ran.err), (0, ""), "{line}");
    }
}
