use std::num::NonZeroUsize;

use super::{MAX_REPLICAS, Ring, RingHash};

const FIFTY: NonZeroUsize = NonZeroUsize::new(50).unwrap();

fn ring_of<'a>(nodes: impl IntoIterator<Item = &'a str>) -> Ring {
    let mut ring = Ring::new(FIFTY);
    for node in nodes {
        assert!(ring.add(node), "{node} is new");
    }
    ring
}

fn keys() -> impl Iterator<Item = String> {
    (0..10_000).map(|number| format!("user:{number}"))
}

/// Hashes a decimal text to its number.
fn number(text: &[u8]) -> u32 {
    std::str::from_utf8(text).unwrap().parse().unwrap()
}

#[test]
fn an_empty_ring_names_nobody() {
    let ring = Ring::new(FIFTY);
    assert!(ring.is_empty());
    assert_eq!(ring.len(), 0);
    assert_eq!(ring.get("Tom"), None);
    assert_eq!(ring.owners("Tom").next(), None);
}

#[test]
fn peers_of_geecache_and_groupcache_name_the_same_owners() {
    let ring = ring_of(["http://localhost:8001", "http://localhost:8002", "http://localhost:8003"]);
    for (key, port) in [
        ("Tom", "8001"),
        ("Jack", "8001"),
        ("Sam", "8003"),
        ("kkk", "8001"),
        ("hello", "8003"),
        ("key/with/slash", "8002"),
        ("你好", "8002"),
    ] {
        assert_eq!(ring.get(key), Some(&*format!("http://localhost:{port}")), "owner of {key}");
    }
}

#[test]
fn points_wrap_around_the_end() {
    let mut ring = Ring::with_hash(NonZeroUsize::new(3).unwrap(), number);
    for node in ["6", "4", "2"] {
        ring.add(node);
    }
    // The points are 2, 4, 6, 12, 14, 16, 22, 24, 26.
    for (key, owner) in
        [("2", "2"), ("11", "2"), ("13", "4"), ("23", "4"), ("26", "6"), ("27", "2")]
    {
        assert_eq!(ring.get(key), Some(owner), "owner of {key}");
    }
    ring.add("8");
    assert_eq!(ring.get("27"), Some("8"));
}

#[test]
fn the_greater_of_two_peers_has_a_point_that_both_have() {
    // Point 46 of the one and point 31 of the other.
    let (lesser, greater) = ("http://cache261.local:8080", "http://node-515:8080");
    let tie = crc32fast::hash(format!("46{lesser}").as_bytes());
    assert_eq!(tie, 0x62d7_af8e);
    assert_eq!(tie, crc32fast::hash(format!("31{greater}").as_bytes()));
    for nodes in [[lesser, greater], [greater, lesser]] {
        let mut ring = Ring::with_hash(FIFTY, |text| match text.strip_prefix(b"at ") {
            Some(hash) => number(hash),
            None => crc32fast::hash(text),
        });
        for node in nodes {
            ring.add(node);
        }
        let key = format!("at {tie}");
        assert_eq!(ring.get(&key), Some(greater));
        assert_eq!(ring.owners(&key).collect::<Vec<_>>(), [greater, lesser]);
        ring.remove(greater);
        assert_eq!(ring.get(&key), Some(lesser), "the lesser has its point back");
    }
}

#[test]
fn the_order_of_adding_does_not_matter() {
    let nodes: Vec<String> = (0..9).map(|host| format!("http://10.0.3.{host}:8080")).collect();
    let forward = ring_of(nodes.iter().map(String::as_str));
    let backward = ring_of(nodes.iter().rev().map(String::as_str));
    let mut detour = ring_of(nodes.iter().skip(4).chain(&nodes[..4]).map(String::as_str));
    detour.add("http://stranger:1");
    detour.remove("http://stranger:1");
    for key in keys() {
        assert_eq!(forward.get(&key), backward.get(&key), "owner of {key}");
        assert!(forward.owners(&key).eq(detour.owners(&key)), "owners of {key}");
    }
}

#[test]
fn a_peer_that_joins_takes_keys_from_others_only_for_itself() {
    let before = ring_of(["http://a:1", "http://b:1", "http://c:1"]);
    let mut after = before.clone();
    after.add("http://d:1");
    let moved: Vec<_> = keys().filter(|key| before.get(key) != after.get(key)).collect();
    assert!(!moved.is_empty() && moved.len() < 7_500, "{} of 10000 keys moved", moved.len());
    for key in moved {
        assert_eq!(after.get(&key), Some("http://d:1"), "new owner of {key}");
    }
}

