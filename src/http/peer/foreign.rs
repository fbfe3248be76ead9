//! Changes as the peers of groupcache's forks know them.
//!
//! They are sent without a note. Where one of our peers has come in the place of such a peer, it
//! understands them all the same.

use std::time::{Duration, SystemTime};

use crate::getter::Loaded;
use crate::http::exchange::{CallError, Failure, Incoming, Outgoing, Target};
use crate::http::frame;
use crate::http::peer::frames;
use crate::http::peer::link::{Admit, Link};
use crate::http::peer::options::PeerOptions;
use crate::http::protobuf;
use crate::http::protocol::{self, ForeignChanges};
use crate::http::remove_keys;
use crate::spans::PeerCall;

/// Has the peer forget `keys`.
pub(super) fn remove(link: &Link, group: &str, keys: &[&str]) -> Result<(), Failure> {
    let knows_many = link.options().protocol.wire().changes == ForeignChanges::OfManyKeys;
    if knows_many && keys.len() > 1 {
        match remove_together(link, group, keys) {
            // groupcache-go knows this from 3.4 on.
            Err(failure) if frames::is_unsupported(&failure) => {}
            other => return other,
        }
    }
    let mut too_long = Ok(());
    for key in keys {
        match link.options().key(group, key) {
            Ok(target) => send(link, PeerCall::new("remove", group), Outgoing::delete(target))?,
            // The others can be removed.
            Err(failure) => too_long = Err(failure),
        }
    }
    too_long
}

/// Has the peer keep a value. Whether it is there now: the forks have no word for a key that does
/// not exist, so in place of such a word the older value is removed.
pub(super) fn insert(
    link: &Link,
    group: &str,
    key: &str,
    loaded: &Loaded,
) -> Result<bool, Failure> {
    let ttl = loaded.time_to_live();
    let (Some(value), true) = (loaded.value(), ttl != Some(Duration::ZERO)) else {
        return remove(link, group, &[key]).map(|()| false);
    };
    let options = link.options();
    options.validate_length(value)?;
    let expire = protocol::expire_after(ttl, SystemTime::now());
    let message = protobuf::encode_set(group, key, value, expire);
    let request = Outgoing::put(options.key(group, key)?, &message);
    send(link, PeerCall::new("insert", group), request).map(|()| true)
}

fn remove_together(link: &Link, group: &str, mut keys: &[&str]) -> Result<(), Failure> {
    while !keys.is_empty() {
        let (next, later) = keys.split_at(frame::fitting(keys).max(1));
        let Target { path, note } = link.options().group(group)?;
        let target = Target { path: format!("{path}/{}", remove_keys::PATH), note };
        let body = remove_keys::write(group, next);
        send(link, PeerCall::new("remove", group), Outgoing::post(target, body.as_bytes()))?;
        keys = later;
    }
    Ok(())
}

fn send(link: &Link, about: PeerCall<'_>, request: Outgoing<'_>) -> Result<(), Failure> {
    let request = request.without_note();
    link.call(Admit::Always, about, |exchange| {
        exchange.send(&request, link.timeout(), |answer| read_done(answer, link.options()))
    })
}

/// Whether the peer made a change: it says so by a 200 with nothing behind it. A value would be the
/// answer of a peer that ignores the method.
fn read_done(answer: Incoming, options: &PeerOptions) -> Result<(), CallError> {
    let is_value = answer.header("content-type") == Some(b"application/x-protobuf");
    let is_done = match answer.code() {
        200 => !answer.drain() && !is_value,
        400 | 405 | 501 => {
            answer.drain();
            false
        }
        _ => return Err(CallError::Answer(answer.into_failure(options.protocol.wire()))),
    };
    let unsupported = || frames::unsupported("it does not know how to change what it has");
    if is_done { Ok(()) } else { Err(CallError::Answer(unsupported())) }
}

#[cfg(test)]
mod tests;
