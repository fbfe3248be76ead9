//! `get` and `peek`: the value of a key.

use std::time::{Duration, Instant};

use geecache::{HttpGetter, Loaded, Origin, PeerError, PeerErrorKind, PeerGetter};
use serde_json::{Value, json};

use crate::args::Args;
use crate::cluster::{Cluster, Member, check_group, check_key, nobody};
use crate::columns::{Cell, Columns, Side};
use crate::failure::{Exit, Failure, exit_of};
use crate::format;
use crate::output::Output;
use crate::style::Paint;
use crate::value::{self, Raw};

/// What a peer answered about a key.
struct Answer {
    from: String,
    loaded: Loaded,
    took: Duration,
}

pub(crate) fn get(args: &Args, out: &Output) -> Result<Exit, Failure> {
    let (group, keys) = (&args.words[0], &args.words[1..]);
    check_group(group)?;
    keys.iter().try_for_each(|key| check_key(key))?;
    let cluster = Cluster::find(args, out)?;
    let from = args.text("from").map(|url| cluster.settings.url(url));
    let from = from.map(|url| cluster.settings.getter(&url)).transpose()?;
    let ask = |key: &str| match &from {
        Some(getter) => one(getter, group, key).map_err(|error| Failure::peer(&error)),
        None => from_owner(&cluster, group, key, out),
    };
    if let [key] = keys {
        return show(args, out, &cluster, key, ask(key)?);
    }
    many(keys, ask, &cluster, group, out)
}

/// Asks the owner, and the next one if it does not answer: the same that a peer would.
fn from_owner(cluster: &Cluster, group: &str, key: &str, out: &Output) -> Result<Answer, Failure> {
    let mut errors = Vec::new();
    for member in cluster.owners(key).into_iter().take(2) {
        match one(&member.getter, group, key) {
            Ok(answer) => {
                if let Some(error) = errors.first() {
                    out.warn(format_args!("{error}; {} answers in its place", answer.from));
                }
                return Ok(answer);
            }
            Err(error) if exit_of(error.kind()) == Exit::NoAnswer => errors.push(error),
            Err(error) => return Err(Failure::peer(&error)),
        }
    }
    Err(nobody(&errors.iter().collect::<Vec<_>>()))
}

fn one(getter: &HttpGetter, group: &str, key: &str) -> Result<Answer, PeerError> {
    let begun = Instant::now();
    let loaded = match getter.get(group, key) {
        Err(error) if error.kind() == PeerErrorKind::NotFound => Loaded::absent(),
        other => other?,
    };
    Ok(Answer { from: getter.url().to_owned(), loaded, took: begun.elapsed() })
}

/// Prints one value, and how it came if that is wanted.
fn show(
    args: &Args,
    out: &Output,
    cluster: &Cluster,
    key: &str,
    answer: Answer,
) -> Result<Exit, Failure> {
    let group = &args.words[0];
    if out.is_json() {
        out.json(&to_json(cluster, group, key, &answer))?;
    }
    let Some(value) = answer.loaded.value() else {
        if out.is_json() {
            return Ok(Exit::No);
        }
        let shown = format::printable(key);
        return Err(Failure::new(Exit::No, format_args!("no {shown:?} in group {group:?}")));
    };
    if !out.is_json() {
        let raw = if args.has("raw") { Raw::Always } else { Raw::IfHarmless };
        value::write(out, value, raw)?;
    }
    if args.has("info") {
        let size = format::bytes(value.len() as u64);
        let life = life(&answer.loaded);
        let took = format::time(answer.took);
        let from = format!("{}, {}", answer.from, origin(cluster, key, &answer));
        out.aside(format_args!("{size} from {from}, {life}, in {took}"));
    }
    Ok(Exit::Done)
}

fn many(
    keys: &[String],
    ask: impl Fn(&str) -> Result<Answer, Failure>,
    cluster: &Cluster,
    group: &str,
    out: &Output,
) -> Result<Exit, Failure> {
    let mut columns = Columns::new(&[
        ("KEY", Side::Left),
        ("VALUE", Side::Left),
        ("FROM", Side::Left),
        ("TTL", Side::Right),
        ("TIME", Side::Right),
    ]);
    let (mut is_all, mut failed) = (true, None);
    for key in keys {
        let answer = ask(key);
        if out.is_json() {
            out.json(&match &answer {
                Ok(answer) => to_json(cluster, group, key, answer),
                Err(failure) => json!({"group": group, "key": key, "error": failure.message}),
            })?;
        }
        match &answer {
            Ok(answer) => is_all &= answer.loaded.value().is_some(),
            Err(failure) => {
                out.warn(&failure.message);
                failed = Some(failure.exit);
            }
        }
        columns.row(row(key, answer.as_ref().ok()));
    }
    if !out.is_json() {
        out.columns(&columns)?;
    }
    Ok(failed.unwrap_or(if is_all { Exit::Done } else { Exit::No }))
}

/// One of several keys; without an answer if it failed.
fn row(key: &str, answer: Option<&Answer>) -> [Cell; 5] {
    let key = format::printable(key).into();
    let nothing = || Cell::from(format::NOTHING);
    let Some(answer) = answer else {
        let failed = Cell::painted(Paint::Bad, "(failed)");
        return [key, failed, nothing(), nothing(), nothing()];
    };
    let value = match answer.loaded.value() {
        Some(value) => value::brief(value).into(),
        None => Cell::painted(Paint::Dim, "(not found)"),
    };
    let ttl = match answer.loaded.time_to_live() {
        Some(ttl) => format::time(ttl).into(),
        None => nothing(),
    };
    [key, value, format::short(&answer.from).into(), ttl, format::time(answer.took).into()]
}

