//! [`TypedOld`]: a value that the cache still has, for a getter that asks whether it has changed.

use std::fmt;

use crate::byteview::ByteView;
use crate::error::BoxError;
use crate::getter::Loaded;
use crate::typed::codec::{Codec, try_decode};

/// A value that the cache still has; for [`TypedGetter::refresh`](crate::TypedGetter::refresh).
pub struct TypedOld<'a, V> {
    loaded: &'a Loaded,
    codec: &'a dyn Codec<V>,
}

impl<'a, V: 'static> TypedOld<'a, V> {
    pub(super) fn new(loaded: &'a Loaded, codec: &'a dyn Codec<V>) -> Self {
        Self { loaded, codec }
    }

    /// The value. It is decoded with each call.
    ///
    /// # Errors
    ///
    /// The codec's, for what a program of another version has written.
    pub fn decode(&self) -> Result<V, BoxError> {
        try_decode(self.codec, self.bytes())
    }

    /// The [version](crate::TypedLoaded::version) that the value was given, where it was given one:
    /// enough to ask a source whether it has a newer one.
    #[must_use]
    pub fn version_number(&self) -> Option<u64> {
        self.loaded.version_number()
    }

    /// What the codec made of it, for one that can tell without decoding all of it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.loaded.value().map_or(&[], ByteView::as_slice)
    }
}

impl<V> fmt::Debug for TypedOld<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TypedOld").field("loaded", self.loaded).finish_non_exhaustive()
    }
}
