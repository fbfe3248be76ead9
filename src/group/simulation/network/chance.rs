//! What happens by chance.

use crate::group::simulation::network::{KEYS, NODES, World};

impl World {
    /// Something happens.
    pub(in crate::group::simulation) fn step(&self) {
        let (node, key) = (self.below(NODES), self.below(KEYS));
        let is_stopped = self.state().stopped.contains(&node);
        match self.below(40) {
            0..18 if !is_stopped => self.get(node, key),
            18..25 if !is_stopped => self.remove(node, key),
            25 if !is_stopped => self.clear(node),
            26..29 if !is_stopped => drop(self.pay(node)),
            29 | 30 => self.pass(1 + self.below(1000) as u64),
            31 => self.pass(1 + self.below(40_000) as u64),
            32..35 => self.cut_or_mend(node, self.below(NODES)),
            35 => self.heal_some(),
            36 if !is_stopped => drop(self.state().stopped.insert(node)),
            36 | 37 => drop(self.state().stopped.remove(&node)),
            38 => self.restart(node),
            39 if self.faults.lists_change.is_some() => self.change_list(node),
            _ => {}
        }
    }

    fn cut_or_mend(&self, a: usize, b: usize) {
        if a == b {
            return;
        }
        let both = self.one_in(2);
        self.log(|| format!("cut or mend {a} {b}, both ways: {both}"));
        let mut state = self.state();
        for way in if both { vec![(a, b), (b, a)] } else { vec![(a, b)] } {
            if !state.cut.remove(&way) {
                state.cut.insert(way);
            }
        }
    }

    /// A process dies, and another one takes its place. What it owed is lost.
    pub(super) fn restart(&self, node: usize) {
        let groups = self.state().groups.clone();
        let listed = self.state().listed.len();
        let may_be_back = self.faults.lists_change.is_some();
        if listed < NODES || may_be_back && groups.iter().any(|it| !it.debts().is_empty()) {
            // One that comes now does not know what those miss who are away, or are just back.
            return;
        }
        drop(groups);
        let started = self.start(node);
        let before = {
            let mut state = self.state();
            state.stopped.remove(&node);
            state.unsettled.remove(&node);
            state.lives[node] += 1;
            std::mem::replace(&mut state.groups[node], started)
        };
        drop(before);
        self.log(|| format!("{node} restarts"));
    }

    /// One leaves the list, without knowing it, or is back.
    fn change_list(&self, node: usize) {
        let mut state = self.state();
        let before = state.listed.clone();
        if !state.listed.remove(&node) {
            state.listed.insert(node);
        } else if state.listed.is_empty() {
            state.listed = before;
            return;
        }
        state.previous = Some(before).filter(|_| self.one_in(2));
        state.warm_ups += 1;
        drop(state);
        self.log(|| format!("the list is {:?}", self.state().listed));
        self.tell_of_list();
    }
}
