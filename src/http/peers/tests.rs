use std::collections::BTreeSet;

use super::*;
use crate::peers::PeerPicker;

fn peers_with(warm_up: Duration) -> Peers {
    let hash = RingHash::default();
    let replicas = hash.replicas();
    let own = PeerUrl::parse("http://own:1").unwrap();
    Peers::new(
        Some(own),
        PeersOptions { hash, replicas, warm_up, zone: None, peer: PeerOptions::default() },
    )
}

fn set(peers: &Peers, other: &str) {
    let list = ["http://own:1", other].map(|url| peers.parse(url).unwrap());
    peers.set(list.into()).unwrap();
}

fn set_alone(peers: &Peers) {
    peers.set(vec![peers.parse("http://own:1").unwrap()]).unwrap();
}

#[test]
fn a_change_within_a_warm_up_prolongs_it() {
    let peers = peers_with(Duration::from_secs(60 * 60));
    assert_eq!(peers.warm_up(), Some(1), "what is removed before the first list is remembered");
    for other in ["http://a:1", "http://b:1", "http://b:1", "http://c:1"] {
        set(&peers, other);
        assert_eq!(peers.warm_up(), Some(1));
    }
}

#[test]
fn what_is_removed_before_the_first_list_belongs_to_its_warm_up() {
    let peers = peers_with(Duration::from_secs(60 * 60));
    let before = peers.warm_up();
    set_alone(&peers);
    assert_eq!(peers.warm_up(), before, "a list without others is none yet");
    set(&peers, "http://a:1");
    assert_eq!((peers.warm_up(), before), (before, Some(1)));
    assert_eq!(peers_with(Duration::ZERO).warm_up(), None);
}

#[test]
fn only_those_that_had_keys_of_ours_are_asked_for_them() {
    let peers = peers_with(Duration::from_secs(60 * 60));
    let listed = |urls: &[&str]| urls.iter().map(|url| peers.parse(*url).unwrap()).collect();
    let givers = || {
        let givers = peers.previous_owners();
        givers.iter().map(|peer| peer.name().to_owned()).collect::<Vec<_>>()
    };
    assert!(givers().is_empty());
    peers.set(listed(&["http://own:1", "http://a:1", "http://b:1"])).unwrap();
    assert_eq!(givers(), ["http://a:1", "http://b:1"], "it came new to them");
    peers.set(listed(&["http://own:1", "http://a:1"])).unwrap();
    assert_eq!(givers(), ["http://b:1"]);
    assert!(peers.heirs().is_empty());
    peers.leave();
    assert!(givers().is_empty());
    assert_eq!(*peers.heirs(), [Arc::from("http://a:1")]);
}

#[test]
fn one_that_has_left_is_told_of_removals_after_the_next_change_as_well() {
    let peers = peers_with(Duration::from_secs(60 * 60));
    let set = |urls: &[&str]| {
        peers.set(urls.iter().map(|url| peers.parse(*url).unwrap()).collect()).unwrap();
    };
    let names = || -> BTreeSet<String> {
        let told = PeerPicker::peers(&peers);
        told.iter().map(|peer| peer.name().to_owned()).collect()
    };
    set(&["http://own:1", "http://a:1", "http://b:1"]);
    set(&["http://own:1", "http://b:1"]);
    set(&["http://own:1", "http://b:1", "http://c:1"]);
    assert_eq!(names(), ["http://a:1", "http://b:1", "http://c:1"].map(String::from).into());
    // It is the same peer when it is back, and in the list once.
    set(&["http://own:1", "http://a:1", "http://c:1"]);
    assert_eq!((names().len(), PeerPicker::peers(&peers).len()), (3, 3));
}

#[test]
fn who_is_nobodys_peer_is_not_told_of_changes() {
    let peers = peers_with(Duration::ZERO);
    assert!(peers.is_told());
    peers.leave();
    assert!(!peers.is_told());
    let client = Peers::new(None, peers_with(Duration::ZERO).options);
    assert!(!client.is_told());
}

