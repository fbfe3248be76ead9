//! `insert`, `remove` and `clear`.

use crate::support::{Cluster, TempFile, run, run_with_input};

#[test]
fn a_value_is_inserted_from_a_text_a_file_and_standard_input() {
    let cluster = Cluster::of(3);
    let ran = cluster.run("insert scores Tom --text 631").well();
    assert!(ran.text().starts_with("\"Tom\": 3 B kept at http://127.0.0.1:"), "{}", ran.text());
    let file = TempFile::with(&[0xff; 3]);
    cluster.run(&format!("insert scores bytes {}", file.path())).well();
    let peers = cluster.one();
    run_with_input(&format!("insert scores Sam --peers {peers}"), b"from there").well();
    run_with_input(&format!("insert scores Ann - --peers {peers}"), b"").well();
    for group in &cluster.groups {
        assert_eq!(group.get("Tom").unwrap(), "631");
        assert_eq!(group.get("bytes").unwrap().as_slice(), [0xff; 3]);
        assert_eq!(group.get("Sam").unwrap(), "from there");
        assert_eq!(group.get("Ann").unwrap(), "");
    }
    assert_eq!(cluster.loads(), 0);
}

#[test]
fn a_value_can_end_and_can_be_that_there_is_none() {
    let cluster = Cluster::of(2);
    cluster.run("insert scores Tom --text 631 --ttl 10m").well();
    let json = cluster.run("get scores Tom --json").well().json().remove(0);
    let ttl = json["ttl_ms"].as_u64().unwrap();
    assert!((500_000..=600_000).contains(&ttl), "{ttl}");
    let json = cluster.run("insert scores Sam --absent --ttl 1m --json").well().json().remove(0);
    assert_eq!((&json["kept"], &json["complete"]), (&true.into(), &true.into()));
    cluster.run("get scores Sam").failed(1, &["no \"Sam\""]);
    cluster.run("insert scores Ann --absent").failed(1, &["has not kept", "--ttl"]);
    assert_eq!(cluster.loads(), 0);
}

#[test]
fn a_value_that_is_too_large_for_the_cache_is_told() {
    let cluster = Cluster::of(2);
    let ran =
        run_with_input(&format!("insert scores Tom --peers {}", cluster.one()), &[b'x'; 2 << 20]);
    ran.failed(1, &["has not kept the value", "too large"]);
}

#[test]
fn removed_keys_are_gone_everywhere() {
    let cluster = Cluster::of(3);
    cluster.groups.iter().for_each(|group| drop(group.get("Tom")));
    assert_eq!(cluster.run("remove scores Tom Sam").well().text(), "2 keys removed at 3 peers\n");
    let removed = cluster.run("remove scores --tag user:7").well();
    assert_eq!(removed.text(), "1 tag removed at 3 peers\n");
    assert!(cluster.groups.iter().all(|group| group.peek("Tom").is_none()));
    let json = cluster.run("remove scores Tom --json").well().json().remove(0);
    assert_eq!((&json["complete"], json["peers"].as_array().unwrap().len()), (&true.into(), 3));
}

#[test]
fn a_change_that_a_peer_does_not_hear_of_names_it() {
    let cluster = Cluster::of(3);
    let all = cluster.all();
    let owner = cluster.end_owner("Tom");
    for line in ["remove scores Tom", "clear scores --yes", "insert scores Tom --text 1"] {
        let ran = run(&format!("{line} --peers {all}"));
        ran.failed(6, &["1 of 3 peers", &owner, "run it again"]);
    }
    let ran = run(&format!("remove scores Tom --json --peers {all}"));
    assert_eq!((ran.code, &ran.json()[0]["complete"]), (6, &false.into()));
}

#[test]
fn clear_asks_somebody_or_is_told_not_to() {
    let cluster = Cluster::of(2);
    cluster.groups[0].get("Tom").unwrap();
    cluster.run("clear scores").failed(2, &["nobody is there to answer", "--yes"]);
    let entries =
        || -> u64 { cluster.groups.iter().map(|group| group.main_cache_stats().entries).sum() };
    assert_eq!(entries(), 1);
    assert_eq!(cluster.run("clear scores --yes").well().text(), "\"scores\" is empty at 2 peers\n");
    assert_eq!(entries(), 0);
}
