//! Counters as a text for Prometheus and its kin.
//!
//! The form is that of the [text format 0.0.4][text], or that of [OpenMetrics 1.0][open]. They
//! differ in the name under which a counter is introduced, and in the last line.
//!
//! [text]: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
//! [open]: https://prometheus.io/docs/specs/om/open_metrics_spec/

mod writer;

pub use writer::{MetricFamily, MetricsFormat, MetricsWriter};

use crate::group::{Group, PeerDebt};
use crate::histogram::{Histogram, Latencies};
use crate::stats::{CacheStats, Stats};

/// One family of a group: its name, what it says, and a sample for each value of a label. Without
/// a label there is one sample.
struct OfGroup {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    samples: &'static [OfStats],
}

/// The value of the label, and where the number is.
type OfStats = (&'static str, fn(&Stats) -> u64);

const OF_GROUPS: &[OfGroup] = &[
    OfGroup {
        name: "geecache_gets",
        help: "Keys asked for by this process, by where they were found.",
        label: "result",
        samples: &[
            ("owned_hit", |stats| stats.owned_hits),
            ("copy_hit", |stats| stats.copy_hits),
            ("miss", |stats| stats.gets - stats.hits),
        ],
    },
    OfGroup {
        name: "geecache_misses",
        help: "Keys that were not in memory, each once per call, by who was to have them.",
        label: "owner",
        samples: &[("self", |stats| stats.owned_misses), ("peer", |stats| stats.copy_misses)],
    },
    OfGroup {
        name: "geecache_peer_answers",
        help: "Keys that peers were asked for, by what became of it.",
        label: "result",
        samples: &[
            ("hit", |stats| stats.peer_hits),
            ("loaded", |stats| stats.peer_loads - stats.peer_hits),
            ("error", |stats| stats.peer_errors),
        ],
    },
    OfGroup {
        name: "geecache_served",
        help: "Keys that peers asked this process for, by whether they were in memory.",
        label: "result",
        samples: &[
            ("hit", |stats| stats.server_hits),
            ("miss", |stats| stats.server_requests.saturating_sub(stats.server_hits)),
        ],
    },
    OfGroup {
        name: "geecache_loads",
        help: "Results of the getter, one for each key.",
        label: "result",
        samples: &[("ok", |stats| stats.local_loads), ("error", |stats| stats.local_load_errors)],
    },
    OfGroup {
        name: "geecache_loads_deduplicated",
        help: "Loads that were spared because another caller was loading the key.",
        label: "",
        samples: &[("", |stats| stats.loads_deduplicated)],
    },
    OfGroup {
        name: "geecache_refreshes",
        help: "Loads of values that were about to expire or had expired, beside callers.",
        label: "",
        samples: &[("", |stats| stats.refreshes)],
    },
    OfGroup {
        name: "geecache_stale_hits",
        help: "Answers with a value past its ttl.",
        label: "",
        samples: &[("", |stats| stats.hits_stale)],
    },
    OfGroup {
        name: "geecache_soft_timeouts",
        help: "Answers with a value past its ttl, as its load took long.",
        label: "",
        samples: &[("", |stats| stats.soft_timeouts)],
    },
    OfGroup {
        name: "geecache_unchanged",
        help: "Loads that left an old value as it is.",
        label: "",
        samples: &[("", |stats| stats.unchanged)],
    },
    OfGroup {
        name: "geecache_source_rests",
        help: "Times that the getter came to rest after failures.",
        label: "",
        samples: &[("", |stats| stats.source_rests)],
    },
    OfGroup {
        name: "geecache_source_refusals",
        help: "Keys that the getter was not called for, as it rested or had too many calls.",
        label: "",
        samples: &[("", |stats| stats.source_refusals)],
    },
    OfGroup {
        name: "geecache_hedges",
        help: "Keys loaded here beside a slow owner, by who was first.",
        label: "first",
        samples: &[
            ("self", |stats| stats.hedges_won),
            ("owner", |stats| stats.hedges.saturating_sub(stats.hedges_won)),
        ],
    },
    OfGroup {
        name: "geecache_negative_hits",
        help: "Answers from memory that a key does not exist.",
        label: "",
        samples: &[("", |stats| stats.negative_hits)],
    },
    OfGroup {
        name: "geecache_takeover_requests",
        help: "Keys that previous owners were asked for.",
        label: "",
        samples: &[("", |stats| stats.peeks)],
    },
    OfGroup {
        name: "geecache_takeover_hits",
        help: "Those of them that the previous owners had.",
        label: "",
        samples: &[("", |stats| stats.peek_hits)],
    },
    OfGroup {
        name: "geecache_taken_over",
        help: "Entries that previous owners handed over, and that are kept.",
        label: "",
        samples: &[("", |stats| stats.taken_over)],
    },
    OfGroup {
        name: "geecache_taken_over_bytes",
        help: "Bytes of their keys and values.",
        label: "",
        samples: &[("", |stats| stats.taken_over_bytes)],
    },
    OfGroup {
        name: "geecache_handed_over",
        help: "Entries that new owners were handed.",
        label: "",
        samples: &[("", |stats| stats.handed_over)],
    },
    OfGroup {
        name: "geecache_handed_over_bytes",
        help: "Bytes of their keys and values.",
        label: "",
        samples: &[("", |stats| stats.handed_over_bytes)],
    },
    OfGroup {
        name: "geecache_removes",
        help: "Keys removed, by this process or for a peer.",
        label: "",
        samples: &[("", |stats| stats.removes)],
    },
    OfGroup {
        name: "geecache_inserts",
        help: "Values inserted, by this process or for a peer.",
        label: "",
        samples: &[("", |stats| stats.inserts)],
    },
    OfGroup {
        name: "geecache_clears",
        help: "Times that the group was emptied, by this process or for a peer.",
        label: "",
        samples: &[("", |stats| stats.clears)],
    },
    OfGroup {
        name: "geecache_tag_removes",
        help: "Tags whose values were removed, by this process or for a peer.",
        label: "",
        samples: &[("", |stats| stats.tag_removes)],
    },
    OfGroup {
        name: "geecache_snapshot_entries",
        help: "Entries of snapshots, by what became of them.",
        label: "result",
        samples: &[
            ("written", |stats| stats.snapshot_written),
            ("loaded", |stats| stats.snapshot_loaded),
            ("skipped", |stats| stats.snapshot_skipped),
        ],
    },
    OfGroup {
        name: "geecache_snapshot_failures",
        help: "Snapshots that could not be written or read.",
        label: "",
        samples: &[("", |stats| stats.snapshot_failures)],
    },
    OfGroup {
        name: "geecache_late_changes",
        help: "Insertions that were refused, as they came too late.",
        label: "",
        samples: &[("", |stats| stats.late_changes)],
    },
    OfGroup {
        name: "geecache_changes_heard",
        help: "Answers of peers that told of changes which were not known here.",
        label: "",
        samples: &[("", |stats| stats.changes_heard)],
    },
    OfGroup {
        name: "geecache_changes_owed",
        help: "Keys that a peer could not be told to remove, once for each such peer.",
        label: "",
        samples: &[("", |stats| stats.changes_owed)],
    },
    OfGroup {
        name: "geecache_changes_paid",
        help: "Those of them that it was told of later.",
        label: "",
        samples: &[("", |stats| stats.changes_paid)],
    },
    OfGroup {
        name: "geecache_events_dropped",
        help: "Events that the subscriber was not told, as too many waited for it.",
        label: "",
        samples: &[("", |stats| stats.events_dropped)],
    },
    OfGroup {
        name: "geecache_log_lines_suppressed",
        help: "Lines that were not logged, as the same was told within the last minute.",
        label: "",
        samples: &[("", |stats| stats.logs_suppressed)],
    },
];

/// Times of a group: the name of the family, what it says, and where the times are.
type OfTimes = (&'static str, &'static str, fn(&Latencies) -> &Histogram);

const OF_LATENCIES: [OfTimes; 3] = [
    ("geecache_getter_duration_seconds", "Calls of the getter.", |times| &times.getter),
    ("geecache_wait_duration_seconds", "Waits for another caller's load or question.", |times| {
        &times.waits
    }),
    ("geecache_hit_duration_seconds", "Gets answered from memory: one in 64 of them.", |times| {
        &times.hits
    }),
];

/// One family of a cache of a group.
struct OfCache {
    name: &'static str,
    help: &'static str,
    is_counter: bool,
    value: fn(&CacheStats) -> u64,
}

const OF_CACHES: [OfCache; 8] = [
    OfCache {
        name: "geecache_cache_entries",
        help: "Entries held.",
        is_counter: false,
        value: |cache| cache.entries,
    },
    OfCache {
        name: "geecache_cache_bytes",
        help: "Bytes that count against the bound.",
        is_counter: false,
        value: |cache| cache.charged_bytes,
    },
    OfCache {
        name: "geecache_cache_payload_bytes",
        help: "Bytes of keys and values.",
        is_counter: false,
        value: |cache| cache.bytes,
    },
    OfCache {
        name: "geecache_cache_max_bytes",
        help: "The bound on geecache_cache_bytes.",
        is_counter: false,
        value: |cache| cache.max_bytes,
    },
    OfCache {
        name: "geecache_cache_insertions",
        help: "Entries made or replaced.",
        is_counter: true,
        value: |cache| cache.inserts,
    },
    OfCache {
        name: "geecache_cache_evictions",
        help: "Live entries that had to go to make room.",
        is_counter: true,
        value: |cache| cache.evictions,
    },
    OfCache {
        name: "geecache_cache_expired",
        help: "Entries dropped because their time to live was over.",
        is_counter: true,
        value: |cache| cache.expired,
    },
    OfCache {
        name: "geecache_cache_rejected",
        help: "Values that were served and not kept, as they alone would not fit.",
        is_counter: true,
        value: |cache| cache.rejected,
    },
];

impl MetricsWriter {
    /// Writes what these groups count.
    pub fn groups(&mut self, groups: &[Group]) {
        if groups.is_empty() {
            return;
        }
        self.counters_of(groups);
        let help = "Loads that wait for a thread to run the getter on.";
        let mut family = self.gauge("geecache_loads_waiting", help);
        for group in groups {
            family.sample(&[("group", group.name())], group.stats().loads_waiting);
        }
        self.times_of(groups);
        self.caches_of(groups);
        self.debts_of(groups);
    }

    /// What is owed now. A peer that is owed everything counts as one key.
    fn debts_of(&mut self, groups: &[Group]) {
        let debts = groups.iter().map(|group| (group.name(), group.debts()));
        let debts: Vec<(&str, Vec<PeerDebt>)> = debts.collect();
        if debts.iter().all(|(_, debts)| debts.is_empty()) {
            return;
        }
        let mut family =
            self.gauge("geecache_debt_keys", "Keys that a peer is still to be told to remove.");
        for (group, debts) in &debts {
            for debt in debts {
                let labels = [("group", *group), ("peer", &*debt.peer)];
                family.sample(&labels, debt.keys.unwrap_or(1) as u64);
            }
        }
        let mut family =
            self.gauge("geecache_debt_seconds", "For how long a peer has been owed something.");
        for (group, debts) in &debts {
            for debt in debts {
                let labels = [("group", *group), ("peer", &*debt.peer)];
                family.sample(&labels, debt.since.as_secs());
            }
        }
    }

    fn times_of(&mut self, groups: &[Group]) {
        let latencies: Vec<Latencies> = groups.iter().map(Group::latencies).collect();
        for (name, help, times) in OF_LATENCIES {
            let mut family = self.histogram(name, help);
            for (group, latencies) in groups.iter().zip(&latencies) {
                family.times(&[("group", group.name())], times(latencies));
            }
        }
    }

    fn counters_of(&mut self, groups: &[Group]) {
        let stats = groups.iter().map(|group| (group, group.stats()));
        let stats: Vec<(&Group, Stats)> = stats.collect();
        for OfGroup { name, help, label, samples } in OF_GROUPS {
            let mut family = self.counter(name, help);
            for (group, stats) in &stats {
                for (value, sample) in *samples {
                    let labels = [("group", group.name()), (label, value)];
                    let labels = if label.is_empty() { &labels[..1] } else { &labels };
                    family.sample(labels, sample(stats));
                }
            }
        }
    }

    fn caches_of(&mut self, groups: &[Group]) {
        let caches = groups.iter().flat_map(|group| {
            let (main, hot) = (group.main_cache_stats(), group.hot_cache_stats());
            [(group, "main", main), (group, "hot", hot)]
        });
        let caches: Vec<(&Group, &str, CacheStats)> = caches.collect();
        for OfCache { name, help, is_counter, value } in OF_CACHES {
            let mut family =
                if is_counter { self.counter(name, help) } else { self.gauge(name, help) };
            for (group, cache, stats) in &caches {
                family.sample(&[("group", group.name()), ("cache", cache)], value(stats));
            }
        }
    }
}

#[cfg(test)]
mod tests;
