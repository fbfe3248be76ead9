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
use crate::http::peer::news;
use crate::http::verdict::Verdict;
use crate::peers::TellAnswer;
use crate::spans::PeerCall;

/// Keys to get, and who is told of each of them as soon as its answer is there.
///
/// They are asked for with as few requests as they need. A peer that does not know batches gets one
/// request after the other. Nothing more is asked after a failure that is the peer's and not a
/// key's. It is the answer for the keys of its request; and for all that are left, unless the peer
/// has answered some before: it may yet answer those that come after.
pub(super) struct Batch<'a> {
    link: &'a Link,
    abilities: &'a Abilities,
    group: &'a str,
    keys: &'a [&'a str],
    /// The end of the time for all of them; `None` gives each request the timeout of the options.
    until: Option<Instant>,
    tell: TellAnswer<'a>,
    /// The places of the keys that have no answer yet, in their order.
    open: VecDeque<usize>,
    /// Whether the peer has answered a request.
    has_answered: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        link: &'a Link,
        abilities: &'a Abilities,
        group: &'a str,
        keys: &'a [&'a str],
        timeout: Option<Duration>,
        tell: TellAnswer<'a>,
    ) -> Self {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let open = (0..keys.len()).collect();
        Self { link, abilities, group, keys, until, tell, open, has_answered: false }
    }

    /// Gets the values.
    pub(super) fn get(mut self) {
        self.open.retain(|&at| {
            let bytes = self.keys[at].len();
            let is_short = bytes <= frame::MAX_KEY_BYTES;
            if !is_short {
                let message = format!("a key of {bytes} bytes is too long");
                (self.tell)(at, Err(self.link.error(PeerErrorKind::NotSupported, message)));
            }
            is_short
        });
        self.ask_together();
        self.ask_one_by_one();
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
        while is_better && !self.open.is_empty() && self.abilities.may_know_batches(self.link.now())
        {
            let next: Vec<&str> = self.open.iter().take(most).map(|&at| self.keys[at]).collect();
            let next = &next[..frame::fitting(&next)];
            match self.request(next) {
                Err(failure) => {
                    let asked = next.len();
                    return self.fail(asked, &self.link.error_of(failure));
                }
                Ok(None) => {
                    log::debug!("{} does not know batches", self.link.url());
                    self.abilities.lacks_batches(self.link.now());
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
        self.link.call(Admit::IfUp, PeerCall::new("get_many", self.group), |exchange| {
            let options = self.link.options();
            let frame = frame::encode_request(Operation::Get, keys);
            let target = news::asking(options, options.group(self.group)?);
            frames::post(exchange, target, &frame, left, |answer| {
                news::hear(self.link, self.group, &answer);
                frames::read_answers(answer, options, keys.len())
            })
        })
    }

    /// Tells what the peer says of the first open keys; of how many it said something.
    fn take(&mut self, answers: Vec<KeyAnswer>) -> usize {
        let mut left_out = Vec::new();
        let asked = answers.len();
        for (at, answer) in self.open.drain(..asked).zip(answers) {
            match result_of(self.link, answer) {
                Some(result) => (self.tell)(at, result),
                None => left_out.push(at),
            }
        }
        let answered = asked - left_out.len();
        left_out.into_iter().rev().for_each(|at| self.open.push_front(at));
        self.has_answered = true;
        answered
    }

    /// Gives up, after a request for the first `asked` of the open keys failed.
    fn fail(&mut self, asked: usize, error: &PeerError) {
        let failed = if self.has_answered { asked } else { self.open.len() };
        self.open.drain(..failed).for_each(|at| (self.tell)(at, Err(error.clone())));
        self.open.clear();
    }

    /// Asks for what is still open, one key after the other.
    fn ask_one_by_one(&mut self) {
        while let Some(&at) = self.open.front() {
            let answer = gets::get(self.link, self.group, self.keys[at], self.left());
            let is_last = answer.as_ref().err().is_some_and(|failure| !is_of_the_key(failure));
            let answer = answer.map_err(|failure| self.link.error_of(failure));
            if let (Err(error), true) = (&answer, is_last) {
                return self.fail(1, error);
            }
            let kind = answer.as_ref().err().map(PeerError::kind);
            self.has_answered |= kind != Some(PeerErrorKind::NotSupported);
            self.open.pop_front();
            (self.tell)(at, answer);
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
