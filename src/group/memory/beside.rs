//! [`Beside`]: what is kept beside the entries of a group, by those who know what is in them.

use std::sync::Weak;

use crate::byteview::ByteView;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, lock};

/// Somebody who keeps something for each entry, and gives it up when the entry is gone.
///
/// It has to see by itself that an entry is gone: most entries leave when others need their room.
/// It is told what costs little to tell, so that memory is given back early.
pub(crate) trait Beside: Send + Sync {
    /// The entry with this value was removed.
    fn removed(&self, value: &ByteView);

    /// All entries were.
    fn cleared(&self);

    /// The entry with the `old` value got another life, and a copy of its value with that.
    fn renewed(&self, old: &ByteView, new: &ByteView);

    /// Another entry was made, for which others may have had to leave.
    fn inserted(&self);
}

/// All who keep something beside the entries of a group.
#[derive(Default)]
pub(super) struct Neighbours {
    /// Whether there are any: most groups have none, and pay for no lock.
    any: AtomicBool,
    all: Mutex<Vec<Weak<dyn Beside>>>,
}

impl Neighbours {
    pub(super) fn add(&self, neighbour: Weak<dyn Beside>) {
        let mut all = lock(&self.all);
        all.retain(|it| it.strong_count() > 0);
        all.push(neighbour);
        self.any.store(true, Ordering::Release);
    }

    pub(super) fn are_there(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Tells all of them something. No lock is held meanwhile.
    pub(super) fn tell(&self, tell: impl Fn(&dyn Beside)) {
        if self.are_there() {
            let all = lock(&self.all).clone();
            all.iter().filter_map(Weak::upgrade).for_each(|it| tell(&*it));
        }
    }
}
