//! The get of one key, as every peer of GeeCache knows it.

use std::time::{Duration, SystemTime};

use crate::error::PeerErrorKind;
use crate::getter::Loaded;
use crate::http::exchange::{CallError, Failure, Incoming, Outgoing};
use crate::http::note::Note;
use crate::http::peer::link::{Admit, Link};
use crate::http::peer::news;
use crate::http::peer::options::PeerOptions;
use crate::http::protocol::Coded;
use crate::http::verdict::Verdict;
use crate::origin::Origin;
use crate::spans::PeerCall;

/// Asks for `key` in `group`, and ends within `left`, or the timeout of the options if that is
/// shorter.
pub(super) fn get(link: &Link, group: &str, key: &str, left: Duration) -> Result<Loaded, Failure> {
    Link::needs_time(left)?;
    link.call(Admit::IfUp, PeerCall::new("get", group), |exchange| {
        let options = link.options();
        let request = Outgoing::get(news::asking(options, options.key(group, key)?));
        let read = |answer| {
            news::hear(link, group, &answer);
            read(answer, options)
        };
        match exchange.send(&request, left, read) {
            Err(Failure { kind: PeerErrorKind::NotFound, note, .. }) => {
                Ok(with_note(Loaded::absent(), &note))
            }
            other => other,
        }
    })
}

/// Reads a value.
pub(super) fn read(answer: Incoming, options: &PeerOptions) -> Result<Loaded, CallError> {
    let note = answer.note()?;
    let wire = options.protocol.wire();
    if answer.code() == 200 {
        if let Some(theirs) = note.protocol.filter(|&theirs| theirs != options.protocol) {
            let (theirs, ours) = (theirs.name(), options.protocol.name());
            answer.drain();
            let message = format!("it answers in the protocol {theirs}, and not in {ours}");
            let kind = PeerErrorKind::Protocol;
            return Err(CallError::Answer(Failure::new(kind, Verdict::Answered, message)));
        }
        let limit = options.max_value_bytes.saturating_add(wire.overhead_bytes);
        let expires = answer.header("expires").map(<[u8]>::to_vec);
        let body = answer.into_value(limit)?;
        let coded = Coded { body, expires: expires.as_deref() };
        let value = wire.decode(coded, SystemTime::now()).map_err(Failure::broken)?;
        // Where the answer tells it too, the header counts, as it needs no clocks that agree.
        return Ok(with_note(value, &note));
    }
    Err(CallError::Answer(Failure { note, ..answer.into_failure(wire) }))
}

fn with_note(loaded: Loaded, note: &Note) -> Loaded {
    let loaded = note.mark(loaded);
    if note.is_hit { loaded.came_from(Origin::Memory) } else { loaded }
}

#[cfg(test)]
mod tests;
