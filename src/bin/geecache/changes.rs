//! `remove`, `insert` and `clear`: what changes at all peers.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Read, Write};

use geecache::Loaded;
use serde_json::json;

use crate::args::Args;
use crate::cluster::{Cluster, check_group, check_key, incomplete, reports};
use crate::failure::{Exit, Failure};
use crate::format::{bytes, plural, printable};
use crate::output::Output;

/// The longest value that peers take, unless they were told otherwise.
const MAX_VALUE_BYTES: u64 = 64 << 20;

pub(crate) fn remove(args: &Args, out: &Output) -> Result<Exit, Failure> {
    let (group, keys) = (&args.words[0], &args.words[1..]);
    check_group(group)?;
    keys.iter().try_for_each(|key| check_key(key))?;
    let cluster = Cluster::find(args, out)?;
    let group_here = cluster.group(group)?;
    let (report, what) = if args.has("tag") {
        (group_here.remove_tags(keys), "tag")
    } else {
        (group_here.remove_many(keys), "key")
    };
    if out.is_json() {
        let (complete, peers) = (report.is_complete(), reports(&report.peers));
        let keys_or_tags = format!("{what}s");
        out.json(
            &json!({"group": group, keys_or_tags: keys, "complete": complete, "peers": peers}),
        )?;
    }
    if let Some(failure) = incomplete(&report.peers) {
        return Err(failure);
    }
    if !out.is_json() {
        let (keys, peers) = (plural(keys.len(), what), plural(report.peers.len(), "peer"));
        out.line(format_args!("{keys} removed at {peers}"))?;
    }
    Ok(Exit::Done)
}

pub(crate) fn insert(args: &Args, out: &Output) -> Result<Exit, Failure> {
    let (group, key) = (&args.words[0], &args.words[1]);
    check_group(group)?;
    check_key(key)?;
    let ttl = args.time("ttl")?;
    let value = value(args, out)?;
    let cluster = Cluster::find(args, out)?;
    let size = value.value().map(|value| value.len());
    let value = ttl.into_iter().fold(value, Loaded::ttl);
    let report = cluster.group(group)?.insert(key, value)?;
    if out.is_json() {
        out.json(&json!({
            "group": group,
            "key": key,
            "bytes": size,
            "kept": report.is_kept,
            "complete": report.is_complete(),
            "peers": reports(&report.peers),
        }))?;
    }
    if let Some(failure) = incomplete(&report.peers) {
        return Err(failure);
    }
    let owner = cluster.ring().get(key).unwrap_or_default().to_owned();
    if !report.is_kept {
        let message = format!("{owner} has not kept the value; the older one is gone");
        let hint = match size {
            Some(_) => "it is too large for the group's cache there, or its ttl is over",
            None => "the group keeps no such answer by itself; with a --ttl it does",
        };
        return Err(Failure::new(Exit::No, message).hint(hint));
    }
    if !out.is_json() {
        let what = size.map_or_else(|| "does not exist,".to_owned(), |size| bytes(size as u64));
        let what = if size.is_some() { format!("{what} kept") } else { format!("{what} kept so") };
        out.line(format_args!("{:?}: {what} at {owner}", printable(key)))?;
    }
    Ok(Exit::Done)
}

/// The value to insert.
fn value(args: &Args, out: &Output) -> Result<Loaded, Failure> {
    let file = args.words.get(2).map(String::as_str);
    match (args.has("absent"), args.text("text"), file) {
        (true, None, None) => Ok(Loaded::absent()),
        (false, Some(text), None) => Ok(Loaded::from(text)),
        (false, None, None | Some("-")) => {
            if io::stdin().is_terminal() {
                out.aside("the value, please; Ctrl-D ends it");
            }
            read(io::stdin().lock(), "standard input")
        }
        (false, None, Some(path)) => {
            let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
            read(file, path)
        }
        _ => Err(Failure::usage("one value, please: --absent, --text or a file")),
    }
}

fn read(from: impl Read, name: &str) -> Result<Loaded, Failure> {
    let mut value = Vec::new();
    let read = from.take(MAX_VALUE_BYTES + 1).read_to_end(&mut value);
    read.map_err(|error| unreadable(name, &error))?;
    if value.len() as u64 > MAX_VALUE_BYTES {
        let limit = bytes(MAX_VALUE_BYTES);
        return Err(Failure::usage(format_args!("{name} holds more than {limit}")));
    }
    Ok(Loaded::from(value))
}

pub(crate) fn unreadable(path: &str, error: &io::Error) -> Failure {
    Failure::new(Exit::Local, format_args!("can not read {path}: {error}"))
}

pub(crate) fn clear(args: &Args, out: &Output) -> Result<Exit, Failure> {
    let group = &args.words[0];
    check_group(group)?;
    let cluster = Cluster::find(args, out)?;
    let handle = cluster.group(group)?;
    if !args.has("yes") && !is_confirmed(&cluster, group)? {
        return Err(Failure::new(Exit::No, "nothing was done"));
    }
    let report = handle.clear();
    if out.is_json() {
        let (complete, peers) = (report.is_complete(), reports(&report.peers));
        out.json(&json!({"group": group, "complete": complete, "peers": peers}))?;
    }
    if let Some(failure) = incomplete(&report.peers) {
        return Err(failure);
    }
    if !out.is_json() {
        out.line(format_args!("{group:?} is empty at {}", plural(report.peers.len(), "peer")))?;
    }
    Ok(Exit::Done)
}

fn is_confirmed(cluster: &Cluster, group: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        let failure = Failure::usage("clear asks first, and nobody is there to answer");
        return Err(failure.hint("--yes does not ask"));
    }
    let peers = plural(cluster.members.len(), "peer");
    let _ = write!(io::stderr(), "Forget all of group {group:?} at {peers}? [y/N] ");
    let mut answer = String::new();
    let read = io::stdin().lock().take(16).read_line(&mut answer);
    read.map_err(|error| unreadable("standard input", &error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes" | "YES"))
}
