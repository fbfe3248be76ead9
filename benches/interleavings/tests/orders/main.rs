//! The promises that hold in whatever order threads run.
//!
//! Each test runs thousands of orders, most of them with few switches between threads (Burckhardt,
//! Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of
//! Finding Bugs", ASPLOS 2010), and the others quite at random. One that fails is printed, and can
//! be run again by `shuttle::replay`.

mod alone;
mod peers;

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use geecache::{Group, GroupBuilder, Loaded};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::Mutex;
use shuttle::thread;

/// How many orders each test tries.
const ORDERS: usize = 10_000;
/// How often a thread gives way to another one in an order that is not quite random.
const SWITCHES: usize = 3;
/// The stack of each thread. One that is too small ends without a word.
const STACK_BYTES: usize = 256 << 10;
const ONE: NonZeroUsize = NonZeroUsize::MIN;
/// Time limits never end here.
const LONG: Duration = Duration::from_secs(1_000_000);

fn in_any_order(test: impl Fn() + Send + Sync + 'static) {
    let test = Arc::new(test);
    // One thread runs for long while another one stands still: what random choices hardly ever do.
    run(PctScheduler::new(SWITCHES, ORDERS), Arc::clone(&test));
    run(RandomScheduler::new(ORDERS / 4), test);
}

fn run(scheduler: impl Scheduler + 'static, test: Arc<impl Fn() + Send + Sync + 'static>) {
    let mut config = shuttle::Config::new();
    config.stack_size = STACK_BYTES;
    shuttle::Runner::new(scheduler, config).run(move || test());
}

/// Runs all of them at the same time, and to their ends.
fn together<T: Send + 'static>(work: Vec<Box<dyn FnOnce() -> T + Send>>) -> Vec<T> {
    let running: Vec<_> = work.into_iter().map(|work| thread::spawn(work)).collect();
    running.into_iter().map(|it| it.join().unwrap()).collect()
}

fn boxed<T>(work: impl FnOnce() -> T + Send + 'static) -> Box<dyn FnOnce() -> T + Send> {
    Box::new(work)
}

/// A source with one value, which changes.
#[derive(Clone, Default)]
struct Source(Arc<Mutex<u64>>);

impl Source {
    fn version(&self) -> u64 {
        *self.0.lock().unwrap()
    }

    fn change(&self) -> u64 {
        let mut version = self.0.lock().unwrap();
        *version += 1;
        *version
    }

    fn group(&self) -> Group {
        let source = self.clone();
        let load = move |_: &str| {
            let version = source.version();
            thread::yield_now();
            Ok::<_, io::Error>(version.to_string())
        };
        made(Group::builder("changing", 1 << 20, load).shards(ONE))
    }
}

/// A group with little beside what a test is about, so that there are fewer orders.
fn made(builder: GroupBuilder) -> Group {
    let group = builder.hot_keys(0).clock(|| Duration::from_secs(1)).build();
    // What is made when it is first used is made here. It waits on locks of the system, which no
    // other thread of a test may be at.
    group.insert("first", Loaded::from("value")).unwrap();
    group.remove("first");
    group
}

fn version_in(group: &Group) -> u64 {
    std::str::from_utf8(&group.get("key").unwrap()).unwrap().parse().unwrap()
}

/// What changes the source, then has the group forget, and looks.
fn changes_and_looks(source: &Source, group: &Group, forget: fn(&Group)) -> impl FnOnce() + use<> {
    let (source, group) = (source.clone(), group.clone());
    move || {
        let version = source.change();
        forget(&group);
        let seen = version_in(&group);
        assert!(seen >= version, "version {seen} was read after {version} was announced");
    }
}

fn reads(group: &Group) -> impl FnOnce() + use<> {
    let group = group.clone();
    move || _ = version_in(&group)
}
