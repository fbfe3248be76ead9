//! The second round of a call, for those whose flights others led and did not end.

use std::cell::RefCell;
use std::time::Duration;

use super::*;

#[test]
fn what_others_did_not_end_is_loaded_here_in_its_own_time() {
    let (a, b) = (Peer::new("a", None), Peer::new("b", None));
    let owners = owners(&[&a, &b], OwnerErrors::default());
    let lead = |key| match owners.flights.join(key) {
        Ok(Ticket::Leader(leader)) => leader,
        _ => panic!("nobody asks for {key}"),
    };
    let leaders = RefCell::new(["a1", "b1", "a2"].map(lead).into_iter().collect::<Vec<_>>());
    let loaded = RefCell::new(Vec::new());
    let load_here = |keys: &[&str], answers: &mut [Option<Answer>], call: Call| {
        // All places in their flights are taken by now.
        leaders.borrow_mut().clear();
        let loads = keys.iter().enumerate().map(|(at, key)| ((*key).to_owned(), call.is_soft(at)));
        loaded.borrow_mut().extend(loads);
        answers.fill(Some(Ok(Loaded::from("here"))));
    };
    let call = Call::many(None).softened(3, Duration::from_secs(10));
    let mut answers = vec![None; 4];
    owners.ask(&["a1", "b1", "x", "a2"], &mut answers, call, &Arc::new(Host), load_here);
    let expected = [("x", false), ("a1", false), ("b1", false), ("a2", true)];
    assert_eq!(loaded.into_inner(), expected.map(|(key, is_soft)| (key.to_owned(), is_soft)));
    assert!(answers.iter().all(Option::is_some) && a.asked().is_empty() && b.asked().is_empty());
}
