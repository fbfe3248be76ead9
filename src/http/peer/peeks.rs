//! Peeks: what a peer has in memory, for owners that are about to load it.

use std::time::{Duration, Instant};

use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::http::exchange::{CallError, Failure, Outgoing};
use crate::http::frame::{self, KeyAnswer, Operation};
use crate::http::peer::abilities::Abilities;
use crate::http::peer::frames;
use crate::http::peer::gets;
use crate::http::peer::link::{Admit, Link};
use crate::http::verdict::Verdict;
use crate::spans::PeerCall;

/// Gets what the peer has of `keys` in memory. What is there by the first failure is the answer. A
/// peer that does not know this question, or again and again did not answer it in time, is not
/// asked for a while. The time for all keys is that of one question, however many it takes.
pub(super) fn peek_many(
    link: &Link,
    abilities: &Abilities,
    group: &str,
    keys: &[&str],
) -> Result<Vec<Option<Loaded>>, PeerError> {
    if !abilities.may_answer_peeks(link.now()) {
        let message = "it did not answer such a question just before, not asked";
        return Err(link.error(PeerErrorKind::NotSupported, message));
    }
    if abilities.is_foreign(link.now()) && knows_foreign_peeks(link) {
        return one_by_one(link, abilities, group, keys);
    }
    let mut found = vec![None; keys.len()];
    let mut open: Vec<usize> =
        (0..keys.len()).filter(|&at| keys[at].len() <= frame::MAX_KEY_BYTES).collect();
    let mut is_first = true;
    let (begun, time) = (Instant::now(), link.options().peek_timeout.min(link.timeout()));
    while !open.is_empty() {
        let left = time.saturating_sub(begun.elapsed());
        if !is_first && Link::needs_time(left).is_err() {
            break;
        }
        let next: Vec<&str> = open.iter().take(frame::MAX_KEYS).map(|&at| keys[at]).collect();
        let next = &next[..frame::fitting(&next)];
        let peeked = request(link, group, next, left);
        if peeked.as_ref().is_err_and(frames::is_unsupported) && knows_foreign_peeks(link) {
            abilities.mark_foreign(link.now());
            return one_by_one(link, abilities, group, keys);
        }
        abilities.peeked(peeked.as_ref().err().map(|failure| failure.kind), link.now());
        let answers = match peeked {
            Ok(answers) => answers,
            Err(failure) if is_first => return Err(link.error_of(failure)),
            Err(_) => break,
        };
        is_first = false;
        let mut left_out = Vec::new();
        for (at, answer) in open.drain(..next.len()).zip(answers) {
            match answer {
                KeyAnswer::Loaded(loaded) => found[at] = Some(loaded),
                KeyAnswer::Left => left_out.push(at),
                KeyAnswer::NotCached | KeyAnswer::Failed(..) => {}
            }
        }
        if left_out.len() == next.len() {
            break; // It would go on like this.
        }
        open.extend(left_out);
    }
    Ok(found)
}

fn request(
    link: &Link,
    group: &str,
    keys: &[&str],
    left: Duration,
) -> Result<Vec<KeyAnswer>, Failure> {
    link.call(Admit::IfUp, PeerCall::new("peek", group), |exchange| {
        let options = link.options();
        let frame = frame::encode_request(Operation::Peek, keys);
        let target = options.group(group)?;
        let asked = frames::post(exchange, target, &frame, left, |answer| {
            frames::read_answers(answer, options, keys.len())
        });
        let answers = asked.and_then(|answers| answers.ok_or_else(unknown));
        answers.map_err(not_silent)
    })
}

fn unknown() -> Failure {
    frames::unsupported("it does not know how to answer from memory only")
}

/// So little time proves nothing about a peer that is far away, not even again and again.
fn not_silent(failure: Failure) -> Failure {
    match failure.verdict {
        Verdict::Silent => Failure { verdict: Verdict::Unclear, ..failure },
        _ => failure,
    }
}

/// Whether the other programs of the cluster answer what they have in memory.
fn knows_foreign_peeks(link: &Link) -> bool {
    let options = link.options();
    options.protocol.wire().peek_path(&options.base_path).is_some()
}

/// Asks a peer of another program, which tells of one key at a time. The time for all of them is
/// that of one question to a peer of ours.
fn one_by_one(
    link: &Link,
    abilities: &Abilities,
    group: &str,
    keys: &[&str],
) -> Result<Vec<Option<Loaded>>, PeerError> {
    let mut found = vec![None; keys.len()];
    let begun = Instant::now();
    let time = link.options().peek_timeout.min(link.timeout());
    for (at, key) in keys.iter().enumerate() {
        let peeked = peek_one(link, group, key, time.saturating_sub(begun.elapsed()));
        abilities.peeked(peeked.as_ref().err().map(|failure| failure.kind), link.now());
        match peeked {
            Ok(loaded) => found[at] = loaded,
            Err(failure) if at == 0 => return Err(link.error_of(failure)),
            Err(_) => break,
        }
    }
    Ok(found)
}

fn peek_one(
    link: &Link,
    group: &str,
    key: &str,
    left: Duration,
) -> Result<Option<Loaded>, Failure> {
    Link::needs_time(left)?;
    let options = link.options();
    let request = Outgoing::get(options.peek(group, key).unwrap_or_else(|| Err(unknown()))?);
    link.call(Admit::IfUp, PeerCall::new("peek", group), |exchange| {
        let peeked = exchange.send(&request, left, |answer| match answer.code() {
            404 => {
                let failure = answer.into_failure(options.protocol.wire());
                match failure.kind {
                    PeerErrorKind::NotFound => Ok(None),
                    PeerErrorKind::NoSuchGroup => Err(CallError::Answer(failure)),
                    // Nothing is served at that path.
                    _ => Err(CallError::Answer(unknown())),
                }
            }
            _ => gets::read(answer, options).map(Some),
        });
        peeked.map_err(not_silent)
    })
}

#[cfg(test)]
mod tests;
