//! [`HandedOver`]: which new owners have got what is theirs.

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::peers::HandOverState;
use crate::sync::lock;

/// So many are remembered: names come from sockets.
const MOST_REMEMBERED: usize = 64 << 10;

/// Which new owners have got everything of which group, and by which list of peers.
#[derive(Debug, Default)]
pub(crate) struct HandedOver {
    through: Mutex<BTreeMap<(String, String), u32>>,
}

impl HandedOver {
    /// What came of a request by the list that has the digest.
    pub(super) fn note(&self, (name, group): (&str, &str), state: HandOverState, digest: u32) {
        let it = (name.to_owned(), group.to_owned());
        let mut through = lock(&self.through);
        if state != HandOverState::Ended {
            through.remove(&it);
        } else if through.len() < MOST_REMEMBERED {
            through.insert(it, digest);
        }
    }

    /// Nobody has got anything of what is to be handed over from now on.
    pub(crate) fn forget(&self) {
        let before = std::mem::take(&mut *lock(&self.through));
        drop(before);
    }

    /// The digest of the list by which the peer called `name` has got everything of a group.
    pub(crate) fn is_through_by(&self, name: &str, group: &str) -> Option<u32> {
        lock(&self.through).get(&(name.to_owned(), group.to_owned())).copied()
    }
}
