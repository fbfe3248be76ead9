//! `stats`, `ring`, `check`, `bench` and `top`.

use std::process::Stdio;

use crate::support::{Cluster, TempFile, ended, program, run};

#[test]
fn stats_tell_of_peers_and_groups() {
    let cluster = Cluster::of(2);
    cluster.groups.iter().for_each(|group| drop(group.get("Tom")));
    let ran = cluster.run("stats").well();
    for part in ["PEER", "STATE", "up", "GROUP", "scores"] {
        assert!(ran.text().contains(part), "{part}: {}", ran.text());
    }
    let ran = cluster.run("stats scores").well();
    assert!(
        ran.text().contains("group scores") && ran.text().contains("COUNTER"),
        "{}",
        ran.text()
    );
    assert!(cluster.run("stats --by-peer").well().text().contains("group scores"));
    let json = cluster.run("stats --json").well().json();
    assert_eq!((json.len(), &json[0]["groups"][0]["name"]), (2, &"scores".into()));
    cluster.run("stats nothing").failed(5, &["no peer has a group \"nothing\"", "scores"]);
}

#[test]
fn the_ring_tells_shares_and_what_moves() {
    let cluster = Cluster::of(3);
    let shares = |value: &serde_json::Value| -> f64 {
        value.as_array().unwrap().iter().map(|peer| peer["share"].as_f64().unwrap()).sum()
    };
    let json = cluster.run("ring --json").well().json().remove(0);
    assert!((shares(&json["peers"]) - 1.0).abs() < 1e-9);
    assert!(json.get("after").is_none());
    let new = "http://10.0.0.4:8001";
    let json = cluster.run(&format!("ring --add {new} --json")).well().json().remove(0);
    let peers = json["after"]["peers"].as_array().unwrap();
    let share = peers.iter().find(|peer| peer["peer"] == new).unwrap()["share"].as_f64().unwrap();
    assert!((json["after"]["moved"].as_f64().unwrap() - share).abs() < 1e-9);
    // With both, a sample tells.
    let both = format!("ring --add {new} --remove {} --json", cluster.one());
    let moved = cluster.run(&both).well().json()[0]["after"]["moved"].as_f64().unwrap();
    assert!(moved > 0.0 && moved < 1.0, "{moved}");
    let ran = cluster.run(&format!("ring --add {new}")).well();
    assert!(ran.text().contains("█") && ran.text().contains("would get another owner"));
    cluster.run("ring --remove http://10.0.0.9:1").failed(2, &["is not in the list of peers"]);
    cluster.run(&format!("ring --add {}", cluster.one())).failed(2, &["already"]);
    cluster.run("ring --add http://a:b").failed(2, &["http://a:b"]);
    let all = cluster.all();
    cluster.run(&format!("ring --remove {all}")).failed(2, &["no peer would be left"]);
}

#[test]
fn each_zone_has_owners_of_its_own() {
    let cluster = Cluster::of(4);
    let urls = cluster.urls();
    let list =
        ["a", "a", "b", "b"].iter().zip(&urls).map(|(zone, url)| format!("{url}#zone={zone}"));
    let list: Vec<String> = list.collect();
    cluster.pools.iter().for_each(|pool| pool.set_peers(&list).unwrap());
    let stats = cluster.run("stats").well();
    assert!(stats.text().contains("ZONE"), "{}", stats.text());
    for (option, zone) in [("", &urls[..2]), (" --zone b", &urls[2..])] {
        let owner = cluster.run(&format!("owner Tom{option}")).well().text().trim().to_owned();
        assert!(zone.contains(&owner), "{owner}");
        let got = cluster.run(&format!("get scores Tom --json{option}")).well().json().remove(0);
        assert_eq!(got["from"], owner);
        assert!(got["origin"].as_str().unwrap().starts_with("owner"), "{got}");
        let ring = cluster.run(&format!("ring --json{option}")).well().json().remove(0);
        assert_eq!(ring["peers"].as_array().unwrap().len(), 2);
    }
    assert_eq!(cluster.loads(), 2, "once in each zone");
    assert!(cluster.run("ring").well().text().contains("2 peers in the zone a"));
    cluster.run("insert scores Sam --text 5").well();
    assert!(cluster.groups.iter().all(|group| group.get("Sam").unwrap() == "5"));
    assert_eq!(cluster.loads(), 2, "it was set in both zones");
    let ran = cluster.run("check scores").well();
    assert_eq!(ran.text().matches('✓').count(), 7, "{}", ran.text());
    cluster.run("owner Tom --zone c").failed(2, &["no peer is in the zone \"c\""]);
}

#[test]
fn a_sound_cluster_passes_and_is_left_as_it_was() {
    let cluster = Cluster::of(3);
    let ran = cluster.run("check scores").well();
    assert_eq!(ran.text().matches('✓').count(), 7, "{}", ran.text());
    let json = cluster.run("check scores --json").well().json().remove(0);
    assert_eq!(json["sound"], true);
    let entries = cluster.groups.iter().map(|group| group.main_cache_stats().entries);
    assert_eq!((entries.sum::<u64>(), cluster.loads()), (0, 0));
    // Without a group nothing is written.
    assert!(cluster.run("check").well().text().contains("– keys"));
}

#[test]
fn lists_that_differ_are_told() {
    let cluster = Cluster::of(3);
    let urls = cluster.urls();
    cluster.pools[2].set_peers([&*urls[1], &*urls[2]]).unwrap();
    let ran = run(&format!("check --peers {}", cluster.all()));
    assert_eq!(ran.code, 7);
    let expected = format!("{} lacks {}", urls[2], urls[0]);
    assert!(ran.text().contains("✗ lists") && ran.text().contains(&expected), "{}", ran.text());
    let json = run(&format!("check --json --peers {}", cluster.all())).json().remove(0);
    assert_eq!(json["sound"], false);
}

