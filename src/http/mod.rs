//! Peers over HTTP.

#![allow(dead_code)]

mod breaker;
mod getter;
#[cfg(test)]
mod testing;
mod url;
mod wire;

pub use getter::HttpGetter;
