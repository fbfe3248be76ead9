//! Clusters whose peers speak HTTP over real sockets.

mod bursts;
mod changes;
mod faults;
mod keys;
mod lifecycle;
mod lists;
mod loads;
mod values;
