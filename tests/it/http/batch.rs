//! Many keys at once: few requests, and an answer for each key.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use geecache::testing as kit;
use geecache::{
    ByteView, Error, Group, HttpGetter, Loaded, PeerError, PeerErrorKind, PeerGetter, PeerState,
};

use crate::support::{
    Cluster, CountingGetter, FaultyPeer, Gate, Peer, SERVERS, SOON, answer, start, until, value_of,
};

/// How many requests a node sent to all others.
fn requests(node: &Peer) -> u64 {
    node.pool.peer_stats().iter().map(|peer| peer.requests).sum()
}

fn refs(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}

/// Knows keys that do not exist, and keys that can't be loaded.
fn mixed_source() -> CountingGetter {
    CountingGetter::with(|key| match key.split(' ').next() {
        Some("absent") => Ok(Loaded::absent()),
        Some("bad") => Err("the disk is gone".into()),
        Some("empty") => Ok("".into()),
        Some("brief") => Ok(Loaded::from(value_of(key)).ttl(Duration::from_secs(3600))),
        _ => Ok(value_of(key).into()),
    })
}

#[test]
fn every_key_gets_its_own_answer_and_every_owner_one_request() {
    for server in SERVERS {
        let cluster = Cluster::settled(3, server, |_| mixed_source());
        let asker = cluster.node(0);
        let mut keys: Vec<String> = (0..60)
            .map(|n| format!("{} {n}", ["key", "absent", "empty", "brief"][n % 4]))
            .collect();
        // Some are in memory already, here and at their owners, and some are asked for twice.
        asker.group.get(&keys[0]).unwrap();
        cluster.node(1).group.get(&keys[4]).unwrap();
        keys.extend_from_within(0..8);
        keys.push(String::new());
        let before = requests(asker);
        let answers = asker.group.get_many(&refs(&keys));
        assert_eq!(answers.len(), keys.len());
        for (key, answer) in keys.iter().zip(answers) {
            match (key.split(' ').next().unwrap(), answer) {
                ("", Err(Error::EmptyKey)) => {}
                ("absent", Err(Error::NotFound { key: absent, .. })) => assert_eq!(&absent, key),
                ("empty", Ok(value)) => assert_eq!(value, ""),
                ("key" | "brief", Ok(value)) => assert_eq!(value, value_of(key).as_str()),
                (_, other) => panic!("{server:?}: {key:?} got {other:?}"),
            }
        }
        assert_eq!(requests(asker) - before, 2, "{server:?}");
        assert_eq!(asker.stats().peer_errors, 0);
        assert_eq!(cluster.calls(), 60, "{server:?}: every key is loaded once");
    }
}

#[test]
fn a_failing_key_fails_alone() {
    for server in SERVERS {
        let cluster = Cluster::settled(2, server, |_| mixed_source());
        let mut keys: Vec<String> = cluster.keys_owned_by(1).take(5).collect();
        let pool = &cluster.node(0).pool;
        let is_theirs = |key: &String| pool.owner(key) == Some(cluster.node(1).url());
        keys.insert(2, (0..).map(|n| format!("bad {n}")).find(is_theirs).unwrap());
        let answers = cluster.node(0).group.get_many(&refs(&keys));
        for (at, (key, answer)) in keys.iter().zip(&answers).enumerate() {
            match answer {
                Err(Error::Load { source, .. }) if at == 2 => {
                    assert_eq!(source.to_string(), "the disk is gone");
                }
                Ok(value) if at != 2 => assert_eq!(value, value_of(key).as_str()),
                other => panic!("{server:?}: {key:?} got {other:?}"),
            }
        }
        let stats = cluster.node(0).stats();
        assert_eq!((stats.peer_loads, stats.peer_errors), (5, 1));
        assert_eq!(pool.peer_stats()[0].state, PeerState::Up);
    }
}

#[test]
fn three_thousand_keys_of_one_owner_take_three_requests() {
    for server in SERVERS {
        let cluster = Cluster::settled(2, server, |_| CountingGetter::new());
        let keys: Vec<String> = cluster.keys_owned_by(1).take(3000).collect();
        let asker = cluster.node(0);
        let answers = asker.group.get_many(&refs(&keys));
        for (key, answer) in keys.iter().zip(answers) {
            assert_eq!(answer.unwrap(), value_of(key).as_str());
        }
        assert_eq!(requests(asker), 3);
        assert_eq!((asker.getter.calls(), cluster.node(1).getter.calls()), (0, 3000));
        assert!(asker.group.get_many([""; 0]).is_empty());
        assert_eq!(requests(asker), 3);
    }
}

