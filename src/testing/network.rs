//! [`Network`]: the connections between the processes of a test.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::sync::lock;
use crate::testing::connection::{Carried, Passes, Piece};
use crate::testing::fault::Fault;
use crate::testing::waits::PATIENCE;

/// The port in the URLs of all peers.
const PORT: u16 = 8000;
/// How many peers a cluster may have.
pub(super) const MAX_PEERS: usize = 60_000;

/// All connections between the peers of a cluster, and what goes wrong with them.
///
/// Peers know each other by addresses at which nobody listens: 127.1.0.1, 127.1.0.2, and so on.
/// They are the same in each run, so the owners of keys are as well, and a peer that comes back has
/// the one that it had. Here they are taken for the ports that the system has chosen.
#[derive(Default)]
pub(super) struct Network {
    state: Mutex<Wiring>,
    /// Told when something is mended, or breaks.
    changed: Condvar,
}

#[derive(Default)]
struct Wiring {
    /// Where peers listen.
    ports: BTreeMap<usize, SocketAddr>,
    /// By who asks, which is anybody where it is `None`, and who is asked.
    faults: BTreeMap<(Option<usize>, usize), Fault>,
    dead: BTreeSet<usize>,
    open: Vec<OpenWire>,
    is_over: bool,
}

/// An open connection, and between whom.
struct OpenWire {
    from: usize,
    to: usize,
    carried: Weak<Carried>,
}

impl Wiring {
    fn fault(&self, from: usize, to: usize) -> Option<Fault> {
        if self.is_over || self.dead.contains(&from) || self.dead.contains(&to) {
            return Some(Fault::Refuse);
        }
        let of_all = || self.faults.get(&(None, to));
        self.faults.get(&(Some(from), to)).or_else(of_all).copied()
    }

    /// The connections that can't be open by now. They are closed without the lock.
    fn take_broken(&mut self) -> Vec<Arc<Carried>> {
        let open = std::mem::take(&mut self.open);
        let mut broken = Vec::new();
        for wire in open {
            let Some(carried) = wire.carried.upgrade() else { continue };
            if self.fault(wire.from, wire.to) == Some(Fault::Refuse) {
                broken.push(carried);
            } else {
                self.open.push(wire);
            }
        }
        broken
    }
}

impl Network {
    /// Says where a peer listens, that may have listened elsewhere before. It is alive.
    pub(super) fn listens(&self, number: usize, at: SocketAddr) {
        self.change(|wiring| {
            wiring.ports.insert(number, at);
            wiring.dead.remove(&number);
        });
    }

    /// Breaks the way to `to`, from one or from all.
    pub(super) fn fail(&self, from: Option<usize>, to: usize, fault: Fault) {
        self.change(|wiring| _ = wiring.faults.insert((from, to), fault));
    }

    /// Mends all ways. Those who are dead stay so.
    pub(super) fn heal(&self) {
        self.change(|wiring| wiring.faults.clear());
    }

    /// Ends all connections of a process. Nobody reaches it from now on, and it reaches nobody.
    pub(super) fn kill(&self, number: usize) {
        self.change(|wiring| _ = wiring.dead.insert(number));
    }

    pub(super) fn is_dead(&self, number: usize) -> bool {
        lock(&self.state).dead.contains(&number)
    }

    /// Ends all connections, and all waits.
    pub(super) fn end(&self) {
        self.change(|wiring| wiring.is_over = true);
    }

    fn change(&self, change: impl FnOnce(&mut Wiring)) {
        let broken = {
            let mut state = lock(&self.state);
            change(&mut state);
            state.take_broken()
        };
        self.changed.notify_all();
        broken.iter().for_each(|carried| carried.cut());
    }

    /// Connects `from` to the peer that is known by `address`. Other addresses are what they are.
    pub(super) fn dial(
        self: &Arc<Self>,
        from: usize,
        address: &SocketAddr,
        within: Option<Duration>,
    ) -> io::Result<TcpStream> {
        let until = Instant::now() + within.unwrap_or(PATIENCE).min(PATIENCE);
        let Some(to) = number_of(address) else { return connect(address, until) };
        let port = {
            let is_cut = |fault| fault == Some(Fault::BlackHole);
            let state = self.wait_while(until, |wiring| is_cut(wiring.fault(from, to)));
            match state.fault(from, to) {
                Some(Fault::BlackHole) => return Err(io::ErrorKind::TimedOut.into()),
                Some(Fault::Refuse) => return Err(io::ErrorKind::ConnectionRefused.into()),
                _ => state.ports.get(&to).copied(),
            }
        };
        let port = port.ok_or(io::ErrorKind::ConnectionRefused)?;
        let network = Arc::clone(self);
        let fate = move |piece| network.fate(from, to, piece);
        let (theirs, carried) = Carried::start(connect(&port, until)?, fate)?;
        let broken = {
            let mut state = lock(&self.state);
            state.open.push(OpenWire { from, to, carried: Arc::downgrade(&carried) });
            state.take_broken()
        };
        broken.iter().for_each(|carried| carried.cut());
        Ok(theirs)
    }

    /// What becomes of bytes on a connection. Blocks while they are on their way.
    fn fate(&self, from: usize, to: usize, piece: Piece) -> Passes {
        let begun = Instant::now();
        let mut state = lock(&self.state);
        loop {
            let rest = match (state.fault(from, to), piece) {
                (Some(Fault::Refuse), _) => return Passes::Nothing,
                // The end of the cluster ends it at the latest.
                (Some(Fault::BlackHole), _) => PATIENCE,
                (Some(Fault::Slow(by)), Piece::Answer) => by.saturating_sub(begun.elapsed()),
                (Some(Fault::HalfAnswer), Piece::Answer | Piece::Rest) => return Passes::Half,
                _ => return Passes::All,
            };
            if rest.is_zero() {
                return Passes::All;
            }
            let waited = self.changed.wait_timeout(state, rest);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wait_while(
        &self,
        until: Instant,
        mut waits: impl FnMut(&mut Wiring) -> bool,
    ) -> MutexGuard<'_, Wiring> {
        let left = until.saturating_duration_since(Instant::now());
        let waited = self.changed.wait_timeout_while(lock(&self.state), left, |it| waits(it));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn connect(address: &SocketAddr, until: Instant) -> io::Result<TcpStream> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    TcpStream::connect_timeout(address, left)
}

/// The host and the port by which a peer is known.
pub(super) fn authority_of(number: usize) -> String {
    let (high, low) = ((number / 250) as u8, (number % 250) as u8);
    SocketAddr::from((Ipv4Addr::new(127, 1, high, low + 1), PORT)).to_string()
}

/// Who is known by `address`.
fn number_of(address: &SocketAddr) -> Option<usize> {
    match address.ip() {
        IpAddr::V4(ip) if address.port() == PORT => match ip.octets() {
            [127, 1, high, low @ 1..=250] => Some(usize::from(high) * 250 + usize::from(low) - 1),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_known_by_addresses_of_their_own() {
        for number in [0, 1, 249, 250, 499, 500, MAX_PEERS] {
            let address: SocketAddr = authority_of(number).parse().unwrap();
            assert_eq!(number_of(&address), Some(number), "{address}");
            assert!(address.ip().is_loopback());
        }
        for other in ["127.0.0.1:8000", "127.1.0.1:8001", "127.1.0.0:8000", "[::1]:8000"] {
            assert_eq!(number_of(&other.parse().unwrap()), None);
        }
    }
}
