//! [`FanOut`]: one question to all other peers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::peer::Peer;
use crate::http::status::json::{self, JsonObject};
use crate::http::status::view::millis;

/// The time for all of them together.
const TIME: Duration = Duration::from_millis(500);
/// So many questions may be under way at once.
const MAX_QUESTIONS: usize = 2;
/// So many peers are asked at once for one of them.
const MAX_THREADS: usize = 16;
/// The longest answer of one peer that is taken, in bytes.
const MAX_ANSWER_BYTES: u64 = 256 << 10;
/// What all answers together may have; what would be more is left out.
const MAX_BYTES: usize = 8 << 20;

/// Asks all other peers, a few of them at a time, and only so many questions at once.
#[derive(Debug, Default)]
pub(super) struct FanOut {
    under_way: AtomicUsize,
}

/// What a peer answered.
pub(super) struct PeerAnswer {
    peer: Arc<Peer>,
    took: Duration,
    answer: Result<String, String>,
}

impl FanOut {
    /// Asks `peers` for `path`, within [`TIME`]. The answers are in the order of the peers. `None`
    /// if too many questions are under way.
    pub(super) fn ask(&self, peers: &[Arc<Peer>], path: &str) -> Option<Vec<PeerAnswer>> {
        let _place = UnderWay::take(&self.under_way)?;
        // Those that are known to be down may take all of the time, so the others come first.
        let mut order: Vec<usize> = (0..peers.len()).collect();
        order.sort_by_cached_key(|&at| !peers[at].is_ready());
        let round = SharedQuestion {
            peers,
            order: &order,
            path,
            next: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            until: Instant::now() + TIME,
        };
        let mut told = round.on_threads();
        told.sort_by_key(|(at, _)| *at);
        Some(told.into_iter().map(|(_, told)| told).collect())
    }
}

/// A question that is under way.
struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn take(under_way: &'a AtomicUsize) -> Option<Self> {
        // The drop gives it back, also where there was none.
        let place = Self(under_way);
        (under_way.fetch_add(1, Ordering::Relaxed) < MAX_QUESTIONS).then_some(place)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One question, as its threads share it.
struct SharedQuestion<'a> {
    peers: &'a [Arc<Peer>],
    /// The places of the peers, in the order in which they are asked.
    order: &'a [usize],
    path: &'a str,
    /// How many of them are taken.
    next: AtomicUsize,
    /// Bytes of the answers so far.
    bytes: AtomicUsize,
    until: Instant,
}

impl SharedQuestion<'_> {
    /// Asks on the calling thread, and on others where there are any to be had.
    fn on_threads(&self) -> Vec<(usize, PeerAnswer)> {
        thread::scope(|scope| {
            let others = self.peers.len().min(MAX_THREADS).saturating_sub(1);
            let start = |_| {
                let thread = thread::Builder::new().name("geecache-status".to_owned());
                thread.spawn_scoped(scope, || self.ask_in_turn()).ok()
            };
            let others: Vec<_> = (0..others).map_while(start).collect();
            let mut told = self.ask_in_turn();
            for other in others {
                told.extend(other.join().unwrap_or_default());
            }
            told
        })
    }

    fn ask_in_turn(&self) -> Vec<(usize, PeerAnswer)> {
        let mut told = Vec::new();
        while let Some(&at) = self.order.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let begun = Instant::now();
            let answer = self.ask(&self.peers[at]);
            let peer = Arc::clone(&self.peers[at]);
            told.push((at, PeerAnswer { peer, took: begun.elapsed(), answer }));
        }
        told
    }

    fn ask(&self, peer: &Peer) -> Result<String, String> {
        let left = self.until.saturating_duration_since(Instant::now());
        // A reader is told of it, so it is whole milliseconds.
        let left = Duration::from_millis(millis(left));
        if left.is_zero() {
            return Err("the time was over before it was asked".to_owned());
        }
        let body = peer.page(self.path, MAX_ANSWER_BYTES, left);
        let body = body.map_err(|error| format!("{}: {}", error.kind(), error.message()))?;
        let text = std::str::from_utf8(&body).ok().filter(|text| json::is_object(text));
        let text = text.ok_or("its answer is no JSON")?;
        if self.bytes.fetch_add(text.len(), Ordering::Relaxed) + text.len() > MAX_BYTES {
            return Err("left out: the answers are too long together".to_owned());
        }
        Ok(text.to_owned())
    }
}

impl PeerAnswer {
    /// Whether the peer has the list of peers with this digest. One that did not answer may have
    /// it.
    pub(super) fn agrees_on(&self, digest: u32) -> bool {
        // Text of users can't hold this: its quotation marks are escaped.
        let member = format!("\"digest\":\"{digest:08x}\"");
        self.answer.as_ref().map_or(true, |status| status.contains(&member))
    }

    pub(super) fn write(&self, object: &mut JsonObject<'_>) {
        object.member("url", self.peer.url().as_str());
        object.member("answered", self.answer.is_ok());
        object.member("took_us", u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX));
        match &self.answer {
            Ok(status) => object.written("status", status),
            Err(error) => object.member("error", &**error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_questions_are_under_way_at_most() {
        let fan_out = FanOut::default();
        let first = UnderWay::take(&fan_out.under_way);
        let second = UnderWay::take(&fan_out.under_way);
        assert!(first.is_some() && second.is_some());
        for _ in 0..3 {
            assert!(fan_out.ask(&[], "/status.json").is_none());
        }
        drop(first);
        for _ in 0..3 {
            assert!(fan_out.ask(&[], "/status.json").is_some());
        }
    }
}
