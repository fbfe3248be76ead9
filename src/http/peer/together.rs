//! Gets of single keys, sent together where they meet.

use std::time::{Duration, Instant};

use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::http::exchange::Failure;
use crate::http::frame::{self, KeyAnswer, Operation};
use crate::http::peer::abilities::Abilities;
use crate::http::peer::lanes::{Company, Lanes, NextStep};
use crate::http::peer::link::{Admit, Link};
use crate::http::peer::{frames, gets, news};
use crate::http::verdict::Verdict;
use crate::spans::PeerCall;

/// Asks for `key` in `group`, maybe along with other callers, and ends within `timeout`.
pub(super) fn get(
    (link, abilities, lanes): (&Link, &Abilities, &Lanes),
    group: &str,
    key: &str,
    timeout: Duration,
) -> Result<Loaded, PeerError> {
    let alone = |left| {
        let answer = gets::get(link, group, key, left).map_err(|failure| link.error_of(failure));
        lanes.saw(&answer);
        answer
    };
    let now = Instant::now();
    let until = now.checked_add(timeout.min(link.timeout())).unwrap_or(now);
    if lanes.are_values_long() || !abilities.may_know_batches(link.now()) {
        return alone(timeout);
    }
    let left = || until.saturating_duration_since(Instant::now());
    match lanes.turn(group, key, until) {
        NextStep::Goes(_lane) => alone(timeout),
        NextStep::Leads(_lane, company) if company.is_empty() => alone(left()),
        NextStep::Leads(lane, company) => {
            let answer = ask(link, abilities, (group, key), company, until);
            drop(lane);
            answer.iter().for_each(|answer| lanes.saw(answer));
            answer.unwrap_or_else(|| alone(left()))
        }
        NextStep::GoesAlone => alone(left()),
        NextStep::Ends(answer) => answer,
        NextStep::IsLate => {
            Err(link.error(PeerErrorKind::TimedOut, "other gets took all the time that there was"))
        }
    }
}

/// Asks for a key, for which there is time until then, and those of others, tells them what is
/// found, and returns what is found of it.
fn ask(
    link: &Link,
    abilities: &Abilities,
    (group, key): (&str, &str),
    company: Company,
    until: Instant,
) -> Option<Result<Loaded, PeerError>> {
    let keys: Vec<&str> = std::iter::once(key).chain(company.keys()).collect();
    let first_until = company.until().map_or(until, |theirs| until.min(theirs));
    match request(link, group, &keys, first_until) {
        Ok(Some(answers)) => {
            let limit = link.options().max_value_bytes;
            let mut found = answers.into_iter().map(|answer| match answer {
                KeyAnswer::Loaded(loaded) => {
                    let bytes = loaded.value().map_or(0, |value| value.len() as u64);
                    (bytes <= limit).then_some(Ok(loaded))
                }
                _ => None,
            });
            let mine = found.next().flatten();
            company.answer(|_| found.next().flatten());
            mine
        }
        Ok(None) => {
            abilities.lacks_batches(link.now());
            None
        }
        Err(failure) => {
            let (is_for_all, error) = (is_for_all(&failure), link.error_of(failure));
            let now = Instant::now();
            // Another request may fare better, if there is time for one.
            let answer_at = |until: Instant| {
                let is_late = until.saturating_duration_since(now) < Duration::from_millis(1);
                (is_for_all || is_late).then(|| Err(error.clone()))
            };
            company.answer(|rider| answer_at(rider.until));
            answer_at(until)
        }
    }
}

/// Whether a request for one of the keys would fail as well.
fn is_for_all(failure: &Failure) -> bool {
    match failure.kind {
        PeerErrorKind::Overloaded => true,
        // Where the first of them was in a hurry, it is not known.
        PeerErrorKind::Unreachable => {
            matches!(failure.verdict, Verdict::Failed | Verdict::Refused)
        }
        _ => false,
    }
}

/// Asks what the peer has of `keys` in memory; `None` when it does not know this question.
fn request(
    link: &Link,
    group: &str,
    keys: &[&str],
    until: Instant,
) -> Result<Option<Vec<KeyAnswer>>, Failure> {
    let left = until.saturating_duration_since(Instant::now());
    Link::needs_time(left)?;
    link.call(Admit::IfUp, PeerCall::new("get_held", group), |exchange| {
        let options = link.options();
        let frame = frame::encode_request(Operation::Held, keys);
        let target = news::asking(options, options.group(group)?);
        frames::post(exchange, target, &frame, left, |answer| {
            news::hear(link, group, &answer);
            frames::read_answers(answer, options, keys.len())
        })
    })
}

#[cfg(test)]
mod tests;
