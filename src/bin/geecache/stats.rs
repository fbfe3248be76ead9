//! `stats`: what peers and groups have counted.

use std::collections::BTreeMap;

use serde_json::json;

use crate::args::Args;
use crate::cluster::{Cluster, Look, check_group};
use crate::columns::{Cell, Columns, Side};
use crate::failure::{Exit, Failure};
use crate::format::{self, bytes, count, percent};
use crate::output::Output;
use crate::style::Paint;
use crate::view::{GroupView, View};

pub(crate) fn stats(args: &Args, out: &Output) -> Result<Exit, Failure> {
    let wanted = args.words.first();
    wanted.map_or(Ok(()), |group| check_group(group))?;
    let cluster = Cluster::find(args, out)?;
    let looks = cluster.look_well()?;
    if out.is_json() {
        for (member, look) in cluster.members.iter().zip(&looks) {
            match &look.view {
                Ok(view) => out.json(&view.whole)?,
                Err(error) => {
                    out.json(&json!({"url": member.url, "error": error.to_string()}))?;
                }
            }
        }
        return Ok(Exit::Done);
    }
    let views: Vec<&View> = looks.iter().filter_map(|look| look.view.as_ref().ok()).collect();
    if wanted.is_none() {
        out.columns(&peers(&cluster, &looks))?;
        out.line("")?;
    }
    if args.has("by-peer") || wanted.is_some() {
        return by_peer(wanted, &views, args, out);
    }
    let mut groups = BTreeMap::<&str, GroupView>::new();
    for (name, group) in views.iter().flat_map(|view| &view.groups) {
        groups.entry(name).or_default().add(group);
    }
    let mut columns = table("GROUP");
    groups.iter().for_each(|(name, group)| row(&mut columns, name, group));
    match columns.is_empty() {
        true => out.line("no peer serves a group")?,
        false => out.columns(&columns)?,
    }
    Ok(Exit::Done)
}

fn by_peer(
    wanted: Option<&String>,
    views: &[&View],
    args: &Args,
    out: &Output,
) -> Result<Exit, Failure> {
    let mut names: Vec<&String> = views.iter().flat_map(|view| view.groups.keys()).collect();
    names.sort_unstable();
    names.dedup();
    if let Some(wanted) = wanted {
        if !names.contains(&wanted) {
            let known = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let failure =
                Failure::new(Exit::PeerFailed, format_args!("no peer has a group {wanted:?}"));
            let known = if known.is_empty() { "there are none".to_owned() } else { known };
            return Err(failure.hint(format_args!("the groups: {known}")));
        }
        names = vec![wanted];
    }
    for (at, name) in names.into_iter().enumerate() {
        if at > 0 {
            out.line("")?;
        }
        let mut sum = GroupView::default();
        let mut columns = table("PEER");
        for view in views {
            if let Some(group) = view.groups.get(name) {
                sum.add(group);
                row(&mut columns, &format::short(&view.url), group);
            }
        }
        row(&mut columns, "all", &sum);
        out.line(out.paint(Paint::Bold, &format!("group {}", format::printable(name))))?;
        out.columns(&columns)?;
        if wanted.is_some() && !args.has("by-peer") {
            out.line("")?;
            counters(&sum, out)?;
        }
    }
    Ok(Exit::Done)
}

/// All that was counted, by name.
fn counters(sum: &GroupView, out: &Output) -> Result<(), Failure> {
    let mut columns = Columns::new(&[("COUNTER", Side::Left), ("ALL PEERS", Side::Right)]);
    for (name, value) in &sum.stats {
        columns.row([format::printable(name).replace('_', " ").into(), count(*value).into()]);
    }
    out.columns(&columns)
}

fn peers(cluster: &Cluster, looks: &[Look]) -> Columns {
    let zone_of = |url: &str| cluster.settings.seat(url).zone;
    let has_zones = cluster.members.iter().any(|member| !zone_of(&member.url).is_empty());
    let mut heads = vec![
        ("PEER", Side::Left),
        ("STATE", Side::Left),
        ("VERSION", Side::Left),
        ("UP FOR", Side::Right),
        ("SHARE", Side::Right),
        ("REQUESTS", Side::Right),
        ("FAILURES", Side::Right),
        ("P99", Side::Right),
    ];
    if has_zones {
        heads.push(("ZONE", Side::Left));
    }
    let mut columns = Columns::new(&heads);
    let ring = cluster.ring();
    let shares: BTreeMap<&str, f64> = ring.all_shares().into_iter().collect();
    let nothing = || Cell::from(format::NOTHING);
    let views = || looks.iter().filter_map(|look| look.view.as_ref().ok());
    let slowest = |url: &str| match views().filter_map(|view| view.p99.get(url)).max() {
        Some(p99) => format::time(*p99).into(),
        None => nothing(),
    };
    for (member, look) in cluster.members.iter().zip(looks) {
        let share = percent(shares.get(&*member.url).copied()).into();
        let url = format::short(&member.url).into();
        let mut cells: Vec<Cell> = match &look.view {
            Ok(view) => vec![
                url,
                state(look),
                format::printable(&view.version).into(),
                view.uptime.map_or_else(|| format::NOTHING.to_owned(), format::time).into(),
                share,
                count(view.server_requests).into(),
                count(view.failures).into(),
                slowest(&member.url),
            ],
            Err(_) => {
                let [version, uptime, requests, failures] = [(); 4].map(|()| nothing());
                let p99 = slowest(&member.url);
                vec![url, state(look), version, uptime, share, requests, failures, p99]
            }
        };
        if has_zones {
            cells.push(zone_of(&member.url).into());
        }
        columns.row(cells);
    }
    columns
}

/// How a peer is, in a word.
pub(crate) fn state(look: &Look) -> Cell {
    match &look.view {
        Ok(View { ready: Some(false), .. }) => Cell::painted(Paint::Caution, "leaving"),
        Ok(_) => Cell::painted(Paint::Good, "up"),
        Err(_) if look.is_answer() => Cell::painted(Paint::Caution, "no status"),
        Err(_) => Cell::painted(Paint::Bad, "down"),
    }
}

fn table(first: &'static str) -> Columns {
    Columns::new(&[
        (first, Side::Left),
        ("GETS", Side::Right),
        ("HITS", Side::Right),
        ("BY PEERS", Side::Right),
        ("HITS", Side::Right),
        ("LOADS", Side::Right),
        ("FAILED", Side::Right),
        ("ENTRIES", Side::Right),
        ("MEMORY", Side::Right),
    ])
}

fn row(columns: &mut Columns, name: &str, group: &GroupView) {
    let ratio = |part: &str, whole: &str| {
        let whole = group.stat(whole);
        percent((whole > 0).then(|| (group.stat(part) as f64 / whole as f64).min(1.0)))
    };
    let failed = group.stat("local_load_errors");
    let paint = if failed > 0 { Paint::Caution } else { Paint::Plain };
    columns.row([
        format::printable(name).into(),
        count(group.stat("gets")).into(),
        ratio("hits", "gets").into(),
        count(group.stat("server_requests")).into(),
        ratio("server_hits", "server_requests").into(),
        count(group.stat("local_loads")).into(),
        Cell::painted(paint, count(failed)),
        count(group.entries).into(),
        bytes(group.bytes).into(),
    ]);
}
