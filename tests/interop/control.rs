//! How a test and a peer in another process talk. The Go peer speaks the same, see `peer/main.go`.
//!
//! A message is a line, of a word and the lengths of what it comes with, and then that. Commands
//! come with their arguments; answers are `ok` or `error` with what there is to say.

use std::io::{self, BufRead, Write};
use std::net::TcpStream;

pub(crate) struct Message {
    pub(crate) word: String,
    pub(crate) rest: Vec<Vec<u8>>,
}

pub(crate) fn send<B: AsRef<[u8]>>(mut to: &TcpStream, word: &str, rest: &[B]) -> io::Result<()> {
    let mut message = word.as_bytes().to_vec();
    for part in rest {
        message.extend_from_slice(format!(" {}", part.as_ref().len()).as_bytes());
    }
    message.push(b'\n');
    for part in rest {
        message.extend_from_slice(part.as_ref());
    }
    to.write_all(&message)
}

/// The next message; `None` at the end of the connection.
pub(crate) fn receive(from: &mut impl BufRead) -> io::Result<Option<Message>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let word = words.next().unwrap_or_default().to_owned();
    let mut rest = Vec::new();
    for length in words {
        let length: usize = length.parse().map_err(io::Error::other)?;
        let mut part = vec![0; length];
        from.read_exact(&mut part)?;
        rest.push(part);
    }
    Ok(Some(Message { word, rest }))
}
