//! What is done to whom and when, drawn from a seed.

use std::time::Duration;

/// One thing to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Kill a peer; it restarts on its port after the pause.
    Kill(usize, Duration),
    /// Stop a peer with a signal; it continues after the pause.
    Stop(usize, Duration),
    /// Tell all peers a list without this one; the whole list is back after the pause.
    Leave(usize, Duration),
    /// Tell this peer alone a list of its own, so that the lists differ; the whole list is back
    /// after the pause.
    Differ(usize, Duration),
}

/// Of so many steps the first ones change lists, and the others do not: what is settled can be
/// looked at only when peers agree who there is.
const ROUND: u64 = 60;
const WITH_LISTS: u64 = 25;

/// An endless schedule.
pub(crate) struct Schedule {
    state: u64,
    peers: u64,
    steps: u64,
}

impl Schedule {
    pub(crate) fn new(seed: u64, peers: usize) -> Self {
        Self { state: seed, peers: peers as u64, steps: 0 }
    }

    /// How long to wait, and what to do then.
    pub(crate) fn next(&mut self) -> (Duration, Step) {
        let pause = Duration::from_millis(200 + self.below(500));
        let peer = self.below(self.peers) as usize;
        self.steps += 1;
        let kinds = if self.steps % ROUND < WITH_LISTS { 10 } else { 7 };
        let step = match self.below(kinds) {
            0..=3 => Step::Kill(peer, Duration::from_millis(200 + self.below(1500))),
            4..=6 => Step::Stop(peer, Duration::from_millis(500 + self.below(4500))),
            7..=8 => Step::Leave(peer, Duration::from_millis(300 + self.below(1500))),
            _ => Step::Differ(peer, Duration::from_millis(300 + self.below(1500))),
        };
        (pause, step)
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
