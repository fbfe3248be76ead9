//! Random operations against models: what a group answers, and how often it loads, is what the
//! documentation says.
//!
//! The seed of a failing run is printed; `GEECACHE_TEST_SEED` repeats it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use geecache::{Error, Group, HotCache, Loaded, PeerErrorKind};

use crate::support::{
    Condition, CountingGetter, Hand, MemoryPeers, Random, Versions, all_at_once, until, value_at,
    version_of, with_seeds,
};

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What an answer tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Answer {
    Version(u64),
    Absent,
    Failed,
}

fn told(answer: Result<geecache::ByteView, Error>) -> Answer {
    match answer {
        Ok(value) => Answer::Version(version_of(&value)),
        Err(Error::NotFound { .. }) => Answer::Absent,
        Err(Error::Load { .. }) => Answer::Failed,
        Err(other) => panic!("{other}"),
    }
}

/// The options of a group, in milliseconds; 0 is off.
#[derive(Debug, Clone, Copy)]
struct Spans {
    ttl: u64,
    negative: u64,
    revalidate: u64,
    if_error: u64,
}

impl Spans {
    fn random(random: &mut Random) -> Self {
        let mut span = |most: u64| random.below(2) * (1 + random.below(most));
        let (ttl, negative) = (1 + span(100), span(50));
        // A failing refresh ends at a time that nobody sees, so a model of both spans at once would
        // have to guess.
        let (revalidate, if_error) = (span(60), span(60));
        let if_error = if revalidate > 0 { 0 } else { if_error };
        Self { ttl, negative, revalidate, if_error }
    }
}

/// A group alone, as the documentation has it.
struct Model {
    spans: Spans,
    entries: BTreeMap<String, Entry>,
    stats: Counts,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    answer: Answer,
    expiry: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    gets: u64,
    hits: u64,
    loads: u64,
    local_loads: u64,
    local_load_errors: u64,
    hits_stale: u64,
    negative_hits: u64,
    refreshes: u64,
}

impl Model {
    fn grace(&self, entry: Entry) -> u64 {
        match entry.answer {
            Answer::Version(_) => self.spans.revalidate.max(self.spans.if_error),
            _ => 0,
        }
    }

    /// Keeps what the source says, if it is kept.
    fn load(&mut self, key: &str, now: u64, source: &Versions) -> Answer {
        match source.condition(key) {
            Condition::Failing => {
                self.stats.local_load_errors += 1;
                return Answer::Failed;
            }
            Condition::Present => {
                self.keep(key, Answer::Version(source.version(key)), now);
            }
            Condition::Absent => self.keep(key, Answer::Absent, now),
        }
        self.stats.local_loads += 1;
        match source.condition(key) {
            Condition::Present => Answer::Version(source.version(key)),
            _ => Answer::Absent,
        }
    }

    fn keep(&mut self, key: &str, answer: Answer, now: u64) {
        let ttl = match answer {
            Answer::Version(_) => self.spans.ttl,
            _ => self.spans.negative,
        };
        self.entries.remove(key);
        if ttl > 0 {
            let entry = Entry { answer, expiry: now + ttl };
            self.entries.insert(key.to_owned(), entry);
        }
    }

    /// The answer, and whether a refresh begins.
    fn get(&mut self, key: &str, now: u64, source: &Versions) -> (Answer, bool) {
        self.stats.gets += 1;
        let entry = self.entries.get(key).copied();
        let entry = entry.filter(|&entry| now < entry.expiry + self.grace(entry));
        if let Some(entry) = entry {
            let stale = now >= entry.expiry;
            if !stale || now < entry.expiry + self.spans.revalidate {
                self.stats.hits += 1;
                self.stats.hits_stale += u64::from(stale);
                self.stats.negative_hits += u64::from(entry.answer == Answer::Absent);
                return (entry.answer, stale);
            }
        }
        self.stats.loads += 1;
        let answer = self.load(key, now, source);
        match (answer, entry) {
            (Answer::Failed, Some(entry)) if now < entry.expiry + self.spans.if_error => {
                self.stats.hits_stale += 1;
                (entry.answer, false)
            }
            _ => (answer, false),
        }
    }
}

fn counts(group: &Group) -> Counts {
    let stats = group.stats();
    Counts {
        gets: stats.gets,
        hits: stats.hits,
        loads: stats.loads,
        local_loads: stats.local_loads,
        local_load_errors: stats.local_load_errors,
        hits_stale: stats.hits_stale,
        negative_hits: stats.negative_hits,
        refreshes: stats.refreshes,
    }
}

