//! The guide: long tables, and what is good to know once.
//!
//! It exists in the documentation only. The [front page](crate) of the crate says what a beginner
//! needs; the types say what their methods do. Here stands what belongs to no single type:
//!
//! * [`limits`]: every option with its default, and what bounds bytes, threads and connections.
//! * [`logging`]: what is logged, at which level.
//! * [`watching`]: health, metrics, a page for browsers, and where a value came from.
//! * [`removal`]: what a removal promises, and what bounds what it can't reach.
//! * [`typed`]: values with types, what they cost, and how a type changes.
//! * [`transports`]: how to write a transport of your own.
//! * `command` (feature `http`): looking into a cluster from a shell.
//! * `deploy` (feature `http`): how peers find each other, come and go.
//! * `failures` (feature `http`): what a caller sees when a peer, a client or the source fails.
//! * `protect` (feature `http`): how to keep others out, by a token and by TLS.
//! * `status_json` (feature `http`): what `/status.json` answers, field by field.
//! * `tiny_http` (feature `http`): what the default server can't do.

#[cfg(feature = "http")]
pub mod command;
#[cfg(feature = "http")]
pub mod deploy;
#[cfg(feature = "http")]
pub mod failures;
pub mod limits;
pub mod logging;
#[cfg(feature = "http")]
pub mod protect;
pub mod removal;
#[cfg(feature = "http")]
pub mod status_json;
#[cfg(feature = "http")]
pub mod tiny_http;
pub mod transports;
pub mod typed;
pub mod watching;
