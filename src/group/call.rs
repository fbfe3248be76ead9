//! [`Call`]: how a caller asks, and all that differs between one key and many.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::clock::Deadline;
use crate::error::{BoxError, NotFound, PeerError, PeerErrorKind};
use crate::getter::{Getter, Loaded};
use crate::group::error::GetterPanicked;
use crate::group::nesting::Chain;
use crate::group::telling::Telling;
use crate::peers::{PeerGetter, TellAnswer};
use crate::spans;

/// What the caller of a load wants beside the value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    form: Form,
    /// When the caller goes, with or without a value.
    pub(super) deadline: Option<Deadline>,
    /// The chain in which a getter of a peer asks, if it is one. Loads for such a caller have
    /// threads of their own: all others may wait for it.
    pub(super) chain: Option<Chain>,
}

/// A load of one key and a load of many are the same, but for the two questions below.
#[derive(Debug, Clone, Copy)]
enum Form {
    One,
    Many,
}

impl Call {
    /// The call of a caller who asks for a single key.
    pub(super) fn one(deadline: Option<Deadline>) -> Self {
        Self { form: Form::One, deadline, chain: None }
    }

    /// The call of a caller who asks for a batch, maybe of one key.
    pub(super) fn many(deadline: Option<Deadline>) -> Self {
        Self { form: Form::Many, deadline, chain: None }
    }

    /// This call, in the `chain` of a getter of a peer, if there is one.
    pub(super) fn in_chain(self, chain: Option<Chain>) -> Self {
        Self { chain, ..self }
    }

    /// The queue for a thread in which loads for this caller wait: the second one for a getter of a
    /// peer, and the third one for one that such a getter waits for. Loads of one queue may wait
    /// for those of later ones, and never for those of earlier ones.
    pub(super) fn queue(&self) -> u8 {
        self.chain.map_or(0, |chain| chain.hops().min(2))
    }

    /// When the caller's time is up.
    pub(super) fn until(&self) -> Option<Instant> {
        self.deadline.map(|deadline| deadline.at)
    }

    /// Whether it is.
    pub(super) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline.left().is_zero())
    }

    /// This call with its share of the time that is left, where so many other things `wait` for it.
    pub(super) fn share(self, wait: usize) -> Self {
        let Some(deadline) = self.deadline.filter(|_| wait > 0) else { return self };
        let parts = u32::try_from(wait).unwrap_or(u32::MAX).saturating_add(1);
        let at = Instant::now() + deadline.left() / parts;
        Self { deadline: Some(Deadline { at, ..deadline }), ..self }
    }

    /// Asks a getter, once. Something comes back for every key, whatever the getter does.
    ///
    /// If it panics for a single key the panic goes on to the caller. For a batch it is an error of
    /// each key: nobody knows which one it was, and the panic would take those of other keys along.
    pub(super) fn ask_getter(
        self,
        getter: &dyn Getter,
        telling: &Telling,
        keys: &[&str],
    ) -> Replies<Result<Loaded, BoxError>> {
        let span = spans::load(&telling.group, keys);
        let replies = match (self.form, keys) {
            (Form::One, [key]) => Replies::One(Some(getter.get(key))),
            (_, keys) => {
                let replies = match catch_unwind(AssertUnwindSafe(|| getter.get_many(keys))) {
                    Ok(outcomes) if outcomes.len() == keys.len() => outcomes,
                    Ok(outcomes) => {
                        let (got, asked) = (outcomes.len(), keys.len());
                        let wrong = || format!("the getter answered {got} of {asked} keys");
                        keys.iter().map(|_| Err(wrong().into())).collect()
                    }
                    Err(panic) => {
                        // Its drop may panic as well.
                        std::mem::forget(panic);
                        let what = format!("{} keys from {:?} on", keys.len(), keys[0]);
                        telling.panicked("batch", &what);
                        keys.iter().map(|_| Err(GetterPanicked.into())).collect()
                    }
                };
                Replies::Many(replies.into_iter())
            }
        };
        span.end(if replies.has_failed() { "failed" } else { "loaded" });
        replies
    }

    /// Asks a peer, once. A transport that panics has failed for every key that it has not told of;
    /// of those that it has told of, `tell` hears once more.
    pub(super) fn ask_peer(
        self,
        peer: &dyn PeerGetter,
        group: &str,
        keys: &[&str],
        tell: TellAnswer<'_>,
    ) {
        let left = self.deadline.map(|deadline| deadline.left());
        let ask = || match (self.form, keys, left) {
            (Form::One, [key], None) => tell(0, peer.get(group, key)),
            (Form::One, [key], Some(left)) => tell(0, peer.get_timeout(group, key, left)),
            (_, keys, None) => peer.get_many(group, keys, tell),
            (_, keys, Some(left)) => peer.get_many_timeout(group, keys, left, tell),
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(ask)) {
            // Its drop may panic as well.
            std::mem::forget(panic);
            for at in 0..keys.len() {
                let message = "the transport panicked";
                tell(at, Err(PeerError::new(PeerErrorKind::Protocol, peer.name(), message)));
            }
        }
    }
}

/// What was said of each key, in their order. Of one key it takes no allocation.
pub(super) enum Replies<T> {
    One(Option<T>),
    Many(std::vec::IntoIter<T>),
}

impl Replies<Result<Loaded, BoxError>> {
    /// Whether the getter failed for one of the keys, which is more than that there is no value.
    fn has_failed(&self) -> bool {
        let replies = match self {
            Self::One(reply) => reply.as_slice(),
            Self::Many(replies) => replies.as_slice(),
        };
        replies.iter().any(|reply| reply.as_ref().is_err_and(|error| !error.is::<NotFound>()))
    }
}

impl<T> Iterator for Replies<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::One(reply) => reply.take(),
            Self::Many(replies) => replies.next(),
        }
    }
}
