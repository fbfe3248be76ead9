//! Work on many items, on as many threads as are free.

use std::sync::{Arc, PoisonError};

use crate::spans::Context;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Condvar, Mutex, lock};
use crate::workers::{Workers, unless_panicked};

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
                let (task, context) = (Arc::clone(&task), Context::of_this_thread());
                self.run_now(move || context.run(|| while task.do_next(0, 0) {}))
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn mapped_work_keeps_its_order_and_outlives_a_panic() {
        let workers = Workers::new("test", 3, &Arc::default());
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
        let workers = Arc::new(Workers::new("test", 1, &Arc::default()));
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
                while lock(&theirs.shared().state).idle == 0 {
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
    fn mapped_work_is_done_by_the_caller_when_no_thread_is_free() {
        let workers = Workers::new("test", 1, &Arc::default());
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
        let workers = Workers::new("test", 1, &Arc::default());
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
        let workers = Workers::new("test", 1, &Arc::default());
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
        let workers = Workers::new("test", 2, &Arc::default());
        let meet = std::sync::Barrier::new(3);
        let work = move |(): &(), waiting| {
            meet.wait();
            waiting
        };
        assert_eq!(workers.map_beside(vec![(); 3], work, None::<fn()>), [Some(0); 3]);
    }
}
