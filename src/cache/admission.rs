//! [`Admission`]: who may stay, under [`Eviction::Adaptive`](crate::Eviction::Adaptive).
//!
//! The policy is W-TinyLFU (Einziger, Friedman and Manes, "TinyLFU: A Highly Efficient Cache
//! Admission Policy", ACM Transactions on Storage 2017) over three LRU lists:
//!
//! ```text
//!            new entry                     hit                       hit
//!                |                          |                         |
//!                v                          v                         v
//!      +-- window (LRU) --+  admitted  +-- probation (LRU) --+  +-- protected (LRU) --+
//!      |  3 to 80 %       | ---------> |                     |->|  60 % of the rest   |
//!      +------------------+            +---------------------+<-+---------------------+
//!                | refused                  | victims            overflow
//!                v                          v
//!             the sketch remembers how often those that left were asked for
//! ```
//!
//! Every new entry enters the window. The last entry of a full window is a *candidate*. It is
//! compared with its *victims*, the entries at the back of probation that would have to go for it,
//! and stays only if it was asked for more often than all of these together. So a scan passes
//! through the window and harms nothing else, a burst lives in the window, and what is asked for
//! again and again gathers in the protected list. How large the window is depends on the traffic:
//! see [`Window`].
//!
//! A protected entry that was moved in this [`Period`] is left where it is when it is asked for
//! again, and is not counted twice. Hits on what is asked for most often only read the table then.
//! Without that, two threads take its slot, the neighbours' and the head's from each other's
//! processor all the time. That was a fifth of the time of a hit. The order in the list is off by
//! what is asked for in a period, which changes the hits on no trace by more than chance does.
//!
//! Four details matter as much as the idea; each was found by measuring on real traces:
//!
//! - The request that brought the candidate in does not count. Otherwise every key that is asked
//!   for twice beats one that was hit once, and a loop larger than the cache throws out what the
//!   next round needs.
//! - In a tie the candidate is refused. Admitting it costs several points on loops, and wins
//!   nothing elsewhere.
//! - Counts are halved within five requests per entry, and in small caches within 1,000: counts
//!   that live longer keep yesterday's favourites when the traffic changes. The halving goes over
//!   the table in 64 steps, so that no request waits for a walk over all of it.
//! - The window and the main lists each keep to their share of the *bytes*. Victims are gathered
//!   until all of the candidate fits into the share of the main lists. To look only at what the
//!   shard lacks at that moment is the same while all entries are of one size. With sizes it lets a
//!   large candidate in for a small victim. The window is then short of what the candidate took
//!   along, and fills up again at the cost of entries that nothing was compared with. On Zipf's law
//!   with log-normal sizes that was four of five evictions, and cost 2 points of the object hit
//!   ratio and nearly as many of the bytes'; on a web trace with sizes, 0.9 points of the objects'.
//!
//! Sizes count in this way only: the victims' counts are summed up until there is room (the
//! "aggregated victims" of Einziger, Eytan, Friedman and Manes, "Lightweight Robust Size Aware
//! Cache Management", ACM Transactions on Storage 2022). Two other rules were tried on top of it,
//! on the web trace. To compare hits per byte lost 0.2 points of objects. To compare whatever is
//! larger than an eighth of the window at once, before it reaches the back, won no objects and lost
//! two points of the bytes.

use crate::cache::common::Common;
use crate::cache::departures::{Departure, Departures};
use crate::cache::entry::Entry;
use crate::cache::heat::Heat;
use crate::cache::recency::{AGES, Recency};
use crate::cache::sketch::Sketch;
use crate::cache::slots::{ListName, MAX_COUNT};
use crate::cache::table::Table;
use crate::cache::window::Sample;

/// A sample is this many requests for each entry held. In a sample the counts are halved once, and
/// the window learns once.
const SAMPLE_PER_ENTRY: usize = 5;
/// A sample is at least this many requests to a cache: a smaller one tells too little.
const MIN_SAMPLE: usize = 1_000;
/// A sample is at least this many requests to a shard.
const MIN_SAMPLE_OF_SHARD: usize = 256;
/// The halving of the counts is spread over this many steps of a sample.
const STEPS: usize = 64;
/// The protected list may take this share of what the window leaves. With more, yesterday's
/// favourites stay too long, and too few entries are left in probation to tell what the main lists
/// are worth.
const PROTECTED_SHARE: f64 = 0.6;
/// When a list has more than its share, an operation moves at most so many entries out of it, so as
/// not to hold the lock for long. The next ones go on.
const MOVES: usize = 16;

