use super::*;

fn peers_with(warm_up: Duration) -> Peers {
    let hash = RingHash::default();
    let replicas = hash.replicas();
    let own = PeerUrl::parse("http://own:1").unwrap();
    Peers::new(Some(own), PeersOptions { hash, replicas, warm_up, peer: PeerOptions::default() })
}

fn set(peers: &Peers, other: &str) {
    let urls = ["http://own:1", other].map(|url| peers.parse(url.into()).unwrap());
    peers.set(urls.into()).unwrap();
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
