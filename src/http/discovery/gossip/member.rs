//! [`GossipMember`]: the state of one who takes part, and the thread that keeps it.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::num::{NonZeroU8, NonZeroUsize};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use foca::{AccumulatingRuntime, Config, Foca, NoCustomBroadcast, PeriodicParams, State, Timer};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::http::discovery::gossip::shared::{Gossip, Outbox};
use crate::http::discovery::gossip::wire::{GossipCodec, GossipId, MAX_MESSAGE_BYTES};
use crate::http::peers::Peers;
use crate::http::url::PeerUrl;

/// The thread looks up after this time at the latest.
const LOOK_UP_EVERY: Duration = Duration::from_millis(100);
/// How often those are told of this process that it was told of, while they do not take part.
const SEEDS_EVERY: Duration = Duration::from_secs(2);
/// How long one that is suspected can say that it is there.
const SUSPECTED_FOR: Duration = Duration::from_millis(1500);
/// More members than this, up and down, are not taken in: what names so many errs.
const MOST_MEMBERS: usize = 4096;

/// One who takes part.
pub(super) struct GossipMember {
    foca: Foca<GossipId, GossipCodec, SmallRng, NoCustomBroadcast>,
    runtime: AccumulatingRuntime<GossipId>,
    /// What is to be done, and when. The number tells what is due at the same time apart.
    timers: BTreeMap<(Instant, u64), Timer<GossipId>>,
    next_timer: u64,
    seeds: Vec<PeerUrl>,
    /// When the seeds were told last.
    told_seeds: Option<Instant>,
    /// Those who refused a connection, each with its incarnation then, and when that counts.
    refused: VecDeque<(Instant, GossipId, u16)>,
    has_left: bool,
    peers: Weak<Peers>,
    outboxes: Vec<Outbox>,
    hasher: RandomState,
    gossip: Arc<Gossip>,
}

impl GossipMember {
    pub(super) fn new(
        me: GossipId,
        seeds: Vec<PeerUrl>,
        peers: Weak<Peers>,
        outboxes: Vec<Outbox>,
        gossip: Arc<Gossip>,
    ) -> Self {
        let hasher = RandomState::new();
        let chance = SmallRng::seed_from_u64(hasher.hash_one("gossip"));
        Self {
            foca: Foca::new(me, config(), chance, GossipCodec),
            runtime: AccumulatingRuntime::new(),
            timers: BTreeMap::new(),
            next_timer: 0,
            seeds,
            told_seeds: None,
            refused: VecDeque::new(),
            has_left: false,
            peers,
            outboxes,
            hasher,
            gossip,
        }
    }

