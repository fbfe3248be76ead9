//! What peers of this crate can be asked beyond a value: many values at once, what is in memory, and changes.
//!
//! All of it may be sent to peers that do not know it, and none of it does harm there; see the [wire](crate::http::wire).

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ureq::Body;
use ureq::http::Response;

use super::{CallError, Failure, HttpGetter, Outgoing, body, broken, header, refused};
use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::http::breaker::Verdict;
use crate::http::frame::{self, Answer, Operation};
use crate::http::wire::{self, Status};

/// For how long it is remembered that a peer does not know batches, or peeks. It may be replaced by one that does.
const UNKNOWN_FOR: Duration = Duration::from_secs(60);
/// For how long it is remembered that a peer makes changes. It may be replaced by one that does not.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// After so many peeks in a row that were not answered in time
const LATE_PEEKS: u32 = 3;
/// there are none for so long: the loads that wait for them would all be late.
const PEEKS_PAUSE: Duration = Duration::from_secs(1);

/// What stands between callers and a peer. Every request passes it by itself.
pub(crate) trait Gate {
    /// Makes the request, or says why not.
    fn pass<T>(
        &self,
        request: impl FnOnce() -> (Result<T, PeerError>, Verdict),
    ) -> Result<T, PeerError>;
}

/// Lets everything through.
pub(super) struct OpenGate;

impl Gate for OpenGate {
    fn pass<T>(
        &self,
        request: impl FnOnce() -> (Result<T, PeerError>, Verdict),
    ) -> Result<T, PeerError> {
        request().0
    }
}

