//! Peers in zones: each zone has an owner for each key.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::Duration;

use geecache::{
    Discovery, Error, Group, HotCache, HttpGetter, HttpPool, HttpPoolBuilder, ListChangeKind,
    Loaded, MetricsFormat, MetricsWriter, NoSource,
};

use log::Level;

use crate::support::{CountingGetter, Peer, SERVERS, SOON, keep_logs, logged, until, value_of};

const BRIEF: Duration = Duration::from_millis(10);

/// Peers, each in the zone of this name, with the same list of all of them.
fn peers_in(zones: &[&str]) -> Vec<Peer> {
    let start = |zone: &&str| start_in(zone, |pool| pool);
    let peers: Vec<Peer> = zones.iter().map(start).collect();
    let list = list_of(&peers, zones);
    peers.iter().for_each(|peer| peer.pool.set_peers(&list).unwrap());
    peers
}

fn start_in(zone: &str, options: impl FnOnce(HttpPoolBuilder) -> HttpPoolBuilder) -> Peer {
    let own = |pool: HttpPoolBuilder| options(pool.warm_up(Duration::ZERO).zone(zone));
    Peer::start(SERVERS[1], CountingGetter::new(), own)
}

/// The list of these peers in these zones.
fn list_of(peers: &[Peer], zones: &[&str]) -> Vec<String> {
    peers.iter().zip(zones).map(|(peer, zone)| format!("{}#zone={zone}", peer.url())).collect()
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("key {n}")).collect()
}

fn get(group: &Group, key: &str) {
    assert_eq!(group.get(key).unwrap(), value_of(key).as_str());
}

fn calls(peers: &[Peer]) -> Vec<usize> {
    peers.iter().map(|peer| peer.getter.calls()).collect()
}

/// In which zone each of the others is, as a pool has it.
fn zones_of(pool: &HttpPool) -> BTreeMap<String, Option<String>> {
    pool.peer_stats().into_iter().map(|stats| (stats.url, stats.zone)).collect()
}

#[test]
fn gets_stay_in_their_zone_and_the_lists_agree() {
    let peers = peers_in(&["a", "a", "b", "b"]);
    for key in keys(60) {
        peers[..2].iter().for_each(|peer| get(&peer.group, &key));
    }
    let [a1, a2, b1, b2] = calls(&peers)[..] else { panic!() };
    assert!(a1 > 0 && a2 > 0 && a1 + a2 == 60, "each key has an owner in the zone: {a1}, {a2}");
    assert_eq!((b1, b2), (0, 0));
    assert!(peers[2..].iter().all(|peer| peer.stats().server_requests == 0));
    peers[2].group.get_many(&keys(60)).into_iter().for_each(|value| drop(value.unwrap()));
    let after = calls(&peers);
    assert_eq!((&after[..2], after[2] + after[3]), (&[a1, a2][..], 60), "{after:?}");

    let stats: Vec<_> = peers.iter().map(|peer| peer.pool.list_stats()).collect();
    for stats in &stats {
        assert_eq!((stats.digest, stats.peers), (stats_digest(&peers), 4));
        assert_eq!((stats.differing, stats.misdirected), (0, 0), "{stats:?}");
    }
    let zones = zones_of(&peers[0].pool);
    assert_eq!(zones.len(), 3);
    assert_eq!(zones[&peers[1].url()].as_deref(), Some("a"));
    assert_eq!(zones[&peers[3].url()].as_deref(), Some("b"));
}

fn stats_digest(peers: &[Peer]) -> u32 {
    peers[0].pool.list_stats().digest
}

#[test]
fn changes_reach_the_owners_and_the_copies_of_all_zones() {
    let zones = ["a", "a", "b", "b", "c"];
    let peers: Vec<Peer> = zones.iter().map(|zone| start_in(zone, |pool| pool)).collect();
    let list = list_of(&peers, &zones);
    peers.iter().for_each(|peer| peer.pool.set_peers(&list).unwrap());
    let groups: Vec<Group> = peers.iter().map(with_copies).collect();
    let fill = |key: &str| {
        groups.iter().for_each(|group| drop(group.get(key).unwrap()));
        assert!(groups.iter().all(|group| group.peek(key).is_some()), "all have it, or a copy");
    };
    let is_gone = |key: &str| groups.iter().all(|group| group.peek(key).is_none());
    for key in keys(20) {
        fill(&key);
        let report = groups[0].remove(&key);
        assert!(report.is_complete() && report.peers.len() == 4, "{report:?}");
        assert!(is_gone(&key));
        fill(&key);
        assert!(groups[4].remove_tag("tag").is_complete() && is_gone(&key));
        fill(&key);
        assert!(groups[2].clear().is_complete() && is_gone(&key));
    }
}

