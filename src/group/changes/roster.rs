//! [`Roster`]: which peers were in the list, and when. So one that was away is known when it is
//! back.

use std::collections::HashMap;
use std::sync::Arc;

use crate::change::ChangeMark;

/// So many peers are remembered that have left. Of more, those that left first are forgotten.
const MOST_AWAY: usize = 256;

/// The peers that the list has or had, by their names.
///
/// Time is the number of changes that were made in this process, its own and those that it was told
/// of. A peer has missed something if there was a change after it was seen in the list for the last
/// time.
#[derive(Debug, Default)]
pub(super) struct Roster {
    known: HashMap<Arc<str>, Sighting>,
    away: usize,
    /// How often the list was looked at.
    looks: u64,
    /// Whether somebody was forgotten: then one who comes may be one who was away.
    has_forgotten: bool,
}

#[derive(Debug, Clone, Copy)]
struct Sighting {
    /// How many changes had been made when it was in the list last.
    seen: u64,
    /// The last look at which it was there, or that it is no longer.
    look: u64,
    state: Presence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Listed,
    /// It is away. What was changed since it left stands behind this mark of the journal, if that
    /// is known.
    Away(Option<ChangeMark>),
    /// It is away, and was owed something when it left.
    AwayInDebt,
}

/// What a peer has missed that is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// What stands behind this mark of the journal.
    Since(ChangeMark),
    /// Nobody knows.
    Unknown,
    /// It was never in the list before, which was looked at before.
    New,
}

impl Roster {
    /// Looks at a list of peers. It was read after so many changes; those from `before` on are
    /// being told to all who are in it. The places in the list of those that are back and have
    /// missed something, or are new.
    ///
    /// `mark` takes a mark of the journal, for those who are seen to have left.
    pub(super) fn look(
        &mut self,
        names: &[&str],
        (before, after): (u64, u64),
        mark: impl Fn() -> ChangeMark,
    ) -> Vec<(usize, Absence)> {
        self.looks += 1;
        let mut missed = Vec::new();
        for (at, name) in names.iter().enumerate() {
            if let Some(absence) = self.is_in(name, before, after) {
                missed.push((at, absence));
            }
        }
        for known in self.known.values_mut() {
            // Another thread may have read the list later than this one, and looked before.
            let is_new = known.look < self.looks && known.seen <= after;
            if known.state == Presence::Listed && is_new {
                // If there was a change since it was seen last, the journal may lack that.
                known.state = Presence::Away((known.seen >= before).then(&mark));
                known.look = self.looks;
                self.away += 1;
            }
        }
        self.forget_some();
        missed
    }

    /// A peer is in the list; what it has missed before, if anything.
    fn is_in(&mut self, name: &str, before: u64, after: u64) -> Option<Absence> {
        let look = self.looks;
        let Some(known) = self.known.get_mut(name) else {
            let known = Sighting { seen: after, look, state: Presence::Listed };
            self.known.insert(Arc::from(name), known);
            return match self.has_forgotten {
                _ if before == 0 => None,
                true => Some(Absence::Unknown),
                false => (look > 1).then_some(Absence::New),
            };
        };
        let missed = match known.state {
            Presence::Listed => None,
            Presence::Away(Some(mark)) if known.seen < before => Some(Absence::Since(mark)),
            Presence::Away(None) if known.seen < before => Some(Absence::Unknown),
            Presence::Away(_) => None,
            Presence::AwayInDebt => Some(Absence::Unknown),
        };
        if known.state != Presence::Listed {
            self.away -= 1;
        }
        *known = Sighting { seen: known.seen.max(after), look, state: Presence::Listed };
        missed
    }

    /// A peer that is to be asked is in the list, which was not looked at lately. What it has
    /// missed, if anything.
    pub(super) fn meet(&mut self, name: &str, changes: u64) -> Option<Absence> {
        if !self.is_away(name) {
            return None;
        }
        self.is_in(name, changes, changes)
    }

    /// One who has left was owed something, as may turn out only later.
    pub(super) fn left_in_debt(&mut self, name: &str) {
        if let Some(known) = self.known.get_mut(name) {
            if known.state != Presence::Listed {
                known.state = Presence::AwayInDebt;
            }
        }
    }

