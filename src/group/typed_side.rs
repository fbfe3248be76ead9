//! What a [`TypedGroup`](crate::TypedGroup) needs of the group below it.

use std::sync::Weak;
use std::time::Duration;

use crate::byteview::ByteView;
use crate::clock::Deadline;
use crate::getter::Loaded;
use crate::group::Group;
use crate::group::batch::{Answer, all};
use crate::group::call::Call;
use crate::group::memory::Beside;
use crate::group::parts::IsUseful;
use crate::origin::Origin;
use crate::random::is_sampled;

impl Group {
    /// A get that looks into memory alone; `Some(None)` where it is known that there is no value.
    #[inline]
    pub(crate) fn get_in_memory(&self, key: &str) -> Option<Option<ByteView>> {
        if is_sampled() && !key.is_empty() {
            return self.value_sampled(key);
        }
        self.parts.memory.value(key, |seen| self.parts.refresh(key, seen))
    }

    /// The load of a key that is not in memory.
    pub(crate) fn load_until(&self, key: &str, deadline: Option<Deadline>) -> Answer {
        self.load_one(key, Call::one(deadline))
    }

    /// A get with all that is known of the value.
    pub(crate) fn get_until(&self, key: &str, deadline: Option<Deadline>) -> Answer {
        self.get_loaded(key, deadline)
    }

    /// Where a value of `key` came from, that a load says is of this origin: a stand-in answers as
    /// the owner does.
    pub(crate) fn origin_of(&self, key: &str, origin: Origin) -> Origin {
        match origin {
            Origin::Owner | Origin::OwnerMemory
                if !self.parts.owners.picker().picks_the_owner(key) =>
            {
                Origin::StandIn
            }
            origin => origin,
        }
    }

    /// [`get_many`](Self::get_many), with all that is known of the values.
    pub(crate) fn get_many_until(&self, keys: &[&str], deadline: Option<Deadline>) -> Vec<Answer> {
        self.get_many_loaded(keys, Call::many(deadline))
    }

    /// Loads keys, which must differ, here, as what memory and the owners have is of no use. Where
    /// the origin of an answer is not the getter, it may be of no use, too.
    pub(crate) fn load_useful_until(
        &self,
        keys: &[&str],
        deadline: Option<Deadline>,
        is_useful: &IsUseful,
    ) -> Vec<Answer> {
        let call = if keys.len() == 1 { Call::one(deadline) } else { Call::many(deadline) };
        all(self.parts.load_useful(keys, call, is_useful))
    }

    /// Has `neighbour` learn which entries are gone.
    pub(crate) fn tell_of_entries(&self, neighbour: Weak<dyn Beside>) {
        self.parts.memory.tell_of_entries(neighbour);
    }

    /// How long a get waits that says nothing about it.
    pub(crate) fn wait_timeout(&self) -> Option<Duration> {
        self.parts.wait_timeout
    }

    /// The value of an entry that holds the same bytes as `loaded`, which has just been loaded.
    pub(crate) fn entry_of(&self, key: &str, loaded: &Loaded) -> Option<ByteView> {
        self.peek(key).filter(|entry| loaded.value() == Some(entry))
    }
}
