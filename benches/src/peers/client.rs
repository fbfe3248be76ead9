//! The client of a contender: asks from many threads for a while, and tells how that went.
//!
//! It obeys commands, a line each, and answers with a line:
//!
//! ```text
//! prime THREADS VALUE-BYTES BATCH              -> ok
//! run   THREADS VALUE-BYTES BATCH MILLISECONDS -> ok GETS NANOSECONDS P50 P99
//! fresh HANDSHAKE COUNT                        -> ok NANOSECONDS
//! ```
//!
//! `fresh` gets one value again and again, each time over a new connection, whose TLS handshake, if
//! there is one, is to be `full` or `resumed`.
//!
//! `GETS` counts keys, and the percentiles, in nanoseconds, are of whole calls. Whatever fails is
//! answered by `error` and a reason.

use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::BoxError;
use super::scenario::Scenario;
use crate::process;

/// A way to ask a server.
pub(super) trait Ask: Sync {
    /// What a thread asks through.
    type Session<'a>: Session
    where
        Self: 'a;

    /// Sees to it that the server has these keys in memory.
    fn prime(&self, keys: &[String], scenario: &Scenario) -> Result<(), BoxError>;

    fn session(&self, scenario: &Scenario) -> Result<Self::Session<'_>, BoxError>;

    /// Gets one value over each of `count` new connections; how long that took.
    fn fresh(&self, _handshake: &str, _count: usize) -> Result<Duration, BoxError> {
        Err("only geecache is asked over new connections".into())
    }
}

pub(super) trait Session {
    /// Gets the values of `keys`, and checks them.
    fn get(&mut self, keys: &[&str]) -> Result<(), BoxError>;
}

/// Obeys the commands of standard input until it ends.
pub(super) fn obey<A: Ask>(ask: &A) -> Result<(), BoxError> {
    println!("ready");
    process::obey(|words| match *words {
        ["prime", ref case @ ..] => {
            Scenario::from_words(case).and_then(|case| prime(ask, &case)).map(|()| String::new())
        }
        ["run", ref case @ .., millis] => Scenario::from_words(case)
            .and_then(|case| run(ask, &case, Duration::from_millis(millis.parse()?))),
        ["fresh", handshake, count] => {
            Ok(ask.fresh(handshake, count.parse()?)?.as_nanos().to_string())
        }
        _ => Err(format!("there is no command {words:?}").into()),
    })
}

fn prime<A: Ask>(ask: &A, scenario: &Scenario) -> Result<(), BoxError> {
    on_all_threads(scenario, |thread| ask.prime(&scenario.keys(thread), scenario)).map(drop)
}

fn run<A: Ask>(ask: &A, scenario: &Scenario, time: Duration) -> Result<String, BoxError> {
    let start = Start { barrier: Barrier::new(scenario.threads), at: OnceLock::new() };
    let outcomes =
        on_all_threads(scenario, |thread| run_thread(ask, scenario, thread, time, &start))?;
    let mut calls = outcomes.concat();
    if calls.is_empty() {
        return Err("no call ended in time".into());
    }
    calls.sort_unstable();
    let percentile = |percent: usize| calls[(calls.len() - 1) * percent / 100];
    let gets = calls.len() * scenario.batch;
    Ok(format!("{gets} {} {} {}", time.as_nanos(), percentile(50), percentile(99)))
}

/// What `work` returns on as many threads as ask.
fn on_all_threads<T: Send>(
    scenario: &Scenario,
    work: impl Fn(usize) -> Result<T, BoxError> + Sync,
) -> Result<Vec<T>, BoxError> {
    let work = &work;
    thread::scope(|scope| {
        let start = |thread| scope.spawn(move || work(thread));
        let threads: Vec<_> = (0..scenario.threads).map(start).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))
        };
        threads.into_iter().map(join).collect()
    })
}

/// Where all threads wait for each other. The clock of all runs from the moment when the first one
/// goes on: with more threads than cores, the last one may have to wait for its turn.
struct Start {
    barrier: Barrier,
    at: OnceLock<Instant>,
}

/// The nanoseconds of each call that ended within `time`.
fn run_thread<A: Ask>(
    ask: &A,
    scenario: &Scenario,
    thread: usize,
    time: Duration,
    start: &Start,
) -> Result<Vec<u64>, BoxError> {
    let keys = scenario.keys(thread);
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut batches = keys.chunks_exact(scenario.batch).cycle();
    let mut next = || batches.next().unwrap_or_default();
    // Connections are opened, and thread-local memory is warm, before the clock runs. Nobody leaves
    // before the last barrier.
    let session = ask.session(scenario);
    start.barrier.wait();
    let session = session.and_then(|mut session| session.get(next()).map(|()| session));
    start.barrier.wait();
    let mut session = session?;
    let mut calls = Vec::with_capacity(4096);
    let begun = *start.at.get_or_init(Instant::now);
    let mut last = begun.elapsed();
    loop {
        session.get(next())?;
        let now = begun.elapsed();
        if now > time {
            return Ok(calls);
        }
        calls.push((now - last).as_nanos() as u64);
        last = now;
    }
}
