//! Everything at once, drawn from a seed: what must hold whatever happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use geecache::{Error, Group, HotCache, Loaded, PeerErrorKind};

use crate::support::{
    CountingGetter, MemoryPeers, Random, all_at_once, start, until, value_of, with_seeds,
};

const THREADS: usize = 8;
const PEERS: usize = 3;
const GETS_PER_THREAD: usize = 150;

/// A source that answers in one of all ways, drawn by chance; keys that start with `gone` do not
/// exist.
fn moody(seed: u64) -> CountingGetter {
    let calls = AtomicU64::new(0);
    CountingGetter::with(move |key| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        match Random::new(seed ^ call).below(10) {
            0 => Err("the source fails".into()),
            1 => panic!("the source panics"),
            _ if key.starts_with("gone") => Ok(Loaded::absent()),
            2 => Ok(Loaded::from(value_of(key)).ttl(Duration::from_millis(call % 3))),
            _ => Ok(value_of(key).into()),
        }
    })
}

/// One call, by one of the ways to make it.
fn one_get(group: &Group, key: &str, random: &mut Random) -> Result<Option<String>, Error> {
    let loaded = match random.below(4) {
        0 => group.get_timeout(key, Duration::from_micros(random.below(300)))?.into(),
        1 => group.get_timeout(key, Duration::from_secs(10))?.into(),
        2 => group.peer_side().get(key)?,
        _ => group.get(key)?.into(),
    };
    Ok(loaded.value().map(|value| value.as_str().unwrap().to_owned()))
}

#[test]
fn no_get_hangs_or_is_wrong_while_sources_and_peers_fail_at_random() {
    with_seeds(4, |random| {
        let seed = random.next();
        let build = |getter| Group::builder("memory", 2 << 10, getter).build();
        let peers = MemoryPeers::built(PEERS, |node| moody(seed ^ node as u64), build);
        let peers = Arc::new(peers);
        let wrong: Vec<String> = all_at_once(THREADS, {
            let peers = Arc::clone(&peers);
            move |thread| {
                let mut random = Random::new(seed.wrapping_add(thread as u64));
                (0..GETS_PER_THREAD).filter_map(|_| act(&peers, &mut random)).collect::<Vec<_>>()
            }
        })
        .concat();
        assert!(wrong.is_empty(), "{wrong:#?}");
        for node in 0..PEERS {
            let cache = peers.node(node).group.main_cache_stats();
            assert!(cache.charged_bytes <= cache.max_bytes, "{cache:?}");
            until("the loads that nobody waits for have ended", || {
                let stats = peers.node(node).stats();
                let ended = stats.local_loads + stats.local_load_errors;
                ended == peers.node(node).getter.calls() as u64
            });
        }
    });
}

/// One step of one thread; what went wrong, if anything did.
fn act(peers: &MemoryPeers, random: &mut Random) -> Option<String> {
    let node = peers.node(random.below(PEERS as u64) as usize);
    match random.below(20) {
        0 => node.link.fail_once(PeerErrorKind::Protocol),
        1 => node.link.take_down(),
        2 => node.link.mend(),
        _ => {}
    }
    let number = random.below(20);
    let key = if number < 3 { format!("gone {number}") } else { format!("key {number}") };
    let get = || one_get(&node.group, &key, random);
    // A panic of the getter belongs to the caller whose thread ran it.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(get)).ok()?;
    let absent = key.starts_with("gone");
    let right = match &result {
        Ok(Some(value)) => !absent && *value == value_of(&key),
        Ok(None) | Err(Error::NotFound { .. }) => absent,
        Err(Error::Load { .. } | Error::TimedOut { .. }) => true,
        Err(_) => false,
    };
    (!right).then(|| format!("{key:?}: {result:?}"))
}

#[test]
fn nobody_ever_reads_what_was_removed_before_it_asked() {
    // A writer changes the source and removes the key; when that has returned, it says so. Whoever
    // asks afterwards, at whichever peer, must not see an older version.
    with_seeds(3, |random| {
        let version = Arc::new(AtomicU64::new(0));
        let removed = Arc::new(AtomicU64::new(0));
        let seed = random.next();
        let source = |_| {
            let version = Arc::clone(&version);
            CountingGetter::with(move |_| Ok(version.load(Ordering::SeqCst).to_string().into()))
        };
        let hot =
            |getter| Group::builder("memory", 64 << 20, getter).hot_cache(HotCache::Always).build();
        let peers = Arc::new(MemoryPeers::built(3, source, hot));
        let key = peers.key_owned_by(&[1]);
        let stop = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..6)
            .map(|thread| {
                let (peers, removed, key) = (Arc::clone(&peers), Arc::clone(&removed), key.clone());
                let (stop, mut random) = (Arc::clone(&stop), Random::new(seed + thread));
                start(move || {
                    while !stop.load(Ordering::SeqCst) {
                        let (node, at_least) =
                            (random.below(3) as usize, removed.load(Ordering::SeqCst));
                        let value = peers.node(node).group.get(&key).unwrap();
                        let read: u64 = value.as_str().unwrap().parse().unwrap();
                        assert!(read >= at_least, "peer {node}: {read}, but {at_least} was there");
                    }
                })
            })
            .collect();
        for new in 1..300 {
            version.store(new, Ordering::SeqCst);
            let node = random.below(3) as usize;
            assert!(peers.node(node).group.remove(&key).is_complete());
            removed.store(new, Ordering::SeqCst);
        }
        stop.store(true, Ordering::SeqCst);
        readers.into_iter().for_each(|reader| reader.result());
    });
}