/// So many steps of a sample are a period. Some eight periods to a sample are enough for
/// [`MAX_COUNT`] to be reached.
const STEPS_PER_PERIOD: u8 = 8;

/// A part of a sample in which a protected entry is moved and counted only once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period(u8);

impl Period {
    /// The one after so many steps. Numbers come again after some samples. An entry that nobody
    /// asked for since then is left where it is for one period more.
    #[inline]
    pub(super) fn of(steps: u8) -> Self {
        Self(steps / STEPS_PER_PERIOD)
    }
}

/// What a shard may hold at this moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShardRoom {
    /// What all entries may be charged together.
    pub(super) bytes: u64,
    /// What those in the window may be charged.
    pub(super) window: u64,
    /// The largest entry that passes through the window.
    pub(super) passes: u64,
    /// What is charged above `bytes`.
    pub(super) missing: u64,
}

/// The admission policy of one shard.
#[derive(Debug)]
pub(super) struct Admission {
    min_sample: usize,
    recency: Recency,
    sketch: Sketch,
    /// The steps done in this sample.
    step: usize,
    /// Hits in probation in this sample.
    probation_hits: u32,
}

impl Admission {
    /// After how many requests the first step ends.
    pub(super) const FIRST_STEP: u32 = (MIN_SAMPLE_OF_SHARD / STEPS) as u32;

    /// For a shard, of so many, with this share of the bytes.
    pub(super) fn new(share: u64, shards: usize) -> Self {
        Self {
            min_sample: (MIN_SAMPLE / shards).max(MIN_SAMPLE_OF_SHARD),
            recency: Recency::new(share, shards),
            sketch: Sketch::new(shards),
            step: 0,
            probation_hits: 0,
        }
    }

    /// The entry at `at` was asked for. `room` is asked where the lists change.
    // Also in the copy of a look-up that is made for a sample.
    #[inline(always)]
    pub(super) fn hit(
        &mut self,
        table: &mut Table,
        at: u32,
        Period(period): Period,
        room: impl FnOnce(&Table) -> ShardRoom,
    ) {
        let list = table.list_of(at);
        if list == ListName::Protected && *table.stamp(at) == period {
            return;
        }
        table.count_use(at);
        match list {
            ListName::Window => {
                let stamp = table.stamp(at);
                *stamp = self.recency.hit(*stamp);
                table.move_to_front(at);
            }
            ListName::Protected => {
                *table.stamp(at) = period;
                table.move_to_front(at);
            }
            ListName::Probation => {
                self.probation_hits = self.probation_hits.saturating_add(1);
                *table.stamp(at) = period;
                table.move_to(at, ListName::Protected);
                demote(table, room(table));
            }
        }
    }

    /// Takes in a new entry that fits into the shard; one of more than `passes` bytes is the next
    /// to be compared. The caller then evicts until the bound holds.
    pub(super) fn insert(&mut self, table: &mut Table, tag: u32, entry: Entry, passes: u64) {
        let count = self.sketch.estimate(tag).saturating_add(1).min(MAX_COUNT);
        let at = table.insert(tag, entry, count, ListName::Window);
        let charge = table.charge(at);
        *table.stamp(at) = self.recency.arrival(tag, charge);
        if charge > passes {
            // It is larger than the window. At the front it would push out all others first.
            table.move_to_back(at);
        }
        self.sketch.resize(table.places());
        self.recency.resize(table.places());
    }

    /// Takes in an entry that is admitted already, and for which there is room. It does not pass
    /// through the window, and is no arrival there. Its key is known to have been asked for `known`
    /// times.
    pub(super) fn insert_admitted(&mut self, table: &mut Table, tag: u32, entry: Entry, known: u8) {
        let count = self.sketch.estimate(tag).max(known).saturating_add(1).min(MAX_COUNT);
        table.insert(tag, entry, count, ListName::Probation);
        self.sketch.resize(table.places());
        self.recency.resize(table.places());
    }

