//! Gets that meet on the way to one peer.

use std::sync::mpsc;
use std::thread;

use super::*;
use crate::http::testing::SOON;

/// A time that does not pass.
const LONG: Duration = Duration::from_secs(600);

impl Lanes {
    /// Lanes that are given up after `turn`.
    pub(in crate::http::peer) fn with_turn(count: usize, turn: Duration) -> Self {
        Self::with(count, turn)
    }

    pub(in crate::http::peer) fn waiting(&self) -> usize {
        lock(&self.state).waiting.len()
    }

    /// Returns when that many wait.
    #[track_caller]
    pub(in crate::http::peer) fn await_waiting(&self, count: usize) {
        let begun = Instant::now();
        while self.waiting() != count {
            assert!(begun.elapsed() < SOON, "{} wait, not {count}", self.waiting());
            thread::yield_now();
        }
    }

    fn turn_of(&self, key: &str) -> NextStep<'_> {
        self.turn("g", key, Instant::now() + LONG)
    }

    /// As many lanes as are taken by those who need not wait.
    fn fill(&self) -> Vec<LaneGuard<'_>> {
        let filled = (0..2 * self.count).map(|_| match self.turn_of("filler") {
            NextStep::Goes(lane) => lane,
            other => panic!("{}", name_of(&other)),
        });
        filled.collect()
    }
}

fn name_of(turn: &NextStep<'_>) -> String {
    match turn {
        NextStep::Goes(_) => "goes".to_owned(),
        NextStep::Leads(_, company) => {
            let mut keys: Vec<&str> = company.keys().collect();
            keys.sort_unstable();
            format!("leads {}", keys.join(" "))
        }
        NextStep::GoesAlone => "goes alone".to_owned(),
        NextStep::Ends(answer) => format!("ends with {answer:?}"),
        NextStep::IsLate => "is late".to_owned(),
    }
}

#[test]
fn who_gets_a_lane_takes_all_along_who_wait() {
    let lanes = Lanes::with_turn(1, LONG);
    let (send, turns) = mpsc::channel();
    thread::scope(|scope| {
        let mut taken = lanes.fill();
        for (at, key) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let (lanes, send) = (&lanes, send.clone());
            scope.spawn(move || {
                let turn = lanes.turn_of(key);
                let name = name_of(&turn);
                if let NextStep::Leads(_lane, company) = turn {
                    company.answer(|rider| (&*rider.key != "d").then(|| Ok(Loaded::from("v"))));
                }
                send.send((key, name)).unwrap();
            });
            lanes.await_waiting(at + 1);
        }
        taken.pop();
        assert_eq!(lanes.waiting(), 4, "the other lane is enough where many wait");
        taken.pop();
        let mut all: Vec<_> = (0..4).map(|_| turns.recv_timeout(SOON).unwrap()).collect();
        all.sort_unstable();
        assert_eq!(all[0], ("a", "leads b c d".to_owned()));
        assert!(all[1].1.starts_with("ends with Ok"), "{all:?}");
        assert!(all[2].1.starts_with("ends with Ok"), "{all:?}");
        assert_eq!(all[3], ("d", "goes alone".to_owned()));
    });
    assert_eq!(lanes.fill().len(), 2, "all lanes are free again");
}

#[test]
fn those_of_another_group_or_in_a_hurry_are_not_taken_along() {
    let lanes = Lanes::with_turn(1, LONG);
    let (send, turns) = mpsc::channel();
    thread::scope(|scope| {
        let taken = lanes.fill();
        let now = Instant::now();
        let waiters = [("g", "a", LONG), ("h", "b", LONG), ("g", "c", LONG / 3), ("g", "d", LONG)];
        for (at, (group, key, time)) in waiters.into_iter().enumerate() {
            let (lanes, send) = (&lanes, send.clone());
            scope.spawn(move || {
                let name = name_of(&lanes.turn(group, key, now + time));
                send.send((key, name)).unwrap();
            });
            lanes.await_waiting(at + 1);
        }
        drop(taken);
        let mut all: Vec<_> = (0..4).map(|_| turns.recv_timeout(SOON).unwrap()).collect();
        all.sort_unstable();
        let names: Vec<&str> = all.iter().map(|(_, name)| &**name).collect();
        assert_eq!(names, ["leads d", "leads ", "leads ", "goes alone"]);
    });
}

#[test]
fn who_has_no_time_left_leaves_and_loses_no_lane() {
    let lanes = Lanes::with_turn(1, LONG);
    let taken = lanes.fill();
    let turn = lanes.turn("g", "k", Instant::now() + Duration::from_millis(5));
    assert_eq!(name_of(&turn), "is late");
    assert_eq!(lanes.waiting(), 0);
    drop(taken);
    assert_eq!(lanes.fill().len(), 2);
}

#[test]
fn a_request_that_takes_long_gives_its_lane_up() {
    let lanes = Lanes::with_turn(1, Duration::from_millis(1));
    let slow = lanes.fill();
    // They wait for the end of a turn, and for nobody.
    let next = lanes.turn_of("k");
    assert!(matches!(next, NextStep::Leads(..) | NextStep::Goes(_)), "{}", name_of(&next));
    drop(slow);
    drop(next);
    assert!(lock(&lanes.state).taken.is_empty());
}

#[test]
fn a_leader_that_panics_leaves_nobody_waiting() {
    let lanes = Lanes::with_turn(1, LONG);
    let (send, turns) = mpsc::channel();
    thread::scope(|scope| {
        let taken = lanes.fill();
        let leader = scope.spawn(|| {
            let _turn = lanes.turn_of("a");
            std::panic::resume_unwind(Box::new("a leader panics"));
        });
        lanes.await_waiting(1);
        scope.spawn(|| send.send(name_of(&lanes.turn_of("b"))).unwrap());
        lanes.await_waiting(2);
        drop(taken);
        assert!(leader.join().is_err());
        assert_eq!(turns.recv_timeout(SOON).unwrap(), "goes alone");
    });
    assert_eq!(lanes.fill().len(), 2);
}

#[test]
fn long_values_are_told_from_short_ones_by_the_last_of_them() {
    let lanes = Lanes::with_turn(1, LONG);
    let saw = |bytes: usize, times: usize| {
        (0..times).for_each(|_| lanes.saw(&Ok(Loaded::from(vec![7; bytes]))));
        lanes.are_values_long()
    };
    assert!(!saw(64, 100));
    assert!(!saw(LONG_VALUE, 100), "not longer than that");
    assert!(saw(256 << 10, 1));
    assert!(!saw(64, 30), "they are short again");
    assert!(saw(64 << 20, 2));
    assert!(!saw(0, 200));
}
