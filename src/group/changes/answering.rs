//! [`Answering`]: who answers for keys, in each zone, while a change goes from them to the rest.

use std::sync::Arc;

use crate::group::batch::{ByPeer, by_peer, is_same_peer};
use crate::peers::{PeerGetter, PeerPicker, ZoneOwner};

/// So often the last round of a change is made once more, while owners change. Lists that change
/// more often than that, within one change, leave copies.
const MAX_ROUNDS_AGAIN: usize = 3;

/// The peers that answer for keys at a moment: the owners, or those that stand in for them.
pub(super) struct Answering<'k> {
    /// Who is asked by this process; `None` for itself.
    here: Vec<(&'k str, Option<Arc<dyn PeerGetter>>)>,
    elsewhere: Vec<(&'k str, ZoneOwner)>,
}

impl<'k> Answering<'k> {
    pub(super) fn of(keys: &[&'k str], picker: &dyn PeerPicker) -> Self {
        let here = keys.iter().map(|&key| (key, picker.pick_peer(key))).collect();
        let there = |&key: &&'k str| {
            let owners = picker.owners_in_other_zones(key).into_iter();
            owners.map(move |owner| (key, owner))
        };
        Self { here, elsewhere: keys.iter().flat_map(there).collect() }
    }

    /// Whether this process answers for one of the keys.
    pub(super) fn is_this_process(&self) -> bool {
        self.here.iter().any(|(_, peer)| peer.is_none())
    }

    /// The peers, and what they answer for.
    pub(super) fn peers(&self) -> ByPeer<String> {
        let here = self.here.iter().map(|(key, peer)| (peer.clone(), *key));
        let elsewhere = self.elsewhere.iter().map(|(key, it)| (Some(Arc::clone(&it.peer)), *key));
        by_peer(here.chain(elsewhere).map(|(peer, key)| (peer, key.to_owned()))).0
    }

    /// The peers that owned the keys before the list changed, and which.
    pub(super) fn previous(&self, picker: &dyn PeerPicker) -> ByPeer<String> {
        let here = self.here.iter().map(|(key, _)| (picker.previous_owner(key), *key));
        let elsewhere = self.elsewhere.iter().map(|(key, it)| (it.previous.clone(), *key));
        by_peer(here.chain(elsewhere).map(|(peer, key)| (peer, key.to_owned()))).0
    }

    /// Whether one of them is not the owner.
    pub(super) fn has_stand_ins(&self, picker: &dyn PeerPicker) -> bool {
        self.here.iter().any(|(key, _)| !picker.picks_the_owner(key))
            || self.elsewhere.iter().any(|(_, it)| !it.is_owner)
    }

    /// Makes the last round of a change, in which the rest is told. Then it has all be told once
    /// more, as often as it takes: where somebody could not be told, which `round` says, or stands
    /// in for an owner, or came to answer for a key meanwhile. Such a one was among the rest, and
    /// others, which were told before it, may have asked it: those who answered before, too.
    ///
    /// `round` is told whether it is made once more.
    pub(super) fn tell_the_rest(
        mut self,
        picker: &dyn PeerPicker,
        mut round: impl FnMut(bool) -> bool,
    ) {
        let keys: Vec<&str> = self.here.iter().map(|(key, _)| *key).collect();
        let has_stand_ins = self.has_stand_ins(picker);
        let mut again = round(false) || has_stand_ins;
        for _ in 0..MAX_ROUNDS_AGAIN {
            let now = Answering::of(&keys, picker);
            if !again && now.is_as(&self) {
                return;
            }
            round(true);
            (self, again) = (now, false);
        }
    }

    fn is_as(&self, other: &Self) -> bool {
        let (mut here, mut elsewhere) =
            (self.here.iter().zip(&other.here), self.elsewhere.iter().zip(&other.elsewhere));
        self.elsewhere.len() == other.elsewhere.len()
            && here.all(|((_, one), (_, other))| is_same_pick(one.as_ref(), other.as_ref()))
            && elsewhere.all(|((_, one), (_, other))| is_same_peer(&one.peer, &other.peer))
    }
}

/// Whether the same peer answers, or this process.
fn is_same_pick(one: Option<&Arc<dyn PeerGetter>>, other: Option<&Arc<dyn PeerGetter>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => is_same_peer(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}
