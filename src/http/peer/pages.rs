//! Pages: what a peer tells of itself, outside of the base path.

use std::time::{Duration, Instant};

use crate::byteview::ByteView;
use crate::error::{PeerError, PeerErrorKind};
use crate::http::exchange::{CallError, Failure, MAX_PATH_BYTES, Outgoing, Target};
use crate::http::note::Note;
use crate::http::peer::abilities::{Abilities, Program};
use crate::http::peer::link::Link;
use crate::http::verdict::Verdict;

/// Gets a page, of up to `limit` bytes, and ends within `left`.
///
/// The servers of GeeCache and groupcache panic at a path outside of their base path. They answer a
/// question that names no key with a plain 400, and so do our peers, whose header is beside it. So
/// that is what a peer is asked first, about once a minute.
pub(super) fn page(
    link: &Link,
    abilities: &Abilities,
    path: &str,
    limit: u64,
    left: Duration,
) -> Result<ByteView, PeerError> {
    let until = Instant::now() + left;
    let asked = || {
        let page = Outgoing::get(target_of(path)?);
        if program(link, abilities, left)? == Program::Foreign {
            let (kind, message) = (PeerErrorKind::NotSupported, "it is no peer of this crate");
            return Err(Failure::new(kind, Verdict::Unclear, message));
        }
        let left = until.saturating_duration_since(Instant::now());
        Link::needs_time(left)?;
        let asked = link.exchange().send(&page, left, |answer| match answer.code() {
            200 => answer.into_value(limit),
            _ => Err(CallError::Answer(answer.into_failure(link.options().protocol.wire()))),
        });
        asked.inspect_err(|_| abilities.doubt_program())
    };
    asked().map_err(|failure| link.error_of(failure))
}

fn target_of(path: &str) -> Result<Target, Failure> {
    if path.len() > MAX_PATH_BYTES {
        let message = format!("the key takes {} bytes of a request path, too many", path.len());
        return Err(Failure::new(PeerErrorKind::NotSupported, Verdict::Unclear, message));
    }
    Ok(Target { path: path.to_owned(), note: Note::default() })
}

/// Which program the peer is.
fn program(link: &Link, abilities: &Abilities, left: Duration) -> Result<Program, Failure> {
    if let Some(program) = abilities.program(link.now()) {
        return Ok(program);
    }
    Link::needs_time(left)?;
    let path = link.options().base_path.clone();
    let nothing = Outgoing::post(Target { path, note: Note::default() }, b"");
    let program = link.exchange().send(&nothing, left, |answer| {
        let program = answer.status().map_or(Program::Foreign, |_| Program::Ours);
        answer.drain();
        Ok(program)
    })?;
    abilities.saw(program, link.now());
    Ok(program)
}
