use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::byteview::ByteView;
use crate::http::date::{self, HttpDate};
use crate::http::protobuf;
use crate::http::remove_keys::RemoveKeys;
use crate::http::url::PeerUrl;

const NOW_NANOS: i64 = 1_700_000_000_123_456_789;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(NOW_NANOS as u64)
}

fn through(protocol: Protocol, value: &ByteView, ttl: Option<Duration>) -> Option<Duration> {
    let wire = protocol.wire();
    let body = wire.encode(value, ttl, now());
    assert!(body.len() as u64 <= value.len() as u64 + wire.overhead_bytes);
    // The server writes it.
    let expires = ttl.filter(|_| wire.has_expires).and_then(|ttl| now().checked_add(ttl));
    let expires = expires.and_then(HttpDate::of);
    let coded = Coded { body, expires: expires.as_deref() };
    let loaded = wire.decode(coded, now()).unwrap();
    assert_eq!(loaded.value(), Some(value), "{protocol:?}");
    loaded.time_to_live()
}

fn body(protocol: Protocol, value: &str, ttl: Option<Duration>) -> ByteView {
    protocol.wire().encode(&ByteView::from(value), ttl, now())
}

#[test]
fn values_come_back_whatever_the_protocol() {
    for protocol in Protocol::ALL {
        for value in [&b""[..], b"630", b"\n\x03630", &[0xff; 300], &vec![7; 1 << 20]] {
            assert_eq!(through(protocol, &ByteView::from(value), None), None);
        }
    }
}

#[test]
fn bodies_are_those_of_the_programs_in_go() {
    let second = Some(Duration::from_secs(1));
    assert_eq!(body(Protocol::GeeCache, "630", second), "630");
    assert_eq!(body(Protocol::GeeCacheProtobuf, "630", second), "\n\x03630");
    assert_eq!(body(Protocol::Groupcache, "630", None), "\n\x03630");
    for protocol in [Protocol::Groupcache, Protocol::Mailgun, Protocol::GroupcacheGo] {
        let body = body(protocol, "630", second);
        assert_eq!(body[..6], b"\n\x03630\x18"[..]);
        assert_eq!(body[6..], [0x95, 0xae, 0x82, 0xc9, 0xe7, 0x9f, 0xe7, 0xcb, 0x17]);
    }
    // The forks always tell an end, be it never.
    assert_eq!(body(Protocol::Mailgun, "630", None), "\n\x03630\x18\0");
    assert_eq!(body(Protocol::GroupcacheGo, "630", None), "\n\x03630\x18\0");
    assert_eq!(body(Protocol::Galaxycache, "630", second), "630");
}

#[test]
fn groupcache_and_its_forks_tell_when_a_value_ends() {
    let value = ByteView::from("v");
    let ttl = Some(Duration::new(60, 5));
    for protocol in Protocol::ALL {
        let tells = ![Protocol::GeeCache, Protocol::GeeCacheProtobuf].contains(&protocol);
        assert_eq!(through(protocol, &value, ttl), ttl.filter(|_| tells), "{protocol:?}");
    }
}

#[test]
fn spans_beyond_the_format_are_without_end_and_past_ends_hold_no_longer() {
    let value = ByteView::from("v");
    for protocol in
        [Protocol::Groupcache, Protocol::Mailgun, Protocol::GroupcacheGo, Protocol::Galaxycache]
    {
        assert_eq!(through(protocol, &value, Some(Duration::MAX)), None);
        assert_eq!(through(protocol, &value, Some(Duration::ZERO)), Some(Duration::ZERO));
    }
    assert_eq!(expire_after(Some(Duration::ZERO), UNIX_EPOCH), 1);
    for past in [i64::MIN, -1, 1, NOW_NANOS - 1, NOW_NANOS] {
        assert_eq!(time_left(past, now()), Some(Duration::ZERO), "{past}");
    }
    assert_eq!(time_left(NOW_NANOS + 1, now()), Some(Duration::from_nanos(1)));
    assert_eq!(time_left(0, now()), None);
    let past = Coded { body: value, expires: Some(&b"Sun, 06 Nov 1994 08:49:37 GMT"[..]) };
    let past = Protocol::Galaxycache.wire().decode(past, now()).unwrap();
    assert_eq!(past.time_to_live(), Some(Duration::ZERO));
}