#[test]
fn an_answer_that_would_be_too_long_comes_in_parts() {
    const MIB: usize = 1 << 20;
    for server in SERVERS {
        let sizes = |key: &str| match key.bytes().last() {
            Some(b'0') => 0,
            Some(b'1') => 11 * MIB, // More than a whole answer takes.
            _ => MIB,
        };
        let source =
            move |_| CountingGetter::with(move |key| Ok(vec![key.len() as u8; sizes(key)].into()));
        let cluster = Cluster::settled(2, server, source);
        let mut keys: Vec<String> = cluster.keys_owned_by(1).take(30).collect();
        let large = cluster.keys_owned_by(1).find(|key| key.ends_with('1')).unwrap();
        keys.retain(|key| !key.ends_with('1'));
        keys.insert(3, large);
        let asker = cluster.node(0);
        let answers = asker.group.get_many(&refs(&keys));
        for (key, answer) in keys.iter().zip(answers) {
            let value = answer.unwrap();
            assert!(
                value.len() == sizes(key) && value.iter().all(|&byte| byte == key.len() as u8),
                "{server:?}: {key:?} has {} bytes",
                value.len()
            );
        }
        assert_eq!(asker.getter.calls(), 0, "{server:?}: the owner has answered for all of them");
        assert!(requests(asker) >= 4);
    }
}

/// The owner's cache holds a small part of what it is asked for.
#[test]
fn long_batch_is_loaded_in_parts_that_fit_into_an_answer_and_each_key_once() {
    let size = |key: &str| 50_000 + 1_000 * key.bytes().map(usize::from).sum::<usize>() % 300_000;
    let source = || CountingGetter::with(move |key| Ok(vec![7; size(key)].into()));
    for server in SERVERS {
        let (getter, unasked) = (source(), source());
        let getters = [getter.clone(), unasked.clone()];
        let cluster = kit::Cluster::builder(2)
            .group(move |peer| Group::new("large", 2 << 20, getters[peer].clone()))
            .pool(move |pool, _| pool.server(server).timeout(SOON))
            .start()
            .unwrap();
        let keys = cluster.keys_owned_by(0, 100);
        for (key, answer) in keys.iter().zip(cluster.group(1).get_many(&refs(&keys))) {
            assert_eq!(answer.unwrap().len(), size(key));
        }
        assert_eq!(getter.calls(), 100);
        assert_eq!(unasked.calls(), 0);
        let of_batch = |keys: &Vec<String>| keys.iter().map(|key| size(key)).sum::<usize>();
        let longest = getter.batches().iter().map(of_batch).max().unwrap();
        assert!(longest <= 8 << 20, "{longest} bytes were loaded at once for an answer of 8 MiB");
    }
}

#[test]
fn a_value_over_the_limit_of_one_s_own_is_loaded_here() {
    let source = || CountingGetter::with(|_| Ok(vec![7; 5000].into()));
    let owner = Peer::start(SERVERS[1], source(), |pool| pool);
    let asker = Peer::start(SERVERS[1], source(), |pool| pool.max_value_bytes(4999));
    asker.join(&[&owner.url()]);
    let keys = (0..).map(|n| format!("key {n}"));
    let keys: Vec<String> =
        keys.filter(|key| asker.pool.owner(key) == Some(owner.url())).take(3).collect();
    for answer in asker.group.get_many(&refs(&keys)) {
        assert_eq!(answer.unwrap().len(), 5000);
    }
    assert_eq!((owner.getter.calls(), asker.getter.calls()), (3, 3));
    assert_eq!(asker.pool.peer_stats()[0].failures, 0, "it is no fault of the owner");
}

#[test]
fn a_value_too_long_for_an_answer_fails_alone() {
    let source = || {
        CountingGetter::with(|key| {
            let bytes = if key.ends_with('7') { 20 << 20 } else { 10 };
            Ok(vec![7; bytes].into())
        })
    };
    let patient = |pool: geecache::HttpPoolBuilder| pool.max_value_bytes(1 << 20).timeout(SOON);
    let owner = Peer::start(SERVERS[1], source(), |pool| pool);
    let asker = Peer::start(SERVERS[1], source(), patient);
    asker.join(&[&owner.url()]);
    let keys = (0..).map(|n| format!("key {n}"));
    let theirs = keys.filter(|key| asker.pool.owner(key) == Some(owner.url()));
    let (long, short): (Vec<_>, Vec<_>) = theirs.take(60).partition(|key| key.ends_with('7'));
    let keys: Vec<String> = short.into_iter().take(20).chain(long.into_iter().take(1)).collect();
    assert!(asker.group.get_many(&refs(&keys)).iter().all(Result::is_ok));
    let stats = asker.stats();
    assert_eq!((stats.peer_loads, stats.local_loads), (20, 1));
    assert_eq!(asker.pool.peer_stats()[0].failures, 0, "it is no fault of the owner");
}