    /// Takes part until it is over, or there is no pool any more.
    pub(super) fn run(mut self, inbox: &Receiver<Vec<u8>>) {
        while !self.gossip.is_over() {
            let Some(peers) = self.peers.upgrade() else { return };
            if peers.identity().has_left() && !self.has_left {
                self.has_left = true;
                let left = self.foca.leave_cluster(&mut self.runtime);
                self.settle(left);
            }
            drop(peers);
            let now = Instant::now();
            self.tell_seeds(now);
            let due = self.timers.keys().next().map(|(at, _)| at.saturating_duration_since(now));
            match inbox.recv_timeout(due.unwrap_or(LOOK_UP_EVERY).min(LOOK_UP_EVERY)) {
                Ok(message) => self.read(&message),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let now = Instant::now();
            self.do_what_is_due(now);
            self.suspect_those_who_refuse(now);
        }
    }

    /// One at whose place nothing listens is suspected at once, and told of: the others would take
    /// a round of questions to notice. It can say that it is there, as at all times.
    fn suspect_those_who_refuse(&mut self, now: Instant) {
        let new = self.gossip.take_refused();
        for id in new {
            let known = self.foca.iter_members().find(|member| *member.id() == id);
            let Some(incarnation) = known.map(foca::Member::incarnation) else { continue };
            let is_known = |(_, it, at): &(_, GossipId, u16)| *it == id && *at == incarnation;
            if !self.refused.iter().any(is_known) {
                self.refused.push_back((now + SUSPECTED_FOR, id.clone(), incarnation));
                self.claim(id, incarnation, State::Suspect);
            }
        }
        while self.refused.front().is_some_and(|(until, ..)| *until <= now) {
            let Some((_, id, incarnation)) = self.refused.pop_front() else { return };
            let mut members = self.foca.iter_members();
            let is_it = |it: &foca::Member<GossipId>| {
                *it.id() == id && it.incarnation() == incarnation && it.state() == State::Suspect
            };
            if members.any(is_it) {
                drop(members);
                self.claim(id, incarnation, State::Down);
            }
        }
    }

    fn claim(&mut self, id: GossipId, incarnation: u16, state: State) {
        let claim = std::iter::once(foca::Member::new(id, incarnation, state));
        let claimed = self.foca.apply_many(claim, true, &mut self.runtime);
        self.settle(claimed);
    }

    fn read(&mut self, message: &[u8]) {
        self.make_room();
        let known = self.foca.iter_membership_state().len();
        if known >= MOST_MEMBERS {
            if let Some(peers) = self.peers.upgrade() {
                if let Some(again) = peers.options().peer.repeats.due(("gossip is full", "")) {
                    log::warn!("messages are not read: {known} members are known{again}");
                }
            }
            return;
        }
        let read = self.foca.handle_data(message, &mut self.runtime);
        self.settle(read);
    }

    /// Forgets those earlier who have been down the longest, where there are too many members. Many
    /// come and go, at other addresses each time.
    fn make_room(&mut self) {
        let is_removal = |timer: &Timer<GossipId>| matches!(timer, Timer::RemoveDown(_));
        while self.foca.iter_membership_state().len() >= MOST_MEMBERS {
            let mut removals = self.timers.iter().filter(|(_, timer)| is_removal(timer));
            let Some(at) = removals.next().map(|(at, _)| *at) else { return };
            if let Some(timer) = self.timers.remove(&at) {
                let removed = self.foca.handle_timer(timer, &mut self.runtime);
                self.settle(removed);
            }
        }
    }

    fn do_what_is_due(&mut self, now: Instant) {
        while let Some(entry) = self.timers.first_entry() {
            if entry.key().0 > now {
                return;
            }
            let done = self.foca.handle_timer(entry.remove(), &mut self.runtime);
            self.settle(done);
        }
    }

    /// Tells those of the seeds that do not take part, as far as is known: at the beginning, and
    /// where all that were known are gone.
    fn tell_seeds(&mut self, now: Instant) {
        let told = self.told_seeds.replace(now);
        if told.is_some_and(|told| now.saturating_duration_since(told) < SEEDS_EVERY) {
            self.told_seeds = told;
            return;
        }
        if self.has_left {
            return;
        }
        let here: Vec<GossipId> = self.foca.iter_members().map(|it| it.id().clone()).collect();
        let is_absent = |seed: &&PeerUrl| !here.iter().any(|it| it.url() == seed.as_str());
        let absent: Vec<PeerUrl> = self.seeds.iter().filter(is_absent).cloned().collect();
        for seed in absent {
            let told = self.foca.announce(GossipId::stranger(&seed), &mut self.runtime);
            self.settle(told);
        }
    }

    /// Sends, plans and tells what a step has brought.
    fn settle(&mut self, outcome: Result<(), foca::Error>) {
        if let Err(error) = outcome {
            log::debug!("gossip: {error}");
        }
        while let Some((to, message)) = self.runtime.to_send() {
            // Messages to one member go by one thread, in their order.
            let at = self.hasher.hash_one(to.url()) as usize % self.outboxes.len();
            self.outboxes[at].post((to, message.to_vec()));
        }
        let now = Instant::now();
        while let Some((after, timer)) = self.runtime.to_schedule() {
            self.timers.insert((now + after, self.next_timer), timer);
            self.next_timer += 1;
        }
        let mut has_changed = false;
        while let Some(what) = self.runtime.to_notify() {
            log::debug!("gossip: {what:?}");
            has_changed = true;
        }
        if has_changed {
            let members = self.foca.iter_members().map(|member| member.id().text().to_owned());
            self.gossip.publish(members.collect());
        }
    }
}

fn config() -> Config {
    let count = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    let every = |millis, members| {
        let frequency = Duration::from_millis(millis);
        Some(PeriodicParams { frequency, num_members: count(members) })
    };
    Config {
        probe_period: Duration::from_millis(1000),
        probe_rtt: Duration::from_millis(500),
        num_indirect_probes: count(3),
        max_transmissions: NonZeroU8::new(10).unwrap_or(NonZeroU8::MIN),
        suspect_to_down_after: SUSPECTED_FOR,
        // One that comes back has another life, and need not wait for that.
        remove_down_after: Duration::from_secs(60 * 60),
        max_packet_size: count(MAX_MESSAGE_BYTES),
        notify_down_members: true,
        periodic_announce: every(10_000, 1),
        // Two halves that were apart find each other by this.
        periodic_announce_to_down_members: every(1_000, 3),
        periodic_gossip: every(250, 2),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::http::discovery::gossip::shared::Letter;
    use crate::http::identity::Bell;

    const OTHER: &str = "http://other:1";

    /// One who knows as many as it may, all of them in this state.
    fn member_that_knows_many(state: State) -> GossipMember {
        let (mut member, _) = member_at("http://own:1");
        let id = |n| GossipId::new(&format!("http://member-{n}:1"));
        let many = (0..MOST_MEMBERS).map(|n| foca::Member::new(id(n), 0, state));
        let applied = member.foca.apply_many(many, true, &mut member.runtime);
        member.settle(applied);
        member
    }

    fn member_at(url: &str) -> (GossipMember, Receiver<Letter>) {
        let (outbox, letters) = sync_channel(1);
        let gossip = Arc::new(Gossip::new(&Arc::<Bell>::default()));
        let (me, outboxes) = (GossipId::new(url), vec![Outbox::new(outbox)]);
        (GossipMember::new(me, Vec::new(), Weak::new(), outboxes, gossip), letters)
    }

    /// Whether it knows another one that tells it of itself.
    fn takes_another_in(member: &mut GossipMember) -> bool {
        let (mut other, letters) = member_at(OTHER);
        let own = PeerUrl::parse("http://own:1").unwrap();
        let told = other.foca.announce(GossipId::stranger(&own), &mut other.runtime);
        other.settle(told);
        member.read(&letters.try_recv().unwrap().1);
        member.foca.iter_members().any(|it| it.id().url() == OTHER)
    }

    #[test]
    fn those_who_are_gone_make_room_for_others_and_those_who_are_there_do_not() {
        let mut member = member_that_knows_many(State::Down);
        assert!(takes_another_in(&mut member));
        assert_eq!(member.foca.iter_membership_state().len(), MOST_MEMBERS);
        assert!(!takes_another_in(&mut member_that_knows_many(State::Alive)));
    }
}
