//! [`Sampler`]: looks at all peers again and again, beside those who wait for keys.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, Look, Member};
use crate::failure::{Exit, Failure};

/// How the peers were at one time.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) looks: BTreeMap<String, Look>,
    /// The share of the ring that each peer has.
    pub(super) shares: BTreeMap<String, f64>,
}

impl std::fmt::Debug for Look {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Look").field("is_answer", &self.is_answer()).finish_non_exhaustive()
    }
}

/// The receiving end. The thread ends soon after it is dropped.
pub(super) struct Sampler {
    samples: Receiver<Sample>,
}

impl Sampler {
    pub(super) fn start(cluster: Cluster, interval: Duration) -> Result<Self, Failure> {
        // Who does not take samples is not given more of them.
        let (sender, samples) = mpsc::sync_channel(1);
        let spawned = thread::Builder::new()
            .name("sampler".to_owned())
            .spawn(move || sample(cluster, interval, &sender));
        spawned.map_err(|error| Failure::new(Exit::Local, error))?;
        Ok(Self { samples })
    }

    /// Waits for one.
    pub(super) fn next(&self) -> Result<Sample, Failure> {
        self.samples.recv().map_err(|_| ended())
    }

    /// One that is there already.
    pub(super) fn try_next(&self) -> Result<Option<Sample>, Failure> {
        match self.samples.try_recv() {
            Ok(sample) => Ok(Some(sample)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ended()),
        }
    }
}

fn ended() -> Failure {
    Failure::new(Exit::Local, "the thread that looks at the peers has ended")
}

fn sample(mut cluster: Cluster, interval: Duration, sender: &SyncSender<Sample>) {
    loop {
        let at = Instant::now();
        let looks = cluster.look();
        let urls = cluster.members.iter().map(|member| member.url.clone());
        let looks: BTreeMap<String, Look> = urls.zip(looks).collect();
        let shares = cluster.ring();
        let shares = shares.all_shares().into_iter().map(|(url, share)| (url.to_owned(), share));
        let shares = shares.collect();
        if cluster.is_told_by_peer {
            follow(&mut cluster, &looks);
        }
        if sender.send(Sample { at, looks, shares }).is_err() {
            return;
        }
        thread::sleep(interval.saturating_sub(at.elapsed()));
    }
}

/// Takes the list over that the peers have by now. Those that nobody names any more are left out.
fn follow(cluster: &mut Cluster, looks: &BTreeMap<String, Look>) {
    let views = looks.values().filter_map(|look| look.view.as_ref().ok());
    let mut named: Vec<&String> = views.flat_map(|view| &view.list).collect();
    named.sort();
    named.dedup();
    if named.is_empty() {
        return;
    }
    cluster.members.retain(|member| named.contains(&&member.url));
    for url in named {
        if cluster.member(url).is_none() {
            if let Ok(getter) = cluster.settings.getter(url) {
                cluster.members.push(Member { url: url.clone(), getter });
            }
        }
    }
    cluster.members.sort_by(|a, b| a.url.cmp(&b.url));
}
