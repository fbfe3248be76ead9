//! [`Arriving`]: a body of a known length, which gets its memory as it comes.

use std::io::{self, Read};
use std::iter;
use std::sync::Arc;

use crate::byteview::ByteView;

/// A body up to this long gets all of its memory before its first byte has come.
const AHEAD_BYTES: usize = 1 << 20;
/// A longer one gets this many times what has come of it, again and again. Each time, what has come
/// is copied: a fifth of the body altogether, and a sixth of it at the end. There are never more
/// than 7 bytes in memory for 6 of the body.
const GROWTH: usize = 6;

/// How much memory a body of `length` bytes gets before any of it has come.
pub(crate) fn ahead(length: usize) -> usize {
    room_within(length, AHEAD_BYTES)
}

/// The part of a body that has come, in the allocation that it is going to live in.
///
/// A length that was only announced takes little memory, or one who says nothing more could take
/// all of it: the allocation grows with what has come.
pub(crate) struct Arriving {
    bytes: Arc<[u8]>,
    come: usize,
    length: usize,
}

impl Arriving {
    /// A body of `length` bytes of which none has come.
    pub(crate) fn new(length: usize) -> Self {
        Self { bytes: zeros(ahead(length)), come: 0, length }
    }

    /// Where the next bytes go; empty when all have come.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.come == self.bytes.len() && self.come < self.length {
            let longest = self.come.saturating_mul(GROWTH);
            let mut more = zeros(room_within(self.length, longest));
            unshared(&mut more)[..self.come].copy_from_slice(&self.bytes);
            self.bytes = more;
        }
        &mut unshared(&mut self.bytes)[self.come..]
    }

    /// So many bytes have come into the room.
    pub(crate) fn add(&mut self, count: usize) {
        self.come = self.bytes.len().min(self.come + count);
    }

    /// How many bytes have come.
    pub(crate) fn come(&self) -> usize {
        self.come
    }

    /// Whether all has come.
    pub(crate) fn is_whole(&self) -> bool {
        self.come == self.length
    }

    /// What has come. All of it is there if it [is whole](Self::is_whole).
    pub(crate) fn into_view(self) -> ByteView {
        ByteView::from(self.bytes).slice(..self.come)
    }

    /// Reads all of it.
    pub(crate) fn read_from(mut self, reader: impl Read) -> io::Result<ByteView> {
        self.read_ahead(reader, self.length)?;
        Ok(self.into_view())
    }

    /// Reads until `bytes` of it have come, which are no more than all; a few more may.
    pub(crate) fn read_ahead(&mut self, mut reader: impl Read, bytes: usize) -> io::Result<()> {
        while self.come < bytes {
            match reader.read(self.room()) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The longest room up to `most` from which the room grows to `length` and no further.
fn room_within(length: usize, most: usize) -> usize {
    iter::successors(Some(length), |room| Some(room.div_ceil(GROWTH)))
        .find(|room| *room <= most)
        .unwrap_or(most)
}

fn zeros(length: usize) -> Arc<[u8]> {
    // Collecting a run of known length into an `Arc` allocates once, and copies nothing.
    iter::repeat_n(0, length).collect()
}

fn unshared(bytes: &mut Arc<[u8]>) -> &mut [u8] {
    Arc::get_mut(bytes).expect("nobody else has seen the allocation")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives so many bytes, and notes the longest run that it was asked for when it had given less
    /// than a sixth of that.
    struct Slow {
        left: usize,
        given: usize,
        most_ahead: usize,
    }

    impl Read for Slow {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            if self.given < room.len() / GROWTH {
                self.most_ahead = self.most_ahead.max(room.len());
            }
            let n = room.len().min(self.left).min(10_000);
            room[..n].fill(b'v');
            self.left -= n;
            self.given += n;
            Ok(n)
        }
    }

    #[test]
    fn memory_for_a_body_grows_with_what_has_come() {
        for (announced, sent) in [(64 << 20, 0), (64 << 20, 3 << 20), (usize::MAX >> 1, 1 << 20)] {
            let mut slow = Slow { left: sent, given: 0, most_ahead: 0 };
            let error = Arriving::new(announced).read_from(&mut slow).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
            assert!(slow.most_ahead <= AHEAD_BYTES, "{} bytes", slow.most_ahead);
        }
    }

    #[test]
    fn body_takes_a_sixth_more_than_its_length_when_it_is_moved_for_the_last_time() {
        for length in [1 << 20, (1 << 20) + 1, 3 << 20, (6 << 20) + 1, 100 << 20, usize::MAX >> 8] {
            let mut room = ahead(length);
            assert!(room <= AHEAD_BYTES);
            while room < length {
                let next = room_within(length, room * GROWTH);
                assert!(room < next && room + next <= length + length.div_ceil(GROWTH));
                room = next;
            }
        }
    }

    #[test]
    fn bodies_of_all_lengths_are_read_whole() {
        for length in [0, 1, AHEAD_BYTES, AHEAD_BYTES + 1, 5 * AHEAD_BYTES, 11 << 20] {
            let mut slow = Slow { left: length + 1, given: 0, most_ahead: 0 };
            let body = Arriving::new(length).read_from(&mut slow).unwrap();
            assert!(body.len() == length && body.iter().all(|&byte| byte == b'v'));
            assert_eq!(slow.left, 1);
        }
    }
}
