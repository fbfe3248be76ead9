//! [`GossipSource`]: peers that tell each other who they are, by the protocol SWIM (Das, Gupta and
//! Motivala, 2002), as the crate `foca` has it.
//!
//! A peer needs to know one other to know all. Each asks one of the others once a second whether it
//! is there; if there is no answer, three more ask that one in its place. One that nobody could
//! reach is suspected for a while, in which it can say that it is there, and is then down. So is
//! one at whose place nothing listens, which those who have a message for it learn at once. What is
//! known goes along with these messages, and a few more.
//!
//! Messages are greetings with a body: a `POST` to the base path of a peer's port, with the token
//! and over TLS where there are such.

mod member;
mod shared;
mod wire;

use std::collections::{BTreeSet, HashSet};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use member::GossipMember;
use shared::{Gossip, Letter, Outbox};
use wire::GossipId;

use crate::error::{BoxError, Error};
use crate::http::discovery::source::Discover;
use crate::http::peers::{Greeting, MAX_POINTS, Peers};
use crate::http::url::PeerUrl;
use crate::one_line::OneLine;

/// So many messages wait to be read; more are lost, as on a network.
const INBOX: usize = 256;
/// So many threads send.
const SENDERS: usize = 4;
/// So many messages wait to be sent by each of them; more are lost.
const OUTBOX: usize = 64;
/// How long the first answer waits for others.
const JOINED_WITHIN: Duration = Duration::from_secs(2);

/// Follows what the others say.
pub(super) struct GossipSource {
    peers: Weak<Peers>,
    own: String,
    /// Whether there is somebody to wait for.
    has_seeds: bool,
    begun: Instant,
    gossip: Arc<Gossip>,
    /// What was told last.
    told: Option<Vec<String>>,
}

impl GossipSource {
    /// Takes part, and says so to the `seeds`.
    pub(super) fn begin(peers: &Arc<Peers>, seeds: &[String]) -> Result<Self, Error> {
        let Some(own) = peers.own_listed() else {
            let reason = "a client is no member: have it follow another source".to_owned();
            return Err(Error::InvalidOption { option: "gossip", reason });
        };
        let parsed = seeds.iter().map(|seed| peers.parse(seed.as_str()));
        let mut seeds = parsed.collect::<Result<Vec<_>, Error>>()?;
        // What a list says of this process, it tells the others.
        let me = seeds.iter().find(|seed| seed.url == own.url).unwrap_or(own).clone();
        peers.check(std::slice::from_ref(&me))?;
        let text = me.text();
        if peers.parse(&*text)? != me {
            return Err(me.invalid(format!("others would not read its name {:?} so", me.name)));
        }
        if text.len() > wire::MAX_TEXT_BYTES {
            return Err(me.invalid(format!("it is longer than {} bytes", wire::MAX_TEXT_BYTES)));
        }
        seeds.retain(|seed| seed.url != own.url);
        let seeds: Vec<PeerUrl> = seeds.into_iter().map(|seed| seed.url).collect();
        let identity = peers.identity();
        let gossip = Arc::new(Gossip::new(identity.bell()));
        let this = Self {
            peers: Arc::downgrade(peers),
            own: text,
            has_seeds: !seeds.is_empty(),
            begun: Instant::now(),
            gossip: Arc::clone(&gossip),
            told: None,
        };
        let outboxes = (0..SENDERS).map(|_| sender(Arc::downgrade(peers), &gossip));
        let outboxes = outboxes.collect::<Result<Vec<_>, _>>().map_err(no_thread)?;
        let (ears, inbox) = sync_channel(INBOX);
        let me = GossipId::new(&this.own);
        let member = GossipMember::new(me, seeds, Arc::downgrade(peers), outboxes, gossip);
        let thread = thread::Builder::new().name("geecache-gossip".to_owned());
        thread.spawn(move || member.run(&inbox)).map_err(no_thread)?;
        // From here on messages are heard.
        identity.listen(ears);
        Ok(this)
    }

    /// Those of `members` that can be in a list: what one of them says of itself must not keep the
    /// others out.
    fn peers_among(&self, members: &[String]) -> Vec<String> {
        let Some(peers) = self.peers.upgrade() else { return Vec::new() };
        let mut all = vec![self.own.clone()];
        let (mut urls, mut names) = (HashSet::new(), HashSet::new());
        let (mut points, mut left_out) = (0_usize, 0_usize);
        if let Ok(own) = peers.parse(&*self.own) {
            points = peers.points_of(&own);
            urls.insert(own.url);
            names.insert(own.name);
        }
        let mut can_be = |text: &str| {
            let peer = peers.parse(text)?;
            peers.check(std::slice::from_ref(&peer))?;
            let is_first = urls.insert(peer.url.clone()) && names.insert(Arc::clone(&peer.name));
            let taken = || format!("another member has its URL, or its name {:?}", peer.name);
            if is_first { Ok(peer) } else { Err(peer.invalid(taken())) }
        };
        // In one order, so that of two members with one name all take the same.
        for text in BTreeSet::from_iter(members) {
            match can_be(text) {
                Ok(peer) => {
                    let with_it = points.saturating_add(peers.points_of(&peer));
                    if with_it > MAX_POINTS {
                        left_out += 1;
                    } else {
                        points = with_it;
                        all.push(peer.text());
                    }
                }
                Err(error) => {
                    let is_due = peers.options().peer.repeats.due(("gossip", text.as_str()));
                    if let Some(again) = is_due {
                        log::warn!("a member can not be a peer: {}{again}", OneLine(&error));
                    }
                }
            }
        }
        if left_out > 0 {
            if let Some(again) = peers.options().peer.repeats.due(("gossip", "points")) {
                log::warn!(
                    "{left_out} members are left out of the list: it has no more than {MAX_POINTS} \
                     points{again}"
                );
            }
        }
        all.sort_unstable();
        all
    }
}

impl Discover for GossipSource {
    fn discover(&mut self) -> Result<Option<Vec<String>>, BoxError> {
        let members = self.gossip.members();
        if members.is_empty() && self.has_seeds && self.begun.elapsed() < JOINED_WITHIN {
            return Ok(None);
        }
        let all = self.peers_among(&members);
        if self.told.as_ref() == Some(&all) {
            return Ok(None);
        }
        self.told = Some(all.clone());
        Ok(Some(all))
    }

    fn name(&self) -> String {
        "gossip".to_owned()
    }
}

impl Drop for GossipSource {
    /// Does not wait for the threads: they end within a second. The pool's ears stay as they are:
    /// they may be those of another source by now.
    fn drop(&mut self) {
        self.gossip.end();
    }
}

fn no_thread(error: std::io::Error) -> Error {
    let reason = format!("no thread could be started: {error}");
    Error::InvalidOption { option: "gossip", reason }
}

/// A thread that sends messages one after the other.
fn sender(peers: Weak<Peers>, gossip: &Arc<Gossip>) -> std::io::Result<Outbox> {
    let gossip = Arc::clone(gossip);
    let (outbox, letters) = sync_channel::<Letter>(OUTBOX);
    let send = move || {
        for (to, body) in letters {
            let Some(peers) = peers.upgrade() else { return };
            let Ok(peer) = peers.parse(to.text()) else { continue };
            if peers.whisper(&peer.url, &body) == Greeting::Refused {
                gossip.is_refused_by(to);
            }
        }
    };
    thread::Builder::new().name("geecache-gossip".to_owned()).spawn(send)?;
    Ok(Outbox::new(outbox))
}

#[cfg(any(test, feature = "unstable-bench"))]
pub(crate) use wire::fuzz::drive as fuzz;

#[cfg(test)]
mod tests;