/// Many values.
impl HttpGetter {
    /// Gets the values of `keys` with as few requests as they need, in the order of the keys, within `timeout` for all of them,
    /// or the timeout of the options for each request.
    ///
    /// A peer that does not know batches gets one request after the other. The first failure that is the peer's and not a key's
    /// is the answer for all keys that have none yet.
    pub(crate) fn get_many_by(
        &self,
        group: &str,
        keys: &[&str],
        timeout: Option<Duration>,
        gate: &impl Gate,
    ) -> Vec<Result<Loaded, PeerError>> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let left = || match until {
            None => self.options.timeout,
            Some(until) => until.saturating_duration_since(Instant::now()),
        };
        let mut answers: Vec<Option<Result<Loaded, PeerError>>> = vec![None; keys.len()];
        let mut open = VecDeque::with_capacity(keys.len());
        for (at, key) in keys.iter().enumerate() {
            if key.len() > frame::MAX_KEY_BYTES {
                let message = format!("a key of {} bytes is too long", key.len());
                answers[at] = Some(Err(self.error(PeerErrorKind::NotSupported, message)));
            } else {
                open.push_back(at);
            }
        }
        let mut failed = None;
        let mut most = frame::MAX_KEYS;
        // One key alone is nothing that a batch would do better.
        let mut as_batch = open.len() > 1;
        while as_batch && failed.is_none() && !open.is_empty() && self.knows_batches() {
            let next: Vec<&str> = open.iter().take(most).map(|&at| keys[at]).collect();
            let next = &next[..frame::fitting(&next)];
            match gate.pass(|| self.ask_batch(group, next, left())) {
                Err(error) => failed = Some(error),
                Ok(None) => {
                    log::debug!("{} does not know batches", self.peer);
                    self.no_batches.note(Instant::now(), UNKNOWN_FOR);
                }
                Ok(Some(batch)) => {
                    let mut left_out = Vec::new();
                    for (at, answer) in open.drain(..next.len()).zip(batch) {
                        match self.meaning(answer) {
                            Some(meaning) => answers[at] = Some(meaning),
                            None => left_out.push(at),
                        }
                    }
                    let answered = next.len() - left_out.len();
                    // One of the values is too long for an answer, and maybe only that one.
                    as_batch = answered > 0;
                    // What the peer left out it may have to load again. Asked for twice as many as it could answer, it
                    // loads no more than half of them in vain.
                    most = if left_out.is_empty() { frame::MAX_KEYS } else { 2 * answered };
                    left_out.into_iter().rev().for_each(|at| open.push_front(at));
                }
            }
        }
        for at in open {
            let mut is_of_the_key = false;
            let answer = match &failed {
                Some(error) => Err(PeerError::clone(error)),
                None => gate.pass(|| {
                    let (answer, verdict) = self.ask(group, keys[at], left());
                    is_of_the_key = answer.as_ref().is_err_and(|error| match error.kind() {
                        PeerErrorKind::NotSupported => true, // The key can't be sent.
                        PeerErrorKind::TimedOut | PeerErrorKind::NoSuchGroup => false,
                        _ => verdict == Verdict::Answered,
                    });
                    (answer, verdict)
                }),
            };
            match &answer {
                Err(error) if !is_of_the_key => failed = Some(error.clone()),
                _ => {}
            }
            answers[at] = Some(answer);
        }
        let answers = answers.into_iter();
        answers
            .map(|answer| answer.expect("a key is answered, or open and then answered"))
            .collect()
    }

    fn knows_batches(&self) -> bool {
        !self.no_batches.holds(Instant::now())
    }

    /// What the answer about one key of a batch means; `None` when there is none yet.
    fn meaning(&self, answer: Answer) -> Option<Result<Loaded, PeerError>> {
        match answer {
            Answer::Left => None,
            Answer::NotCached => {
                Some(Err(self.error(PeerErrorKind::Protocol, "it looked into its memory only")))
            }
            Answer::Failed(kind, message) => Some(Err(self.error(kind, message))),
            Answer::Loaded(loaded) => {
                let limit = self.options.max_value_bytes;
                let length = loaded.value().map_or(0, |value| value.len());
                Some(if length as u64 <= limit {
                    Ok(loaded)
                } else {
                    let message =
                        format!("a value of {length} bytes is longer than the limit of {limit}");
                    Err(self.error(PeerErrorKind::Protocol, message))
                })
            }
        }
    }

    /// Asks for keys with one request; `None` when the peer does not know batches.
    fn ask_batch(
        &self,
        group: &str,
        keys: &[&str],
        left: Duration,
    ) -> (Result<Option<Vec<Answer>>, PeerError>, Verdict) {
        let left = left.min(self.options.timeout);
        let frame = frame::encode_request(Operation::Get, keys);
        self.outcome(
            self.try_batch(group, &frame, left, |answer| {
                self.read_batch(answer, keys.len()).map(Some)
            }),
        )
    }

    /// Posts a frame; `None` when the peer does not know batches.
    fn try_batch<T>(
        &self,
        group: &str,
        frame: &[u8],
        left: Duration,
        read: impl FnOnce(Response<Body>) -> Result<Option<T>, CallError>,
    ) -> Result<Option<T>, Failure> {
        if left.is_zero() {
            let message = "there is no time left to ask";
            return Err(Failure::new(PeerErrorKind::TimedOut, Verdict::Unclear, message));
        }
        let request = Outgoing::post(self.group_path(group), frame);
        let answer = self.exchange(&request, left, |answer| {
            let code = answer.status().as_u16();
            match Status::read(code, header(answer.headers(), wire::STATUS_HEADER)) {
                // It knows batches, but no such frame; or it is not the address of a group.
                Some(Status::BadRequest | Status::NotSupported) => {}
                None if matches!(code, 400 | 404 | 405) => {}
                _ => return read(answer),
            }
            drain(answer);
            Ok(None)
        });
        answer.map_err(|error| self.failure(error, left))
    }

    fn read_batch(&self, answer: Response<Body>, count: usize) -> Result<Vec<Answer>, CallError> {
        let (head, mut body) = answer.into_parts();
        if head.status.as_u16() != 200 {
            return Err(CallError::Answer(refused(head.status.as_u16(), &head.headers, body)));
        }
        let more = frame::MAX_VALUES_BYTES + frame::MAX_ANSWER_OVERHEAD_BYTES;
        let limit = self.options.max_value_bytes.saturating_add(more as u64);
        let body = match body::read_value(&mut body, &head.headers, limit) {
            Err(CallError::Answer(failure)) if failure.verdict == Verdict::Answered => {
                log::debug!("{}: {}", self.peer, failure.message);
                return Ok(vec![Answer::Left; count]);
            }
            other => other?,
        };
        frame::decode_answers(&body, count).map_err(broken)
    }

    fn group_path(&self, group: &str) -> String {
        wire::group_path(&self.options.base_path, group)
    }
}

