//! Tags, versions, and what is owed.

use crate::group::changes::tests::*;

#[test]
fn a_tag_is_removed_twice_at_all_peers_and_here_before_between_and_after() {
    let (changes, here, peers, log) = three(None);
    assert!(changes.remove_tags(&["t"], &here, &peers).is_complete());
    assert_eq!(rounds(&log), ["owner -#t; previous -#t; third -#t"; 2]);
    let lines = lock(&log);
    let homes = lines.iter().filter(|line| line.starts_with("here")).count();
    assert_eq!(homes, 3);
    assert!(lines[0].starts_with("here -#") && lines[lines.len() - 1].starts_with("here -#"));
    assert_eq!(changes.counters.tag_removes.value(), 1);
}

#[test]
fn an_insertion_that_comes_after_the_removal_of_its_tag_by_the_same_process_is_refused() {
    let (changes, here, _, log) = three(None);
    let insert = |origin, number, tag: &str| {
        let stamp = ChangeStamp::new(origin, number);
        changes.insert_here("k", Loaded::from("v").tag(tag), stamp, &here)
    };
    changes.remove_tags_here(&["t"], ChangeStamp::new(1, 5), &here);
    assert_eq!(insert(1, 4, "t"), Err(LateChange));
    assert_eq!(lock(&log).last().unwrap(), "here -k", "what is there may be older still");
    assert_eq!(insert(1, 4, "other"), Ok(true));
    assert_eq!(insert(1, 6, "t"), Ok(true));
    assert_eq!(insert(2, 1, "t"), Ok(true), "changes of others have no order");
}

#[test]
fn an_owner_in_this_process_that_has_a_newer_value_says_so() {
    let (changes, here, ..) = three(None);
    let insert = |version| {
        changes.insert("k", Loaded::from("v").version(version), &here, &crate::peers::NoPeers)
    };
    let newer = insert(2);
    assert!(newer.is_kept && !newer.is_late);
    let older = insert(1);
    assert!(older.is_late && !older.is_kept && older.is_complete());
    assert_eq!(changes.counters.late.value(), 1);
}

#[test]
fn what_a_peer_could_not_be_told_is_owed_to_it_until_it_was_told() {
    for kind in [PeerErrorKind::Unreachable, PeerErrorKind::TimedOut, PeerErrorKind::NoSuchGroup] {
        let (changes, here, peers, _) = three(Some(kind));
        let report = changes.remove(&["k"], &here, &peers);
        let is_owed = |peer: &PeerReport| matches!(peer.outcome, RemoveOutcome::Owed(_));
        let owed: Vec<&str> =
            report.peers.iter().filter(|peer| is_owed(peer)).map(|peer| &*peer.peer).collect();
        assert_eq!(owed, ["owner"]);
        let owner = peers.pick_peer("k").unwrap();
        assert!(!changes.may_read(&owner) && changes.may_read(&peers.peers()[2]));
        let now = std::time::Instant::now;
        assert!(changes.pay_due(Haste::Now, &here, &peers, &now).is_some(), "it fails again");
        let debts = changes.debts();
        assert_eq!((debts.len(), debts[0].keys, debts[0].attempts), (1, Some(1), 1), "{debts:?}");
    }
}

#[test]
fn what_is_paid_is_removed_from_all_others_once_more() {
    let (changes, here, peers, log) = three(Some(PeerErrorKind::Unreachable));
    changes.remove(&["k"], &here, &peers);
    *lock(&peers.0[1].error) = None;
    lock(&log).clear();
    assert_eq!(changes.pay_due(Haste::Now, &here, &peers, &std::time::Instant::now), None);
    assert_eq!(lock(&log).first().unwrap(), "owner -k");
    assert_eq!(rounds(&log), ["owner -k; previous -k; third -k"]);
    assert_eq!(lock(&log).last().unwrap(), "here -k");
    assert!(changes.debts().is_empty() && changes.may_read(&peers.pick_peer("k").unwrap()));
}

#[test]
fn who_can_not_make_changes_is_owed_none() {
    let (changes, here, peers, _) = three(Some(PeerErrorKind::NotSupported));
    assert!(!changes.remove(&["k"], &here, &peers).is_complete());
    assert!(!changes.clear(&here, &peers).is_complete());
    assert!(changes.debts().is_empty());
    assert!(changes.may_read(&peers.pick_peer("k").unwrap()));
}

