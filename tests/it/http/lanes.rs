//! Many threads that ask one peer for single keys at the same time.

use std::sync::{Arc, OnceLock};
use std::thread;

use crate::support::{CountingGetter, Gate, Peer, SERVERS, value_of};

const SLOW: usize = 8;
const THREADS: usize = 32;
const KEYS_OF_EACH: usize = 20;

#[test]
fn slow_loads_hold_up_no_get_of_what_is_in_memory() {
    for server in SERVERS {
        let (gate, slow) = (Gate::closed(), Arc::new(OnceLock::<Vec<String>>::new()));
        let getter = {
            let (gate, slow) = (gate.clone(), Arc::clone(&slow));
            CountingGetter::with(move |key| {
                if slow.get().is_some_and(|slow| slow.iter().any(|it| it == key)) {
                    gate.pass();
                }
                Ok(value_of(key).into())
            })
        };
        let owner = Peer::start(server, getter, |pool| pool);
        let asker = Peer::start(server, CountingGetter::new(), |pool| pool);
        asker.join(&[&owner.url()]);
        let keys: Vec<String> =
            asker.keys_owned_by(&owner.url()).take(SLOW + THREADS * KEYS_OF_EACH).collect();
        let (first, warm) = keys.split_at(SLOW);
        let slow = slow.get_or_init(|| first.to_vec());
        let warm_up: Vec<&str> = warm.iter().map(String::as_str).collect();
        assert!(asker.group.get_many(&warm_up).iter().all(Result::is_ok));

        let get = |key: &String| asker.group.get(key).map(|value| assert_value(&value, key));
        let get = &get;
        thread::scope(|scope| {
            let waiting: Vec<_> = slow.iter().map(|key| scope.spawn(move || get(key))).collect();
            gate.wait_for_arrivals(SLOW);
            let others = warm.chunks(KEYS_OF_EACH);
            let others: Vec<_> =
                others.map(|keys| scope.spawn(move || keys.iter().try_for_each(get))).collect();
            for other in others {
                other.join().unwrap().unwrap();
            }
            assert!(waiting.iter().all(|it| !it.is_finished()), "{server:?}");
            gate.open();
            for it in waiting {
                it.join().unwrap().unwrap();
            }
        });
        assert_eq!(owner.getter.calls(), keys.len(), "{server:?}");
        assert_eq!(asker.getter.calls(), 0, "{server:?}");
        assert_eq!(owner.stats().server_requests, 2 * keys.len() as u64 - SLOW as u64);
    }
}

fn assert_value(value: &geecache::ByteView, key: &str) {
    assert_eq!(value, value_of(key).as_str());
}
