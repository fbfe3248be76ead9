//! Whom groups ask: [`Peers`] as a [`PeerPicker`].

use std::sync::{Arc, Weak};

use crate::http::peer::Peer;
use crate::http::peers::Peers;
use crate::http::peers::rings::ZoneRing;
use crate::peers::{MayAsk, PeerGetter, PeerPicker, PeersWatcher, ZoneOwner};
use crate::sync::lock;

impl PeerPicker for Peers {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let members = self.members();
        self.warn_without_peers(&members, key);
        let picked = Arc::clone(members.list.pick(key, |peer| peer.is_ready())?);
        log::debug!("{self:?} picks {picked:?} for {key:?}");
        Some(picked)
    }

    fn pick_peers(&self, keys: &[&str]) -> Vec<Option<Arc<dyn PeerGetter>>> {
        let members = self.members();
        self.warn_without_peers(&members, keys.first().unwrap_or(&""));
        let mut asked: Vec<(*const Peer, bool)> = Vec::new();
        let mut is_ready = |peer: &Arc<Peer>| {
            let known = asked.iter().find(|(it, _)| std::ptr::eq(*it, Arc::as_ptr(peer)));
            known.map(|(_, ready)| *ready).unwrap_or_else(|| {
                let ready = peer.is_ready();
                asked.push((Arc::as_ptr(peer), ready));
                ready
            })
        };
        // Whom all keys of an owner go to: to itself, or to us. `None` where it is down, and each
        // key goes to the next one on the ring.
        let mut settled: Vec<(&str, Option<Option<&Arc<Peer>>>)> = Vec::new();
        let mut pick = |key: &&str| {
            let owner = members.list.rings.owner(key)?;
            let known = settled.iter().find(|(it, _)| std::ptr::eq(*it, owner));
            let whom = known.map(|(_, whom)| *whom).unwrap_or_else(|| {
                let whom = match members.list.other(owner) {
                    None => Some(None),
                    Some(peer) => is_ready(peer).then_some(Some(peer)),
                };
                settled.push((owner, whom));
                whom
            });
            let picked = whom.unwrap_or_else(|| members.list.pick(key, &mut is_ready))?;
            log::debug!("{self:?} picks {picked:?} for {key:?}");
            Some(Arc::clone(picked) as Arc<dyn PeerGetter>)
        };
        keys.iter().map(&mut pick).collect()
    }

    fn pick_peer_that(&self, key: &str, may_ask: MayAsk<'_>) -> Option<Arc<dyn PeerGetter>> {
        let members = self.members();
        let handle = |peer: &Arc<Peer>| Arc::clone(peer) as Arc<dyn PeerGetter>;
        members.list.pick(key, |peer| peer.is_ready() && may_ask(&handle(peer))).map(handle)
    }

    fn picks_the_owner(&self, key: &str) -> bool {
        self.members().list.is_owner_ready(key)
    }

    fn owns(&self, key: &str) -> bool {
        self.members().list.is_ours(key)
    }

    /// All other peers, and for a while those that have left: new owners may still take over what
    /// these have.
    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        let (members, now) = (self.members(), self.now());
        let previous = members.previous.iter().filter(|previous| previous.is_emptied(now));
        let left = previous.flat_map(|previous| previous.left(now));
        let all = members.list.others().chain(left);
        all.map(|peer| Arc::clone(peer) as Arc<dyn PeerGetter>).collect()
    }

    fn is_told(&self) -> bool {
        self.own.is_some() && !self.members().has_left
    }

    fn previous_owner(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let (members, now) = (self.members(), self.now());
        let previous = members.previous.as_ref();
        let previous = previous.filter(|previous| previous.is_emptied(now))?;
        let (zone, ring) = members.list.rings.asked(key);
        let (owner, peer) = previous.owner(zone, key)?;
        (ring.get(key) != Some(owner)).then(|| Arc::clone(peer) as _)
    }

    fn owners_in_other_zones(&self, key: &str) -> Vec<ZoneOwner> {
        let (members, now) = (self.members(), self.now());
        let list = &members.list;
        let previous = members.previous.as_ref().filter(|previous| previous.is_emptied(now));
        let owner = |(zone, ring): &ZoneRing| {
            let owner = ring.get(key)?;
            let is_ready = |name: &&str| list.other(name).is_some_and(|peer| peer.is_ready());
            // If nobody is up there, the owner is to be told when it is.
            let asked = ring.owners(key).find(is_ready).unwrap_or(owner);
            let previous = previous.and_then(|previous| previous.owner(zone, key));
            let previous = previous.filter(|(name, _)| ![owner, asked].contains(name));
            Some(ZoneOwner {
                peer: Arc::clone(list.other(asked)?) as _,
                is_owner: asked == owner,
                previous: previous.map(|(_, peer)| Arc::clone(peer) as _),
            })
        };
        list.rings.not_asked(key).filter_map(owner).collect()
    }

    fn watch(&self, watcher: Weak<dyn PeersWatcher>) {
        lock(&self.watchers).push(watcher);
    }

    fn previous_owners(&self) -> Vec<Arc<dyn PeerGetter>> {
        let (members, now) = (self.members(), self.now());
        let previous = members.previous.as_ref().filter(|previous| previous.is_asked(now));
        let givers = previous.map(|previous| previous.givers(&members.list)).unwrap_or_default();
        givers.into_iter().map(|peer| peer as Arc<dyn PeerGetter>).collect()
    }

    fn is_owner(&self, key: &str, name: &str) -> bool {
        let members = self.members();
        let mut owners = members.list.rings.zones().filter_map(|(_, ring)| ring.get(key));
        owners.any(|owner| self.url_of(&members, owner) == name)
    }

    fn warm_up(&self) -> Option<u64> {
        let (members, now) = (self.members(), self.now());
        if members.is_new {
            let may_get_a_list = self.own.is_some() && !self.options.warm_up.is_zero();
            return may_get_a_list.then_some(members.warm_ups);
        }
        let previous = members.previous.as_ref()?;
        if !previous.is_emptied(now) {
            self.forget_previous(now);
        }
        previous.is_asked(now).then_some(members.warm_ups)
    }
}
