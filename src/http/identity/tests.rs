use super::*;

const OURS: u32 = 0x1111_1111;
const THEIRS: u32 = 0x2222_2222;
const SECOND: Duration = Duration::from_secs(1);

fn url(text: &str) -> PeerUrl {
    PeerUrl::parse(text).unwrap()
}

/// A process at `http://a:1` that knows the one at `http://b:1`, and that one.
fn two() -> (Arc<Identity>, Arc<Acquaintance>, Identity) {
    let ours = Arc::new(Identity::new(Some(&url("http://a:1")), None));
    let theirs = Identity::new(Some(&url("http://b:1")), None);
    let acquaintance = Arc::new(Acquaintance::new(Arc::clone(&ours), url("http://b:1")));
    ours.set_list(OURS, std::iter::once(Arc::clone(&acquaintance)));
    (ours, acquaintance, theirs)
}

fn with(identity: &Identity, digest: u32) -> Note {
    Note { digest: Some(digest), ..identity.note() }
}

#[test]
fn each_life_of_a_peer_begins_once() {
    let (ours, peer, theirs) = two();
    assert!(!peer.take_begun());
    let next_life = Identity::new(Some(&url("http://b:1")), None);
    for life in [&theirs, &next_life] {
        ours.hear_of_start(&life.note());
        ours.hear_of_start(&life.note());
        assert!(peer.take_begun() && !peer.take_begun());
    }
    ours.hear_of_start(&Note::default());
    ours.hear_of_start(&Identity::new(Some(&url("http://c:1")), None).note());
    assert!(!peer.take_begun(), "others did");
}

#[test]
fn lists_that_differ_are_seen_by_who_asks_and_by_who_is_asked() {
    for is_asked in [true, false] {
        let (ours, peer, theirs) = two();
        let hear = |digest| {
            let note = with(&theirs, digest);
            if is_asked {
                ours.meet(&note).unwrap();
            } else {
                peer.hear(&note, 200);
            }
            peer.list_differs_for(Instant::now() + SECOND)
        };
        assert_eq!(hear(OURS), None);
        assert!(hear(THEIRS).is_some_and(|time| time >= SECOND), "{is_asked}");
        assert!(hear(THEIRS).is_some_and(|time| time >= SECOND));
        assert_eq!(ours.differing.load(Ordering::Relaxed), 1);
        assert_eq!(hear(OURS), None);
        assert_eq!(ours.differing.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_list_that_changes_here_makes_nobody_differ_before_they_are_heard_again() {
    let (ours, peer, theirs) = two();
    peer.hear(&with(&theirs, OURS), 200);
    ours.set_list(THEIRS, std::iter::once(Arc::clone(&peer)));
    peer.list_changed();
    assert_eq!(peer.list_differs_for(Instant::now()), None);
    peer.hear(&with(&theirs, OURS), 200);
    assert!(peer.list_differs_for(Instant::now()).is_some());
    peer.hear(&with(&theirs, THEIRS), 200);
    assert_eq!(peer.list_differs_for(Instant::now()), None);
}

#[test]
fn a_difference_that_outlasts_a_change_here_is_as_old_as_before() {
    let (ours, peer, _) = two();
    let begun = Instant::now();
    peer.learn(THEIRS, begun);
    ours.set_list(3, std::iter::once(Arc::clone(&peer)));
    peer.list_changed();
    peer.learn(THEIRS, begun + 5 * SECOND);
    assert_eq!(peer.list_differs_for(begun + 7 * SECOND), Some(7 * SECOND));
}

#[test]
fn a_peer_that_differs_and_goes_is_forgotten() {
    let (ours, peer, _) = two();
    peer.learn(THEIRS, Instant::now());
    ours.set_list(THEIRS, std::iter::empty());
    drop(peer);
    assert_eq!(ours.differing.load(Ordering::Relaxed), 0);
}

#[test]
fn strangers_with_another_list_count_for_a_minute() {
    let (ours, peer, _) = two();
    let stranger = Identity::new(None, None);
    let now = Instant::now();
    ours.meet(&with(&stranger, OURS)).unwrap();
    assert_eq!(ours.strangers_differ_for(now), None);
    ours.meet(&with(&stranger, THEIRS)).unwrap();
    assert!(ours.strangers_differ_for(now + SECOND).is_some());
    assert_eq!(ours.strangers_differ_for(now + 62 * SECOND), None);
    assert_eq!(peer.list_differs_for(now), None);
}

#[test]
fn only_another_name_of_a_cluster_is_refused() {
    let named = |name| Identity::new(Some(&url("http://a:1")), name);
    for (theirs, ours, refused) in [
        (None, None, None),
        (None, Some("shop"), None),
        (Some("shop"), None, None),
        (Some("shop"), Some("shop"), None),
        (Some("shop"), Some("users"), Some(Misdirected::OtherCluster("users"))),
    ] {
        let asker = named(theirs);
        assert_eq!(named(ours).meet(&asker.note()).err(), refused, "{theirs:?}, {ours:?}");
    }
}

#[test]
fn a_process_knows_itself_and_neither_its_like_nor_one_that_does_not_tell() {
    let (ours, _, _) = two();
    let again = Identity::new(Some(&url("http://a:1")), None);
    assert_eq!(ours.meet(&ours.note()), Err(Misdirected::Itself));
    assert_eq!(ours.meet(&again.note()), Ok(()));
    assert_eq!(ours.meet(&Note::default()), Ok(()));
    assert_eq!(Identity::default().meet(&Note::default()), Ok(()));
    assert_eq!(Identity::default().note(), Note::default());
}

#[test]
fn a_peer_is_us_only_if_the_answer_is_ours() {
    let (_, peer, theirs) = two();
    peer.hear(&Note { status: Some(Status::Itself), ..theirs.note() }, 200);
    assert!(!peer.is_us());
    peer.hear(&Note { status: Some(Status::Itself), ..theirs.note() }, 421);
    assert!(peer.is_us());
}

#[test]
fn a_name_that_stood_for_us_is_asked_again_after_a_minute() {
    let (_, peer, theirs) = two();
    let itself = Note { status: Some(Status::Itself), ..theirs.note() };
    let now = Instant::now();
    peer.hear(&itself, 421);
    assert!(peer.is_us_at(now + 59 * SECOND));
    assert!(!peer.is_us_at(now + 62 * SECOND));
    // A balancer, or a name that stands for another address now.
    peer.hear(&with(&theirs, OURS), 200);
    assert!(!peer.is_us());
    peer.hear(&itself, 421);
    assert!(peer.is_us());
}

#[test]
fn lists_that_differ_are_worth_a_warning_after_ten_seconds_and_then_once_a_minute() {
    let (ours, _, _) = two();
    let begun = Instant::now();
    let warned: Vec<u32> =
        (0..200).filter(|&n| ours.is_worth_a_warning(begun + n * SECOND, begun)).collect();
    assert_eq!(warned, [10, 70, 130, 190]);
}

#[test]
fn a_peer_that_says_that_it_leaves_rings_once() {
    let (ours, peer, theirs) = two();
    let heard = ours.bell().rings();
    ours.is_left_by(theirs.note().incarnation.unwrap());
    assert_eq!(ours.bell().rings(), heard + 1);
    ours.bell().wait(heard, Duration::MAX);
    assert!(peer.take_leaves() && !peer.take_leaves());
    // One that is in no list.
    ours.is_left_by(0);
    assert_eq!(ours.bell().rings(), heard + 1);
}
