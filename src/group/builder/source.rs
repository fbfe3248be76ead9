//! What protects the source, and callers from it.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use crate::group::builder::GroupBuilder;

/// Protecting the source.
impl GroupBuilder {
    /// How long a load, or a question to the owner, is waited for where an expired value may still
    /// be served. After that the caller gets the expired value, and the load goes on. Defaults to
    /// no limit.
    ///
    /// *May still be served* is what [`stale_if_error`](Self::stale_if_error) says. Without that
    /// option there is nothing to serve, and this one does nothing.
    ///
    /// With this option a copy of another peer's value is kept for that span as well, past the end
    /// of its [`hot_ttl`](Self::hot_ttl). It is served only where its owner is slow, or no load
    /// succeeds. A process that only asks is not told of removals, and may serve it for so much
    /// longer.
    ///
    /// A load that may be left runs on one of [`max_loaders`](Self::max_loaders) threads. In a
    /// batch the keys that have an expired value are waited for as long as those that have none,
    /// and not longer. A load by a getter, on its thread, can't be left.
    #[must_use]
    pub fn soft_timeout(mut self, timeout: Duration) -> Self {
        self.soft_timeout = Some(timeout);
        self.lifetimes.keeps_old_copies = true;
        self
    }

    /// How many calls of the getter may run at once: a pool of 16 connections wants 16. A call of
    /// [`get_many`](crate::Getter::get_many) is one, for any number of keys. Defaults to no limit.
    ///
    /// A load that finds no place waits for one, and those who came first get it first. It waits as
    /// long as its caller does, but no longer than 30 s, and is an
    /// [`Error::Overloaded`](crate::Error::Overloaded) then. A caller who waits for the load of
    /// another one, and has waited for less than 30 s by then, tries once more.
    ///
    /// A load by a getter of this group, on its thread, shares the place of that getter. A load by
    /// a getter of another group that has this option, too, or by a getter of a peer, does not
    /// wait, and goes past the limit where no place is free: two that wait for each other would
    /// wait for ever.
    #[must_use]
    pub fn max_loads(mut self, calls: NonZeroUsize) -> Self {
        self.source.max_loads = Some(calls);
        self
    }

    /// Lets the getter rest for `pause` after so many failures in a row. Defaults to never.
    ///
    /// While it rests it is not called: an expired value is served where
    /// [`stale_if_error`](Self::stale_if_error) allows it, and else
    /// [`Error::SourceDown`](crate::Error::SourceDown) comes at once. After the pause one call
    /// tries it, and the others still get that error. If it fails, the getter rests again. If it
    /// succeeds, two calls may run at once, then one more with each success, up to
    /// [`max_loads`](Self::max_loads), or to any number after 64: a database that has just come
    /// back is not met by all callers at the same moment.
    ///
    /// An error is a failure, and so is a panic. [`NotFound`](crate::NotFound) is a success. A
    /// batch is one call, and has failed if all of its keys have. A call that takes long is no
    /// failure, whatever its caller's time limit; but calls that take longer than the pause do not
    /// keep the next ones away, neither a trial nor those that follow it. An error that is about
    /// one key alone counts as well, so choose a number that such keys do not reach in a row: 10,
    /// or more.
    #[must_use]
    pub fn source_breaker(mut self, failures: NonZeroU32, pause: Duration) -> Self {
        self.source.breaker = Some((failures, pause));
        self
    }

    /// Loads a key here as well when its owner has not answered in the time in which this part of
    /// its answers comes, such as 0.95. The first value is the answer, and the other one counts as
    /// no failure. Values from 0.5 to 0.999 make sense, and others are taken for the nearest of
    /// these. Defaults to never.
    ///
    /// It cuts the longest waits where the slowness is one peer's, such as a pause or a lost
    /// packet. It costs a second load of the source for up to one in 20 questions to peers, saved
    /// up for ten at most, and a change of threads for each question. It holds for gets of single
    /// keys, after 20 answers of a peer, and not before 1 ms. It needs peers that have
    /// [names](crate::PeerGetter::name). Under
    /// [`OwnerErrors::ReturnAll`](crate::OwnerErrors::ReturnAll) there is none.
    #[must_use]
    pub fn hedge(mut self, quantile: f64) -> Self {
        self.hedge = Some(quantile);
        self
    }
}
