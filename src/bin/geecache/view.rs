//! [`View`]: a peer's `/status.json`, as far as this program understands it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use serde_json::Value;

use crate::url_ring::Seat;

/// What a peer tells of itself, its groups and the others. What a peer does not tell is empty, none
/// or 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct View {
    /// All that it told.
    pub(crate) whole: Value,
    pub(crate) url: String,
    pub(crate) version: String,
    pub(crate) protocol: Option<String>,
    pub(crate) base_path: Option<String>,
    pub(crate) hash: Option<String>,
    pub(crate) replicas: Option<usize>,
    /// The zone in which it is; `None` if it is in none.
    pub(crate) zone: Option<String>,
    pub(crate) digest: Option<String>,
    /// Its clock, in milliseconds since 1970.
    pub(crate) clock: Option<u64>,
    pub(crate) uptime: Option<Duration>,
    pub(crate) ready: Option<bool>,
    /// The URLs in its list of peers, itself included.
    pub(crate) list: Vec<String>,
    /// What each of them is on the ring, as far as this one tells it.
    pub(crate) seats: BTreeMap<String, Seat>,
    /// The time that 99 of 100 answers of each of the others took at most, as this one has seen it.
    pub(crate) p99: BTreeMap<String, Duration>,
    pub(crate) server_requests: u64,
    /// Requests of this peer that failed, because of those that it asked.
    pub(crate) failures: u64,
    pub(crate) groups: BTreeMap<String, GroupView>,
    /// What happened last, the newest first.
    pub(crate) events: Vec<(Duration, String)>,
}

/// A group at one peer, or the sum over peers.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupView {
    /// The fields of the crate's `Stats`, by their names.
    pub(crate) stats: BTreeMap<String, u64>,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) max_bytes: u64,
    pub(crate) evictions: u64,
    /// Keys and how often a second they were asked for of late, as far as that is known.
    pub(crate) hot_keys: Vec<(String, f64)>,
}

impl View {
    /// `None` if it is no status.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let whole: Value = serde_json::from_slice(text).ok()?;
        // Only a peer of this crate tells its version.
        whole.get("version")?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let millis = |value: &Value| value.as_u64().map(Duration::from_millis);
        let (ring, peers) = (&whole["ring"], items(&whole["peers"]));
        let p99 = |peer: &Value| {
            let nanos = peer["latency"]["p99_ns"].as_u64()?;
            Some((text(&peer["url"])?, Duration::from_nanos(nanos)))
        };
        let events = items(&whole["events"])
            .iter()
            .filter_map(|event| Some((millis(&event["age_ms"])?, text(&event["text"])?)));
        let groups = items(&whole["groups"]).iter();
        let groups = groups.filter_map(|group| Some((text(&group["name"])?, GroupView::of(group))));
        let seat = |peer: &Value| {
            let weight = peer["weight"].as_u64().and_then(|weight| weight.try_into().ok())?;
            let weight = NonZeroUsize::new(weight)?;
            let (name, zone) = (text(&peer["name"])?, text(&peer["zone"]).unwrap_or_default());
            Some((text(&peer["url"])?, Seat { name, weight, zone }))
        };
        Some(Self {
            url: text(&whole["url"]).unwrap_or_default(),
            version: text(&whole["version"]).unwrap_or_default(),
            protocol: text(&whole["protocol"]),
            base_path: text(&whole["base_path"]),
            hash: text(&ring["hash"]),
            replicas: ring["replicas"].as_u64().and_then(|number| number.try_into().ok()),
            zone: text(&ring["zone"]),
            digest: text(&ring["digest"]),
            clock: whole["time_ms"].as_u64(),
            uptime: millis(&whole["uptime_ms"]),
            ready: whole["ready"].as_bool(),
            list: peers.iter().filter_map(|peer| text(&peer["url"])).collect(),
            seats: peers.iter().filter_map(seat).collect(),
            p99: peers.iter().filter_map(p99).collect(),
            server_requests: number(&whole["server"], "requests"),
            failures: sum(peers.iter().map(|peer| number(peer, "failures"))),
            events: events.collect(),
            groups: groups.collect(),
            whole,
        })
    }

    /// The sum over its groups.
    pub(crate) fn all_groups(&self) -> GroupView {
        let mut all = GroupView::default();
        self.groups.values().for_each(|group| all.add(group));
        all
    }
}

