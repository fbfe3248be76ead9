//! The errors of the load path.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Deadline;
use crate::error::{BoxError, Error};
use crate::getter::SharedError;

/// What went wrong, for all who have to know.
pub(super) type SharedCause = Arc<dyn std::error::Error + Send + Sync>;

pub(crate) fn not_found(group: &str, key: &str) -> Error {
    Error::NotFound { group: group.to_owned(), key: key.to_owned() }
}

pub(super) fn reentrant(group: &str, key: &str) -> Error {
    Error::ReentrantLoad { group: group.to_owned(), key: key.to_owned() }
}

pub(super) fn too_deep(group: &str, key: &str, levels: usize) -> Error {
    Error::NestedTooDeep { group: group.to_owned(), key: key.to_owned(), levels }
}

pub(super) fn overloaded(group: &str, key: &str) -> Error {
    Error::Overloaded { group: group.to_owned(), key: key.to_owned() }
}

pub(super) fn source_down(
    group: &str,
    key: &str,
    retry_after: Duration,
    source: SharedCause,
) -> Error {
    Error::SourceDown { group: group.to_owned(), key: key.to_owned(), retry_after, source }
}

pub(super) fn timed_out(group: &str, key: &str, deadline: Option<Deadline>) -> Error {
    let timeout = deadline.map_or(Duration::ZERO, |deadline| deadline.timeout);
    Error::TimedOut { group: group.to_owned(), key: key.to_owned(), timeout }
}

pub(super) fn load_failed(group: &str, key: &str, source: SharedCause) -> Error {
    Error::Load { group: group.to_owned(), key: key.to_owned(), source }
}

/// The error of a getter, which may be that of many keys.
pub(super) fn shared(error: BoxError) -> SharedCause {
    match error.downcast::<SharedError>() {
        Ok(shared) => shared.0,
        Err(error) => error.into(),
    }
}

/// What a getter that panicked on another thread counts as.
#[derive(Debug)]
pub(super) struct GetterPanicked;

impl fmt::Display for GetterPanicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the getter panicked")
    }
}

impl std::error::Error for GetterPanicked {}
