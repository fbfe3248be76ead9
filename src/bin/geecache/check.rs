//! `check`: what is wrong with a cluster.

mod finding;
mod lists;
mod round_trip;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use geecache::PeerError;
use serde_json::{Value, json};

use crate::args::Args;
use crate::cluster::{Cluster, Doubt, Look, Member, check_group, look};
use crate::failure::{Exit, Failure, exit_of, hint_about_tls};
use crate::format::{self, plural};
use crate::output::Output;
use crate::settings::let_in;
use crate::style::Paint;
use crate::view::View;
use finding::{Finding, Verdict};

/// Clocks that are further apart than that are told.
const CLOCKS_APART: Duration = Duration::from_secs(1);

pub(crate) fn check(args: &Args, out: &Output) -> Result<Exit, Failure> {
    let group = args.words.first();
    group.map_or(Ok(()), |group| check_group(group))?;
    let (cluster, doubt) = Cluster::named(args)?;
    if let Some(doubt @ Doubt::NoList(_)) = doubt {
        out.warn(doubt);
    }
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let looks = cluster.ask(|member| {
        let look = look(&member.getter);
        // The peer looked at its clock about half of the way ago.
        (now().saturating_sub(look.took / 2), look)
    });
    let clocks = clocks(&cluster, &looks);
    let looks: Vec<Look> = looks.into_iter().map(|(_, look)| look).collect();
    let is_silent = looks.iter().all(|look| !look.is_answer());
    let mut findings = vec![answers(args, &cluster, &looks)];
    if !is_silent {
        findings.extend([
            lists::lists(&cluster, &looks),
            same(&cluster, &looks, "versions", |view| Some(view.version.clone())),
            same(&cluster, &looks, "protocol", |view| {
                Some(format!("{} at {}", view.protocol.as_ref()?, view.base_path.as_ref()?))
            }),
            ring(&cluster, &looks),
            clocks,
        ]);
        findings.extend(group.map(|group| {
            let finding = round_trip::round_trips(&cluster, group);
            match other_groups(group, &looks) {
                Some(known) => finding.hint(format!("the groups: {known}")),
                None => finding,
            }
        }));
    }
    tell(&findings, group, is_silent, out)?;
    let is_bad = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
    let is_refused = looks.iter().any(|look| look.view.as_ref().is_err_and(is_refusal));
    Ok(match is_bad {
        _ if is_silent => Exit::NoAnswer,
        _ if is_refused && !lets_in(&looks) => Exit::Refused,
        true => Exit::Unsound,
        false => Exit::Done,
    })
}

/// Whether a peer has taken what we have shown.
fn lets_in(looks: &[Look]) -> bool {
    looks.iter().any(|look| look.view.is_ok())
}

fn is_refusal(error: &PeerError) -> bool {
    exit_of(error.kind()) == Exit::Refused
}

/// What to do about peers that do not let us in, where others do; with what one of them said.
fn like_the_others(why: &str) -> &'static str {
    match why.contains("TLS: ") {
        true => "who does not let us in takes other certificates than the others do",
        false => "who does not let us in has another token than the others: give all the same",
    }
}

/// The names of the groups that there are, if `group` is none of them.
fn other_groups(group: &str, looks: &[Look]) -> Option<String> {
    let views = looks.iter().filter_map(|look| look.view.as_ref().ok());
    let known: BTreeSet<&str> = views.flat_map(|view| view.groups.keys().map(|it| &**it)).collect();
    let is_other = !known.is_empty() && !known.contains(group);
    is_other.then(|| known.into_iter().collect::<Vec<_>>().join(", "))
}

fn tell(
    findings: &[Finding],
    group: Option<&String>,
    is_silent: bool,
    out: &Output,
) -> Result<(), Failure> {
    if out.is_json() {
        let is_sound = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
        let findings: Value = findings.iter().map(Finding::to_json).collect();
        return out.json(&json!({"sound": is_sound, "findings": findings}));
    }
    for finding in findings {
        let (mark, what) = (finding.verdict.mark(out), finding.what);
        out.line(format_args!("{mark} {what:<10} {}", format::printable(&finding.told)))?;
        for line in &finding.lines {
            out.line(format_args!("               {}", format::printable(line)))?;
        }
        if let Some(hint) = &finding.hint {
            let hint = format!("             → {}", format::printable(hint));
            out.line(out.paint(Paint::Dim, &hint))?;
        }
    }
    if group.is_none() && !is_silent {
        let (mark, what) = (Verdict::Unknown.mark(out), "keys");
        let told = "none was written: name a group, as in geecache check GROUP";
        out.line(format_args!("{mark} {what:<10} {told}"))?;
    }
    Ok(())
}

