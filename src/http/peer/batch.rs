//! [`Batch`]: many keys that one call asks a peer for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::http::exchange::Failure;
use crate::http::frame::{self, KeyAnswer, Operation};
use crate::http::peer::abilities::Abilities;
use crate::http::peer::frames;
use crate::http::peer::gets;
use crate::http::peer::link::{Admit, Link};
use crate::http::verdict::Verdict;

/// Keys to get, and what is known of each of them.
///
/// They are asked for with as few requests as they need. A peer that does not know batches gets one
/// request after the other. The first failure that is the peer's and not a key's is the answer for
/// all keys that have none yet.
pub(super) struct Batch<'a> {
    link: &'a Link,
    abilities: &'a Abilities,
    group: &'a str,
    keys: &'a [&'a str],
    /// The end of the time for all of them; `None` gives each request the timeout of the options.
    until: Option<Instant>,
    answers: Vec<Option<Result<Loaded, PeerError>>>,
    /// The places of the keys that have no answer yet, in their order.
    open: VecDeque<usize>,
    /// What is wrong with the peer.
    failed: Option<PeerError>,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        link: &'a Link,
        abilities: &'a Abilities,
        group: &'a str,
        keys: &'a [&'a str],
        timeout: Option<Duration>,
    ) -> Self {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut answers = vec![None; keys.len()];
        let mut open = VecDeque::with_capacity(keys.len());
        for (at, key) in keys.iter().enumerate() {
            if key.len() > frame::MAX_KEY_BYTES {
                let message = format!("a key of {} bytes is too long", key.len());
                answers[at] = Some(Err(link.error(PeerErrorKind::NotSupported, message)));
            } else {
                open.push_back(at);
            }
        }
        Self { link, abilities, group, keys, until, answers, open, failed: None }
    }

    /// Gets the values, in the order of the keys.
    pub(super) fn get(mut self) -> Vec<Result<Loaded, PeerError>> {
        self.ask_together();
        self.ask_one_by_one();
        let answers = self.answers.into_iter();
        answers
            .map(|answer| answer.expect("a key is answered, or open and then answered"))
            .collect()
    }

    fn left(&self) -> Duration {
        match self.until {
            None => self.link.timeout(),
            Some(until) => until.saturating_duration_since(Instant::now()),
        }
    }

    /// Asks for many keys at a time, for as long as that is better than one by one.
    fn ask_together(&mut self) {
        let mut most = frame::MAX_KEYS;
        // One key alone is nothing that a batch would do better.
        let mut is_better = self.open.len() > 1;
        while is_better && !self.open.is_empty() && self.abilities.may_know_batches(Instant::now())
        {
            let next: Vec<&str> = self.open.iter().take(most).map(|&at| self.keys[at]).collect();
            let next = &next[..frame::fitting(&next)];
            match self.request(next) {
                Err(failure) => {
                    self.failed = Some(self.link.error_of(failure));
                    return;
                }
                Ok(None) => {
                    log::debug!("{} does not know batches", self.link.url());
                    self.abilities.lacks_batches(Instant::now());
                }
                Ok(Some(answers)) => {
                    let answered = self.take(answers);
                    // One of the values is too long for an answer, and maybe only that one.
                    is_better = answered > 0;
                    // A peer that loads more than it can answer may have to load the rest again.
                    // Asked for twice as many as it answered, it loads no more than half in vain.
                    most = if answered == next.len() { frame::MAX_KEYS } else { 2 * answered };
                }
            }
        }
    }

    /// Asks for `keys` with one request; `None` when the peer does not know batches.
    fn request(&self, keys: &[&str]) -> Result<Option<Vec<KeyAnswer>>, Failure> {
        let left = self.left();
        Link::needs_time(left)?;
        self.link.call(Admit::IfUp, |exchange| {
            let options = self.link.options();
            let frame = frame::encode_request(Operation::Get, keys);
            frames::post(exchange, options.group(self.group)?, &frame, left, |answer| {
                frames::read_answers(answer, options, keys.len())
            })
        })
    }

    /// Takes what the peer says of the first open keys, and tells of how many it said something.
    fn take(&mut self, answers: Vec<KeyAnswer>) -> usize {
        let mut left_out = Vec::new();
        let asked = answers.len();
        for (at, answer) in self.open.drain(..asked).zip(answers) {
            match result_of(self.link, answer) {
                Some(result) => self.answers[at] = Some(result),
                None => left_out.push(at),
            }
        }
        let answered = asked - left_out.len();
        left_out.into_iter().rev().for_each(|at| self.open.push_front(at));
        answered
    }

    /// Asks for what is still open, one key after the other.
    fn ask_one_by_one(&mut self) {
        while let Some(at) = self.open.pop_front() {
            let answer = match &self.failed {
                Some(error) => Err(error.clone()),
                None => gets::get(self.link, self.group, self.keys[at], self.left()).map_err(
                    |failure| {
                        let is_of_the_key = is_of_the_key(&failure);
                        let error = self.link.error_of(failure);
                        if !is_of_the_key {
                            self.failed = Some(error.clone());
                        }
                        error
                    },
                ),
            };
            self.answers[at] = Some(answer);
        }
    }
}

/// Whether another key may fare better.
fn is_of_the_key(failure: &Failure) -> bool {
    match failure.kind {
        PeerErrorKind::NotSupported => true, // The key can't be sent.
        PeerErrorKind::TimedOut | PeerErrorKind::NoSuchGroup => false,
        _ => failure.verdict == Verdict::Answered,
    }
}

/// What the answer about one key means to the caller; `None` when there is none yet.
fn result_of(link: &Link, answer: KeyAnswer) -> Option<Result<Loaded, PeerError>> {
    match answer {
        KeyAnswer::Left => None,
        KeyAnswer::NotCached => {
            Some(Err(link.error(PeerErrorKind::Protocol, "it looked into its memory only")))
        }
        KeyAnswer::Failed(kind, message) => Some(Err(link.error(kind, message))),
        KeyAnswer::Loaded(loaded) => {
            let limit = link.options().max_value_bytes;
            let length = loaded.value().map_or(0, |value| value.len());
            Some(if length as u64 <= limit {
                Ok(loaded)
            } else {
                let message =
                    format!("a value of {length} bytes is longer than the limit of {limit}");
                Err(link.error(PeerErrorKind::Protocol, message))
            })
        }
    }
}
