//! `get`, `peek` and `owner`.

use crate::support::{Cluster, run};

#[test]
fn a_value_is_written_as_it_is() {
    let cluster = Cluster::of(3);
    assert_eq!(cluster.run("get scores Tom").well().out, b"630");
    assert_eq!(cluster.run("get scores bytes").well().out, [0, 0xff, b'\n']);
    assert_eq!(cluster.loads(), 2);
    // The owner has it now.
    assert_eq!(cluster.run("get scores Tom").well().out, b"630");
    assert_eq!(cluster.loads(), 2);
}

#[test]
fn a_value_as_json_tells_where_it_came_from() {
    let cluster = Cluster::of(3);
    for origin in ["owner", "owner-memory"] {
        let json = cluster.run("get scores Tom --json").well().json().remove(0);
        assert_eq!((&json["value"], &json["origin"]), (&"630".into(), &origin.into()));
        assert_eq!(json["from"], cluster.pools[0].owner("Tom").unwrap());
        assert_eq!((&json["found"], &json["bytes"]), (&true.into(), &3.into()));
    }
    let json = cluster.run("get scores bytes --json").well().json().remove(0);
    assert_eq!(json["value_base64"], "AP8K");
    let ran = cluster.run("get scores kkk --json");
    assert_eq!((ran.code, &ran.json()[0]["found"]), (1, &false.into()));
}

#[test]
fn a_key_that_does_not_exist_is_a_code_of_its_own() {
    let cluster = Cluster::of(2);
    let ran = cluster.run("get scores kkk");
    ran.failed(1, &["no \"kkk\" in group \"scores\""]);
    assert_eq!(ran.text(), "");
}

#[test]
fn several_keys_are_a_table_or_a_line_each() {
    let cluster = Cluster::of(2);
    let ran = cluster.run("get scores Tom kkk bytes");
    assert_eq!(ran.code, 1);
    let lines: Vec<&str> = ran.text().lines().collect();
    assert!(lines[0].starts_with("KEY    VALUE"), "{lines:?}");
    assert!(lines[1].starts_with("Tom    630"), "{lines:?}");
    assert!(lines[2].starts_with("kkk    (not found)"), "{lines:?}");
    assert!(lines[3].starts_with("bytes  (3 B, no text)"), "{lines:?}");
    let ran = cluster.run("get scores Tom broken Sam --json");
    assert_eq!(ran.code, 5);
    let json = ran.json();
    assert_eq!(
        (json.len(), &json[0]["value"], &json[2]["value"]),
        (3, &"630".into(), &"567".into())
    );
    assert!(json[1]["error"].as_str().unwrap().contains("the disk is on fire"));
}

#[test]
fn a_source_that_fails_is_told() {
    Cluster::of(2).run("get scores broken").failed(5, &["could not load", "the disk is on fire"]);
}

#[test]
fn where_the_value_came_from_is_told_beside_it() {
    let ran = Cluster::of(2).run("get scores Tom --info");
    assert_eq!((ran.code, &*ran.out), (0, &b"630"[..]));
    assert!(ran.err.starts_with("3 B from http://127.0.0.1:"), "{}", ran.err);
    assert!(ran.err.contains(", owner, no ttl, in "), "{}", ran.err);
}

#[test]
fn the_next_peer_answers_for_an_owner_that_is_down() {
    let cluster = Cluster::of(3);
    let all = cluster.all();
    let owner = cluster.end_owner("Tom");
    let ran = run(&format!("get scores Tom --json --peers {all}"));
    assert_eq!((ran.code, &ran.json()[0]["origin"]), (0, &"stand-in".into()));
    assert!(ran.err.contains(&owner) && ran.err.contains("answers in its place"), "{}", ran.err);
}

#[test]
fn a_peer_that_is_named_is_asked_whatever_it_owns() {
    let cluster = Cluster::of(3);
    let owner = cluster.pools[0].owner("Tom").unwrap();
    let other = cluster.urls().into_iter().find(|url| *url != owner).unwrap();
    let ran = cluster.run(&format!("get scores Tom --json --from {other}")).well();
    assert_eq!(ran.json()[0]["from"], *other);
}

#[test]
fn a_peek_never_loads() {
    let cluster = Cluster::of(3);
    cluster.run("peek scores Tom").failed(1, &["not in the memory of its owner"]);
    let ran = cluster.run("peek scores Tom --json");
    assert_eq!((ran.code, &ran.json()[0]["in_memory"]), (1, &false.into()));
    assert_eq!(cluster.run("peek scores Tom --all").code, 1);
    assert_eq!(cluster.loads(), 0);
    cluster.groups[0].get("Tom").unwrap();
    assert_eq!(cluster.run("peek scores Tom").well().out, b"630");
    let ran = cluster.run("peek scores Tom --all").well();
    let yes: Vec<&str> = ran.text().lines().filter(|line| line.contains(" yes ")).collect();
    assert_eq!(yes.len(), 1, "{}", ran.text());
    assert!(yes[0].contains("owner") && yes[0].contains("3 B"), "{yes:?}");
    let json = cluster.run("peek scores Tom --all --json").well().json();
    let owner = json.iter().find(|peer| peer["owner"] == true).unwrap();
    assert_eq!((json.len(), &owner["value"]), (3, &"630".into()));
    assert_eq!(cluster.loads(), 1);
}

#[test]
fn owners_are_those_that_the_peers_name() {
    let cluster = Cluster::of(3);
    for key in ["Tom", "Jack", "你好", "key/with/slash"] {
        let owner = cluster.pools[1].owner(key).unwrap();
        assert_eq!(cluster.run(&format!("owner {key}")).well().text(), format!("{owner}\n"));
    }
    let json = cluster.run("owner Tom Jack --json").well().json();
    assert_eq!(json[1]["owner"], cluster.pools[0].owner("Jack").unwrap());
    assert_eq!(json[1]["stand_ins"].as_array().unwrap().len(), 2);
    let ran = cluster.run("owner Tom --all").well();
    let mut order: Vec<&str> = ran.text().lines().collect();
    order.sort_unstable();
    let mut urls = cluster.urls();
    urls.sort();
    assert_eq!(order, urls);
    assert!(cluster.run("owner Tom Jack").well().text().starts_with("KEY   OWNER"));
}

#[test]
fn what_the_peers_have_in_common_is_learned_from_one_of_them() {
    let options = |builder: geecache::HttpPoolBuilder| {
        builder
            .hash(geecache::consistenthash::RingHash::Mixed)
            .protocol(geecache::Protocol::Groupcache)
            .base_path("/cache/")
    };
    let cluster = Cluster::with(3, options);
    assert_eq!(cluster.run("get scores Tom").well().out, b"630");
    for key in ["a", "b", "c", "d", "e"] {
        let owner = cluster.pools[0].owner(key).unwrap();
        assert_eq!(cluster.run(&format!("owner {key}")).well().text(), format!("{owner}\n"));
    }
    let ran = run(&format!("get scores Tom --peers {}", cluster.all())).well();
    assert_eq!(ran.out, b"630");
    let owner = cluster.pools[0].owner("f").unwrap();
    assert_eq!(run(&format!("owner f --peers {}", cluster.all())).well().text().trim_end(), owner);
    // Peers say so themselves, if it is wrong.
    run(&format!("get scores Tom --protocol geecache --peers {}", cluster.all()))
        .failed(5, &["protocol", "--base-path"]);
}
