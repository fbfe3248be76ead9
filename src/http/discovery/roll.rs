//! [`Roll`]: who is taken for a peer, while sources err. The clock is the caller's.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::http::discovery::stats::ListChangeKind;
use crate::http::listed::ListedPeer;
use crate::http::url::PeerUrl;

/// For how long a peer is none after it last said that it leaves, while the source still has it.
const LEFT_FOR: Duration = Duration::from_secs(15);

/// Who is taken for a peer.
pub(super) struct Roll {
    /// Of this process, if it is one: it is not missing, whatever the source says.
    own: Option<ListedPeer>,
    /// How long a peer may be missing.
    absence: Duration,
    entries: BTreeMap<PeerUrl, Enrolled>,
}

struct Enrolled {
    peer: ListedPeer,
    missing_since: Option<Instant>,
    /// It has said that it leaves, and counts for none until then.
    left_until: Option<Instant>,
}

impl Enrolled {
    fn new(peer: &ListedPeer) -> Self {
        Self { peer: peer.clone(), missing_since: None, left_until: None }
    }
}

/// A change that a [`Roll`] has made.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) url: PeerUrl,
    pub(super) kind: ListChangeKind,
    pub(super) why: Why,
}

/// Why a change was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The source says so.
    Source,
    /// The source lacked it for that long.
    Missing(Duration),
    /// The source lacks it, and nothing listens there.
    Refuses,
    /// It said that it leaves.
    Leaves,
    /// It had left, and says no longer that it leaves.
    BeginsAgain,
}

impl Roll {
    /// One that begins with the list in force.
    pub(super) fn new(own: Option<ListedPeer>, absence: Duration, list: &[ListedPeer]) -> Self {
        let entry = |peer: &ListedPeer| (peer.url.clone(), Enrolled::new(peer));
        Self { own, absence, entries: list.iter().map(entry).collect() }
    }

    /// Takes an answer of the source, and tells what changes with it. `refuses` says whether
    /// nothing listens at a URL.
    pub(super) fn take(
        &mut self,
        found: &[ListedPeer],
        now: Instant,
        mut refuses: impl FnMut(&PeerUrl) -> bool,
    ) -> Vec<Made> {
        let mut made = Vec::new();
        for peer in found {
            let url = &peer.url;
            let entry = Enrolled::new(peer);
            let kind = match self.entries.insert(url.clone(), entry) {
                None => ListChangeKind::Added,
                Some(Enrolled { left_until: Some(until), .. }) => {
                    let until = match now < until {
                        true => Some(until),
                        // It has ended, and the source has not heard of it.
                        false => now.checked_add(LEFT_FOR).filter(|_| refuses(url)),
                    };
                    if let Some(until) = until {
                        self.leave_until(url, until);
                        continue;
                    }
                    ListChangeKind::Added
                }
                Some(before) if before.peer.name != peer.name => ListChangeKind::Renamed,
                Some(before) if before.peer.zone != peer.zone => ListChangeKind::Moved,
                Some(before) if before.peer != *peer => ListChangeKind::Weighed,
                Some(_) => continue,
            };
            made.push(Made { url: url.clone(), kind, why: Why::Source });
        }
        let found: BTreeSet<&PeerUrl> = found.iter().map(|peer| &peer.url).collect();
        let (own, absence) = (self.own.as_ref().map(|own| &own.url), self.absence);
        self.entries.retain(|url, entry| {
            if found.contains(url) || Some(url) == own {
                return true;
            }
            if entry.left_until.is_some() {
                // That is told already.
                return false;
            }
            let since = *entry.missing_since.get_or_insert(now);
            let missing = now.saturating_duration_since(since);
            let why = if missing >= absence {
                Why::Missing(missing)
            } else if refuses(url) {
                Why::Refuses
            } else {
                return true;
            };
            made.push(Made { url: url.clone(), kind: ListChangeKind::Removed, why });
            false
        });
        made
    }

    /// Takes the zones of those who are there, and nothing else, from a list: the source has said
    /// nothing new.
    pub(super) fn take_zones(&mut self, found: &[ListedPeer]) -> Vec<Made> {
        let mut made = Vec::new();
        for ListedPeer { url, zone, .. } in found {
            let Some(entry) = self.entries.get_mut(url) else { continue };
            if entry.peer.zone == *zone {
                continue;
            }
            entry.peer.zone.clone_from(zone);
            if entry.left_until.is_none() {
                let (kind, why) = (ListChangeKind::Moved, Why::Source);
                made.push(Made { url: url.clone(), kind, why });
            }
        }
        made
    }

    /// A peer has said that it leaves. That counts for a while, whatever the source says: it may be
    /// late, and the peer may begin again under its name.
    pub(super) fn leaves(&mut self, url: &PeerUrl, now: Instant) -> Option<Made> {
        let until = now.checked_add(LEFT_FOR)?;
        let is_new = self.leave_until(url, until)?;
        let (url, kind, why) = (url.clone(), ListChangeKind::Removed, Why::Leaves);
        is_new.then_some(Made { url, kind, why })
    }

