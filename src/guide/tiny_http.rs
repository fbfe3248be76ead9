//! What the default server can't do.
//!
//! Two servers can answer the other peers; [`HttpPoolBuilder::server`] chooses one.
//!
//! * [`Server::TinyHttp`], the default, is the server of the `tiny_http` crate (0.12, of the year
//!   2022). What could be mended from outside is mended. The rest is in the table below.
//! * [`Server::Guarded`] is a small server of this crate. It has a limit on everything that a
//!   client can send or leave out, and small answers leave it several times as fast.
//!
//! Choose `Guarded` under load, and wherever a client could mean harm:
//!
//! ```no_run
//! use geecache::{HttpPool, Server};
//!
//! let pool = HttpPool::builder().server(Server::Guarded).bind("10.0.0.1:8001")?;
//! # Ok::<(), geecache::Error>(())
//! ```
//!
//! A [token](crate::HttpPoolBuilder::token) keeps strangers out of both, and `Guarded` speaks TLS;
//! [`protect`](crate::guide::protect) has the steps. **tiny_http is for private networks, with a
//! token as well**: anyone who can reach its port can use up the memory or the threads of the
//! process.
//!
//! # One by one
//!
//! | situation | guarded | tiny_http |
//! |---|---|---|
//! | more connections than [`max_connections`] | the one that was idle for longest is closed; if none is idle, a 503 | no limit: a thread and two descriptors each |
//! | a head that comes byte by byte | 408 after 10 s | waits; only a pause longer than [`idle_timeout`] ends it |
//! | thousands of heads that never end | they are the first to go | a thread each |
//! | a head over 32 KiB or with more than 64 headers, an endless target | 431, 414 | reads until memory ends |
//! | TLS | with the feature `tls` | no |
//! | a body that stops | 408 after 30 s | holds a handler until [`idle_timeout`] has passed |
//! | thousands of bodies that never end | where no connection is idle, the oldest of them goes | holds all handlers |
//! | many long bodies at once | a 503 when there is no room for another | one for each request in flight |
//! | a body is announced that is longer than [`max_value_bytes`] | 413 | 413; over 16 MiB, a thread and two descriptors are lost for good |
//! | a client that sends many requests and never reads | is not read any further | queues until memory ends, and holds the handlers |
//! | HTTP/2.0 or 3.0 in the request line | 505 | no answer; a thread and two descriptors are lost for good |
//! | two lengths, or a length that is no number | 400, and the connection is closed | 400, and nothing more is answered; but what was sent along with it may have been handled as a request |
//! | `Transfer-Encoding` in a request | 411, or 400 beside a length; the connection is closed | the same answers; the connection stays until [`idle_timeout`], but no request on it is handled |
//! | `Connection: upgrade` in a request | is ignored | 400, and the connection is closed |
//! | a head with bytes that are not ASCII | 400 if they stand in the path or in our header | no answer, and the connection is closed |
//! | HTTP/0.9, no host, bad tokens, control characters | 400 or 505 | 200 |
//! | an error in a request | the answer closes the connection | the connection may stay open |
//! | an idle client at a shutdown | is closed | stays until its next request, or until [`idle_timeout`] |
//! | a shutdown without trouble | logs nothing above info | tiny_http itself [logs an error](crate::guide::logging) |
//! | requests in a row that do not wait for answers | handled one after the other | handled at the same time, answered in order |
//! | platforms other than Linux | the same | no timeouts: sockets do not inherit them everywhere |
//!
//! Tests in `src/http/server/tests` hold all rows but the last.
//!
//! # What is mended from outside
//!
//! * Left alone, tiny_http lets some connections of a burst wait until another connection ends. So
//!   the pool keeps four silent connections to itself, and opens and closes one more every 20 ms
//!   while there is traffic, and every second otherwise. That takes about 1 % of a core.
//! * It stops accepting for good when descriptors run out. That is noticed, and a new server takes
//!   the listener over.
//! * It has no timeouts. On Linux they are set on the listener, and connections inherit them.
//! * It closes no connection after a refusal, and reads what follows as the next request. Whatever
//!   comes on a connection whose requests could be read in two ways, or were cut short, is left
//!   alone from then on. Only to what is no HTTP does tiny_http still answer a 400 by itself.
//! * It has no bound on handlers. Here at most [`max_requests`] requests are handled at once, each
//!   on a thread of its own; past that it answers 503.
//!
//! [`HttpPoolBuilder::server`]: crate::HttpPoolBuilder::server
//! [`Server::TinyHttp`]: crate::Server::TinyHttp
//! [`Server::Guarded`]: crate::Server::Guarded
//! [`max_connections`]: crate::HttpPoolBuilder::max_connections
//! [`idle_timeout`]: crate::HttpPoolBuilder::idle_timeout
//! [`max_value_bytes`]: crate::HttpPoolBuilder::max_value_bytes
//! [`max_requests`]: crate::HttpPoolBuilder::max_requests
