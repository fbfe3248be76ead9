//! [`Bodies`]: the memory that the bodies of all requests may take together.

use std::sync::atomic::{AtomicU64, Ordering};

/// Shorter bodies are not counted: the number of connections bounds them.
const SHORT: u64 = 64 * 1024;

/// So many bodies of the longest kind may be in memory at once.
const LONGEST_BODIES: u64 = 8;

/// Bytes of bodies that are being received or handled.
pub(super) struct Bodies {
    reserved: AtomicU64,
    most: u64,
}

impl Bodies {
    /// Room for requests of up to `longest` bytes, head and body.
    pub(super) fn new(longest: usize) -> Self {
        let most = (longest as u64).saturating_mul(LONGEST_BODIES);
        Self { reserved: AtomicU64::new(0), most }
    }

    /// Room for a request of `len` bytes, until the return value is dropped; `None` if there is
    /// none.
    pub(super) fn reserve(&self, len: usize) -> Option<Reserved<'_>> {
        let len = len as u64;
        let counted = if len > SHORT { len } else { 0 };
        let fits = |reserved: u64| reserved.checked_add(counted).filter(|&sum| sum <= self.most);
        self.reserved.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).ok()?;
        Some(Reserved { bodies: self, counted })
    }
}

/// See [`Bodies::reserve`].
pub(super) struct Reserved<'a> {
    bodies: &'a Bodies,
    counted: u64,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.bodies.reserved.fetch_sub(self.counted, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::Bodies;

    #[test]
    fn long_bodies_wait_for_room_and_short_ones_do_not() {
        let bodies = Bodies::new(1 << 20);
        let held: Vec<_> = (0..8).map(|_| bodies.reserve(1 << 20).unwrap()).collect();
        assert!(bodies.reserve(1 << 20).is_none());
        assert!(bodies.reserve(1 << 10).is_some());
        drop(held);
        assert!(bodies.reserve(1 << 20).is_some());
    }
}
