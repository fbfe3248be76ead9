//! [`Call`]: how a caller asks, and all that differs between one key and many.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Deadline;
use crate::error::{BoxError, Error, NotFound, PeerError, PeerErrorKind};
use crate::getter::{Getter, Loaded, Refreshed, is_beside_source};
use crate::group::batch::Answer;
use crate::group::error::{GetterPanicked, SharedCause, shared};
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
    /// Which keys are waited for a shorter time, as there is an expired value for them.
    soft: Option<SoftLimit>,
    /// Whether it waits for a place at the source, or takes a free one only.
    waits_for_place: bool,
}

/// Of the keys of a call, those from a place on are waited for until a deadline of their own.
#[derive(Debug, Clone, Copy)]
struct SoftLimit {
    from: usize,
    deadline: Deadline,
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
        Self { form: Form::One, deadline, chain: None, soft: None, waits_for_place: true }
    }

    /// The call of a caller who asks for a batch, maybe of one key.
    pub(super) fn many(deadline: Option<Deadline>) -> Self {
        Self { form: Form::Many, deadline, chain: None, soft: None, waits_for_place: true }
    }

    /// This call, in the `chain` of a getter of a peer, if there is one.
    pub(super) fn in_chain(self, chain: Option<Chain>) -> Self {
        Self { chain, ..self }
    }

    /// This call, in which the keys from the place `from` on are waited for no longer than
    /// `timeout`: there are expired values for them.
    pub(super) fn softened(self, from: usize, timeout: Duration) -> Self {
        let soft = Deadline::after(timeout).into_iter().chain(self.deadline);
        let soft = soft.min_by_key(|deadline| deadline.at);
        Self { soft: soft.map(|deadline| SoftLimit { from, deadline }), ..self }
    }

    /// The call of the key at this place alone.
    pub(super) fn of(self, at: usize) -> Self {
        match self.soft.filter(|soft| at >= soft.from) {
            Some(SoftLimit { deadline, .. }) => {
                Self { deadline: Some(deadline), soft: None, ..self }
            }
            None => self.hard(),
        }
    }

    /// The call of the keys at these places, of which the lower ones come first.
    pub(super) fn of_places(self, places: &[usize]) -> Self {
        let before = |soft: SoftLimit| places.iter().filter(|&&at| at < soft.from).count();
        let soft = self.soft.map(|soft| SoftLimit { from: before(soft), ..soft });
        Self { soft, ..self }
    }

    /// Whether there is an expired value for the key at this place.
    pub(super) fn is_soft(&self, at: usize) -> bool {
        self.soft.is_some_and(|soft| at >= soft.from)
    }

    /// The places of keys for which there is no expired value, and of those for which there is one,
    /// where there are some.
    pub(super) fn hard_and_soft(&self, places: Vec<usize>) -> impl Iterator<Item = Vec<usize>> {
        let (hard, soft) = match self.soft {
            None => (places, Vec::new()),
            Some(_) => places.into_iter().partition(|&at| !self.is_soft(at)),
        };
        [hard, soft].into_iter().filter(|places| !places.is_empty())
    }

    /// This call without expired values.
    pub(super) fn hard(self) -> Self {
        Self { soft: None, ..self }
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

    /// Until when it waits for a place at the source, if it has no other limit.
    pub(super) fn place_until(&self) -> Option<Instant> {
        if self.waits_for_place { self.until() } else { Some(Instant::now()) }
    }

    /// This call after one of its keys was answered so. If that found no place at the source in
    /// time, the next ones take a free one only: else a batch would wait once for each key.
    pub(super) fn after(self, answer: Option<&Answer>) -> Self {
        let was_refused = matches!(answer, Some(Err(Error::Overloaded { .. })));
        Self { waits_for_place: self.waits_for_place && !was_refused, ..self }
    }

    /// Whether the caller's time is up.
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

    /// Asks a getter, once. Something comes back for every key, whatever the getter does. With the
    /// `old` value of each key it is asked what has become of them.
    ///
    /// If it panics for a single key the panic goes on to the caller. For a batch it is an error of
    /// each key: nobody knows which one it was, and the panic would take those of other keys along.
    pub(super) fn ask_getter(
        self,
        getter: &dyn Getter,
        telling: &Telling,
        keys: &[&str],
        old: &[Loaded],
    ) -> Replies<GetterReply> {
        let span = spans::load(&telling.group, keys);
        let ask_one = |key: &str| match old.first() {
            Some(old) => getter.refresh(key, old),
            None => getter.get(key).map(Refreshed::Changed),
        };
        let ask_many = || match keys {
            [key] if !old.is_empty() => vec![ask_one(key).map_err(shared)],
            _ if old.is_empty() => {
                let changed = |outcome: Result<_, _>| outcome.map(Refreshed::Changed);
                getter.get_many(keys).into_iter().map(changed).map(share_error).collect()
            }
            _ => getter.refresh_many(keys, old).into_iter().map(share_error).collect(),
        };
        let replies = match (self.form, keys) {
            (Form::One, [key]) => Replies::One(Some(share_error(ask_one(key)))),
            (_, keys) => {
                let replies = match catch_unwind(AssertUnwindSafe(ask_many)) {
                    Ok(outcomes) if outcomes.len() == keys.len() => outcomes,
                    Ok(outcomes) => {
                        let (got, asked) = (outcomes.len(), keys.len());
                        let wrong = format!("the getter answered {got} of {asked} keys");
                        vec![Err(wrong_answer(wrong)); asked]
                    }
                    Err(panic) => {
                        // Its drop may panic as well.
                        std::mem::forget(panic);
                        let what = format!("{} keys from {:?} on", keys.len(), keys[0]);
                        telling.panicked("batch", &what);
                        let panicked: SharedCause = Arc::new(GetterPanicked);
                        vec![Err(panicked); keys.len()]
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

/// What a getter said of one key.
pub(super) type GetterReply = Result<Refreshed, SharedCause>;

fn share_error(outcome: Result<Refreshed, BoxError>) -> GetterReply {
    outcome.map_err(shared)
}

/// The error of keys whose getter does not do as it should.
pub(super) fn wrong_answer(what: impl Into<BoxError>) -> SharedCause {
    what.into().into()
}

impl Replies<GetterReply> {
    fn as_slice(&self) -> &[GetterReply] {
        match self {
            Self::One(reply) => reply.as_slice(),
            Self::Many(replies) => replies.as_slice(),
        }
    }

    /// Whether the getter failed for one of the keys, which is more than that there is no value.
    fn has_failed(&self) -> bool {
        self.as_slice().iter().any(|reply| failure_in(reply).is_some())
    }

    /// What is known of the source by them, if anything is: the last error, if it failed for all
    /// of the keys that it was asked for.
    pub(super) fn of_source(&self) -> Option<Result<(), SharedCause>> {
        let mut failure = None;
        for reply in self.as_slice() {
            match failure_in(reply) {
                None => return Some(Ok(())),
                Some(error) if is_beside_source(&**error) => {}
                Some(error) => failure = Some(error),
            }
        }
        failure.map(|error| Err(Arc::clone(error)))
    }
}

fn failure_in(reply: &GetterReply) -> Option<&SharedCause> {
    reply.as_ref().err().filter(|error| !error.is::<NotFound>())
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