    /// Takes in an entry from another cache, for which there is room, behind those that are here.
    pub(super) fn add(
        &mut self,
        table: &mut Table,
        tag: u32,
        entry: Entry,
        heat: Heat,
        room: ShardRoom,
    ) {
        let count = self.sketch.estimate(tag).max(heat.count());
        let is_full = table.charged_in(ListName::Protected) >= room.protected();
        let list = match heat.is_protected() && !is_full {
            true => ListName::Protected,
            false => ListName::Probation,
        };
        let at = table.insert(tag, entry, count, list);
        table.move_to_back(at);
        self.sketch.resize(table.places());
        self.recency.resize(table.places());
    }

    /// Whether a new entry for which so many bytes are `missing` was asked for more often than
    /// those at the back of this shard, if all others are like this one.
    pub(super) fn outbids(&self, table: &Table, tag: u32, missing: u64) -> bool {
        let worth = u64::from(self.sketch.estimate(tag));
        let lists = [ListName::Probation, ListName::Protected, ListName::Window];
        let (mut freed, mut loss) = (0, 0);
        for victim in lists.into_iter().flat_map(|list| table.iter_from_back(list)) {
            if freed >= missing || loss >= worth {
                break;
            }
            freed += table.charge(victim);
            loss += u64::from(table.count(victim));
        }
        loss.saturating_mul(missing.max(freed)) < worth.saturating_mul(freed.max(1))
    }

    /// A new entry is turned away at the door.
    pub(super) fn refuse(&mut self, tag: u32, charge: u64) {
        let count = self.sketch.estimate(tag).saturating_add(1);
        let stamp = self.recency.arrival(tag, charge);
        self.recency.refused(tag, stamp);
        self.sketch.raise(tag, count);
    }

    /// Evicts at least one entry of a table that is over the bound.
    pub(super) fn evict(&mut self, table: &mut Table, room: ShardRoom, gone: &mut Departures) {
        if table.charged_in(ListName::Window) > room.window {
            self.admit_or_refuse(table, room, gone);
        } else {
            self.evict_from_main(table, gone);
        }
    }

    /// Evicts the last entry of the main lists, or of the window where they are empty.
    pub(super) fn evict_from_main(&mut self, table: &mut Table, gone: &mut Departures) {
        let lists = [ListName::Probation, ListName::Protected, ListName::Window];
        let victim = lists.into_iter().find_map(|list| table.last(list));
        self.evict_at(table, victim, Departure::Evicted, gone);
    }

    /// Brings the window down to its size while the main lists have room of their own. An entry
    /// that is larger than the window can't stay there, and moves in any case.
    pub(super) fn shrink_window(table: &mut Table, room: ShardRoom) {
        for _ in 0..MOVES {
            if table.charged_in(ListName::Window) <= room.window {
                return;
            }
            let Some(last) = table.last(ListName::Window) else { return };
            let charge = table.charge(last);
            if charge > room.for_main_beside(table, last) && charge <= room.passes {
                return;
            }
            table.move_to(last, ListName::Probation);
        }
    }

    /// Compares the last entry of the window with the last ones of the main lists: it leaves, or
    /// they do.
    fn admit_or_refuse(&mut self, table: &mut Table, room: ShardRoom, gone: &mut Departures) {
        let Some(candidate) = table.last(ListName::Window) else { return };
        // The victims make the room that the candidate takes in the main lists, however little is
        // missing in the shard, and no more than it would make by leaving itself. A candidate
        // larger than the share of the main lists would never get in that way. It is compared with
        // all that would have to go.
        let charge = table.charge(candidate);
        let missing = charge.min(room.missing);
        let (needed, from_window) = if charge > room.bytes - room.window {
            (missing, usize::MAX)
        } else {
            (missing.max(charge.saturating_sub(room.for_main_beside(table, candidate))), 0)
        };
        let worth = u32::from(table.count(candidate)).saturating_sub(1);
        let (mut freed, mut loss, mut victims) = (0, 0, 0);
        let victims_in_order = table
            .iter_from_back(ListName::Probation)
            .chain(table.iter_from_back(ListName::Protected))
            .chain(table.iter_from_back(ListName::Window).skip(1).take(from_window));
        for victim in victims_in_order {
            if freed >= needed || loss >= worth {
                break;
            }
            freed += table.charge(victim);
            loss += u32::from(table.count(victim));
            victims += 1;
        }
        if freed < needed || loss >= worth {
            self.recency.refused(table.tag(candidate), *table.stamp(candidate));
            return self.evict_at(table, Some(candidate), Departure::Refused, gone);
        }
        for _ in 0..victims {
            let last = table.last(ListName::Probation).or_else(|| table.last(ListName::Protected));
            let last = last.or_else(|| table.iter_from_back(ListName::Window).nth(1));
            self.evict_at(table, last, Departure::Evicted, gone);
        }
        // Removals move entries in the table, but not in their lists: the candidate is still the
        // last of the window.
        if let Some(candidate) = table.last(ListName::Window) {
            table.move_to(candidate, ListName::Probation);
        }
    }