#[test]
fn a_peer_that_leaves_gives_each_key_to_the_next_owner() {
    let before = ring_of(["http://a:1", "http://b:1", "http://c:1", "http://d:1"]);
    let mut after = before.clone();
    assert!(after.remove("http://b:1"));
    for key in keys() {
        let mut owners = before.owners(&key).filter(|owner| *owner != "http://b:1");
        assert_eq!(after.get(&key), owners.next(), "owner of {key}");
    }
}

#[test]
fn owners_are_all_peers_once_and_the_first_is_the_owner() {
    let ring = ring_of(["http://a:1", "http://b:1", "http://c:1", "http://d:1"]);
    for key in keys() {
        let owners: Vec<_> = ring.owners(&key).collect();
        assert_eq!(owners.first().copied(), ring.get(&key));
        let mut sorted = owners;
        sorted.sort_unstable();
        assert_eq!(sorted, ["http://a:1", "http://b:1", "http://c:1", "http://d:1"]);
    }
}

#[test]
fn adding_twice_and_removing_a_stranger_change_nothing() {
    let mut ring = ring_of(["http://a:1", "http://b:1"]);
    let before: Vec<_> = keys().map(|key| ring.get(&key).map(str::to_owned)).collect();
    assert!(!ring.add("http://a:1"));
    assert!(!ring.remove("http://c:1"));
    assert_eq!(ring.len(), 2);
    for (key, owner) in keys().zip(before) {
        assert_eq!(ring.get(&key), owner.as_deref());
    }
}

#[test]
fn debug_names_the_nodes_and_not_the_points() {
    let text = format!("{:?}", ring_of(["http://a:1"]));
    assert!(text.contains("http://a:1") && text.len() < 100, "{text}");
}

#[test]
fn groupcache_itself_names_the_same_owners() {
    let mut ring = Ring::new(FIFTY);
    let mut compared = 0;
    for line in include_str!("../../tests/interop/ring_vectors.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["peers", ref peers @ ..] => ring = ring_of(peers.iter().rev().copied()),
            ["owner", key, owner] => {
                assert_eq!(ring.get(key), Some(owner), "owner of {key:?} in {ring:?}");
                compared += 1;
            }
            _ => panic!("not a line of vectors: {line}"),
        }
    }
    assert!(compared >= 1_000, "{compared} vectors");
}

#[test]
fn the_forks_of_groupcache_themselves_name_the_same_owners() {
    let (mut keys, mut ring, mut names) = (Vec::new(), Ring::new(FIFTY), Vec::new());
    let mut compared = 0;
    for line in include_str!("../../tests/interop/fork_vectors.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["key", key] => keys.push(key),
            ["peers", fork, ref peers @ ..] => {
                let hash = if fork == "galaxycache" { RingHash::Crc32 } else { RingHash::Fnv1 };
                ring = hash.ring();
                ring.extend(peers.iter().rev());
                names = peers.to_vec();
            }
            ["owners", ref owners @ ..] => {
                assert_eq!(owners.len(), keys.len());
                for (key, owner) in keys.iter().zip(owners) {
                    let owner = names[owner.parse::<usize>().unwrap()];
                    assert_eq!(ring.get(key), Some(owner), "owner of {key:?} in {ring:?}");
                    compared += 1;
                }
            }
            // What goes over the wire.
            _ => {}
        }
    }
    assert_eq!(compared, 3 * 5 * 1_000);
}

#[test]
fn wide_points_behave_as_narrow_ones() {
    let hash: fn(&[u8]) -> u64 = |text| u64::from(crc32fast::hash(text)) << 32 | 7;
    for nodes in [1, 2, 3, 17, 100] {
        let names: Vec<String> = (0..nodes).map(|node| format!("node-{node}")).collect();
        let (mut narrow, mut wide) = (Ring::new(FIFTY), Ring::with_wide_hashes(FIFTY, hash, hash));
        assert_eq!((wide.get("Tom"), wide.owners("Tom").next()), (None, None));
        narrow.extend(&names);
        wide.extend(names.iter().rev());
        assert_eq!(wide.circle.len(), 50 * nodes);
        for round in 0..2 {
            for key in keys().take(500) {
                assert_eq!(narrow.get(&key), wide.get(&key), "owner of {key}");
                assert!(narrow.owners(&key).eq(wide.owners(&key)), "owners of {key}");
            }
            for ((name, narrow), (same, wide)) in narrow.shares().iter().zip(wide.shares()) {
                assert!(*name == same && (narrow - wide).abs() < 1e-6, "{name}: {wide}");
            }
            if round == 0 {
                assert!(narrow.remove("node-0") && wide.remove("node-0"));
            }
        }
    }
}

