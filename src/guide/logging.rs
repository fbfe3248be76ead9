//! What is logged, at which level.
//!
//! Everything goes through the [`log`] facade; nothing is printed. The targets are the paths of the
//! modules, so all of them begin with `geecache`, and those about HTTP with `geecache::http`.
//!
//! Names of groups, keys, URLs of peers, and what a getter or a peer says of an error stand in the
//! messages. Values do not, unless such an error shows them. What others have written, such as the
//! error of a peer, takes one line: control characters are escaped, and what is longer than 400
//! characters is cut.
//!
//! **What repeats is told once.** A warning or an error that a peer, a client or the source can
//! cause again and again is written at once when it comes first. After that it is written once a
//! minute at most, with the number of times in between: `(and 552 more times in the last 60 s)`.
//! Each peer, or client, and each kind of failure is told by itself, in each group. So a peer that
//! lacks a group, or a source that is down, is one line a minute and not one for each get.
//! [`Stats::logs_suppressed`](crate::Stats::logs_suppressed) counts the lines that were not
//! written, and so does `/metrics`. How often something happened after its last line is told when
//! it happens again.
//!
//! | level | what |
//! |---|---|
//! | error | a getter panicked on a thread of its group, for many keys, or for a peer |
//! | | no thread could be started for loads, refreshes, requests to several peers, changes, or a snapshot |
//! | | the server met a panic, and goes on |
//! | | tiny_http was told of a huge body, and lost a connection for good |
//! | warn | a peer gave no value, in a request of one key or of many |
//! | | a peer did not make a change (a removal, a clearing, an insertion) |
//! | | a peer is still to be told of changes, and is not asked before that |
//! | | a pool ends, and there are changes that a peer could not be told |
//! | | a peer is down, and for how long it is not asked |
//! | | a snapshot can't be written or read, is none of this group, or is damaged |
//! | | a load takes so long that one who waits for it loads as well |
//! | | a value past its ttl is served, as its getter failed or was not called |
//! | | a getter has failed several times in a row, and rests |
//! | | a value can't be decoded, and is loaded (once for each typed group); the error of a codec may show a part of the value |
//! | | a group asks for a key, and its client pool has no peers (once for each pool) |
//! | | a peer owns more than 1.5 times the mean share of the ring |
//! | | a member of the gossip can't be a peer, or there are too many of them |
//! | | a pool has a zone, and its list tells none of the other peers |
//! | | a peer's list of peers has differed from ours for more than 10 s: once a minute |
//! | | a peer in the list is this very process under another name: once, until it is another one |
//! | | the source of the list has no answer, so the last list stays: once until it has one, and at most once a minute |
//! | | a pool can be reached at an address that is no private one, and its server is tiny_http or it asks for no token: once, as it starts |
//! | | connections could not be accepted, or are accepted again |
//! | | no thread could be started for a connection or for a request |
//! | | requests were still in flight when the server had to stop |
//! | | a client was turned away, as it showed no token that is known |
//! | | a token file can't be taken, so the old tokens stay |
//! | | a client is refused that has no certificate of the cluster, or speaks no TLS; one gave up, as it does not take ours |
//! | | certificates can't be taken from their files, so the old ones stay |
//! | info | a peer has made all changes that it could not be told at first |
//! | | a pool serves, at which address; it has stopped serving |
//! | | a pool has a new list of peers, and how many there are |
//! | | a pool leaves, as its process was told to end |
//! | | the list follows its source: which peer came or went, and why |
//! | | a source that was down has answered (once a minute for each group) |
//! | | a snapshot was loaded, or there is none yet |
//! | | a peer is up again (once a minute for each peer, too) |
//! | | the tokens of a file have changed; the certificates have changed |
//! | debug | a run of the getter for a key, and how long it took |
//! | | which peer was picked for a key |
//! | | a snapshot was written |
//! | | a previous owner did not say what it has in memory |
//! | | a peer does not know batches, or how to make a change |
//! | | a request of another cluster, or of this very process |
//! | | a request that names no key or no group, or with a broken body |
//! | | a connection that was dead and is replaced; one that ended with an error; an answer that could not be sent |
//! | | a name that does not resolve |
//! | trace | each request that was served, with its status |
//!
//! **tiny_http logs as well**, with the target `tiny_http`. One of its lines is no sign of trouble:
//! at each shutdown of a pool on `Server::TinyHttp` it says `Error accepting new client: Invalid
//! argument`, at the level error. It takes the end of its listener for a fault, and can't be told
//! of a shutdown before the last client is gone. Set the level of that target to `off`, or take
//! `Server::Guarded`, if such a line alarms somebody. What matters is told under `geecache` too.
//!
//! A panic of a getter on the thread of a caller is not logged: it goes on in that caller. An error
//! that a getter returns is not logged either: the caller gets it.
//!
//! In an application, `warn` is a good level for `geecache`. `debug` writes a line or two for each
//! miss.
