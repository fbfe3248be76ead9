use super::fuzz::{drive, drive_response, drive_set};
use super::*;

fn value_of(message: &[u8]) -> Option<&[u8]> {
    drive_response(message).map(|response| &message[response.value])
}

#[test]
fn the_messages_of_go_are_read() {
    assert_eq!(value_of(b"\x0a\x03630"), Some(&b"630"[..]));
    assert_eq!(value_of(b""), Some(&b""[..]), "an empty value of proto3");
    assert_eq!(value_of(b"\x0a\x00"), Some(&b""[..]), "an empty value of proto2");
    let all = b"\x0a\x03630\x11\x00\x00\x00\x00\x00\x00\xf8\x3f\x18\x95\x9a\xef\x3a";
    let response = drive_response(all).unwrap();
    assert_eq!((response.value, response.minute_qps, response.expire), (2..5, 1.5, 123_456_789));
}

#[test]
fn what_is_written_is_the_message_of_go() {
    assert_eq!(encode_response(b"630", None), b"\x0a\x03630");
    assert_eq!(encode_response(b"", Some(0)), b"\x0a\x00\x18\x00");
    assert_eq!(encode_response(b"v", Some(123_456_789)), b"\x0a\x01v\x18\x95\x9a\xef\x3a");
    assert_eq!(encode_response(&[b'x'; 300], None)[..3], b"\x0a\xac\x02"[..]);
}

#[test]
fn unknown_fields_are_skipped_whatever_their_type() {
    for unknown in [
        &b"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"[..],
        b"\x21\x01\x02\x03\x04\x05\x06\x07\x08",
        b"\x22\x03abc",
        b"\x25\x01\x02\x03\x04",
        b"\xfa\xff\xff\xff\x0f\x02hi",
    ] {
        let around = [unknown, b"\x0a\x03630", unknown].concat();
        assert_eq!(value_of(&around), Some(&b"630"[..]), "{unknown:02x?}");
    }
}

#[test]
fn the_last_of_a_field_counts() {
    let response = drive_response(b"\x0a\x01a\x18\x01\x0a\x02bc\x18\x02").unwrap();
    assert_eq!((response.value, response.expire), (7..9, 2));
}

#[test]
fn a_negative_number_is_read() {
    let message = encode_response(b"", Some(-1));
    assert_eq!(message.len(), 2 + 1 + 10);
    assert_eq!(drive_response(&message).unwrap().expire, -1);
}

#[test]
fn what_is_not_a_message_is_an_error() {
    for (message, error) in [
        (&b"\x0a"[..], MalformedMessage::Truncated),
        (b"\x0a\x04630", MalformedMessage::Truncated),
        (b"\x0a\x80", MalformedMessage::Truncated),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", MalformedMessage::Truncated),
        (b"\x0a\xff\xff\xff\xff\x0f", MalformedMessage::Truncated),
        (b"\x11\x00\x00\x00\x00\x00\x00\x00", MalformedMessage::Truncated),
        (b"\x25\x00\x00\x00", MalformedMessage::Truncated),
        (b"\x18", MalformedMessage::Truncated),
        (b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", MalformedMessage::Varint),
        (b"\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", MalformedMessage::Varint),
        (b"\x02\x00", MalformedMessage::FieldNumber),
        (b"\x82\x80\x80\x80\x10\x00", MalformedMessage::FieldNumber),
        (b"\x08\x01", MalformedMessage::WireType),
        (b"\x12\x00", MalformedMessage::WireType),
        (b"\x1a\x00", MalformedMessage::WireType),
        (b"\x23\x24", MalformedMessage::WireType),
        (b"\x24", MalformedMessage::WireType),
        (b"\x26", MalformedMessage::WireType),
        (b"\x27", MalformedMessage::WireType),
        (b"no such group: scores\n", MalformedMessage::WireType),
    ] {
        assert_eq!(decode_response(message), Err(error), "{message:02x?}");
    }
}

#[test]
fn what_the_forks_set_is_read_and_written_as_they_do() {
    let message = b"\x0a\x06scores\x12\x01k\x1a\x03NEW\x20\x00";
    let set = drive_set(message).unwrap();
    assert_eq!((set.group, set.key, &message[set.value.clone()]), ("scores", "k", &b"NEW"[..]));
    assert_eq!(set.expire, 0);
    assert_eq!(encode_set("scores", "k", b"NEW", 0), message);
    let ends = encode_set("scores", "", b"", 123_456_789);
    assert_eq!(ends, b"\x0a\x06scores\x12\x00\x1a\x00\x20\x95\x9a\xef\x3a");
    assert_eq!(drive_set(&ends).unwrap().expire, 123_456_789);
    // The value and its end may be left out.
    assert_eq!(
        drive_set(b"\x12\x01k\x0a\x01g").map(|set| (set.value, set.expire)),
        Some((0..0, 0))
    );
}

#[test]
fn what_sets_nothing_is_an_error() {
    for (message, error) in [
        (&b""[..], MalformedMessage::Missing),
        (b"\x0a\x01g", MalformedMessage::Missing),
        (b"\x12\x01k", MalformedMessage::Missing),
        (b"\x0a\x01\xff\x12\x01k", MalformedMessage::NotUtf8),
        (b"\x0a\x01g\x12\x01\xff", MalformedMessage::NotUtf8),
        (b"\x08\x01\x12\x01k", MalformedMessage::WireType),
        (b"\x0a\x01g\x12\x01k\x1a\x02v", MalformedMessage::Truncated),
        (b"\x0a\x01g\x12\x01k\x22\x01v", MalformedMessage::WireType),
        (b"NEW", MalformedMessage::WireType),
    ] {
        assert_eq!(decode_set(message), Err(error), "{message:02x?}");
    }
}

#[test]
fn every_beginning_of_a_message_is_read_or_is_an_error() {
    let message = [&encode_response(b"value", Some(123_456_789))[..], b"\x22\x03abc"].concat();
    for end in 0..message.len() {
        drive(&message[..end]);
    }
}

#[test]
fn any_value_comes_back_from_its_message() {
    let seed = 0x9e37_79b9_7f4a_7c15;
    let mut random = Random(seed);
    for round in 0..2_000 {
        let value: Vec<u8> = (0..random.below(400)).map(|_| random.next() as u8).collect();
        let expire = random.next() as i64 >> random.below(64);
        let message = encode_response(&value, Some(expire));
        let response = drive_response(&message).unwrap();
        assert_eq!(&message[response.value], &value[..], "seed {seed:#x}, round {round}");
        assert_eq!(response.expire, expire, "seed {seed:#x}, round {round}");
    }
}

#[test]
fn damaged_messages_and_noise_are_read_or_are_errors() {
    let seed = 0x2545_f491_4f6c_dd1d;
    let mut random = Random(seed);
    for _ in 0..20_000 {
        let mut message = encode_response(b"a value of some length", Some(random.next() as i64));
        for _ in 0..=random.below(4) {
            let at = random.below(message.len() as u64) as usize;
            message[at] = random.next() as u8;
        }
        message.truncate(random.below(message.len() as u64 + 1) as usize);
        drive(&message);
        let mut set = encode_set("scores", "Tom", b"630", random.next() as i64);
        let at = random.below(set.len() as u64) as usize;
        set[at] = random.next() as u8;
        drive(&set);
        let noise: Vec<u8> = (0..random.below(24)).map(|_| random.next() as u8).collect();
        drive(&noise);
    }
}

/// xorshift64: the same numbers on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
