//! [`Picture`]: what two looks at the peers tell.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::Look;
use crate::columns::Cell;
use crate::stats::state;
use crate::top::sampler::Sample;
use crate::view::{GroupView, View};

/// The order of the peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Peer,
    Requests,
    Hits,
    Memory,
    Share,
}

impl Order {
    const ALL: [(&str, Self); 5] = [
        ("peer", Self::Peer),
        ("requests", Self::Requests),
        ("hits", Self::Hits),
        ("memory", Self::Memory),
        ("share", Self::Share),
    ];

    pub(super) fn named(name: &str) -> Self {
        Self::ALL.iter().find(|(known, _)| *known == name).map_or(Self::Peer, |(_, order)| *order)
    }

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, order)| *order == self).map_or("", |(name, _)| name)
    }

    pub(super) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|(_, order)| *order == self).unwrap_or_default();
        Self::ALL[(at + 1) % Self::ALL.len()].1
    }
}

/// How a peer or a group does.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) state: Cell,
    pub(super) share: Option<f64>,
    /// Requests that its server has read, per second. Rates are none before the second look, and
    /// where a process has started again in between.
    pub(super) requests: Option<f64>,
    /// Requests of others' getters that failed.
    pub(super) failures: Option<f64>,
    pub(super) gets: Option<f64>,
    pub(super) loads: Option<f64>,
    pub(super) load_errors: Option<f64>,
    pub(super) evictions: Option<f64>,
    /// Of what was asked for between the looks.
    pub(super) hits: Option<f64>,
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) max_bytes: u64,
}

/// The whole.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) peers: Vec<Row>,
    pub(super) groups: Vec<Row>,
    pub(super) all: Row,
    pub(super) up: usize,
    /// None if fewer than two peers tell.
    pub(super) lists_agree: Option<bool>,
    /// Group, key, and how often a second it is asked for, the most first.
    pub(super) hot_keys: Vec<(String, String, f64)>,
    /// How long ago, where, what; the newest first.
    pub(super) events: Vec<(Duration, String, String)>,
}

impl Picture {
    pub(super) fn of(
        before: Option<&Sample>,
        now: &Sample,
        order: Order,
        is_reversed: bool,
    ) -> Self {
        let seconds = before.map(|before| (now.at - before.at).as_secs_f64());
        let earlier = |url: &str| {
            let view = before?.looks.get(url)?.view.as_ref().ok()?;
            Some((view, seconds?))
        };
        let peer = |(url, look): (&String, &Look)| {
            let share = now.shares.get(url).copied();
            let row = match &look.view {
                Ok(view) => peer_row(view, earlier(url)),
                Err(_) => Row::default(),
            };
            Row { name: url.clone(), state: state(look), share, ..row }
        };
        let mut peers: Vec<Row> = now.looks.iter().map(peer).collect();
        let views =
            now.looks.iter().filter_map(|(url, look)| Some((url, look.view.as_ref().ok()?)));
        let views: Vec<(&String, &View)> = views.collect();
        let groups = groups(&views, earlier);
        let all = peers.iter().fold(Row::default(), Row::and);
        let all = Row { hits: hits_of_all(&groups), ..all };
        sort(&mut peers, order);
        if is_reversed {
            peers.reverse();
        }
        let digests: Vec<_> = views.iter().filter_map(|(_, view)| view.digest.as_ref()).collect();
        let lists_agree =
            (digests.len() > 1).then(|| digests.windows(2).all(|two| two[0] == two[1]));
        let mut events: Vec<_> = views
            .iter()
            .flat_map(|(url, view)| {
                let event = |(age, text): &(Duration, String)| (*age, (*url).clone(), text.clone());
                view.events.iter().map(event)
            })
            .collect();
        events.sort();
        Self {
            up: now.looks.values().filter(|look| look.view.is_ok()).count(),
            lists_agree,
            hot_keys: hot_keys(&views),
            events,
            groups: groups.into_iter().map(|(row, _)| row).collect(),
            peers,
            all,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        let event = |(age, peer, text): &(Duration, String, String)| {
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            json!({"age_ms": age, "peer": peer, "text": text})
        };
        json!({
            "up": self.up,
            "lists_agree": self.lists_agree,
            "all": self.all.to_json(),
            "peers": self.peers.iter().map(Row::to_json).collect::<Value>(),
            "groups": self.groups.iter().map(Row::to_json).collect::<Value>(),
            "hot_keys": self.hot_keys.iter().map(hot_to_json).collect::<Value>(),
            "events": self.events.iter().map(event).collect::<Value>(),
        })
    }
}

fn hot_to_json((group, key, gets): &(String, String, f64)) -> Value {
    json!({"group": group, "key": key, "gets_per_s": gets})
}

impl Row {
    fn and(self, other: &Self) -> Self {
        let sum = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        Self {
            requests: sum(self.requests, other.requests),
            failures: sum(self.failures, other.failures),
            gets: sum(self.gets, other.gets),
            loads: sum(self.loads, other.loads),
            load_errors: sum(self.load_errors, other.load_errors),
            evictions: sum(self.evictions, other.evictions),
            entries: self.entries.saturating_add(other.entries),
            bytes: self.bytes.saturating_add(other.bytes),
            max_bytes: self.max_bytes.saturating_add(other.max_bytes),
            ..self
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "name": self.name,
            "state": self.state.text,
            "share": self.share,
            "requests_per_s": self.requests,
            "failures_per_s": self.failures,
            "gets_per_s": self.gets,
            "loads_per_s": self.loads,
            "load_errors_per_s": self.load_errors,
            "evictions_per_s": self.evictions,
            "hit_ratio": self.hits,
            "entries": self.entries,
            "bytes": self.bytes,
            "max_bytes": self.max_bytes,
        })
    }
}

