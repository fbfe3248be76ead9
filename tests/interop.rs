//! Clusters of Go and Rust peers, each in a process of its own: golang/groupcache as Debian ships
//! it, and the protocols of GeeCache and of groupcache's forks in a Go program of ours. With
//! `GEECACHE_FORKS_GOPATH` the forks themselves take part, see `interop/peer/main.go`.
//!
//! Where Go is missing these tests pass without a word but one; `GEECACHE_REQUIRE_GO=1` makes them
//! fail instead.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may panic, and libtest shows what it said"
)]

#[path = "interop/cluster.rs"]
mod cluster;
#[path = "interop/control.rs"]
mod control;
#[path = "interop/fork_clusters.rs"]
mod fork_clusters;
#[path = "interop/forks.rs"]
mod forks;
#[path = "interop/rust_peer.rs"]
mod rust_peer;

use std::env;

use cluster::{Cluster, DIALECTS, Dialect, FORKS, Language, go_peer};

/// Not a test, but the program of the Rust peers: the tests run it in processes of their own.
#[test]
#[ignore = "run by the other tests"]
fn rust_peer() {
    let (Ok(control), Ok(name), Ok(address)) =
        (env::var(cluster::CONTROL), env::var(cluster::DIALECT), env::var(cluster::ADDRESS))
    else {
        return;
    };
    let mut dialects = DIALECTS.iter().chain(&FORKS);
    let dialect = dialects.find(|dialect| dialect.name == name).expect("a dialect we know");
    rust_peer::obey(&control, dialect.protocol, &address);
}

/// Runs `test` with a cluster of two Go and two Rust peers for each protocol.
fn with_mixed_clusters(test: impl Fn(&mut Cluster)) {
    with_clusters_of(&DIALECTS, test);
}

/// The same for each of these protocols.
fn with_clusters_of(dialects: &[Dialect], test: impl Fn(&mut Cluster)) {
    let Some(go_peer) = go_peer() else { return };
    for &dialect in dialects {
        let mut cluster = Cluster::start(go_peer, dialect);
        println!("a cluster that speaks {}", dialect.name);
        test(&mut cluster);
    }
}

/// What the sources of all peers hold for most keys.
fn value_of(key: &str) -> Result<Vec<u8>, String> {
    Ok(format!("value of {key}").into_bytes())
}

#[test]
fn all_peers_name_the_same_owner_for_10_000_keys() {
    with_mixed_clusters(assert_same_owners);
}

/// Asserts that all peers name the same owner for each of 10,000 keys, and each peer for some.
fn assert_same_owners(cluster: &mut Cluster) {
    let keys: Vec<String> = (0..10_000)
        .map(|number| match number % 4 {
            0 => format!("user:{number}"),
            1 => format!("/images/{number}.png"),
            2 => format!("{:016x}", number * 0x9e37_79b9_7f4a_7c15_u128),
            _ => format!("{number} läuft + {number}%"),
        })
        .collect();
    let mut named: Vec<Vec<String>> =
        cluster.peers.iter_mut().map(|peer| peer.owners(&keys)).collect();
    let ours = named.remove(1);
    for theirs in named {
        let disagreements = ours.iter().zip(&theirs).filter(|(a, b)| a != b).count();
        assert_eq!(disagreements, 0, "of {} keys", keys.len());
    }
    for peer in &cluster.peers {
        let share = ours.iter().filter(|owner| **owner == peer.url).count();
        println!("{:?} peer {} owns {share} of {} keys", peer.language, peer.url, keys.len());
        assert!(share > 0, "every peer owns something");
    }
}

#[test]
fn a_key_is_loaded_once_whichever_peer_is_asked_first() {
    with_mixed_clusters(|cluster| {
        for number in 0..400 {
            let key = format!("key {number}").replace(' ', "-");
            for turn in 0..4 {
                let asked = &mut cluster.peers[(number + turn) % 4];
                assert_eq!(asked.get(&key), value_of(&key), "{:?}", asked.language);
            }
            assert_eq!(cluster.loads(&key), 1, "{key}, asked first at peer {}", number % 4);
        }
    });
}

