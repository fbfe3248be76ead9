//! The accepting thread: a thread for each connection, while there is room.

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use crate::http::server::answer::{Connection, write_head};
use crate::http::server::guarded::connection;
use crate::http::server::guarded::connections::OpenConnection;
use crate::http::server::guarded::shared::GuardedShared;

/// The least and the longest pause after an `accept` that failed for want of something.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(200));

/// Connections that are kept for a moment after they were turned away. A socket that is closed with
/// an unread request resets its connection, and the client might never see the 503.
const TURNED_AWAY: usize = 32;

/// Accepts until the shutdown.
pub(super) fn accept_all(shared: &Arc<GuardedShared>, listener: &TcpListener) {
    let mut pause = Duration::ZERO;
    let mut turned_away = VecDeque::with_capacity(TURNED_AWAY);
    while !shared.is_stopping() {
        match listener.accept() {
            Ok((stream, _)) => {
                pause = Duration::ZERO;
                if !shared.is_stopping() {
                    admit(shared, stream, &mut turned_away);
                }
            }
            // A signal, or a client that has left again.
            Err(error) if is_passing(&error) => {}
            Err(_) if shared.is_stopping() => {}
            Err(error) => {
                if pause.is_zero() {
                    if let Some(again) = shared.limits.repeats.due("can't accept") {
                        log::warn!("can't accept at {}: {error}{again}", shared.addr);
                    }
                    shared.accept_restarts.fetch_add(1, Ordering::Relaxed);
                    pause = ACCEPT_PAUSE.0;
                }
                // Most likely descriptors are lacking, and some connections have one to give.
                turned_away.clear();
                if error.kind() != io::ErrorKind::WouldBlock {
                    shared.connections.end_oldest_idle();
                }
                // The shutdown waits for this pause; it is short.
                thread::sleep(pause);
                pause = (pause * 2).min(ACCEPT_PAUSE.1);
            }
        }
    }
}

/// Gives `stream` a thread, or turns it away.
fn admit(
    shared: &Arc<GuardedShared>,
    stream: TcpStream,
    turned_away: &mut VecDeque<Arc<OpenConnection>>,
) {
    let is_full = shared.connections.len() >= shared.limits.max_connections;
    let has_room = !is_full || shared.connections.end_oldest_idle();
    let member = shared.connections.enter(stream);
    let line = member.line();
    let theirs = Arc::clone(shared);
    let has_thread = has_room && {
        let thread = shared.limits.stack.thread("geecache-connection");
        let spawned = thread.spawn(move || connection::serve(&theirs, &member));
        spawned
            .inspect_err(|error| {
                if let Some(again) = shared.limits.repeats.due("no thread") {
                    log::warn!("no thread for a connection at {}: {error}{again}", shared.addr);
                }
            })
            .is_ok()
    };
    if !has_thread {
        turn_away(shared, line.socket());
        if turned_away.len() == TURNED_AWAY {
            turned_away.pop_front();
        }
        turned_away.push_back(line);
    }
}

/// Answers a 503 without waiting for the request.
fn turn_away(shared: &GuardedShared, mut stream: &TcpStream) {
    let response = shared.reject("too many connections");
    if shared.handshakes.turn_away(stream) {
        let _ = stream.shutdown(Shutdown::Write);
        return;
    }
    let mut bytes = Vec::with_capacity(256);
    write_head(&mut bytes, &response, Connection::Close);
    bytes.extend_from_slice(&response.body);
    // Into the empty buffer of a new socket; if that fails, the end of the connection says
    // enough.
    let _ = stream.set_nonblocking(true).and_then(|()| stream.write_all(&bytes));
    let _ = stream.shutdown(Shutdown::Write);
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
