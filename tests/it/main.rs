//! The tests of the crate from outside: one binary, one module for each idea.

#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::needless_collect, reason = "threads start as their handles are collected")]
#![allow(clippy::redundant_clone, reason = "clones of handles are what some tests are about")]

mod support;

mod absence;
mod autotraits;
mod batches;
mod fallback_copies;
mod flights;
mod hot_cache;
#[cfg(feature = "http")]
mod http;
#[cfg(target_os = "linux")]
mod idle_groups;
mod lifetimes;
mod load_path;
mod models;
mod nesting;
mod origins;
mod registry;
mod removal;
mod staleness;
mod storm;
mod tidy;
mod timeouts;
mod warm_up_core;