#[test]
fn keys_of_all_kinds_come_back_right_from_both_sides() {
    let kinds = [
        "a+b",
        "+",
        "a/b",
        "/",
        "//",
        "/a//b/",
        "%",
        "100%",
        "%2F",
        "%20",
        "%zz",
        "..",
        "../x",
        ".",
        "a?b=c",
        "a#b",
        "a&b=c;d",
        "a:b@c",
        "é",
        "你好",
        "😀",
        "tab\there",
        "line\nend",
        "\r\n",
        "\0",
        "'\"<>\\^`{|}",
    ];
    with_mixed_clusters(|cluster| {
        for kind in kinds {
            // Bare, and with a number behind so that each kind is owned by many.
            let keys = (0..12).map(|number| format!("{kind}{number}")).chain([kind.to_owned()]);
            for key in keys {
                for peer in &mut cluster.peers {
                    assert_eq!(
                        peer.get(&key),
                        value_of(&key),
                        "{key:?} from a {:?} peer",
                        peer.language
                    );
                }
                // Go's mux redirects paths that it would write in another way, which nobody
                // follows.
                let is_redirected = cluster.dialect.name == "groupcache"
                    && (key.starts_with(['/', '.']) || key.contains("//"));
                if !(is_redirected && cluster.of(Language::Go).contains(&cluster.owner(&key))) {
                    assert_eq!(cluster.loads(&key), 1, "{key:?}");
                }
            }
        }
        // Our peers refuse keys that are not text, and Go's then load them for themselves.
        for number in 0..12 {
            let key = [b"\xff\xfe", number.to_string().as_bytes()].concat();
            for peer in cluster.of(Language::Go) {
                let value = cluster.peers[peer].get(&key);
                assert_eq!(value, Ok([b"value of ", &key[..]].concat()), "{key:?}");
            }
        }
        let long = "k".repeat(4096);
        for peer in &mut cluster.peers {
            assert_eq!(
                peer.get(&long),
                value_of(&long),
                "a long key from a {:?} peer",
                peer.language
            );
        }
    });
}

#[test]
fn empty_and_large_values_come_back_right_from_both_sides() {
    with_mixed_clusters(|cluster| {
        for owner in 0..4 {
            let empty = cluster.key_of(owner, "empty");
            let large = cluster.key_of(owner, "large");
            let expected = format!("{large}\n").repeat(1 + (1 << 20) / large.len());
            for peer in &mut cluster.peers {
                assert_eq!(
                    peer.get(&empty),
                    Ok(Vec::new()),
                    "{empty} from a {:?} peer",
                    peer.language
                );
                let value = peer.get(&large).unwrap();
                assert!(value == expected.as_bytes(), "{large} from a {:?} peer", peer.language);
            }
            // None of them fell back to its own source.
            assert_eq!(cluster.loads(&empty), 1, "{empty}");
            assert_eq!(cluster.loads(&large), 1, "{large}");
        }
    });
}

#[test]
fn values_of_11_mib_come_back_right_from_both_sides() {
    with_mixed_clusters(|cluster| {
        let ([go, _], [rust, _]) = (cluster.of(Language::Go), cluster.of(Language::Rust));
        for (owner, asked) in [(go, rust), (rust, go)] {
            let huge = cluster.key_of(owner, "huge");
            let expected = format!("{huge}\n").repeat(1 + (11 << 20) / huge.len());
            assert!(cluster.peers[asked].get(&huge).unwrap() == expected.as_bytes(), "{huge}");
            assert_eq!(cluster.peers[asked].loads(&huge), 0, "it fell back to its own source");
        }
    });
}

#[test]
fn go_asks_go_for_the_wrong_key_where_there_is_a_space_and_we_do_not() {
    with_mixed_clusters(|cluster| {
        let [go, other_go] = cluster.of(Language::Go);
        let rust = cluster.of(Language::Rust);

        let key = cluster.key_of(go, "a b ");
        for peer in rust {
            assert_eq!(cluster.peers[peer].get(&key), value_of(&key), "we ask Go");
        }
        // Their client escapes a space as a plus, which their server takes for a plus.
        let wrong = key.replace(' ', "+");
        assert_eq!(cluster.peers[other_go].get(&key), value_of(&wrong), "Go asks Go");

        for owner in rust {
            let key = cluster.key_of(owner, "a b ");
            let plus = cluster.key_of(owner, "a+b ");
            for peer in 0..4 {
                assert_eq!(cluster.peers[peer].get(&key), value_of(&key), "{peer} asks us");
                assert_eq!(cluster.peers[peer].get(&plus), value_of(&plus), "{peer} asks us");
            }
            assert_eq!(cluster.loads(&key), 1, "{key}");
            assert_eq!(cluster.loads(&plus), 1, "{plus}");
        }
    });
}

