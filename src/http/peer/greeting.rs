//! Greetings: who is there, in which zone, and which list it has. They are a `POST` to the base
//! path, which names no group: peers in Go answer 400.

use std::sync::Arc;
use std::time::Duration;

use crate::http::exchange::{CallError, Failure, Outgoing, Target};
use crate::http::listed::{self, MAX_ZONE_BYTES};
use crate::http::note::{Note, Status};
use crate::http::peer::link::{Admit, Link};
use crate::http::verdict::Verdict;
use crate::spans::PeerCall;

/// How long a greeting may take, however long other requests may.
const GREETING_WITHIN: Duration = Duration::from_millis(500);

/// How a greeting ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// A peer of this crate answered, and told who it is, and its zone if it has one. It may be
    /// this very process by another name.
    Ours(Option<Arc<str>>),
    /// Another program answered.
    Foreign,
    /// It has left the list, and is about to end.
    HasLeft,
    /// Nothing listens there.
    Refused,
    /// There was no answer, or one of a peer that has nothing to do with us.
    Failed,
}

/// Greets the peer, up or down. Each side learns the other's list, and the peer whether this
/// process leaves. The body is for its [gossip](crate::http::discovery).
pub(super) fn greet(link: &Link, body: &[u8]) -> Greeting {
    let greeted = link.call(Admit::Always, PeerCall::new("greet", ""), |exchange| {
        let options = link.options();
        let identity = &options.exchange.identity;
        let status = identity.has_left().then_some(Status::HasLeft);
        let note = Note { status, ..identity.note() };
        let target = Target { path: options.base_path.clone(), note };
        exchange.send(
            &Outgoing::post(target, body),
            link.timeout().min(GREETING_WITHIN),
            |answer| {
                let is_ours = answer.note().is_ok_and(|note| note.incarnation.is_some());
                if answer.status() == Some(Status::HasLeft) {
                    answer.drain();
                    return Ok(Greeting::HasLeft);
                }
                if answer.status() == Some(Status::Itself) {
                    answer.drain();
                    return Ok(Greeting::Ours(identity.zone().cloned()));
                }
                // One without our status is of a proxy that does not reach the peer.
                if answer.status().is_some() || answer.code() >= 500 {
                    return Err(CallError::Answer(answer.into_failure(options.protocol.wire())));
                }
                if !is_ours {
                    answer.drain();
                    return Ok(Greeting::Foreign);
                }
                if answer.code() != 200 {
                    answer.drain();
                    return Ok(Greeting::Ours(None));
                }
                let body = answer.into_value(MAX_ZONE_BYTES as u64)?;
                let zone = std::str::from_utf8(&body).ok().and_then(listed::zone);
                Ok(Greeting::Ours(zone))
            },
        )
    });
    greeted.unwrap_or_else(|failure| match failure {
        Failure { verdict: Verdict::Refused, .. } => Greeting::Refused,
        _ => Greeting::Failed,
    })
}
