//! Changes of what a peer has: removals, and values that are put in their place.
//!
//! They are sent to a peer that is down, too: it may be asked again before it knows.

use crate::change::ChangeStamp;
use crate::error::{PeerError, PeerErrorKind};
use crate::getter::Loaded;
use crate::http::exchange::{CallError, Failure, Incoming, Outgoing};
use crate::http::frame::{self, Operation};
use crate::http::note::Status;
use crate::http::peer::abilities::Abilities;
use crate::http::peer::foreign;
use crate::http::peer::frames;
use crate::http::peer::link::{Admit, Link};
use crate::http::peer::options::PeerOptions;
use crate::http::protocol::ForeignChanges;
use crate::http::verdict::Verdict;
use crate::spans::PeerCall;

/// The group of a change, and which change it is.
type Stamped<'a> = (&'a str, ChangeStamp);

/// Has the peer forget `keys`.
pub(super) fn remove(
    link: &Link,
    abilities: &Abilities,
    (group, stamp): Stamped<'_>,
    keys: &[&str],
) -> Result<(), PeerError> {
    let removed = in_its_way(
        link,
        abilities,
        || remove_all(link, (group, stamp), keys),
        || foreign::remove(link, group, keys),
    );
    unless_gone(link, removed).map_err(|failure| link.error_of(failure))
}

/// Has the peer forget what has one of these tags.
pub(super) fn remove_tags(link: &Link, group: Stamped<'_>, tags: &[&str]) -> Result<(), PeerError> {
    let removed = send_all(link, group, Operation::RemoveTags, tags);
    unless_gone(link, removed).map_err(|failure| link.error_of(failure))
}

/// Has the peer forget everything.
pub(super) fn clear(link: &Link, group: Stamped<'_>) -> Result<(), PeerError> {
    unless_gone(link, clear_all(link, group)).map_err(|failure| link.error_of(failure))
}

/// Has the peer keep a value, or that there is none; whether it is there now.
pub(super) fn insert(
    link: &Link,
    abilities: &Abilities,
    (group, stamp): Stamped<'_>,
    key: &str,
    value: &Loaded,
) -> Result<bool, PeerError> {
    let inserted = in_its_way(
        link,
        abilities,
        || insert_in_our_way(link, abilities, (group, stamp), key, value),
        || foreign::insert(link, group, key, value),
    );
    inserted.map_err(|failure| link.error_of(failure))
}

/// Makes a change as our peers know it, or as those of the cluster's other programs do where the
/// peer is one of them and they know it at all.
fn in_its_way<T>(
    link: &Link,
    abilities: &Abilities,
    ours: impl FnOnce() -> Result<T, Failure>,
    theirs: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    if link.options().protocol.wire().changes == ForeignChanges::None {
        return ours();
    }
    if !abilities.is_foreign(link.now()) {
        match ours() {
            Err(failure) if frames::is_unsupported(&failure) => {}
            other => return other,
        }
        abilities.mark_foreign(link.now());
    }
    theirs()
}

/// A peer that is not known to make changes first has to remove the key: one that ignores the
/// method would load it, and hang up on a long value.
fn insert_in_our_way(
    link: &Link,
    abilities: &Abilities,
    (group, stamp): Stamped<'_>,
    key: &str,
    value: &Loaded,
) -> Result<bool, Failure> {
    let request = put(link, (group, stamp), key, value)?;
    if !abilities.makes_changes(link.now()) {
        // What the peer has may be newer than a value with a version: then no key is removed, as no
        // value has an empty one.
        let removed = if value.version_number().is_some() { "" } else { key };
        remove_all(link, (group, stamp), &[removed])?;
    }
    let done = link.call(Admit::Always, PeerCall::new("insert", group), |exchange| {
        exchange.send(&request, link.timeout(), |answer| {
            let is_kept = answer.status() != Some(Status::NotKept);
            read_change(answer, link.options()).map(|()| is_kept)
        })
    });
    abilities.changed(&done, link.now());
    done
}

/// A peer that has left the list and accepts no connection has ended, and what it had is gone with
/// it.
fn unless_gone(link: &Link, removed: Result<(), Failure>) -> Result<(), Failure> {
    match removed {
        Err(failure) if failure.verdict == Verdict::Refused && link.has_left() => Ok(()),
        other => other,
    }
}

fn remove_all(link: &Link, group: Stamped<'_>, keys: &[&str]) -> Result<(), Failure> {
    send_all(link, group, Operation::Remove, keys)
}

