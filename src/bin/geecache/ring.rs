//! `owner` and `ring`: how the keys are shared out.

use serde_json::json;

use crate::args::Args;
use crate::cluster::{Cluster, check_key};
use crate::columns::{Cell, Columns, Side, bar};
use crate::failure::{Exit, Failure};
use crate::format::{self, percent, plural};
use crate::output::Output;
use crate::style::Paint;
use crate::url_ring::UrlRing;

/// How wide the bar of the largest share is.
const BAR: usize = 30;
/// So many keys are tried to see how many of them move.
const TRIED: usize = 100_000;
/// A share this many times the mean is worth a word.
const LARGE: f64 = 1.5;

pub(crate) fn owner(args: &Args, out: &Output) -> Result<Exit, Failure> {
    args.words.iter().try_for_each(|key| check_key(key))?;
    let cluster = Cluster::find(args, out)?;
    let ring = cluster.ring();
    let order = |key: &str| ring.owners(key).map(str::to_owned).collect::<Vec<String>>();
    if out.is_json() {
        for key in &args.words {
            let order = order(key);
            let stand_ins = &order[1..];
            out.json(&json!({"key": key, "owner": order[0], "stand_ins": stand_ins}))?;
        }
        return Ok(Exit::Done);
    }
    match &args.words[..] {
        [key] if args.has("all") => order(key).into_iter().try_for_each(|url| out.line(url))?,
        [key] => out.line(&order(key)[0])?,
        keys => {
            let mut columns = Columns::new(&[
                ("KEY", Side::Left),
                ("OWNER", Side::Left),
                (if args.has("all") { "STAND-INS" } else { "STAND-IN" }, Side::Left),
            ]);
            for key in keys {
                let order = order(key);
                let shown = if args.has("all") { order.len() } else { order.len().min(2) };
                let rest = order[1..shown].join(" ");
                columns.row([format::printable(key).into(), order[0].as_str().into(), rest.into()]);
            }
            out.columns(&columns)?;
        }
    }
    Ok(Exit::Done)
}

pub(crate) fn ring(args: &Args, out: &Output) -> Result<Exit, Failure> {
    let cluster = Cluster::find(args, out)?;
    let now = cluster.ring();
    let urls = |option| args.list(option).iter().map(|url| cluster.settings.url(url)).collect();
    let (added, removed): (Vec<String>, Vec<String>) = (urls("add"), urls("remove"));
    for url in &added {
        // Says what is wrong with one that is no URL.
        cluster.settings.getter(url)?;
        if cluster.member(url).is_some() {
            return Err(Failure::usage(format_args!("{url} is in the list of peers already")));
        }
    }
    let mut then = now.clone();
    for url in &removed {
        if !then.remove(url) {
            let failure = Failure::usage(format_args!("{url} is not in the list of peers"));
            return Err(failure.hint("see: geecache ring"));
        }
    }
    cluster.settings.extend(&mut then, &added);
    if then.is_empty() {
        return Err(Failure::usage("no peer would be left"));
    }
    let is_change = !added.is_empty() || !removed.is_empty();
    let moved = is_change.then(|| match (&added[..], &removed[..]) {
        // Those that join get what they own, and nothing else moves.
        (_, []) => shares_of(&then, &added),
        ([], _) => shares_of(&now, &removed),
        _ => moved(&now, &then),
    });
    if out.is_json() {
        let shares = |ring: &UrlRing| -> serde_json::Value {
            let shares = ring.shares().into_iter();
            shares.map(|(url, share)| json!({"peer": url, "share": share})).collect()
        };
        let mut object = json!({
            "hash": cluster.settings.hash_name(),
            "replicas": cluster.settings.replicas(),
            "zone": Some(now.zone()).filter(|zone| !zone.is_empty()),
            "peers": shares(&now),
        });
        if let Some(moved) = moved {
            object["after"] = json!({"peers": shares(&then), "moved": moved});
        }
        out.json(&object)?;
        return Ok(Exit::Done);
    }
    show(&cluster, &now, &then, moved, out)?;
    Ok(Exit::Done)
}

fn show(
    cluster: &Cluster,
    now: &UrlRing,
    then: &UrlRing,
    moved: Option<f64>,
    out: &Output,
) -> Result<(), Failure> {
    let (hash, replicas) = (cluster.settings.hash_name(), cluster.settings.replicas());
    let peers = plural(now.len(), "peer");
    match now.zone() {
        "" => out.line(format_args!("{peers}, hash {hash}, {replicas} points each"))?,
        zone => out.line(format_args!(
            "{peers} in the zone {zone}, hash {hash}, {replicas} points each"
        ))?,
    }
    let mut all: Vec<&str> =
        now.shares().into_iter().chain(then.shares()).map(|(url, _)| url).collect();
    all.sort_unstable();
    all.dedup();
    let share = |ring: &UrlRing, url: &str| {
        ring.shares().into_iter().find(|(known, _)| *known == url).map(|(_, share)| share)
    };
    let largest = then.shares().into_iter().map(|(_, share)| share).fold(0.0, f64::max);
    let (is_change, mean) = (moved.is_some(), 1.0 / then.len() as f64);
    let heads =
        [("PEER", Side::Left), ("SHARE", Side::Right), ("AFTER", Side::Right), ("", Side::Left)];
    let mut columns = match is_change {
        true => Columns::new(&heads),
        false => Columns::new(&[heads[0], heads[1], heads[3]]),
    };
    for url in all {
        let (before, after) = (share(now, url), share(then, url));
        let part = after.unwrap_or_default();
        let paint = if part > LARGE * mean { Paint::Caution } else { Paint::Accent };
        let bar = Cell::painted(paint, bar(part / largest, BAR));
        if is_change {
            columns.row([url.into(), percent(before).into(), percent(after).into(), bar]);
        } else {
            columns.row([url.into(), percent(before).into(), bar]);
        }
    }
    out.columns(&columns)?;
    if let Some(moved) = moved {
        let part = percent(Some(moved));
        out.line(format_args!("{part} of all keys would get another owner"))?;
    }
    if largest > LARGE * mean {
        let times = largest / mean;
        let advice = match hash {
            "crc32" => "; the hash mixed shares out more evenly, if no peer is in Go",
            _ => "",
        };
        out.line(out.paint(
            Paint::Caution,
            &format!("the largest share is {times:.1} times the mean{advice}"),
        ))?;
    }
    Ok(())
}

/// The part of all keys that `urls` own.
fn shares_of(ring: &UrlRing, urls: &[String]) -> f64 {
    let shares = ring.shares().into_iter();
    shares.filter(|(url, _)| urls.iter().any(|it| it == url)).map(|(_, share)| share).sum()
}

/// The part of all keys that has another owner then, as a sample tells.
fn moved(now: &UrlRing, then: &UrlRing) -> f64 {
    let is_moved = |number: &usize| {
        let key = format!("key-{number}");
        now.get(&key) != then.get(&key)
    };
    (0..TRIED).filter(is_moved).count() as f64 / TRIED as f64
}