/// How much a counter grew in a second.
fn rate(before: u64, now: u64, seconds: f64) -> Option<f64> {
    let grown = now.checked_sub(before)?;
    (seconds > 0.0).then(|| grown as f64 / seconds)
}

fn peer_row(view: &View, earlier: Option<(&View, f64)>) -> Row {
    let groups = earlier.map(|(before, seconds)| (before.all_groups(), seconds));
    let row = group_row(&view.all_groups(), groups.as_ref().map(|(group, s)| (group, *s)));
    let of = |counter: fn(&View) -> u64| {
        let (before, seconds) = earlier?;
        rate(counter(before), counter(view), seconds)
    };
    Row { requests: of(|view| view.server_requests), failures: of(|view| view.failures), ..row }
}

fn group_row(group: &GroupView, earlier: Option<(&GroupView, f64)>) -> Row {
    let of = |counter: fn(&GroupView) -> u64| {
        let (before, seconds) = earlier?;
        rate(counter(before), counter(group), seconds)
    };
    let (asked, found) = (of(GroupView::asked), of(GroupView::found));
    let hits = match (asked, found) {
        (Some(asked), Some(found)) if asked > 0.0 => Some((found / asked).min(1.0)),
        _ => None,
    };
    Row {
        gets: of(GroupView::asked),
        loads: of(|group| group.stat("local_loads")),
        load_errors: of(|group| group.stat("local_load_errors")),
        evictions: of(|group| group.evictions),
        hits,
        entries: group.entries,
        bytes: group.bytes,
        max_bytes: group.max_bytes,
        ..Row::default()
    }
}

