//! Two HTTP servers behind one seam.
//!
//! A server takes a bound listener, [`Limits`] and a [`Handler`]; it owns its threads and calls the
//! handler once per request. Nothing in here knows groups, keys or the wire between peers: it moves
//! requests and responses.
//!
//! Both servers give each request in flight a thread of its own, answer a panicking handler with a
//! 500, answer the requests of one connection in order, write an answer with as few system calls as
//! they can, accept again after running out of descriptors, and shut down gracefully. They pass the
//! same tests, one function per situation, in `tests/`.

mod answer;
mod guarded;
mod in_flight;
mod limits;
mod listener;
mod message;
mod running;
mod tiny;

#[cfg(feature = "unstable-bench")]
pub(crate) use guarded::fuzz_head;
pub(crate) use limits::Limits;
pub(crate) use listener::bind;
pub(crate) use message::{Handler, HttpRequest, HttpResponse};
pub(crate) use running::Running;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

/// Which server answers the other peers.
///
/// # What tiny_http can't do
///
/// The guarded server does all of these. What tiny_http (0.12) does instead can't be mended from
/// outside, which is why it is for private networks only. Names in the last column are tests; those
/// in `guarded_only` run against the guarded server alone, and the others assert what each server
/// does.
///
/// | situation | guarded | tiny_http | test |
/// |---|---|---|---|
/// | more connections than `max_connections` | the oldest idle one is closed, or a 503 | no limit: a thread and two descriptors each | `guarded_only::idle_connection_makes_room`, `guarded_only::connection_past_the_cap_gets_a_503_when_none_is_idle` |
/// | head that drips, byte by byte | 408 at its deadline | waits; only a pause longer than `idle` ends it | `guarded_only::head_that_drips_is_given_up_at_its_deadline` |
/// | thousands of heads that never end | they are the first to go | a thread each | `guarded_only::heads_that_never_end_do_not_keep_others_out` |
/// | body that stops | 408 after `io` | holds a handler until `idle` has passed twice | `guarded_only::body_that_stops_is_given_up` |
/// | thousands of bodies that never end | where no connection is idle, the oldest of them goes | holds all handlers | `guarded_only::bodies_that_stop_do_not_keep_others_out` |
/// | endless headers, endless target | 431, 414 | reads until memory ends | `guarded_only::megabyte_of_headers_gets_a_431`, `guarded_only::endless_target_gets_a_414` |
/// | client that pipelines and never reads | is not read any further | queues until memory ends, and holds the handlers | `guarded_only::client_that_pipelines_and_never_reads_is_not_read_for_long` |
/// | body of 16 MiB or more announced | 413 | 413, then a thread and two descriptors are lost for good | `huge_content_length_gets_a_413` |
/// | HTTP/2.0 or 3.0 in the request line | 505 | no answer; a thread and two descriptors are lost for good | `preface_of_http_2_harms_nobody_else` |
/// | two lengths, or a length that is no number | 400 | takes the first, or none: what follows may be read as a request | `malformed_requests_harm_nobody_else` |
/// | HTTP/0.9, no host, bad tokens, control characters | 400 or 505 | 200 | `malformed_requests_harm_nobody_else` |
/// | error in a request | the answer closes the connection | the connection may stay open | `guarded_only::refused_connection_is_closed` |
/// | idle client at a shutdown | is closed | stays until its next request, or until `idle` | `shutdown_tells_idle_clients_to_close` |
/// | long bodies all at once | a 503 when there is no room for another | one for each request in flight | `guarded_only::long_bodies_are_only_taken_while_there_is_room_for_them` |
/// | requests in a row, not waiting for answers | handled one after the other | handled at the same time, answered in order | `pipelined_requests_are_answered_in_order` |
/// | platforms other than Linux | the same | no timeouts: sockets do not inherit them everywhere | |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Server {
    /// The server of the `tiny_http` crate, with its known faults mended as far as that is possible
    /// from outside.
    ///
    /// It is for private networks: a client that reaches its port can exhaust the memory or the
    /// threads of the process. While there is traffic it connects to itself 50 times a second
    /// (about 1 % of a core), otherwise once a second.
    #[default]
    TinyHttp,
    /// A small server of this crate's own, with a thread per connection and a limit on everything
    /// that a client can send or leave out.
    ///
    /// It is the faster one: small answers leave it several times as fast as they leave tiny_http.
    Guarded,
}

impl Server {
    /// Serves what arrives at `listener` until the answer's [`Running::shutdown`].
    pub(crate) fn start(
        self,
        listener: TcpListener,
        limits: Limits,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Box<dyn Running>> {
        match self {
            Self::TinyHttp => Ok(Box::new(tiny::Tiny::start(listener, limits, handler)?)),
            Self::Guarded => Ok(Box::new(guarded::Guarded::start(listener, limits, handler)?)),
        }
    }
}

#[cfg(test)]
mod tests;
