//! Which share of the requests of a trace each cache hits, at several sizes.

use std::error::Error;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::contenders::{self, Bound, MOKA, QUICK, S3_FIFO, SIEVE, STORE};
use crate::machine;
use crate::plot;
use crate::progress::Progress;
use crate::report::Table;
use crate::trace::{Ratios, Trace};
use crate::workload::KEY_BYTES;

/// The caches, ours last; those that can't weigh entries are left out on traces with sizes.
const CACHES: [(&str, bool); 10] = [
    ("Mutex<lru>", false),
    ("Mutex<schnellru>", false),
    (MOKA, true),
    ("mini-moka", true),
    (QUICK, true),
    ("TinyUFO", false),
    (SIEVE, false),
    (S3_FIFO, false),
    ("geecache store, Lru", true),
    (STORE, true),
];
/// Shares of a trace's keys, or bytes, that the caches hold: of small traces, and of those with
/// more keys than this.
const SMALL_TRACE: u64 = 10_000;
const SMALL: [f64; 4] = [0.05, 0.1, 0.2, 0.4];
const LARGE: [f64; 4] = [0.01, 0.05, 0.1, 0.25];
/// moka evicts in batches. Up to this many entries it is told to do so at once, or it would hold
/// far more than it may.
const SETTLED: u64 = 20_000;
/// The payload of entries of traces without sizes.
const UNIT: u64 = 64;

/// One size of one trace: percent of hits and of bytes, for each of [`CACHES`].
struct Row {
    label: String,
    room: u64,
    figures: Vec<Option<(f64, f64)>>,
    optimum: (f64, f64),
    sized: bool,
}

pub fn run(args: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let (mut files, mut sizes, mut json, mut plots) = (Vec::new(), Vec::new(), false, None);
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Long("trace") => files.extend(parser.values()?.map(PathBuf::from)),
            Long("sizes") => {
                for size in parser.value()?.string()?.split(',') {
                    sizes.push(size.parse::<f64>()?);
                }
            }
            Long("json") => json = true,
            Long("plot") => plots = Some(PathBuf::from(parser.value()?)),
            Value(file) => files.push(file.into()),
            _ => return Err(arg.unexpected().into()),
        }
    }
    if !json {
        println!("{}", machine::describe());
    }
    let traces = match files.is_empty() {
        true => Trace::synthetic(),
        false => files.iter().map(|file| Trace::read(file)).collect::<Result<_, _>>()?,
    };
    let mut rows = Vec::new();
    let progress = Progress::of(traces.len());
    for trace in &traces {
        progress.begin(&trace.name);
        let of_trace = measure(trace, &sizes);
        progress.end();
        if let Some(directory) = &plots {
            draw(directory, trace, &of_trace)?;
        }
        rows.extend(of_trace);
    }
    drop(progress);
    print(&rows, "Hit ratio, % of requests", json, |(objects, _)| objects);
    if rows.iter().any(|row| row.sized) {
        rows.retain(|row| row.sized);
        print(&rows, "Byte hit ratio, % of bytes", json, |(_, bytes)| bytes);
    }
    Ok(())
}

fn measure(trace: &Trace, sizes: &[f64]) -> Vec<Row> {
    let (keys, bytes) = trace.unique();
    let default = if keys > SMALL_TRACE { &LARGE } else { &SMALL };
    let sizes = if sizes.is_empty() { default } else { sizes };
    let mean = trace.requests.iter().map(|r| r.bytes).sum::<u64>() / trace.requests.len() as u64;
    let row = |size: &f64| {
        let room = ((bytes as f64 * size) as u64).max(1);
        let bound = match trace.sized {
            true => Bound::Payload { count: room, payload: mean },
            false => Bound::Entries { count: room, payload: UNIT },
        };
        let weighs = |able: bool| able || !trace.sized;
        let figure = |(name, able)| weighs(able).then(|| replay(trace, name, bound, room));
        Row {
            label: format!("{}@{room}", trace.name),
            room,
            figures: CACHES.into_iter().map(figure).collect(),
            optimum: trace.optimum(room),
            sized: trace.sized,
        }
    };
    sizes.iter().map(row).collect()
}

