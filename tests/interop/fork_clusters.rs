//! Clusters of Rust peers and of those of groupcache's forks.

use crate::cluster::{Cluster, FORKS, Language};
use crate::{assert_same_owners, value_of, with_clusters_of};

/// Those that know changes.
const CHANGED: &[&str] = &["mailgun", "groupcache-go"];

fn with_fork_clusters(test: impl Fn(&mut Cluster)) {
    with_clusters_of(&FORKS, test);
}

fn with_changing_clusters(test: impl Fn(&mut Cluster)) {
    let forks: Vec<_> =
        FORKS.into_iter().filter(|dialect| CHANGED.contains(&dialect.name)).collect();
    with_clusters_of(&forks, test);
}

#[test]
fn all_peers_of_a_fork_name_the_same_owner_for_10_000_keys() {
    with_fork_clusters(assert_same_owners);
}

#[test]
fn the_owner_in_a_cluster_of_a_fork_loads_a_key_once_whoever_is_asked() {
    with_fork_clusters(|cluster| {
        for number in 0..200 {
            let key = format!("key-{number}");
            for turn in 0..4 {
                let asked = &mut cluster.peers[(number + turn) % 4];
                assert_eq!(asked.get(&key), value_of(&key), "{:?}", asked.language);
            }
            assert_eq!(cluster.loads(&key), 1, "{key}, asked first at peer {}", number % 4);
        }
    });
}

#[test]
fn odd_keys_and_long_values_come_back_right_in_the_cluster_of_a_fork() {
    let kinds = [
        "a+b",
        "a b",
        "a/b",
        "a%2Fb",
        "100%",
        "a?b=c#d",
        "a&b=c;d",
        "é你😀",
        "empty ",
        "large ",
        "\"<>\\",
    ];
    with_fork_clusters(|cluster| {
        for kind in kinds {
            for key in (0..6).map(|number| format!("{kind}{number}")) {
                let expected = cluster.peers[1].get(&key);
                for peer in &mut cluster.peers {
                    let value = peer.get(&key);
                    assert!(value == expected, "{key:?} from a {:?} peer", peer.language);
                }
                assert_eq!(cluster.loads(&key), 1, "{key:?}");
                if !kind.starts_with("empty") && !kind.starts_with("large") {
                    assert_eq!(expected, value_of(&key));
                }
            }
        }
    });
}

#[test]
fn a_life_that_ends_is_told_both_ways_in_the_cluster_of_a_fork() {
    with_fork_clusters(|cluster| {
        for owner in 0..4 {
            let brief = cluster.key_of(owner, "brief");
            for peer in &mut cluster.peers {
                assert_eq!(peer.get(&brief), value_of(&brief), "from a {:?} peer", peer.language);
            }
            assert_eq!(cluster.loads(&brief), 1, "{brief}");
            for peer in cluster.of(Language::Rust) {
                let left = cluster.peers[peer].seconds_left(&brief);
                assert!((1..=3600).contains(&left), "{left} s of a value of peer {owner}");
            }
        }
    });
}

#[test]
fn what_a_fork_says_is_absent_or_failed_is_final_and_not_held_against_it() {
    with_fork_clusters(|cluster| {
        for owner in 0..4 {
            for asked in (0..4).filter(|asked| *asked != owner) {
                let of_rust = cluster.peers[asked].language == Language::Rust;
                for key in cluster.keys_of::<4>(owner, &format!("absent {asked} ")) {
                    if of_rust {
                        assert_eq!(cluster.peers[asked].ask(&key), Ok(None));
                    }
                    cluster.peers[asked].get(&key).unwrap_err();
                    assert_eq!(cluster.peers[asked].loads(&key), 0, "{key:?} is final");
                }
                for key in cluster.keys_of::<4>(owner, &format!("fails {asked} ")) {
                    if of_rust {
                        let message = format!("Load: the source failed for {key}");
                        assert_eq!(cluster.peers[asked].ask(&key), Err(message));
                    }
                    let message = format!("the source failed for {key}");
                    assert_eq!(cluster.peers[asked].get(&key), Err(message));
                    // Not so at galaxycache, whose peers then ask their own source.
                    if !of_rust && CHANGED.contains(&cluster.dialect.name) {
                        assert_eq!(cluster.peers[asked].loads(&key), 0, "{key:?} is final");
                    }
                }
                let well = cluster.key_of(owner, &format!("well {asked} "));
                assert_eq!(cluster.peers[asked].get(&well), value_of(&well));
                assert_eq!(cluster.peers[asked].loads(&well), 0, "the owner is still asked");
            }
        }
    });
}

#[test]
fn what_a_fork_sets_is_what_everybody_gets() {
    with_changing_clusters(|cluster| {
        for owner in 0..4 {
            for setter in cluster.of(Language::Go) {
                let key = cluster.key_of(owner, &format!("set by {setter} "));
                cluster.peers[setter].set(&key, "NEW").unwrap();
                for peer in &mut cluster.peers {
                    assert_eq!(peer.get(&key), Ok(b"NEW".to_vec()), "{:?}", peer.language);
                }
                assert_eq!(cluster.loads(&key), 0, "{key}");
            }
        }
    });
}