#[test]
fn one_group_does_what_its_model_does() {
    with_seeds(30, |random| {
        let (hand, source) = (Hand::default(), Versions::default());
        let spans = Spans::random(random);
        let group = Group::builder("alone", 64 << 20, source.getter())
            .ttl(ms(spans.ttl))
            .negative_ttl(ms(spans.negative))
            .stale_while_revalidate(ms(spans.revalidate))
            .stale_if_error(ms(spans.if_error))
            .max_refreshers(NonZeroUsize::new(64).unwrap())
            .clock(hand.clock())
            .build();
        let mut model = Model { spans, entries: BTreeMap::new(), stats: Counts::default() };
        let keys: Vec<String> = (0..6).map(|n| format!("key {n}")).collect();
        for step in 0..3000 {
            let key = &keys[random.below(6) as usize];
            let now = hand.now_ms();
            match random.below(20) {
                0..8 => {
                    let (expected, refreshes) = model.get(key, now, &source);
                    let entries = group.main_cache_stats().entries;
                    assert_eq!(told(group.get(key)), expected, "step {step}: {key} at {now}");
                    if refreshes {
                        model.stats.refreshes += 1;
                        model.load(key, now, &source);
                        match model.entries.remove(key) {
                            Some(entry) => assert_refreshed(&group, key, entry),
                            None => until("the expired value is gone", || {
                                group.main_cache_stats().entries == entries - 1
                            }),
                        }
                        // The refresh is seen before its flight ends; a doomed flight is not
                        // joined.
                        group.remove(key);
                    }
                }
                8..10 => {
                    // A batch of keys that need no refresh, so that the model need not know the
                    // order of loads.
                    let fresh = |key: &&String| {
                        let entry = model.entries.get(*key).copied();
                        entry.is_none_or(|entry| {
                            now < entry.expiry || now >= entry.expiry + spans.revalidate
                        })
                    };
                    let batch: Vec<&str> = keys.iter().filter(fresh).map(|k| &**k).collect();
                    let expected: Vec<_> =
                        batch.iter().map(|key| model.get(key, now, &source).0).collect();
                    let got: Vec<_> = group.get_many(&batch).into_iter().map(told).collect();
                    assert_eq!(got, expected, "step {step}: {batch:?} at {now}");
                }
                10 => {
                    group.remove(key);
                    model.entries.remove(key);
                }
                11 => {
                    let written = source.write(key);
                    source.make(key, Condition::Present);
                    group.insert(key, value_at(written)).unwrap();
                    model.keep(key, Answer::Version(written), now);
                }
                12 if random.below(10) == 0 => {
                    group.clear();
                    model.entries.clear();
                }
                12..14 => {
                    source.write(key);
                }
                14 => source.make(key, Condition::Present),
                15 => source.make(key, Condition::Absent),
                // Refreshes that fail end unseen; see `Spans::random`.
                16 if spans.revalidate == 0 => source.make(key, Condition::Failing),
                _ => hand.advance(ms(random.below(40))),
            }
            assert_eq!(counts(&group), model.stats, "step {step} with {spans:?}");
        }
        assert!(model.stats.gets > 1000 && model.stats.hits > 0);
    });
}

/// Waits for the end of a refresh, and looks at what it brought.
fn assert_refreshed(group: &Group, key: &str, entry: Entry) {
    until("what was refreshed is there", || group.peer_side().peek(key).is_some());
    let refreshed = group.peer_side().peek(key).unwrap();
    let version = refreshed.value().map_or(Answer::Absent, |v| Answer::Version(version_of(v)));
    assert_eq!(version, entry.answer);
}

/// What the source said, and since when nobody may go behind it.
#[derive(Default)]
struct Truth {
    /// When the source said this of a key for the last time.
    said: BTreeMap<(String, Answer), u64>,
    /// The versions of keys at their last complete removal or insertion.
    floors: BTreeMap<String, u64>,
}

impl Truth {
    /// Notes what the source says now, and that any getter may read it until it changes.
    fn note(&mut self, key: &str, source: &Versions, now: u64) {
        let says = match source.condition(key) {
            Condition::Absent => Answer::Absent,
            _ => Answer::Version(source.version(key)),
        };
        self.said.insert((key.to_owned(), says), now);
    }

    fn changed(&mut self, is_complete: bool, keys: &[String], source: &Versions) {
        if is_complete {
            self.floors.extend(keys.iter().map(|key| (key.clone(), source.version(key))));
        }
    }

    #[track_caller]
    fn check(&self, key: &str, answer: Answer, ttl: u64, now: u64) {
        let floor = self.floors.get(key).copied().unwrap_or(0);
        if let Answer::Version(version) = answer {
            assert!(version >= floor, "{key}: version {version} after {floor}");
        }
        let said = self.said.get(&(key.to_owned(), answer));
        let said = said.unwrap_or_else(|| panic!("{key}: nobody said {answer:?}"));
        assert!(now < said + ttl, "{key}: {answer:?} of {said} at {now}");
    }
}

