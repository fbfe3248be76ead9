//! Changes where keys have an owner in each of two zones.

use super::*;
use crate::peers::ZoneOwner;

/// Our zone has the first three peers and the other one the last three: the previous owner of all
/// keys, the owner, and one more. In the other zone the last one may stand in for the owner.
struct TwoZones {
    peers: [Arc<Peer>; 6],
    is_ours: bool,
    is_owner: bool,
}

impl TwoZones {
    fn peer(&self, at: usize) -> Arc<dyn PeerGetter> {
        Arc::clone(&self.peers[at]) as _
    }
}

impl PeerPicker for TwoZones {
    fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        (!self.is_ours).then(|| self.peer(1))
    }

    fn owners_in_other_zones(&self, _key: &str) -> Vec<ZoneOwner> {
        let peer = self.peer(if self.is_owner { 4 } else { 5 });
        vec![ZoneOwner { peer, is_owner: self.is_owner, previous: Some(self.peer(3)) }]
    }

    fn previous_owner(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        Some(self.peer(0))
    }

    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        (0..6).map(|at| self.peer(at)).collect()
    }
}

fn two_zones() -> (Changes, Here, TwoZones, Log) {
    let log = Log::default();
    let names = ["a previous", "a owner", "a third", "b previous", "b owner", "b third"];
    let peers =
        names.map(|name| Arc::new(Peer { name, error: Mutex::default(), log: Arc::clone(&log) }));
    let zones = TwoZones { peers, is_ours: false, is_owner: true };
    (Changes::new(Telling::quiet("g")), Here(Arc::clone(&log)), zones, log)
}

fn fail(peer: &Peer, kind: PeerErrorKind) {
    *lock(&peer.error) = Some(kind);
}

#[test]
fn a_removal_empties_the_owners_of_all_zones_before_those_who_ask_them() {
    let (changes, here, zones, log) = two_zones();
    let report = changes.remove(&["k"], &here, &zones);
    assert!(report.is_complete() && report.peers.len() == 6, "{report:?}");
    let rest = "a previous -k; a third -k; b previous -k; b third -k";
    let owners = "a owner -k; b owner -k";
    assert_eq!(rounds(&log), ["a previous -k; b previous -k", owners, rest]);
}

#[test]
fn a_removal_is_told_to_all_once_more_where_a_peer_of_another_zone_stands_in() {
    let (changes, here, zones, log) = two_zones();
    changes.remove(&["k"], &here, &TwoZones { is_owner: false, ..zones });
    let rest = "a previous -k; a third -k; b owner -k; b previous -k";
    let owners = "a owner -k; b third -k";
    let all = "a owner -k; a previous -k; a third -k; b owner -k; b previous -k; b third -k";
    assert_eq!(rounds(&log), ["a previous -k; b previous -k", owners, rest, all]);
}

#[test]
fn an_insertion_ends_at_the_owner_of_each_zone() {
    for is_ours in [false, true] {
        let (changes, here, zones, log) = two_zones();
        let zones = TwoZones { is_ours, ..zones };
        let report = changes.insert("k", Loaded::from("v"), &here, &zones);
        assert!(report.is_kept && !report.is_late && report.is_complete(), "{report:?}");
        let lines = lock(&log);
        let told = |line: &str| lines.iter().filter(|it| *it == line).count();
        assert_eq!((told("b previous -k"), told("b owner +k"), told("b owner -k")), (2, 1, 0));
        assert_eq!(told("a owner +k"), usize::from(!is_ours));
        assert_eq!(told("here +k"), usize::from(is_ours));
        let at = |line: &str| lines.iter().position(|it| it == line).unwrap();
        assert!(at("b previous -k") < at("b owner +k") && at("b owner +k") < at("b third -k"));
    }
}

#[test]
fn a_peer_that_stands_in_and_could_not_keep_the_value_removes_the_key_with_all_others() {
    for (value, is_told) in [(Loaded::from("v"), false), (Loaded::absent(), true)] {
        let (changes, here, zones, log) = two_zones();
        changes.insert("k", value, &here, &TwoZones { is_owner: false, ..zones });
        let lines = lock(&log);
        let told = |line: &str| lines.iter().filter(|it| *it == line).count();
        assert_eq!((told("b third +k"), told("b third -k")), (1, usize::from(is_told)));
        assert_eq!(told("b owner -k"), 2);
    }
}

#[test]
fn this_process_empties_itself_at_the_end_if_it_could_not_keep_the_value() {
    for (value, is_last) in [(Loaded::from("v"), false), (Loaded::absent(), true)] {
        let (changes, here, zones, log) = two_zones();
        changes.insert("k", value, &here, &TwoZones { is_ours: true, ..zones });
        assert_eq!(lock(&log).last().unwrap() == "here -k", is_last);
    }
}

#[test]
fn an_insertion_is_kept_if_all_owners_keep_it_and_late_if_it_was_for_one() {
    for (at, kind, (is_kept, is_late, is_complete)) in [
        (1, PeerErrorKind::Late, (false, true, true)),
        (4, PeerErrorKind::Late, (false, true, true)),
        (4, PeerErrorKind::Protocol, (false, false, false)),
    ] {
        let (changes, here, zones, log) = two_zones();
        fail(&zones.peers[at], kind);
        let report = changes.insert("k", Loaded::from("v").version(2), &here, &zones);
        let found = (report.is_kept, report.is_late, report.is_complete());
        assert_eq!(found, (is_kept, is_late, is_complete), "{at} {kind}");
        // One that has something newer keeps it.
        let removed = format!("{} -k", zones.peers[at].name);
        assert_eq!(lock(&log).contains(&removed), !is_late);
    }
}
