//! The tests of the crate from outside: one binary, one module for each idea.

#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::needless_collect, reason = "threads start as their handles are collected")]
#![allow(clippy::redundant_clone, reason = "clones of handles are what some tests are about")]

mod support;

mod autotraits;
mod batches;
mod fallback_copies;
mod flights;
#[cfg(feature = "http")]
mod http;
mod load_path;
mod registry;
mod removal_order;
mod storm;
mod tidy;
mod timeouts;
