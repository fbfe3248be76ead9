//! Where a peer is: its addresses, looked up on a thread of their own and kept.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::http::url::PeerUrl;
use crate::sync::lock;

/// Addresses older than this are looked up again, while the old ones stay in use.
const KEPT_FOR: Duration = Duration::from_secs(30);
/// Failures ask for a new look-up at most this often.
const LOOK_UP_EVERY: Duration = Duration::from_secs(1);
/// More addresses of one name than this are left out.
const MAX_ADDRESSES: usize = 16;

type LookUp = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The addresses of one peer.
///
/// `getaddrinfo` may block for long, so it runs on a thread of its own, one at a time. Only the
/// first call of all waits for it; later ones use the addresses that are known while newer ones are
/// looked up, and a name that stops resolving keeps its last addresses. A failed connection asks
/// for a new look-up, so a peer that moved is found.
pub(crate) struct Addresses {
    host: Box<str>,
    port: u16,
    look_up: Box<LookUp>,
    state: Mutex<LookUps>,
    /// How often an address was gone after a look-up.
    losses: AtomicU64,
    /// Told at the end of each look-up.
    ended: Condvar,
}

struct LookUps {
    known: Vec<SocketAddr>,
    /// A literal address needs no look-up, ever.
    fixed: bool,
    looking_up: bool,
    /// When the last look-up began.
    asked_at: Option<Instant>,
    /// How many look-ups ended.
    rounds: u64,
}

/// Why there is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAddress {
    NotFound,
    TimedOut,
}

impl Addresses {
    pub(crate) fn of(peer: &PeerUrl) -> Arc<Self> {
        Self::with_look_up(peer, |host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }

    pub(super) fn with_look_up(
        peer: &PeerUrl,
        look_up: impl Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let literal = peer.host().parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, peer.port()));
        let state = LookUps {
            fixed: literal.is_some(),
            known: literal.into_iter().collect(),
            looking_up: false,
            asked_at: None,
            rounds: 0,
        };
        Arc::new(Self {
            host: peer.host().into(),
            port: peer.port(),
            look_up: Box::new(look_up),
            state: Mutex::new(state),
            losses: AtomicU64::new(0),
            ended: Condvar::new(),
        })
    }

    /// Calls `each` with the addresses. Blocks for at most `timeout`, and only while no address was
    /// ever found.
    fn resolve(
        self: &Arc<Self>,
        timeout: Duration,
        each: impl FnMut(SocketAddr),
    ) -> Result<(), NoAddress> {
        let begun = Instant::now();
        self.look_up_if_older_than(KEPT_FOR, begun);
        let mut state = lock(&self.state);
        let rounds = state.rounds;
        while state.known.is_empty() {
            let left = timeout.saturating_sub(begun.elapsed());
            if state.rounds != rounds || !state.looking_up {
                return Err(NoAddress::NotFound);
            }
            if left.is_zero() {
                return Err(NoAddress::TimedOut);
            }
            let woken = self.ended.wait_timeout(state, left);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state.known.iter().copied().for_each(each);
        Ok(())
    }

    /// How often an address was gone after a look-up. As long as this is the same, each address
    /// that was among them still is.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }

    /// Whether the name stands for an address.
    pub(super) fn has(&self, address: SocketAddr) -> bool {
        lock(&self.state).known.iter().any(|known| is_same(known, &address))
    }

    /// A connection failed: the name may stand for other addresses by now.
    pub(crate) fn doubt(self: &Arc<Self>) {
        self.look_up_if_older_than(LOOK_UP_EVERY, Instant::now());
    }

    /// Begins a look-up if the last one began longer ago than `age`, or nothing is known.
    fn look_up_if_older_than(self: &Arc<Self>, age: Duration, now: Instant) {
        {
            let mut state = lock(&self.state);
            let recent = state.asked_at.is_some_and(|at| now.saturating_duration_since(at) < age);
            if state.fixed || state.looking_up || (recent && !state.known.is_empty()) {
                return;
            }
            state.looking_up = true;
            state.asked_at = Some(now);
        }
        let this = Arc::clone(self);
        let thread = thread::Builder::new().name("geecache-resolve".to_owned());
        let spawned = thread.spawn(move || {
            let found = (this.look_up)(&this.host, this.port);
            if let Err(error) = &found {
                log::debug!("looking up {} failed: {error}", this.host);
            }
            this.end_look_up(found.unwrap_or_default());
        });
        if let Err(error) = spawned {
            log::debug!("no thread to look up {}: {error}", self.host);
            self.end_look_up(Vec::new());
        }
    }

    /// Looks the name up, and waits for that.
    #[cfg(test)]
    pub(super) fn look_up_now(self: &Arc<Self>) {
        self.look_up_if_older_than(Duration::ZERO, Instant::now());
        let state = lock(&self.state);
        let waited =
            self.ended.wait_timeout_while(state, Duration::from_secs(10), |state| state.looking_up);
        assert!(!waited.unwrap().1.timed_out());
    }

    fn end_look_up(&self, mut found: Vec<SocketAddr>) {
        found.truncate(MAX_ADDRESSES);
        let mut state = lock(&self.state);
        state.looking_up = false;
        state.rounds += 1;
        if !found.is_empty() {
            let is_there = |address| found.iter().any(|found| is_same(found, address));
            let is_loss = !state.known.iter().all(is_there);
            state.known = found;
            self.losses.fetch_add(is_loss.into(), Ordering::Release);
        }
        drop(state);
        self.ended.notify_all();
    }
}

