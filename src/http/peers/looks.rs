//! What those who watch are told of the peers of a process.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::consistenthash::Ring;
use crate::events::PastEvent;
use crate::http::listed::ListedPeer;
use crate::http::peer::{Peer, PeerOptions, PeerStats};
use crate::http::peers::Peers;
use crate::http::peers::list::PeerList;
use crate::http::peers::stats::ListStats;

impl Peers {
    /// The part of all keys that each peer owns in its zone, this one included, in the order of the
    /// URLs.
    pub(crate) fn shares(&self) -> Vec<(ListedPeer, f64)> {
        let members = self.members();
        members.list.shares().into_iter().map(|(peer, share)| (peer.clone(), share)).collect()
    }

    /// The ring as a picture needs it: the URLs of its peers, and its pieces, each with its end and
    /// the place of its owner among these. No pieces if there are more than `most`.
    pub(crate) fn arcs(&self, most: usize) -> (Vec<String>, Vec<(f64, usize)>) {
        let PeerList { rings, listed, .. } = &self.members().list;
        let places = (0..).zip(&**listed).map(|(at, peer)| (&*peer.name, at));
        let places: BTreeMap<&str, usize> = places.collect();
        let urls = listed.iter().map(|peer| peer.url.as_str().to_owned()).collect();
        let place = |node: &str| places.get(node).copied().unwrap_or_default();
        let mut arcs = rings.in_use().arcs();
        if arcs.len() > most {
            arcs.clear();
        }
        (urls, arcs.into_iter().map(|(end, node)| (end, place(node))).collect())
    }

    /// The zone of this process.
    pub(crate) fn zone(&self) -> Option<Arc<str>> {
        self.members().list.rings.zone().clone()
    }

    /// Looks at the ring of those who are asked.
    pub(crate) fn with_ring<T>(&self, look: impl FnOnce(&Ring) -> T) -> T {
        look(self.members().list.rings.in_use())
    }

    /// A number that is the same at all peers that agree on the list.
    pub(crate) fn digest(&self) -> u32 {
        self.options.identity().digest().unwrap_or_default()
    }

    /// What is known about how lists differ.
    pub(crate) fn list_stats(&self) -> ListStats {
        let (members, identity, now) = (self.members(), self.options.identity(), self.now());
        let differs = |peer: &&Arc<Peer>| peer.acquaintance().list_differs_for(now).is_some();
        ListStats {
            digest: self.digest(),
            peers: members.list.listed.len(),
            differing: members.list.others().filter(differs).count(),
            strangers_differ_for: identity.strangers_differ_for(now),
            misdirected: identity.misdirected(),
        }
    }

    /// What is known about the others, in the order of their URLs.
    pub(crate) fn stats(&self) -> Vec<PeerStats> {
        let members = self.members();
        let listed = members.list.listed.iter();
        let stats = |listed: &ListedPeer| {
            let zone = listed.zone.as_deref().map(str::to_owned);
            Some(PeerStats { zone, ..members.list.peers.get(&listed.name)?.stats() })
        };
        listed.filter_map(stats).collect()
    }

    /// The last events, the newest one at the end.
    pub(crate) fn recent_events(&self) -> Vec<PastEvent> {
        self.options.peer.events.recent()
    }

    /// How many events a subscriber was not told, and how many lines the log.
    pub(crate) fn untold(&self) -> (u64, u64) {
        let PeerOptions { events, repeats, .. } = &self.options.peer;
        (events.dropped(), repeats.suppressed())
    }
}