    /// One that had left answers as a peer: another process has begun under its URL.
    pub(super) fn begins_again(&mut self, url: &PeerUrl) -> Option<Made> {
        self.entries.get_mut(url)?.left_until.take()?;
        let (url, kind, why) = (url.clone(), ListChangeKind::Added, Why::BeginsAgain);
        Some(Made { url, kind, why })
    }

    /// Whether the peer had not left before; `None` if it is not there.
    fn leave_until(&mut self, url: &PeerUrl, until: Instant) -> Option<bool> {
        let entry = self.entries.get_mut(url)?;
        Some(entry.left_until.replace(until).is_none())
    }

    /// The list by now, sorted. It has this process, if it `is_peer`.
    pub(super) fn list(&self, is_peer: IsPeer) -> Vec<ListedPeer> {
        let are_there = self.entries.values().filter(|entry| entry.left_until.is_none());
        let peers = are_there.map(|entry| entry.peer.clone());
        let Some(own) = &self.own else { return peers.collect() };
        let mut list: Vec<_> = peers.filter(|peer| peer.url != own.url).collect();
        if is_peer == IsPeer::Yes {
            let entry = self.entries.get(&own.url);
            list.push(entry.map_or(own, |it| &it.peer).clone());
            list.sort_unstable();
        }
        list
    }

    /// Those that have left, and are in the source.
    pub(super) fn left(&self) -> impl Iterator<Item = &PeerUrl> {
        let left = self.entries.iter().filter(|(_, entry)| entry.left_until.is_some());
        left.map(|(url, _)| url)
    }

    /// Those that the source lacks.
    pub(super) fn missing(&self) -> impl Iterator<Item = &PeerUrl> {
        let missing = self.entries.iter().filter(|(_, entry)| entry.missing_since.is_some());
        missing.map(|(url, _)| url)
    }
}

