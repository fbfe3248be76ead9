//! [`Fault`].

use std::time::Duration;

/// What goes wrong on the way to a peer.
///
/// It concerns connections that are opened to it, and all that goes over them: questions one way,
/// and their answers back. What the peer asks of others is on other connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing listens there: connections are refused, and open ones end. As where a process has
    /// ended, and its machine has not.
    Refuse,
    /// Nothing arrives, in neither direction, and nobody says so. Connections do not open, and what
    /// is sent on open ones waits until the fault is over, as in a network that was cut. As where a
    /// machine has ended, or a firewall drops packets.
    BlackHole,
    /// Each answer arrives so much later.
    Slow(Duration),
    /// About a half of each answer arrives, and then the connection ends.
    HalfAnswer,
}