/// What is in memory.
impl HttpGetter {
    /// Gets what the peer has of `keys` in memory. What is there by the first failure is the answer. A peer that does not know this
    /// question, or again and again did not answer it in time, is not asked for a while.
    pub(crate) fn peek_many_by(
        &self,
        group: &str,
        keys: &[&str],
        gate: &impl Gate,
    ) -> Result<Vec<Option<Loaded>>, PeerError> {
        self.answers_peeks()?;
        let mut found = vec![None; keys.len()];
        let mut open: Vec<usize> =
            (0..keys.len()).filter(|&at| keys[at].len() <= frame::MAX_KEY_BYTES).collect();
        let mut is_first = true;
        while !open.is_empty() {
            let next: Vec<&str> = open.iter().take(frame::MAX_KEYS).map(|&at| keys[at]).collect();
            let next = &next[..frame::fitting(&next)];
            let batch = match gate.pass(|| self.peek_batch(group, next)) {
                Ok(batch) => {
                    self.learn_of_peek(None);
                    batch
                }
                Err(error) => {
                    self.learn_of_peek(Some(&error));
                    return if is_first { Err(error) } else { Ok(found) };
                }
            };
            is_first = false;
            let mut left_out = Vec::new();
            for (at, answer) in open.drain(..next.len()).zip(batch) {
                match answer {
                    Answer::Loaded(loaded) => found[at] = Some(loaded),
                    Answer::Left => left_out.push(at),
                    Answer::NotCached | Answer::Failed(..) => {}
                }
            }
            if left_out.len() == next.len() {
                break; // It would go on like this.
            }
            open.extend(left_out);
        }
        Ok(found)
    }

    fn peek_batch(&self, group: &str, keys: &[&str]) -> (Result<Vec<Answer>, PeerError>, Verdict) {
        let frame = frame::encode_request(Operation::Peek, keys);
        let left = self.options.peek_timeout.min(self.options.timeout);
        let asked = self
            .try_batch(group, &frame, left, |answer| self.read_batch(answer, keys.len()).map(Some));
        let unknown = || unsupported("it does not know how to answer from memory only");
        let asked = asked.and_then(|batch| batch.ok_or_else(unknown));
        self.outcome(asked.map_err(|failure| match failure.verdict {
            // So little time proves nothing about a peer that is far away, not even again and again.
            Verdict::Silent => Failure { verdict: Verdict::Unclear, ..failure },
            _ => failure,
        }))
    }

    /// An error if the peer is known not to answer peeks.
    fn answers_peeks(&self) -> Result<(), PeerError> {
        if self.no_peeks.holds(Instant::now()) {
            let message = "it did not answer such a question just before, not asked";
            return Err(self.error(PeerErrorKind::NotSupported, message));
        }
        Ok(())
    }

    /// Learns from the end of a peek: with or without an error.
    fn learn_of_peek(&self, error: Option<&PeerError>) {
        match error.map(PeerError::kind) {
            None => self.late_peeks.store(0, Ordering::Relaxed),
            Some(PeerErrorKind::NotSupported) => self.no_peeks.note(Instant::now(), UNKNOWN_FOR),
            Some(PeerErrorKind::TimedOut) => {
                if self.late_peeks.fetch_add(1, Ordering::Relaxed) + 1 >= LATE_PEEKS {
                    self.late_peeks.store(0, Ordering::Relaxed);
                    self.no_peeks.note(Instant::now(), PEEKS_PAUSE);
                }
            }
            Some(_) => {}
        }
    }
}