/// Whether both are one address. The system adds to an IPv6 address what we have no use for.
fn is_same(one: &SocketAddr, other: &SocketAddr) -> bool {
    (one.ip(), one.port()) == (other.ip(), other.port())
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Addresses").field("host", &self.host).finish_non_exhaustive()
    }
}

/// [`Addresses`] as ureq asks for them, before each call. The URL needs no look: an agent has one
/// peer.
#[derive(Debug)]
pub(crate) struct KeptAddresses(pub(crate) Arc<Addresses>);

impl Resolver for KeptAddresses {
    fn resolve(
        &self,
        _uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        match self.0.resolve(*timeout.after, |address| found.push(address)) {
            Ok(()) => Ok(found),
            Err(NoAddress::NotFound) => Err(ureq::Error::HostNotFound),
            Err(NoAddress::TimedOut) => Err(ureq::Error::Timeout(ureq::Timeout::Resolve)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    fn peer(url: &str) -> PeerUrl {
        PeerUrl::parse(url).expect("a good URL")
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn resolve(
        addresses: &Arc<Addresses>,
        timeout: Duration,
    ) -> Result<Vec<SocketAddr>, NoAddress> {
        let mut found = Vec::new();
        addresses.resolve(timeout, |address| found.push(address)).map(|()| found)
    }

    /// Waits until the look-up that is running has ended.
    fn settle(addresses: &Addresses) {
        let state = lock(&addresses.state);
        let (state, timeout) = addresses
            .ended
            .wait_timeout_while(state, LIMIT, |state| state.looking_up)
            .expect("no thread panicked");
        drop(state);
        assert!(!timeout.timed_out());
    }

    #[test]
    fn a_literal_address_is_never_looked_up() {
        for (url, expected) in [
            ("http://127.0.0.1:8001", address(8001)),
            ("http://[::1]:8001", SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 8001))),
        ] {
            let addresses = Addresses::with_look_up(&peer(url), |_, _| panic!("looked up"));
            assert_eq!(resolve(&addresses, Duration::ZERO), Ok(vec![expected]));
            addresses.doubt();
            assert_eq!(resolve(&addresses, Duration::ZERO), Ok(vec![expected]));
        }
    }

    #[test]
    fn a_look_up_that_hangs_holds_nobody_beyond_the_timeout() {
        let (end, ended) = mpsc::channel::<()>();
        let ended = Mutex::new(ended);
        let addresses = Addresses::with_look_up(&peer("http://name:1"), move |_, port| {
            let _ = lock(&ended).recv_timeout(LIMIT);
            Ok(vec![address(port)])
        });
        let begun = Instant::now();
        assert_eq!(resolve(&addresses, Duration::from_millis(50)), Err(NoAddress::TimedOut));
        assert_eq!(resolve(&addresses, Duration::ZERO), Err(NoAddress::TimedOut));
        assert!(begun.elapsed() < Duration::from_secs(5));
        end.send(()).expect("the look-up waits");
        assert_eq!(resolve(&addresses, LIMIT), Ok(vec![address(1)]));
    }

    #[test]
    fn a_peer_that_moved_is_found_after_a_failed_connection() {
        let (tell, told) = mpsc::channel::<io::Result<Vec<SocketAddr>>>();
        let told = Mutex::new(told);
        let addresses = Addresses::with_look_up(&peer("http://name:1"), move |_, _| {
            lock(&told).recv_timeout(LIMIT).expect("the test tells")
        });
        tell.send(Ok(vec![address(1)])).expect("it listens");
        assert_eq!(resolve(&addresses, LIMIT), Ok(vec![address(1)]));

        // Within a second a failure asks nobody again; afterwards it does, and no call waits for
        // the answer.
        addresses.doubt();
        assert_eq!(resolve(&addresses, Duration::ZERO), Ok(vec![address(1)]));
        addresses.look_up_if_older_than(LOOK_UP_EVERY, Instant::now() + LOOK_UP_EVERY);
        assert_eq!(resolve(&addresses, Duration::ZERO), Ok(vec![address(1)]));
        tell.send(Ok(vec![address(2), address(3)])).expect("it listens");
        settle(&addresses);
        assert_eq!(resolve(&addresses, Duration::ZERO), Ok(vec![address(2), address(3)]));

        // The name stops resolving: what is known stays.
        tell.send(Err(io::ErrorKind::NotFound.into())).expect("it listens");
        addresses.look_up_if_older_than(KEPT_FOR, Instant::now() + 2 * KEPT_FOR);
        settle(&addresses);
        assert_eq!(resolve(&addresses, Duration::ZERO), Ok(vec![address(2), address(3)]));
    }

    #[test]
    fn a_name_that_nobody_knows_is_looked_up_by_each_call() {
        let addresses = Addresses::with_look_up(&peer("http://name:1"), |_, _| {
            Err(io::ErrorKind::NotFound.into())
        });
        for _ in 0..3 {
            assert_eq!(resolve(&addresses, LIMIT), Err(NoAddress::NotFound));
        }
        assert_eq!(lock(&addresses.state).rounds, 3);
    }
}
