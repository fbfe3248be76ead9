//! One of the peers: serves, and asks when it is told to.

use std::str::FromStr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use geecache::consistenthash::RingHash;
use geecache::{Group, HttpPool, Server};

use super::{CACHE_BYTES, RULES, THREADS, VALUE_BYTES};
use crate::BoxError;
use crate::process::obey;
use crate::workload::{Random, Stream, Zipf, key};

/// Keys that a thread draws; after the last one it begins anew.
const DRAWN: usize = 200_000;

/// What a group of one peer counted.
pub(super) struct Counts {
    pub(super) gets: u64,
    /// Gets answered by the main cache.
    pub(super) own_hits: u64,
    /// Gets answered by a copy.
    pub(super) copy_hits: u64,
    /// Keys that other peers asked for.
    pub(super) served: u64,
    /// Requests that the owner did not answer, and loads that should not have been needed.
    pub(super) failed: u64,
}

impl Counts {
    fn of(group: &Group) -> Self {
        let stats = group.stats();
        let copy_hits = group.hot_cache_stats().hits;
        // Peers' requests are answered by the main cache, too: all of them, unless a value was
        // lost.
        let own_hits = group.main_cache_stats().hits.saturating_sub(stats.server_requests);
        let failed = stats.peer_errors + stats.local_load_errors;
        Self { gets: stats.gets, own_hits, copy_hits, served: stats.server_requests, failed }
    }

    pub(super) fn since(&self, before: &Self) -> Self {
        Self {
            gets: self.gets - before.gets,
            own_hits: self.own_hits - before.own_hits,
            copy_hits: self.copy_hits - before.copy_hits,
            served: self.served - before.served,
            failed: self.failed - before.failed,
        }
    }

    fn words(&self) -> String {
        let Self { gets, own_hits, copy_hits, served, failed } = self;
        format!("{gets} {own_hits} {copy_hits} {served} {failed}")
    }
}

impl FromStr for Counts {
    type Err = BoxError;

    fn from_str(words: &str) -> Result<Self, BoxError> {
        let numbers: Vec<u64> = words.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [gets, own_hits, copy_hits, served, failed] = numbers[..] else {
            return Err(format!("a peer says {words:?}").into());
        };
        Ok(Self { gets, own_hits, copy_hits, served, failed })
    }
}

/// Is peer `number`, until its standard input ends. It says its URL and then obeys commands:
///
/// ```text
/// join URL...               the list of all peers
/// prime                     loads what it owns, in all groups
/// warm-up RULE GETS         gets of each thread, as fast as it can
/// paced RULE MILLIS RATE    gets that follow, so many per second of each thread
/// unpaced RULE MILLIS       gets that follow, as many as it can
/// counts RULE               what its group counted so far
/// ```
pub(super) fn run(number: u64, keys: usize) -> Result<(), BoxError> {
    // What is to be seen is how uneven the load is, not the ring: the hash that shares out evenly.
    // Values that new owners take over from old ones would be requests, too.
    let pool = HttpPool::builder()
        .server(Server::Guarded)
        .hash(RingHash::Mixed)
        .warm_up(Duration::ZERO)
        .bind("127.0.0.1:0")?;
    let zipf = Zipf::new(keys);
    let drawn: Vec<Arc<Stream>> = (0..THREADS)
        .map(|thread| {
            let mut random = Random(number * THREADS as u64 + thread as u64);
            Arc::new(Stream::new((0..DRAWN).map(|_| zipf.draw(&mut random))))
        })
        .collect();
    let mut cases: Vec<Case> = RULES
        .iter()
        .map(|&rule| {
            let getter = |key: &str| Ok::<_, BoxError>(vec![filling(key); VALUE_BYTES]);
            let group = Group::builder(format!("{rule:?}"), CACHE_BYTES, getter);
            let group = group.hot_cache(rule).build();
            pool.add(&group)?;
            let asker = |keys: &Arc<Stream>| Asker { keys: Arc::clone(keys), next: 0 };
            Ok(Case { group, askers: drawn.iter().map(asker).collect() })
        })
        .collect::<Result<_, BoxError>>()?;
    let url = pool.url().ok_or("a bound pool has a URL")?.to_owned();
    println!("{url}");
    obey(|words| {
        match *words {
            ["join", ref urls @ ..] => pool.set_peers(urls.iter().copied())?,
            ["prime"] => {
                let mut all = (0..keys as u64).map(key);
                all.try_for_each(|key| match pool.owner(&key).as_ref() == Some(&url) {
                    true => cases.iter().try_for_each(|case| case.group.get(&key).map(drop)),
                    false => Ok(()),
                })?;
            }
            ["warm-up", rule, gets] => {
                let gets = gets.parse()?;
                Case::of(&mut cases, rule)?
                    .on_all_threads(|asker, group| asker.warm_up(group, gets))?;
            }
            ["paced", rule, millis, rate] => {
                let time = Duration::from_millis(millis.parse()?);
                let pause = Duration::from_secs(1) / rate.parse::<u32>()?;
                Case::of(&mut cases, rule)?
                    .on_all_threads(|asker, group| asker.paced(group, time, pause))?;
            }
            ["unpaced", rule, millis] => {
                let time = Duration::from_millis(millis.parse()?);
                Case::of(&mut cases, rule)?
                    .on_all_threads(|asker, group| asker.unpaced(group, time))?;
            }
            ["counts", rule] => return Ok(Counts::of(&Case::of(&mut cases, rule)?.group).words()),
            _ => return Err(format!("there is no command {words:?}").into()),
        }
        Ok(String::new())
    })?;
    pool.shutdown();
    Ok(())
}

