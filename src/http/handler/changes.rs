//! Makes the changes that peers ask for.

use crate::byteview::ByteView;
use crate::getter::Loaded;
use crate::http::handler::replies::{done, refuse};
use crate::http::handler::serving::Serving;
use crate::http::server::{HttpRequest, HttpResponse};
use crate::http::wire::{self, Status};

/// A value, or the word that there is none, from a peer that knows.
pub(super) fn put(
    serving: &Serving,
    request: &HttpRequest<'_>,
) -> Result<HttpResponse, HttpResponse> {
    let (group, key) = serving.group_and_key(request)?;
    let ttl = request.header(wire::TTL_HEADER).map(wire::decode_millis);
    if key.is_empty() || ttl == Some(None) {
        return Err(refuse(Status::BadRequest, "bad request"));
    }
    let is_absent = request
        .header(wire::STATUS_HEADER)
        .is_some_and(|name| Status::read(404, Some(name)) == Some(Status::NotFound));
    let loaded =
        if is_absent { Loaded::absent() } else { Loaded::from(ByteView::from(request.body)) };
    let loaded = ttl.flatten().into_iter().fold(loaded, Loaded::ttl);
    let is_kept = group.peer_side().insert(&key, loaded);
    Ok(if is_kept { done() } else { not_kept() })
}

/// The older value is gone, and the new one is not kept. Peers that do not know this status take it
/// for done.
fn not_kept() -> HttpResponse {
    let mut response = done();
    response.headers.push((wire::STATUS_HEADER, Status::NotKept.name().to_owned()));
    response
}

/// The removal of a key, or of all of them.
pub(super) fn delete(
    serving: &Serving,
    request: &HttpRequest<'_>,
) -> Result<HttpResponse, HttpResponse> {
    if serving.names_group_alone(request) {
        serving.group_alone(request)?.peer_side().clear();
        return Ok(done());
    }
    let (group, key) = serving.group_and_key(request)?;
    if key.is_empty() {
        return Err(refuse(Status::BadRequest, "bad request"));
    }
    group.peer_side().remove(&[&key]);
    Ok(done())
}
