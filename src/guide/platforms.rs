//! Which systems it runs on, and what differs there.
//!
//! | system | state |
//! |---|---|
//! | Linux, 64 bits | tested: the whole suite, the benchmarks, the soak test |
//! | Linux, 32 bits | compiled in CI for i686. All that is in memory shares 4 GiB of addresses |
//! | macOS | compiled in CI for x86_64 |
//! | Windows | compiled in CI for `x86_64-pc-windows-gnu` |
//! | FreeBSD, Android | not compiled; nothing in the source is against it |
//! | targets without 64-bit atomics, such as mips and powerpc of 32 bits | **no.** A compile error says so. Counters and the bound of a cache are atomics of 64 bits; a lock in place of each would be in every hit |
//! | `wasm32-unknown-unknown` | the core alone, and without clocks: give each group [one](crate::GroupBuilder::clock). Not compiled in CI |
//!
//! "Compiled" is what it says: nobody has run the suite there. CI does it by `cargo check` with the
//! default features and `cli`, `serde`, `uuid` and `tracing`. The feature `tls` compiles C, so it
//! needs a C compiler for the target.
//!
//! # What differs
//!
//! | what | Linux | macOS | Windows |
//! |---|---|---|---|
//! | `leave_on_signal` (feature `signal`) | yes | yes | no: call `leave` where your program is told to end |
//! | the clock that times to live are measured with | 1 to 10 ms, and it stands still while the machine is suspended | as of the last tick | 16 ms |
//! | a restarted peer takes its port back at once | yes | yes | when the old connections are gone: the option for it means to share the port there |
//! | the guarded server | yes | yes; options of sockets are set on each connection | as on macOS |
//! | the server tiny_http | with time limits on its sockets | **without**: sockets do not inherit them, so a silent client holds a thread | as on macOS |
//! | a kept connection is looked at before it is used again | one call | three calls | three calls |
//! | too many open files | told apart from a fault of the peer | the same | counts as a fault of the peer |
//! | `geecache top` | a live screen | a live screen | shows one picture after the other; keys are not read, Ctrl-C ends it |
//! | `examples/chaos`, the tests with processes | yes | they stop peers by signals, which are there | no |
//!
//! On systems other than Linux take `Server::Guarded`.