/// A rule's group, and the threads that ask it.
struct Case {
    group: Group,
    askers: Vec<Asker>,
}

impl Case {
    /// That of rule number `rule`.
    fn of<'a>(cases: &'a mut [Self], rule: &str) -> Result<&'a mut Self, BoxError> {
        Ok(cases.get_mut(rule.parse::<usize>()?).ok_or("there is no such rule")?)
    }

    fn on_all_threads(
        &mut self,
        work: impl Fn(&mut Asker, &Group) -> Result<(), BoxError> + Sync,
    ) -> Result<(), BoxError> {
        let (work, group) = (&work, &self.group);
        thread::scope(|scope| {
            let start = |asker| scope.spawn(move || work(asker, group));
            let asking: Vec<_> = self.askers.iter_mut().map(start).collect();
            let end = |asking: thread::ScopedJoinHandle<'_, _>| {
                asking.join().unwrap_or_else(|_| Err("a thread panicked".into()))
            };
            asking.into_iter().try_for_each(end)
        })
    }
}

/// The keys that one thread asks for, one after the other.
struct Asker {
    /// The same for all rules.
    keys: Arc<Stream>,
    next: usize,
}

impl Asker {
    fn warm_up(&mut self, group: &Group, gets: usize) -> Result<(), BoxError> {
        (0..gets).try_for_each(|_| self.get(group))
    }

    /// A get that comes late does not put off those that follow.
    fn paced(&mut self, group: &Group, time: Duration, pause: Duration) -> Result<(), BoxError> {
        let begun = Instant::now();
        let mut due = Duration::ZERO;
        while begun.elapsed() < time && due < time {
            thread::sleep(due.saturating_sub(begun.elapsed()));
            self.get(group)?;
            due += pause;
        }
        Ok(())
    }

    fn unpaced(&mut self, group: &Group, time: Duration) -> Result<(), BoxError> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            self.get(group)?;
        }
        Ok(())
    }

    fn get(&mut self, group: &Group) -> Result<(), BoxError> {
        let key = self.keys.key(self.next % DRAWN);
        self.next += 1;
        let value = group.get(key)?;
        if value.len() == VALUE_BYTES && value.first() == Some(&filling(key)) {
            return Ok(());
        }
        Err(format!("the value of {key:?} is wrong: {} bytes", value.len()).into())
    }
}

fn filling(key: &str) -> u8 {
    key.bytes().fold(0, u8::wrapping_add)
}