#[test]
fn errors_of_a_getter_arrive_from_both_sides() {
    with_mixed_clusters(|cluster| {
        for owner in 0..4 {
            let fails = cluster.key_of(owner, "fails");
            let message = format!("the source failed for {fails}");
            for peer in 0..4 {
                let peer = &mut cluster.peers[peer];
                assert_eq!(
                    peer.get(&fails),
                    Err(message.clone()),
                    "from a {:?} peer",
                    peer.language
                );
            }
            for peer in cluster.of(Language::Rust) {
                if peer != owner {
                    let answer = cluster.peers[peer].ask(&fails);
                    assert_eq!(answer, Err(format!("Load: {message}")), "the owner's own words");
                }
            }
        }
        // A Go peer has no word for this, and our peers tell each other.
        let [rust, other_rust] = cluster.of(Language::Rust);
        let absent = cluster.key_of(rust, "absent");
        assert_eq!(cluster.peers[other_rust].ask(&absent), Ok(None));
        for peer in cluster.of(Language::Go) {
            assert_eq!(cluster.peers[peer].get(&absent), value_of(&absent), "from its own source");
        }
    });
}

#[test]
fn a_life_that_ends_is_harmless_to_go() {
    with_mixed_clusters(|cluster| {
        for owner in cluster.of(Language::Rust) {
            let brief = cluster.key_of(owner, "brief");
            for peer in &mut cluster.peers {
                assert_eq!(peer.get(&brief), value_of(&brief), "from a {:?} peer", peer.language);
            }
            assert_eq!(cluster.loads(&brief), 1, "{brief}");
        }
    });
}

#[test]
fn what_go_does_not_know_does_no_harm_there() {
    with_mixed_clusters(|cluster| {
        for peer in cluster.of(Language::Go) {
            let key = cluster.key_of(peer, "key-");
            let base = cluster.dialect.base_path;
            let peer = &mut cluster.peers[peer];
            // They do not look at the method: this loads, which is why we do not take a 200 for a
            // removal.
            assert_eq!(peer.raw_status("DELETE", &format!("{base}scores/{key}")), 200);
            assert_eq!(peer.get(&key), value_of(&key));
            // Many keys at once: refused for sure, as the path names no key.
            assert_eq!(peer.raw_status("POST", &format!("{base}scores")), 400);
        }
    });
}

#[test]
fn many_keys_at_once_come_back_right_whoever_owns_them() {
    with_mixed_clusters(|cluster| {
        let keys: Vec<String> = (0..300).map(|number| format!("one of many {number}")).collect();
        let values: Vec<Vec<u8>> = keys.iter().map(|key| value_of(key).unwrap()).collect();
        for asked in cluster.of(Language::Rust) {
            assert_eq!(cluster.peers[asked].get_many(&keys), Ok(values.clone()));
        }
        for key in &keys {
            assert_eq!(cluster.loads(key), 1, "{key}");
        }
    });
}

#[test]
fn a_change_that_go_can_not_make_is_reported_so_and_costs_no_load_there() {
    with_mixed_clusters(|cluster| {
        let [asked, _] = cluster.of(Language::Rust);
        let go = cluster.of(Language::Go).map(|peer| cluster.peers[peer].url.clone());
        for owner in 0..4 {
            let [kept, removed, other, inserted, large] = cluster.keys_of(owner, "key-");
            for peer in &mut cluster.peers {
                assert_eq!(peer.get(&kept), value_of(&kept));
            }
            let value = format!("value of {inserted}");
            // Go hangs up on what it did not read. Among our own there are other tests for that.
            let is_go = cluster.of(Language::Go).contains(&owner);
            let huge = "x".repeat(if is_go { 11 << 20 } else { 1 });
            let reports = [
                cluster.peers[asked].remove(&[&kept]),
                cluster.peers[asked].remove(&[&removed]),
                cluster.peers[asked].remove(&[&removed, &other]),
                cluster.peers[asked].insert(&inserted, &value),
                cluster.peers[asked].insert(&large, &huge),
            ];
            for (number, report) in reports.iter().enumerate() {
                for (peer, outcome) in report {
                    let expected = if go.contains(peer) { "not supported" } else { "done" };
                    assert_eq!(outcome, expected, "change {number} at {peer}");
                }
                assert_eq!(report.len(), 3, "change {number}");
            }
            for key in [&removed, &other, &inserted, &large] {
                assert_eq!(cluster.loads(key), 0, "{key}, which nobody asked for");
            }
            for peer in &mut cluster.peers {
                assert_eq!(peer.get(&kept), value_of(&kept));
                assert_eq!(peer.get(&removed), value_of(&removed));
                assert_eq!(peer.get(&inserted), value_of(&inserted));
            }
        }
        let outcomes = cluster.peers[asked].clear();
        for url in &go {
            assert_eq!(outcomes[url], "not supported", "a clearing at {url}");
        }
    });
}

