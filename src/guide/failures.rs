//! What a caller sees when a peer, a client or the source fails.
//!
//! # When a peer fails
//!
//! **A fault of a peer is no error of a [`get`](crate::Group::get).** There is one exception: a
//! group with [`OwnerErrors::Return`] gives the error of the owner's getter to its caller.
//!
//! 1. The call to the peer ends in bounded time: 250 ms to connect, and 2 s in all, unless the
//!    builder or the caller says otherwise.
//! 2. The failure adds one to [`Stats::peer_errors`] for each key that was asked for. It is logged
//!    as a warning with the kind of the error.
//! 3. The group asks who answers in the peer's place. If the peer is down by now, that is the next
//!    peer on the ring which is up. Otherwise, or if that one fails too, this process runs its own
//!    getter.
//!
//! So the caller gets the value, later by the time in the second column. A caller whose own time is
//! up by then gets [`Error::TimedOut`].
//!
//! A call waits in vain twice at most: once for owners, and once for those that answer in their
//! place. That holds for a batch as well, however many of its owners are silent, and whether or not
//! there are threads to ask all of them at once. What could not be asked by then is loaded by the
//! getter of this process. So silent peers cost a call two times [`timeout`]; requests that fail
//! sooner add up to 50 ms.
//!
//! Of a batch, each key has its answer as soon as the peer's answer that holds it is there: other
//! callers who wait for one of the keys get it then. If one answer of several does not come, only
//! the keys that it was for have failed; the peer is asked once more for those after them.
//!
//! The last column says what is counted against the peer; see [`PeerStats::failures`].
//!
//! | the peer | the call ends | kind of the error | against the peer |
//! |---|---|---|---|
//! | refuses connections: it was killed, or has not started | at once | [`Unreachable`] | it is down |
//! | says that it is shutting down | at once | [`Unreachable`] | it is down |
//! | was restarted on its port | when it answers | none: a dead connection is replaced once | nothing |
//! | can't be connected to in time | after [`connect_timeout`] | [`Unreachable`] | a failure \* |
//! | has a name that does not resolve (one that stops resolving keeps its last addresses) | at once, or after [`timeout`] | [`Unreachable`] | a failure \* |
//! | closes or resets the connection before the value is whole | at once | [`Unreachable`] | a failure |
//! | accepts and never answers; is stopped (`SIGSTOP`); falls silent within the head or the value; sends its head byte by byte; sends 1xx for ever; answers too late | after [`timeout`] | [`TimedOut`] | a failure \* |
//! | was still sending the value when the time was over (a slow link) | after [`timeout`] | [`TimedOut`] | nothing, it is well |
//! | answers with garbage, HTTP/2, a head over 8 KiB, two lengths or none, bad chunks, a compressed value, a web page, or a redirect that is not in the next rows | at once | [`Protocol`] | a failure |
//! | says that it has too much to do (503 with our header) | at once | [`Overloaded`] | nothing, it is well |
//! | answers 503 without our header | at once | [`Overloaded`] | a failure \*\* |
//! | has a getter that fails or panics (500 with our header, or as plain text) | at once | [`Load`] | nothing, it is well |
//! | has a getter that needs too long (504 with our header); the load goes on there | in time | [`TimedOut`] | nothing, it is well |
//! | has no such group (404 with our header, or with GeeCache's text) | at once | [`NoSuchGroup`] | nothing |
//! | rejects this one request: 400 with our header, 413, 414, 431, or a redirect with 301, 307 or 308, as Go's routers send for some paths | at once | [`Protocol`] | nothing |
//! | belongs to a [cluster](crate::HttpPoolBuilder::cluster) of another name (421 with our header) | at once | [`OtherCluster`] | a failure |
//! | is this very process under another name (421 with our header) | at once | [`Protocol`] | nothing; for a minute its keys are this process's own, and then it is asked again |
//! | does not know our [token](crate::HttpPoolBuilder::token) (401 with our header) | at once | [`Unauthorized`] | nothing |
//! | does not take our certificate, or asks for one that we do not have | at once | [`Unauthorized`] | a failure |
//! | has a certificate that is not for its name, expired, or of another authority; speaks no TLS where it should | at once | [`Unreachable`] | a failure |
//! | finds that the path was rewritten on its way (a proxy that merges slashes), or speaks another protocol | at once | [`Protocol`] | nothing |
//! | sends a value over [`max_value_bytes`] | at once | [`Protocol`] | nothing |
//! | sends a long value for which no [room](crate::HttpPoolBuilder::max_transfer_bytes) comes free here | in time | [`Overloaded`] | nothing |
//! | has [too many](crate::HttpPoolBuilder::max_requests_per_peer) requests in flight from here | at once | [`Overloaded`] | nothing, it was not asked |
//! | went down after it was picked | at once | [`Unreachable`] | nothing, it was not asked |
//! | can't be sent the key, which takes more than 15 KiB of a path | at once | [`NotSupported`] | nothing, it was not asked |
//! | can't be asked, as this process has no descriptor or no local port left | at once | [`Unreachable`] | nothing |
//!
//! A timeout on a kept connection closes all others to that peer that have rested since before the
//! call: they may be dead as well. So the next callers do not wait for one each.
//!
//! \* A caller that has less than the usual time proves nothing by itself, and is not counted. But
//! if all callers are in a hurry, a dead peer must be noticed too. Once the peer has been silent to
//! all of them for as long as the usual time, each further silence counts as a failure.
//!
//! \*\* In a cluster of mailgun/groupcache or groupcache-go it says that a getter failed
//! ([`Load`]), and a 404 that the key does not exist. In one of galaxycache that is a 404 with its
//! header. All of these are answers of a peer that is well.
//!
//! ## When a peer is down
//!
//! A peer is down after three failures in a row, or after one refused connection. It is not asked
//! for 1 s, and twice as long after each failed trial, up to 30 s (each ± 20 %, so that the peers
//! do not all try it at the same moment). Then one request may try. If that is answered, the peer
//! is up again; so is one that [begins again](crate::guide::deploy), as soon as it is heard.
//!
//! While it is down its keys go to the next peer on the ring that is up. That is the same one at
//! all peers, so each key costs one more load in the whole cluster. That peer keeps the values for
//! its group's [`fallback_ttl`](crate::GroupBuilder::fallback_ttl), in the room for hot copies.
//!
//! Removals and other changes go to a peer that is down all the same. What it could not be told is
//! owed to it, and it is not asked for values of that group before it was told, up or not: see
//! [`guide::removal`](crate::guide::removal).
//! [`peer_stats`](crate::HttpPool::peer_stats) tells which peers are down.
//!
//! ## When lists of peers differ
//!
//! A request that came from a peer is never passed on. So the worst is that each peer loads a key
//! once.
//!
//! # When a client fails
//!
//! A *client* is whatever connects to the port. Whatever one client does, the others are answered.
//! With [`Server::Guarded`] no client can hold more than its connection. [`Server::TinyHttp`] needs
//! clients that mean well; [its page](crate::guide::tiny_http) has the whole list.
//!
//! | the client | guarded | tiny_http |
//! |---|---|---|
//! | holds thousands of connections and asks nothing | past [`max_connections`] the one that was idle for longest is closed | a thread and two descriptors for each, until [`idle_timeout`] |
//! | takes all descriptors of the process | accepts again as soon as there are some | accepts again within 3 s after that |
//! | stalls in the TLS handshake | is closed after 5 s, or as the oldest of more than 256 | has no TLS |
//! | has no certificate of the cluster, or speaks no TLS | [is refused](crate::guide::protect) | has no TLS |
//! | sends its head byte by byte | 408 after 10 s | waits, as long as no pause is longer than [`idle_timeout`] |
//! | sends 1 MB of headers | 431 | reads them |
//! | announces a body longer than [`max_value_bytes`] | 413 | 413; over 16 MiB, a thread and two descriptors are lost for good |
//! | sends many requests and never reads the answers | is not read any further | queues them until memory ends |
//! | sends garbage, or leaves in the middle | 400, or nothing, and the connection ends | the same, as far as it notices |
//!
//! # When the source fails
//!
//! | the getter | then |
//! |---|---|
//! | returns an error | All callers that waited for this load get [`Error::Load`] with the getter's error as its source. Errors are not cached: the next call tries again. With [`stale_if_error`](crate::GroupBuilder::stale_if_error) the old value is served instead, as long as that lasts. |
//! | returns an error at the owner | The peer that asked runs its own getter, unless the group has [`OwnerErrors::Return`]. |
//! | is not there: a program that only asks ([`Group::remote`](crate::Group::remote)) | [`Error::Load`] with the owner's [`PeerError`](crate::PeerError) as its source, whatever failed there. |
//! | fails several times in a row, and the group has a [`source_breaker`](crate::GroupBuilder::source_breaker) | It rests. Expired values are served where `stale_if_error` allows it, and other callers get [`Error::SourceDown`](crate::Error::SourceDown) at once: see [`source`](crate::guide::source). |
//! | is slow, and the group has a [`soft_timeout`](crate::GroupBuilder::soft_timeout) | Callers get the expired value that `stale_if_error` has kept; the load goes on. |
//! | says that the key does not exist | [`Error::NotFound`]. From an owner that is final: no other getter runs. |
//! | panics on the caller's thread | The panic goes on in that caller. Other callers that waited start over. |
//! | panics on a thread of the group, in a `get_many`, or for a peer | [`Error::Load`] for the caller, a 500 for the peer. The threads live on. |
//! | asks for a key whose getter asks for another one, and so on | After 64 of them on one thread the next one is [`Error::NestedTooDeep`]. |
//! | does not return | Callers without a time limit wait. From time to time one of them [runs it again](crate::Getter#for-those-who-implement-it) on its own thread. [`get_timeout`](crate::Group::get_timeout) and peers give up in time; the load goes on. When all [`max_loaders`](crate::GroupBuilder::max_loaders) threads are busy, such callers get [`Error::Overloaded`] when their time is up. |
//!
//! [`OwnerErrors::Return`]: crate::OwnerErrors::Return
//! [`Stats::peer_errors`]: crate::Stats::peer_errors
//! [`PeerStats::failures`]: crate::PeerStats::failures
//! [`Server::Guarded`]: crate::Server::Guarded
//! [`Server::TinyHttp`]: crate::Server::TinyHttp
//! [`connect_timeout`]: crate::HttpPoolBuilder::connect_timeout
//! [`timeout`]: crate::HttpPoolBuilder::timeout
//! [`max_value_bytes`]: crate::HttpPoolBuilder::max_value_bytes
//! [`max_connections`]: crate::HttpPoolBuilder::max_connections
//! [`idle_timeout`]: crate::HttpPoolBuilder::idle_timeout
//! [`Unreachable`]: crate::PeerErrorKind::Unreachable
//! [`TimedOut`]: crate::PeerErrorKind::TimedOut
//! [`Unauthorized`]: crate::PeerErrorKind::Unauthorized
//! [`OtherCluster`]: crate::PeerErrorKind::OtherCluster
//! [`Protocol`]: crate::PeerErrorKind::Protocol
//! [`Overloaded`]: crate::PeerErrorKind::Overloaded
//! [`Load`]: crate::PeerErrorKind::Load
//! [`NoSuchGroup`]: crate::PeerErrorKind::NoSuchGroup
//! [`NotSupported`]: crate::PeerErrorKind::NotSupported
//! [`Error::NestedTooDeep`]: crate::Error::NestedTooDeep
//! [`Error::TimedOut`]: crate::Error::TimedOut
//! [`Error::Load`]: crate::Error::Load
//! [`Error::NotFound`]: crate::Error::NotFound
//! [`Error::Overloaded`]: crate::Error::Overloaded