/// A peer as those of GeeCache: takes every method for a get, and a path without a key for a bad
/// request.
fn old_peer(posts: &Arc<AtomicUsize>) -> FaultyPeer {
    let posts = Arc::clone(posts);
    FaultyPeer::start(move |connection| {
        while let Some(head) = connection.request() {
            connection.body(&head);
            let bytes = if head.starts_with("POST") {
                posts.fetch_add(1, Ordering::SeqCst);
                b"HTTP/1.1 400 X\r\nContent-Type: text/plain; charset=utf-8\r\n\
                  Content-Length: 12\r\n\r\nbad request\n"
                    .to_vec()
            } else {
                answer("630")
            };
            if !connection.send(&bytes) {
                return;
            }
        }
    })
}

#[test]
fn a_peer_that_does_not_know_batches_is_asked_for_one_key_after_the_other() {
    let posts = Arc::new(AtomicUsize::new(0));
    let old = old_peer(&posts);
    let asker = Peer::start(SERVERS[1], CountingGetter::new(), |pool| pool);
    asker.join(&[&old.url()]);
    let mut keys =
        (0..).map(|n| format!("key {n}")).filter(|key| asker.pool.owner(key) == Some(old.url()));
    for round in 0..3 {
        let keys: Vec<String> = keys.by_ref().take(10).collect();
        for answer in asker.group.get_many(&refs(&keys)) {
            assert_eq!(answer.unwrap(), "630");
        }
        assert_eq!(old.requests(), 1 + 10 * (round + 1));
        assert_eq!(posts.load(Ordering::SeqCst), 1, "it is not tried again for a while");
    }
    assert_eq!((old.connections(), asker.getter.calls()), (1, 0));
    assert_eq!(asker.stats().peer_errors, 0);
}

/// What a peer says of keys, each of which it speaks of.
fn told(getter: &HttpGetter, keys: &[&str]) -> Vec<Result<Loaded, PeerError>> {
    let mut answers = vec![None; keys.len()];
    getter.get_many_timeout("scores", keys, SOON, &mut |at, answer| answers[at] = Some(answer));
    answers.into_iter().map(Option::unwrap).collect()
}

#[test]
fn a_key_that_can_not_be_sent_fails_alone_at_a_peer_that_does_not_know_batches() {
    let old = old_peer(&Arc::default());
    let getter = HttpGetter::new(&old.url()).unwrap();
    let long = "k".repeat(20 << 10);
    let answers = told(&getter, &["Tom", &long, "Jack"]);
    assert_eq!(answers[1].as_ref().unwrap_err().kind(), PeerErrorKind::NotSupported);
    for answer in [&answers[0], &answers[2]] {
        assert_eq!(answer.as_ref().unwrap(), &Loaded::from("630"));
    }
}

#[test]
fn a_batch_of_a_malformed_peer_is_an_error_and_never_a_wrong_value() {
    for body in ["", "630", "\u{1}\u{1}\0\0\0\u{2}", "\u{1}\u{1}\0\0\0\u{2}\0\0\0\0\0\0\0\0"] {
        let odd = FaultyPeer::start(move |connection| {
            while let Some(head) = connection.request() {
                connection.body(&head);
                if !connection.send(&answer(body)) {
                    return;
                }
            }
        });
        let getter = HttpGetter::new(&odd.url()).unwrap();
        for answer in told(&getter, &["Tom", "Jack"]) {
            assert_eq!(answer.unwrap_err().kind(), PeerErrorKind::Protocol, "{body:?}");
        }
        assert_eq!(odd.requests(), 1);
    }
}

/// What a peer says of `count` keys: 630 of the first `told` of them, and nothing of the others.
fn portion(count: usize, told: usize) -> Vec<u8> {
    let mut frame = vec![1, 1];
    frame.extend((count as u32).to_be_bytes());
    for at in 0..count {
        let (status, value) = if at < told { (0, "630") } else { (2, "") };
        frame.push(status);
        frame.extend([0xff; 8]);
        frame.extend((value.len() as u64).to_be_bytes());
        frame.extend(value.bytes());
    }
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length:";
    let mut bytes = format!("{head} {}\r\n\r\n", frame.len()).into_bytes();
    bytes.append(&mut frame);
    bytes
}

