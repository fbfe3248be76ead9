use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, channel};

use super::*;
use crate::consistenthash::RingHash;
use crate::http::listed::ListedPeer;
use crate::http::peer::PeerOptions;
use crate::http::peers::PeersOptions;
use crate::sync::lock;
use crate::testing::with_seeds;

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn any_message_is_read_or_refused() {
    with_seeds(20_000, |random| {
        let length = random.below(64) as usize;
        let bytes: Vec<u8> = (0..length)
            .map(|_| if random.below(2) == 0 { 0 } else { random.below(12) as u8 })
            .collect();
        fuzz(&bytes);
    });
}

fn options(replicas: NonZeroUsize) -> PeersOptions {
    PeersOptions {
        hash: RingHash::Crc32,
        replicas,
        warm_up: Duration::ZERO,
        zone: None,
        peer: PeerOptions::default(),
    }
}

/// Members over a network without sockets, which may fall apart into two halves.
struct Network {
    peers: Vec<Arc<Peers>>,
    gossips: Vec<Arc<Gossip>>,
    is_apart: Arc<Mutex<bool>>,
}

impl Network {
    fn of(count: usize) -> Self {
        let url = |at: usize| PeerUrl::parse(&format!("http://10.0.0.{at}:1")).unwrap();
        let (mail, letters) = channel::<(usize, Letter)>();
        let is_apart = Arc::new(Mutex::new(false));
        let mut doors = HashMap::new();
        let (mut all, mut gossips) = (Vec::new(), Vec::new());
        for at in 0..count {
            let peers = Arc::new(Peers::new(Some(url(at)), options(NonZeroUsize::MIN)));
            let gossip = Arc::new(Gossip::new(peers.identity().bell()));
            let (outbox, sent) = sync_channel::<Letter>(OUTBOX);
            let mail = mail.clone();
            thread::spawn(move || sent.into_iter().try_for_each(|it| mail.send((at, it))));
            let (door, inbox) = sync_channel(INBOX);
            doors.insert(url(at).as_str().to_owned(), (at, door));
            let me = GossipId::new(url(at).as_str());
            let weak = Arc::downgrade(&peers);
            let member = GossipMember::new(
                me,
                vec![url(0)],
                weak,
                vec![Outbox::new(outbox)],
                Arc::clone(&gossip),
            );
            thread::spawn(move || member.run(&inbox));
            all.push(peers);
            gossips.push(gossip);
        }
        let apart = Arc::clone(&is_apart);
        thread::spawn(move || carry(&letters, &doors, count / 2, &apart));
        Self { peers: all, gossips, is_apart }
    }

    /// Waits until each knows so many others.
    fn wait_for(&self, others: usize) -> Duration {
        let begun = Instant::now();
        for gossip in &self.gossips {
            while gossip.members().len() != others {
                assert!(begun.elapsed() < MINUTE, "not {others} others");
                thread::sleep(Duration::from_millis(10));
            }
        }
        begun.elapsed()
    }
}

type Doors = HashMap<String, (usize, SyncSender<Vec<u8>>)>;

/// Carries letters until nobody writes any more.
fn carry(letters: &Receiver<(usize, Letter)>, doors: &Doors, half: usize, apart: &Mutex<bool>) {
    for (from, (to, body)) in letters {
        let (to, door) = &doors[to.url()];
        if !*lock(apart) || (from < half) == (*to < half) {
            let _ = door.try_send(body);
        }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.gossips.iter().for_each(|gossip| gossip.end());
        self.peers.clear();
    }
}

#[allow(clippy::print_stdout, reason = "figures for those who ask for them by --nocapture")]
#[test]
fn two_halves_that_were_apart_find_each_other_again() {
    let network = Network::of(50);
    println!("50 members know each other after {:?}", network.wait_for(49));
    *lock(&network.is_apart) = true;
    println!("each half knows itself alone after {:?}", network.wait_for(24));
    *lock(&network.is_apart) = false;
    println!("both halves know each other after {:?}", network.wait_for(49));
}

#[test]
fn what_one_member_says_of_itself_keeps_no_other_out() {
    let own = PeerUrl::parse("http://own:1").unwrap();
    let peers = Arc::new(Peers::new(Some(own), options(RingHash::Crc32.replicas())));
    let source = GossipSource::begin(&peers, &["http://own:1#name=me".to_owned()]);
    assert!(source.is_err(), "another name than it has");
    let source = GossipSource::begin(&peers, &[]).unwrap();
    let members = [
        "http://z:1",
        "http://a:1#name=cache",
        "http://b:1#name=cache",
        "http://c:1#name=http://own:1",
        "HTTP://own:1/#weight=3",
        "http://d:1#weight=10000",
        "http://e:1#zone=a/b",
        "http://f:1#zone=b",
        "HTTP://f:1/",
        "http://g:1#weight=2",
        "ftp://h:1",
    ];
    let taken = source.peers_among(&members.map(str::to_owned));
    let list: Vec<_> = taken.iter().map(|text| peers.parse(&**text).unwrap()).collect();
    peers.set(list).unwrap();
    assert_eq!(
        taken,
        [
            "http://a:1#name=cache",
            "http://f:1",
            "http://g:1#weight=2",
            "http://own:1",
            "http://z:1",
        ]
    );
}

#[test]
fn members_that_are_too_many_points_together_are_left_out() {
    let own = PeerUrl::parse("http://own:1").unwrap();
    let peers = Arc::new(Peers::new(Some(own), options(RingHash::Crc32.replicas())));
    let source = GossipSource::begin(&peers, &[]).unwrap();
    let mut members: Vec<String> = (0..420).map(|n| format!("http://x{n}:1#weight=200")).collect();
    members.push("http://a:1".to_owned());
    let taken = source.peers_among(&members);
    let list: Vec<_> = taken.iter().map(|text| peers.parse(&**text).unwrap()).collect();
    peers.check(&list).unwrap();
    assert!(list.len() > 400, "{} are as many as there can be", list.len());
    for there in ["http://own:1", "http://a:1"] {
        assert!(taken.iter().any(|it| it == there), "{there}");
    }
}

#[test]
fn a_name_that_others_would_read_otherwise_is_refused() {
    let own = ListedPeer::new(PeerUrl::parse("http://own:1").unwrap()).called("a&weight=2");
    let peers = Arc::new(Peers::with_name(Some(own), options(RingHash::Crc32.replicas())));
    let refused = GossipSource::begin(&peers, &[]).err().unwrap().to_string();
    assert!(refused.contains("a&weight=2"), "{refused}");
}