/// A further group of a peer, in which it keeps a copy of all that it asks for.
fn with_copies(peer: &Peer) -> Group {
    let load = |key: &str| Ok::<_, std::io::Error>(Loaded::from(key).tag("tag"));
    let group = Group::builder("copies", 1 << 20, load).hot_cache(HotCache::Always).build();
    peer.pool.add(&group).unwrap();
    group
}

#[test]
fn what_is_inserted_is_at_the_owner_of_each_zone() {
    let peers = peers_in(&["a", "a", "b", "b"]);
    for key in keys(20) {
        let report = peers[0].group.insert(&key, "inserted").unwrap();
        assert!(report.is_kept && report.is_complete() && report.peers.len() == 3, "{report:?}");
        assert!(peers.iter().all(|peer| peer.group.get(&key).unwrap() == "inserted"));
    }
    assert_eq!(calls(&peers), [0; 4], "nobody had to load");
    let client = HttpPool::builder().timeout(SOON).zone("b");
    let client = client.client(list_of(&peers, &["a", "a", "b", "b"])).unwrap();
    let group = Group::new("scores", 1 << 20, NoSource);
    client.add(&group).unwrap();
    for key in keys(20) {
        assert!(group.insert(&key, "newer").unwrap().is_kept);
        assert!(peers.iter().all(|peer| peer.group.get(&key).unwrap() == "newer"));
    }
}

#[test]
fn the_greatest_version_prevails_in_all_zones() {
    let peers = peers_in(&["a", "b"]);
    for (newer, older) in [(0, 1), (1, 0)] {
        for key in keys(20) {
            let key = format!("{key} of {newer}");
            assert!(peers[newer].group.insert_if_newer(&key, "second", 2).unwrap().is_kept);
            let report = peers[older].group.insert_if_newer(&key, "first", 1).unwrap();
            assert!(report.is_late && !report.is_kept && report.is_complete(), "{report:?}");
            assert!(peers.iter().all(|peer| peer.group.get(&key).unwrap() == "second"));
        }
    }
    assert_eq!(calls(&peers), [0; 2]);
}

#[test]
fn a_zone_without_peers_asks_the_owners_in_all_zones() {
    let peers = peers_in(&["a", "a", "b", "b"]);
    for client in [HttpPool::builder().zone("c"), HttpPool::builder()] {
        let before: usize = calls(&peers).iter().sum();
        let client = client.timeout(SOON).connect_timeout(SOON);
        let client = client.client(list_of(&peers, &["a", "a", "b", "b"])).unwrap();
        let group = Group::new("scores", 1 << 20, NoSource);
        client.add(&group).unwrap();
        for key in keys(60) {
            get(&group, &key);
            let asked = client.owner(&key).unwrap();
            let asked = peers.iter().find(|peer| peer.url() == asked).unwrap();
            assert_eq!(asked.pool.owner(&key), Some(asked.url()), "its zone says so, too");
            assert_eq!(asked.getter.calls_of(&key), 1);
        }
        let calls = calls(&peers);
        assert!(calls.iter().all(|calls| *calls > 0), "all of them have some: {calls:?}");
        let now: usize = calls.iter().sum();
        assert!(before == 0 && now == 60 || before == now, "{before} {now}");
    }
}

#[test]
fn a_client_without_a_zone_asks_all_even_if_somebody_else_has_none() {
    let peers = peers_in(&["a", "a", "b", "b"]);
    let mut list = list_of(&peers, &["a", "a", "b", "b"]);
    // As one whose zone is not known yet.
    list[3] = peers[3].url();
    let client = HttpPool::builder().timeout(SOON).connect_timeout(SOON).client(&list).unwrap();
    let group = Group::new("scores", 1 << 20, NoSource);
    client.add(&group).unwrap();
    for key in keys(60) {
        get(&group, &key);
    }
    let calls = calls(&peers);
    assert!(calls.iter().all(|calls| *calls > 0), "all of them have some: {calls:?}");
    assert_eq!(calls.iter().sum::<usize>(), 60);
    for key in keys(60) {
        let report = group.insert(&key, "inserted").unwrap();
        assert!(report.is_kept && report.peers.len() == 4, "{report:?}");
        let ours = peers.iter().filter(|peer| client.owner(&key) == Some(peer.url()));
        assert!(ours.map(|peer| peer.group.peek(&key)).all(|found| found.is_some()));
    }
}

