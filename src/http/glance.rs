//! Looks at a connection, without waiting for anything.

use std::io;
use std::net::TcpStream;

/// Whether the other side has neither sent anything nor closed the connection.
pub(crate) fn is_silent(stream: &TcpStream) -> bool {
    matches!(peek(stream), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Whether the other side has closed the connection.
pub(crate) fn is_over(stream: &TcpStream) -> bool {
    match peek(stream) {
        Ok(bytes) => bytes == 0,
        Err(error) => {
            !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
        }
    }
}

/// Looks at a byte that has come, without waiting for one.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn peek(stream: &TcpStream) -> io::Result<usize> {
    /// MSG_PEEK and MSG_DONTWAIT, on all architectures.
    const FLAGS: i32 = 0x02 | 0x40;
    let mut byte = [std::mem::MaybeUninit::uninit()];
    socket2::SockRef::from(stream).recv_with_flags(&mut byte, FLAGS)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn peek(stream: &TcpStream) -> io::Result<usize> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    peeked
}
