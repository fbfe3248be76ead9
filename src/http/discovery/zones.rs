//! [`ToldZones`]: in which zones peers say they are, where a source does not tell.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::http::listed::ListedPeer;
use crate::http::peers::{Greeting, Peers};
use crate::http::url::PeerUrl;

/// How long one is not asked again that has not answered.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the peers have told, by their URLs.
#[derive(Default)]
pub(super) struct ToldZones(HashMap<PeerUrl, ZoneAnswer>);

enum ZoneAnswer {
    /// There was no answer at that time.
    Silent(Instant),
    /// It is in this zone, or in none.
    Told(Option<Arc<str>>),
}

impl ToldZones {
    /// A list with the zones that its peers tell, where the source has none.
    ///
    /// A process that has a zone needs to know before it asks one of them for a key, so it asks
    /// those that it knows nothing of, for `time` at most. Others learn it as they greet.
    pub(super) fn complete(
        &mut self,
        found: &[ListedPeer],
        peers: &Peers,
        time: Duration,
    ) -> Vec<ListedPeer> {
        self.retain(found);
        if peers.options().zone.is_some() {
            let others = found.iter().filter(|peer| Some(&peer.url) != peers.own());
            let begun = Instant::now();
            for ListedPeer { url, .. } in others.filter(|peer| peer.zone.is_none()) {
                // One that is silent takes long, and the source is to be asked in time.
                if !self.is_open(url) || begun.elapsed() >= time {
                    continue;
                }
                match peers.greet_anybody(url) {
                    Greeting::Ours(zone) => drop(self.tells(url, zone)),
                    _ => self.is_silent(url),
                }
            }
        }
        let told = |peer: &ListedPeer| {
            let zone = peer.zone.as_ref().or_else(|| self.of(&peer.url)).cloned();
            peer.clone().in_zone(zone)
        };
        found.iter().map(told).collect()
    }

    /// Forgets those that are not in a list, or of which it tells the zone.
    fn retain(&mut self, found: &[ListedPeer]) {
        let is_open = |url: &PeerUrl| {
            let at = found.binary_search_by(|peer| peer.url.cmp(url));
            at.is_ok_and(|at| found[at].zone.is_none())
        };
        self.0.retain(|url, _| is_open(url));
    }

    /// Whether a peer is to be asked.
    fn is_open(&self, url: &PeerUrl) -> bool {
        match self.0.get(url) {
            None => true,
            Some(ZoneAnswer::Silent(at)) => at.elapsed() >= ASK_AGAIN_AFTER,
            Some(ZoneAnswer::Told(_)) => false,
        }
    }

    /// A peer did not answer. What it told before holds.
    fn is_silent(&mut self, url: &PeerUrl) {
        if self.is_open(url) {
            self.0.insert(url.clone(), ZoneAnswer::Silent(Instant::now()));
        }
    }

    /// A peer has answered. Whether that is news.
    pub(super) fn tells(&mut self, url: &PeerUrl, zone: Option<Arc<str>>) -> bool {
        let is_news = self.of(url) != zone.as_ref();
        self.0.insert(url.clone(), ZoneAnswer::Told(zone));
        is_news
    }

    /// The zone that a peer has told, if any.
    fn of(&self, url: &PeerUrl) -> Option<&Arc<str>> {
        match self.0.get(url) {
            Some(ZoneAnswer::Told(zone)) => zone.as_ref(),
            _ => None,
        }
    }

    /// Whether it was this peer that told its zone.
    pub(super) fn has(&self, url: &PeerUrl) -> bool {
        matches!(self.0.get(url), Some(ZoneAnswer::Told(_)))
    }
}