#[test]
fn a_client_whose_zone_is_down_asks_another_one() {
    let zones = ["a", "a", "b"];
    let peers = peers_in(&zones);
    let client = HttpPool::builder().timeout(SOON).zone("a");
    let client = client.client(list_of(&peers, &zones)).unwrap();
    let source = CountingGetter::new();
    let group = Group::new("scores", 1 << 20, source.clone());
    client.add(&group).unwrap();
    get(&group, "before");
    assert_eq!(peers[2].getter.calls(), 0);
    peers[..2].iter().for_each(|peer| peer.pool.shutdown());
    let asked = Cell::new(0);
    until("the other zone is asked", || {
        let key = format!("after {}", asked.replace(asked.get() + 1));
        get(&group, &key);
        peers[2].getter.calls_of(&key) == 1
    });
}

#[test]
fn a_list_that_moves_a_peer_to_another_zone_moves_its_keys() {
    // They are told their zones by the list alone.
    let start = |_| {
        let options = |pool: HttpPoolBuilder| pool.peek_timeout(SOON);
        Peer::start(SERVERS[1], CountingGetter::new(), options)
    };
    let peers: Vec<Peer> = (0..3).map(start).collect();
    let set = |zones: [&str; 3]| {
        let list = list_of(&peers, &zones);
        peers.iter().for_each(|peer| peer.pool.set_peers(&list).unwrap());
    };
    set(["a", "a", "b"]);
    let keys = keys(40);
    keys.iter().for_each(|key| peers.iter().for_each(|peer| get(&peer.group, key)));
    let before = calls(&peers);
    assert_eq!((before[0] + before[1], before[2]), (40, 40));

    set(["a", "b", "b"]);
    keys.iter().for_each(|key| peers[2].group.get(key).map(drop).unwrap());
    keys.iter().for_each(|key| peers[0].group.get(key).map(drop).unwrap());
    assert_eq!(calls(&peers), before, "the new owners took over what the previous ones have");
    for key in &keys {
        let owners = [0, 1, 2].map(|at| peers[at].pool.owner(key).unwrap());
        assert_eq!(owners[0], peers[0].url());
        assert!(owners[1] == owners[2] && owners[1] != owners[0], "{owners:?}");
        // Right after the change, too.
        assert!(peers[0].group.remove(key).is_complete());
        assert!(peers.iter().all(|peer| peer.group.peek(key).is_none()));
    }
}

#[test]
fn those_who_follow_a_source_ask_their_peers_for_their_zones() {
    let mut peers: Vec<Peer> =
        ["a", "a", "b"].iter().map(|zone| start_in(zone, |pool| pool)).collect();
    let urls: Vec<String> = peers.iter().map(Peer::url).collect();
    let follow = |peer: &Peer| {
        peer.pool.follow(Discovery::fixed(urls.clone()).every(BRIEF)).unwrap();
    };
    peers.iter().for_each(follow);
    for peer in &peers {
        assert_eq!(peer.pool.list_stats().digest, stats_digest(&peers), "known at once");
    }
    assert_eq!(zones_of(&peers[0].pool)[&urls[2]].as_deref(), Some("b"));
    keys(40).iter().for_each(|key| get(&peers[0].group, key));
    assert_eq!((calls(&peers)[2], peers[2].stats().server_requests), (0, 0));
    // One without a zone learns them as well.
    let client = HttpPool::client([""; 0]).unwrap();
    client.follow(Discovery::fixed(urls.clone()).every(BRIEF)).unwrap();
    until("the client knows", || client.list_stats().digest == stats_digest(&peers));

    // The same address is in another zone after a restart.
    let gone = peers.remove(1);
    let addr = gone.addr();
    drop(gone);
    let options = |pool: HttpPoolBuilder| pool.zone("b").warm_up(Duration::ZERO);
    let back = Peer::start_on(&addr, SERVERS[1], CountingGetter::new(), options);
    follow(&back);
    until("all know of it", || {
        peers.iter().all(|peer| zones_of(&peer.pool)[&urls[1]].as_deref() == Some("b"))
    });
    until("it is told why", || {
        let changes = peers[0].pool.follow_stats().unwrap().changes;
        let mut moved = changes.iter().filter(|change| change.kind == ListChangeKind::Moved);
        moved.any(|change| change.url == urls[1] && change.reason == "it said so")
    });
    until("they agree", || peers[0].pool.list_stats().digest == back.pool.list_stats().digest);
}

