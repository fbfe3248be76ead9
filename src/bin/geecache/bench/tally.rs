//! [`Tally`]: what a peer answered, or all of them.

use std::time::Duration;

use geecache::{Histogram, PeerError};
use serde_json::{Value, json};

use crate::columns::{Cell, Columns, Side};
use crate::format::{self, NOTHING, count, rate};
use crate::style::Paint;

/// Answers, and how long they took.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) times: Histogram,
    /// Answers that there is no such key.
    pub(super) absent: u64,
    pub(super) failed: u64,
    pub(super) last_error: Option<PeerError>,
}

impl Tally {
    pub(super) fn add(&mut self, other: &Self) {
        self.times.merge(&other.times);
        self.absent += other.absent;
        self.failed += other.failed;
        if other.last_error.is_some() {
            self.last_error.clone_from(&other.last_error);
        }
    }

    pub(super) fn per_second(&self, took: Duration) -> f64 {
        self.times.count() as f64 / took.as_secs_f64().max(1e-9)
    }

    /// The table that rows go to.
    pub(super) fn columns() -> Columns {
        Columns::new(&[
            ("PEER", Side::Left),
            ("GETS", Side::Right),
            ("GETS/S", Side::Right),
            ("P50", Side::Right),
            ("P90", Side::Right),
            ("P99", Side::Right),
            ("P99.9", Side::Right),
            ("MAX", Side::Right),
            ("FAILED", Side::Right),
        ])
    }

    pub(super) fn row(&self, name: &str, took: Duration) -> [Cell; 9] {
        let time = |percent| match self.times.percentile(percent) {
            Some(time) => format::time(time).into(),
            None => NOTHING.into(),
        };
        let max =
            if self.times.count() > 0 { format::time(self.times.max()) } else { NOTHING.into() };
        let paint = if self.failed > 0 { Paint::Bad } else { Paint::Plain };
        [
            name.into(),
            count(self.times.count()).into(),
            rate(self.per_second(took)).into(),
            time(50.0),
            time(90.0),
            time(99.0),
            time(99.9),
            max.into(),
            Cell::painted(paint, count(self.failed)),
        ]
    }

    pub(super) fn to_json(&self, took: Duration) -> Value {
        let micros = |time: Duration| time.as_nanos() as f64 / 1e3;
        let percentile = |percent| self.times.percentile(percent).map(micros);
        json!({
            "gets": self.times.count(),
            "gets_per_s": self.per_second(took),
            "absent": self.absent,
            "failed": self.failed,
            "p50_us": percentile(50.0),
            "p90_us": percentile(90.0),
            "p99_us": percentile(99.0),
            "p999_us": percentile(99.9),
            "max_us": (self.times.count() > 0).then(|| micros(self.times.max())),
        })
    }
}
