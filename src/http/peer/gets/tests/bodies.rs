//! How the end of a body is told.

use super::*;

#[test]
fn a_value_without_one_clear_length_is_an_error() {
    for head in [
        "HTTP/1.1 200 OK\r\n\r\n630",
        "HTTP/1.0 200 OK\r\n\r\n630",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n630",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 2\r\n\r\n630",
        "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\n630",
        "HTTP/1.1 200 OK\r\nContent-Length: three\r\n\r\n630",
        "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\n630",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n630",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\n630\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\n630\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\n\x1f\u{8b}x",
    ] {
        let peer = FaultyPeer::saying(head);
        let error = assert_error(&link(&peer.url), PeerErrorKind::Protocol, Verdict::Failed);
        assert!(error.to_string().contains(" broke the protocol: "), "{error}");
    }
}

#[test]
fn a_value_may_come_in_chunks_as_the_servers_of_go_send_it() {
    let peer = FaultyPeer::start(|talk, _| {
        while talk.request().is_some() {
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            talk.say(head.as_bytes());
            talk.say(b"4\r\n6306\r\n800\r\n");
            talk.say(&[b'x'; 0x800]);
            talk.say(b"\r\n0\r\n\r\n");
        }
    });
    let value = [&b"6306"[..], &[b'x'; 0x800]].concat();
    let link = link(&peer.url);
    for _ in 0..3 {
        assert_value(&link, &value);
    }
    assert_eq!(peer.connections(), 1, "the connection is kept");

    let length = value.len() as u64;
    for (limit, fits) in [(length, true), (length - 1, false), (0, false)] {
        let options = PeerOptions { max_value_bytes: limit, ..options() };
        let link = link_with(&peer.url, options);
        if fits {
            assert_value(&link, &value);
        } else {
            assert_error(&link, PeerErrorKind::Protocol, Verdict::Answered);
        }
    }
}

#[test]
fn a_value_whose_last_chunk_is_missing_is_an_error() {
    for chunks in ["", "3\r\n630\r\n", "3\r\n63", "3", "-3\r\n630\r\n0\r\n\r\n"] {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let peer = FaultyPeer::saying([head, chunks].concat());
        let (answer, verdict) = ask(&link(&peer.url));
        assert!(answer.is_err(), "{chunks:?} gave {answer:?}");
        assert_eq!(verdict, Verdict::Failed, "{chunks:?}");
    }
}

#[test]
fn answer_that_finds_no_room_is_given_up_and_is_no_fault_of_the_peer() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let peer = FaultyPeer::start(move |talk, number| {
        while talk.request().is_some() {
            let answer = ok(&[b'v'; 2 << 20]);
            if number > 0 {
                talk.say(&answer);
                continue;
            }
            let (now, later) = answer.split_at(3 << 19);
            talk.say(now);
            lock(&wait).recv_timeout(2 * SOON).unwrap();
            talk.say(later);
            return;
        }
    });
    let mut options = options();
    // Half of it is for answers.
    options.exchange.budget = std::sync::Arc::new(crate::http::budget::Budget::new(5 << 20));
    let link = link_with(&peer.url, options);
    thread::scope(|threads| {
        let slow = threads.spawn(|| get_within(&link, "g", "k", PATIENCE));
        let begun = Instant::now();
        while peer.connections() == 0 {
            assert!(begun.elapsed() < SOON);
            thread::yield_now();
        }
        let (error, verdict) = loop {
            // The first one may not have come as far as to take its room.
            match get_within(&link, "g", "k", Duration::from_millis(200)) {
                (Err(error), verdict) if error.kind() == PeerErrorKind::Overloaded => {
                    break (error, verdict);
                }
                other => assert!(begun.elapsed() < SOON, "{other:?}"),
            }
        };
        assert_eq!(verdict, Verdict::Unclear, "{error}");
        assert!(error.to_string().contains("no room"), "{error}");
        go.send(()).unwrap();
        assert!(slow.join().unwrap().0.is_ok());
        assert_value(&link, &[b'v'; 2 << 20]);
    });
}

#[test]
fn long_value_in_chunks_does_not_wait_for_its_own_room() {
    let peer = FaultyPeer::start(|talk, _| {
        while talk.request().is_some() {
            talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n300000\r\n");
            talk.say(&[b'v'; 3 << 20]);
            talk.say(b"\r\n0\r\n\r\n");
        }
    });
    let mut options = options();
    options.exchange.budget = std::sync::Arc::new(crate::http::budget::Budget::new(2 << 20));
    let link = link_with(&peer.url, options);
    for _ in 0..2 {
        assert_value(&link, &[b'v'; 3 << 20]);
    }
    assert_eq!(peer.connections(), 1);
}

/// The most memory that this process has had so far, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_long_value_that_is_only_announced_takes_no_memory() {
    const CHILD: &str = "GEECACHE_TEST_ANNOUNCED_CHILD";
    const NAME: &str =
        "http::peer::gets::tests::bodies::a_long_value_that_is_only_announced_takes_no_memory";
    if let Ok(url) = std::env::var(CHILD) {
        let link = hasty_link(&url);
        let before = peak_kib();
        thread::scope(|threads| {
            for _ in 0..16 {
                threads.spawn(|| {
                    assert_eq!(ask(&link).0.unwrap_err().kind(), PeerErrorKind::TimedOut);
                });
            }
        });
        let taken = peak_kib() - before;
        assert!(taken < 64 << 10, "16 gets took {taken} KiB for values of which nothing came");
        return;
    }
    let peer = FaultyPeer::start(|talk, _| {
        while talk.request().is_some() {
            talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
        }
    });
    let mut child = Command::new(std::env::current_exe().unwrap());
    // A process of its own: others take memory, too.
    let output = child.args(["--exact", NAME]).env(CHILD, &peer.url).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(peer.connections(), 16);
}