#[test]
fn what_a_fork_removes_is_gone_everywhere() {
    with_changing_clusters(|cluster| {
        for owner in 0..4 {
            for remover in cluster.of(Language::Go) {
                let [one, other, third] = cluster.keys_of(owner, &format!("removed by {remover} "));
                for keys in [&[&*one][..], &[&*other, &*third]] {
                    let is_many = cluster.dialect.name == "groupcache-go";
                    for key in keys {
                        for peer in &mut cluster.peers {
                            assert_eq!(peer.get(key), value_of(key));
                        }
                    }
                    if keys.len() == 1 || is_many {
                        cluster.peers[remover].remove_as_go(keys).unwrap();
                    } else {
                        for key in keys {
                            cluster.peers[remover].remove_as_go(&[key]).unwrap();
                        }
                    }
                    for key in keys {
                        for peer in &mut cluster.peers {
                            assert_eq!(peer.get(key), value_of(key));
                        }
                        assert_eq!(cluster.loads(key), 2, "{key}, once more by peer {owner} alone");
                    }
                }
            }
        }
    });
}

#[test]
fn what_we_change_is_changed_at_the_peers_of_a_fork() {
    with_changing_clusters(|cluster| {
        let [asked, _] = cluster.of(Language::Rust);
        for owner in 0..4 {
            let [one, other, third, inserted, unset] = cluster.keys_of(owner, "changed by us ");
            for key in [&one, &other, &third, &inserted, &unset] {
                for peer in &mut cluster.peers {
                    assert_eq!(peer.get(key), value_of(key));
                }
            }
            let reports = [
                cluster.peers[asked].remove(&[&one]),
                cluster.peers[asked].remove(&[&other, &third]),
                cluster.peers[asked].insert(&inserted, "NEW"),
            ];
            for (number, report) in reports.iter().enumerate() {
                assert_eq!(report.len(), 3, "change {number}");
                for (peer, outcome) in report {
                    assert_eq!(outcome, "done", "change {number} at {peer}");
                }
            }
            for peer in &mut cluster.peers {
                for key in [&one, &other, &third] {
                    assert_eq!(peer.get(key), value_of(key));
                }
                assert_eq!(peer.get(&inserted), Ok(b"NEW".to_vec()), "{:?}", peer.language);
            }
            for key in [&one, &other, &third] {
                assert_eq!(cluster.loads(key), 2, "{key}, once more");
            }
            assert_eq!(cluster.loads(&inserted), 1, "{inserted}");
            // They know no word for it.
            for url in cluster.of(Language::Go).map(|peer| cluster.peers[peer].url.clone()) {
                assert_eq!(cluster.peers[asked].clear()[&url], "not supported");
            }
        }
    });
}

#[test]
fn values_of_11_mib_are_inserted_at_the_peers_of_a_fork() {
    with_changing_clusters(|cluster| {
        let ([asked, _], [go, other_go]) = (cluster.of(Language::Rust), cluster.of(Language::Go));
        let key = cluster.key_of(go, "long ");
        let long = "x".repeat(11 << 20);
        assert!(cluster.peers[asked].insert(&key, &long).values().all(|it| it == "done"));
        for peer in [asked, go, other_go] {
            assert!(cluster.peers[peer].get(&key).unwrap() == long.as_bytes());
        }
    });
}

#[test]
fn galaxycache_and_we_tell_each_other_what_is_in_memory() {
    with_fork_clusters(|cluster| {
        if cluster.dialect.name != "galaxycache" {
            return;
        }
        for language in [Language::Rust, Language::Go] {
            let [newcomer, _] = cluster.of(language);
            let keys: [String; 30] = cluster.keys_of(newcomer, &format!("{newcomer} takes "));
            // As if it had not come yet: the others share its keys among them.
            cluster.tell_others_to_leave_out(newcomer);
            let asked = (newcomer + 1) % 4;
            for key in &keys {
                assert_eq!(cluster.peers[asked].get(key), value_of(key));
                assert_eq!(cluster.peers[newcomer].loads(key), 0);
                assert_eq!(cluster.loads(key), 1, "{key}");
            }
            cluster.replace(newcomer, language);
            cluster.tell_all();
            // It has just come, and takes over what it can.
            for key in &keys {
                assert_eq!(cluster.peers[newcomer].get(key), value_of(key));
                let loads = [0, 1, 2, 3].map(|peer| cluster.peers[peer].loads(key));
                assert_eq!(loads.iter().sum::<u64>(), 1, "{key}, which another had: {loads:?}");
            }
        }
    });
}

#[test]
fn a_peek_of_galaxycache_never_loads() {
    with_fork_clusters(|cluster| {
        if cluster.dialect.name != "galaxycache" {
            return;
        }
        for (number, peer) in cluster.peers.iter_mut().enumerate() {
            let path = format!("/_galaxycache_peek/scores/unknown{number}");
            assert_eq!(peer.raw_status("GET", &path), 404, "{:?}", peer.language);
            assert_eq!(peer.loads(&format!("unknown{number}")), 0);
        }
    });
}
