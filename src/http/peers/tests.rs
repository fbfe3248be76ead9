use super::*;

fn peers_with(warm_up: Duration) -> Peers {
    let hash = RingHash::default();
    let replicas = hash.replicas();
    let own = PeerUrl::parse("http://own:1").unwrap();
    Peers::new(Some(own), PeersOptions { hash, replicas, warm_up, peer: PeerOptions::default() })
}

fn set(peers: &Peers, other: &str) {
    let list = ["http://own:1", other].map(|url| peers.parse(url).unwrap());
    peers.set(list.into()).unwrap();
}

#[test]
fn a_change_within_a_warm_up_prolongs_it() {
    let peers = peers_with(Duration::from_secs(60 * 60));
    assert_eq!(peers.warm_up(), None);
    for other in ["http://a:1", "http://b:1", "http://b:1", "http://c:1"] {
        set(&peers, other);
        assert_eq!(peers.warm_up(), Some(1));
    }
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
    let urls: Vec<&str> = shares.iter().map(|(url, _)| &**url).collect();
    assert_eq!(urls, ["http://a:1", "http://own:1"]);
    assert!(shares[0].1 > 0.7, "{shares:?}");
    let (nodes, arcs) = peers.arcs();
    assert_eq!(nodes, urls);
    assert!(arcs.iter().any(|arc| arc.1 == 0) && arcs.iter().any(|arc| arc.1 == 1));
    let owned = (0..1000).filter(|n| {
        let owner = peers.owner(&format!("key {n}")).unwrap();
        assert!(urls.contains(&&*owner), "{owner}");
        owner == urls[0]
    });
    assert!(owned.count() > 500);
}