fn replay(trace: &Trace, name: &str, bound: Bound, room: u64) -> (f64, f64) {
    let cache = contenders::make(name, bound, &[]);
    let largest = trace.requests.iter().map(|request| request.bytes).max().unwrap_or(0);
    let value = vec![0; largest.max(UNIT) as usize];
    let mut hits = Ratios::default();
    for request in &trace.requests {
        let key = format!("{:0KEY_BYTES$}", request.key);
        let payload = if trace.sized { request.bytes } else { UNIT };
        // Smaller entries than a key are counted as a key.
        let value = &value[..(payload as usize).saturating_sub(KEY_BYTES)];
        hits.count(cache.request(&key, value), request.bytes);
        if !trace.sized && room <= SETTLED {
            cache.settle();
        }
    }
    hits.percent()
}

fn print(rows: &[Row], title: &str, json: bool, part: impl Fn((f64, f64)) -> f64) {
    let names = CACHES.iter().map(|(name, _)| *name);
    let columns: Vec<&str> = ["trace@size"]
        .into_iter()
        .chain(names)
        .chain(["optimum", "store / optimum", "store - quick_cache"])
        .collect();
    let mut table = Table::new(title, &columns, 2);
    let at = |name: &str| CACHES.iter().position(|(cache, _)| *cache == name).unwrap_or(0);
    for row in rows {
        let mut figures: Vec<Option<f64>> =
            row.figures.iter().map(|figure| figure.map(&part)).collect();
        let (optimum, store, quick) = (part(row.optimum), figures[at(STORE)], figures[at(QUICK)]);
        figures.push(Some(optimum));
        figures.push(store.map(|store| store / optimum));
        figures.push(store.zip(quick).map(|(store, quick)| store - quick));
        table.push(&row.label, figures);
    }
    // Means over those rows that every cache of the column has.
    let mean = |of: &dyn Fn(&Row, f64) -> f64, cache: usize| -> Option<f64> {
        let each: Option<Vec<f64>> =
            rows.iter().map(|row| row.figures[cache].map(|figure| of(row, part(figure)))).collect();
        each.map(|each| each.iter().sum::<f64>() / each.len() as f64)
    };
    let means = |of: &dyn Fn(&Row, f64) -> f64| -> Vec<Option<f64>> {
        (0..CACHES.len()).map(|cache| mean(of, cache)).collect()
    };
    let optimum = rows.iter().map(|row| part(row.optimum)).sum::<f64>() / rows.len() as f64;
    let mut plain = means(&|_, figure| figure);
    plain.extend([Some(optimum), None, None]);
    table.push("mean", plain);
    let mut relative = means(&|row, figure| figure / part(row.optimum));
    relative.extend([Some(1.0), None, None]);
    table.push("mean of hit / optimum", relative);
    table.print(json);
    let difference =
        |row: &Row| Some(part(row.figures[at(STORE)]?) - part(row.figures[at(QUICK)]?));
    let worst = rows.iter().filter_map(difference).fold(f64::INFINITY, f64::min);
    if !json {
        println!("\nstore - quick_cache, worst row: {worst:.2} points");
    }
}

fn draw(directory: &std::path::Path, trace: &Trace, rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let mut lines: Vec<plot::Line> = CACHES
        .iter()
        .enumerate()
        .map(|(at, (name, _))| {
            let point = |row: &Row| Some((row.room as f64, row.figures[at]?.0));
            plot::Line { name: (*name).to_owned(), points: rows.iter().filter_map(point).collect() }
        })
        .collect();
    let points = rows.iter().map(|row| (row.room as f64, row.optimum.0)).collect();
    lines.push(plot::Line { name: "optimum".to_owned(), points });
    lines.retain(|line| !line.points.is_empty());
    std::fs::create_dir_all(directory)?;
    let unit = if trace.sized { "bytes" } else { "entries" };
    let picture = plot::svg(&trace.name, &format!("size of the cache, {unit}"), &lines);
    let file = trace.name.replace([' ', '/'], "-");
    std::fs::write(directory.join(format!("{file}.svg")), picture)?;
    Ok(())
}
