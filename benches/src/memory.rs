//! How much memory a cache takes: per entry, and compared with its bound.
//!
//! Each figure comes from a process of its own, which fills one cache and tells how much it grew.

use std::error::Error;
use std::process::Command;

use geecache::{ByteView, Group};
use lexopt::prelude::*;

use crate::contenders::{self, Bound, FLOORS, GROUP, MOKA, QUICK, STORE};
use crate::machine;
use crate::report::Table;
use crate::workload::{KEY_BYTES, Stream};

const ENTRIES: u64 = 1_000_000;
const ENTRY_VALUE_BYTES: usize = 64;
const BOUND: u64 = 64 << 20;
const GROUPS: u64 = 10_000;
/// Of a glimpse.
const FEW: [&str; 4] = [STORE, GROUP, QUICK, MOKA];
const VALUE_BYTES: [usize; 3] = [64, 1024, 65536];

pub fn run(args: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let (mut json, mut is_quick, mut child) = (false, false, None);
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("json") => json = true,
            Long("quick") => is_quick = true,
            // What the process of the idle groups is started with.
            Long("idle-groups") => {
                println!("{}", idle_groups());
                return Ok(());
            }
            // What the processes of one cache are started with.
            Long("child") => {
                let name = parser.value()?.string()?;
                child = Some((name, parser.value()?.parse()?, parser.value()?.parse()?));
            }
            _ => return Err(arg.unexpected().into()),
        }
    }
    if let Some((name, value_bytes, bounded)) = child {
        let (grown, entries) = fill(&name, value_bytes, bounded);
        println!("{grown} {entries}");
        return Ok(());
    }
    if !json {
        println!("{}", machine::describe());
    }
    let title = "Resident memory: bytes per entry of 84 bytes (1M entries, room for 2M); share \
                 of a bound of 64 MiB";
    let columns = ["cache", "B/entry", "/ quick_cache", "64 B", "1 KiB", "64 KiB"];
    let mut table = Table::new(title, &columns, 2);
    let per_entry = |name: &str| -> Result<f64, Box<dyn Error>> {
        let (grown, entries) = measure(name, ENTRY_VALUE_BYTES, false)?;
        Ok(grown / entries)
    };
    let quick = per_entry(QUICK)?;
    let wanted = |name: &&str| !is_quick || FEW.contains(name);
    for name in contenders::ALL.into_iter().filter(wanted) {
        let own = per_entry(name)?;
        let mut figures = vec![Some(own), Some(own / quick)];
        for value_bytes in VALUE_BYTES.into_iter().filter(|it| !is_quick || *it == VALUE_BYTES[0]) {
            // Those that count entries have no bound in bytes.
            let by_count = ["Mutex<lru>", "Mutex<schnellru>", "TinyUFO"];
            let bounded = !FLOORS.contains(&name) && !by_count.contains(&name);
            let share = match bounded {
                true => Some(measure(name, value_bytes, true)?.0 / BOUND as f64),
                false => None,
            };
            figures.push(share);
        }
        figures.resize(columns.len() - 1, None);
        table.push(name, figures);
    }
    table.print(json);
    let output =
        Command::new(std::env::current_exe()?).args(["memory", "--idle-groups"]).output()?;
    let grown: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
    let title = format!("Resident memory of {GROUPS} groups that are not used");
    let mut idle = Table::new(title, &["", "bytes per group"], 0);
    idle.push("Group::new", [Some(grown / GROUPS as f64)]);
    idle.print(json);
    Ok(())
}

/// Bytes grown by groups that nobody uses.
fn idle_groups() -> u64 {
    let before = machine::resident_bytes();
    let group = |i: u64| {
        let getter = |_: &str| Ok::<_, std::io::Error>(ByteView::from(""));
        Group::new(format!("group {i}"), BOUND, getter)
    };
    let groups: Vec<Group> = (0..GROUPS).map(group).collect();
    let grown = machine::resident_bytes().saturating_sub(before);
    debug_assert_eq!(groups.len() as u64, GROUPS);
    grown
}

/// Bytes grown and entries held, measured in a process of its own.
fn measure(name: &str, value_bytes: usize, bounded: bool) -> Result<(f64, f64), Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?)
        .args(["memory", "--child", name, &value_bytes.to_string(), &bounded.to_string()])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let (grown, entries) = text.trim().split_once(' ').ok_or("the process told nothing")?;
    Ok((grown.parse()?, entries.parse()?))
}

fn fill(name: &str, value_bytes: usize, bounded: bool) -> (u64, u64) {
    let payload = (KEY_BYTES + value_bytes) as u64;
    let value = vec![7; value_bytes];
    let (bound, keys) = match bounded {
        // Filled four times over.
        true => (Bound::Bytes { count: BOUND, payload }, 4 * BOUND / payload),
        // Our store holds 2M of them when it counts as the others do.
        false => (Bound::Entries { count: 2 * ENTRIES, payload }, ENTRIES),
    };
    let before = machine::resident_bytes();
    let cache = contenders::make(name, bound, &value);
    // In parts, so that the keys themselves take next to nothing.
    for part in 0..keys.div_ceil(10_000) {
        let stream = Stream::new(part * 10_000..((part + 1) * 10_000).min(keys));
        cache.fill(&stream, &value);
    }
    let entries = cache.entries().unwrap_or(keys);
    let grown = machine::resident_bytes().saturating_sub(before);
    debug_assert!(name != GROUP || entries > 0);
    (grown, entries)
}
