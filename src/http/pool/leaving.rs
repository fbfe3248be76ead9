//! Leaves the cluster when the process is told to end (feature `signal`, on Unix).

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::error::Error;
use crate::http::pool::checks::invalid;
use crate::http::pool::{Halves, HttpPool};

impl HttpPool {
    /// Has the pool [leave](Self::leave) at the first `SIGTERM` or `SIGINT` (Ctrl-C), and then ends
    /// the process as the signal does by itself (feature `signal`, on Unix).
    ///
    /// From the signal on, `/readyz` answers 503 and the pool owns no key. Peers that
    /// [follow](Self::follow) a source learn that within a second or two, and take over what is in
    /// memory here. When they have everything, or after `stay`, it finishes the requests in flight,
    /// for at most [`drain_timeout`](crate::HttpPoolBuilder::drain_timeout). A second signal ends
    /// the process at once.
    ///
    /// The supervisor has to wait for that long before it kills: `terminationGracePeriodSeconds` in
    /// Kubernetes, `TimeoutStopSec` in systemd. [`guide::deploy`](crate::guide::deploy) has both.
    ///
    /// It is for the one pool of a program, to be called once. It does not keep the pool from its
    /// end. A program with more to do at its end has
    /// [`leave_on_signal_then`](Self::leave_on_signal_then).
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOption`] if the system gives no handler or no thread for that.
    pub fn leave_on_signal(&self, stay: Duration) -> Result<(), Error> {
        self.watch_signals(stay, |signal| {
            // It fails for signals only that are none of ours.
            let _ = emulate_default_handler(signal);
        })
    }

    /// As [`leave_on_signal`](Self::leave_on_signal), but calls `end` once the pool has left, on a
    /// thread of the pool, in place of ending the process: that is up to the program then. See
    /// [`guide::ending`](crate::guide::ending).
    ///
    /// # Errors
    ///
    /// Those of `leave_on_signal`.
    pub fn leave_on_signal_then(
        &self,
        stay: Duration,
        end: impl FnOnce() + Send + 'static,
    ) -> Result<(), Error> {
        self.watch_signals(stay, |_| end())
    }

    fn watch_signals(
        &self,
        stay: Duration,
        end: impl FnOnce(i32) + Send + 'static,
    ) -> Result<(), Error> {
        let failed = |error| invalid("leave_on_signal", format!("no signal can be seen: {error}"));
        let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(failed)?;
        let halves = Arc::downgrade(&self.halves);
        let mut leave = Some(move |signal| {
            if let Some(halves) = halves.upgrade() {
                leave(halves, stay, signal);
            }
            end(signal);
        });
        let watch = move || {
            for signal in signals.forever() {
                let leaves = leave.take().map(|leave| named().spawn(move || leave(signal)));
                // The second signal, or no thread to leave on.
                if !matches!(leaves, Some(Ok(_))) {
                    let _ = emulate_default_handler(signal);
                }
            }
        };
        named().spawn(watch).map(drop).map_err(failed)
    }
}

fn leave(halves: Arc<Halves>, stay: Duration, signal: i32) {
    let pool = HttpPool { halves };
    log::info!("{pool:?} leaves, as the process was told to end by signal {signal}");
    pool.leave(stay);
}

fn named() -> thread::Builder {
    thread::Builder::new().name("geecache-signal".to_owned())
}