#[test]
fn a_list_that_is_not_that_of_the_peers_is_told() {
    let cluster = Cluster::of(3);
    let urls = cluster.urls();
    let ran = run(&format!("check --peers {},{}", urls[0], urls[1]));
    assert_eq!(ran.code, 7);
    let expected = format!("{} is in the cluster, and was not named", urls[2]);
    assert!(ran.text().contains(&expected), "{}", ran.text());
}

#[test]
fn settings_that_differ_are_told() {
    let one = Cluster::of(1);
    let two = Cluster::with(1, |builder| builder.replicas(std::num::NonZeroUsize::new(7).unwrap()));
    let list = [one.one(), two.one()];
    [&one, &two].iter().for_each(|cluster| cluster.pools[0].set_peers(list.clone()).unwrap());
    let ran = run(&format!("check --peers {}", list.join(",")));
    assert_eq!(ran.code, 7);
    assert!(ran.text().contains("✗ ring       they differ"), "{}", ran.text());
}

#[test]
fn a_peer_that_is_down_is_told() {
    let cluster = Cluster::of(3);
    let all = cluster.all();
    let owner = cluster.end_owner("Tom");
    let ran = run(&format!("check scores --peers {all}"));
    assert_eq!(ran.code, 7);
    assert!(ran.text().contains("✗ answers    2 of 3 peers"), "{}", ran.text());
    assert!(ran.text().contains(&owner), "{}", ran.text());
}

#[test]
fn bench_reads_what_it_has_written_and_leaves_nothing() {
    let cluster = Cluster::of(2);
    let line = "bench scores --seconds 1 --threads 2 --keys 50 --value-bytes 1KiB";
    let json = cluster.run(&format!("{line} --json")).well().json().remove(0);
    assert!(json["gets"].as_u64().unwrap() > 0, "{json}");
    assert_eq!((&json["failed"], &json["absent"]), (&0.into(), &0.into()));
    assert!(json["p99_us"].as_f64().unwrap() >= json["p50_us"].as_f64().unwrap());
    assert_eq!(json["peers"].as_array().unwrap().len(), 2);
    let entries = cluster.groups.iter().map(|group| group.main_cache_stats().entries);
    assert_eq!((entries.sum::<u64>(), cluster.loads()), (0, 0));
}

#[test]
fn bench_with_a_peer_that_is_down_measures_the_others() {
    let cluster = Cluster::of(3);
    let all = cluster.all();
    let down = cluster.end_owner("Tom");
    let line = format!("bench scores --seconds 1 --threads 2 --keys 60 --json --peers {all}");
    let ran = run(&line);
    ran.failed(7, &["no key was written there", &down, "gets failed"]);
    assert!(!ran.err.contains("by themselves"), "{}", ran.err);
    let json = ran.json().remove(0);
    assert!(json["gets"].as_u64().unwrap() > 0, "{json}");
    let ran = run("bench scores --seconds 1 --peers http://127.0.0.1:1,http://127.0.0.1:2");
    ran.failed(3, &["none of 2 peers answered"]);
    assert!(!ran.err.contains("by themselves"), "{}", ran.err);
}

#[test]
fn bench_with_more_keys_than_the_caches_hold_says_so() {
    let cluster = Cluster::of(1);
    let ran = cluster.run("bench scores --seconds 1 --threads 1 --keys 40 --value-bytes 200KiB");
    let text = ran.text();
    assert!(text.contains("no such key\n") && text.contains("take fewer --keys"), "{text}");
}

#[test]
fn bench_asks_for_the_keys_that_it_is_given() {
    let cluster = Cluster::of(2);
    let keys = TempFile::with(b"Tom\nkkk\n\nSam\n");
    let line = format!("bench scores --seconds 1 --threads 1 --keys-from {}", keys.path());
    let ran = cluster.run(&line).well();
    assert!(ran.text().contains("answers were that there is no such key"), "{}", ran.text());
    assert!(ran.text().lines().any(|line| line.starts_with("all ")), "{}", ran.text());
    for (line, part) in [
        ("bench scores --seconds 0", "from 1 to 3600"),
        ("bench scores --threads 1000", "from 1 to 256"),
        ("bench scores --value-bytes 1GiB", "at most 16 MiB"),
    ] {
        cluster.run(line).failed(2, &[part]);
    }
    cluster.run("bench scores --keys-from /nonexistent").failed(8, &["can not read /nonexistent"]);
}

#[test]
fn top_prints_a_screen_without_a_terminal() {
    let cluster = Cluster::of(2);
    cluster.run("top").failed(2, &["needs a terminal", "--once"]);
    let ran = cluster.run("top --once --interval 200ms").well();
    for part in ["2 peers, 2 up", "lists agree", "GETS/S", "scores"] {
        assert!(ran.text().contains(part), "{part}: {}", ran.text());
    }
    let json = cluster.run("top --once --json --interval 200ms").well().json();
    assert_eq!((json.len(), &json[0]["up"], &json[0]["lists_agree"]), (1, &2.into(), &true.into()));
    cluster.run("top --interval 1ms").failed(2, &["from 200ms to 1h"]);
}

#[test]
fn top_ends_when_nobody_reads_any_more() {
    let cluster = Cluster::of(1);
    let line = format!("top --json --interval 200ms --peers {}", cluster.one());
    let mut child = program().args(line.split(' ')).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = ended(child);
    assert_eq!((ran.code, &*ran.err), (0, ""));
}