#[test]
fn changes_that_go_can_not_make_are_not_held_against_it() {
    with_mixed_clusters(|cluster| {
        let [asked, _] = cluster.of(Language::Rust);
        let [owner, _] = cluster.of(Language::Go);
        let [small, large] = cluster.keys_of(owner, "key-");
        for _ in 0..3 {
            cluster.peers[asked].insert(&large, &"x".repeat(11 << 20));
        }
        // Asks the owner, and nobody else.
        assert_eq!(cluster.peers[asked].ask(&small), value_of(&small).map(Some));
    });
}

#[test]
fn a_batch_of_long_keys_comes_back_right_from_go() {
    with_mixed_clusters(|cluster| {
        let [asked, _] = cluster.of(Language::Rust);
        let long = "k".repeat(4000);
        let keys: Vec<String> = (0..400).map(|number| format!("{number} {long}")).collect();
        let values: Vec<Vec<u8>> = keys.iter().map(|key| value_of(key).unwrap()).collect();
        assert!(cluster.peers[asked].get_many(&keys) == Ok(values));
        let owners = cluster.owners(&keys);
        let here = owners.iter().filter(|owner| **owner == asked).count() as u64;
        let loads: u64 = keys.iter().map(|key| cluster.peers[asked].loads(key)).sum();
        assert_eq!(loads, here, "loaded only what it owns");
    });
}

#[test]
fn a_new_owner_peeks_at_go_in_vain_and_without_a_load_there() {
    with_mixed_clusters(|cluster| {
        // The Rust peers have just come to the Go peers, as they see it, and take these for the
        // previous owners.
        for owner in cluster.of(Language::Rust) {
            for key in cluster.keys_of::<20>(owner, "key-") {
                assert_eq!(cluster.peers[owner].get(&key), value_of(&key));
                assert_eq!(cluster.loads(&key), 1, "{key}");
            }
            let (peeks, hits) = cluster.peers[owner].peeks();
            assert!(peeks > 0 && hits == 0, "{peeks} peeks, {hits} hits");
        }
    });
}

#[test]
fn a_seat_that_goes_from_go_to_rust_and_back_is_served_all_the_time() {
    with_mixed_clusters(|cluster| {
        let [seat, _] = cluster.of(Language::Go);
        let [rust, other_rust] = cluster.of(Language::Rust);
        let url = cluster.peers[seat].url.clone();
        for (round, language) in
            [None, Some(Language::Rust), Some(Language::Go)].into_iter().enumerate()
        {
            if let Some(language) = language {
                cluster.replace(seat, language);
            }
            let keys: [String; 8] =
                cluster.keys_of(seat, &format!("round {round}-").replace(' ', "-"));
            for key in &keys {
                for peer in 0..4 {
                    assert_eq!(cluster.peers[peer].get(key), value_of(key), "{key} from {peer}");
                }
                assert_eq!(cluster.peers[other_rust].ask(key), value_of(key).map(Some));
                assert_eq!(cluster.peers[seat].loads(key), 1, "{key} at its owner");
            }
            let expected = if language == Some(Language::Rust) { "done" } else { "not supported" };
            let report = cluster.peers[rust].remove(&[&keys[0]]);
            assert_eq!(report[&url], expected, "a removal in round {round}");
            let report = cluster.peers[rust].insert(&keys[1], "inserted");
            assert_eq!(report[&url], expected, "an insertion in round {round}");
            let value =
                if expected == "done" { b"inserted".to_vec() } else { value_of(&keys[1]).unwrap() };
            assert_eq!(cluster.peers[rust].get(&keys[1]), Ok(value), "round {round}");
            let keys: Vec<String> = keys.iter().skip(2).cloned().collect();
            let values = keys.iter().map(|key| value_of(key).unwrap()).collect();
            assert_eq!(cluster.peers[rust].get_many(&keys), Ok(values));
        }
    });
}

#[test]
fn a_go_peer_that_is_killed_is_replaced_by_the_others() {
    with_mixed_clusters(|cluster| {
        let [victim, _] = cluster.of(Language::Go);
        let lost: [String; 20] = cluster.keys_of(victim, "key-");
        // Connections to it are open when it dies.
        let [rust, other_rust] = cluster.of(Language::Rust);
        assert_eq!(cluster.peers[rust].get(&lost[0]), value_of(&lost[0]));
        assert_eq!(cluster.peers[other_rust].get(&lost[0]), value_of(&lost[0]));
        cluster.peers[victim].kill();
        for key in &lost {
            for survivor in (0..4).filter(|peer| *peer != victim) {
                let survivor = &mut cluster.peers[survivor];
                assert_eq!(survivor.get(key), value_of(key), "{key} from {:?}", survivor.language);
            }
        }
    });
}
