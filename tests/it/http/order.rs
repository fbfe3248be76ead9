//! Changes have an order, and who was not told of them can ask.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use geecache::{
    ChangeMark, ChangeNews, ChangeStamp, ChangesSince, Group, HotCache, HttpGetter, HttpPool,
    Loaded, PeerError, PeerErrorKind, PeerGetter, Server,
};

use crate::support::{
    Cluster, CountingGetter, FaultyPeer, Gate, Peer, SERVERS, SOON, start, until, with_seeds,
};

/// What a peer answers. Such a question gets little time, and a machine that tests may be slow.
fn changes_since(
    getter: &HttpGetter,
    group: &str,
    mark: Option<ChangeMark>,
) -> Result<ChangesSince, PeerError> {
    let begun = Instant::now();
    loop {
        match getter.changes_since(group, mark) {
            Err(error) if error.kind() == PeerErrorKind::TimedOut && begun.elapsed() < SOON => {}
            answer => return answer,
        }
    }
}

#[test]
fn a_peer_tells_which_keys_were_changed_since_a_mark() {
    for server in SERVERS {
        let cluster = Cluster::of(2, server);
        let getter = HttpGetter::new(&cluster.node(0).url()).unwrap();
        let since = |mark| changes_since(&getter, "scores", mark).unwrap();
        let ChangesSince::Unknown { mark } = since(None) else { panic!("it was not asked before") };
        let (mine, other) = (cluster.key_owned_by(0), cluster.key_owned_by(1));
        cluster.node(0).group.remove(&mine);
        cluster.node(1).group.insert(&other, "630").unwrap();
        let ChangesSince::Keys { mut keys, mark: next } = since(Some(mark)) else {
            panic!("the mark is known");
        };
        let mut expected = [mine, other];
        expected.sort();
        keys.sort();
        assert_eq!(keys, expected, "{server:?}");
        assert_eq!(since(Some(next)), ChangesSince::Keys { keys: vec![], mark: next });
        cluster.node(1).group.clear();
        assert!(matches!(since(Some(next)), ChangesSince::Unknown { mark } if mark != next));
        let error = changes_since(&getter, "no such group", None).unwrap_err();
        assert_eq!(error.kind(), PeerErrorKind::NoSuchGroup);
    }
}

#[test]
fn a_peer_that_knows_nothing_of_changes_says_so_and_one_that_babbles_breaks_the_protocol() {
    let kind = |answer: &str| {
        let peer = FaultyPeer::saying(answer);
        let getter = HttpGetter::new(&peer.url()).unwrap();
        changes_since(&getter, "scores", None).unwrap_err().kind()
    };
    let old = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(kind(old), PeerErrorKind::NotSupported);
    for body in ["", "630", "\u{1}\u{5}\0\0\0\u{1}\0\0\0\u{1}?", "\u{1}\u{1}\0\0\0\u{1}\0\0\0\0"] {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(kind(&answer), PeerErrorKind::Protocol, "{body:?}");
    }
}

#[test]
fn a_removal_of_very_many_keys_is_told_in_parts() {
    for server in SERVERS {
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
        let getter = HttpGetter::new(&peer.url()).unwrap();
        let mut mark = peer.group.peer_side().change_mark();
        peer.group.remove_many((0..5000).map(|n| n.to_string()));
        let mut told = 0;
        loop {
            match changes_since(&getter, "scores", Some(mark)).unwrap() {
                ChangesSince::Keys { keys, .. } if keys.is_empty() => break,
                ChangesSince::Keys { keys, mark: next } => {
                    told += keys.len();
                    mark = next;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((told, mark), (5000, peer.group.peer_side().change_mark()), "{server:?}");
    }
}

/// The way to a peer, which may hold what goes there back until it is told.
struct Way {
    url: String,
    is_black: Arc<Mutex<bool>>,
    /// Opens for the requests that were held back.
    healed: Gate,
    delivered: Gate,
}

impl Way {
    fn to(peer: &Peer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let way = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            is_black: Arc::default(),
            healed: Gate::closed(),
            delivered: Gate::closed(),
        };
        let (addr, is_black) = (peer.addr(), Arc::clone(&way.is_black));
        let (healed, delivered) = (way.healed.clone(), way.delivered.clone());
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(&addr).unwrap();
                let (is_black, healed) = (Arc::clone(&is_black), healed.clone());
                let delivered = delivered.clone();
                let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                thread::spawn(move || carry(&near, &far, &is_black, &healed, &delivered));
                thread::spawn(move || {
                    let _ = std::io::copy(&mut &far_again, &mut &near_again);
                    let _ = near_again.shutdown(Shutdown::Both);
                });
            }
        });
        way
    }
}

