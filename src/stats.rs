//! What a group counted: [`Stats`], [`CacheStats`]; plain snapshots; and [`Counter`], what they are
//! made from.

use std::sync::atomic::{AtomicU64, Ordering};

/// What one group did since it was made. A snapshot: the fields are read one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Keys asked for by this process, each as often as it was asked for.
    pub gets: u64,
    /// Those of them that were in memory here: `owned_hits` and `copy_hits`.
    pub hits: u64,
    /// Gets answered from the main cache, which has the keys that this process owns.
    pub owned_hits: u64,
    /// Keys that gets did not find in memory and that no peer was to be asked for: this process
    /// owns them, or answers for an owner that is down. A key that occurs more than once in one
    /// `get_many` counts once.
    pub owned_misses: u64,
    /// Gets answered from a copy of what another peer owns.
    pub copy_hits: u64,
    /// Keys that gets did not find in memory and that a peer was to be asked for. A key that occurs
    /// more than once in one `get_many` counts once.
    pub copy_misses: u64,
    /// Gets and peers' requests that had to wait for a load: their own, another caller's, or a
    /// peer's.
    pub loads: u64,
    /// Loads that were spared because another caller was already loading the same key.
    pub loads_deduplicated: u64,
    /// Values, and answers that there is none, got from peers.
    pub peer_loads: u64,
    /// Those of them that the peers had in memory. A peer of another program does not tell, and
    /// counts as one that had to load.
    pub peer_hits: u64,
    /// Keys for which a peer that was asked gave neither a value nor the word that there is none. A
    /// request for many that fails counts for each of its keys.
    pub peer_errors: u64,
    /// Calls of the getter that returned, a value or that there is none.
    pub local_loads: u64,
    /// Calls of the getter that failed or panicked.
    pub local_load_errors: u64,
    /// Keys that peers asked for.
    pub server_requests: u64,
    /// Those of them that were in memory here.
    pub server_hits: u64,
    /// Gets and peers' requests answered with a value past its ttl: while it was refreshed, or
    /// because its reload failed.
    pub hits_stale: u64,
    /// Those of them whose load took longer than the
    /// [`soft_timeout`](crate::GroupBuilder::soft_timeout).
    pub soft_timeouts: u64,
    /// Gets and peers' requests answered from memory with the knowledge that the key does not
    /// exist.
    pub negative_hits: u64,
    /// Loads that wait for a thread to run the getter on, at this moment: all
    /// [`max_loaders`](crate::GroupBuilder::max_loaders) are busy. The one number here that also
    /// gets smaller.
    pub loads_waiting: u64,
    /// Loads, on threads of the group, of values that were about to expire or had expired.
    pub refreshes: u64,
    /// Calls of the getter, for one key each, that said that an old value
    /// [has not changed](crate::Refreshed).
    pub unchanged: u64,
    /// Times that the getter came to rest, as
    /// [`source_breaker`](crate::GroupBuilder::source_breaker) says.
    pub source_rests: u64,
    /// Keys that the getter was not called for, as it rested, or as it ran as often as
    /// [`max_loads`](crate::GroupBuilder::max_loads) allows.
    pub source_refusals: u64,
    /// Keys that were loaded here as well, as their owner took longer to answer than it usually
    /// does: see [`hedge`](crate::GroupBuilder::hedge).
    pub hedges: u64,
    /// Those of them that were there before the owner's answer.
    pub hedges_won: u64,
    /// Keys that their previous owners were to be asked for, after the list of peers changed,
    /// before a load. One that is known not to answer is not asked.
    pub peeks: u64,
    /// Those of them that spared the load.
    pub peek_hits: u64,
    /// Values, and knowledge that there is none, that previous owners
    /// [handed over](crate::Group::take_over_from) after the list of peers changed, and that are
    /// kept here.
    pub taken_over: u64,
    /// Bytes of their keys and values.
    pub taken_over_bytes: u64,
    /// Values, and knowledge that there is none, that new owners were handed.
    pub handed_over: u64,
    /// Bytes of their keys and values.
    pub handed_over_bytes: u64,
    /// Keys removed by this process or at a peer's request.
    pub removes: u64,
    /// Values inserted by this process, as their owner, or at a peer's request.
    pub inserts: u64,
    /// Times that the whole group was emptied by this process or at a peer's request; who clears
    /// asks its peers three times.
    pub clears: u64,
    /// Tags whose values were removed by this process or at a peer's request; who removes a tag
    /// asks its peers twice.
    pub tag_removes: u64,
    /// Entries written to snapshots.
    pub snapshot_written: u64,
    /// Entries that were loaded from a snapshot.
    pub snapshot_loaded: u64,
    /// Entries of a snapshot that were not, for one of the reasons in
    /// [`SkippedEntries`](crate::SkippedEntries).
    pub snapshot_skipped: u64,
    /// Times that a snapshot could not be written or read.
    pub snapshot_failures: u64,
    /// Keys that a peer could not be told to remove, counted once for each such peer; the whole
    /// group counts as one. [`Group::debts`](crate::Group::debts) has what is owed now.
    pub changes_owed: u64,
    /// Those that it was told of later.
    pub changes_paid: u64,
    /// Insertions at a peer's request, or of this process, that were refused as they came too late:
    /// after a newer change of the key, or when nobody waited for them any longer.
    pub late_changes: u64,
    /// Answers of peers that told of changes which were not known here, see
    /// [`PeerGetter::change_mark`](crate::PeerGetter::change_mark).
    pub changes_heard: u64,
    /// [Events](crate::Event) that the [subscriber](crate::GroupBuilder::on_event) was not told, as
    /// too many waited for it.
    pub events_dropped: u64,
    /// Lines that were not written to the log, as the same was told within the last minute.
    pub logs_suppressed: u64,
}

