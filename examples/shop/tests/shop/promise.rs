//! The promise of the whole: what a change has returned is what everybody reads from then on, be
//! there other changes and loads at the same moment or not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde_json::Value;

use crate::running::Shop;

#[test]
fn no_old_price_is_seen_after_a_change_has_returned() {
    let promise = Promise {
        shop: Shop::open("promise", &[]),
        prices: Default::default(),
        stock: Default::default(),
        writers: AtomicU64::new(5),
    };
    thread::scope(|scope| {
        for process in [0, 1] {
            let promise = &promise;
            scope.spawn(move || promise.write(|n| promise.set_price(process, 1 + n % 4, 100 + n)));
            scope.spawn(move || promise.write(|n| promise.buy(process, 1 + n % 2)));
            scope.spawn(move || promise.read(|n| promise.look_at_one(process, 1 + n % 4)));
            scope.spawn(move || promise.read(|_| promise.look_at_all(process)));
        }
        scope.spawn(|| promise.write(|n| promise.discount(n as usize % 2)));
    });
    promise.shop.close();
}

/// The products of tea, which have the numbers 1 to 8, while they are changed and read.
struct Promise {
    shop: Shop,
    /// The versions that changes have returned, or newer ones: nobody may see an older one.
    prices: Versions,
    stock: Versions,
    /// How many threads still write.
    writers: AtomicU64,
}

type Versions = [AtomicU64; 9];

impl Promise {
    fn write(&self, change: impl Fn(u64)) {
        // Also where a change fails the test, for the readers.
        struct Done<'a>(&'a AtomicU64);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::SeqCst);
            }
        }
        let _done = Done(&self.writers);
        (1..=40).for_each(change);
    }

    fn read(&self, look: impl Fn(u64)) {
        for n in 0.. {
            let is_last = self.writers.load(Ordering::SeqCst) == 0;
            look(n);
            if is_last {
                break;
            }
        }
    }

    fn set_price(&self, process: usize, id: u64, cents: u64) {
        returned(&self.prices, id, &self.shop.set_price(process, id, cents));
    }

    fn buy(&self, process: usize, id: u64) {
        let bought = self.shop.post(process, &format!("products/{id}/buy"), "");
        returned(&self.stock, id, &bought);
    }

    /// Each version is newer by one afterwards, or by more.
    fn discount(&self, process: usize) {
        let before = known(&self.prices);
        self.shop.post(process, "categories/tea/discount", "{\"percent\": 1}");
        for (version, before) in self.prices.iter().zip(before) {
            version.fetch_max(before + 1, Ordering::SeqCst);
        }
    }

    fn look_at_one(&self, process: usize, id: u64) {
        let (prices, stock) = (known(&self.prices), known(&self.stock));
        let page = self.shop.get(process, &format!("products/{id}"));
        assert_new(prices[id as usize], &page["product"]["answer"]);
        assert_new(stock[id as usize], &page["stock"]["answer"]);
    }

    fn look_at_all(&self, process: usize) {
        let prices = known(&self.prices);
        let page = self.shop.get(process, "categories/tea");
        for seen in page["products"]["answer"].as_array().unwrap() {
            let id = seen["value"]["id"].as_u64().unwrap();
            assert_new(prices[id as usize], seen);
        }
    }
}

fn known(versions: &Versions) -> [u64; 9] {
    versions.each_ref().map(|version| version.load(Ordering::SeqCst))
}

fn returned(versions: &Versions, id: u64, answer: &Value) {
    assert_eq!(answer["everywhere"], true);
    versions[id as usize].fetch_max(answer["version"].as_u64().unwrap(), Ordering::SeqCst);
}

#[track_caller]
fn assert_new(at_least: u64, seen: &Value) {
    let version = seen["value"]["version"].as_u64().unwrap();
    assert!(version >= at_least, "version {at_least} had returned: {seen}");
}