#[test]
fn points_that_differ_in_their_lowest_bits_only_are_told_apart() {
    let hash: fn(&[u8]) -> u64 = |text| u64::from(number(text)) + (1 << 40);
    let mut ring = Ring::with_wide_hashes(NonZeroUsize::new(1).unwrap(), hash, hash);
    ring.extend(["2", "4", "8"]);
    for (key, owner) in [("1", "2"), ("2", "2"), ("3", "4"), ("5", "8"), ("8", "8"), ("9", "2")] {
        assert_eq!(ring.get(key), Some(owner), "owner of {key}");
    }
}

#[test]
fn every_hash_belongs_to_the_first_point_at_or_after_it() {
    // The points of many nodes crowd on few hashes under this one, which is hard on an index.
    let crowded: fn(&[u8]) -> u32 = |text| crc32fast::hash(text) % 97 + 0x7fff_ffd0;
    let mixed: fn(&[u8]) -> u32 =
        |text| u32::try_from(RingHash::Mixed.of_key(std::str::from_utf8(text).unwrap())).unwrap();
    for hash in [crc32fast::hash, mixed, crowded] {
        for nodes in [1, 2, 3, 17, 100] {
            let mut ring = Ring::with_hash(NonZeroUsize::new(7).unwrap(), hash);
            ring.extend((0..nodes).map(|node| format!("node-{node}")));
            let points: Vec<(u32, String)> = (0..nodes)
                .flat_map(|node| (0..7).map(move |i| (i, format!("node-{node}"))))
                .map(|(i, node)| (hash(format!("{i}{node}").as_bytes()), node))
                .collect();
            for key in keys().take(500) {
                let distance = |point: u32| point.wrapping_sub(hash(key.as_bytes()));
                let nearest = points.iter().map(|(point, _)| distance(*point)).min();
                let owner = points
                    .iter()
                    .filter(|(point, _)| Some(distance(*point)) == nearest)
                    .map(|(_, node)| &**node)
                    .max();
                assert_eq!(ring.get(&key), owner, "owner of {key} among {nodes}");
                assert_eq!(ring.owners(&key).next(), owner, "first owner of {key} among {nodes}");
            }
        }
    }
}

#[test]
fn many_nodes_at_once_make_the_same_ring_as_one_by_one() {
    let names = ["http://a:1", "http://c:1", "http://b:1", "http://c:1"];
    let mut at_once = ring_of(["http://b:1"]);
    at_once.extend(names);
    let mut one_by_one = Ring::new(FIFTY);
    names.iter().for_each(|name| {
        one_by_one.add(name);
    });
    assert_eq!(at_once.len(), 3);
    for key in keys() {
        assert!(at_once.owners(&key).eq(one_by_one.owners(&key)), "owners of {key}");
    }
}

#[test]
fn a_heavier_node_takes_more_keys_and_only_for_itself() {
    let weight = |weight| NonZeroUsize::new(weight).unwrap();
    let ring_with = |hash: RingHash, heavy| {
        let mut ring = hash.ring();
        ring.extend((0..9).map(|node| format!("http://10.0.0.{node}:80")));
        assert_eq!(ring.add_weighted("http://heavy:80", weight(heavy)), Ok(true));
        assert_eq!(
            ring.add_weighted("http://heavy:80", weight(1)),
            Ok(false),
            "it is there already"
        );
        ring
    };
    let share_of_heavy = |ring: &Ring| {
        let shares = ring.shares().into_iter();
        shares.filter(|(node, _)| *node == "http://heavy:80").map(|(_, share)| share).sum::<f64>()
    };
    for hash in [RingHash::Mixed, RingHash::Balanced] {
        let (light, heavy) = (ring_with(hash, 1), ring_with(hash, 3));
        let (light_share, heavy_share) = (share_of_heavy(&light), share_of_heavy(&heavy));
        assert!((0.07..0.13).contains(&light_share), "1 of 10: {light_share}");
        assert!((0.21..0.29).contains(&heavy_share), "3 of 12: {heavy_share}");
        for key in keys().filter(|key| light.get(key) != heavy.get(key)) {
            assert_eq!(heavy.get(&key), Some("http://heavy:80"), "new owner of {key}");
        }
    }
}

#[test]
fn more_replicas_than_the_most_count_as_the_most() {
    let most = NonZeroUsize::new(MAX_REPLICAS).unwrap();
    let points = |ring: &Ring| ring.circle.len();
    for replicas in [most, NonZeroUsize::new(10_000_000).unwrap(), NonZeroUsize::MAX] {
        let mut ring = Ring::new(replicas);
        assert_eq!(ring.replicas(), most);
        ring.extend(["http://a:1", "http://b:1"]);
        ring.add("http://c:1");
        assert_eq!((ring.len(), points(&ring)), (3, 3 * MAX_REPLICAS));
        assert!(ring.remove("http://b:1"));
        assert_eq!(points(&ring), 2 * MAX_REPLICAS);
    }
    assert_eq!(Ring::new(FIFTY).replicas(), FIFTY);
}

