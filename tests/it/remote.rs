//! Groups of programs without a source.

use std::sync::Arc;

use geecache::{Error, Group, Loaded, NoSource, PeerError, PeerErrorKind, PeerGetter};

use crate::support::{FixedPicker, ScriptedPeer, value_of};

/// A remote group that is told of these peers for its gets, one after the other.
fn remote(peers: impl IntoIterator<Item = Arc<dyn PeerGetter>>) -> Group {
    let group = Group::remote("scores");
    group.register_shared_peers(FixedPicker::new(peers)).unwrap();
    group
}

#[track_caller]
fn peer_error(answer: &Result<impl std::fmt::Debug, Error>) -> &PeerError {
    let Err(Error::Load { group, key, source }) = answer else { panic!("{answer:?}") };
    assert_eq!((group.as_str(), key.as_str()), ("scores", "Tom"));
    source.downcast_ref().expect("an error of a peer")
}

#[test]
fn a_remote_group_has_the_values_of_its_peers() {
    let owner = ScriptedPeer::new(|key: &str| match key {
        "kkk" => Err(PeerErrorKind::NotFound),
        _ => Ok(Loaded::from(value_of(key))),
    });
    let group = remote((0..2).map(|_| Arc::clone(&owner) as _));
    assert_eq!(group.get("Tom").unwrap(), value_of("Tom").as_str());
    assert!(matches!(group.get("kkk"), Err(Error::NotFound { .. })));
}

#[test]
fn the_error_of_the_owner_is_the_error_of_a_remote_group() {
    for kind in [PeerErrorKind::Load, PeerErrorKind::NoSuchGroup, PeerErrorKind::TimedOut] {
        let owner = ScriptedPeer::new(move |_: &str| Err(kind));
        let group = remote([Arc::clone(&owner) as _]);
        assert_eq!(peer_error(&group.get("Tom")).kind(), kind);
        let group = remote([owner as _]);
        assert_eq!(peer_error(&group.get_many(["Tom"])[0]).kind(), kind);
    }
}

#[test]
fn a_stand_in_answers_a_remote_group_in_place_of_its_owner() {
    let owner = ScriptedPeer::new(|_: &str| Err(PeerErrorKind::Unreachable));
    let stand_in = ScriptedPeer::new(|key: &str| Ok(Loaded::from(value_of(key))));
    let group = remote([owner as _, stand_in as _]);
    assert_eq!(group.get("Tom").unwrap(), value_of("Tom").as_str());
}

#[test]
fn where_a_stand_in_fails_as_well_the_owner_s_error_counts() {
    let owner = ScriptedPeer::new(|_: &str| Err(PeerErrorKind::Unreachable));
    let stand_in = ScriptedPeer::new(|_: &str| Err(PeerErrorKind::Overloaded));
    let group = remote([owner as _, Arc::clone(&stand_in) as _]);
    assert_eq!(peer_error(&group.get("Tom")).kind(), PeerErrorKind::Unreachable);
    assert_eq!(stand_in.requests(), 1);
}

#[test]
fn a_remote_group_without_peers_says_so() {
    let error = Group::remote("scores").get("Tom").unwrap_err();
    let Error::Load { source, .. } = &error else { panic!("{error:?}") };
    assert!(source.is::<NoSource>());
    let told = "no peer could be asked for it, and this process has no source";
    assert!(error.to_string().ends_with(told), "{error}");
}

#[cfg(feature = "http")]
mod over_http {
    use std::io;

    use geecache::HttpPool;

    use super::*;
    use crate::support::{Cluster, CountingGetter, Peer, SERVERS};

    #[test]
    fn a_client_without_a_source_sees_the_words_of_the_owner_s_getter() {
        for server in SERVERS {
            let locked = |_: &str| Err(io::Error::other("the table is locked").into());
            let cluster = Cluster::settled(2, server, |_| CountingGetter::with(locked));
            let (group, pool) = (Group::remote("scores"), Peer::client(&cluster.urls()));
            pool.add(&group).unwrap();
            let answer = group.get("Tom");
            let error = peer_error(&answer);
            assert_eq!(error.kind(), PeerErrorKind::Load);
            assert_eq!(error.message(), "the table is locked");
            assert_eq!(cluster.calls(), 1, "and nobody else was asked");
            let line = answer.unwrap_err().to_string();
            assert!(line.ends_with("could not load: the table is locked"), "{line}");
        }
    }

    #[test]
    fn a_client_whose_peers_are_all_down_gets_an_error_that_says_so() {
        let urls = Cluster::of(2, SERVERS[1]).urls();
        let (group, pool) = (Group::remote("scores"), HttpPool::client(&urls).unwrap());
        pool.add(&group).unwrap();
        assert_eq!(peer_error(&group.get("Tom")).kind(), PeerErrorKind::Unreachable);
    }
}
