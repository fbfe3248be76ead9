//! Hand-overs: what a peer has of keys that have come to be this process's.

use crate::error::PeerError;
use crate::http::exchange::CallError;
use crate::http::exchange::Failure;
use crate::http::frame::handed::{self, HandOverRequest};
use crate::http::peer::frames;
use crate::http::peer::link::{Admit, Link};
use crate::http::verdict::Verdict;
use crate::peers::HandOverPart;
use crate::spans::PeerCall;

/// Nobody waits for a hand-over, and a process that has just begun may ask peers that are yet to
/// begin. That is no reason not to ask them for keys.
fn harmless(failure: Failure) -> Failure {
    match failure.verdict {
        Verdict::Answered => failure,
        _ => Failure { verdict: Verdict::Unclear, ..failure },
    }
}

/// Has the peer hand over the next part.
pub(super) fn hand_over(
    link: &Link,
    group: &str,
    session: u64,
    max_bytes: usize,
) -> Result<HandOverPart, PeerError> {
    let options = link.options();
    let Some(name) = &options.own_url else {
        return Err(link.error_of(frames::unsupported("a client owns no key")));
    };
    let max_bytes = max_bytes.min(handed::MAX_PART_BYTES);
    let frame = handed::encode_request(HandOverRequest { session, max_bytes, name });
    let part = link.call(Admit::IfUp, PeerCall::new("hand_over", group), |exchange| {
        let target = options.group(group)?;
        let part = frames::post(exchange, target, &frame, link.timeout(), |answer| {
            if answer.code() != 200 {
                return Err(CallError::Answer(answer.into_failure(options.protocol.wire())));
            }
            let body = answer.into_value(handed::MAX_FRAME_BYTES)?;
            Ok(handed::decode_part(&body).map_err(Failure::broken)?)
        });
        let unknown = || frames::unsupported("it does not know how to hand over");
        part.and_then(|part| part.ok_or_else(unknown)).map_err(harmless)
    });
    part.map_err(|failure| link.error_of(failure))
}
