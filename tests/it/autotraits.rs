//! What all public types can be relied on for, whatever is inside of them.

use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Mutex;

use geecache::consistenthash::Ring;
use geecache::lru::{Inserted, Lru};
use geecache::singleflight::{Reentrant, Role, Singleflight};
use geecache::{
    Accounting, BoxError, ByteView, CacheStats, Error, Event, EventSink, Eviction, EvictionReason,
    Getter, Group, GroupBuilder, Histogram, HotKey, Latencies, Latency, Loaded, MetricsWriter,
    NoPeers, NoSource, NotFound, PastEvent, PeerError, PeerErrorKind, PeerGetter, PeerPicker,
    Registry, StaleReason, Stats, TypedGroup, TypedStats, Versioned,
};

fn crosses_threads<T: Send + Sync + ?Sized + 'static>() {}
fn is_shown<T: Debug>() {}
fn is_cloned<T: Clone>() {}
fn is_an_error<T: std::error::Error>() {}
fn is_compared<T: Eq>() {}

/// A value, that is: all of it.
fn is_plain<T: Send + Sync + Clone + Debug + 'static>() {}

#[test]
fn handles_and_values_cross_threads_are_cloned_and_shown() {
    is_plain::<Group>();
    is_plain::<Registry>();
    is_plain::<NoPeers>();
    is_plain::<Ring>();
    is_plain::<Singleflight<ByteView>>();
    is_plain::<ByteView>();
    is_plain::<Loaded>();
    is_plain::<Stats>();
    is_plain::<CacheStats>();
    is_plain::<Histogram>();
    is_plain::<Latencies>();
    is_plain::<HotKey>();
    is_plain::<Event>();
    is_plain::<EventSink>();
    is_plain::<EvictionReason>();
    is_plain::<StaleReason>();
    is_plain::<PastEvent>();
    is_plain::<Eviction>();
    is_plain::<Accounting>();
    is_plain::<Error>();
    is_plain::<PeerError>();
    is_plain::<PeerErrorKind>();
    is_plain::<NotFound>();
    is_plain::<NoSource>();
    is_plain::<TypedGroup<str, Mutex<u8>>>();
    // No key is kept, so it may be of a type that stays on its thread.
    is_plain::<TypedGroup<Rc<str>, u8>>();
    is_plain::<TypedStats>();
    is_plain::<Versioned<u8>>();
    is_plain::<Reentrant>();
    is_plain::<Role>();
    is_plain::<Inserted<ByteView>>();
}

#[test]
fn builders_and_the_lru_cross_threads_and_are_shown() {
    crosses_threads::<GroupBuilder>();
    is_shown::<GroupBuilder>();
    crosses_threads::<Latency>();
    is_shown::<Latency>();
    crosses_threads::<MetricsWriter>();
    is_shown::<MetricsWriter>();
    crosses_threads::<Lru<ByteView>>();
    is_shown::<Lru<ByteView>>();
}

#[test]
fn the_seams_can_be_trait_objects_that_cross_threads() {
    crosses_threads::<dyn Getter>();
    crosses_threads::<dyn PeerPicker>();
    crosses_threads::<dyn PeerGetter>();
    crosses_threads::<BoxError>();
}

#[test]
fn errors_are_errors() {
    is_an_error::<Error>();
    is_an_error::<PeerError>();
    is_an_error::<NotFound>();
    is_an_error::<Reentrant>();
}

#[test]
fn what_tests_compare_can_be_compared() {
    is_compared::<ByteView>();
    is_compared::<Loaded>();
    is_compared::<Stats>();
    is_compared::<CacheStats>();
    is_compared::<PeerErrorKind>();
    is_cloned::<Error>();
}

#[test]
fn debug_output_names_what_it_is_about() {
    let group = Group::new("scores", 0, |_: &str| Ok::<_, Error>(""));
    assert!(format!("{group:?}").contains("scores"));
    let registry = Registry::new();
    registry.insert(&group).unwrap();
    assert!(format!("{registry:?}").contains("scores"));
    assert!(
        format!("{:?}", Group::builder("ages", 64 << 20, |_: &str| Ok::<_, Error>("")))
            .contains("ages")
    );
}

#[test]
fn messages_start_small_end_without_a_full_stop_and_name_what_failed() {
    let (group, key) = (String::from("scores"), String::from("Tom"));
    let timeout = std::time::Duration::from_millis(250);
    let errors = [
        (Error::EmptyKey, vec!["empty"]),
        (Error::NotFound { group: group.clone(), key: key.clone() }, vec!["scores", "Tom"]),
        (Error::ReentrantLoad { group: group.clone(), key: key.clone() }, vec!["scores", "Tom"]),
        (
            Error::TimedOut { group: group.clone(), key: key.clone(), timeout },
            vec!["scores", "Tom", "250ms"],
        ),
        (Error::PeersAlreadyRegistered { group: group.clone() }, vec!["scores"]),
        (
            Error::NestedTooDeep { group: group.clone(), key, levels: 64 },
            vec!["scores", "Tom", "64"],
        ),
        (Error::ShutDown { url: "http://a:1".to_owned() }, vec!["http://a:1"]),
        (Error::DuplicateGroup { name: group.clone() }, vec!["scores"]),
        (Error::InvalidGroup { name: group }, vec!["scores"]),
    ];
    for (error, parts) in errors {
        let text = error.to_string();
        assert!(!text.ends_with('.'), "{text}");
        assert!(!text.starts_with(char::is_uppercase), "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
    let error = PeerError::new(PeerErrorKind::Unreachable, "http://a:1", "connection refused");
    let text = error.to_string();
    assert!(text.contains("http://a:1") && text.contains("connection refused"), "{text}");
    assert_eq!((error.peer(), error.message()), ("http://a:1", "connection refused"));
}
