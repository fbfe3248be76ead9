//! Any bytes as a file of peers: for the unit tests and for the fuzz target.

use crate::consistenthash::{MAX_REPLICAS, RingHash};
use crate::http::discovery::file::peers_in;
use crate::http::listed::ListedPeer;
use crate::http::url::PeerScheme;

/// Reads a file of peers. What is read has one spelling, and the list of it one order.
pub(crate) fn drive(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut list = Vec::new();
    for line in peers_in(text) {
        assert!(!line.is_empty() && line.trim() == line && !line.contains('\n'), "{line:?}");
        for scheme in [PeerScheme::Http, PeerScheme::Https] {
            let Ok(peer) = ListedPeer::parse(line, scheme) else { continue };
            assert!(peer.weight.get() <= MAX_REPLICAS, "{line:?}");
            let again = format!("{}#weight={}", peer.url, peer.weight);
            assert_eq!(ListedPeer::parse(&again, scheme).ok().as_ref(), Some(&peer), "{line:?}");
            // What requests are made from. It must be there for every URL that was taken.
            assert!(!peer.url.authority().as_str().is_empty() && peer.url.port() > 0, "{line:?}");
            list.push(peer);
        }
    }
    let Ok(tidy) = ListedPeer::tidy(list.clone()) else { return };
    assert!(tidy.windows(2).all(|pair| pair[0].url < pair[1].url), "{tidy:?}");
    assert!(list.iter().all(|peer| tidy.contains(peer)), "{list:?}");
    list.reverse();
    assert_eq!(
        ListedPeer::tidy(list).ok().as_ref(),
        Some(&tidy),
        "the order of lines means nothing"
    );
    let digest =
        |list: &[ListedPeer]| ListedPeer::digest(list, RingHash::Crc32, RingHash::Crc32.replicas());
    let without_last = &tidy[..tidy.len().saturating_sub(1)];
    assert!(tidy.is_empty() || digest(&tidy) != digest(without_last), "{tidy:?}");
}