    /// Evicts the entry at `at`; the sketch remembers its count.
    fn evict_at(
        &mut self,
        table: &mut Table,
        at: Option<u32>,
        departure: Departure,
        gone: &mut Departures,
    ) {
        let Some(at) = at else { return };
        self.sketch.raise(table.tag(at), table.count(at));
        gone.push(table.remove(at), departure);
    }

    /// Ends a step of the sample. Returns after how many requests the next one ends.
    ///
    /// `learn` is told what a whole sample counted, and the bytes between two of its ages.
    pub(super) fn end_step(&mut self, table: &mut Table, learn: impl FnOnce(&Sample, u64)) -> u32 {
        table.halve_counts(self.step, STEPS);
        self.sketch.age(self.step, STEPS);
        self.step += 1;
        if self.step == STEPS {
            self.step = 0;
            if table.len() > 0 {
                let (ages, age_step) = self.recency.ages();
                learn(&self.sample(table, *ages), age_step);
            }
            self.recency.begin_sample();
            self.probation_hits = 0;
        }
        let step = (table.len() * SAMPLE_PER_ENTRY).max(self.min_sample) / STEPS;
        u32::try_from(step).unwrap_or(u32::MAX)
    }

    fn sample(&self, table: &Table, ages: [u32; AGES]) -> Sample {
        // At least one entry, or a single hit in an empty list would seem to be worth everything.
        let mean_charge = table.charged() / table.len() as u64;
        let last = table.charged_in(ListName::Probation).max(mean_charge);
        let last_hits = u64::from(self.probation_hits);
        Sample { ages, shards: 1, held: table.charged(), last, last_hits }
    }
}

impl ShardRoom {
    /// What the entries of a table may take, of which so many bytes are `missing`: its share and
    /// its large entries, or more while the cache has room.
    ///
    /// Where there are several shards, the newest entry in the window lies on top of its part.
    /// Without that, an entry that is larger than the part of a shard, but not than the window of
    /// the cache, would be compared before it could be asked for again.
    pub(super) fn of(common: &Common, table: &Table, missing: u64) -> Self {
        let own = common.budget.share(0).saturating_add(table.large());
        let bytes = own.max(table.charged().saturating_sub(missing));
        let passes = common.largest_to_pass();
        let newest = match common.budget.shards() {
            1 => 0,
            _ => table.first(ListName::Window).map_or(0, |at| table.charge(at)),
        };
        let above = if newest <= passes { newest } else { 0 };
        let window = common.window.part_of(bytes).saturating_add(above).min(bytes);
        Self { bytes, window, passes, missing }
    }

    /// What the main lists may take without taking it from the window, or from others for the entry
    /// at `at`, which is in the window.
    fn for_main_beside(self, table: &Table, at: u32) -> u64 {
        let charge = table.charge(at);
        let of_large = if table.is_large(charge) { charge } else { 0 };
        self.for_main(table).saturating_sub(of_large)
    }

    /// What the main lists may take without taking it from the window.
    fn for_main(self, table: &Table) -> u64 {
        let main = table.charged() - table.charged_in(ListName::Window);
        (self.bytes - self.window).saturating_sub(main)
    }

    /// What the protected list may hold.
    fn protected(&self) -> u64 {
        ((self.bytes - self.window) as f64 * PROTECTED_SHARE) as u64
    }
}

/// Moves what the protected list holds above its share back to probation.
fn demote(table: &mut Table, room: ShardRoom) {
    let most = room.protected();
    for _ in 0..MOVES {
        let Some(last) = table.last(ListName::Protected) else { return };
        if table.charged_in(ListName::Protected) <= most {
            return;
        }
        table.move_to(last, ListName::Probation);
    }
}
