//! Clusters whose peers speak HTTP over real sockets.

mod agreement;
mod batch;
mod bounds;
mod bursts;
mod changes;
mod damage;
mod debts;
mod disagree;
mod events;
mod failover;
mod faults;
mod figures;
mod follow;
mod forks;
#[cfg(feature = "gossip")]
mod gossip;
mod hand_over;
#[cfg(target_os = "linux")]
mod ipv6;
mod keys;
mod lanes;
#[cfg(target_os = "linux")]
mod last_handle;
mod lifecycle;
mod lists;
mod loads;
mod nested;
mod one_peer;
mod order;
mod origins;
mod page;
mod peeks;
mod raw;
mod removal;
mod repeats;
mod stack;
mod status;
mod tags;
#[cfg(feature = "tls")]
mod tls;
mod token;
mod values;
mod warm_up;
mod watching;
mod zones;
