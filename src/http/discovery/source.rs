//! [`Discover`]: what a source of the list of peers is.

use crate::error::BoxError;

/// A source of the list of peers.
///
/// Closures that return such an answer are sources as well. The example `discover_http` is one over
/// an HTTP API.
///
/// # For those who implement it
///
/// It is called on a thread of the pool, one call at a time, and may block. A panic counts as an
/// error. It need not remember anything: what is missing for a moment is kept, see
/// [`Discovery`](crate::Discovery). While it blocks, peers that leave are not noticed either, so it
/// should have a time limit. One that holds the pool keeps it for ever.
pub trait Discover: Send + 'static {
    /// All peers by now, each as [`HttpPool::set_peers`](crate::HttpPool::set_peers) takes it;
    /// `None` if they are the same as the last time. The pool's own URL may be missing.
    ///
    /// # Errors
    ///
    /// Why there is no answer. The last list then stays in force, as it does after an answer
    /// without any peer.
    fn discover(&mut self) -> Result<Option<Vec<String>>, BoxError>;

    /// What logs call it. Defaults to "the source".
    fn name(&self) -> String {
        "the source".to_owned()
    }
}

impl<F> Discover for F
where
    F: FnMut() -> Result<Option<Vec<String>>, BoxError> + Send + 'static,
{
    fn discover(&mut self) -> Result<Option<Vec<String>>, BoxError> {
        self()
    }
}
