//! [`Workers`]: a bounded number of threads for work that must not run on the caller's.

mod map;

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::repeats::Repeats;
use crate::stack::StackBytes;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex, lock};

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

/// Threads that are started when there is work, reused while there is more, and end when there is
/// none.
///
/// No thread exists before the first job, and hardly any memory is taken. Dropping this lets the
/// threads end after the jobs they have.
pub(crate) struct Workers {
    name: WorkersName,
    max_threads: usize,
    stack: StackBytes,
    repeats: Arc<Repeats>,
    /// Made for the first job.
    shared: OnceLock<Arc<Shared>>,
}

/// What the threads are called: what they do, and whose they are.
pub(crate) struct WorkersName(&'static str, Option<Arc<str>>);

impl From<&'static str> for WorkersName {
    fn from(what: &'static str) -> Self {
        Self(what, None)
    }
}

impl From<(&'static str, Arc<str>)> for WorkersName {
    fn from((what, whose): (&'static str, Arc<str>)) -> Self {
        Self(what, Some(whose))
    }
}

impl WorkersName {
    fn text(&self) -> String {
        let Self(what, whose) = self;
        let text = whose.as_ref().map_or_else(|| (*what).to_owned(), |it| format!("{what} {it}"));
        // The name of a thread can't hold a zero, but that of a group can.
        text.replace('\0', "")
    }
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
}

#[derive(Default)]
struct Queue {
    /// Jobs that a thread has been set aside for; so never more than `idle` of them.
    jobs: VecDeque<Job>,
    /// Those who wait for a thread, in the order in which they came. While there are some, nobody
    /// else gets one.
    waiting: VecDeque<WaitingJob>,
    threads: usize,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

/// A job whose caller waits for a thread to take it.
struct WaitingJob {
    job: Job,
    seat: Arc<Seat>,
}

#[derive(Default)]
struct Seat {
    /// Only while the queue is locked.
    is_taken: AtomicBool,
    taken: Condvar,
}

impl Queue {
    /// The job of the one who waits for longest, and who goes on then.
    fn next_waiting(&mut self) -> Option<Job> {
        let WaitingJob { job, seat } = self.waiting.pop_front()?;
        seat.is_taken.store(true, Ordering::Relaxed);
        seat.taken.notify_one();
        Some(job)
    }

    /// Has the one who waits for longest see whether a thread can be started.
    fn wake_first(&self) {
        if let Some(first) = self.waiting.front() {
            first.seat.taken.notify_one();
        }
    }
}

impl Workers {
    /// At most `max_threads` threads, each called `name`. `repeats` knows what was logged before.
    pub(crate) fn new(
        name: impl Into<WorkersName>,
        max_threads: usize,
        repeats: &Arc<Repeats>,
    ) -> Self {
        Self::with_stack(name, max_threads, StackBytes::default(), repeats)
    }

    /// As [`new`](Self::new), for jobs that need a stack of their own size.
    pub(crate) fn with_stack(
        name: impl Into<WorkersName>,
        max_threads: usize,
        stack: StackBytes,
        repeats: &Arc<Repeats>,
    ) -> Self {
        let (name, repeats) = (name.into(), Arc::clone(repeats));
        Self { name, max_threads, stack, repeats, shared: OnceLock::new() }
    }

    fn shared(&self) -> &Arc<Shared> {
        self.shared.get_or_init(|| {
            Arc::new(Shared {
                name: self.name.text(),
                max_threads: self.max_threads,
                stack: self.stack,
                repeats: Arc::clone(&self.repeats),
                state: Mutex::default(),
                queued: Condvar::new(),
            })
        })
    }

    /// Starts `job` on a thread of its own, if one is free; whether the job was started.
    pub(crate) fn run_now(&self, job: impl FnOnce() + Send + 'static) -> bool {
        self.run(None, job, || {})
    }

    /// Starts `job` on a thread of its own as soon as one is free, and those who came before have
    /// got one.
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

    /// How many wait for a thread.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.get().map_or(0, |shared| lock(&shared.state).waiting.len())
    }

    /// How many jobs have not ended, those that wait for a thread included.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn unfinished(&self) -> usize {
        let Some(shared) = self.shared.get() else { return 0 };
        let state = lock(&shared.state);
        state.threads - state.idle + state.jobs.len() + state.waiting.len()
    }

    fn run(
        &self,
        deadline: Option<Instant>,
        job: impl FnOnce() + Send + 'static,
        waits: impl FnOnce(),
    ) -> bool {
        let shared = self.shared();
        let mut state = lock(&shared.state);
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
        drop(state);
        let Some(deadline) = deadline.filter(|deadline| *deadline > Instant::now()) else {
            return false;
        };
        waits();
        shared.run_in_turn(Box::new(job), deadline)
    }
}