#[test]
fn what_a_peer_can_not_do_is_forgiven_and_nothing_else() {
    let (changes, here, peers, _) = three(Some(PeerErrorKind::Unreachable));
    let keys: Vec<String> = (0..4097).map(|n| n.to_string()).collect();
    changes.remove(&keys.iter().map(String::as_str).collect::<Vec<_>>(), &here, &peers);
    *lock(&peers.0[1].error) = Some(PeerErrorKind::NotSupported);
    let pay = || changes.pay_due(Haste::Now, &here, &peers, &std::time::Instant::now);
    assert!(pay().is_some());
    assert_eq!(changes.debts()[0].keys, Some(1), "one payment has 4,096 of them");
    *lock(&peers.0[1].error) = None;
    assert_eq!(pay(), None);
    assert_eq!(changes.debt_counters().paid.value(), 1);
}

#[test]
fn one_that_leaves_the_list_is_owed_nothing_before_it_is_back() {
    use crate::peers::NoPeers;
    let (changes, here, peers, _) = three(Some(PeerErrorKind::Unreachable));
    changes.remove(&["k"], &here, &peers);
    assert_eq!(changes.pay_due(Haste::Now, &here, &NoPeers, &std::time::Instant::now), None);
    assert!(changes.debts().is_empty());
    assert!(!changes.may_read(&peers.pick_peer("k").unwrap()));
    assert_eq!(changes.debts()[0].keys, None, "nobody knows what it has missed");
}

#[test]
fn what_one_is_owed_that_has_a_new_handle_is_paid_by_that() {
    let (changes, here, peers, _) = three(Some(PeerErrorKind::Unreachable));
    changes.remove(&["k"], &here, &peers);
    let log = Log::default();
    let again = peers.0.each_ref().map(|peer| {
        Arc::new(Peer { name: peer.name, error: Mutex::default(), log: Arc::clone(&log) })
    });
    let pay =
        || changes.pay_due(Haste::Now, &here, &Three(again.clone()), &std::time::Instant::now);
    assert_eq!(pay(), None, "it is paid");
    assert_eq!(lock(&log).first().unwrap(), "owner -k");
}

#[test]
fn an_insertion_waives_no_removal_that_is_owed_since_it_began() {
    /// The owner of all keys. While it answers an insertion, it can not be told of a removal.
    struct Overtaken(std::sync::Weak<Changes>);
    impl PeerGetter for Overtaken {
        fn get(&self, _group: &str, _key: &str) -> Result<Loaded, PeerError> {
            unreachable!("changes ask for nothing")
        }

        fn name(&self) -> &str {
            "owner"
        }

        fn remove(&self, _group: &str, _: &[&str], _: ChangeStamp) -> Result<(), PeerError> {
            Err(PeerError::new(PeerErrorKind::Unreachable, "owner", "as it was told"))
        }

        fn insert(
            &self,
            _group: &str,
            key: &str,
            _value: &Loaded,
            _stamp: ChangeStamp,
        ) -> Result<bool, PeerError> {
            let changes = self.0.upgrade().unwrap();
            let owner = Arc::new(Self(self.0.clone()));
            assert!(!changes.remove(&[key], &Here(Log::default()), &One(owner)).is_complete());
            Ok(true)
        }
    }
    struct One(Arc<Overtaken>);
    impl PeerPicker for One {
        fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
            Some(Arc::clone(&self.0) as _)
        }

        fn peers(&self) -> Vec<Arc<dyn PeerGetter>> {
            self.pick_peer("").into_iter().collect()
        }
    }
    let changes = Arc::new(Changes::new(Telling::quiet("g")));
    let owner = Arc::new(Overtaken(Arc::downgrade(&changes)));
    for _ in 0..2 {
        let here = Here(Log::default());
        changes.insert("k", Loaded::from("v"), &here, &One(Arc::clone(&owner)));
        let debts = changes.debts();
        assert_eq!(debts.iter().map(|debt| debt.keys).collect::<Vec<_>>(), [Some(1)]);
    }
}

#[test]
fn an_older_look_at_the_list_drops_no_debt() {
    use crate::peers::NoPeers;
    let (changes, here, peers, _) = three(Some(PeerErrorKind::Unreachable));
    let older = changes.debts.begin_change();
    changes.remove(&["k"], &here, &peers);
    let now = std::time::Instant::now();
    changes.debts.look(&NoPeers.peers(), Some(older), &changes.journal, now);
    assert_eq!(changes.debts().len(), 1, "it was in the list that was read later");
}
