//! [`Carried`]: a connection between two processes of a test.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// What is read at once.
const CHUNK_BYTES: usize = 32 << 10;
/// The threads that carry need little.
const STACK_BYTES: usize = 128 << 10;
/// What ends the head of a request and of an answer.
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A connection that was opened by one process and goes to another. Bytes are carried from one of
/// its sockets to the other one, in both directions.
pub(super) struct Carried {
    /// To the one that opened it.
    near: TcpStream,
    /// To the one that it goes to.
    far: TcpStream,
    /// Whether an answer has begun to arrive since the last question.
    is_answered: AtomicBool,
}

/// What bytes are that are on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    Question,
    /// The begin of an answer.
    Answer,
    /// More of an answer.
    Rest,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    There,
    Back,
}

/// Which of the bytes that are on their way arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passes {
    All,
    /// Half of them do, and then it is over.
    Half,
    /// They don't, and it is over.
    Nothing,
}

impl Carried {
    /// Begins to carry what goes over `far`. `fate` is asked for each piece, and may take its time.
    /// The socket in the answer is for the one that opened the connection.
    pub(super) fn start(
        far: TcpStream,
        fate: impl Fn(Piece) -> Passes + Send + Sync + 'static,
    ) -> io::Result<(TcpStream, Arc<Self>)> {
        let (theirs, near) = pair()?;
        far.set_nodelay(true)?;
        near.set_nodelay(true)?;
        let carried = Self { near, far, is_answered: AtomicBool::new(false) };
        let (carried, fate) = (Arc::new(carried), Arc::new(fate));
        for way in [Way::There, Way::Back] {
            let (carried, fate) = (Arc::clone(&carried), Arc::clone(&fate));
            let thread = thread::Builder::new().stack_size(STACK_BYTES);
            thread.name("geecache-carry".to_owned()).spawn(move || carried.carry(way, &*fate))?;
        }
        Ok((theirs, carried))
    }

    /// Ends it.
    pub(super) fn cut(&self) {
        for socket in [&self.near, &self.far] {
            // It may be over already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn piece(&self, way: Way) -> Piece {
        let was_answered = self.is_answered.swap(way == Way::Back, Ordering::Relaxed);
        match way {
            Way::There => Piece::Question,
            Way::Back if was_answered => Piece::Rest,
            Way::Back => Piece::Answer,
        }
    }

    fn carry(&self, way: Way, fate: &impl Fn(Piece) -> Passes) {
        let (mut from, mut to) = match way {
            Way::There => (&self.near, &self.far),
            Way::Back => (&self.far, &self.near),
        };
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let bytes = match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => &chunk[..read],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return self.cut(),
            };
            let arrives = match fate(self.piece(way)) {
                Passes::All => bytes,
                Passes::Half => half_of(bytes),
                Passes::Nothing => return self.cut(),
            };
            if to.write_all(arrives).is_err() || arrives.len() < bytes.len() {
                return self.cut();
            }
        }
        // The other direction may go on. If this fails that is over as well.
        let _ = to.shutdown(Shutdown::Write);
    }
}

/// The head of an answer and half of its body. A head alone is whole: its body is yet to come.
fn half_of(bytes: &[u8]) -> &[u8] {
    let head = bytes.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD);
    let head = head.map_or(0, |at| at + END_OF_HEAD.len());
    &bytes[..head + (bytes.len() - head) / 2]
}

/// Two sockets that are connected to each other.
fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let one = TcpStream::connect(listener.local_addr()?)?;
    loop {
        let (other, from) = listener.accept()?;
        // Any process of the machine could come first.
        if from == one.local_addr()? {
            return Ok((one, other));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_an_answer_is_its_head_and_half_of_its_body() {
        assert_eq!(half_of(b"a: b\r\n\r\n1234"), b"a: b\r\n\r\n12");
        assert_eq!(half_of(b"a: b\r\n\r\n1"), b"a: b\r\n\r\n");
        assert_eq!(half_of(b"a: b\r\n\r\n"), b"a: b\r\n\r\n");
        assert_eq!(half_of(b"1234"), b"12");
        assert_eq!(half_of(b"1"), b"");
    }
}
