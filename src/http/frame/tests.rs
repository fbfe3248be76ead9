use std::collections::HashSet;
use std::ops::Range;

use super::answers::{ANSWER_HEAD_BYTES, MAX_MESSAGE_BYTES};
use super::fuzz::{bytes_of, drive, encoded};
use super::*;
use crate::byteview::ByteView;
use crate::error::PeerErrorKind;
use crate::getter::Loaded;
use crate::origin::Origin;
use crate::tag::Tag;
use crate::testing::{Random, with_seeds};

/// Frames and their parts, by chance.
struct Chance<'a>(&'a mut Random);

impl Chance<'_> {
    fn of(&mut self, range: Range<usize>) -> usize {
        range.start + self.0.below((range.end - range.start) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.0.next() as u8
    }

    fn keys(&mut self) -> Vec<String> {
        let count = self.of(1..40);
        let letter = |n: usize| ['a', '%', '/', 'ö', '你', '\0'][n];
        (0..count).map(|_| (0..self.of(0..20)).map(|_| letter(self.of(0..6))).collect()).collect()
    }

    fn answers(&mut self) -> Vec<KeyAnswer> {
        let count = self.of(1..40);
        (0..count).map(|_| self.answer()).collect()
    }

    fn answer(&mut self) -> KeyAnswer {
        let ttl = (self.of(0..2) == 0).then(|| Duration::from_millis(self.0.next() >> 1));
        let kinds = [
            PeerErrorKind::Load,
            PeerErrorKind::TimedOut,
            PeerErrorKind::Protocol,
            PeerErrorKind::Overloaded,
        ];
        match self.of(0..9) {
            0 => KeyAnswer::Left,
            8 => KeyAnswer::NotCached,
            1 => KeyAnswer::Failed(kinds[self.of(0..4)], "Ä".repeat(self.of(0..30))),
            2 => self.loaded(Loaded::absent(), ttl),
            3 => self.loaded(Loaded::from(vec![7; 5000]), ttl),
            _ => {
                let value = vec![b'v'; self.of(0..50)];
                self.loaded(Loaded::from(value), ttl)
            }
        }
    }

    fn loaded(&mut self, loaded: Loaded, ttl: Option<Duration>) -> KeyAnswer {
        let origin = [Origin::Getter, Origin::Memory, Origin::Copy, Origin::Stale][self.of(0..4)];
        let tags = [0, 0, 0, 1, 3, 8, 9][self.of(0..7)];
        let loaded = (0..tags).fold(loaded, |it, _| it.tag(Tag::from_number(self.0.next())));
        let loaded = if self.of(0..4) == 0 { loaded.version(self.0.next()) } else { loaded };
        KeyAnswer::Loaded(ttl.into_iter().fold(loaded, Loaded::ttl).came_from(origin))
    }

    /// A whole frame.
    fn frame(&mut self) -> Vec<u8> {
        if self.of(0..2) == 0 {
            let keys = self.keys();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            encode_request([Operation::Get, Operation::Remove][self.of(0..2)], &keys)
        } else {
            encoded(&self.answers(), usize::MAX)
        }
    }

    /// Damages a frame.
    fn mutate(&mut self, frame: &mut Vec<u8>) {
        for _ in 0..self.of(1..4) {
            let at = self.of(0..frame.len().max(1));
            match self.of(0..4) {
                0 => frame.truncate(at),
                1 => frame.insert(at.min(frame.len()), self.byte()),
                2 => frame.extend_from_slice(&self.0.next().to_be_bytes()),
                _ => {
                    if let Some(byte) = frame.get_mut(at) {
                        *byte = [0, 1, 0x7f, 0xff, self.byte()][self.of(0..5)];
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_written_is_read_back() {
    with_seeds(300, |random| {
        let mut chance = Chance(random);
        let keys = chance.keys();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        for operation in [Operation::Get, Operation::Remove, Operation::Peek] {
            let frame = encode_request(operation, &keys);
            assert_eq!(decode_request(&frame), Ok((operation, keys.clone())));
        }
        let answers = chance.answers();
        let frame = ByteView::from(encoded(&answers, usize::MAX));
        let decoded = decode_answers(&frame, answers.len()).unwrap();
        assert_eq!(ByteView::from(encoded(&decoded, usize::MAX)), frame);
        assert_eq!(decoded, answers);
    });
}

#[test]
fn no_bytes_are_worse_than_an_error() {
    with_seeds(3000, |random| {
        let mut chance = Chance(random);
        let mut frame = chance.frame();
        drive(&frame);
        chance.mutate(&mut frame);
        drive(&frame);
        let noise: Vec<u8> = (0..chance.of(0..60)).map(|_| chance.byte()).collect();
        drive(&noise);
        drive(&[&[1, chance.of(1..4) as u8][..], &noise].concat());
    });
}

#[test]
fn each_malformed_request_is_told_by_its_fault() {
    let good = encode_request(Operation::Get, &["Tom", "你好"]);
    assert!(decode_request(&good).is_ok());
    let with = |at: usize, byte: u8| {
        let mut frame = good.clone();
        frame[at] = byte;
        frame
    };
    let many = [&[1, 1, 0, 0, 4, 1][..], &[0; 4 * 1025]].concat();
    let long = [&[1, 1, 0, 0, 0, 1, 0, 1, 0, 1][..], &[b'k'; 0x1_0001]].concat();
    for (frame, fault) in [
        (Vec::new(), "it ends early"),
        (vec![1, 1, 0, 0], "it ends early"),
        (with(0, 2), "its version is unknown"),
        (with(1, 0xee), "its operation is unknown"),
        (with(5, 0), "it has too many keys, or none"),
        (with(2, 0xff), "it has too many keys, or none"),
        (with(5, 3), "it ends early"),
        (with(5, 200), "it ends early"),
        (with(5, 1), "it goes on behind its end"),
        (with(10, 0xff), "a key is not UTF-8"),
        (many, "it has too many keys, or none"),
        (long, "a key is too long"),
        (vec![1; MAX_REQUEST_BYTES + 1], "it is too long"),
    ] {
        assert_eq!(decode_request(&frame), Err(MalformedFrame(fault)));
    }
}

#[test]
fn an_answer_to_another_request_is_none() {
    let answers = [KeyAnswer::Left, KeyAnswer::Loaded(Loaded::from("v"))];
    let frame = ByteView::from(encoded(&answers, 100));
    assert!(decode_answers(&frame, 2).is_ok());
    for count in [0, 1, 3] {
        assert!(decode_answers(&frame, count).is_err());
    }
    let removal = ByteView::from(encode_request(Operation::Remove, &["a", "b"]));
    assert!(decode_answers(&removal, 2).is_err());
}

#[test]
fn an_answer_that_grows_too_long_leaves_the_rest_and_never_the_first_value() {
    let value = |bytes: usize| KeyAnswer::Loaded(Loaded::from(vec![0; bytes]));
    let absent = || KeyAnswer::Loaded(Loaded::absent());
    let lens = |answers: &[KeyAnswer]| -> Vec<Option<usize>> {
        let frame = ByteView::from(encoded(answers, 100));
        let answers = decode_answers(&frame, answers.len()).unwrap();
        answers.iter().map(|it| (*it != KeyAnswer::Left).then(|| bytes_of(it))).collect()
    };
    assert_eq!(lens(&[value(60), value(40), value(0)]), [Some(60), Some(40), Some(0)]);
    assert_eq!(lens(&[value(60), value(41), value(1)]), [Some(60), None, None]);
    assert_eq!(
        lens(&[absent(), value(500), absent(), value(1)]),
        [Some(0), Some(500), Some(0), None]
    );
}

#[test]
fn keys_are_cut_into_frames_that_fit() {
    assert_eq!(fitting(&[]), 0);
    assert_eq!(fitting(&["k"; 3000]), MAX_KEYS);
    let long = "k".repeat(MAX_KEY_BYTES);
    let keys = vec![long.as_str(); 40];
    let count = fitting(&keys);
    assert_eq!(count, 15);
    assert!(decode_request(&encode_request(Operation::Get, &keys[..count])).is_ok());
    assert!(encode_request(Operation::Get, &keys[..=count]).len() > MAX_REQUEST_BYTES);
}

#[test]
fn a_short_value_does_not_keep_the_whole_frame_in_memory() {
    let value = |bytes: usize| KeyAnswer::Loaded(Loaded::from(vec![1; bytes]));
    let mut answers = vec![value(100_000), value(5), value(0), value(3_000)];
    answers.extend((0..1000).map(|n| value(n % 50)));
    let frame = ByteView::from(encoded(&answers, usize::MAX));
    let decoded = decode_answers(&frame, answers.len()).unwrap();
    assert_eq!(decoded, answers);
    let kept = |answer: &KeyAnswer| match answer {
        KeyAnswer::Loaded(loaded) => loaded.value().unwrap().allocation().len(),
        _ => 0,
    };
    let kept: Vec<usize> = decoded.iter().map(kept).collect();
    assert_eq!((kept[0], kept[3]), (frame.len(), 3_000));
    assert!(kept[1..].iter().all(|&kept| kept <= 4 << 10), "{kept:?}");
}

#[test]
fn short_values_that_are_neighbours_share_their_memory() {
    let answers = vec![KeyAnswer::Loaded(Loaded::from(vec![1; 64])); 1000];
    let frame = ByteView::from(encoded(&answers, usize::MAX));
    let place = |answer: &KeyAnswer| match answer {
        KeyAnswer::Loaded(loaded) => loaded.value().unwrap().allocation().as_ptr(),
        _ => panic!("{answer:?}"),
    };
    let decoded = decode_answers(&frame, 1000).unwrap();
    let places: HashSet<_> = decoded.iter().map(place).collect();
    assert!(places.len() <= 1000 * 81 / 4000 + 1, "{}", places.len());
}

#[test]
fn an_overloaded_peer_is_told_from_a_late_one_and_old_readers_take_both_for_late() {
    let answers = [PeerErrorKind::TimedOut, PeerErrorKind::Overloaded]
        .map(|kind| KeyAnswer::Failed(kind, "later".to_owned()));
    let frame = encoded(&answers, 0);
    let (late, overloaded) = frame[HEAD_BYTES..].split_at(ANSWER_HEAD_BYTES + 5);
    // Old readers know of a failure its status and its message, and skip its ttl.
    assert_eq!((late[0], overloaded[0]), (4, 4));
    assert_eq!(late[9..], overloaded[9..]);
    assert_ne!(late, overloaded);
    assert_eq!(decode_answers(&ByteView::from(frame), 2), Ok(answers.to_vec()));
}

#[test]
fn messages_are_cut_between_characters() {
    let long =
        KeyAnswer::Failed(PeerErrorKind::Load, format!("x{}", "ä".repeat(MAX_MESSAGE_BYTES)));
    let frame = ByteView::from(encoded(&[long], 0));
    assert!(frame.len() <= MAX_ANSWER_OVERHEAD_BYTES);
    let KeyAnswer::Failed(_, message) = &decode_answers(&frame, 1).unwrap()[0] else { panic!() };
    assert_eq!(message.len(), MAX_MESSAGE_BYTES - 1);
    let letters: HashSet<char> = message.chars().collect();
    assert_eq!(letters, HashSet::from(['x', 'ä']));
}
