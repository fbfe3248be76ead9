//! Makes the changes that peers ask for.

use crate::getter::Loaded;
use crate::group::Group;
use crate::http::handler::replies::{done, refuse};
use crate::http::handler::serving::Serving;
use crate::http::note::{self, Note, Status};
use crate::http::server::{HttpRequest, HttpResponse};
use crate::http::since;

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
    let loaded = note.mark(loaded);
    let side = group.peer_side();
    // Who waits no longer has told others that the value is not there. (A client without a stamp
    // may end its side of the connection when it has sent all.)
    let is_late = note.timeout.is_some_and(|timeout| request.came.elapsed() > timeout);
    if is_late || note.stamp().is_ordered() && (request.is_given_up)() {
        return Err(refuse(Status::Late, side.refuse_insert(&key, note.stamp())));
    }
    let is_kept = side.insert(&key, loaded, note.stamp());
    let is_kept = is_kept.map_err(|late| refuse(Status::Late, late))?;
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
        serving.group_alone(request, note)?.peer_side().clear(note.stamp());
        return Ok(done());
    }
    let (group, key) = serving.group_and_key(request, note)?;
    if key.is_empty() {
        return Err(refuse(Status::BadRequest, "bad request"));
    }
    group.peer_side().remove(&[&key], note.stamp());
    Ok(done())
}

/// The keys that were changed since the mark that is the only key of a frame. An empty one is none.
pub(super) fn since(group: &Group, keys: &[&str]) -> Result<HttpResponse, HttpResponse> {
    let &[asked] = keys else {
        return Err(refuse(Status::BadRequest, "changes are asked for by one mark"));
    };
    let told = group.peer_side().changes_since(note::mark(asked.as_bytes()));
    Ok(HttpResponse {
        content_type: "application/octet-stream",
        ..HttpResponse::text(200, since::encode(&told))
    })
}
