//! Makes the changes that peers of groupcache's forks ask for. They come without our note, by which
//! they are told from those of our peers, and whatever protocol the cluster speaks.

use std::time::SystemTime;

use crate::byteview::ByteView;
use crate::change::ChangeStamp;
use crate::getter::Loaded;
use crate::http::handler::replies::{done_for_foreign, refuse};
use crate::http::handler::serving::Serving;
use crate::http::note::{Note, Status};
use crate::http::protobuf;
use crate::http::protocol;
use crate::http::remove_keys::RemoveKeys;
use crate::http::server::{HttpRequest, HttpResponse};
use crate::one_line::OneLine;

/// No more than so many bytes of a message are kept beside its value.
const MAX_EXTRA_BYTES: usize = 1 << 10;

/// A value, in a message that names its key for the second time.
///
/// groupcache-go sends it to every peer, which is to keep it in its main cache, in case that the
/// peer becomes the owner.
pub(super) fn put(
    serving: &Serving,
    request: &HttpRequest<'_>,
) -> Result<HttpResponse, HttpResponse> {
    let (group, _) = serving.changed_key(request)?;
    let set = protobuf::decode_set(request.body).map_err(|error| refuse_body(&error))?;
    if set.group != group.name() {
        return Err(refuse_other_group());
    }
    // As their servers do, we take the key from the message. In the path some clients mean a space
    // by a plus.
    if set.key.is_empty() {
        return Err(refuse(Status::BadRequest, "bad request"));
    }
    let extra = request.body.len() - set.value.len();
    let value = if extra > MAX_EXTRA_BYTES {
        ByteView::from(&request.body[set.value])
    } else {
        request.body_to_keep().slice(set.value)
    };
    let ttl = protocol::time_left(set.expire, SystemTime::now());
    let loaded = ttl.into_iter().fold(Loaded::from(value), Loaded::ttl);
    group.peer_side().insert_as_owner(set.key, loaded);
    Ok(done_for_foreign())
}

/// The removal of a key, or of all of them.
pub(super) fn delete(
    serving: &Serving,
    request: &HttpRequest<'_>,
) -> Result<HttpResponse, HttpResponse> {
    if serving.names_group_alone(request) {
        serving.group_alone(request, &Note::default())?.peer_side().clear(ChangeStamp::UNORDERED);
        return Ok(done_for_foreign());
    }
    let (group, key) = serving.changed_key(request)?;
    if key.is_empty() {
        return Err(refuse(Status::BadRequest, "bad request"));
    }
    group.peer_side().remove(&[&key], ChangeStamp::UNORDERED);
    Ok(done_for_foreign())
}

/// The removal of the keys that a body lists.
pub(super) fn remove_keys(
    serving: &Serving,
    request: &HttpRequest<'_>,
) -> Result<HttpResponse, HttpResponse> {
    let (group, _) = serving.changed_key(request)?;
    let removed = RemoveKeys::read(request.body).map_err(|error| refuse_body(&error))?;
    if removed.group.as_ref().is_some_and(|name| name != group.name()) {
        return Err(refuse_other_group());
    }
    removed.keys().for_each(|key| group.peer_side().remove(&[&key], ChangeStamp::UNORDERED));
    Ok(done_for_foreign())
}

fn refuse_body(error: &dyn std::fmt::Display) -> HttpResponse {
    log::debug!("a peer sent a change that can't be read: {}", OneLine(error));
    refuse(Status::BadRequest, error)
}

fn refuse_other_group() -> HttpResponse {
    refuse(Status::BadRequest, "the path names another group than the body")
}