#[test]
fn new_owners_in_a_zone_take_over_from_the_previous_ones_of_that_zone() {
    let keys: Vec<String> = (0..200).map(|n| format!("key {n}")).collect();
    let peers = peers_with(Duration::from_secs(60 * 60));
    let set = |zones: [&str; 5]| {
        let urls = ["http://own:1", "http://a:1", "http://b:1", "http://c:1", "http://d:1"];
        let texts = urls.iter().zip(zones).map(|(url, zone)| format!("{url}#zone={zone}"));
        peers.set(texts.map(|text| peers.parse(&*text).unwrap()).collect()).unwrap();
    };
    let previous = || {
        let givers = peers.previous_owners();
        let all: BTreeSet<String> = givers.iter().map(|peer| peer.name().to_owned()).collect();
        let ours = keys.iter().filter(|key| peers.owns(key));
        let single = ours.map(|key| peers.previous_owner(key).unwrap().name().to_owned());
        assert_eq!(all, single.collect());
        Vec::from_iter(all)
    };
    // It learns its zone from its first list.
    set(["x", "x", "x", "y", "y"]);
    assert_eq!(previous(), ["http://a:1", "http://b:1"]);
    set(["y", "x", "x", "y", "y"]);
    assert_eq!(previous(), ["http://c:1", "http://d:1"]);
    set(["z", "x", "x", "y", "y"]);
    assert!(peers.previous_owners().is_empty(), "nobody was in the zone");
}

#[test]
fn a_change_after_a_warm_up_begins_another() {
    let peers = peers_with(Duration::from_nanos(1));
    for (other, warm_ups) in [("http://a:1", 1), ("http://b:1", 2), ("http://b:1", 2)] {
        set(&peers, other);
        let deadline = Instant::now() + Duration::from_secs(10);
        while peers.warm_up().is_some() {
            assert!(Instant::now() < deadline);
        }
        assert_eq!(peers.members().warm_ups, warm_ups);
    }
}

#[test]
fn a_list_of_more_points_than_a_ring_should_have_is_refused() {
    let peers = peers_with(Duration::ZERO);
    let list_of = |count: usize| {
        let others = (1..count).map(|n| format!("http://a{n}:1#weight=200"));
        let texts = std::iter::once("http://own:1#weight=200".to_owned()).chain(others);
        texts.map(|text| peers.parse(&text).unwrap()).collect::<Vec<_>>()
    };
    assert!(peers.check(&list_of(400)).is_ok());
    let refused = peers.set(list_of(500)).unwrap_err().to_string();
    assert!(refused.contains("500 peers") && refused.contains("4194304 points"), "{refused}");
    assert_eq!(peers.list().len(), 1);
}

#[test]
fn a_list_that_is_text_gives_names_as_well() {
    let peers = peers_with(Duration::ZERO);
    let name = |address: PeerAddress| peers.parse(address).unwrap().name;
    assert_eq!(&*name("http://a:1#name=cache-0&weight=2".into()), "cache-0");
    assert_eq!(&*name(PeerAddress::named("z", "http://a:1#name=cache-0")), "z");
    assert_eq!(&*name("http://a:1#weight=2".into()), "http://a:1");
}

#[test]
fn a_peer_with_a_name_has_its_weight_and_is_told_by_its_url() {
    let peers = peers_with(Duration::ZERO);
    let listed = |peer: PeerAddress| peers.parse(peer).unwrap();
    let plain = || listed("http://own:1".into());
    peers.set(vec![plain(), listed("http://a:1".into())]).unwrap();
    let (unnamed, first) = (peers.identity().digest(), peers.others());
    let named = PeerAddress::named("z", "http://a:1#weight=9");
    peers.set(vec![plain(), listed(named)]).unwrap();
    assert_ne!(peers.identity().digest(), unnamed);
    // It is the same peer, whatever it is called: it keeps its connections.
    let others = peers.others();
    assert!(others.len() == 1 && Arc::ptr_eq(&others[0], &first[0]));
    let shares = peers.shares();
    let urls: Vec<&str> = shares.iter().map(|(peer, _)| peer.url.as_str()).collect();
    assert_eq!(urls, ["http://a:1", "http://own:1"]);
    assert!(shares[0].1 > 0.7, "{shares:?}");
    let (nodes, arcs) = peers.arcs(usize::MAX);
    assert_eq!(nodes, urls);
    assert!(arcs.iter().any(|arc| arc.1 == 0) && arcs.iter().any(|arc| arc.1 == 1));
    let owned = (0..1000).filter(|n| {
        let key = format!("key {n}");
        let owner = peers.owner(&key).unwrap();
        assert!(urls.contains(&&*owner), "{owner}");
        assert!(peers.is_owner(&key, &owner) && !peers.is_owner(&key, "z"));
        owner == urls[0]
    });
    assert!(owned.count() > 500);
}
