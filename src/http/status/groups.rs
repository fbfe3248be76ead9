//! What `/status.json` tells of a group: all that it counts.

use std::time::Duration;

use crate::group::Group;
use crate::histogram::Histogram;
use crate::http::status::json::JsonObject;
use crate::stats::{CacheStats, Stats};

/// So many of the keys that are asked for most are told.
const HOT_KEYS: usize = 10;

pub(super) fn write_group(object: &mut JsonObject<'_>, group: &Group) {
    let stats = group.stats();
    object.member("name", group.name());
    object.object("stats", |object| write_numbers(object, &numbers_of(&stats)));
    object.object("ratios", |object| {
        object.member("hit", stats.hit_ratio());
        object.member("owned", stats.owned_hit_ratio());
        object.member("copy", stats.copy_hit_ratio());
        object.member("peer", stats.peer_hit_ratio());
        object.member("server", stats.server_hit_ratio());
    });
    for (name, stats) in
        [("main_cache", group.main_cache_stats()), ("hot_cache", group.hot_cache_stats())]
    {
        object.object(name, |object| write_numbers(object, &numbers_of_cache(&stats)));
    }
    let latencies = group.latencies();
    object.object("latency", |object| {
        write_latency(object, "getter", &latencies.getter);
        write_latency(object, "waits", &latencies.waits);
        write_latency(object, "hits", &latencies.hits);
    });
    object.list("debts", group.debts(), |object, debt| {
        object.member("peer", &*debt.peer);
        object.member("keys", debt.keys);
        object.member("since_s", debt.since.as_secs_f64());
        object.member("attempts", debt.attempts);
        object.member("error", &*debt.error.to_string());
    });
    object.list("hot_keys", group.hot_keys(HOT_KEYS), |object, hot| {
        object.member("key", &*hot.key);
        object.member("gets_per_second", hot.gets_per_second);
        object.member("share", hot.share);
        object.member("share_error", hot.share_error);
    });
}

/// Writes how long something took, if it was ever measured.
pub(super) fn write_latency(object: &mut JsonObject<'_>, name: &str, times: &Histogram) {
    if times.count() == 0 {
        return;
    }
    object.object(name, |object| {
        object.member("count", times.count());
        object.member("sum_ns", nanos(times.sum()));
        for (name, percent) in [("p50_ns", 50.0), ("p90_ns", 90.0), ("p99_ns", 99.0)] {
            object.member(name, times.percentile(percent).map(nanos));
        }
        object.member("max_ns", nanos(times.max()));
    });
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn write_numbers(object: &mut JsonObject<'_>, numbers: &[(&str, u64)]) {
    for &(name, number) in numbers {
        object.member(name, number);
    }
}

/// All of them, by their names.
fn numbers_of(stats: &Stats) -> Vec<(&'static str, u64)> {
    vec![
        ("gets", stats.gets),
        ("hits", stats.hits),
        ("owned_hits", stats.owned_hits),
        ("owned_misses", stats.owned_misses),
        ("copy_hits", stats.copy_hits),
        ("copy_misses", stats.copy_misses),
        ("loads", stats.loads),
        ("loads_deduplicated", stats.loads_deduplicated),
        ("peer_loads", stats.peer_loads),
        ("peer_hits", stats.peer_hits),
        ("peer_errors", stats.peer_errors),
        ("local_loads", stats.local_loads),
        ("local_load_errors", stats.local_load_errors),
        ("server_requests", stats.server_requests),
        ("server_hits", stats.server_hits),
        ("hits_stale", stats.hits_stale),
        ("soft_timeouts", stats.soft_timeouts),
        ("negative_hits", stats.negative_hits),
        ("loads_waiting", stats.loads_waiting),
        ("refreshes", stats.refreshes),
        ("unchanged", stats.unchanged),
        ("source_rests", stats.source_rests),
        ("source_refusals", stats.source_refusals),
        ("hedges", stats.hedges),
        ("hedges_won", stats.hedges_won),
        ("peeks", stats.peeks),
        ("peek_hits", stats.peek_hits),
        ("taken_over", stats.taken_over),
        ("taken_over_bytes", stats.taken_over_bytes),
        ("handed_over", stats.handed_over),
        ("handed_over_bytes", stats.handed_over_bytes),
        ("removes", stats.removes),
        ("inserts", stats.inserts),
        ("clears", stats.clears),
        ("tag_removes", stats.tag_removes),
        ("snapshot_written", stats.snapshot_written),
        ("snapshot_loaded", stats.snapshot_loaded),
        ("snapshot_skipped", stats.snapshot_skipped),
        ("snapshot_failures", stats.snapshot_failures),
        ("changes_owed", stats.changes_owed),
        ("changes_paid", stats.changes_paid),
        ("late_changes", stats.late_changes),
        ("changes_heard", stats.changes_heard),
        ("events_dropped", stats.events_dropped),
        ("logs_suppressed", stats.logs_suppressed),
    ]
}

fn numbers_of_cache(stats: &CacheStats) -> [(&'static str, u64); 10] {
    [
        ("hits", stats.hits),
        ("misses", stats.misses),
        ("entries", stats.entries),
        ("bytes", stats.bytes),
        ("charged_bytes", stats.charged_bytes),
        ("max_bytes", stats.max_bytes),
        ("inserts", stats.inserts),
        ("evictions", stats.evictions),
        ("expired", stats.expired),
        ("rejected", stats.rejected),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names of the fields, as `Debug` tells them.
    fn fields(debug: &str) -> Vec<&str> {
        let words = debug.split([' ', '{', ',']);
        words.filter_map(|word| word.strip_suffix(':')).collect()
    }

    #[test]
    fn every_counter_is_told_by_its_own_name() {
        let names = numbers_of(&Stats::default()).into_iter().map(|(name, _)| name);
        let names: Vec<&str> = names.collect();
        assert_eq!(fields(&format!("{:?}", Stats::default())), names);
        let names = numbers_of_cache(&CacheStats::default()).map(|(name, _)| name);
        assert_eq!(fields(&format!("{:?}", CacheStats::default())), names);
    }
}
