//! [`Window`]: how much of a shard is given to new entries, adapted to the traffic.
//!
//! Some traffic wants recency: what was asked for a moment ago is asked for again, and a large window is best. Some wants
//! frequency: loops and scans wash through any window, and all of it is lost to the entries that would be hit again. No fixed
//! size suits both. So the window climbs the hill (Einziger, Eytan, Friedman and Manes, "Adaptive Software Cache Management",
//! Middleware 2018): it takes a step, looks at the hit ratio of the next sample of requests, goes on in the same direction if the
//! ratio rose, and turns round if it fell.
//!
//! Two rules keep it from wandering. A change that is within the noise of the sample moves nothing but a slow return towards
//! the smallest window, as steady traffic is served best by frequency. And the climb begins when the cache has been full for one
//! whole sample: while it fills, every sample is better than the one before, whatever the window does.

/// The smallest and the first share of the window. With 1 %, the byte hit ratio of values of very different sizes suffers.
const MIN_SHARE: f64 = 0.05;
/// The largest share: the rest is left to prove that frequency serves better again.
const MAX_SHARE: f64 = 0.80;
/// One step of the climb.
const STEP: f64 = 0.0625;
/// The slow return, in each sample that tells nothing.
const RETURN: f64 = 0.02;
/// Standard deviations by which the hit ratio must change to mean something.
const NOISE: f64 = 2.0;

/// The size of the window and the state of the climb.
#[derive(Debug)]
pub(super) struct Window {
    max_bytes: u64,
    share: f64,
    /// The next step if the last one was good; negative when the window is shrinking.
    step: f64,
    /// The hit ratio of the sample before.
    before: Option<f64>,
}

impl Window {
    /// The window of a shard of `max_bytes`.
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { max_bytes, share: MIN_SHARE, step: STEP, before: None }
    }

    /// What the entries in the window may be charged together.
    #[inline]
    pub(super) fn max_bytes(&self) -> u64 {
        (self.max_bytes as f64 * self.share) as u64
    }

    /// Learns from a sample of `requests` requests of a full cache, of which `hits` were hits.
    pub(super) fn learn(&mut self, hits: u64, requests: u64) {
        let ratio = hits as f64 / requests as f64;
        // The first sample is what later ones are compared with; the first step must be taken blindly.
        let change = self.before.replace(ratio).map(|before| ratio - before);
        let noise = NOISE * (ratio * (1.0 - ratio) / requests as f64).sqrt();
        let move_by = match change {
            None => self.step,
            Some(change) if change > noise => self.step,
            Some(change) if change < -noise => {
                self.step = -self.step;
                self.step
            }
            Some(_) => {
                self.step = self.step.abs();
                -RETURN
            }
        };
        self.share = (self.share + move_by).clamp(MIN_SHARE, MAX_SHARE);
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn grows_while_that_helps_and_turns_round_when_it_hurts() {
        let mut window = Window::new(1000);
        assert_eq!(window.max_bytes(), 50);
        window.learn(1_000, 10_000);
        assert_eq!(window.max_bytes(), 112);
        window.learn(2_000, 10_000);
        assert_eq!(window.max_bytes(), 175);
        window.learn(1_500, 10_000);
        assert_eq!(window.max_bytes(), 112);
        window.learn(2_000, 10_000);
        assert_eq!(window.max_bytes(), 50);
    }

    #[test]
    fn steady_traffic_returns_to_the_smallest_window() {
        let mut window = Window::new(1000);
        for sample in 0..20 {
            window.learn(5_000 + sample % 2, 10_000);
        }
        assert_eq!(window.max_bytes(), 50);
    }

    #[test]
    fn never_takes_the_whole_cache() {
        let mut window = Window::new(1000);
        for hits in 0..30 {
            window.learn(hits * 300, 10_000);
        }
        assert_eq!(window.max_bytes(), 800);
    }
}
