//! How a process ends that has a port of its own beside that of the pool, and loses no request.
//!
//! What happens among peers when one of them goes stands in [`deploy`](crate::guide::deploy).
//! [`leave_on_signal`] ends the process as soon as the pool has left. A web service in the same
//! process loses what it is answering then. Such a program takes [`leave_on_signal_then`]: it calls
//! the program in place of ending the process.
//!
//! ```no_run
//! use geecache::{Group, HttpPool};
//! use std::sync::mpsc;
//! use std::time::Duration;
//! # struct Service;
//! # impl Service {
//! #     fn start(_: &str, _: Group) -> Self {
//! #         Self
//! #     }
//! #     fn stop(self) {}
//! # }
//! # fn load(key: &str) -> std::io::Result<String> { Ok(key.to_owned()) }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scores = Group::new("scores", 64 << 20, load);
//! let pool = HttpPool::builder().bind("0.0.0.0:8001")?;
//! pool.add(&scores)?;
//! let (tell, told) = mpsc::channel();
//! # #[cfg(not(all(unix, feature = "signal")))]
//! # tell.send(())?;
//! # #[cfg(all(unix, feature = "signal"))]
//! pool.leave_on_signal_then(Duration::from_secs(10), move || {
//!     let _ = tell.send(());
//! })?; // feature `signal`
//!
//! let service = Service::start("0.0.0.0:8080", scores); // yours, on threads of its own
//! told.recv()?; // SIGTERM came, and the pool has left
//! service.stop(); // accepts nothing more, answers what it has, and joins its threads
//! # Ok(()) } // the process ends
//! ```
//!
//! 1. At `SIGTERM` the pool leaves: `/readyz` answers 503, and the others take over what is in
//!    memory here. That takes 2 s at least, and the stay at most. The service goes on. Its group
//!    asks the others, as that of a client does.
//! 2. Those who send requests to the service hear meanwhile that the process goes. So its port is
//!    closed last: one that is closed first refuses those who do not know it yet.
//! 3. The pool is shut down, and the snapshots are written. The service stops, and `main` returns.
//!
//! Who sends the signal has to wait for longer than the stay, the
//! [`drain_timeout`](crate::HttpPoolBuilder::drain_timeout) and the longest answer of the service
//! together. A second signal ends the process at once.
//!
//! A program that handles signals itself does the same without the feature: at `SIGTERM` it calls
//! [`leave`](crate::HttpPool::leave), then stops its service, and ends.
//!
//! [`leave_on_signal`]: https://docs.rs/geecache/latest/geecache/struct.HttpPool.html#method.leave_on_signal
//! [`leave_on_signal_then`]: https://docs.rs/geecache/latest/geecache/struct.HttpPool.html#method.leave_on_signal_then
