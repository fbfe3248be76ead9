//! What README and the guide quote: one command runs the other benchmarks, and makes a picture and
//! tables of what they print.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use lexopt::prelude::*;
use serde_json::Value as Json;

use crate::bars::{self, Bar, Panel};
use crate::contenders::{GROUP, MOKA, QUICK, STORE};
use crate::local::GO;
use crate::machine;
use crate::progress::Progress;

const HELP: &str = "\
Runs local, memory, hits and peers, and writes what README quotes of them: bench.svg, a picture,
and bench.md, tables. It takes about ten minutes, on an otherwise idle machine.

usage: geecache-bench report [OPTION]...

  --quick    a few minutes instead, to see that it runs; what it writes says so
  --out DIR  where to write (default: src/guide/pictures of the checkout)
  --help     prints this
";

/// What a benchmark prints with `--json`: one object in each line, or one in all.
type Rows = Vec<Json>;

struct ReportOptions {
    is_quick: bool,
    out: PathBuf,
}

pub fn run(args: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let Some(options) = parse(args)? else {
        print!("{HELP}");
        return Ok(());
    };
    let measured = measure(options.is_quick)?;
    let mut origin = origin(options.is_quick);
    if !measured.missing.is_empty() {
        origin.push(format!("not here, so not measured: {}", measured.missing.join(", ")));
    }
    let panels = panels(&measured);
    let what = "Benchmarks of geecache beside other caches";
    let tables = tables(&panels, &origin);
    fs::create_dir_all(&options.out)?;
    write(&options.out.join("bench.svg"), &bars::svg(what, &panels, &origin))?;
    write(&options.out.join("bench.md"), &tables)?;
    print!("{tables}");
    Ok(())
}

fn parse(args: impl Iterator<Item = String>) -> Result<Option<ReportOptions>, lexopt::Error> {
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/guide/pictures");
    let mut options = ReportOptions { is_quick: false, out: pictures };
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("help") | Short('h') => return Ok(None),
            Long("quick") => options.is_quick = true,
            Long("out") => options.out = parser.value()?.into(),
            _ => return Err(arg.unexpected()),
        }
    }
    Ok(Some(options))
}

/// What the other commands printed.
struct Measured {
    local: Rows,
    hits: Rows,
    memory: Rows,
    /// The results of `peers`, and of how many threads they are.
    peers: Rows,
    threads: u64,
    /// Who could not be compared.
    missing: Vec<String>,
}

fn measure(is_quick: bool) -> Result<Measured, Box<dyn Error>> {
    let progress = Progress::of(4);
    let rounds = if is_quick { "2" } else { "15" };
    let local = rows(&progress, &["local", "--regime", "S", "--rounds", rounds, "--json"])?;
    let (sizes, memory): (&[&str], &[&str]) = match is_quick {
        true => (&["--sizes", "0.1"], &["--quick"]),
        false => (&[], &[]),
    };
    let hits = rows(&progress, &[&["hits", "--json"], sizes].concat())?;
    let memory = rows(&progress, &[&["memory", "--json"], memory].concat())?;
    let cases: &[&str] = match is_quick {
        true => &["--quick", "--rounds", "5"],
        false => &["--threads", "16", "--values", "64", "--batches", "1,100"],
    };
    let told = rows(&progress, &[&["peers", "--json"], cases].concat())?;
    let told = told.first().ok_or("peers printed nothing")?;
    let peers = told["results"].as_array().cloned().ok_or("peers printed no results")?;
    let missing = told["missing"].as_array().into_iter().flatten();
    let missing = missing.filter_map(|it| it["contender"].as_str()).map(str::to_owned).collect();
    let threads = if is_quick { 4 } else { 16 };
    Ok(Measured { local, hits, memory, peers, threads, missing })
}