/// Each group, summed up over the peers that told of it both times, and how much was asked for.
fn groups<'a>(
    views: &[(&String, &'a View)],
    earlier: impl Fn(&str) -> Option<(&'a View, f64)>,
) -> Vec<(Row, f64)> {
    let mut groups = BTreeMap::<&str, Seen>::new();
    for (url, view) in views {
        let before = earlier(url);
        for (name, group) in &view.groups {
            let seen = groups.entry(name).or_default();
            seen.sum.add(group);
            let Some((before, seconds)) = before else { continue };
            if let Some(before) = before.groups.get(name) {
                seen.first.add(before);
                seen.last.add(group);
                seen.seconds = Some(seconds);
            }
        }
    }
    let row = |(name, seen): (&str, Seen)| {
        let Seen { sum, first, last, seconds } = seen;
        let rates = group_row(&last, seconds.map(|seconds| (&first, seconds)));
        let asked = rates.gets.unwrap_or_default();
        let (entries, bytes, max_bytes) = (sum.entries, sum.bytes, sum.max_bytes);
        (Row { name: name.to_owned(), entries, bytes, max_bytes, ..rates }, asked)
    };
    groups.into_iter().map(row).collect()
}

/// A group at all peers.
#[derive(Default)]
struct Seen {
    sum: GroupView,
    /// At those that told of it both times: then, and now.
    first: GroupView,
    last: GroupView,
    seconds: Option<f64>,
}

fn hits_of_all(groups: &[(Row, f64)]) -> Option<f64> {
    let asked: f64 = groups.iter().map(|(_, asked)| asked).sum();
    let found: f64 = groups.iter().map(|(row, asked)| row.hits.unwrap_or_default() * asked).sum();
    (asked > 0.0).then(|| found / asked)
}

fn hot_keys(views: &[(&String, &View)]) -> Vec<(String, String, f64)> {
    let mut sums = BTreeMap::<(&str, &str), f64>::new();
    for (name, group) in views.iter().flat_map(|(_, view)| &view.groups) {
        for (key, gets) in &group.hot_keys {
            *sums.entry((name, key)).or_default() += gets;
        }
    }
    let owned =
        |((group, key), gets): ((&str, &str), f64)| (group.to_owned(), key.to_owned(), gets);
    let mut keys: Vec<_> = sums.into_iter().map(owned).collect();
    keys.sort_by(|a, b| b.2.total_cmp(&a.2));
    keys
}

/// The most first, but for names. What is not known comes last.
fn sort(peers: &mut [Row], order: Order) {
    let by = |row: &Row| match order {
        Order::Peer => None,
        Order::Requests => row.requests,
        Order::Hits => row.hits,
        Order::Memory => Some(row.bytes as f64),
        Order::Share => row.share,
    };
    peers.sort_by(|a, b| {
        let (a_by, b_by) = (by(a).unwrap_or(-1.0), by(b).unwrap_or(-1.0));
        b_by.total_cmp(&a_by).then_with(|| a.name.cmp(&b.name))
    });
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Instant;

    use geecache::{PeerError, PeerErrorKind};

    use super::*;

    /// A peer that was asked for so much, half of it in vain.
    fn look(url: &str, gets: u64) -> Look {
        let text = format!(
            r#"{{"version":"0.1.0","url":"{url}","ready":true,"ring":{{"digest":"d"}},
            "server":{{"requests":{gets}}},
            "events":[{{"age_ms":1500,"text":"peer http://c:1 is down"}}],
            "groups":[{{"name":"scores",
            "stats":{{"gets":{gets},"hits":{hits},"local_loads":{hits}}},
            "main_cache":{{"entries":2,"charged_bytes":2048,"max_bytes":4096,"evictions":{gets}}},
            "hot_keys":[{{"key":"Tom","gets_per_second":{gets}}}]}}]}}"#,
            hits = gets / 2
        );
        Look { view: Ok(View::read(text.as_bytes()).unwrap()), took: Duration::ZERO }
    }

    fn down(url: &str) -> Look {
        let error = PeerError::new(PeerErrorKind::Unreachable, url, "refused");
        Look { view: Err(error), took: Duration::ZERO }
    }

    fn sample(at: Instant, looks: Vec<(&str, Look)>) -> Sample {
        let shares = looks.iter().map(|(url, _)| ((*url).to_owned(), 0.25)).collect();
        let looks = looks.into_iter().map(|(url, look)| (url.to_owned(), look)).collect();
        Sample { at, looks, shares }
    }

    /// Two peers that are busy, and one that is down.
    pub(in crate::top) fn two_busy_peers_and_one_down(order: Order) -> Picture {
        let at = Instant::now();
        let before = sample(
            at,
            vec![
                ("http://a:1", look("http://a:1", 100)),
                ("http://b:1", look("http://b:1", 1_000)),
                ("http://c:1", down("http://c:1")),
            ],
        );
        let now = sample(
            at + Duration::from_secs(2),
            vec![
                ("http://a:1", look("http://a:1", 300)),
                ("http://b:1", look("http://b:1", 5_000)),
                ("http://c:1", down("http://c:1")),
            ],
        );
        Picture::of(Some(&before), &now, order, false)
    }

    #[test]
    fn rates_are_what_grew_in_a_second() {
        let picture = two_busy_peers_and_one_down(Order::Peer);
        let row = &picture.peers[0];
        assert_eq!((row.requests, row.gets, row.hits), (Some(100.0), Some(100.0), Some(0.5)));
        assert_eq!((picture.all.gets, picture.all.bytes), (Some(2_100.0), 4096));
        assert_eq!(
            (picture.groups[0].evictions, picture.groups[0].hits),
            (Some(2_100.0), Some(0.5))
        );
        assert_eq!((picture.up, picture.lists_agree), (2, Some(true)));
        assert_eq!(picture.hot_keys, [("scores".into(), "Tom".into(), 5_300.0)]);
        assert_eq!(picture.peers[2].state.text, "down");
    }

    #[test]
    fn peers_stand_in_the_order_that_is_wanted() {
        let names = |order| {
            let peers = two_busy_peers_and_one_down(order).peers;
            peers.iter().map(|row| row.name[7..8].to_owned()).collect::<String>()
        };
        assert_eq!((names(Order::Peer), names(Order::Requests)), ("abc".into(), "bac".into()));
        let mut order = Order::Peer;
        for _ in 0..5 {
            order = order.next();
        }
        assert_eq!(order, Order::Peer);
    }

    #[test]
    fn a_peer_that_has_started_again_has_no_rate_at_first() {
        let at = Instant::now();
        let before = sample(at, vec![("http://a:1", look("http://a:1", 100))]);
        let now = sample(at + Duration::from_secs(1), vec![("http://a:1", look("http://a:1", 7))]);
        let picture = Picture::of(Some(&before), &now, Order::Peer, false);
        assert_eq!((picture.peers[0].requests, picture.peers[0].hits), (None, None));
        let picture = Picture::of(None, &now, Order::Peer, false);
        assert_eq!((picture.all.gets, picture.all.entries), (None, 2));
    }
}
