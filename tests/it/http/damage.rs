//! Answers damaged at random: whatever comes, a call ends in time, and what was not touched is not
//! lost.

use std::time::Instant;

use geecache::{HttpGetter, PeerGetter};

use crate::support::{FaultyPeer, Random, SOON, answer, with_seeds};

const VALUE: &str = "a value that is long enough to be cut, doubled, and torn into pieces";

/// Does one random thing to `bytes`.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return; // An earlier damage has taken all of it.
    }
    let at = random.below(bytes.len() as u64) as usize;
    let length = (1 + random.below(12) as usize).min(bytes.len() - at);
    match random.below(5) {
        0 => bytes[at] = random.below(256) as u8,
        1 => drop(bytes.drain(at..at + length)),
        2 => bytes.insert(at, b"\r\n\0: ,;"[random.below(7) as usize]),
        3 => {
            let again = bytes[at..at + length].to_vec();
            bytes.splice(at..at, again);
        }
        _ => bytes.truncate(at.max(1)),
    }
}

#[test]
fn random_damage_to_an_answer_holds_nobody_up() {
    with_seeds(1, |random| {
        for case in 0..200 {
            let mut bytes = answer(VALUE);
            let damages = random.below(4);
            (0..damages).for_each(|_| damage(&mut bytes, random));
            let pieces = 1 + random.below(30) as usize;
            let sent = bytes.clone();
            let peer = FaultyPeer::start(move |connection| {
                if connection.request().is_some() {
                    sent.chunks(pieces).all(|piece| connection.send(piece));
                    connection.close();
                }
            });
            let getter = HttpGetter::new(&peer.url()).unwrap();
            let from = Instant::now();
            let loaded = getter.get_timeout("scores", "Tom", SOON);
            let shown = String::from_utf8_lossy(&bytes);
            assert!(from.elapsed() < SOON, "case {case}: {shown:?}");
            if damages == 0 {
                let loaded = loaded.unwrap();
                assert_eq!(loaded.value(), Some(&VALUE.into()), "case {case}: {shown:?}");
            }
        }
    });
}
