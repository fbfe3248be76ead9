//! What a peer or a client causes again and again is logged once.

use log::Level;

use crate::support::{CountingGetter, Peer, SERVERS, keep_logs, logged};

#[test]
fn a_peer_that_lacks_a_group_is_told_once() {
    keep_logs();
    for server in SERVERS {
        let owner = Peer::start(server, CountingGetter::new(), |pool| pool);
        let asker = Peer::start(server, CountingGetter::new(), |pool| pool);
        let url = owner.url();
        asker.join(&[&url]);
        owner.pool.remove("scores").unwrap();
        for key in asker.keys_owned_by(&url).take(300) {
            asker.group.get(&key).unwrap();
        }
        let told = logged(&["getting", &url, "no such group"]);
        assert!(matches!(told[..], [(Level::Warn, _)]), "{told:?}");
        assert_eq!((asker.stats().peer_errors, asker.stats().logs_suppressed), (300, 299));
    }
}