#[test]
fn three_peers_never_serve_what_was_removed_or_is_too_old() {
    const TTL: u64 = 100;
    with_seeds(12, |random| {
        let (hand, source) = (Hand::default(), Versions::default());
        let build = |getter: CountingGetter| {
            Group::builder("memory", 64 << 20, getter)
                .ttl(ms(TTL))
                .negative_ttl(ms(TTL))
                .hot_ttl(ms(60))
                .fallback_ttl(ms(40))
                .hot_cache(HotCache::Always)
                .clock(hand.clock())
                .build()
        };
        let peers = MemoryPeers::built(3, |_| source.getter(), build);
        let keys: Vec<_> = (0..3).flat_map(|node| peers.keys_owned_by(&[node], 2)).collect();
        let mut truth = Truth::default();
        for key in &keys {
            truth.note(key, &source, 0);
        }
        for _ in 0..4000 {
            let key = &keys[random.below(keys.len() as u64) as usize];
            let node = &peers.node(random.below(3) as usize).group;
            let now = hand.now_ms();
            match random.below(24) {
                0..10 => truth.check(key, told(node.get(key)), TTL, now),
                10..12 => {
                    let batch: Vec<&str> = keys.iter().map(String::as_str).collect();
                    for (key, answer) in keys.iter().zip(node.get_many(&batch)) {
                        truth.check(key, told(answer), TTL, now);
                    }
                }
                12..14 => {
                    source.write(key);
                    truth.note(key, &source, now);
                }
                14 => {
                    source.write(key);
                    truth.note(key, &source, now);
                    truth.changed(
                        node.remove(key).is_complete(),
                        std::slice::from_ref(key),
                        &source,
                    );
                }
                15 => {
                    let written = source.write(key);
                    source.make(key, Condition::Present);
                    truth.note(key, &source, now);
                    let report = node.insert(key, Loaded::from(value_at(written))).unwrap();
                    truth.changed(report.is_complete(), std::slice::from_ref(key), &source);
                }
                16 if random.below(4) == 0 => {
                    for key in &keys {
                        source.write(key);
                        truth.note(key, &source, now);
                    }
                    truth.changed(node.clear().is_complete(), &keys, &source);
                }
                16..18 => {
                    source.make(
                        key,
                        [Condition::Present, Condition::Absent][random.below(2) as usize],
                    );
                    truth.note(key, &source, now);
                }
                18 => {
                    let link = &peers.node(random.below(3) as usize).link;
                    match random.below(3) {
                        0 => link.break_with(PeerErrorKind::TimedOut),
                        1 => link.take_down(),
                        _ => link.fail_once(PeerErrorKind::Protocol),
                    }
                }
                19..21 => peers.nodes().iter().for_each(|node| node.link.mend()),
                _ => {
                    // Whatever the source says can be read up to this very moment.
                    hand.advance(ms(random.below(30)));
                    for key in &keys {
                        truth.note(key, &source, hand.now_ms());
                    }
                }
            }
        }
    });
}

#[test]
fn no_get_that_begins_after_a_removal_gets_what_was_before_it_whatever_else_happens() {
    with_seeds(3, |random| {
        let (hand, source) = (Hand::default(), Versions::default());
        let build = |getter: CountingGetter| {
            Group::builder("memory", 64 << 20, getter)
                .ttl(ms(50))
                .stale_while_revalidate(ms(50))
                .stale_if_error(ms(50))
                .hot_cache(HotCache::Always)
                .clock(hand.clock())
                .build()
        };
        let peers = MemoryPeers::growing(3, 4, |_| source.getter(), build);
        let mut keys: Vec<_> = (0..3).flat_map(|node| peers.keys_owned_by(&[node], 2)).collect();
        keys.push(peers.key_that_moves(0, 3));
        peers.join(3);
        let floors: Vec<_> = keys.iter().map(|_| AtomicU64::new(0)).collect();
        let shared = Arc::new((peers, keys, floors, AtomicBool::new(false)));
        let seed = random.next();
        let threads = all_at_once(8, move |thread| {
            let (peers, keys, floors, stop) = &*shared;
            let mut random = Random::new(seed ^ thread as u64);
            let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                for _ in 0..600 {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let at = random.below(keys.len() as u64) as usize;
                    let (key, floor) = (&keys[at], &floors[at]);
                    let group = &peers.node(random.below(4) as usize).group;
                    match random.below(16) {
                        0..9 => {
                            let before = floor.load(Ordering::SeqCst);
                            let got = version_of(&group.get(key).unwrap());
                            assert!(got >= before, "{key}: version {got} after {before}");
                        }
                        9..12 => {
                            let before: Vec<_> =
                                floors.iter().map(|floor| floor.load(Ordering::SeqCst)).collect();
                            let batch: Vec<&str> = keys.iter().map(String::as_str).collect();
                            for (got, before) in group.get_many(&batch).into_iter().zip(before) {
                                let got = version_of(&got.unwrap());
                                assert!(got >= before, "version {got} after {before}");
                            }
                        }
                        12..15 => {
                            let written = source.write(key);
                            assert!(group.remove(key).is_complete());
                            floor.fetch_max(written, Ordering::SeqCst);
                        }
                        _ => hand.advance(ms(random.below(20))),
                    }
                }
            }));
            if let Err(panic) = failed {
                stop.store(true, Ordering::Relaxed);
                std::panic::resume_unwind(panic);
            }
        });
        assert_eq!(threads.len(), 8);
    });
}