impl Stats {
    /// The part of this process's gets that was in memory here: `hits / gets`. `None` before the
    /// first get.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        ratio(self.hits, self.gets)
    }

    /// The same for keys that this process owns: `owned_hits / (owned_hits + owned_misses)`.
    #[must_use]
    pub fn owned_hit_ratio(&self) -> Option<f64> {
        ratio(self.owned_hits, self.owned_hits + self.owned_misses)
    }

    /// The same for keys that others own: `copy_hits / (copy_hits + copy_misses)`.
    #[must_use]
    pub fn copy_hit_ratio(&self) -> Option<f64> {
        ratio(self.copy_hits, self.copy_hits + self.copy_misses)
    }

    /// The part of what peers answered that they had in memory: `peer_hits / peer_loads`.
    #[must_use]
    pub fn peer_hit_ratio(&self) -> Option<f64> {
        ratio(self.peer_hits, self.peer_loads)
    }

    /// The part of what peers asked for that was in memory here: `server_hits / server_requests`.
    #[must_use]
    pub fn server_hit_ratio(&self) -> Option<f64> {
        ratio(self.server_hits, self.server_requests)
    }
}

/// `part / whole`, unless there is no whole. The fields of a snapshot are read one after the other,
/// so a part may be ahead of its whole.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| (part as f64 / whole as f64).min(1.0))
}

/// What one cache of a group holds, and what it did since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Look-ups that found a value.
    pub hits: u64,
    /// Look-ups that did not.
    pub misses: u64,
    /// Entries held now.
    pub entries: u64,
    /// Bytes of the keys and values held now.
    pub bytes: u64,
    /// What the entries held now count against the bound: the memory that they really take, or
    /// `bytes` again if the cache was told to count payload only.
    pub charged_bytes: u64,
    /// The bound on `charged_bytes`.
    pub max_bytes: u64,
    /// Entries made or replaced.
    pub inserts: u64,
    /// Live entries that had to go to make room.
    pub evictions: u64,
    /// Entries that were dropped because their time to live was over.
    pub expired: u64,
    /// Values that were served but not kept, as they alone would not fit.
    pub rejected: u64,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Raises it to `value` if it is lower; what it is now.
    pub(crate) fn raise(&self, value: u64) -> u64 {
        self.0.fetch_max(value, Ordering::Relaxed).max(value)
    }
}
