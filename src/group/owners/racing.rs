//! Questions to a peer that race with a load in this process.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::group::owners::Owners;
use crate::group::owners::forward::{Forwarded, OwnerHost, Request};
use crate::group::owners::hedges::{RaceEnd, TellFirst};
use crate::group::owners::losses::Losses;
use crate::group::owners::rule::OwnerErrors;
use crate::spans::Context;

impl Owners {
    /// Sends a request. One for a single key runs on another thread; when it takes longer than
    /// usual, the key is loaded here as well, and the first value is the answer. The other one is
    /// no failure.
    pub(super) fn send_hedged(
        self: &Arc<Self>,
        request: Arc<Request>,
        host: &Arc<impl OwnerHost>,
        losses: &Arc<Losses>,
    ) -> Vec<(usize, Forwarded)> {
        let only = request.only_flight().filter(|_| self.owner_errors != OwnerErrors::ReturnAll);
        let delay = self.hedges.delay(request.peer_name());
        let (Some((at, key, follower)), Some(delay)) = (only, delay) else {
            return self.send_timed(&request, &**host, losses);
        };
        let (tell, told) = mpsc::channel();
        if !self.send_elsewhere(&request, (host, losses), tell.clone()) {
            return self.send_timed(&request, &**host, losses);
        }
        match told.recv_timeout(delay) {
            Ok(RaceEnd::Owner(landed)) => return landed,
            Ok(RaceEnd::Here(_)) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Vec::new(),
        }
        if self.hedges.take() && self.load_elsewhere(&request, key, host, tell) {
            self.counters.hedges.add_one();
        }
        // The request ends in bounded time, and tells or drops its end of the channel then.
        for first in told {
            match first {
                RaceEnd::Owner(landed) => return landed,
                RaceEnd::Here(Ok(loaded)) => {
                    self.counters.hedges_won.add_one();
                    let forwarded = Forwarded::Answered(loaded);
                    // For those who wait for the flight. The request lands in vain then.
                    if let Ok(leader) = self.flights.back_up(&follower, Duration::ZERO) {
                        leader.land(&forwarded);
                    }
                    return vec![(at, forwarded)];
                }
                RaceEnd::Here(Err(_)) => {}
            }
        }
        Vec::new()
    }

    fn send_timed(
        &self,
        request: &Request,
        host: &impl OwnerHost,
        losses: &Losses,
    ) -> Vec<(usize, Forwarded)> {
        let ask = || request.run(&self.asking(request.call, host, losses));
        self.hedges.timed(request.peer_name(), ask)
    }

    /// Sends the request on another thread, if one is free.
    fn send_elsewhere(
        self: &Arc<Self>,
        request: &Arc<Request>,
        (host, losses): (&Arc<impl OwnerHost>, &Arc<Losses>),
        tell: TellFirst,
    ) -> bool {
        let (owners, request) = (Arc::clone(self), Arc::clone(request));
        let (host, losses) = (Arc::clone(host), Arc::clone(losses));
        let context = Context::of_this_thread();
        self.racers.run_now(move || {
            let send = || owners.send_timed(&request, &*host, &losses);
            // Nobody listens where the other one was first.
            let _ = tell.send(RaceEnd::Owner(context.run(send)));
        })
    }

    /// Loads the key here, on another thread, if one is free.
    fn load_elsewhere(
        &self,
        request: &Request,
        key: Arc<str>,
        host: &Arc<impl OwnerHost>,
        tell: TellFirst,
    ) -> bool {
        let (host, call, context) = (Arc::clone(host), request.call, Context::of_this_thread());
        self.racers.run_now(move || {
            let _ = tell.send(RaceEnd::Here(context.run(|| host.load_beside(&key, call))));
        })
    }
}
