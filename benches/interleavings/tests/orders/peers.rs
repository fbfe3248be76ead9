//! Two peers: what moves from the one to the other, and what the one owes to the other.

use std::io;
use std::sync::Arc;

use geecache::{
    ChangeStamp, Error, Group, HandOverPart, HandOverState, HotCache, Loaded, MayAsk, PeerError,
    PeerErrorKind, PeerGetter, PeerPicker,
};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::thread;

use crate::{
    LONG, ONE, Source, boxed, changes_and_looks, in_any_order, made, reads, together, version_in,
};

/// The peer that owns all keys, and the one that does not.
const OWNER: &str = "owner";
const OTHER: &str = "other";

/// The way to a peer: plain calls, which fail while it is cut off.
struct Link {
    to: &'static str,
    /// Taken out at the end, as groups and links hold each other.
    group: Mutex<Option<Group>>,
    is_cut: AtomicBool,
}

impl Link {
    fn to(to: &'static str, group: &Group) -> Arc<Self> {
        let (group, is_cut) = (Mutex::new(Some(group.clone())), AtomicBool::new(false));
        Arc::new(Self { to, group, is_cut })
    }

    fn group(&self) -> Result<Group, PeerError> {
        thread::yield_now();
        let group = self.group.lock().unwrap().clone();
        let group = group.filter(|_| !self.is_cut.load(Ordering::SeqCst));
        group.ok_or_else(|| PeerError::new(PeerErrorKind::Unreachable, self.to, "it is cut off"))
    }
}

/// What is said on the way back takes its time as well.
fn answered<T>(answer: T) -> T {
    thread::yield_now();
    answer
}

impl PeerGetter for Link {
    fn get(&self, _group: &str, key: &str) -> Result<Loaded, PeerError> {
        let failed = |error: Error| PeerError::new(PeerErrorKind::Load, self.to, error.to_string());
        answered(self.group()?.peer_side().get(key).map_err(failed))
    }

    fn peek(&self, _group: &str, key: &str) -> Result<Option<Loaded>, PeerError> {
        Ok(answered(self.group()?.peer_side().peek(key)))
    }

    fn hand_over(&self, _: &str, session: u64, most: usize) -> Result<HandOverPart, PeerError> {
        Ok(answered(self.group()?.peer_side().hand_over(OWNER, session, most)))
    }

    fn name(&self) -> &str {
        self.to
    }

    fn remove(&self, _group: &str, keys: &[&str], stamp: ChangeStamp) -> Result<(), PeerError> {
        answered(self.group()?.peer_side().remove(keys, stamp));
        Ok(())
    }

    fn clear(&self, _group: &str, stamp: ChangeStamp) -> Result<(), PeerError> {
        answered(self.group()?.peer_side().clear(stamp));
        Ok(())
    }
}

/// What one of the two knows of the other.
struct Picker {
    other: Arc<Link>,
    /// Whether keys have just moved to the owner.
    is_warming_up: bool,
}

impl Picker {
    fn is_owner(&self) -> bool {
        self.other.to != OWNER
    }

    fn other(&self) -> Arc<dyn PeerGetter> {
        Arc::clone(&self.other) as _
    }
}

impl PeerPicker for Picker {
    fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        (!self.is_owner()).then(|| self.other())
    }

    fn pick_peer_that(&self, key: &str, may_ask: MayAsk<'_>) -> Option<Arc<dyn PeerGetter>> {
        self.pick_peer(key).filter(may_ask)
    }

    fn owns(&self, _key: &str) -> bool {
        self.is_owner()
    }

    fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
        vec![self.other()]
    }

    fn previous_owner(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
        (self.is_warming_up && self.is_owner()).then(|| self.other())
    }

    fn previous_owners(&self) -> Vec<Arc<dyn PeerGetter>> {
        self.previous_owner("").into_iter().collect()
    }

    fn is_owner(&self, _key: &str, name: &str) -> bool {
        name == OWNER
    }

    fn warm_up(&self) -> Option<u64> {
        self.is_warming_up.then_some(1)
    }
}

/// Two groups that know each other until it is dropped.
struct Pair {
    source: Source,
    owner: Group,
    other: Group,
    to_owner: Arc<Link>,
    to_other: Arc<Link>,
}

impl Pair {
    fn new(is_warming_up: bool, first: impl FnOnce(&Group, &Group)) -> Self {
        let source = Source::default();
        let group = || {
            let source = source.clone();
            let load = move |_: &str| {
                let version = source.version();
                thread::yield_now();
                Ok::<_, io::Error>(version.to_string())
            };
            let group = Group::builder("changing", 1 << 20, load).hot_cache(HotCache::Always);
            made(group.shards(ONE))
        };
        let (owner, other) = (group(), group());
        first(&owner, &other);
        let (to_owner, to_other) = (Link::to(OWNER, &owner), Link::to(OTHER, &other));
        for (group, link) in [(&owner, &to_other), (&other, &to_owner)] {
            group.register_peers(Picker { other: Arc::clone(link), is_warming_up }).unwrap();
        }
        // As in `made`: the place for copies is there from now on.
        other.get("first").unwrap();
        Self { source, owner, other, to_owner, to_other }
    }

    fn groups(&self) -> [&Group; 2] {
        [&self.owner, &self.other]
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        for link in [&self.to_owner, &self.to_other] {
            let group = link.group.lock().unwrap().take();
            drop(group);
        }
    }
}

#[test]
fn what_the_owner_removes_does_not_come_back_from_a_previous_owner() {
    in_any_order(|| takes_over_meanwhile(|pair| &pair.owner));
}

#[test]
fn what_the_other_removes_does_not_come_back_from_a_previous_owner() {
    in_any_order(|| takes_over_meanwhile(|pair| &pair.other));
}

/// The owner takes over what the other one has, while one of them removes it.
fn takes_over_meanwhile(remover: impl Fn(&Pair) -> &Group) {
    // It was loaded by the peer that owned it before.
    let pair = Pair::new(true, |_, other| assert_eq!(version_in(other), 0));
    let takes_over = {
        let (owner, from) = (pair.owner.clone(), Arc::clone(&pair.to_other));
        move || {
            let mut taking = owner.take_over_from(from);
            while taking.step(1 << 20).unwrap().state == HandOverState::More {}
        }
    };
    let remove = |group: &Group| assert!(group.remove("key").is_complete());
    together(vec![
        boxed(takes_over),
        boxed(reads(&pair.owner)),
        boxed(changes_and_looks(&pair.source, remover(&pair), remove)),
    ]);
    for group in pair.groups() {
        assert_eq!(version_in(group), 1);
    }
}

#[test]
fn who_owes_a_removal_does_not_read_and_nobody_does_when_it_is_paid() {
    in_any_order(|| {
        let pair = Pair::new(false, |owner, _| assert_eq!(version_in(owner), 0));
        pair.to_owner.is_cut.store(true, Ordering::SeqCst);
        let (link, removes) = (Arc::clone(&pair.to_owner), pair.other.clone());
        let source = pair.source.clone();
        let removes_and_looks = move || {
            source.change();
            assert!(!removes.remove("key").is_complete());
            // The owner can be asked again, and still has the old value. Who picked it before may do
            // so now.
            link.is_cut.store(false, Ordering::SeqCst);
            thread::yield_now();
            assert_eq!(version_in(&removes), 1);
        };
        together(vec![
            boxed(reads(&pair.other)),
            boxed(reads(&pair.owner)),
            boxed(removes_and_looks),
        ]);
        pair.other.pay_debts(LONG).unwrap();
        for group in pair.groups() {
            assert_eq!(version_in(group), 1);
        }
    });
}