/// Removes keys, or tags.
fn send_all(
    link: &Link,
    group: Stamped<'_>,
    operation: Operation,
    keys: &[&str],
) -> Result<(), Failure> {
    let mut rest: Vec<&str> = keys.to_vec();
    rest.retain(|key| key.len() <= frame::MAX_KEY_BYTES);
    let too_long = keys.len() - rest.len();
    let mut rest = &rest[..];
    while !rest.is_empty() {
        let (next, later) = rest.split_at(frame::fitting(rest));
        remove_some(link, group, operation, next)?;
        rest = later;
    }
    if too_long > 0 {
        let message = format!("{too_long} keys or tags are too long to be sent");
        return Err(Failure::new(PeerErrorKind::NotSupported, Verdict::Unclear, message));
    }
    Ok(())
}

/// Removes keys with one request. A single key goes the same way: peers that ignore the method
/// would load what is deleted at its path.
fn remove_some(
    link: &Link,
    (group, stamp): Stamped<'_>,
    operation: Operation,
    keys: &[&str],
) -> Result<(), Failure> {
    link.call(Admit::Always, PeerCall::new("remove", group), |exchange| {
        let frame = frame::encode_request(operation, keys);
        let options = link.options();
        let target = options.group(group)?.stamped(stamp);
        let done = frames::post(exchange, target, &frame, link.timeout(), |answer| {
            read_change(answer, options)
        })?;
        done.ok_or_else(|| frames::unsupported("it does not know how to remove these"))
    })
}

/// The request to keep `value`, which is not sent if it is longer than what is taken from others.
fn put<'a>(
    link: &Link,
    (group, stamp): Stamped<'_>,
    key: &str,
    value: &'a Loaded,
) -> Result<Outgoing<'a>, Failure> {
    let mut target = link.options().key(group, key)?.stamped(stamp);
    let body = value.value().map_or(&[][..], |value| value.as_slice());
    link.options().validate_length(body)?;
    if value.value().is_none() {
        target.note.status = Some(Status::NotFound);
    }
    target.note = target.note.with(value);
    Ok(Outgoing::put(target, body))
}

fn clear_all(link: &Link, (group, stamp): Stamped<'_>) -> Result<(), Failure> {
    let request = Outgoing::delete(link.options().group(group)?.stamped(stamp));
    link.call(Admit::Always, PeerCall::new("clear", group), |exchange| {
        exchange.send(&request, link.timeout(), |answer| read_change(answer, link.options()))
    })
}

/// Whether the peer made a change.
fn read_change(answer: Incoming, options: &PeerOptions) -> Result<(), CallError> {
    let is_ours = answer.status().is_some();
    match answer.code() {
        204 => Ok(()),
        // A value; the error of a getter; a path that is none there. Such a peer has taken the
        // request for a get.
        200 | 400 | 404 | 405 | 500 | 501 if !is_ours => {
            answer.drain();
            let message = "it does not know how to change what it has";
            Err(CallError::Answer(frames::unsupported(message)))
        }
        _ => Err(CallError::Answer(answer.into_failure(options.protocol.wire()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::testing::FaultyPeer;
    use crate::http::url::PeerUrl;

    fn link(url: &str) -> Link {
        Link::new(PeerUrl::parse(url).unwrap(), PeerOptions::default())
    }

    #[test]
    fn removal_at_a_peer_that_left_and_has_ended_is_done_until_it_is_listed_again() {
        // Nothing listens on port 1.
        let link = link("http://127.0.0.1:1");
        let abilities = Abilities::default();
        let g = ("g", ChangeStamp::UNORDERED);
        let removals = || [remove(&link, &abilities, g, &["k"]), clear(&link, g)];
        assert!(removals().iter().all(Result::is_err));
        link.mark_left();
        assert!(removals().iter().all(Result::is_ok));
        assert!(insert(&link, &abilities, g, "k", &Loaded::from("v")).is_err());
        link.mark_listed();
        assert!(removals().iter().all(Result::is_err));
    }

    #[test]
    fn peer_that_left_and_does_not_answer_may_still_have_what_it_had() {
        let peer = FaultyPeer::start(|talk, _| {
            talk.request();
        });
        let link = link(&peer.url);
        link.mark_left();
        let g = ("g", ChangeStamp::UNORDERED);
        assert!(remove(&link, &Abilities::default(), g, &["k"]).is_err());
        assert!(clear(&link, g).is_err());
    }
}
