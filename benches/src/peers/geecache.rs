//! geecache itself: a group whose keys all belong to a peer, so that every get takes the whole way.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use geecache::{Group, HotCache, HttpPool, PeerGetter, Server};

use super::BoxError;
use super::client::{Ask, Session};
use super::protection::Protection;
use super::scenario::{Scenario, check, value_of};
use crate::process::announce;

/// Bytes beside a key in a batch's request, and beside its value in the answer, roughly.
pub(super) const FRAMING: usize = 8;

const GROUP: &str = "bench";
/// What is got over new connections: 64 bytes.
const FRESH_KEY: &str = "64:0:0";
const CACHE_BYTES: u64 = 1 << 30;
const CONNECTIONS: NonZeroUsize = NonZeroUsize::new(1024).expect("it is not zero");

pub(super) fn serve(server: &str, protection: &Protection) -> Result<(), BoxError> {
    let server = match server {
        "guarded" => Server::Guarded,
        "tiny-http" => Server::TinyHttp,
        _ => return Err(format!("there is no server {server}").into()),
    };
    let group = Group::new(GROUP, CACHE_BYTES, |key: &str| value_of(key));
    let pool = protection
        .of(HttpPool::builder())
        .server(server)
        .max_requests(CONNECTIONS)
        .max_connections(CONNECTIONS)
        .bind("127.0.0.1:0")?;
    let url = pool.url().ok_or("a bound pool has a URL")?.to_owned();
    pool.add(&group)?;
    pool.set_peers([&url])?;
    let done = announce(url);
    pool.shutdown();
    done
}

pub(super) struct Client {
    group: Group,
    url: String,
    protection: Protection,
}

impl Client {
    pub(super) fn new(url: &str, protection: Protection) -> Result<Self, BoxError> {
        let pool = protection
            .of(HttpPool::builder())
            .max_requests_per_peer(CONNECTIONS)
            .max_idle_connections(CONNECTIONS)
            .client([url])?;
        // A peer that fails has to show, and not to be stood in for.
        let refuse = |key: &str| Err::<Vec<u8>, _>(format!("{key:?} did not come from the peer"));
        let group = Group::builder(GROUP, 64 << 20, refuse).hot_cache(HotCache::Off).build();
        pool.add(&group)?;
        Ok(Self { group, url: url.to_owned(), protection })
    }
}

impl Ask for Client {
    type Session<'a> = Asking<'a>;

    fn prime(&self, keys: &[String], scenario: &Scenario) -> Result<(), BoxError> {
        let mut asking = self.session(scenario)?;
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        keys.chunks(scenario.batch).try_for_each(|keys| asking.get(keys))
    }

    fn session(&self, scenario: &Scenario) -> Result<Asking<'_>, BoxError> {
        Ok(Asking { group: &self.group, value_bytes: scenario.value_bytes })
    }

    fn fresh(&self, handshake: &str, count: usize) -> Result<Duration, BoxError> {
        let getter = || self.protection.getter(&self.url, handshake);
        // The first one leaves a session for the others.
        getter()?.get(GROUP, FRESH_KEY)?;
        let getters = (0..count).map(|_| getter()).collect::<Result<Vec<_>, _>>()?;
        let begun = Instant::now();
        for getter in &getters {
            getter.get(GROUP, FRESH_KEY)?;
        }
        Ok(begun.elapsed())
    }
}

pub(super) struct Asking<'a> {
    group: &'a Group,
    value_bytes: usize,
}

impl Session for Asking<'_> {
    fn get(&mut self, keys: &[&str]) -> Result<(), BoxError> {
        if let [key] = keys {
            return check(key, &self.group.get(key)?, self.value_bytes);
        }
        let values = self.group.get_many(keys);
        if values.len() != keys.len() {
            return Err(format!("{} values for {} keys", values.len(), keys.len()).into());
        }
        for (key, value) in keys.iter().zip(values) {
            check(key, &value?, self.value_bytes)?;
        }
        Ok(())
    }
}
