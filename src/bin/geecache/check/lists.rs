//! Whether all peers have the same list of peers.

use std::collections::BTreeSet;

use crate::check::finding::{Finding, Verdict};
use crate::cluster::{Cluster, Look};
use crate::format::plural;
use crate::view::View;

pub(super) fn lists(cluster: &Cluster, looks: &[Look]) -> Finding {
    let views = looks.iter().filter_map(|look| look.view.as_ref().ok());
    let views: Vec<&View> = views.filter(|view| !view.list.is_empty()).collect();
    let set = |list: &[String]| list.iter().cloned().collect::<BTreeSet<String>>();
    let asked: BTreeSet<String> = cluster.members.iter().map(|member| member.url.clone()).collect();
    let all: BTreeSet<String> = views.iter().flat_map(|view| view.list.clone()).collect();
    if views.is_empty() {
        return Finding::new("lists", Verdict::Unknown, "no peer tells its list of peers");
    }
    let lacks = |view: &&View| {
        let lacking: Vec<String> = all.difference(&set(&view.list)).cloned().collect();
        (!lacking.is_empty()).then(|| format!("{} lacks {}", view.url, lacking.join(", ")))
    };
    let lines: Vec<String> = views.iter().filter_map(lacks).collect();
    if !lines.is_empty() {
        return Finding::new("lists", Verdict::Bad, "peers have different lists of peers")
            .lines(lines)
            .hint("give all of them the same list; meanwhile some keys are loaded twice");
    }
    if all != asked {
        let differ = all.symmetric_difference(&asked).map(|url| match all.contains(url) {
            true => format!("{url} is in the cluster, and was not named"),
            false => format!("{url} was named, and is not in the cluster"),
        });
        return Finding::new("lists", Verdict::Bad, "--peers is not the list that the peers have")
            .lines(differ.collect())
            .hint("name one peer alone: it tells the others");
    }
    if views.len() < looks.len() {
        let told = format!("{} of {} tell the same list", views.len(), plural(looks.len(), "peer"));
        return Finding::new("lists", Verdict::Doubtful, told);
    }
    let digests: BTreeSet<&String> = views.iter().filter_map(|view| view.digest.as_ref()).collect();
    if digests.len() > 1 {
        return Finding::new("lists", Verdict::Bad, "peers make different rings of the same list")
            .hint("give all of them the same hash and replicas");
    }
    Finding::new(
        "lists",
        Verdict::Good,
        format!("the same {} everywhere", plural(all.len(), "peer")),
    )
}
