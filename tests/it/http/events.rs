//! What happens to peers, as the subscriber of a pool is told.

use std::sync::Mutex;
use std::sync::mpsc;

use geecache::{ChangeStamp, Event, HttpPoolBuilder};

use crate::support::{CountingGetter, Peer, SERVERS, SOON, until};

#[test]
fn peers_that_go_down_and_come_back_and_new_lists_are_told() {
    for server in SERVERS {
        let (tell, told) = mpsc::channel();
        let tell = Mutex::new(tell);
        let subscriber = move |event: &Event| tell.lock().unwrap().send(event.clone()).unwrap();
        let watched = |pool: HttpPoolBuilder| pool.on_event(subscriber);
        let owner = Peer::start(server, CountingGetter::new(), |pool| pool);
        let asker = Peer::start(server, CountingGetter::new(), watched);
        let (url, addr) = (owner.url(), owner.addr());
        let next = || told.recv_timeout(SOON).expect("something happened");

        asker.join(&[&url]);
        let Event::ListChanged { peers } = next() else { panic!("a list") };
        let mut expected = [asker.url(), url.clone()];
        expected.sort();
        assert_eq!(peers, expected);
        asker.join(&[&url]);

        let key = asker.key_owned_by(&url);
        owner.pool.shutdown();
        drop(owner);
        asker.group.get(&key).unwrap();
        let event = next();
        let Event::PeerDown { peer, pause } = &event else { panic!("{event:?}") };
        assert!(*peer == url && !pause.is_zero(), "{event:?}");

        let _owner = Peer::start_on(&addr, server, CountingGetter::new(), |pool| pool);
        until("the peer is up again", || {
            asker.group.peer_side().clear(ChangeStamp::UNORDERED);
            asker.group.get(&key).unwrap();
            asker.pool.recent_events().iter().any(|past| past.event.name() == "peer-up")
        });
        let recent = asker.pool.recent_events();
        let names: Vec<&str> = recent.iter().map(|past| past.event.name()).collect();
        assert_eq!(names, ["list-changed", "peer-down", "peer-up"]);
    }
}
