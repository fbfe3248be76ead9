//! What the tests share beside the kit of the crate, `geecache::testing`.

#[cfg(feature = "http")]
mod browser;
#[cfg(feature = "tls")]
mod certificates;
#[cfg(feature = "http")]
mod cluster;
#[cfg(feature = "http")]
mod faulty;
mod logs;
mod memory;
#[path = "../../../src/seeds.rs"]
mod random;
mod versions;

use std::time::Duration;

use geecache::testing::PATIENCE;
pub(crate) use geecache::testing::{
    Background as Running, CountingGetter, Gate, all_at_once, start, value_of, wait_until as until,
};

#[cfg(feature = "http")]
pub(crate) use browser::Browser;
#[cfg(feature = "tls")]
pub(crate) use certificates::{Authority, Issued, chain, is_full, key, raw_connection};
#[cfg(feature = "http")]
pub(crate) use cluster::{Cluster, Peer, SERVERS};
#[cfg(feature = "http")]
pub(crate) use faulty::{Connection, FaultyPeer, answer};
pub(crate) use logs::{keep_logs, logged};
pub(crate) use memory::{FixedPicker, MemoryPeers, Point, ScriptedPeer, alone};
pub(crate) use random::{Random, with_seeds};
pub(crate) use versions::{Condition, Hand, Versions, value_at, version_of};

/// How long a test waits for what should happen at once.
pub(crate) const SOON: Duration = PATIENCE;
