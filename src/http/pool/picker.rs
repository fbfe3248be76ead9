//! Whom a group asks: [`HttpPool`] as its picker.

use std::sync::Arc;
use std::time::Instant;

use super::HttpPool;
use crate::http::peer::Peer;
use crate::peers::{PeerGetter, PeerPicker};

impl PeerPicker for HttpPool {
    fn pick_peer(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let picked = Arc::clone(self.inner.members().pick(key, Peer::is_ready)?);
        log::debug!("{self:?} picks {picked:?} for {key:?}");
        Some(picked)
    }

    fn pick_peers(&self, keys: &[&str]) -> Vec<Option<Arc<dyn PeerGetter>>> {
        let members = self.inner.members();
        let mut asked: Vec<(*const Peer, bool)> = Vec::new();
        let mut is_ready = |peer: &Peer| {
            let known = asked.iter().find(|(it, _)| std::ptr::eq(*it, peer));
            known.map(|(_, ready)| *ready).unwrap_or_else(|| {
                let ready = peer.is_ready();
                asked.push((peer, ready));
                ready
            })
        };
        let mut pick = |key: &&str| {
            let picked = Arc::clone(members.pick(key, &mut is_ready)?);
            log::debug!("{self:?} picks {picked:?} for {key:?}");
            Some(picked as Arc<dyn PeerGetter>)
        };
        keys.iter().map(&mut pick).collect()
    }

    fn owns(&self, key: &str) -> bool {
        let members = self.inner.members();
        // Where there is nobody at all, keys are as much ours as anybody's.
        members.ring.get(key).is_none_or(|owner| !members.peers.contains_key(owner))
    }

    /// All other peers, and for a while those that have left: new owners may still take over what these have.
    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        let members = self.inner.members();
        let peers = members.peers.values().map(|peer| Arc::clone(peer) as Arc<dyn PeerGetter>);
        let before = members.before.iter().filter(|before| before.is_emptied(Instant::now()));
        let left = before.flat_map(|before| before.left());
        peers.chain(left.map(|left| Arc::clone(left) as Arc<dyn PeerGetter>)).collect()
    }

    fn previous_owner(&self, key: &str) -> Option<Arc<dyn PeerGetter>> {
        let members = self.inner.members();
        let before = members.before.as_ref().filter(|before| before.is_emptied(Instant::now()))?;
        let (owner, peer) = before.owner(key)?;
        (members.ring.get(key) != Some(owner)).then(|| Arc::clone(peer) as Arc<dyn PeerGetter>)
    }

    fn is_warming_up(&self) -> bool {
        let (members, now) = (self.inner.members(), Instant::now());
        let Some(before) = &members.before else { return false };
        if !before.is_emptied(now) {
            self.inner.forget_before(now);
        }
        before.is_asked(now)
    }
}
