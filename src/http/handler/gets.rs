//! Answers what peers want to have: a value, many of them, or what is in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use crate::change::ChangeMark;
use crate::error::{Error, PeerErrorKind};
use crate::getter::Loaded;
use crate::group::{Group, PeerSide};
use crate::http::frame::{self, AnswerRef};
use crate::http::handler::replies::refuse;
use crate::http::handler::serving::Serving;
use crate::http::note::{InOrder, Note, Status};
use crate::http::server::{HttpRequest, HttpResponse};

/// One value.
pub(super) fn get(
    serving: &Serving,
    request: &HttpRequest<'_>,
    note: &Note,
) -> Result<HttpResponse, HttpResponse> {
    let (group, key) = serving.group_and_key(request, note)?;
    let mark = mark_for(&group, note);
    let serve = || match note.timeout {
        Some(timeout) => side_for(&group, note).get_timeout(&key, timeout),
        None => side_for(&group, note).get(&key),
    };
    match unless_panicked(serving, &group, &key, serve)? {
        Ok(loaded) => Ok(marked(value(serving, &group, &key, &loaded), mark)),
        Err(error) => Err(refuse_for(&error)),
    }
}

/// The values of many keys.
pub(super) fn get_many(
    serving: &Serving,
    group: &Group,
    keys: &[&str],
    note: &Note,
) -> Result<HttpResponse, HttpResponse> {
    let first = keys.first().copied().unwrap_or_default();
    let mark = mark_for(group, note);
    let serve = || match note.timeout {
        Some(timeout) => {
            side_for(group, note).get_some_timeout(keys, frame::MAX_VALUES_BYTES, timeout)
        }
        None => side_for(group, note).get_some(keys, frame::MAX_VALUES_BYTES),
    };
    let answers = unless_panicked(serving, group, first, serve)?;
    let answers = answers.iter().map(|served| served.as_ref().map_or(AnswerRef::Left, answer));
    Ok(marked(many(answers, frame::MAX_VALUES_BYTES), mark))
}

/// The mark of a group, if the asker wants it. It is taken before the values are: they are as new
/// as that, or newer.
fn mark_for(group: &Group, note: &Note) -> Option<ChangeMark> {
    (note.order == InOrder::MarkWanted).then(|| group.peer_side().change_mark())
}

fn marked(mut response: HttpResponse, mark: Option<ChangeMark>) -> HttpResponse {
    response.note.order = mark.map_or(InOrder::Nothing, InOrder::Mark);
    response
}

fn side_for<'g>(group: &'g Group, note: &Note) -> PeerSide<'g> {
    let side = group.peer_side();
    note.nested.map_or(side, |chain| side.nested(chain))
}

/// What is in memory of many keys, and never a load.
pub(super) fn peek_many(group: &Group, keys: &[&str]) -> HttpResponse {
    let peeked: Vec<Option<Loaded>> = keys.iter().map(|key| group.peer_side().peek(key)).collect();
    many(peeked.iter().map(in_memory), frame::MAX_PEEKED_BYTES)
}

/// What is in memory of one key, as a peer of another program asks for it, and never a load.
pub(super) fn peek(
    serving: &Serving,
    request: &HttpRequest<'_>,
    note: &Note,
) -> Result<HttpResponse, HttpResponse> {
    let (group, key) = serving.peeked_key(request, note)?;
    let loaded = group.peer_side().peek(&key).unwrap_or_else(Loaded::absent);
    Ok(value(serving, &group, &key, &loaded))
}

/// The values of those keys that are in memory.
pub(super) fn held(group: &Group, keys: &[&str], note: &Note) -> HttpResponse {
    let mark = mark_for(group, note);
    let held = group.peer_side().held_some(keys, frame::MAX_PEEKED_BYTES);
    marked(many(held.iter().map(in_memory), frame::MAX_PEEKED_BYTES), mark)
}

fn in_memory(found: &Option<Loaded>) -> AnswerRef<'_> {
    found.as_ref().map_or(AnswerRef::NotCached, AnswerRef::Loaded)
}

/// The answer about a key that was loaded.
fn value(serving: &Serving, group: &Group, key: &str, loaded: &Loaded) -> HttpResponse {
    let ttl = loaded.time_to_live();
    let mut response = match loaded.value() {
        Some(value) => {
            let wire = serving.protocol.wire();
            HttpResponse {
                status: 200,
                content_type: wire.content_type,
                note: Note { protocol: Some(serving.protocol), ..Note::default() },
                has_expires: wire.has_expires,
                headers: &[],
                body: wire.encode(value, ttl, SystemTime::now()).into(),
            }
        }
        None => {
            let text = format!("no {key:?} in group {:?}", group.name());
            refuse(Status::NotFound, text)
        }
    };
    response.note = response.note.with(loaded);
    response.note.is_hit = loaded.origin().is_memory();
    response
}

fn many<'a>(
    answers: impl ExactSizeIterator<Item = AnswerRef<'a>> + Clone,
    max_bytes: usize,
) -> HttpResponse {
    HttpResponse {
        status: 200,
        content_type: "application/octet-stream",
        note: Note::default(),
        has_expires: false,
        headers: &[],
        body: frame::encode_answers(answers, max_bytes).into(),
    }
}

/// What `serve` returns; a refusal if the getter of `group` panics in it.
fn unless_panicked<T>(
    serving: &Serving,
    group: &Group,
    key: &str,
    serve: impl FnOnce() -> T,
) -> Result<T, HttpResponse> {
    // A server would catch it as well, but would answer without our header.
    catch_unwind(AssertUnwindSafe(serve)).map_err(|panic| {
        // Its drop may panic as well.
        std::mem::forget(panic);
        let group = group.name();
        if let Some(again) = serving.repeats.due(("the getter panicked", group)) {
            log::error!("the getter of group {group:?} panicked on {key:?}{again}");
        }
        refuse(Status::LoadFailed, "the getter panicked")
    })
}

/// The answer to a request that got `error` and no value.
fn refuse_for(error: &Error) -> HttpResponse {
    match error {
        Error::EmptyKey => refuse(Status::BadRequest, "bad request"),
        Error::TimedOut { .. } => refuse(Status::TimedOut, error),
        Error::Overloaded { .. } => refuse(Status::Overloaded, error),
        // The getter's own words, as GeeCache's peers send them.
        Error::Load { source, .. } => refuse(Status::LoadFailed, source),
        _ => refuse(Status::LoadFailed, error),
    }
}

/// What is told of a key of a batch: the same as in the answer to a single get.
fn answer(served: &Result<Loaded, Error>) -> AnswerRef<'_> {
    let error = match served {
        Ok(loaded) => return AnswerRef::Loaded(loaded),
        Err(error) => error,
    };
    let (kind, message) = match error {
        Error::EmptyKey => (PeerErrorKind::Protocol, "bad request".to_owned()),
        Error::TimedOut { .. } => (PeerErrorKind::TimedOut, error.to_string()),
        Error::Overloaded { .. } => (PeerErrorKind::Overloaded, error.to_string()),
        Error::Load { source, .. } => (PeerErrorKind::Load, source.to_string()),
        _ => (PeerErrorKind::Load, error.to_string()),
    };
    AnswerRef::Failed(kind, message.into())
}
