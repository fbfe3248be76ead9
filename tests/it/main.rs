//! The tests of the crate from outside: one binary, one module for each idea.

#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::needless_collect, reason = "threads start as their handles are collected")]
#![allow(clippy::redundant_clone, reason = "clones of handles are what some tests are about")]
#![allow(clippy::needless_borrows_for_generic_args, reason = "keys are lent in many tests")]

mod support;

mod absence;
mod autotraits;
mod batches;
mod debts;
mod events;
mod fallback_copies;
mod flights;
mod getters;
mod hand_over;
mod hedges;
mod hot_cache;
mod hot_keys;
#[cfg(feature = "http")]
mod http;
#[cfg(target_os = "linux")]
mod idle_groups;
mod kit;
mod latencies;
mod lifetimes;
mod load_path;
mod models;
mod nesting;
mod origins;
mod refreshed;
mod registry;
mod remote;
mod removal;
mod repeats;
mod snapshots;
mod soft_timeouts;
mod source;
mod staleness;
mod storm;
mod tags;
mod tidy;
mod timeouts;
mod typed;
mod warm_up_core;