/// Whether this process is to be in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IsPeer {
    Yes,
    /// It is a client, or has left.
    No,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::url::PeerScheme;
    use crate::testing::with_seeds;

    const SECOND: Duration = Duration::from_secs(1);
    const OWN: &str = "http://own:1";

    fn listed(text: &str) -> ListedPeer {
        ListedPeer::parse(text, PeerScheme::Http).unwrap()
    }

    fn roll() -> Roll {
        Roll::new(Some(listed(OWN)), 30 * SECOND, &[listed(OWN)])
    }

    /// A roll and its clock.
    struct Bench {
        roll: Roll,
        now: Instant,
        refusing: Vec<&'static str>,
    }

    impl Bench {
        fn new() -> Self {
            Self { roll: roll(), now: Instant::now(), refusing: Vec::new() }
        }

        /// What changes as the source answers after `pause`.
        fn after(&mut self, pause: Duration, answer: &[&str]) -> Vec<(String, ListChangeKind)> {
            self.now += pause;
            let answer: Vec<_> = answer.iter().map(|text| listed(text)).collect();
            let refusing = &self.refusing;
            let refuses = |url: &PeerUrl| refusing.contains(&url.as_str());
            let made = self.roll.take(&answer, self.now, refuses);
            made.into_iter().map(|made| (made.url.as_str().to_owned(), made.kind)).collect()
        }

        fn list(&self) -> Vec<String> {
            let list = self.roll.list(IsPeer::Yes);
            list.iter().map(|peer| peer.url.as_str().to_owned()).collect()
        }
    }

    fn added(url: &str) -> (String, ListChangeKind) {
        (url.to_owned(), ListChangeKind::Added)
    }

    fn removed(url: &str) -> (String, ListChangeKind) {
        (url.to_owned(), ListChangeKind::Removed)
    }

    #[test]
    fn new_peers_count_at_once_and_missing_ones_go_after_their_time() {
        let mut bench = Bench::new();
        assert_eq!(bench.after(SECOND, &["http://a:1", OWN]), [added("http://a:1")]);
        assert_eq!(bench.after(SECOND, &["http://b:1"]), [added("http://b:1")]);
        assert_eq!(bench.list(), ["http://a:1", "http://b:1", OWN]);
        assert_eq!(bench.after(29 * SECOND, &["http://b:1"]), []);
        assert_eq!(bench.roll.missing().map(PeerUrl::as_str).collect::<Vec<_>>(), ["http://a:1"]);
        assert_eq!(bench.after(SECOND, &["http://b:1"]), [removed("http://a:1")]);
        assert_eq!(bench.list(), ["http://b:1", OWN]);
    }

    #[test]
    fn a_peer_that_is_missing_and_refuses_connections_goes_at_once() {
        let mut bench = Bench::new();
        bench.after(SECOND, &["http://a:1", "http://b:1"]);
        bench.refusing = vec!["http://a:1", "http://b:1", OWN];
        assert_eq!(bench.after(SECOND, &["http://b:1"]), [removed("http://a:1")]);
        assert_eq!(bench.list(), ["http://b:1", OWN], "who is in the source stays");
    }

    #[test]
    fn a_resolver_that_leaves_out_others_each_time_loses_nobody() {
        let peers: Vec<String> = (0..40).map(|n| format!("http://peer-{n}:1")).collect();
        with_seeds(20, |random| {
            let mut bench = Bench::new();
            let all: Vec<&str> = peers.iter().map(String::as_str).collect();
            bench.after(SECOND, &all);
            for _ in 0..200 {
                // As one that fits 25 of them, from any of them on, into its answer.
                let first = random.below(40) as usize;
                let some: Vec<&str> =
                    (first..first + 25).map(|at| peers[at % 40].as_str()).collect();
                bench.after(SECOND, &some);
                if random.below(10) == 0 {
                    bench.after(SECOND, &all);
                }
            }
            assert_eq!(bench.list().len(), 41);
        });
    }

    #[test]
    fn a_peer_that_flaps_is_missing_from_its_last_absence_on() {
        let mut bench = Bench::new();
        bench.after(SECOND, &["http://a:1", "http://b:1"]);
        for _ in 0..20 {
            assert_eq!(bench.after(20 * SECOND, &["http://b:1"]), []);
            assert_eq!(bench.after(20 * SECOND, &["http://a:1", "http://b:1"]), []);
        }
        assert_eq!(bench.roll.missing().count(), 0);
    }

    #[test]
    fn a_peer_that_says_that_it_leaves_is_none_although_the_source_has_it() {
        let mut bench = Bench::new();
        let (a, all) = ("http://a:1", ["http://a:1", OWN]);
        bench.after(SECOND, &all);
        let url = listed(a).url;
        let made = bench.roll.leaves(&url, bench.now).unwrap();
        assert_eq!((made.kind, made.why), (ListChangeKind::Removed, Why::Leaves));
        assert_eq!(bench.roll.leaves(&url, bench.now), None, "it is told once");
        assert_eq!(bench.after(SECOND, &all), []);
        assert_eq!(bench.list(), [OWN]);
        assert_eq!(bench.after(LEFT_FOR, &all), [added(a)], "it has begun again");
        assert_eq!(bench.list(), all);
        bench.roll.leaves(&url, bench.now).unwrap();
        assert_eq!(bench.after(SECOND, &[OWN]), [], "the source knows it, too");
        assert_eq!(bench.after(SECOND, &all), [added(a)]);
        assert_eq!(bench.roll.leaves(&listed("http://b:1").url, bench.now), None);
    }

    #[test]
    fn a_peer_that_left_and_begins_again_is_one_at_once_and_one_that_has_ended_is_none() {
        let mut bench = Bench::new();
        let (a, all) = ("http://a:1", ["http://a:1", OWN]);
        let url = listed(a).url;
        bench.after(SECOND, &all);
        bench.roll.leaves(&url, bench.now).unwrap();
        bench.refusing = vec![a];
        for _ in 0..3 {
            assert_eq!(bench.after(LEFT_FOR, &all), []);
            assert_eq!(bench.list(), [OWN]);
        }
        let made = bench.roll.begins_again(&url).unwrap();
        assert_eq!((made.kind, made.why), (ListChangeKind::Added, Why::BeginsAgain));
        assert_eq!(bench.roll.begins_again(&url), None, "it is told once");
        assert_eq!(bench.list(), all);
        assert_eq!(bench.after(SECOND, &all), []);
    }

    #[test]
    fn a_weight_counts_at_once() {
        let mut bench = Bench::new();
        bench.after(SECOND, &["http://a:1", OWN]);
        let weighed = ("http://a:1".to_owned(), ListChangeKind::Weighed);
        assert_eq!(bench.after(SECOND, &["http://a:1#weight=3", OWN]), [weighed]);
        let list = bench.roll.list(IsPeer::Yes);
        assert_eq!(list, [listed("http://a:1#weight=3"), listed(OWN)]);
    }

    #[test]
    fn a_name_counts_at_once() {
        let list = [listed("http://a:1").called("cache-0"), listed(OWN).called("me")];
        let mut roll = Roll::new(Some(list[1].clone()), SECOND, &list);
        let made = roll.take(&[listed("http://a:1")], Instant::now(), |_| false);
        assert_eq!(
            made.iter().map(|made| made.kind).collect::<Vec<_>>(),
            [ListChangeKind::Renamed]
        );
        assert_eq!(roll.list(IsPeer::Yes), [listed("http://a:1"), list[1].clone()]);
    }

    #[test]
    fn this_process_is_in_the_list_only_while_it_is_a_peer() {
        let own = Some(listed(OWN));
        let roll = Roll::new(own, SECOND, &[listed("http://a:1")]);
        assert_eq!(roll.list(IsPeer::No), [listed("http://a:1")]);
        assert_eq!(roll.list(IsPeer::Yes), [listed("http://a:1"), listed(OWN)]);
        let weighed = [listed("http://own:1#weight=2"), listed("http://z:1")];
        let roll = Roll::new(Some(listed(OWN)), SECOND, &weighed);
        assert_eq!(roll.list(IsPeer::Yes), weighed);
        assert_eq!(roll.list(IsPeer::No), weighed[1..]);
        let client = Roll::new(None, SECOND, &[listed("http://a:1")]);
        assert_eq!(client.list(IsPeer::Yes), [listed("http://a:1")]);
    }
}
