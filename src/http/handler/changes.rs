//! Makes the changes that peers ask for.

use crate::getter::Loaded;
use crate::http::handler::replies::{done, refuse};
use crate::http::handler::serving::Serving;
use crate::http::note::{Note, Status};
use crate::http::server::{HttpRequest, HttpResponse};

/// A value, or the word that there is none, from a peer that knows.
pub(super) fn put(
    serving: &Serving,
    request: &HttpRequest<'_>,
    note: &Note,
) -> Result<HttpResponse, HttpResponse> {
    let (group, key) = serving.group_and_key(request, note)?;
    if key.is_empty() {
        return Err(refuse(Status::BadRequest, "bad request"));
    }
    let loaded = match note.status {
        Some(Status::NotFound) => Loaded::absent(),
        _ => Loaded::from(request.body_to_keep()),
    };
    let is_kept = group.peer_side().insert(&key, note.ttl.into_iter().fold(loaded, Loaded::ttl));
    Ok(if is_kept { done() } else { not_kept() })
}

/// The older value is gone, and the new one is not kept. Peers that do not know this status take it
/// for done.
fn not_kept() -> HttpResponse {
    let mut response = done();
    response.note = Note::of(Status::NotKept);
    response
}

/// The removal of a key, or of all of them.
pub(super) fn delete(
    serving: &Serving,
    request: &HttpRequest<'_>,
    note: &Note,
) -> Result<HttpResponse, HttpResponse> {
    if serving.names_group_alone(request) {
        serving.group_alone(request, note)?.peer_side().clear();
        return Ok(done());
    }
    let (group, key) = serving.group_and_key(request, note)?;
    if key.is_empty() {
        return Err(refuse(Status::BadRequest, "bad request"));
    }
    group.peer_side().remove(&[&key]);
    Ok(done())
}