/// Carries what `near` sends to `far`. What comes while the way is a black hole is held back, and
/// delivered when it is healed, whether or not the sender is still there.
fn carry(near: &TcpStream, far: &TcpStream, is_black: &Mutex<bool>, healed: &Gate, done: &Gate) {
    let mut bytes = [0; 4096];
    let mut held = false;
    while let Ok(n @ 1..) = (&mut &*near).read(&mut bytes) {
        if *is_black.lock().unwrap() {
            held = true;
            healed.pass();
        }
        if (&mut &*far).write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    if held {
        // The peer has read it when it has answered.
        far.shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        let _ = (&mut &*far).read_to_end(&mut rest);
        done.open();
    }
    let _ = far.shutdown(Shutdown::Both);
}

/// A process that only asks, and knows the peer by the way to it.
fn writer(way: &Way) -> (HttpPool, Group) {
    let group = Group::builder("scores", 1 << 20, CountingGetter::new()).build();
    let pool = HttpPool::builder().timeout(Duration::from_millis(300)).connect_timeout(SOON);
    let pool = pool.client(std::slice::from_ref(&way.url)).unwrap();
    pool.add(&group).unwrap();
    (pool, group)
}

#[test]
fn an_insertion_that_a_black_hole_delivers_later_does_not_replace_what_came_after_it() {
    for server in SERVERS {
        for removes in [false, true] {
            let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
            peer.join(&[]);
            let way = Way::to(&peer);
            let (_pool, group) = writer(&way);
            until("the value is kept", || group.insert("Tom", "first").unwrap().is_kept);
            *way.is_black.lock().unwrap() = true;
            let report = group.insert("Tom", "OLD").unwrap();
            assert!(!report.is_complete());
            *way.is_black.lock().unwrap() = false;
            if removes {
                until("the removal is complete", || group.remove("Tom").is_complete());
            } else {
                until("the value is kept", || group.insert("Tom", "NEW").unwrap().is_kept);
            }
            way.healed.open();
            way.delivered.pass();
            // The removal that was owed for "OLD" may have been on its way as "NEW" came. It costs
            // a load then.
            let there = peer.group.peek("Tom");
            assert!(there.is_none_or(|it| !removes && it == "NEW"), "{server:?}");
        }
    }
}

/// Sends one change byte by byte, as a peer of ours would.
fn send(peer: &Peer, change: &str, number: u64) -> String {
    let stamp = format!("Geecache: n=00000000000000aa.{number}");
    let value = format!("{change} {number}");
    let (line, body) = match change {
        "insert" => ("PUT /_geecache/scores/Tom", value.as_str()),
        "remove" => ("DELETE /_geecache/scores/Tom", ""),
        _ => ("DELETE /_geecache/scores", ""),
    };
    let request = format!(
        "{line} HTTP/1.1\r\nHost: x\r\n{stamp}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n\
         {body}",
        body.len()
    );
    let mut stream = TcpStream::connect(peer.addr()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn requests_that_are_replayed_in_any_order_never_bring_an_older_value_back() {
    for server in SERVERS {
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
        let base = std::cell::Cell::new(0);
        with_seeds(30, |random| {
            // Each run goes on behind the numbers of the last one.
            let first = base.get() + 1;
            let mut changes: Vec<(&str, u64)> = Vec::new();
            for number in first..first + 6 {
                changes.push((
                    ["insert", "insert", "remove", "clear"][random.below(4) as usize],
                    number,
                ));
            }
            base.set(first + 6);
            let mut newest = 0;
            for _ in 0..20 {
                let (change, number) = changes[random.below(6) as usize];
                let answer = send(&peer, change, number);
                let is_late = change == "insert" && number < newest;
                let code = if is_late { "HTTP/1.1 409" } else { "HTTP/1.1 204" };
                assert!(answer.starts_with(code), "{server:?}: {change} {number}: {answer}");
                assert_eq!(answer.contains("s=late"), is_late);
                newest = newest.max(number);
                if let Some(value) = peer.group.peek("Tom") {
                    assert_eq!(value, format!("insert {newest}").as_str(), "{server:?}");
                }
            }
        });
    }
}

#[test]
fn a_peer_that_refuses_a_late_value_is_told_from_one_that_failed() {
    for server in SERVERS {
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
        let getter = HttpGetter::new(&peer.url()).unwrap();
        let insert = |value: &str, number| {
            getter.insert("scores", "Tom", &Loaded::from(value), ChangeStamp::new(9, number))
        };
        assert!(insert("new", 2).unwrap());
        let error = insert("old", 1).unwrap_err();
        assert_eq!(error.kind(), PeerErrorKind::Late, "{error}");
        assert_eq!(peer.group.peek("Tom").unwrap(), "new");
        assert_eq!(peer.stats().late_changes, 1);
    }
}

#[test]
fn a_removal_reaches_a_peer_although_gets_take_all_places_on_the_way_to_it() {
    for server in SERVERS {
        let gate = Gate::closed();
        let owner = Peer::start(server, CountingGetter::behind(&gate), |pool| pool);
        let remover = Peer::start(server, CountingGetter::new(), |pool| {
            pool.max_requests_per_peer(NonZeroUsize::MIN)
        });
        remover.join(&[&owner.url()]);
        let keys: Vec<String> = remover.keys_owned_by(&owner.url()).take(3).collect();
        assert!(owner.group.insert(&keys[1], "old").unwrap().is_kept);
        let get = {
            let (group, key) = (remover.group.clone(), keys[0].clone());
            start(move || group.get(&key))
        };
        gate.wait_for_arrivals(1);
        // A get finds no place, and is loaded here.
        remover.group.get(&keys[2]).unwrap();
        assert_eq!(gate.arrivals(), 1, "{server:?}");
        let report = remover.group.remove(&keys[1]);
        assert!(report.is_complete(), "{server:?}: {report:?}");
        assert_eq!(owner.group.peek(&keys[1]), None);
        assert!(remover.group.insert(&keys[1], "new").unwrap().is_kept, "{server:?}");
        gate.open();
        get.result().unwrap();
    }
}

/// Keeps copies for long.
fn group_with_copies() -> Group {
    Group::builder("scores", 1 << 20, CountingGetter::new())
        .hot_cache(HotCache::Always)
        .hot_ttl(Duration::from_secs(600))
        .build()
}

/// A program that only asks, and keeps copies for long.
fn client(cluster: &Cluster, news: Option<ChangeNews>) -> (HttpPool, Group) {
    let group = group_with_copies();
    let mut pool = HttpPool::builder().timeout(SOON).connect_timeout(SOON).peek_timeout(SOON);
    if let Some(news) = news {
        pool = pool.change_news(news);
    }
    let pool = pool.client(cluster.urls()).unwrap();
    pool.add(&group).unwrap();
    (pool, group)
}

/// Peers before one source of truth, whose values are numbers.
fn cluster_of_numbers(server: Server) -> (Cluster, Arc<AtomicUsize>) {
    let source = Arc::new(AtomicUsize::new(0));
    let cluster = Cluster::settled(3, server, |_| {
        let source = Arc::clone(&source);
        CountingGetter::with(move |_| Ok(source.load(Ordering::SeqCst).to_string().into()))
    });
    (cluster, source)
}

#[test]
fn a_client_drops_the_copy_of_what_was_removed_with_its_next_get_of_any_peer() {
    for server in SERVERS {
        let (cluster, source) = cluster_of_numbers(server);
        let (_pool, group) = client(&cluster, None);
        let keys: Vec<String> = cluster.keys_owned_by(0).take(3).collect();
        let others: Vec<String> = cluster.keys_owned_by(1).take(4).collect();
        // The first answer of a peer is where the client begins to hear.
        for key in [&keys[0], &others[0], &keys[1], &keys[2]] {
            assert_eq!(group.get(key).unwrap(), "0");
        }
        for key in &keys[1..] {
            assert_eq!(group.peek(key).unwrap(), "0", "{server:?}: it keeps copies");
        }
        source.store(1, Ordering::SeqCst);
        assert!(cluster.node(2).group.remove(&keys[1]).is_complete());
        // Nobody knows the client.
        assert_eq!(group.get(&keys[1]).unwrap(), "0");
        assert_eq!(group.get(&others[1]).unwrap(), "1");
        assert_eq!(group.peek(&keys[1]), None, "{server:?}");
        assert_eq!(group.peek(&keys[2]).unwrap(), "0", "{server:?}: it was not removed");
        assert_eq!(group.get(&keys[1]).unwrap(), "1");
        // A batch hears as well, and so does one who asks for what is inserted.
        assert!(cluster.node(0).group.insert(&keys[1], "2").unwrap().is_kept);
        assert!(group.get_many(&others[2..]).iter().all(Result::is_ok));
        assert_eq!(group.peek(&keys[1]), None, "{server:?}");
        assert_eq!(group.get(&keys[1]).unwrap(), "2");
        assert!(cluster.node(0).group.clear().is_complete());
        group.get(&format!("{} of no use", keys[0])).unwrap();
        assert_eq!(group.peek(&keys[2]), None, "{server:?}");
        assert!(group.stats().changes_heard >= 4);
    }
}

#[test]
fn who_does_not_ask_for_news_hears_none() {
    for server in SERVERS {
        let (cluster, _) = cluster_of_numbers(server);
        let (_pool, group) = client(&cluster, Some(ChangeNews::Off));
        let keys: Vec<String> = cluster.keys_owned_by(0).take(2).collect();
        group.get(&keys[0]).unwrap();
        assert!(cluster.node(0).group.remove(&keys[0]).is_complete());
        group.get(&keys[1]).unwrap();
        assert!(group.peek(&keys[0]).is_some(), "{server:?}");
        assert_eq!(group.stats().changes_heard, 0);
        // Peers are told, and do not ask either.
        cluster.node(1).group.get(&keys[1]).unwrap();
        assert_eq!(cluster.node(1).stats().changes_heard, 0);
    }
}

#[test]
fn who_has_left_hears_of_changes_as_a_client_does() {
    for server in SERVERS {
        let (cluster, source) = cluster_of_numbers(server);
        let group = group_with_copies();
        let pool = HttpPool::builder().server(server).timeout(SOON).connect_timeout(SOON);
        let pool = pool.bind("127.0.0.1:0").unwrap();
        pool.add(&group).unwrap();
        let own = pool.url().unwrap().to_owned();
        pool.set_peers(cluster.urls().into_iter().chain([own])).unwrap();
        pool.leave(Duration::ZERO);
        let keys: Vec<String> = cluster.keys_owned_by(0).take(3).collect();
        for key in &keys[..2] {
            assert_eq!(group.get(key).unwrap(), "0");
        }
        assert_eq!(group.peek(&keys[1]).unwrap(), "0", "{server:?}: it keeps copies");
        source.store(1, Ordering::SeqCst);
        assert!(cluster.node(2).group.remove(&keys[1]).is_complete());
        assert_eq!(group.get(&keys[2]).unwrap(), "1");
        assert_eq!(group.peek(&keys[1]), None, "{server:?}");
        assert_eq!(group.get(&keys[1]).unwrap(), "1");
    }
}

#[test]
fn a_client_of_a_peer_that_comes_back_empty_keeps_nothing_of_its_former_life() {
    for server in SERVERS {
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
        peer.join(&[]);
        let (url, addr) = (peer.url(), peer.addr());
        let group = Group::builder("scores", 1 << 20, CountingGetter::new())
            .hot_cache(HotCache::Always)
            .hot_ttl(Duration::from_secs(600))
            .build();
        let pool = HttpPool::builder().timeout(SOON).connect_timeout(SOON).client([url]).unwrap();
        pool.add(&group).unwrap();
        group.get("a").unwrap();
        group.get("b").unwrap();
        assert!(group.peek("b").is_some());
        drop(peer);
        let again = Peer::start_on(&addr, server, CountingGetter::new(), |pool| pool);
        again.join(&[]);
        until("the peer is asked again", || {
            group.remove("c");
            group.get("c").unwrap();
            again.stats().server_requests > 0
        });
        assert_eq!(group.peek("b"), None, "{server:?}");
    }
}