    /// Whether it was in the list when that was looked at last.
    pub(super) fn is_listed(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|known| known.state == Presence::Listed)
    }

    fn is_away(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|known| known.state != Presence::Listed)
    }

    /// Whether somebody has left who may come back.
    pub(super) fn has_away(&self) -> bool {
        self.away > 0 || self.has_forgotten
    }

    fn forget_some(&mut self) {
        while self.away > MOST_AWAY {
            let away = self.known.iter().filter(|(_, known)| known.state != Presence::Listed);
            let first = away.min_by_key(|(_, known)| known.look).map(|(name, _)| Arc::clone(name));
            let Some(first) = first else { return };
            self.known.remove(&first);
            self.away -= 1;
            self.has_forgotten = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(count: u64) -> ChangeMark {
        ChangeMark::new(7, count)
    }

    /// Looks at a list during the change of this number.
    fn change(roster: &mut Roster, number: u64, names: &[&str]) -> Vec<(usize, Absence)> {
        roster.look(names, (number - 1, number), || mark(number - 1))
    }

    #[test]
    fn one_who_was_away_during_a_change_has_missed_it() {
        let mut roster = Roster::default();
        assert_eq!(change(&mut roster, 1, &["a", "b"]), []);
        assert_eq!(change(&mut roster, 2, &["a"]), []);
        assert!(roster.has_away() && roster.is_listed("a") && !roster.is_listed("b"));
        let back = change(&mut roster, 3, &["a", "b"]);
        assert_eq!(back, [(1, Absence::Since(mark(1)))]);
        assert!(!roster.has_away());
        assert_eq!(change(&mut roster, 4, &["a", "b"]), []);
    }

    #[test]
    fn one_who_was_away_between_two_changes_has_missed_nothing() {
        let mut roster = Roster::default();
        change(&mut roster, 1, &["a"]);
        assert_eq!(roster.look(&[], (1, 1), || mark(1)), []);
        assert!(!roster.is_listed("a"));
        assert_eq!(change(&mut roster, 2, &["a"]), []);
    }

    #[test]
    fn one_who_is_asked_may_be_back() {
        let mut roster = Roster::default();
        change(&mut roster, 1, &["a", "b"]);
        assert_eq!(roster.meet("a", 1), None, "it was never away");
        change(&mut roster, 2, &[]);
        assert_eq!(roster.meet("a", 2), Some(Absence::Since(mark(1))));
        assert_eq!(roster.meet("a", 2), None);
        assert_eq!(roster.meet("stranger", 2), None);
        assert!(roster.has_away(), "the other one");
    }

    #[test]
    fn where_changes_came_before_it_was_seen_to_be_away_nobody_knows_what_it_has_missed() {
        let mut roster = Roster::default();
        change(&mut roster, 1, &["a"]);
        change(&mut roster, 3, &[]);
        assert_eq!(change(&mut roster, 4, &["a"]), [(0, Absence::Unknown)]);
    }

    #[test]
    fn an_older_look_at_the_list_sends_nobody_away() {
        let mut roster = Roster::default();
        change(&mut roster, 5, &["a"]);
        assert_eq!(roster.look(&[], (3, 4), || mark(3)), []);
        assert_eq!(roster.meet("a", 5), None);
    }

    #[test]
    fn one_who_left_in_debt_has_missed_something_in_any_case() {
        let mut roster = Roster::default();
        change(&mut roster, 1, &["a"]);
        roster.look(&[], (1, 1), || mark(1));
        roster.left_in_debt("a");
        assert_eq!(change(&mut roster, 2, &["a"]), [(0, Absence::Unknown)]);
    }

    #[test]
    fn where_somebody_was_forgotten_everybody_who_comes_may_be_that_one() {
        let mut roster = Roster::default();
        let names: Vec<String> = (0..=MOST_AWAY).map(|n| n.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        change(&mut roster, 1, &names);
        change(&mut roster, 2, &["x"]);
        assert_eq!((roster.away, roster.known.len()), (MOST_AWAY, MOST_AWAY + 1));
        assert_eq!(change(&mut roster, 3, &["x", "new"]), [(1, Absence::Unknown)]);
    }
}