/// Changes.
impl HttpGetter {
    /// Has the peer forget `keys`.
    pub(crate) fn remove_by(
        &self,
        group: &str,
        keys: &[&str],
        gate: &impl Gate,
    ) -> Result<(), PeerError> {
        // A single key goes the same way: peers that ignore the method would load what is deleted at its path.
        let mut rest: Vec<&str> = keys.to_vec();
        rest.retain(|key| key.len() <= frame::MAX_KEY_BYTES);
        let too_long = keys.len() - rest.len();
        let mut rest = &rest[..];
        while !rest.is_empty() {
            let (next, later) = rest.split_at(frame::fitting(rest));
            let frame = frame::encode_request(Operation::Remove, next);
            gate.pass(|| self.remove_batch(group, &frame))?;
            rest = later;
        }
        if too_long > 0 {
            let message = format!("{too_long} keys are too long to be sent");
            return Err(self.error(PeerErrorKind::NotSupported, message));
        }
        Ok(())
    }

    fn remove_batch(&self, group: &str, frame: &[u8]) -> (Result<(), PeerError>, Verdict) {
        let done = self
            .try_batch(group, frame, self.options.timeout, |answer| read_change(answer).map(Some));
        let unknown = || unsupported("it does not know how to remove keys");
        self.outcome(done.and_then(|done| done.ok_or_else(unknown)))
    }

    /// Has the peer forget everything.
    pub(crate) fn clear_by(&self, group: &str, gate: &impl Gate) -> Result<(), PeerError> {
        let request = Outgoing::delete(self.group_path(group));
        gate.pass(|| self.change(&request))
    }

    /// Has the peer keep a value, or that there is none. A peer that is not known to make changes first has to remove the
    /// key: one that ignores the method would load it, and hang up on a long value.
    pub(crate) fn insert_by(
        &self,
        group: &str,
        key: &str,
        value: &Loaded,
        gate: &impl Gate,
    ) -> Result<(), PeerError> {
        let path = match self.key_path(group, key) {
            Ok(path) => path,
            Err(failure) => return Err(self.error(failure.kind, failure.message)),
        };
        let body = value.value().map_or(&[][..], |value| value.as_slice());
        let (length, limit) = (body.len(), self.options.max_value_bytes);
        if length as u64 > limit {
            let message = format!("a value of {length} bytes is longer than the limit of {limit}");
            return Err(self.error(PeerErrorKind::Protocol, message));
        }
        let mut request = Outgoing::put(path, body);
        if value.value().is_none() {
            request.headers.push((wire::STATUS_HEADER, Status::NotFound.name().to_owned()));
        }
        if let Some(ttl) = value.time_to_live() {
            request.headers.push((wire::TTL_HEADER, wire::encode_millis(ttl)));
        }
        if !self.makes_changes.holds(Instant::now()) {
            self.remove_by(group, &[key], gate)?;
        }
        let done = gate.pass(|| self.change(&request));
        let known_for = if done.is_ok() { KNOWN_FOR } else { Duration::ZERO };
        self.makes_changes.note(Instant::now(), known_for);
        done
    }

    fn change(&self, request: &Outgoing<'_>) -> (Result<(), PeerError>, Verdict) {
        let left = self.options.timeout;
        let done = self.exchange(request, left, read_change);
        self.outcome(done.map_err(|error| self.failure(error, left)))
    }
}

/// Whether the peer made a change.
fn read_change(answer: Response<Body>) -> Result<(), CallError> {
    let (head, body) = answer.into_parts();
    let code = head.status.as_u16();
    let is_ours = Status::read(code, header(&head.headers, wire::STATUS_HEADER)).is_some();
    match code {
        204 => Ok(()),
        // A value; the error of a getter; a path that is none there. Such a peer has taken the request for a get.
        200 | 400 | 404 | 405 | 500 | 501 if !is_ours => {
            drain(Response::from_parts(head, body));
            Err(CallError::Answer(unsupported("it does not know how to change what it has")))
        }
        _ => Err(CallError::Answer(refused(code, &head.headers, body))),
    }
}

fn unsupported(message: &str) -> Failure {
    Failure::new(PeerErrorKind::NotSupported, Verdict::Answered, message)
}

/// Reads what nobody wants, so that the connection can be used again.
fn drain(answer: Response<Body>) {
    let (head, mut body) = answer.into_parts();
    let _ = body::read_text(&mut body, &head.headers);
}
