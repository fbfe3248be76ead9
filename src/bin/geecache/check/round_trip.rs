//! Writes a key to each peer, reads it from there and removes it.

use std::process;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use geecache::{ChangeStamp, Group, Loaded, PeerError, PeerErrorKind, PeerGetter};

use crate::check::finding::{Finding, Verdict};
use crate::cluster::{Cluster, Member};
use crate::format::{self, plural};
use crate::url_ring::UrlRing;

/// What is written ends by itself, should it not be removed.
const TTL: Duration = Duration::from_secs(60);
/// One of so many keys belongs to each peer, or its share is next to nothing.
const TRIED: usize = 1_000_000;
const VALUE: &str = "written by geecache check";
/// Why nothing is written to peers in Go.
const FOREIGN: &str = "it takes no values from others";
/// Why a peer has not what was written to it.
const OTHER_OWNER: &str =
    "the key is not its own there: do the lists, --hash and --replicas agree?";

pub(super) fn round_trips(cluster: &Cluster, group: &str) -> Finding {
    let handle = match cluster.group(group) {
        Ok(handle) => handle,
        Err(failure) => return Finding::new("keys", Verdict::Bad, failure.message),
    };
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let name = format!("geecache-check-{}-{begun}", process::id());
    let ring = cluster.ring();
    let trips = cluster.ask(|member| {
        let begun = Instant::now();
        let key =
            key_of(&ring, &name, &member.url).ok_or_else(|| "it owns next to no key".to_owned())?;
        let done = round_trip(member, &handle, &key);
        // Whatever went wrong, it is not to stay.
        handle.remove(&key);
        done.map(|()| begun.elapsed())
    });
    let line = |(member, trip): (&Member, &Result<Duration, String>)| match trip {
        Ok(_) => None,
        Err(why) => Some(format!("{}: {why}", member.url)),
    };
    let lines: Vec<String> = cluster.members.iter().zip(&trips).filter_map(line).collect();
    let all = plural(trips.len(), "peer");
    match trips.iter().flatten().max() {
        Some(slowest) if lines.is_empty() => {
            let slowest = format::time(*slowest);
            let told = format!("written, read and removed at {all}, the slowest in {slowest}");
            Finding::new("keys", Verdict::Good, told)
        }
        _ => {
            let is_foreign =
                |trip: &Result<Duration, String>| trip.as_ref().is_err_and(|why| why == FOREIGN);
            let foreign = trips.iter().filter(|trip| is_foreign(trip)).count();
            let verdict = if foreign == lines.len() { Verdict::Unknown } else { Verdict::Bad };
            let told = format!("not to be seen at {} of {all}", lines.len());
            Finding::new("keys", verdict, told).lines(lines)
        }
    }
}

/// A key that the peer at `url` owns, and that no other peer is asked for: owners of other zones
/// have it as well, and are emptied of it when the first of them is done.
fn key_of(ring: &UrlRing, name: &str, url: &str) -> Option<String> {
    let mut keys = (0..TRIED).map(|number| format!("{name}-{url}-{number}"));
    keys.find(|key| ring.is_owner(key, url))
}

/// An error tells what went wrong with a key of that peer.
fn round_trip(member: &Member, handle: &Group, key: &str) -> Result<(), String> {
    let group = handle.name();
    // By the peer itself, so that one that is down does not spoil what the others are asked for.
    let value = Loaded::from(VALUE).ttl(TTL);
    let inserted = member.getter.insert(group, key, &value, ChangeStamp::UNORDERED);
    let failed = |error: PeerError| match error.kind() {
        PeerErrorKind::NotSupported => FOREIGN.to_owned(),
        kind => format!("not written: {kind}"),
    };
    if !inserted.map_err(failed)? {
        return Err("written, and not kept: has the group room there?".to_owned());
    }
    // It tells of keys that it owns by its own list.
    let peek = || member.getter.peek(group, key).map_err(|error| format!("{}", error.kind()));
    match peek()?.as_ref().and_then(Loaded::value) {
        Some(value) if *value == VALUE => {}
        Some(_) => return Err("another value was read than was written".to_owned()),
        None => return Err(OTHER_OWNER.to_owned()),
    }
    member
        .getter
        .remove(group, &[key], ChangeStamp::UNORDERED)
        .map_err(|error| format!("not removed: {}", error.kind()))?;
    match peek()? {
        None => Ok(()),
        Some(_) => Err("the key is still there after its removal".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use geecache::consistenthash::Ring;

    use super::*;
    use crate::url_ring::Seat;

    #[test]
    fn owners_of_different_zones_are_not_asked_for_the_same_key() {
        let mut ring = UrlRing::new("a", Ring::new(NonZeroUsize::MIN));
        let seat = |url: &str, zone: &str| {
            let (name, zone) = (url.to_owned(), zone.to_owned());
            (url.to_owned(), Seat { name, weight: NonZeroUsize::MIN, zone })
        };
        ring.extend([seat("http://10.0.0.1:1", "a"), seat("http://10.0.0.2:1", "b")]);
        let keys = ["http://10.0.0.1:1", "http://10.0.0.2:1"].map(|url| key_of(&ring, "x", url));
        assert!(keys[0].is_some() && keys[1].is_some() && keys[0] != keys[1], "{keys:?}");
    }
}