#[test]
fn many_nodes_with_weights_are_the_same_as_one_after_the_other() {
    let weight = |weight| NonZeroUsize::new(weight).unwrap();
    let nodes: Vec<_> =
        (0..30).map(|n| (format!("http://node-{n}:80"), weight(1 + n % 3))).collect();
    for hash in [RingHash::Crc32, RingHash::Balanced] {
        let (mut at_once, mut one_by_one) = (hash.ring(), hash.ring());
        assert_eq!(at_once.extend_weighted(nodes.clone()), Ok(30));
        assert_eq!(at_once.extend_weighted(nodes[..3].to_vec()), Ok(0));
        for (node, weight) in &nodes {
            one_by_one.add_weighted(node, *weight).unwrap();
        }
        assert_eq!(at_once.arcs(), one_by_one.arcs());
        let too_heavy = [("http://a:1", weight(1)), ("http://b:1", weight(201))];
        assert!(at_once.extend_weighted(too_heavy).is_err());
        assert_eq!(at_once.shares(), one_by_one.shares());
    }
}

#[test]
fn a_weight_that_makes_more_points_than_the_most_is_refused() {
    let weight = |weight| NonZeroUsize::new(weight).unwrap();
    let mut ring = ring_of(["http://a:1"]);
    for too_heavy in [weight(201), weight(usize::MAX / 50), NonZeroUsize::MAX] {
        let error = ring.add_weighted("http://b:1", too_heavy).unwrap_err();
        let told = r#"of node "http://b:1" times 50 replicas is more than 10000 points"#;
        assert_eq!(error.to_string(), format!("weight {too_heavy} {told}"));
        // Not even for a node that is there already.
        assert!(ring.add_weighted("http://a:1", too_heavy).is_err());
        assert_eq!(ring.circle.len(), 50, "nothing has changed");
    }
    assert_eq!(ring.add_weighted("http://b:1", weight(200)), Ok(true));
    assert_eq!(ring.circle.len(), 50 + MAX_REPLICAS);
}

#[test]
fn shares_add_up_and_agree_with_the_keys() {
    assert_eq!(Ring::new(FIFTY).shares(), []);
    assert_eq!(ring_of(["http://a:1"]).shares(), [("http://a:1", 1.0)]);
    for hash in [RingHash::Crc32, RingHash::Mixed, RingHash::Balanced] {
        let mut ring = hash.ring();
        ring.extend((1..=10).map(|port| format!("http://localhost:{}", 8000 + port)));
        let shares = ring.shares();
        let sum: f64 = shares.iter().map(|(_, share)| share).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{hash:?}: {sum}");
        for (node, share) in shares {
            let keys = keys().filter(|key| ring.get(key) == Some(node)).count() as f64;
            let expected = share * 10_000.0;
            let tolerance = 6.0 * expected.sqrt();
            assert!((keys - expected).abs() < tolerance, "{hash:?} {node}: {keys}, not {expected}");
        }
    }
}

#[test]
fn mixing_spreads_peers_with_similar_names() {
    for name in ["http://10.0.3.", "http://localhost:80", "http://cache.svc:80"] {
        let mut ring = RingHash::Mixed.ring();
        ring.extend((17..27).map(|number| format!("{name}{number}")));
        for (node, share) in ring.shares() {
            assert!((0.06..0.14).contains(&share), "{node} has {share}");
        }
    }
}

#[test]
fn arcs_are_the_ring_cut_by_owners() {
    let names = ["http://localhost:8001", "http://localhost:8002", "http://localhost:8003"];
    for hash in [RingHash::Crc32, RingHash::Mixed, RingHash::Balanced, RingHash::Fnv1] {
        let mut ring = hash.ring();
        ring.extend(names);
        let arcs = ring.arcs();
        assert!(arcs.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 != pair[1].1));
        let mut shares = std::collections::BTreeMap::new();
        let mut begin = 0.0;
        for (end, node) in arcs.iter().copied().chain([(1.0, arcs[0].1)]) {
            *shares.entry(node).or_insert(0.0) += end - begin;
            begin = end;
        }
        for (node, share) in ring.shares() {
            assert!((shares[node] - share).abs() < 1e-9, "{node}: {} {share}", shares[node]);
        }
        for n in 0..1000 {
            let key = format!("key {n}");
            let at = ring.position(&key);
            assert!((0.0..1.0).contains(&at));
            let arc = arcs.iter().find(|(end, _)| at < *end).unwrap_or(&arcs[0]);
            assert_eq!(ring.get(&key), Some(arc.1), "{hash:?}: {key}");
        }
    }
    assert_eq!(ring_of([""; 0]).arcs(), []);
    assert_eq!(ring_of(["one"]).arcs().len(), 1);
}
