//! [`Load`]: callers that get keys from the owners.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use geecache::{ChangeStamp, Latency, Loaded, PeerError, PeerErrorKind, PeerGetter};

use crate::bench::tally::Tally;
use crate::cluster::{Cluster, Member, is_silence};

/// How often it is told how far it is.
const TICK: Duration = Duration::from_millis(100);
/// After a failure a caller waits as long, so as not to flood a peer that is down.
const PAUSE: Duration = Duration::from_millis(20);

/// Keys, by their owners.
pub(super) struct Load<'a> {
    pub(super) group: &'a str,
    pub(super) targets: Vec<Target<'a>>,
    /// Each key, and where its owner is in the list above.
    keys: Vec<(&'a str, usize)>,
}

/// A peer, the keys that it owns, and what it answered.
pub(super) struct Target<'a> {
    pub(super) member: &'a Member,
    pub(super) keys: Vec<&'a str>,
    latency: Latency,
    absent: AtomicU64,
    failed: AtomicU64,
    last_error: Mutex<Option<PeerError>>,
    /// Whether it has taken a key.
    has_keys: AtomicBool,
    /// Why it has taken none, and is given no more.
    silence: OnceLock<PeerError>,
}

impl<'a> Target<'a> {
    fn new(member: &'a Member) -> Self {
        Self {
            member,
            keys: Vec::new(),
            latency: Latency::new(),
            absent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            last_error: Mutex::new(None),
            has_keys: AtomicBool::new(false),
            silence: OnceLock::new(),
        }
    }

    /// Writes a key there, unless the peer was silent from the first one on: that is no error.
    pub(super) fn write(&self, group: &str, key: &str, value: &Loaded) -> Result<(), PeerError> {
        if self.silence.get().is_some() {
            return Ok(());
        }
        match self.member.getter.insert(group, key, value, ChangeStamp::UNORDERED) {
            Ok(_) => self.has_keys.store(true, Ordering::Relaxed),
            Err(error) if is_silence(&error) && !self.has_keys() => {
                // The first one is as good.
                let _ = self.silence.set(error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    pub(super) fn has_keys(&self) -> bool {
        self.has_keys.load(Ordering::Relaxed)
    }

    pub(super) fn silence(&self) -> Option<&PeerError> {
        self.silence.get()
    }

    /// Gets a key, and counts what comes of it.
    fn get(&self, group: &str, key: &str) -> Result<(), PeerError> {
        let begun = Instant::now();
        let answer = self.member.getter.get(group, key);
        let took = begun.elapsed();
        let is_absent = match answer {
            Ok(loaded) => loaded.value().is_none(),
            Err(error) if error.kind() == PeerErrorKind::NotFound => true,
            Err(error) => return Err(error),
        };
        self.latency.add(took);
        self.absent.fetch_add(u64::from(is_absent), Ordering::Relaxed);
        Ok(())
    }

    fn failed(&self, error: PeerError) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    pub(super) fn tally(&self) -> Tally {
        Tally {
            times: self.latency.snapshot(),
            absent: self.absent.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl<'a> Load<'a> {
    pub(super) fn new(cluster: &'a Cluster, group: &'a str, keys: &'a [String]) -> Self {
        let ring = cluster.ring();
        let mut targets: Vec<Target<'_>> = cluster.members.iter().map(Target::new).collect();
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

    /// What all peers together have answered so far.
    pub(super) fn tally(&self) -> Tally {
        let mut all = Tally::default();
        self.targets.iter().for_each(|target| all.add(&target.tally()));
        all
    }

    /// Does something with each key, on so many threads, up to the first error.
    pub(super) fn each(
        &self,
        threads: usize,
        ending: &AtomicBool,
        act: impl Fn(&Target<'_>, &str) -> Result<(), PeerError> + Sync,
    ) -> Result<(), PeerError> {
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let work = || {
            while let Some((key, at)) = self.keys.get(next.fetch_add(1, Ordering::Relaxed)) {
                if ending.load(Ordering::Relaxed) {
                    return;
                }
                if let Err(error) = act(&self.targets[*at], key) {
                    // The others have nothing more to do.
                    next.store(self.keys.len(), Ordering::Relaxed);
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    return;
                }
            }
        };
        thread::scope(|scope| {
            // Fewer, if the system gives no more of them.
            let _ =
                (1..threads).try_for_each(|_| Builder::new().spawn_scoped(scope, work).map(drop));
            work();
        });
        let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.map_or(Ok(()), Err)
    }

    /// Gets keys for a time, on so many threads. `watch` is called now and then meanwhile.
    pub(super) fn run(
        &self,
        threads: usize,
        time: Duration,
        ending: &AtomicBool,
        watch: impl Fn(),
    ) {
        let until = Instant::now() + time;
        let (sender, ended) = mpsc::channel::<()>();
        thread::scope(|scope| {
            for _ in 0..threads {
                let sender = sender.clone();
                let call = move || {
                    // Its drop tells that this one has ended.
                    let _sender = sender;
                    self.call(until, ending);
                };
                if Builder::new().spawn_scoped(scope, call).is_err() {
                    // The system gives no more of them.
                    break;
                }
            }
            drop(sender);
            while ended.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                watch();
            }
        });
    }

    /// Gets one key after the other.
    fn call(&self, until: Instant, ending: &AtomicBool) {
        let mut random = RandomState::new().build_hasher().finish() | 1;
        while Instant::now() < until && !ending.load(Ordering::Relaxed) {
            // Marsaglia's xorshift.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let (key, at) = self.keys[(random % self.keys.len() as u64) as usize];
            if let Err(error) = self.targets[at].get(self.group, key) {
                self.targets[at].failed(error);
                thread::sleep(PAUSE);
            }
        }
    }
}
