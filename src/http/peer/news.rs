//! What a peer tells of the changes that were made there.

use std::time::Duration;

use crate::change::{ChangeMark, ChangesSince};
use crate::error::PeerError;
use crate::http::exchange::{CallError, Failure, Incoming, Target};
use crate::http::frame::{self, Operation};
use crate::http::note::{self, InOrder, Note};
use crate::http::peer::frames;
use crate::http::peer::link::{Admit, Link};
use crate::http::peer::options::PeerOptions;
use crate::http::since;
use crate::spans::PeerCall;

/// The target of a get, whose answer tells of changes if they are of interest.
pub(super) fn asking(options: &PeerOptions, target: Target) -> Target {
    if options.hears_news() { target.with_news() } else { target }
}

/// Hears what the answer to a get tells of changes. This comes before the answer is given away: who
/// has the answer knows how new it is.
pub(super) fn hear(link: &Link, group: &str, answer: &Incoming) {
    if link.options().hears_news() {
        if let Ok(Note { order: InOrder::Mark(mark), .. }) = answer.note() {
            link.marks().hear(group, mark);
        }
    }
}

/// The answer comes from memory. It may be longer than what is looked up there for others, and gets
/// so many times as long.
const PEEKS: u32 = 10;
/// It gets no longer than that: who waits for it has its value.
const MAX_TIME: Duration = Duration::from_millis(250);

/// Asks which keys were changed since `mark`.
pub(super) fn changes_since(
    link: &Link,
    group: &str,
    mark: Option<ChangeMark>,
) -> Result<ChangesSince, PeerError> {
    let left = link.options().peek_timeout.saturating_mul(PEEKS).min(MAX_TIME);
    ask(link, group, mark, left).map_err(|failure| link.error_of(failure))
}

fn ask(
    link: &Link,
    group: &str,
    mark: Option<ChangeMark>,
    left: Duration,
) -> Result<ChangesSince, Failure> {
    Link::needs_time(left)?;
    link.call(Admit::IfUp, PeerCall::new("changes_since", group), |exchange| {
        let options = link.options();
        let mark = mark.map_or_else(String::new, note::mark_text);
        let frame = frame::encode_request(Operation::Changes, &[&mark]);
        let told = frames::post(exchange, options.group(group)?, &frame, left, |answer| {
            read(answer, options)
        })?;
        told.ok_or_else(|| frames::unsupported("it does not know how to tell of changes"))
    })
}

fn read(answer: Incoming, options: &PeerOptions) -> Result<ChangesSince, CallError> {
    if answer.code() != 200 {
        return Err(CallError::Answer(answer.into_failure(options.protocol.wire())));
    }
    let body = answer.into_value(frame::MAX_REQUEST_BYTES as u64)?;
    Ok(since::decode(&body).map_err(Failure::broken)?)
}
