//! [`Call`]: how a caller asks, and all that differs between one key and many.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::clock::Deadline;
use crate::error::{BoxError, PeerError, PeerErrorKind};
use crate::getter::{Getter, Loaded};
use crate::group::error::GetterPanicked;
use crate::group::telling::Telling;
use crate::peers::PeerGetter;

/// What the caller of a load wants beside the value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    form: Form,
    /// When the caller goes, with or without a value.
    pub(super) deadline: Option<Deadline>,
    /// Whether a getter of a peer asks. Loads for such a caller have threads of their own: all
    /// others may wait for it.
    pub(super) is_nested: bool,
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
        Self { form: Form::One, deadline, is_nested: false }
    }

    /// The call of a caller who asks for a batch, maybe of one key.
    pub(super) fn many(deadline: Option<Deadline>) -> Self {
        Self { form: Form::Many, deadline, is_nested: false }
    }

    /// This call, by a getter of a peer.
    pub(super) fn nested(self) -> Self {
        Self { is_nested: true, ..self }
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
        match (self.form, keys) {
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
        }
    }

    /// Asks a peer, once. The answer may have another length than `keys`. A transport that panics
    /// has failed for every key.
    pub(super) fn ask_peer(
        self,
        peer: &dyn PeerGetter,
        group: &str,
        keys: &[&str],
    ) -> Vec<Result<Loaded, PeerError>> {
        let left = self.deadline.map(|deadline| deadline.left());
        let ask = || match (self.form, keys, left) {
            (Form::One, [key], None) => vec![peer.get(group, key)],
            (Form::One, [key], Some(left)) => vec![peer.get_timeout(group, key, left)],
            (_, keys, None) => peer.get_many(group, keys),
            (_, keys, Some(left)) => peer.get_many_timeout(group, keys, left),
        };
        catch_unwind(AssertUnwindSafe(ask)).unwrap_or_else(|panic| {
            // Its drop may panic as well.
            std::mem::forget(panic);
            let error =
                || PeerError::new(PeerErrorKind::Protocol, peer.name(), "the transport panicked");
            keys.iter().map(|_| Err(error())).collect()
        })
    }
}

/// What was said of each key, in their order. Of one key it takes no allocation.
pub(super) enum Replies<T> {
    One(Option<T>),
    Many(std::vec::IntoIter<T>),
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
