//! Frames, sent and read: what batches, peeks and removals have in common.
//!
//! They may be sent to peers that do not know them, and do no harm there; see the
//! [wire](crate::http::wire).

use std::time::Duration;

use crate::error::PeerErrorKind;
use crate::http::exchange::{CallError, Exchange, Failure, Incoming, Outgoing, Target};
use crate::http::frame::{self, KeyAnswer};
use crate::http::note::Status;
use crate::http::peer::options::PeerOptions;
use crate::http::verdict::Verdict;
use crate::one_line::OneLine;

/// Posts a frame; `None` when the peer does not know such frames.
pub(super) fn post<T>(
    exchange: &Exchange,
    target: Target,
    frame: &[u8],
    left: Duration,
    read: impl FnOnce(Incoming) -> Result<T, CallError>,
) -> Result<Option<T>, Failure> {
    exchange.send(&Outgoing::post(target, frame), left, |answer| {
        match answer.status() {
            // It knows batches, but no such frame; or it is not the address of a group.
            Some(Status::BadRequest | Status::NotSupported) => {}
            None if matches!(answer.code(), 400 | 404 | 405) => {}
            _ => return read(answer).map(Some),
        }
        answer.drain();
        Ok(None)
    })
}

/// Reads the answers about `count` keys. All of them are [left](KeyAnswer::Left) where the frame is
/// too long to be taken.
pub(super) fn read_answers(
    answer: Incoming,
    options: &PeerOptions,
    count: usize,
) -> Result<Vec<KeyAnswer>, CallError> {
    if answer.code() != 200 {
        return Err(CallError::Answer(answer.into_failure(options.protocol.wire())));
    }
    let more = frame::MAX_VALUES_BYTES + frame::MAX_ANSWER_OVERHEAD_BYTES;
    let limit = options.max_value_bytes.saturating_add(more as u64);
    let body = match answer.into_value(limit) {
        Err(CallError::Answer(failure)) if failure.verdict == Verdict::Answered => {
            log::debug!("the answer to a batch is too long: {}", OneLine(&failure.message));
            return Ok(vec![KeyAnswer::Left; count]);
        }
        other => other?,
    };
    Ok(frame::decode_answers(&body, count).map_err(Failure::broken)?)
}

/// The peer answered, and does not know the operation.
pub(super) fn unsupported(message: &str) -> Failure {
    Failure::new(PeerErrorKind::NotSupported, Verdict::Answered, message)
}

/// Whether a peer answered that it does not know the operation.
pub(super) fn is_unsupported(failure: &Failure) -> bool {
    failure.kind == PeerErrorKind::NotSupported && failure.verdict == Verdict::Answered
}