/// Whether all peers answer.
fn answers(args: &Args, cluster: &Cluster, looks: &[Look]) -> Finding {
    let all = looks.len();
    let answering = looks.iter().filter(|look| look.is_answer()).count();
    let line = |(member, look): (&Member, &Look)| match &look.view {
        Ok(View { ready: Some(false), .. }) => {
            Some(format!("{}: it is leaving the cluster", member.url))
        }
        Ok(_) => None,
        Err(error) if exit_of(error.kind()) == Exit::PeerFailed => {
            Some(format!("{}: it answers, and has no status page", member.url))
        }
        Err(error) => Some(error.to_string()),
    };
    let lines: Vec<String> = cluster.members.iter().zip(looks).filter_map(line).collect();
    let slowest = looks.iter().filter(|look| look.is_answer()).map(|look| look.took).max();
    let (verdict, told) = match slowest {
        Some(slowest) if answering == all => {
            let verdict = if lines.is_empty() { Verdict::Good } else { Verdict::Doubtful };
            let peers = plural(all, "peer");
            (verdict, format!("{all} of {peers}, the slowest in {}", format::time(slowest)))
        }
        _ => (Verdict::Bad, format!("{answering} of {}", plural(all, "peer"))),
    };
    let finding = Finding::new("answers", verdict, told).lines(lines);
    let mut errors = looks.iter().filter_map(|look| look.view.as_ref().err());
    let refused = errors.clone().find(|error| is_refusal(error));
    let hint = match refused {
        Some(error) if lets_in(looks) => Some(like_the_others(error.message())),
        Some(error) => Some(let_in(args, error.message())),
        None => errors.find_map(hint_about_tls),
    };
    match (verdict, hint) {
        (_, Some(hint)) => Finding { verdict: Verdict::Bad, ..finding }.hint(hint),
        (Verdict::Bad, None) => {
            finding.hint("is the process running, and its port open to this machine?")
        }
        _ => finding,
    }
}

/// Whether all peers tell the same.
fn same(
    cluster: &Cluster,
    looks: &[Look],
    what: &'static str,
    told: impl Fn(&View) -> Option<String>,
) -> Finding {
    let told = |(member, look): (&Member, &Look)| {
        Some((told(look.view.as_ref().ok()?)?, member.url.clone()))
    };
    let mut all: Vec<(String, String)> =
        cluster.members.iter().zip(looks).filter_map(told).collect();
    all.sort();
    let (Some((first, _)), Some((last, _))) = (all.first(), all.last()) else {
        return Finding::new(what, Verdict::Unknown, "no peer tells");
    };
    if first == last {
        return Finding::new(what, Verdict::Good, first.clone());
    }
    let lines = all.iter().map(|(told, url)| format!("{url}: {told}")).collect();
    let (verdict, hint) = match what {
        "versions" => (Verdict::Doubtful, "finish the roll-out, or undo it"),
        _ => (Verdict::Bad, "all peers must be built and configured alike"),
    };
    Finding::new(what, verdict, "they differ").lines(lines).hint(hint)
}

/// Whether all peers have the same ring, and this program, too.
fn ring(cluster: &Cluster, looks: &[Look]) -> Finding {
    let words = |hash: &str, replicas: usize| format!("{hash}, {replicas} points each");
    let finding =
        same(cluster, looks, "ring", |view| Some(words(view.hash.as_ref()?, view.replicas?)));
    let own = words(cluster.settings.hash_name(), cluster.settings.replicas().get());
    if finding.verdict != Verdict::Good || finding.told == own {
        return finding;
    }
    let told = format!("{}, and not {own}", finding.told);
    Finding::new("ring", Verdict::Bad, told)
        .hint("--hash and --replicas are other ones than those of the peers: leave them out")
}

/// Whether clocks agree; with the moments at which the peers looked at theirs.
fn clocks(cluster: &Cluster, looks: &[(Duration, Look)]) -> Finding {
    let ahead = |((at, look), member): (&(Duration, Look), &Member)| {
        let clock = look.view.as_ref().ok()?.clock?;
        let here = i128::try_from(at.as_millis()).ok()?;
        Some((i128::from(clock) - here, member.url.clone()))
    };
    let ahead: Vec<_> = looks.iter().zip(&cluster.members).filter_map(ahead).collect();
    let (Some(least), Some(most)) = (ahead.iter().min(), ahead.iter().max()) else {
        return Finding::new("clocks", Verdict::Unknown, "no peer tells");
    };
    let millis = |number: i128| {
        Duration::from_millis(u64::try_from(number.unsigned_abs()).unwrap_or(u64::MAX))
    };
    let apart = millis(most.0 - least.0);
    let unsure = looks.iter().map(|(_, look)| look.took).max().unwrap_or_default();
    if apart <= CLOCKS_APART + unsure {
        let told = format!("within {}", format::time(apart.max(unsure)));
        return Finding::new("clocks", Verdict::Good, told);
    }
    let line = |(number, url): &(i128, String)| {
        let word = if *number < 0 { "behind" } else { "ahead of" };
        format!("{url}: {} {word} this machine", format::time(millis(*number)))
    };
    let protocol = looks.iter().find_map(|(_, look)| look.view.as_ref().ok()?.protocol.clone());
    let (verdict, hint) = match protocol.as_deref() {
        Some("groupcache") => {
            (Verdict::Bad, "values of peers in Go end at the wrong time: set NTP up")
        }
        _ => (Verdict::Doubtful, "it does no harm between peers of this crate; set NTP up"),
    };
    Finding::new("clocks", verdict, format!("{} apart", format::time(apart)))
        .lines(ahead.iter().map(line).collect())
        .hint(hint)
}