/// How many keys a request for many names.
fn count_of(frame: &[u8]) -> usize {
    u32::from_be_bytes(frame[2..6].try_into().unwrap()) as usize
}

#[test]
fn a_portion_that_never_comes_fails_what_it_carries_and_no_other_key() {
    let posts = AtomicUsize::new(0);
    let slow = FaultyPeer::start(move |connection| {
        while let Some(head) = connection.request() {
            let count = count_of(&connection.body(&head));
            match posts.fetch_add(1, Ordering::SeqCst) {
                0 => connection.send(&portion(count, 2)),
                1 => return connection.wait_for_the_end(),
                _ => connection.send(&portion(count, count)),
            };
        }
    });
    let brief = Duration::from_secs(1);
    let asker = Peer::start(SERVERS[1], CountingGetter::new(), |pool| pool.timeout(brief));
    asker.join(&[&slow.url()]);
    let is_theirs = |key: &String| asker.pool.owner(key) == Some(slow.url());
    let keys: Vec<String> = (0..).map(|n| format!("key {n}")).filter(is_theirs).take(10).collect();
    let answers = asker.group.get_many(&refs(&keys));
    // Two came, four were asked for in vain, and the other four came after them.
    let is_loaded = |n: usize| (2..6).contains(&n);
    for (n, answer) in answers.into_iter().enumerate() {
        let expected = if is_loaded(n) { value_of(&keys[n]) } else { "630".to_owned() };
        assert_eq!(answer.unwrap(), expected.as_str(), "{n}");
    }
    assert_eq!((slow.requests(), asker.getter.calls()), (3, 4));
}

#[test]
fn what_has_come_of_a_batch_is_told_before_the_rest_is_asked_for() {
    let (told, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let owner = FaultyPeer::start({
        let (told, seen) = (Arc::clone(&told), Arc::clone(&seen));
        move |connection| {
            while let Some(head) = connection.request() {
                let count = count_of(&connection.body(&head));
                seen.lock().unwrap().push(told.load(Ordering::SeqCst));
                connection.send(&portion(count, 2));
            }
        }
    });
    let getter = HttpGetter::new(&owner.url()).unwrap();
    getter.get_many_timeout("scores", &["a", "b", "c", "d", "e", "f"], SOON, &mut |at, answer| {
        let next = told.fetch_add(1, Ordering::SeqCst);
        assert_eq!((at, answer.unwrap()), (next, "630".into()));
    });
    assert_eq!(*seen.lock().unwrap(), [0, 2, 4]);
}

#[test]
fn an_owner_that_is_gone_costs_a_batch_no_key() {
    for server in SERVERS {
        let cluster = Cluster::settled(3, server, |_| CountingGetter::new());
        cluster.node(1).pool.shutdown();
        let keys: Vec<String> = (0..200).map(|n| format!("key {n}")).collect();
        let answers = cluster.node(0).group.get_many(&refs(&keys));
        let values: Vec<ByteView> = answers.into_iter().map(Result::unwrap).collect();
        let expected: Vec<ByteView> = keys.iter().map(|key| value_of(key).into()).collect();
        assert_eq!(values, expected);
        assert_eq!(cluster.node(1).getter.calls(), 0);
    }
}

#[test]
fn a_batch_that_takes_too_long_is_given_up_and_loaded_all_the_same() {
    for server in SERVERS {
        let gate = Gate::closed();
        let cluster = Cluster::settled(2, server, |_| CountingGetter::behind(&gate));
        let keys: Vec<String> = cluster.keys_owned_by(1).take(3).collect();
        let group = cluster.node(0).group.clone();
        let begun = Instant::now();
        let answers = {
            let keys = keys.clone();
            start(move || group.get_many_timeout(&refs(&keys), Duration::from_millis(200))).result()
        };
        assert!(begun.elapsed() < SOON);
        for answer in answers {
            assert!(matches!(answer, Err(Error::TimedOut { .. })), "{answer:?}");
        }
        gate.open();
        let owner = cluster.node(1);
        until("the owner has loaded them", || owner.group.main_cache_stats().entries == 3);
        assert_eq!(owner.getter.calls(), 3);
    }
}