#[test]
fn a_process_with_two_names_has_both_in_its_zone_as_others_have() {
    let peers = ["a", "b"].map(|zone| start_in(zone, |pool| pool));
    // As a name does that has two addresses for each process.
    let alias = peers[0].url().replace("127.0.0.1", "localhost");
    let urls = [peers[0].url(), alias.clone(), peers[1].url()];
    for peer in &peers {
        peer.pool.follow(Discovery::fixed(urls.clone()).every(BRIEF)).unwrap();
    }
    for peer in &peers {
        until("it knows the zones", || zones_of(&peer.pool)[&alias].as_deref() == Some("a"));
    }
    assert_eq!(peers[0].pool.list_stats().digest, peers[1].pool.list_stats().digest);
}

#[cfg(feature = "gossip")]
#[test]
fn members_of_a_gossip_tell_their_zones() {
    let peers = ["a", "b"].map(|zone| start_in(zone, |pool| pool));
    peers[0].pool.join([""; 0]).unwrap();
    peers[1].pool.join([peers[0].url()]).unwrap();
    for (peer, other, zone) in [(&peers[0], &peers[1], "b"), (&peers[1], &peers[0], "a")] {
        until("it knows the other", || !peer.pool.peer_stats().is_empty());
        assert_eq!(zones_of(&peer.pool)[&other.url()].as_deref(), Some(zone));
    }
    assert_eq!(peers[0].pool.list_stats().digest, peers[1].pool.list_stats().digest);
}

#[test]
fn those_who_watch_see_zones() {
    let peers = peers_in(&["a", "a", "b"]);
    let mut metrics = MetricsWriter::new(MetricsFormat::Prometheus);
    peers[0].pool.write_metrics(&mut metrics);
    let metrics = metrics.finish();
    let [_, mate, other] = [0, 1, 2].map(|at| peers[at].url());
    for line in [
        "geecache_peers 3".to_owned(),
        "geecache_ring_peers 2".to_owned(),
        format!("geecache_peer_zone{{peer=\"{mate}\",zone=\"a\"}} 1"),
        format!("geecache_peer_zone{{peer=\"{other}\",zone=\"b\"}} 1"),
    ] {
        assert_eq!(metrics.lines().filter(|it| **it == line).count(), 1, "{line}\n{metrics}");
    }
    assert!(!metrics.contains(&format!("geecache_ring_share_ratio{{peer=\"{other}\"}}")));
    let shares = metrics.lines().filter(|line| line.starts_with("geecache_ring_share_ratio{"));
    let shares = shares.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap());
    assert!((shares.sum::<f64>() - 1.0).abs() < 1e-9, "{metrics}");
    let getter = HttpGetter::new(&peers[0].url()).unwrap();
    let status = getter.page("/status.json").unwrap();
    let status = status.as_str().unwrap();
    assert!(status.contains("\"peers\":2,\"zone\":\"a\""), "{status}");
    assert_eq!(status.matches("\"zone\":\"b\"").count(), 1, "{status}");
}

#[test]
fn who_leaves_asks_those_of_its_zone_and_then_all() {
    let peers = peers_in(&["a", "b", "b"]);
    peers[1].pool.leave(Duration::ZERO);
    let key = keys(1).remove(0);
    assert_eq!(peers[1].pool.owner(&key), Some(peers[2].url()));
    peers[0].pool.leave(Duration::ZERO);
    let owner = peers[0].pool.owner(&key).unwrap();
    assert_ne!(owner, peers[0].url(), "its zone is empty");
}

#[test]
fn one_with_a_zone_whose_list_tells_none_says_that_it_is_alone() {
    keep_logs();
    let peer = start_in("a", |pool| pool);
    let told = || logged(&[&peer.url(), "is alone in its zone \"a\"", "#zone=a"]);
    peer.pool.set_peers([&peer.url()]).unwrap();
    let other = "http://127.0.0.1:1";
    peer.pool.set_peers([peer.url(), format!("{other}#zone=b")]).unwrap();
    assert!(told().is_empty(), "{:?}", told());
    peer.pool.set_peers([&peer.url(), other]).unwrap();
    assert!(matches!(told()[..], [(Level::Warn, _)]), "{:?}", told());
}

#[test]
fn zones_that_can_not_be_are_refused() {
    for name in ["", "a b", "a/b", "ä", &"z".repeat(65)] {
        let error = HttpPool::builder().zone(name).client([""; 0]).unwrap_err();
        assert!(matches!(error, Error::InvalidOption { option: "zone", .. }), "{error}");
    }
    let peer = start_in("a", |pool| pool);
    let error = peer.pool.set_peers([format!("{}#zone=b", peer.url())]).unwrap_err().to_string();
    assert!(error.contains("\"a\"") && error.contains("\"b\""), "{error}");
    peer.pool.set_peers([peer.url(), "http://127.0.0.1:1".to_owned()]).unwrap();
}
