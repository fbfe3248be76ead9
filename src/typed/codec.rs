//! [`Codec`]: how a value becomes bytes, and a value again.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::BoxError;

/// Makes bytes of values and values of bytes, for a [`TypedGroup`](crate::TypedGroup).
///
/// With the feature `serde` there are `Json` and `Postcard` for all types that serde knows. One's
/// own takes a few lines:
///
/// ```
/// use geecache::{BoxError, Codec};
///
/// struct Celsius(i16);
///
/// /// Two bytes, the higher one first.
/// struct BigEndian;
///
/// impl Codec<Celsius> for BigEndian {
///     fn encode(&self, value: &Celsius) -> Result<Vec<u8>, BoxError> {
///         Ok(value.0.to_be_bytes().into())
///     }
///
///     fn decode(&self, bytes: &[u8]) -> Result<Celsius, BoxError> {
///         Ok(Celsius(i16::from_be_bytes(bytes.try_into()?)))
///     }
/// }
/// ```
///
/// # For those who implement it
///
/// * `decode` gets what any peer has sent, of any version of the program. It should return an error
///   for what it did not write itself, and bound what it allocates by the length of the bytes. A
///   value that a peer has and that can't be decoded is loaded here; one that is decoded to
///   something wrong is not noticed.
/// * What `decode` makes of the bytes of `encode` is what callers see, also in the process that
///   loaded the value.
/// * A panic of `decode` counts as an error of it, and one of `encode` as one of the getter, or of
///   the caller who inserts.
pub trait Codec<V>: Send + Sync + 'static {
    /// The bytes of a value.
    ///
    /// # Errors
    ///
    /// When the value has no such form. Callers get it as the source of
    /// [`Error::Encode`](crate::Error::Encode).
    fn encode(&self, value: &V) -> Result<Vec<u8>, BoxError>;

    /// The value with these bytes.
    ///
    /// # Errors
    ///
    /// When there is none. The group then loads the value here.
    fn decode(&self, bytes: &[u8]) -> Result<V, BoxError>;
}

/// What a codec makes of bytes. A panic is an error.
pub(super) fn try_decode<V: 'static>(codec: &dyn Codec<V>, bytes: &[u8]) -> Result<V, BoxError> {
    catch_unwind(AssertUnwindSafe(|| codec.decode(bytes))).unwrap_or_else(|panic| {
        // Its drop may panic as well.
        std::mem::forget(panic);
        Err("the codec panicked".into())
    })
}

/// A codec that puts the version of a schema before the bytes of another codec, and takes no other
/// version.
///
/// For formats that do not describe themselves: `Postcard` may make something wrong of the bytes of
/// an older type. Give it another number whenever the type changes. What happens while peers of two
/// versions run side by side is told in the [guide](crate::guide::typed).
///
/// The version is 4 bytes, the highest one first.
///
/// ```
/// use geecache::{BoxError, Codec, Versioned};
///
/// struct Utf8;
///
/// impl Codec<String> for Utf8 {
///     fn encode(&self, value: &String) -> Result<Vec<u8>, BoxError> {
///         Ok(value.clone().into())
///     }
///     fn decode(&self, bytes: &[u8]) -> Result<String, BoxError> {
///         Ok(std::str::from_utf8(bytes)?.to_owned())
///     }
/// }
///
/// let (old, new) = (Versioned::new(1, Utf8), Versioned::new(2, Utf8));
/// let bytes = old.encode(&"Tom".to_owned())?;
/// assert_eq!(bytes, b"\0\0\0\x01Tom");
/// assert_eq!(old.decode(&bytes)?, "Tom");
/// assert_eq!(new.decode(&bytes).unwrap_err().to_string(), "it has version 1 and not 2");
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Versioned<C> {
    version: u32,
    codec: C,
}

impl<C> Versioned<C> {
    /// The bytes of `codec`, marked with `version`.
    pub fn new(version: u32, codec: C) -> Self {
        Self { version, codec }
    }
}

impl<V, C: Codec<V>> Codec<V> for Versioned<C> {
    fn encode(&self, value: &V) -> Result<Vec<u8>, BoxError> {
        let mut bytes = self.version.to_be_bytes().to_vec();
        bytes.append(&mut self.codec.encode(value)?);
        Ok(bytes)
    }

    fn decode(&self, bytes: &[u8]) -> Result<V, BoxError> {
        let (version, bytes) =
            bytes.split_first_chunk().ok_or_else(|| WrongVersion::of(self, None))?;
        let version = u32::from_be_bytes(*version);
        if version != self.version {
            return Err(WrongVersion::of(self, Some(version)).into());
        }
        self.codec.decode(bytes)
    }
}

#[derive(Debug)]
struct WrongVersion {
    found: Option<u32>,
    expected: u32,
}

impl WrongVersion {
    fn of<C>(codec: &Versioned<C>, found: Option<u32>) -> Self {
        Self { found, expected: codec.version }
    }
}

impl fmt::Display for WrongVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.found {
            Some(found) => write!(f, "it has version {found} and not {}", self.expected),
            None => write!(f, "it has no version, and should have {}", self.expected),
        }
    }
}

impl std::error::Error for WrongVersion {}
