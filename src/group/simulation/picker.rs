//! [`Picker`]: how a process of the simulation finds and asks the others.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use crate::change::ChangeStamp;
use crate::error::{Error, PeerError};
use crate::getter::Loaded;
use crate::group::PeerSide;
use crate::group::simulation::network::{World, name_of};
use crate::peers::{MayAsk, PeerGetter, PeerPicker, ZoneOwner};

/// How one process finds and asks the others.
pub(super) struct Picker {
    pub(super) world: Weak<World>,
    pub(super) node: usize,
}

impl Picker {
    fn link(&self, to: usize) -> Arc<dyn PeerGetter> {
        let world = Weak::clone(&self.world);
        Arc::new(Link { world, way: (self.node, to), name: name_of(to) })
    }

    fn world(&self) -> Arc<World> {
        self.world.upgrade().expect("it lives while a test runs")
    }

    fn zone(&self) -> usize {
        self.world().zone_of(self.node)
    }

    /// Those of this zone who answer for `key`, in their order, if these are all peers. One who was
    /// taken out of the list does not know.
    fn order(&self, key: &str, listed: &BTreeSet<usize>) -> Vec<usize> {
        let mut all = listed.clone();
        all.insert(self.node);
        self.order_in(self.zone(), key, &all)
    }

    fn order_in(&self, zone: usize, key: &str, listed: &BTreeSet<usize>) -> Vec<usize> {
        let world = self.world();
        let in_zone = listed.iter().filter(|node| world.zone_of(**node) == zone);
        let mut all: Vec<usize> = in_zone.copied().collect();
        let seed: usize = key.parse().expect("keys are numbers");
        all.sort_by_key(|node| ((node + 1) * (seed * 7 + 3)) % 11);
        all
    }

    fn first(&self, key: &str, may_ask: impl Fn(usize) -> bool) -> Option<usize> {
        let listed = self.world().state().listed.clone();
        let order = self.order(key, &listed);
        let world = self.world();
        let is_up = |to: usize| !world.state().doubts.contains(&(self.node, to));
        order.into_iter().find(|&to| to == self.node || is_up(to) && may_ask(to))
    }
}

impl PeerPicker for Picker {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        self.first(key, |_| true).filter(|&to| to != self.node).map(|to| self.link(to))
    }

    fn pick_peer_that(&self, key: &str, may_ask: MayAsk<'_>) -> Option<Arc<dyn PeerGetter>> {
        let first = self.first(key, |to| may_ask(&self.link(to)));
        first.filter(|&to| to != self.node).map(|to| self.link(to))
    }

    fn picks_the_owner(&self, key: &str) -> bool {
        let listed = self.world().state().listed.clone();
        self.first(key, |_| true) == self.order(key, &listed).first().copied()
    }

    fn owns(&self, key: &str) -> bool {
        let listed = self.world().state().listed.clone();
        self.order(key, &listed).first() == Some(&self.node)
    }

    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        let world = self.world();
        let mut all: Vec<usize> = {
            let state = world.state();
            let left = state.previous.iter().flatten();
            let all: BTreeSet<usize> = state.listed.iter().chain(left).copied().collect();
            all.into_iter().filter(|&to| to != self.node).collect()
        };
        for at in (1..all.len()).rev() {
            all.swap(at, world.below(at + 1));
        }
        all.into_iter().map(|to| self.link(to)).collect()
    }

    fn owners_in_other_zones(&self, key: &str) -> Vec<ZoneOwner> {
        let world = self.world();
        let (listed, previous, doubts) = {
            let state = world.state();
            (state.listed.clone(), state.previous.clone(), state.doubts.clone())
        };
        let owner_in = |zone: usize| {
            let order = self.order_in(zone, key, &listed);
            let owner = *order.first()?;
            let is_up = |to: &&usize| !doubts.contains(&(self.node, **to));
            let asked = *order.iter().find(is_up).unwrap_or(&owner);
            let previous = previous.as_ref().map(|listed| self.order_in(zone, key, listed));
            let previous = previous.and_then(|order| order.first().copied());
            let previous = previous.filter(|previous| ![owner, asked].contains(previous));
            Some(ZoneOwner {
                peer: self.link(asked),
                is_owner: asked == owner,
                previous: previous.map(|previous| self.link(previous)),
            })
        };
        let others = (0..world.zones()).filter(|zone| *zone != self.zone());
        others.filter_map(owner_in).collect()
    }

    fn previous_owner(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let (listed, previous) = {
            let world = self.world();
            let state = world.state();
            (state.listed.clone(), state.previous.clone()?)
        };
        let owner = *self.order(key, &previous).first()?;
        let is_other = owner != self.node && self.order(key, &listed).first() != Some(&owner);
        is_other.then(|| self.link(owner))
    }

    fn warm_up(&self) -> Option<u64> {
        let world = self.world();
        let state = world.state();
        state.previous.as_ref().map(|_| state.warm_ups)
    }
}

struct Link {
    world: Weak<World>,
    way: (usize, usize),
    name: String,
}

impl Link {
    fn request<T>(
        &self,
        serve: impl FnOnce(PeerSide<'_>) -> Result<T, Error>,
    ) -> Result<T, PeerError> {
        self.world.upgrade().expect("it lives while a test runs").request(self.way, serve)
    }
}

impl PeerGetter for Link {
    fn get(&self, _group: &str, key: &str) -> Result<Loaded, PeerError> {
        self.request(|side| side.get(key))
    }

    fn peek(&self, _group: &str, key: &str) -> Result<Option<Loaded>, PeerError> {
        self.request(|side| Ok(side.peek(key)))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn remove(&self, _group: &str, keys: &[&str], stamp: ChangeStamp) -> Result<(), PeerError> {
        self.request(|side| {
            side.remove(keys, stamp);
            Ok(())
        })
    }

    fn clear(&self, _group: &str, stamp: ChangeStamp) -> Result<(), PeerError> {
        self.request(|side| {
            side.clear(stamp);
            Ok(())
        })
    }
}