fn to_json(cluster: &Cluster, group: &str, key: &str, answer: &Answer) -> Value {
    let mut object = json!({
        "group": group,
        "key": key,
        "from": answer.from,
        "origin": origin(cluster, key, answer),
        "took_us": u64::try_from(answer.took.as_micros()).unwrap_or(u64::MAX),
    });
    value::to_json(&mut object, &answer.loaded);
    object
}

/// What the answering peer is to the key, and whether it had to load.
fn origin(cluster: &Cluster, key: &str, answer: &Answer) -> &'static str {
    let is_owner = cluster.ring().is_owner(key, &answer.from);
    // A getter for one peer tells what that peer sees.
    match answer.loaded.origin() {
        Origin::Memory if is_owner => Origin::OwnerMemory.name(),
        Origin::Memory => "stand-in-memory",
        _ if is_owner => Origin::Owner.name(),
        _ => Origin::StandIn.name(),
    }
}

fn life(loaded: &Loaded) -> String {
    match loaded.time_to_live() {
        Some(ttl) => format!("{} left", format::time(ttl)),
        None => "no ttl".to_owned(),
    }
}

pub(crate) fn peek(args: &Args, out: &Output) -> Result<Exit, Failure> {
    let (group, key) = (&args.words[0], &args.words[1]);
    check_group(group)?;
    check_key(key)?;
    let cluster = Cluster::find(args, out)?;
    if args.has("all") {
        return peek_all(&cluster, group, key, out);
    }
    let mut errors = Vec::new();
    let owners = cluster.owners(key);
    for member in owners.iter().take(2) {
        let begun = Instant::now();
        match member.getter.peek(group, key) {
            Ok(Some(loaded)) => {
                let loaded = loaded.came_from(Origin::Memory);
                let answer = Answer { from: member.url.clone(), loaded, took: begun.elapsed() };
                return show(args, out, &cluster, key, answer);
            }
            Ok(None) => break,
            Err(error) if exit_of(error.kind()) == Exit::NoAnswer => errors.push(error),
            Err(error) => return Err(Failure::peer(&error)),
        }
    }
    if !errors.is_empty() && errors.len() == owners.len().min(2) {
        return Err(nobody(&errors.iter().collect::<Vec<_>>()));
    }
    if out.is_json() {
        out.json(&json!({"group": group, "key": key, "in_memory": false}))?;
        return Ok(Exit::No);
    }
    let message = format!("{:?} is not in the memory of its owner", format::printable(key));
    Err(Failure::new(Exit::No, message).hint("get has it loaded; peek --all looks at every peer"))
}

/// Tells of each peer whether it has the key.
fn peek_all(cluster: &Cluster, group: &str, key: &str, out: &Output) -> Result<Exit, Failure> {
    let found = cluster.ask(|member| member.getter.peek(group, key));
    let ring = cluster.ring();
    let mut columns = Columns::new(&[
        ("PEER", Side::Left),
        ("ROLE", Side::Left),
        ("IN MEMORY", Side::Left),
        ("SIZE", Side::Right),
        ("TTL", Side::Right),
    ]);
    let mut is_somewhere = false;
    for (Member { url, .. }, found) in cluster.members.iter().zip(&found) {
        let is_owner = ring.is_owner(key, url);
        if out.is_json() {
            let mut object = json!({"group": group, "key": key, "peer": url, "owner": is_owner});
            match found {
                Ok(Some(loaded)) => value::to_json(&mut object, loaded),
                Ok(None) => {}
                Err(error) => object["error"] = json!(error.to_string()),
            }
            object["in_memory"] = json!(matches!(found, Ok(Some(_))));
            out.json(&object)?;
        }
        is_somewhere |= matches!(found, Ok(Some(_)));
        let nothing = || (format::NOTHING.to_owned(), format::NOTHING.to_owned());
        let (memory, (size, ttl)) = match found {
            Ok(Some(loaded)) => {
                let size = loaded.value().map(|value| format::bytes(value.len() as u64));
                let ttl = loaded.time_to_live().map(format::time);
                let told = (
                    size.unwrap_or_else(|| "(does not exist)".to_owned()),
                    ttl.unwrap_or_else(|| format::NOTHING.to_owned()),
                );
                (Cell::painted(Paint::Good, "yes"), told)
            }
            Ok(None) => ("no".into(), nothing()),
            Err(error) => (Cell::painted(Paint::Bad, error.kind().to_string()), nothing()),
        };
        let role = if is_owner { "owner" } else { "" };
        columns.row([url.as_str().into(), role.into(), memory, size.into(), ttl.into()]);
    }
    if !out.is_json() {
        out.columns(&columns)?;
    }
    let errors: Vec<&PeerError> = found.iter().filter_map(|it| it.as_ref().err()).collect();
    match errors.first() {
        Some(error) if errors.len() == found.len() => Ok(exit_of(error.kind())),
        _ if is_somewhere => Ok(Exit::Done),
        _ => Ok(Exit::No),
    }
}
