//! The guide: what belongs to no single type, one idea on each page.
//!
//! It exists in the documentation only. The [front page](crate) of the crate says what a beginner
//! needs; the types say what their methods do. Pages about HTTP are there with the feature `http`.
//!
//! | to begin | |
//! |---|---|
//! | [`start`](start/index.html) | from an empty program to three peers |
//! | [`typed`] | values and keys with types, what they cost, and how a type changes |
//! | [`batches`] | many keys at once |
//! | [`coming_from`] | groupcache, moka, memcached, FusionCache: what is called what |
//!
//! | to decide | |
//! |---|---|
//! | [`changing`] | keys that change: `ttl`, stale values, `remove`, `insert`, and which when |
//! | [`tags`] | keys that change together, and several writers |
//! | [`consistency`] | what can be read after what; a table of faults and bounds |
//! | [`source`] | how to protect the source, and callers from a slow one |
//! | [`size`] | bytes, shards, threads, connections, descriptors; a formula and an example |
//! | [`protect`](protect/index.html) | how to keep others out, by a token and by TLS |
//!
//! | to run | |
//! |---|---|
//! | [`deploy`](deploy/index.html) | how peers find each other, come and go: Kubernetes, systemd, plain machines |
//! | [`ending`](ending/index.html) | how a process ends that has a port of its own beside the pool's |
//! | [`zones`](zones/index.html) | peers in several data centres: gets stay in one, changes reach all |
//! | [`gossip`](gossip/index.html) | peers that find each other, without DNS and without a list |
//! | [`snapshots`] | memory that outlives its process |
//! | [`watching`] | a page for browsers, metrics, events; where each question has its answer |
//! | [`alarms`] | what to raise an alarm on, with thresholds |
//! | [`traces`] | spans, and traces that go on at a peer |
//! | [`command`](command/index.html) | looking into a cluster from a shell |
//! | [`testing`](testing/index.html) (feature `testing`) | how to test a program that uses the crate |
//! | [`beside_go`](beside_go/index.html) | peers in Go and in Rust in one cluster |
//! | [`platforms`] | which systems it runs on, and what differs there |
//!
//! | to look up | |
//! |---|---|
//! | [`situations`](situations/index.html) | what happens when …, a line for each |
//! | [`failures`](failures/index.html) | what a caller sees when a peer, a client or the source fails |
//! | [`removal`] | what a removal promises, and what bounds what it can't reach |
//! | [`away`] | peers that could not be told of a removal, or were away |
//! | [`order`] | changes that come late, and processes that only ask |
//! | [`limits`] | every option with its default |
//! | [`bounds`] | what bounds bytes and times, and what is remembered |
//! | [`threads`] | which threads there are |
//! | [`guarded`](guarded/index.html) | what the guarded server takes from its clients |
//! | [`tiny_http`](tiny_http/index.html) | what the default server can't do |
//! | [`logging`] | what is logged, at which level |
//! | [`status_json`](status_json/index.html) | what `/status.json` answers, field by field |
//!
//! | to understand | |
//! |---|---|
//! | [`inside`] | the ring, a get, a change; with pictures |
//! | [`store`] | memory: shards, lists, and who has to leave |
//! | [`transports`] | how to write a transport of your own |
//! | [`measure`] | what was measured, and how to measure it yourself |

pub mod alarms;
pub mod away;
pub mod batches;
#[cfg(feature = "http")]
pub mod beside_go;
pub mod bounds;
pub mod changing;
pub mod coming_from;
#[cfg(feature = "http")]
pub mod command;
pub mod consistency;
#[cfg(feature = "http")]
pub mod deploy;
#[cfg(feature = "http")]
pub mod ending;
#[cfg(feature = "http")]
pub mod failures;
#[cfg(feature = "http")]
pub mod gossip;
#[cfg(feature = "http")]
pub mod guarded;
pub mod inside;
pub mod limits;
pub mod logging;
pub mod measure;
pub mod order;
pub mod platforms;
#[cfg(feature = "http")]
pub mod protect;
pub mod removal;
#[cfg(feature = "http")]
pub mod situations;
pub mod size;
pub mod snapshots;
pub mod source;
#[cfg(feature = "http")]
pub mod start;
#[cfg(feature = "http")]
pub mod status_json;
pub mod store;
pub mod tags;
#[cfg(all(feature = "http", feature = "testing"))]
pub mod testing;
pub mod threads;
#[cfg(feature = "http")]
pub mod tiny_http;
pub mod traces;
pub mod transports;
pub mod typed;
pub mod watching;
#[cfg(feature = "http")]
pub mod zones;