/// What `work` returns, or `None` if it panicked.
fn unless_panicked<R>(work: impl FnOnce() -> R) -> Option<R> {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    // The drop of what it panicked with may panic as well, and would end the thread.
    outcome.map_err(std::mem::forget).ok()
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.get() {
            lock(&shared.state).closed = true;
            shared.queued.notify_all();
        }
    }
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = self.shared.get().map_or(0, |shared| lock(&shared.state).threads);
        f.debug_struct("Workers").field("threads", &threads).finish()
    }
}

impl Shared {
    /// Has the next free thread take `job`, after those of the ones who wait already.
    fn run_in_turn(self: &Arc<Self>, job: Job, deadline: Instant) -> bool {
        let seat = Arc::new(Seat::default());
        let mut state = lock(&self.state);
        state.waiting.push_back(WaitingJob { job, seat: Arc::clone(&seat) });
        let is_mine = |waiting: &WaitingJob| Arc::ptr_eq(&waiting.seat, &seat);
        loop {
            // A thread may have become free before this one waited, and one that could not be
            // started may be started now.
            if state.waiting.front().is_some_and(is_mine) {
                if state.jobs.len() < state.idle {
                    let mine = state.next_waiting();
                    state.jobs.extend(mine);
                    self.queued.notify_one();
                } else if state.threads < self.max_threads {
                    let mine = state.next_waiting();
                    state.threads += 1;
                    drop(state);
                    return mine.is_some_and(|mine| self.start_thread(mine));
                }
            }
            if seat.is_taken.load(Ordering::Relaxed) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let mine = state.waiting.iter().position(is_mine);
                let mine = mine.and_then(|at| state.waiting.remove(at));
                state.wake_first();
                drop(state);
                // Foreign code may run as it is dropped.
                drop(mine);
                return false;
            }
            state = seat.taken.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Starts a thread, already counted, that begins with `job`. Without one the job is dropped.
    fn start_thread(self: &Arc<Self>, job: Job) -> bool {
        let shared = Arc::clone(self);
        let started = self.stack.thread(&self.name).spawn(move || shared.work(job));
        if let Err(error) = &started {
            if let Some(again) = self.repeats.due(("no thread", &self.name)) {
                log::error!("no thread for {}: {error}{again}", self.name);
            }
            let mut state = lock(&self.state);
            state.threads -= 1;
            state.wake_first();
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
        if let Some(job) = state.next_waiting() {
            return Some(job);
        }
        state.idle += 1;
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
        assert!(lock(&workers.shared().state).threads <= 2);
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
    fn those_who_wait_for_a_thread_get_it_in_the_order_in_which_they_came() {
        const CALLERS: usize = 20;
        let workers = Arc::new(workers(1));
        let (open, gate) = mpsc::channel::<()>();
        assert!(workers.run_now(move || assert!(gate.recv().is_err())));
        let (ran, order) = mpsc::channel();
        let deadline = Instant::now() + SOON;
        let callers: Vec<_> = (0..CALLERS)
            .map(|n| {
                let (theirs, ran) = (Arc::clone(&workers), ran.clone());
                let run = move || theirs.run_by(deadline, move || ran.send(n).unwrap(), || {});
                let caller = thread::spawn(run);
                while lock(&workers.shared().state).waiting.len() <= n {
                    assert!(Instant::now() < deadline, "it waits");
                    thread::yield_now();
                }
                caller
            })
            .collect();
        assert!(!workers.run_now(|| unreachable!("others came before")));
        let late = Instant::now() + Duration::from_millis(1);
        assert!(!workers.run_by(late, || unreachable!("it has no time"), || {}));
        drop(open);
        for caller in callers {
            assert!(caller.join().unwrap(), "each has its turn");
        }
        assert_eq!(order.iter().take(CALLERS).collect::<Vec<_>>(), Vec::from_iter(0..CALLERS));
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
    fn threads_end_with_their_owner() {
        let workers = workers(1);
        assert!(workers.run_by(Instant::now() + SOON, || {}, || {}));
        let shared = Arc::downgrade(workers.shared());
        drop(workers);
        let deadline = Instant::now() + SOON;
        while shared.strong_count() > 0 {
            assert!(Instant::now() < deadline, "the thread is still there");
            thread::yield_now();
        }
    }
}