fn panels(measured: &Measured) -> Vec<Panel> {
    let threads = measured.threads;
    vec![
        Panel {
            title: "A hit in memory".into(),
            unit: "nanoseconds, 1 thread; less is better".into(),
            bars: caches(&measured.local, "1T ns median"),
        },
        Panel {
            title: "Hits of 8 threads".into(),
            unit: "millions a second; more is better".into(),
            bars: caches(&measured.local, "8T Mops median"),
        },
        Panel {
            title: "Hit ratio on traces".into(),
            unit: "part of what an optimal cache hits; more is better".into(),
            bars: ratios(&measured.hits),
        },
        Panel {
            title: "Memory of a cache bounded to 64 MiB".into(),
            unit: "of the bound, entries of 84 bytes; 1 is honest".into(),
            bars: caches(&measured.memory, "64 B"),
        },
        Panel {
            title: format!("Gets from another process, {threads} threads"),
            unit: "thousands a second, values of 64 bytes; more is better".into(),
            bars: contenders(&measured.peers, 1, threads),
        },
        Panel {
            title: format!("Keys in batches of 100, {threads} threads"),
            unit: "thousands a second, values of 64 bytes; more is better".into(),
            bars: contenders(&measured.peers, 100, threads),
        },
    ]
}

/// Runs another command of this program.
fn rows(progress: &Progress, args: &[&str]) -> Result<Rows, Box<dyn Error>> {
    progress.begin(&args.join(" "));
    let output = Command::new(std::env::current_exe()?).args(args).output()?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{} failed: {told}", args.join(" ")).into());
    }
    progress.end();
    let all = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    Ok(all.collect::<Result<_, _>>()?)
}

/// The column of those caches whose table has it.
fn caches(rows: &Rows, column: &str) -> Vec<Bar> {
    let names = [
        (GROUP, true),
        (STORE, true),
        (QUICK, false),
        (MOKA, false),
        ("mini-moka", false),
        ("Mutex<lru>", false),
        (GO, false),
    ];
    let bar = |(name, is_own): (&str, bool)| {
        let row = rows.iter().find(|row| row["cache"] == name && !row[column].is_null())?;
        let name = name.trim_end_matches(" Group.Get").to_owned();
        Some(Bar { name, value: row[column].as_f64()?, is_own })
    };
    names.into_iter().filter_map(bar).collect()
}

/// The means over all traces, of those caches that can weigh entries. A column is a cache there.
fn ratios(rows: &Rows) -> Vec<Bar> {
    let names = [(STORE, true), (QUICK, false), (MOKA, false), ("mini-moka", false)];
    let mean = rows.iter().find(|row| row["trace@size"] == "mean of hit / optimum");
    let bar = |(name, is_own): (&str, bool)| {
        Some(Bar { name: name.to_owned(), value: mean?[name].as_f64()?, is_own })
    };
    names.into_iter().filter_map(bar).collect()
}

/// What came from other processes.
fn contenders(results: &[Json], batch: u64, threads: u64) -> Vec<Bar> {
    let case = |row: &&Json| {
        row["batch"] == batch && row["threads"] == threads && row["value_bytes"] == 64
    };
    let bar = |row: &Json| {
        let name = row["contender"].as_str()?;
        // The best turn is the one that the machine disturbed least.
        let value = row["gets_per_s"].as_f64()? / 1e3;
        Some(Bar { name: name.to_owned(), value, is_own: name.starts_with("geecache") })
    };
    results.iter().filter(case).filter_map(bar).collect()
}

/// On what, when and of which commit: a line each.
fn origin(is_quick: bool) -> Vec<String> {
    let git = |args: &[&str]| {
        let output =
            Command::new("git").args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output();
        let output = output.ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]).unwrap_or_else(|| "unknown".into());
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
    let changed = if changed.is_some_and(|it| !it.is_empty()) { " with changes" } else { "" };
    let quick = if is_quick { ", a short run (--quick)" } else { "" };
    vec![format!("{}, commit {commit}{changed}{quick}", today()), machine::describe()]
}

/// The date in UTC, such as `2026-02-28`.
fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    // Days of eras of 400 years, which begin in March (Hinnant, "chrono-Compatible Low-Level Date
    // Algorithms").
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

fn tables(panels: &[Panel], origin: &[String]) -> String {
    let mut text = format!("{}.\n", origin.join("; "));
    for panel in panels {
        let _ = write!(text, "\n| {} | {} |\n|---|--:|\n", panel.title, panel.unit);
        for bar in &panel.bars {
            let name = if bar.is_own { format!("**{}**", bar.name) } else { bar.name.clone() };
            let _ =
                writeln!(text, "| {} | {} |", name.replace('<', "\\<"), bars::figure(bar.value));
        }
    }
    text
}

fn write(file: &Path, text: &str) -> Result<(), Box<dyn Error>> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    eprintln!("wrote {}", file.display());
    Ok(())
}