impl GroupView {
    fn of(group: &Value) -> Self {
        let stats = group["stats"].as_object().into_iter().flatten();
        let stats = stats.filter_map(|(name, value)| Some((name.clone(), value.as_u64()?)));
        let caches = [&group["main_cache"], &group["hot_cache"]];
        let both = |field| sum(caches.iter().map(|cache| number(cache, field)));
        let hot_keys = items(&group["hot_keys"]).iter().filter_map(|hot| {
            Some((hot["key"].as_str()?.to_owned(), hot["gets_per_second"].as_f64()?))
        });
        Self {
            stats: stats.collect(),
            entries: both("entries"),
            bytes: both("charged_bytes"),
            max_bytes: both("max_bytes"),
            evictions: both("evictions"),
            hot_keys: hot_keys.collect(),
        }
    }

    pub(crate) fn stat(&self, name: &str) -> u64 {
        self.stats.get(name).copied().unwrap_or_default()
    }

    /// Keys asked for, by the process and by its peers.
    pub(crate) fn asked(&self) -> u64 {
        self.stat("gets").saturating_add(self.stat("server_requests"))
    }

    /// Those of them that were in memory.
    pub(crate) fn found(&self) -> u64 {
        self.stat("hits").saturating_add(self.stat("server_hits"))
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (name, value) in &other.stats {
            let own = self.stats.entry(name.clone()).or_default();
            *own = own.saturating_add(*value);
        }
        self.entries = self.entries.saturating_add(other.entries);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.max_bytes = self.max_bytes.saturating_add(other.max_bytes);
        self.evictions = self.evictions.saturating_add(other.evictions);
        for (key, gets) in &other.hot_keys {
            match self.hot_keys.iter_mut().find(|(known, _)| known == key) {
                Some((_, sum)) => *sum += gets,
                None => self.hot_keys.push((key.clone(), *gets)),
            }
        }
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A peer may tell any numbers.
fn sum(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

fn number(of: &Value, field: &str) -> u64 {
    of[field].as_u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_does_not_tell_is_none() {
        let view = View::read(br#"{"version":"0.1.0"}"#).unwrap();
        assert_eq!((view.list.len(), view.clock, view.server_requests), (0, None, 0));
        assert_eq!(view.all_groups().asked(), 0);
        for other in ["", "{}", "[]", "no such page", r#"{"url":"a"}"#] {
            assert!(View::read(other.as_bytes()).is_none(), "{other}");
        }
    }

    #[test]
    fn what_has_another_type_than_it_should_have_is_none() {
        let text = br#"{"version":1,"peers":{"a":1},"ring":[],"groups":[1,{"name":"g","stats":7}],
            "time_ms":-1,"events":[{"age_ms":"x"}]}"#;
        let view = View::read(text).unwrap();
        assert_eq!((view.list.len(), view.clock, view.events.len()), (0, None, 0));
        assert_eq!(view.groups["g"].stat("gets"), 0);
    }

    #[test]
    fn numbers_past_all_bounds_are_the_greatest() {
        let most = u64::MAX;
        let text = format!(
            r#"{{"version":"1","peers":[{{"failures":{most}}},{{"failures":{most}}}],
            "groups":[{{"name":"g","stats":{{"gets":{most},"server_requests":{most}}},
            "main_cache":{{"entries":{most}}},"hot_cache":{{"entries":{most}}}}}]}}"#
        );
        let view = View::read(text.as_bytes()).unwrap();
        let mut all = view.all_groups();
        all.add(&view.all_groups());
        assert_eq!((view.failures, all.entries, all.asked()), (most, most, most));
    }

    #[test]
    fn groups_of_peers_add_up() {
        let group = |gets: u64, key: &str| {
            let text = format!(
                r#"{{"version":"1","groups":[{{"name":"g","stats":{{"gets":{gets},"hits":1}},
                "main_cache":{{"charged_bytes":5,"max_bytes":80}},"hot_cache":{{"max_bytes":10}},
                "hot_keys":[{{"key":"{key}","gets_per_second":2}}]}}]}}"#
            );
            View::read(text.as_bytes()).unwrap().groups.remove("g").unwrap()
        };
        let mut sum = group(3, "a");
        sum.add(&group(1, "b"));
        sum.add(&group(4, "a"));
        assert_eq!((sum.stat("gets"), sum.bytes, sum.asked(), sum.found()), (8, 15, 8, 3));
        assert_eq!(sum.max_bytes, 270, "copies have room of their own");
        assert_eq!(sum.hot_keys, [("a".to_owned(), 4.0), ("b".to_owned(), 2.0)]);
    }
}