#[test]
fn an_answer_that_is_of_another_protocol_is_an_error_and_not_a_value() {
    for protocol in [Protocol::GeeCacheProtobuf, Protocol::Groupcache, Protocol::Mailgun] {
        let raw = Coded { body: ByteView::from("630"), expires: None };
        assert!(protocol.wire().decode(raw, now()).is_err(), "{protocol:?}");
    }
    let no_date = Coded { body: ByteView::from("630"), expires: Some(&b"0"[..]) };
    assert!(Protocol::Galaxycache.wire().decode(no_date, now()).is_err());
}

#[test]
fn a_peer_has_the_name_on_the_ring_that_the_others_give_it() {
    for (url, authority) in [
        ("http://10.0.3.17:8080", "10.0.3.17:8080"),
        // Go's listeners tell their port, whichever it is.
        ("https://cache/", "cache:443"),
        ("http://[::1]:80", "[::1]:80"),
    ] {
        let url = PeerUrl::parse(url).unwrap();
        for protocol in Protocol::ALL {
            let expected =
                if protocol == Protocol::GroupcacheGo { authority } else { url.as_str() };
            assert_eq!(&*(protocol.wire().name_of)(&url), expected, "{protocol:?}");
        }
    }
}

#[test]
fn peeks_lie_beside_the_groups() {
    for (base, peeks) in [
        ("/_galaxycache/", Some("/_galaxycache_peek/")),
        ("/a/b/", Some("/a/b_peek/")),
        // They could not be told from groups.
        ("/", None),
    ] {
        assert_eq!(Protocol::Galaxycache.wire().peek_path(base).as_deref(), peeks);
        assert_eq!(Protocol::GroupcacheGo.wire().peek_path(base), None);
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn text_of(hex: &str) -> String {
    String::from_utf8(bytes_of(hex)).unwrap()
}

#[test]
fn what_goes_over_the_wire_is_what_the_forks_themselves_make() {
    let mut compared = 0;
    for line in include_str!("../../../tests/interop/fork_vectors.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        compared += 1;
        match fields[..] {
            ["get_response", fork, value, expire, message] => {
                let protocol = Protocol::named(fork.as_bytes()).unwrap();
                let (value, message) = (ByteView::from(bytes_of(value)), bytes_of(message));
                let expire: u64 = expire.parse().unwrap();
                // As if it was long ago, when the value had so long to live.
                let ttl = (expire > 0).then(|| Duration::from_nanos(expire));
                let body = protocol.wire().encode(&value, ttl, UNIX_EPOCH);
                assert_eq!(body, &message[..], "{line}");
                let coded = Coded { body: ByteView::from(message), expires: None };
                let loaded = protocol.wire().decode(coded, UNIX_EPOCH).unwrap();
                assert_eq!((loaded.value(), loaded.time_to_live()), (Some(&value), ttl), "{line}");
            }
            ["set_request", _, group, key, value, expire, message] => {
                let (group, key) = (text_of(group), text_of(key));
                let (value, message) = (bytes_of(value), bytes_of(message));
                let expire = expire.parse().unwrap();
                assert_eq!(protobuf::encode_set(&group, &key, &value, expire), message, "{line}");
                let set = protobuf::decode_set(&message).unwrap();
                assert_eq!((set.group, set.key, set.expire), (&*group, &*key, expire), "{line}");
                assert_eq!(&message[set.value], value, "{line}");
            }
            ["remove_keys", group, text, ref keys @ ..] => {
                let text = bytes_of(text);
                let request = RemoveKeys::read(&text).unwrap();
                assert_eq!(request.group, Some(text_of(group)), "{line}");
                assert!(request.keys().eq(keys.iter().map(|key| text_of(key))), "{line}");
            }
            ["expires", nanos, text] => {
                let moment = UNIX_EPOCH + Duration::from_nanos(nanos.parse().unwrap());
                assert_eq!(date::read(text.as_bytes()), Some(moment), "{line}");
                assert_eq!(HttpDate::of(moment).as_deref(), Some(text.as_bytes()), "{line}");
            }
            _ => compared -= 1,
        }
    }
    assert_eq!(compared, 2 * 2 * 4 * 3 + 3 + 3);
}
