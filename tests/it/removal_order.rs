//! In which order a removal reaches the peers while the list of peers has just changed, told by what would come back
//! otherwise.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use geecache::{
    ByteView, Group, HotCache, Loaded, PeerError, PeerErrorKind, PeerGetter, PeerPicker,
};

/// A peer that calls back when it is told to forget something.
#[derive(Default)]
struct Listener {
    name: &'static str,
    /// What it has, until it is removed.
    value: Mutex<Option<&'static str>>,
    before_removal: Mutex<Option<Box<dyn FnMut() + Send>>>,
    removals: AtomicUsize,
    clears: AtomicUsize,
}

impl Listener {
    fn new(name: &'static str, value: Option<&'static str>) -> Arc<Self> {
        Arc::new(Self { name, value: Mutex::new(value), ..Self::default() })
    }

    fn before_removal(&self, work: impl FnMut() + Send + 'static) {
        *self.before_removal.lock().unwrap() = Some(Box::new(work));
    }
}

impl PeerGetter for Listener {
    fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
        let value = *self.value.lock().unwrap();
        value
            .map(Loaded::from)
            .ok_or_else(|| PeerError::new(PeerErrorKind::Load, self.name, "none"))
    }

    fn peek(&self, _group: &str, _key: &str) -> Result<Option<Loaded>, PeerError> {
        Ok(self.value.lock().unwrap().map(Loaded::from))
    }

    fn name(&self) -> &str {
        self.name
    }

    fn remove(&self, _group: &str, _keys: &[&str]) -> Result<(), PeerError> {
        if let Some(work) = &mut *self.before_removal.lock().unwrap() {
            work();
        }
        self.removals.fetch_add(1, Ordering::SeqCst);
        *self.value.lock().unwrap() = None;
        Ok(())
    }

    fn clear(&self, _group: &str) -> Result<(), PeerError> {
        self.clears.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Changed {
    owner: Option<Arc<Listener>>,
    previous: Option<Arc<Listener>>,
    others: Vec<Arc<Listener>>,
}

impl PeerPicker for Changed {
    fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        self.owner.clone().map(|owner| owner as Arc<dyn PeerGetter>)
    }

    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        let peers = self.owner.iter().chain(&self.others);
        peers.map(|peer| Arc::clone(peer) as Arc<dyn PeerGetter>).collect()
    }

    fn previous_owner(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        self.previous.clone().map(|previous| previous as Arc<dyn PeerGetter>)
    }

    fn is_warming_up(&self) -> bool {
        true
    }
}

fn group(picker: &Changed) -> Group {
    let source = |_: &str| Ok::<_, std::io::Error>("new");
    let group = Group::builder("g", source).cache_bytes(1 << 20).hot_cache(HotCache::Always);
    let group = group.build();
    group.register_peers(picker.clone()).unwrap();
    group
}

#[test]
fn an_owner_that_took_over_the_old_value_meanwhile_does_not_hand_it_out_again() {
    let previous = Listener::new("previous", Some("old"));
    let other = Listener::new("other", None);
    let picker = Changed {
        previous: Some(Arc::clone(&previous)),
        others: vec![Arc::clone(&other)],
        ..Changed::default()
    };
    let group = group(&picker);
    // After this owner was emptied, and before the previous one is, somebody gets the key.
    let (asked, got) = (group.clone(), Arc::new(Mutex::new(Vec::<ByteView>::new())));
    previous.before_removal(move || assert_eq!(asked.get("key").unwrap(), "old"));
    // Before the other peer is emptied it asks the owner, and could keep what it gets for long.
    let (asked, kept) = (group.clone(), Arc::clone(&got));
    other.before_removal(move || {
        let served = asked.serve_peer("key").unwrap().into_value().unwrap();
        kept.lock().unwrap().push(served);
    });
    assert!(group.remove("key").is_complete());
    assert_eq!(*got.lock().unwrap(), ["new"].map(ByteView::from));
}

#[test]
fn a_peer_gives_no_copies_away_as_if_it_had_loaded_them() {
    let owner = Listener::new("owner", Some("old"));
    let picker = Changed { owner: Some(owner), ..Changed::default() };
    let group = group(&picker);
    assert_eq!(group.get("key").unwrap(), "old");
    assert_eq!(group.hot_cache_stats().entries, 1);
    assert_eq!(group.serve_peek("key"), None);
}

#[test]
fn an_insertion_at_oneself_empties_a_previous_owner_that_has_left() {
    let previous = Listener::new("previous", Some("old"));
    let picker = Changed { previous: Some(Arc::clone(&previous)), ..Changed::default() };
    let group = group(&picker);
    let report = group.insert("key", "inserted").unwrap();
    assert!(report.is_complete());
    assert_eq!((report.peers.len(), report.peers[0].peer.as_str()), (1, "previous"));
    assert_eq!(previous.removals.load(Ordering::SeqCst), 1);
    assert_eq!(group.get("key").unwrap(), "inserted");
}

#[test]
fn a_clearing_goes_round_as_often_as_a_value_can_wander_on() {
    let other = Listener::new("other", None);
    let picker = Changed { others: vec![Arc::clone(&other)], ..Changed::default() };
    let group = group(&picker);
    assert!(group.clear().is_complete());
    assert_eq!(other.clears.load(Ordering::SeqCst), 3);
}
