use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use ureq::Timeout;
use ureq::unversioned::transport::time::Duration as After;

use super::*;

const LONG: Duration = Duration::from_secs(10);

fn pair() -> (Socket, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    other.set_read_timeout(Some(LONG)).unwrap();
    (Socket::new(stream, None, None, (1024, 64)), other)
}

fn within(left: Duration) -> NextTimeout {
    NextTimeout { after: After::from(left), ..NextTimeout::default() }
}

fn write(socket: &mut Socket, bytes: &[u8]) {
    socket.buffers().output()[..bytes.len()].copy_from_slice(bytes);
    socket.transmit_output(bytes.len(), within(LONG)).unwrap();
}

/// Waits until the system has what the other side did.
fn wait_until_silence_ends(socket: &Socket) {
    let begun = Instant::now();
    while glance::is_silent(&socket.stream) {
        assert!(begun.elapsed() < LONG);
        thread::yield_now();
    }
}

#[test]
fn head_and_body_are_sent_at_once_when_an_answer_is_awaited() {
    let (mut socket, mut other) = pair();
    write(&mut socket, b"head ");
    write(&mut socket, b"body");
    assert!(glance::is_silent(&other));
    other.write_all(b"answer").unwrap();
    assert!(socket.await_input(within(LONG)).unwrap());
    assert_eq!(socket.buffers().input(), b"answer");
    let mut sent = [0; 64];
    assert_eq!(other.read(&mut sent).unwrap(), 9);
    assert_eq!(&sent[..9], b"head body");
}

#[test]
fn much_is_sent_without_waiting() {
    let (mut socket, mut other) = pair();
    let text: Vec<u8> = (0..200).collect();
    for part in text.chunks(25) {
        assert!(socket.buffers().output().len() >= 32);
        write(&mut socket, part);
    }
    let mut sent = [0; 150];
    other.read_exact(&mut sent).unwrap();
    assert_eq!(sent, text[..150]);
}

#[test]
fn what_is_not_consumed_stays_before_what_comes_later() {
    let (mut socket, mut other) = pair();
    other.write_all(b"abc").unwrap();
    socket.await_input(within(LONG)).unwrap();
    socket.buffers().input_consume(1);
    assert!(socket.buffers().can_use_input());
    socket.buffers().input_consume(0);
    assert!(!socket.buffers().can_use_input(), "it is too little for somebody");
    other.write_all(b"def").unwrap();
    socket.await_input(within(LONG)).unwrap();
    assert_eq!(socket.buffers().input(), b"bcdef");
}

#[test]
fn connection_that_was_closed_while_it_rested_is_not_open() {
    let (mut socket, other) = pair();
    assert!(socket.is_open());
    assert!(socket.is_open());
    drop(other);
    wait_until_silence_ends(&socket);
    assert!(!socket.is_open());
}

#[test]
fn connection_on_which_something_came_while_it_rested_is_not_open() {
    let (mut socket, mut other) = pair();
    assert!(socket.is_open());
    other.write_all(b"unasked").unwrap();
    wait_until_silence_ends(&socket);
    assert!(!socket.is_open());
}

#[test]
fn connection_with_an_unsent_request_is_not_open() {
    let (mut socket, _other) = pair();
    write(&mut socket, b"head");
    assert!(!socket.is_open());
}

#[test]
fn silence_ends_with_the_time_and_not_before() {
    let (mut socket, _other) = pair();
    // The first one leaves a timeout of the socket that is too long for the second, and too short
    // for the third.
    for millis in [100, 30, 120, 110, 1] {
        let begun = Instant::now();
        let error = socket.await_input(within(Duration::from_millis(millis))).unwrap_err();
        assert!(matches!(error, Error::Timeout(Timeout::Global)), "{error}");
        let took = begun.elapsed();
        assert!(took >= Duration::from_millis(millis), "{took:?} of {millis} ms");
        assert!(took < LONG, "{took:?}");
    }
}

#[test]
fn client_that_does_not_read_is_given_up_with_the_time() {
    let (mut socket, _other) = pair();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut error = None;
        while error.is_none() {
            socket.buffers().output().fill(7);
            error = socket.transmit_output(64, within(Duration::from_millis(50))).err();
        }
        tell.send(error).unwrap();
    });
    let error = told.recv_timeout(LONG).unwrap();
    assert!(matches!(error, Some(Error::Timeout(Timeout::Global))), "{error:?}");
}

#[test]
fn timeout_is_kept_while_it_is_a_little_too_short() {
    let seconds = |n| Some(Duration::from_secs(n));
    assert!(is_good_for(None, None));
    assert!(is_good_for(seconds(8), seconds(10)));
    assert!(is_good_for(seconds(10), seconds(10)));
    assert!(!is_good_for(seconds(7), seconds(10)));
    assert!(!is_good_for(seconds(11), seconds(10)));
    assert!(!is_good_for(None, seconds(10)));
    assert!(!is_good_for(seconds(10), None));
}

#[test]
fn answer_that_came_before_the_other_side_closed_is_read() {
    let (mut socket, mut other) = pair();
    write(&mut socket, &[7; 60]);
    other.write_all(b"too long").unwrap();
    // With something unread this is a reset.
    drop(other);
    wait_until_silence_ends(&socket);
    let begun = Instant::now();
    while socket.refused.is_none() {
        assert!(begun.elapsed() < LONG);
        write(&mut socket, &[7; 60]);
    }
    assert!(socket.await_input(within(LONG)).unwrap());
    assert_eq!(socket.buffers().input(), b"too long");
    assert!(!socket.is_open());
    assert!(matches!(socket.await_input(within(LONG)), Err(Error::Io(_))));
}

#[test]
fn a_request_that_is_given_up_is_reset_and_one_that_was_answered_ends_as_usual() {
    let (mut socket, mut other) = pair();
    write(&mut socket, b"request");
    assert!(socket.await_input(within(Duration::from_millis(1))).is_err());
    drop(socket);
    let mut sent = [0; 64];
    let read = std::iter::repeat_with(|| other.read(&mut sent)).find(|it| !matches!(it, Ok(1..)));
    assert_eq!(read.unwrap().unwrap_err().kind(), io::ErrorKind::ConnectionReset);

    let (mut socket, mut other) = pair();
    write(&mut socket, b"request");
    other.write_all(b"answer").unwrap();
    assert!(socket.await_input(within(LONG)).unwrap());
    drop(socket);
    assert_eq!(other.read(&mut sent).unwrap(), 7);
    assert_eq!(other.read(&mut sent).unwrap(), 0);
}

#[test]
fn a_connection_is_over_when_the_other_side_has_closed_it() {
    for is_reset in [false, true] {
        let (socket, other) = pair();
        assert!(!glance::is_over(&socket.stream));
        if is_reset {
            socket2::SockRef::from(&other).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(other);
        wait_until_silence_ends(&socket);
        assert!(glance::is_over(&socket.stream), "{is_reset}");
    }
    let (socket, mut other) = pair();
    other.write_all(b"more").unwrap();
    wait_until_silence_ends(&socket);
    assert!(!glance::is_over(&socket.stream));
}
