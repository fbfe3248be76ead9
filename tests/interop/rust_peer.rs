//! The Rust peer of a mixed cluster: what `peer/main.go` is in Go.

use std::collections::HashMap;
use std::error::Error as _;
use std::io::BufReader;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use geecache::{BoxError, Error, Group, HttpPool, Loaded, PeerReport, Protocol, RemoveOutcome};

use crate::control::{Message, receive, send};

pub(crate) const GROUP: &str = "scores";

/// Takes part in a cluster as the test at `control` says, until that hangs up.
pub(crate) fn obey(control: &str, protocol: Protocol, address: &str) {
    let test = TcpStream::connect(control).unwrap();
    let loads = Arc::new(Loads::default());
    let counting = Arc::clone(&loads);
    let group = Group::new(GROUP, 64 << 20, move |key: &str| counting.load(key));
    // However slow the machine is, no peer is given up that answers.
    let pool = HttpPool::builder().protocol(protocol).timeout(Duration::from_secs(20));
    let pool = pool.peek_timeout(Duration::from_secs(20));
    let pool = pool.bind(address).unwrap();
    pool.add(&group).unwrap();
    send(&test, "ok", &[pool.url().expect("the pool serves")]).unwrap();

    let peer = RustPeer { group, pool, loads };
    let mut commands = BufReader::new(&test);
    while let Some(Message { word, rest }) = receive(&mut commands).unwrap() {
        let args: Vec<String> =
            rest.into_iter().map(|arg| String::from_utf8(arg).unwrap()).collect();
        match peer.execute(&word, &args) {
            Ok(answers) => send(&test, "ok", &answers).unwrap(),
            Err(error) => send(&test, "error", &[error]).unwrap(),
        }
    }
}

struct RustPeer {
    group: Group,
    pool: HttpPool,
    loads: Arc<Loads>,
}

impl RustPeer {
    fn execute(&self, command: &str, args: &[String]) -> Result<Vec<Vec<u8>>, String> {
        match (command, args) {
            ("peers", peers) => {
                self.pool.set_peers(peers.to_vec()).map_err(|error| error.to_string())?;
                Ok(Vec::new())
            }
            ("owner", keys) => Ok(keys.iter().map(|key| self.owner(key).into_bytes()).collect()),
            ("get", [key]) => match self.group.get(key) {
                Ok(value) => Ok(vec![value.to_vec()]),
                Err(error) => Err(said(&error)),
            },
            // Asks the owner, and nobody else if that fails.
            ("ask", [key]) => {
                let peer = self.pool.picker().pick_peer(key).ok_or("the key is ours")?;
                match peer.get(GROUP, key) {
                    Ok(loaded) => {
                        Ok(loaded.value().map(|value| value.to_vec()).into_iter().collect())
                    }
                    Err(error) => Err(format!("{:?}: {}", error.kind(), error.message())),
                }
            }
            ("get_many", keys) => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                let values = self.group.get_many(&keys).into_iter();
                values
                    .map(|value| value.map(|it| it.to_vec()).map_err(|error| said(&error)))
                    .collect()
            }
            ("remove", [key]) => Ok(outcomes(&self.group.remove(key).peers)),
            ("remove", keys) => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                Ok(outcomes(&self.group.remove_many(&keys).peers))
            }
            ("clear", []) => Ok(outcomes(&self.group.clear().peers)),
            ("ttl", [key]) => {
                let loaded = match self.pool.picker().pick_peer(key) {
                    Some(peer) => peer.get(GROUP, key).map_err(|error| error.to_string())?,
                    None => self.group.peer_side().get(key).map_err(|error| said(&error))?,
                };
                let left = loaded.time_to_live().map_or(0, |left| left.as_secs());
                Ok(vec![left.to_string().into_bytes()])
            }
            ("peeks", []) => {
                let stats = self.group.stats();
                Ok([stats.peeks, stats.peek_hits].map(|count| count.to_string().into()).into())
            }
            ("insert", [key, value]) => {
                let report = self.group.insert(key, &**value).map_err(|error| said(&error))?;
                Ok(outcomes(&report.peers))
            }
            ("loads", [key]) => Ok(vec![self.loads.count(key).to_string().into_bytes()]),
            _ => Err(format!("no command {command} with {} arguments", args.len())),
        }
    }

    fn owner(&self, key: &str) -> String {
        self.pool.owner(key).expect("the list holds this peer at least")
    }
}

/// Each peer with what became of a change there, in turns.
fn outcomes(reports: &[PeerReport]) -> Vec<Vec<u8>> {
    let words = reports.iter().flat_map(|it| {
        let outcome = match &it.outcome {
            RemoveOutcome::Done => "done",
            RemoveOutcome::NotSupported => "not supported",
            _ => "failed",
        };
        [it.peer.as_bytes().to_vec(), outcome.into()]
    });
    words.collect()
}

/// The getter's own words, where it failed.
fn said(error: &Error) -> String {
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

/// The slow source of truth, and how often it was asked for what.
#[derive(Default)]
struct Loads(Mutex<HashMap<String, u64>>);

impl Loads {
    fn load(&self, key: &str) -> Result<Loaded, BoxError> {
        *self.0.lock().unwrap().entry(key.to_owned()).or_default() += 1;
        Ok(match key {
            _ if key.starts_with("fails") => {
                return Err(format!("the source failed for {key}").into());
            }
            _ if key.starts_with("absent") => Loaded::absent(),
            _ if key.starts_with("empty") => Loaded::from(""),
            _ if key.starts_with("large") => {
                Loaded::from(format!("{key}\n").repeat(1 + (1 << 20) / key.len()))
            }
            _ if key.starts_with("huge") => {
                Loaded::from(format!("{key}\n").repeat(1 + (11 << 20) / key.len()))
            }
            // Others must not notice that it ends.
            _ if key.starts_with("brief") => {
                Loaded::from(format!("value of {key}")).ttl(Duration::from_secs(3600))
            }
            _ => Loaded::from(format!("value of {key}")),
        })
    }

    fn count(&self, key: &str) -> u64 {
        self.0.lock().unwrap().get(key).copied().unwrap_or_default()
    }
}
