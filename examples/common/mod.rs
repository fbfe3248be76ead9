//! What the examples share.
#![allow(dead_code, reason = "no example uses all of it")]

pub(crate) mod account;
pub(crate) mod api;
pub(crate) mod command;
pub(crate) mod errors;
pub(crate) mod output;
pub(crate) mod scores;
pub(crate) mod script;
