//! The errors of the load path.

use std::fmt;
use std::time::Duration;

use crate::clock::Deadline;
use crate::error::{BoxError, Error};
use crate::getter::SharedError;

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

pub(super) fn timed_out(group: &str, key: &str, deadline: Option<Deadline>) -> Error {
    let timeout = deadline.map_or(Duration::ZERO, |deadline| deadline.timeout);
    Error::TimedOut { group: group.to_owned(), key: key.to_owned(), timeout }
}

pub(super) fn load_failed(group: &str, key: &str, source: BoxError) -> Error {
    let source = match source.downcast::<SharedError>() {
        Ok(shared) => shared.0,
        Err(source) => source.into(),
    };
    Error::Load { group: group.to_owned(), key: key.to_owned(), source }
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
