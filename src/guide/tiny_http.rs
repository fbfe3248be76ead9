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
//! | a body that stops | 408 after 30 s | 400 after [`idle_timeout`] |
//! | thousands of bodies that never end | where no connection is idle, the oldest of them goes | past [`max_requests`], all bodies over 1 KiB get a 503; other requests are answered |
//! | many long bodies at once | a 503 when there is no room for another in time | the same |
//! | thousands of clients that do not read their long answers | each is cut off after 30 s in which it took less than 1 MiB; others are answered | the same, but past [`max_requests`] all answers over 32 KiB are a 503 until then |
//! | a body is announced that is longer than [`max_value_bytes`] | 413 | 413; over 16 MiB, a thread and two descriptors are lost for good |
//! | a client that sends many requests and never reads | is not read any further | queues until memory ends, and holds the handlers |
//! | a reset right after a request, before its connection was accepted | nothing | a thread of tiny_http panics, and the connection ends; see below |
//! | HTTP/2.0 or 3.0 in the request line | 505 | no answer; a thread and two descriptors are lost for good |
//! | two lengths, or a length that is no number | 400, and the connection is closed | 400, and nothing more is handled |
//! | `Transfer-Encoding` in a request | 411, or 400 beside a length; the connection is closed | the same answers; the connection stays until [`idle_timeout`], but no request on it is handled |
//! | `Connection: upgrade` in a request | is ignored | 400, and the connection is closed |
//! | a head with bytes that are not ASCII (`X-Region: São`) | 400 if they stand in the path, in a name, or in our header | no answer, and the connection is closed |
//! | control characters in a head | 400, and the connection is closed | the same answer, and nothing more is handled; but those at the ends of a line or of a value are not seen |
//! | HTTP/0.9, no host, bad tokens | 400 or 505 | 200 |
//! | a header that begins with a space | 400 | it counts as a header of its own |
//! | an error in a request | the answer closes the connection | the connection may stay open |
//! | an idle client at a shutdown | is closed | stays until its next request, or until [`idle_timeout`] |
//! | a shutdown without trouble | logs nothing above info | tiny_http itself [logs an error](crate::guide::logging) |
//! | requests in a row that do not wait for answers | handled one after the other | handled at the same time, answered in order |
//! | platforms other than Linux | the same | no timeouts: sockets do not inherit them everywhere |
//!
//! Tests in `src/http/server/tests` hold all rows but that of the shutdown, and `tests/hostile`
//! plays the requests among them against processes of their own.
//!
//! Bytes that are not ASCII end a connection while tiny_http reads the line, before it hands a
//! request to this crate. So nothing can be answered from outside. Peers of this crate send no such
//! bytes; a proxy between them may.
//!
//! # Its panics
//!
//! tiny_http panics where it can't find out a client's address, because the client is gone, and
//! where descriptors run out. Such a panic ends one of its threads, which the pool notices where it
//! matters. But Rust's panic hook is told before anything else is: the standard one prints a
//! message to the standard error, and one of your own is called each time. A library can't keep it
//! from that without taking the hook from the program.
//!
//! In a program that is built with `panic = "abort"` such a client would end the program. There
//! [`HttpPoolBuilder::bind`] returns [`Error::InvalidOption`], unless the server is `Guarded`.
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
//!   on a thread of its own; past that it answers 503. As many again may wait for slow clients: for
//!   a body over 1 KiB to come, or for an answer over 32 KiB to be read.
//! * It reads requests ahead, and hands them out to any thread. Here one thread at a time receives,
//!   and decides whether the connection goes on, before another one receives what was sent along.
//!
//! # Public reports
//!
//! What is said about tiny_http 0.12 elsewhere, and whether it can be reached here. There is no
//! newer version.
//!
//! | report | can it be reached with `Server::TinyHttp`? | test |
//! |---|---|---|
//! | CVE-2026-66752: a `Transfer-Encoding` of any value counts as `chunked`, so a proxy in front may see another end of the body | no: any such header is refused, and nothing that comes later on its connection is handled | `nothing_after_a_refused_encoding_is_answered`, `nothing_of_a_refused_connection_is_handled_later` |
//! | CVE-2026-66753, in answers: values of headers may hold line ends | no: this crate writes the heads of its answers, and nothing that a request, a key or a getter says stands in them | `no_word_of_a_request_or_of_a_getter_gets_into_the_head_of_an_answer` |
//! | CVE-2026-66753, in requests: line ends within names and values are taken | mostly not: control characters are refused. Those at the ends of a line or a value are cut before this crate sees them, so a proxy that takes a bare line feed for the end of a line can still be deceived | `line_that_can_be_read_as_two_is_refused` |
//! | RUSTSEC-2020-0031 (issue 173): a space before the colon of `Transfer-Encoding` | no: mended in 0.8 | `malformed_requests_harm_nobody_else` |
//! | RUSTSEC-2024-0336 (pull request 271): its rustls is old | no: it is built without TLS | |
//! | issue 56: heads have no limit | **yes**: a client can use up the memory | |
//! | a `Content-Length` that is not there to be had ends the process | no: the request is never dropped, at the price of a thread | `huge_content_length_gets_a_413`, `huge_length_past_the_bound_of_requests_gets_a_413` |
//! | two lengths, or a length past every number, are taken for the first, or for none | no: refused, and nothing that was sent along is handled | `lengths_that_can_be_read_in_two_ways_are_refused`, `request_sent_along_with_a_refused_one_is_not_handled` |
//!
//! Behind a proxy take the guarded server. With tiny_http the two can still read a head in two
//! ways: a folded header counts as one of its own.
//!
//! [`HttpPoolBuilder::server`]: crate::HttpPoolBuilder::server
//! [`HttpPoolBuilder::bind`]: crate::HttpPoolBuilder::bind
//! [`Error::InvalidOption`]: crate::Error::InvalidOption
//! [`Server::TinyHttp`]: crate::Server::TinyHttp
//! [`Server::Guarded`]: crate::Server::Guarded
//! [`max_connections`]: crate::HttpPoolBuilder::max_connections
//! [`idle_timeout`]: crate::HttpPoolBuilder::idle_timeout
//! [`max_value_bytes`]: crate::HttpPoolBuilder::max_value_bytes
//! [`max_requests`]: crate::HttpPoolBuilder::max_requests
