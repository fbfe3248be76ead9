//! What an answer means, and what it tells beside its body.

use super::*;

#[test]
fn errors_are_told_apart_by_our_header_and_by_what_old_peers_send() {
    use PeerErrorKind::{Load, NoSuchGroup, Overloaded, Protocol, TimedOut};
    let text = "Content-Type: text/plain; charset=utf-8\r\n";
    let page = "Content-Type: text/html\r\n";
    for (line, headers, body, kind, verdict, message) in [
        ("500", "Geecache: s=load-failed\r\n", "no disk\n", Load, Verdict::Answered, "no disk"),
        ("500", text, "no disk\n", Load, Verdict::Answered, "no disk"),
        ("500", page, "<html>", Protocol, Verdict::Failed, "status 500: <html>"),
        ("503", page, "busy", Overloaded, Verdict::Failed, "status 503: busy"),
        ("404", page, "<html>", Protocol, Verdict::Failed, "status 404: <html>"),
        ("404", text, "no such group: g\n", NoSuchGroup, Verdict::Answered, "no such group: g"),
        ("404", "Geecache: s=no-such-group\r\n", "", NoSuchGroup, Verdict::Answered, "404"),
        ("504", "Geecache: s=timed-out\r\n", "", TimedOut, Verdict::Answered, "504"),
        ("400", "Geecache: s=bad-request\r\n", "", Protocol, Verdict::Answered, "400"),
        ("204", "", "", Protocol, Verdict::Failed, "204"),
        ("206", "", "part", Protocol, Verdict::Failed, "206"),
    ] {
        let length = body.len();
        let peer = FaultyPeer::start(move |talk, _| {
            let answer =
                format!("HTTP/1.1 {line} X\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
            while talk.request().is_some() && talk.say(answer.as_bytes()) {}
        });
        let link = link(&peer.url);
        for _ in 0..2 {
            let error = assert_error(&link, kind, verdict);
            assert!(error.message().contains(message), "{error}");
        }
        assert_eq!(peer.connections(), 1, "an error that was read whole keeps its connection");
    }
}

#[test]
fn absence_is_an_answer_and_life_times_are_read() {
    for (ttl, expected) in [
        ("", None),
        ("ttl=1500", Some(Duration::from_millis(1_500))),
        ("ttl=0", Some(Duration::ZERO)),
    ] {
        let head = "HTTP/1.1 404 X\r\nContent-Length: 2\r\nGeecache: s=not-found";
        let peer = FaultyPeer::saying(format!("{head} {ttl}\r\n\r\nno"));
        let (answer, verdict) = ask(&link(&peer.url));
        let answer = answer.unwrap();
        assert_eq!((answer.value(), answer.time_to_live()), (None, expected));
        assert_eq!(verdict, Verdict::Answered);

        let head = "HTTP/1.1 200 X\r\nContent-Length: 2\r\nGeecache: p=geecache";
        let peer = FaultyPeer::saying(format!("{head} {ttl}\r\n\r\nok"));
        let answer = ask(&link(&peer.url)).0.unwrap();
        assert!(answer.value().is_some_and(|value| value == "ok"));
        assert_eq!(answer.time_to_live(), expected);
    }
}

#[test]
fn an_answer_whose_header_cannot_be_read_or_names_another_protocol_is_no_value() {
    for (note, verdict, message) in [
        ("ttl=soon", Verdict::Failed, "the `ttl` of the header Geecache can't be read"),
        ("p=of-tomorrow", Verdict::Failed, "the `p` of the header Geecache can't be read"),
        ("p=groupcache", Verdict::Answered, "in the protocol groupcache, and not in geecache"),
    ] {
        let head = format!("HTTP/1.1 200 X\r\nContent-Length: 2\r\nGeecache: {note}\r\n\r\nok");
        let peer = FaultyPeer::saying(head);
        let error = assert_error(&link(&peer.url), PeerErrorKind::Protocol, verdict);
        assert!(error.message().contains(message), "{error}");
    }
}
