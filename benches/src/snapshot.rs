//! How long snapshots take, what gets notice of them, and how much memory they need.

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use geecache::{Group, SnapshotTrust};
use lexopt::prelude::*;

use crate::machine;

pub fn run(args: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let (mut mib, mut value_bytes) = (1024_usize, 1000_usize);
    let mut folder = std::env::temp_dir();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("mib") => mib = parser.value()?.parse()?,
            Long("value-bytes") => value_bytes = parser.value()?.parse()?,
            Long("folder") => folder = PathBuf::from(parser.value()?),
            _ => return Err(arg.unexpected().into()),
        }
    }
    println!("{}", machine::describe());
    let path = folder.join(format!("geecache-bench-{}.snapshot", std::process::id()));
    let measured = measure(mib, value_bytes, &path);
    let _ = std::fs::remove_file(&path);
    measured
}

fn measure(mib: usize, value_bytes: usize, path: &PathBuf) -> Result<(), Box<dyn Error>> {
    let entries = (mib << 20) / value_bytes;
    let bound = (entries as u64) * (value_bytes as u64 + 128);
    let group = |name: &str| {
        Group::new(name, bound, move |_: &str| Ok::<_, std::io::Error>(vec![7; value_bytes]))
    };
    let first = group("bench");
    let keys: Vec<String> = (0..entries).map(|n| format!("key {n:012}")).collect();
    for key in &keys {
        first.get(key)?;
    }
    println!("{entries} entries of {value_bytes} bytes, {} MiB resident", resident() >> 20);
    let quiet = gets_during(&first, &keys, || thread::sleep(Duration::from_secs(2)));
    println!("gets before:     {quiet}");

    let (mut saved, before) = (None, resident());
    let busy = gets_during(&first, &keys, || saved = Some(first.save_snapshot(path)));
    let saved = saved.ok_or("not saved")??;
    println!("gets meanwhile:  {busy}");
    println!(
        "written: {} entries, {} MiB in {:.2?}; {} MiB more resident afterwards",
        saved.entries,
        saved.bytes >> 20,
        saved.took,
        resident().saturating_sub(before) >> 20
    );
    drop(first);

    let second = group("bench");
    let before = resident();
    let loaded = second.load_snapshot(path, SnapshotTrust::Always)?;
    println!(
        "read:    {} entries, {} MiB in {:.2?}; {} skipped; {} MiB more resident afterwards",
        loaded.entries,
        loaded.bytes >> 20,
        loaded.took,
        loaded.skipped.total(),
        resident().saturating_sub(before) >> 20
    );
    println!("peak:    {} MiB resident", status("VmHWM:") >> 20);
    Ok(())
}

/// Times of gets that hit, by one thread, while `work` is done.
fn gets_during(group: &Group, keys: &[String], work: impl FnOnce()) -> String {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let gets = scope.spawn(|| {
            let mut times = Vec::new();
            for at in (0..).map(|n: usize| n.wrapping_mul(7_919) % keys.len()) {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let begun = Instant::now();
                let _ = std::hint::black_box(group.get(&keys[at]));
                times.push(u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX));
                if times.len() == 1 << 26 {
                    break;
                }
            }
            times
        });
        work();
        is_over.store(true, Ordering::Relaxed);
        let mut times = gets.join().expect("gets do not panic");
        times.sort_unstable();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        format!(
            "{} gets, p50 {} ns, p99 {} ns, p99.9 {} ns, most {} µs",
            times.len(),
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0) / 1_000
        )
    })
}

fn resident() -> u64 {
    status("VmRSS:")
}

/// A size that the kernel tells of this process, in bytes.
fn status(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
