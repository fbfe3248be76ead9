//! Errors of loads that tell nothing of the source: it was not asked, or it has answered.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// A peer asked for a text that is no key of the group's type.
#[derive(Debug)]
pub(crate) struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key is not of the type that the group's keys have")
    }
}

impl Error for NotAKey {}

/// The error of a codec, on its way through the group.
#[derive(Debug)]
pub(crate) struct EncodeFailed(pub(crate) Arc<dyn Error + Send + Sync>);

impl fmt::Display for EncodeFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value can not be encoded: {}", self.0)
    }
}

impl Error for EncodeFailed {}

/// Whether an error is one of these.
pub(crate) fn is_beside_source(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.is::<NotAKey>() || error.is::<EncodeFailed>()
}
