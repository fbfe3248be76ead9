//! What is aimed at, and whether it was reached in this run.

use std::fmt;

use super::contenders::Contender;
use super::report::{Quoted, Report};
use super::scenario::Scenario;

const THREADS: [usize; 4] = [1, 4, 16, 64];
const SMALL: usize = 64;
const LARGE: usize = 256 << 10;

pub(super) struct Goal {
    what: String,
    least: f64,
    /// `None` where a contender or a case was left out.
    reached: Option<f64>,
}

impl Goal {
    fn verdict(&self) -> &'static str {
        match self.reached {
            Some(reached) if reached >= self.least => "met",
            Some(_) => "missed",
            None => "not measured",
        }
    }

    pub(super) fn json(&self) -> String {
        let reached = self.reached.map_or("null".to_owned(), |reached| format!("{reached:.3}"));
        let (what, least, verdict) = (Quoted(&self.what), self.least, Quoted(self.verdict()));
        format!(
            "    {{\"goal\": {what}, \"least\": {least}, \"reached\": {reached}, \"verdict\": \
             {verdict}}}"
        )
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} (at least {}", self.verdict(), self.what, self.least)?;
        match self.reached {
            Some(reached) => write!(f, ", reached {reached:.2})"),
            None => write!(f, ")"),
        }
    }
}

pub(super) fn judge(report: &Report) -> Vec<Goal> {
    use Contender::{Groupcache, Guarded, Memcached, MutualTls, Pair, TinyHttp, Token};
    let rate = |contender, case| Some(report.summary(contender, case)?.best);
    let ratio = |a, b, case| Some(rate(a, case)? / rate(b, case)?);
    let single = |threads, value_bytes| Scenario { threads, value_bytes, batch: 1 };
    let hundred = Scenario { threads: 4, value_bytes: SMALL, batch: 100 };

    let mut goals = Vec::new();
    for (server, least) in [(Guarded, 2.0), (TinyHttp, 1.2)] {
        for threads in THREADS {
            goals.push(Goal {
                what: format!(
                    "{server} is so many times as fast as {Groupcache}, {threads} threads"
                ),
                least,
                reached: ratio(server, Groupcache, single(threads, SMALL)),
            });
        }
    }
    goals.push(Goal {
        what: format!("{Guarded} in gets/s of the {Pair}, 16 threads"),
        least: 0.7,
        reached: ratio(Guarded, Pair, single(16, SMALL)),
    });
    for (contender, least) in [(Token, 0.97), (MutualTls, 0.8)] {
        goals.push(Goal {
            what: format!("{contender} in gets/s of {Guarded}, 16 threads"),
            least,
            reached: ratio(contender, Guarded, single(16, SMALL)),
        });
    }
    goals.push(Goal {
        what: "million keys/s from 4 threads in batches of 100".to_owned(),
        least: 1.5,
        reached: rate(Guarded, hundred).map(|rate| rate / 1e6),
    });
    goals.push(Goal {
        what: format!("keys/s of {Memcached}'s multi-get of 100, 4 threads"),
        least: 1.0,
        reached: ratio(Guarded, Memcached, hundred),
    });
    for threads in THREADS {
        goals.push(Goal {
            what: format!("values of 256 KiB in bytes/s of the {Pair}, {threads} threads"),
            least: 0.7,
            reached: ratio(Guarded, Pair, single(threads, LARGE)),
        });
    }
    goals
}
