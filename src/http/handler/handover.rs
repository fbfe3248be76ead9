//! Hands over to new owners what this process has of their keys.

use crate::group::Group;
use crate::http::frame::handed;
use crate::http::handler::replies::refuse;
use crate::http::handler::serving::Serving;
use crate::http::note::{Note, Status};
use crate::http::server::HttpResponse;
use crate::one_line::OneLine;
use crate::peers::{HandOverPart, HandOverState};

/// The next part of what a new owner comes for. Both sides must have the same list: by another one
/// other keys would be its own.
pub(super) fn hand_over(
    serving: &Serving,
    group: &Group,
    body: &[u8],
    note: &Note,
) -> Result<HttpResponse, HttpResponse> {
    let request = handed::decode_request(body).map_err(|error| {
        log::debug!("a peer sent {}", OneLine(&error));
        refuse(Status::BadRequest, error)
    })?;
    let part = if serving.identity.may_differ_from(note) {
        HandOverPart::empty(HandOverState::NotYet)
    } else {
        let max_bytes = request.max_bytes.min(handed::MAX_PART_BYTES);
        group.peer_side().hand_over(request.name, request.session, max_bytes)
    };
    let digest = note.digest.unwrap_or_default();
    serving.handed_over.note((request.name, group.name()), part.state, digest);
    Ok(HttpResponse {
        status: 200,
        content_type: "application/octet-stream",
        note: Note::default(),
        has_expires: false,
        headers: &[],
        body: handed::encode_part(&part).into(),
    })
}
