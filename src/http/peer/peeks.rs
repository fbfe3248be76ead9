//! Peeks: what a peer has in memory, for owners that are about to load it.

use std::time::Instant;

use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::http::exchange::Failure;
use crate::http::frame::{self, KeyAnswer, Operation};
use crate::http::peer::abilities::Abilities;
use crate::http::peer::frames;
use crate::http::peer::link::{Admit, Link};
use crate::http::verdict::Verdict;
use crate::spans::PeerCall;

/// Gets what the peer has of `keys` in memory. What is there by the first failure is the answer. A
/// peer that does not know this question, or again and again did not answer it in time, is not
/// asked for a while.
pub(super) fn peek_many(
    link: &Link,
    abilities: &Abilities,
    group: &str,
    keys: &[&str],
) -> Result<Vec<Option<Loaded>>, PeerError> {
    if !abilities.may_answer_peeks(Instant::now()) {
        let message = "it did not answer such a question just before, not asked";
        return Err(link.error(PeerErrorKind::NotSupported, message));
    }
    let mut found = vec![None; keys.len()];
    let mut open: Vec<usize> =
        (0..keys.len()).filter(|&at| keys[at].len() <= frame::MAX_KEY_BYTES).collect();
    let mut is_first = true;
    while !open.is_empty() {
        let next: Vec<&str> = open.iter().take(frame::MAX_KEYS).map(|&at| keys[at]).collect();
        let next = &next[..frame::fitting(&next)];
        let peeked = request(link, group, next);
        abilities.peeked(peeked.as_ref().err().map(|failure| failure.kind), Instant::now());
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

fn request(link: &Link, group: &str, keys: &[&str]) -> Result<Vec<KeyAnswer>, Failure> {
    link.call(Admit::IfUp, PeerCall::new("peek", group), |exchange| {
        let options = link.options();
        let frame = frame::encode_request(Operation::Peek, keys);
        let left = options.peek_timeout.min(link.timeout());
        let target = options.group(group);
        let asked = frames::post(exchange, target, &frame, left, |answer| {
            frames::read_answers(answer, options, keys.len())
        });
        let unknown = || frames::unsupported("it does not know how to answer from memory only");
        let answers = asked.and_then(|answers| answers.ok_or_else(unknown));
        answers.map_err(|failure| match failure.verdict {
            // So little time proves nothing about a peer that is far away, not even again and
            // again.
            Verdict::Silent => Failure { verdict: Verdict::Unclear, ..failure },
            _ => failure,
        })
    })
}
