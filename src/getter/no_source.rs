//! [`NoSource`]: the getter of a program that only asks its peers.

use std::fmt;

use crate::error::BoxError;
use crate::getter::{Getter, Loaded};

/// The getter of a program that has no source of its own, and the error that it always returns.
///
/// [`Group::remote`](crate::Group::remote) makes such a group. For one with other options give this
/// to [`Group::builder`](crate::Group::builder), with
/// [`OwnerErrors::ReturnAll`](crate::OwnerErrors::ReturnAll):
///
/// ```
/// use geecache::{Error, Group, HotCache, NoSource, OwnerErrors};
///
/// let scores = Group::builder("scores", 64 << 20, NoSource)
///     .owner_errors(OwnerErrors::ReturnAll)
///     .hot_cache(HotCache::Off)
///     .build();
/// // It has no peers yet.
/// let Err(Error::Load { source, .. }) = scores.get("Tom") else { panic!("who has loaded it?") };
/// assert!(source.is::<NoSource>());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSource;

impl Getter for NoSource {
    fn get(&self, _key: &str) -> Result<Loaded, BoxError> {
        Err(Self.into())
    }
}

impl fmt::Display for NoSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no peer could be asked for it, and this process has no source")
    }
}

impl std::error::Error for NoSource {}
