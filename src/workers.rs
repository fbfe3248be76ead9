//! [`Workers`]: a bounded number of threads for work that must not run on the caller's.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::repeats::Repeats;
use crate::stack::StackBytes;
use crate::sync::lock;

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

/// Threads that are started when there is work, reused while there is more, and end when there is
/// none.
///
/// No thread exists before the first job. Dropping this lets the threads end after the jobs they
/// have.
pub(crate) struct Workers {
    shared: Arc<Shared>,
}

struct Shared {
    name: String,
    max_threads: usize,
    stack: StackBytes,
    /// Of what was logged about them.
    repeats: Arc<Repeats>,
    state: Mutex<Queue>,
    /// Told when a job was queued, and at the end.
    queued: Condvar,
    /// Told when a thread became free.
    freed: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Jobs that a thread has been set aside for; so never more than `idle` of them.
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

impl Workers {
    /// At most `max_threads` threads, each called `name`. `repeats` knows what was logged before.
    pub(crate) fn new(name: impl Into<String>, max_threads: usize, repeats: &Arc<Repeats>) -> Self {
        Self::with_stack(name, max_threads, StackBytes::default(), repeats)
    }

    /// As [`new`](Self::new), for jobs that need a stack of their own size.
    pub(crate) fn with_stack(
        name: impl Into<String>,
        max_threads: usize,
        stack: StackBytes,
        repeats: &Arc<Repeats>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                // The name of a thread can't hold a zero, but that of a group can.
                name: name.into().replace('\0', ""),
                max_threads,
                stack,
                repeats: Arc::clone(repeats),
                state: Mutex::default(),
                queued: Condvar::new(),
                freed: Condvar::new(),
            }),
        }
    }

    /// Starts `job` on a thread of its own, if one is free; whether the job was started.
    pub(crate) fn run_now(&self, job: impl FnOnce() + Send + 'static) -> bool {
        self.run(None, job, || {})
    }

    /// Starts `job` on a thread of its own as soon as one is free.
    ///
    /// Waits for that until `deadline`, and calls `waits` before; whether the job was started is
    /// the answer.
    pub(crate) fn run_by(
        &self,
        deadline: Instant,
        job: impl FnOnce() + Send + 'static,
        waits: impl FnOnce(),
    ) -> bool {
        self.run(Some(deadline), job, waits)
    }

    fn run(
        &self,
        deadline: Option<Instant>,
        job: impl FnOnce() + Send + 'static,
        waits: impl FnOnce(),
    ) -> bool {
        let mut waits = Some(waits);
        let shared = &self.shared;
        let mut state = lock(&shared.state);
        loop {
            if state.jobs.len() < state.idle {
                state.jobs.push_back(Box::new(job));
                shared.queued.notify_one();
                return true;
            }
            if state.threads < shared.max_threads {
                state.threads += 1;
                drop(state);
                return shared.start_thread(Box::new(job));
            }
            let Some(deadline) = deadline else { return false };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            if let Some(waits) = waits.take() {
                waits();
            }
            state =
                shared.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Workers {
    /// Applies `work` to every one of `items`, in parallel on the calling thread and as many others
    /// as are free at once; the results have the order of the items. `None` is the result of work
    /// that panicked.
    ///
    /// Never waits for a thread: where none is free, the caller does all the work.
    pub(crate) fn map<T, R>(
        &self,
        items: Vec<T>,
        work: impl Fn(&T) -> R + Send + Sync + 'static,
    ) -> Vec<Option<R>>
    where
        T: Send + Sync + 'static,
        R: Send + 'static,
    {
        self.map_beside(items, move |item, _| work(item), None::<fn()>)
    }

    /// As [`map`](Self::map), while the calling thread does something else. Work for which there is
    /// no thread comes first: when the calling thread begins with `meanwhile`, nothing waits for
    /// it.
    ///
    /// `work` is also told how many other things, `meanwhile` among them, may have to wait until
    /// this one is done, as there is no other thread for them.
    pub(crate) fn map_beside<T, R>(
        &self,
        items: Vec<T>,
        work: impl Fn(&T, usize) -> R + Send + Sync + 'static,
        meanwhile: Option<impl FnOnce()>,
    ) -> Vec<Option<R>>
    where
        T: Send + Sync + 'static,
        R: Send + 'static,
    {
        let count = items.len();
        let task = Arc::new(Task {
            items,
            work,
            next: AtomicUsize::new(0),
            results: Mutex::new((0..count).map(|_| None).collect()),
            left: Mutex::new(count),
            done: Condvar::new(),
        });
        // Without anything else to do, the caller is one of the threads.
        let wanted = if meanwhile.is_some() { count } else { count.saturating_sub(1) };
        let recruit = |most: usize| {
            let one = |_: &usize| {
                let task = Arc::clone(&task);
                self.run_now(move || while task.do_next(0, 0) {})
            };
            (0..most).take_while(one).count()
        };
        let after = usize::from(meanwhile.is_some());
        // So many items may find no other thread.
        let mut alone = count - recruit(wanted);
        while alone > 0 && task.do_next(alone - 1, after) {
            alone -= 1;
            // While this thread was busy, others may have become free.
            alone -= recruit(alone);
        }
        if let Some(meanwhile) = meanwhile {
            meanwhile();
        }
        let mut left = lock(&task.left);
        while *left > 0 {
            left = task.done.wait(left).unwrap_or_else(PoisonError::into_inner);
        }
        drop(left);
        std::mem::take(&mut *lock(&task.results))
    }
}

/// What `work` returns, or `None` if it panicked.
fn unless_panicked<R>(work: impl FnOnce() -> R) -> Option<R> {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    // The drop of what it panicked with may panic as well, and would end the thread.
    outcome.map_err(std::mem::forget).ok()
}

/// Work on many items that several threads share.
struct Task<T, R, F> {
    items: Vec<T>,
    work: F,
    /// The first item that nobody has taken.
    next: AtomicUsize,
    results: Mutex<Vec<Option<R>>>,
    /// Items that are not done.
    left: Mutex<usize>,
    done: Condvar,
}

impl<T, R, F: Fn(&T, usize) -> R> Task<T, R, F> {
    /// Takes the next item; `false` if there is none. There may be no other thread for so many of
    /// the later items as `alone`, and this one has so many things to do `after` all items.
    fn do_next(&self, alone: usize, after: usize) -> bool {
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(item) = self.items.get(at) else { return false };
        let waiting = alone.min(self.items.len() - at - 1) + after;
        let result = unless_panicked(|| (self.work)(item, waiting));
        lock(&self.results)[at] = result;
        let mut left = lock(&self.left);
        *left -= 1;
        if *left == 0 {
            self.done.notify_all();
        }
        true
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        lock(&self.shared.state).closed = true;
        self.shared.queued.notify_all();
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("threads", &lock(&self.shared.state).threads).finish()
    }
}

impl Shared {
    /// Starts a thread, already counted, that begins with `job`. Without one the job is dropped.
    fn start_thread(self: &Arc<Self>, job: Job) -> bool {
        let shared = Arc::clone(self);
        let started = self.stack.thread(&self.name).spawn(move || shared.work(job));
        if let Err(error) = &started {
            if let Some(again) = self.repeats.due(("no thread", &self.name)) {
                log::error!("no thread for {}: {error}{again}", self.name);
            }
            lock(&self.state).threads -= 1;
            self.freed.notify_one();
        }
        started.is_ok()
    }

    fn work(&self, mut job: Job) {
        loop {
            // A panic has been reported by the panic hook, and seen to by the job's own guards.
            unless_panicked(job);
            match self.next_job() {
                Some(next) => job = next,
                None => return,
            }
        }
    }

    /// The next job, or `None` when this thread should end; it is no longer counted then.
    fn next_job(&self) -> Option<Job> {
        let until = Instant::now() + IDLE;
        let mut state = lock(&self.state);
        state.idle += 1;
        self.freed.notify_one();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.idle -= 1;
                return Some(job);
            }
            let left = until.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                state.idle -= 1;
                state.threads -= 1;
                return None;
            }
            state = self.queued.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn workers(max_threads: usize) -> Workers {
        Workers::new("test", max_threads, &Arc::default())
    }

    #[test]
    fn jobs_run_and_their_threads_are_reused() {
        let workers = workers(2);
        let (done, ran) = mpsc::channel();
        for n in 0..100 {
            let done = done.clone();
            assert!(workers.run_by(Instant::now() + SOON, move || done.send(n).unwrap(), || {}));
        }
        let mut seen: Vec<u32> = (0..100).map(|_| ran.recv_timeout(SOON).unwrap()).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        assert!(lock(&workers.shared.state).threads <= 2);
    }

    #[test]
    fn a_job_that_finds_no_free_thread_in_time_is_refused() {
        let workers = workers(1);
        let (open, gate) = mpsc::channel::<()>();
        let (done, ran) = mpsc::channel();
        assert!(workers.run_now(move || {
            let _ = gate.recv_timeout(SOON);
        }));
        assert!(!workers.run_now(|| unreachable!("no thread is free")));
        drop(open);
        assert!(workers.run_by(Instant::now() + SOON, move || done.send(()).unwrap(), || {}));
        ran.recv_timeout(SOON).unwrap();
    }

    #[test]
    fn a_panicking_job_does_not_cost_its_thread() {
        let workers = workers(1);
        assert!(workers.run_by(Instant::now() + SOON, || panic!("a job panics"), || {}));
        let (done, ran) = mpsc::channel();
        assert!(workers.run_by(Instant::now() + SOON, move || done.send(()).unwrap(), || {}));
        ran.recv_timeout(SOON).unwrap();
    }

    #[test]
    fn mapped_work_keeps_its_order_and_outlives_a_panic() {
        let workers = workers(3);
        let halves = workers.map((0..20).collect(), |n: &u32| {
            assert_ne!(*n, 7, "the seventh panics");
            n * 2
        });
        let expected: Vec<_> = (0..20).map(|n| (n != 7).then_some(n * 2)).collect();
        assert_eq!(halves, expected);
        assert_eq!(workers.map(Vec::<u32>::new(), |n| *n), []);
    }

    #[test]
    fn threads_that_become_free_meanwhile_take_a_part_of_the_work() {
        let workers = Arc::new(workers(1));
        let (open, gate) = mpsc::channel::<()>();
        assert!(workers.run_now(move || assert!(gate.recv().is_err())));
        let (theirs, open) = (Arc::clone(&workers), Mutex::new(Some(open)));
        let both = std::sync::Barrier::new(2);
        let (done, is_done) = mpsc::channel();
        let done = Mutex::new(done);
        let work = move |item: &usize| match item {
            0 => {
                drop(lock(&open).take());
                let deadline = Instant::now() + SOON;
                while lock(&theirs.shared.state).idle == 0 {
                    assert!(Instant::now() < deadline, "the thread becomes free");
                    thread::yield_now();
                }
            }
            // Each of the two waits for the other one.
            _ => {
                both.wait();
                lock(&done).send(()).unwrap();
            }
        };
        let caller = thread::spawn(move || workers.map(vec![0, 1, 2], work));
        for _ in 0..2 {
            is_done.recv_timeout(SOON).expect("nothing waits for one thread");
        }
        assert_eq!(caller.join().unwrap().into_iter().flatten().count(), 3);
    }

    #[test]
    fn a_panic_with_something_that_panics_when_it_is_dropped_hangs_nobody() {
        struct Bad;
        impl Drop for Bad {
            fn drop(&mut self) {
                panic!("the drop panics, too");
            }
        }
        let workers = workers(1);
        let panic = || std::panic::panic_any(Bad);
        assert_eq!(workers.map(vec![(); 4], move |()| panic()), [None::<()>; 4]);
        assert!(workers.run_by(Instant::now() + SOON, move || std::panic::panic_any(Bad), || {}));
        let (done, ran) = mpsc::channel();
        assert!(workers.run_by(Instant::now() + SOON, move || done.send(()).unwrap(), || {}));
        ran.recv_timeout(SOON).unwrap();
    }

    #[test]
    fn mapped_work_is_done_by_the_caller_when_no_thread_is_free() {
        let workers = workers(1);
        let (open, gate) = mpsc::channel::<()>();
        assert!(workers.run_now(move || {
            let _ = gate.recv_timeout(SOON);
        }));
        let here = thread::current().id();
        let threads = workers.map(vec![(); 4], |()| thread::current().id());
        assert_eq!(threads, [Some(here); 4]);
        drop(open);
    }

    #[test]
    fn what_is_done_beside_the_work_runs_at_the_same_time() {
        let workers = workers(1);
        let (say, said) = mpsc::channel();
        let said = Mutex::new(said);
        let hears = move |(): &(), _| lock(&said).recv_timeout(SOON).is_ok();
        assert_eq!(
            workers.map_beside(vec![()], hears, Some(|| say.send(()).unwrap())),
            [Some(true)]
        );
    }

    #[test]
    fn work_without_a_thread_comes_before_what_is_done_beside_it() {
        let workers = workers(1);
        let (open, gate) = mpsc::channel::<()>();
        assert!(workers.run_now(move || {
            let _ = gate.recv_timeout(SOON);
        }));
        let done = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&done);
        let work = move |(): &(), waiting| (count.fetch_add(1, Ordering::SeqCst), waiting);
        let beside = || assert_eq!(done.load(Ordering::SeqCst), 3, "it waits for nobody then");
        let done = workers.map_beside(vec![(); 3], work, Some(beside));
        assert_eq!(done, [Some((0, 3)), Some((1, 2)), Some((2, 1))]);
        drop(open);
    }

    #[test]
    fn nothing_waits_for_work_that_has_a_thread_of_its_own() {
        let workers = workers(2);
        let meet = std::sync::Barrier::new(3);
        let work = move |(): &(), waiting| {
            meet.wait();
            waiting
        };
        assert_eq!(workers.map_beside(vec![(); 3], work, None::<fn()>), [Some(0); 3]);
    }

    #[test]
    fn threads_end_with_their_owner() {
        let workers = workers(1);
        assert!(workers.run_by(Instant::now() + SOON, || {}, || {}));
        let shared = Arc::downgrade(&workers.shared);
        drop(workers);
        let deadline = Instant::now() + SOON;
        while shared.strong_count() > 0 {
            assert!(Instant::now() < deadline, "the thread is still there");
            thread::yield_now();
        }
    }
}
