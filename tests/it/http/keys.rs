//! Keys and names of groups that are hard on URLs.

use geecache::{Group, HttpPool};

use crate::support::{Cluster, CountingGetter, Peer, SERVERS, value_of};

/// Text that some part of an HTTP stack would like to change.
pub(super) fn hard_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "a b",
        "a+b",
        "a/b",
        "/",
        "/a",
        "a/",
        "//",
        "%2F",
        "%",
        "%zz",
        "%%",
        "+",
        "..",
        ".",
        "...",
        "../..",
        "./",
        "?",
        "?a=b",
        "#",
        "#a",
        "a&b=c;d",
        "\n",
        "\r\n",
        "\t",
        "\0",
        "\u{7f}",
        " ",
        "a ",
        "\"",
        "\\",
        "<>",
        "{}",
        "|",
        "^",
        "`",
        "~",
        "-",
        "_",
        ":",
        "@",
        "http://other/",
        "你好",
        "ü",
        "u\u{308}",
        "🦀",
        "\u{202e}abc",
        "\u{feff}",
        "\u{fffd}",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("k".repeat(4096));
    texts.push("你".repeat(1365));
    texts.push((1..=127u8).map(char::from).collect());
    texts
}

#[test]
fn the_owner_is_asked_for_the_very_key() {
    for server in SERVERS {
        let cluster = Cluster::of(2, server);
        let texts = hard_texts();
        let mut owned_by_the_other = 0;
        for key in &texts {
            let value = cluster.node(0).group.get(key).unwrap();
            assert_eq!(value, value_of(key).as_str(), "{server:?}: {key:?}");
            let owned = cluster.node(0).pool.owner(key) != Some(cluster.node(0).url());
            owned_by_the_other += usize::from(owned);
            let calls = [0, 1].map(|node| cluster.node(node).getter.calls_of(key));
            assert_eq!(calls, if owned { [0, 1] } else { [1, 0] }, "{server:?}: {key:?}");
        }
        assert_eq!(cluster.node(0).stats().peer_errors, 0);
        assert!(owned_by_the_other > 5, "only {owned_by_the_other} of them went over the wire");
    }
}

#[test]
fn a_client_sends_every_key_over_the_wire() {
    for server in SERVERS {
        let owner = Peer::start(server, CountingGetter::new(), |pool| pool);
        let group = Group::new("scores", 0, |_: &str| Err::<&str, _>("nobody should ask"));
        Peer::client(&[owner.url()]).add(&group).unwrap();
        for key in hard_texts() {
            let value = group.get(&key);
            assert_eq!(value.unwrap(), value_of(&key).as_str(), "{server:?}: {key:?}");
            assert_eq!(owner.getter.calls_of(&key), 1, "{server:?}: {key:?}");
        }
    }
}

#[test]
fn groups_may_be_named_by_anything_without_a_slash() {
    for server in SERVERS {
        let pool = HttpPool::builder().server(server).bind("127.0.0.1:0").unwrap();
        let client = Peer::client(&[pool.url().unwrap().to_owned()]);
        for name in hard_texts().into_iter().filter(|name| !name.contains('/')) {
            let getter = CountingGetter::new();
            pool.add(&Group::new(&name, 1 << 20, getter.clone())).unwrap();
            let asker = Group::new(&name, 0, |_: &str| Err::<&str, _>("nobody should ask"));
            client.add(&asker).unwrap();
            assert_eq!(asker.get("a/b").unwrap(), "value of a/b", "{server:?}: {name:?}");
            assert_eq!(getter.calls_of("a/b"), 1, "{server:?}: {name:?}");
        }
        pool.shutdown();
    }
}

#[test]
fn a_key_too_long_for_a_request_is_loaded_here() {
    for server in SERVERS {
        let cluster = Cluster::of(2, server);
        let key = (0..)
            .map(|n| format!("{n} {}", "long".repeat(5_000)))
            .find(|key| cluster.node(0).pool.owner(key) == Some(cluster.node(1).url()));
        let key = key.unwrap();
        assert_eq!(cluster.node(0).group.get(&key).unwrap(), value_of(&key).as_str());
        assert_eq!(cluster.node(0).getter.calls(), 1);
        let healthy = cluster.key_owned_by(1);
        cluster.node(0).group.get(&healthy).unwrap();
        assert_eq!(cluster.node(1).getter.calls_of(&healthy), 1, "that is no fault of the peer");
    }
}
