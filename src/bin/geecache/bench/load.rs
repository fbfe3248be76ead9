//! [`Load`]: callers that get keys from the owners.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use geecache::{PeerError, PeerErrorKind, PeerGetter};

use crate::bench::latencies::Latencies;
use crate::bench::{TICK, Tally};
use crate::cluster::{Cluster, Member};

/// After a failure a caller waits as long, so as not to flood a peer that is down.
const PAUSE: Duration = Duration::from_millis(20);

/// Keys, by their owners.
pub(super) struct Load<'a> {
    pub(super) group: &'a str,
    pub(super) targets: Vec<Target<'a>>,
    /// Each key, and where its owner is in the list above.
    keys: Vec<(&'a str, usize)>,
}

/// A peer and the keys that it owns.
pub(super) struct Target<'a> {
    pub(super) member: &'a Member,
    pub(super) keys: Vec<&'a str>,
}

impl<'a> Load<'a> {
    pub(super) fn new(cluster: &'a Cluster, group: &'a str, keys: &'a [String]) -> Self {
        let ring = cluster.ring();
        let mut targets: Vec<Target<'_>> =
            cluster.members.iter().map(|member| Target { member, keys: Vec::new() }).collect();
        let mut owned = Vec::with_capacity(keys.len());
        for key in keys {
            let is_owner = |target: &Target<'_>| ring.get(key) == Some(&*target.member.url);
            if let Some(at) = targets.iter().position(is_owner) {
                targets[at].keys.push(key);
                owned.push((key.as_str(), at));
            }
        }
        Self { group, targets, keys: owned }
    }

    /// Does something with each key, on so many threads, up to the first error.
    pub(super) fn each(
        &self,
        threads: usize,
        ending: &AtomicBool,
        act: impl Fn(&Target<'_>, &str) -> Result<(), PeerError> + Sync,
    ) -> Result<(), PeerError> {
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let is_over = || ending.load(Ordering::Relaxed);
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    while let Some((key, at)) = self.keys.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        if is_over() {
                            return;
                        }
                        if let Err(error) = act(&self.targets[*at], key) {
                            next.store(self.keys.len(), Ordering::Relaxed);
                            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                            return;
                        }
                    }
                });
            }
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), Err)
    }

    /// Gets keys for a time; what each target answered. `watch` is told how long answers took so
    /// far.
    pub(super) fn run(
        &self,
        threads: usize,
        time: Duration,
        ending: &AtomicBool,
        watch: impl Fn(&Latencies),
    ) -> Vec<Tally> {
        let until = Instant::now() + time;
        let (sender, receiver) = mpsc::channel::<Vec<Tally>>();
        let mut all = vec![Tally::default(); self.targets.len()];
        thread::scope(|scope| {
            for _ in 0..threads {
                let sender = sender.clone();
                scope.spawn(move || self.caller(until, ending, &sender));
            }
            drop(sender);
            let mut seen = Latencies::default();
            let mut shown = Instant::now();
            loop {
                match receiver.recv_timeout(TICK) {
                    Ok(some) => {
                        for (all, some) in all.iter_mut().zip(&some) {
                            all.add(some);
                            seen.add(&some.latencies);
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                if shown.elapsed() >= TICK {
                    watch(&seen);
                    shown = Instant::now();
                }
            }
        });
        all
    }

    /// Gets one key after the other, and tells now and then what it got.
    fn caller(&self, until: Instant, ending: &AtomicBool, sender: &mpsc::Sender<Vec<Tally>>) {
        let nothing = || vec![Tally::default(); self.targets.len()];
        let mut random = RandomState::new().build_hasher().finish() | 1;
        let (mut tallies, mut told) = (nothing(), Instant::now());
        loop {
            let begun = Instant::now();
            if begun >= until || ending.load(Ordering::Relaxed) {
                break;
            }
            // Marsaglia's xorshift.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (key, at) = self.keys[(random % self.keys.len() as u64) as usize];
            let answer = self.targets[at].member.getter.get(self.group, key);
            let tally = &mut tallies[at];
            let took = begun.elapsed();
            let absent = |error: &PeerError| error.kind() == PeerErrorKind::NotFound;
            match answer {
                Err(error) if !absent(&error) => {
                    tally.failed += 1;
                    tally.last_error = Some(error);
                    thread::sleep(PAUSE);
                }
                other => {
                    tally.latencies.record(took);
                    let is_absent = other.map_or(true, |loaded| loaded.value().is_none());
                    tally.absent += u64::from(is_absent);
                }
            }
            if told.elapsed() >= TICK {
                // Nobody listens any more only when all is over.
                let _ = sender.send(std::mem::replace(&mut tallies, nothing()));
                told = Instant::now();
            }
        }
        let _ = sender.send(tallies);
    }
}
