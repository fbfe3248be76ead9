//! The one place that decides what a poisoned lock means, and whose locks and threads these are.
//!
//! They are those of the standard library. The package in `benches/interleavings` compiles the
//! crate with others, which run one thread at a time and try in which order: by that it finds
//! orders in which a promise is broken. What takes part in a race takes its locks, atomics and
//! threads from here, so that they can be exchanged.

use std::sync::{PoisonError, TryLockError};

#[cfg(not(feature = "interleavings"))]
mod system {
    pub(crate) use std::sync::atomic;
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use std::thread;
    pub(crate) use std::thread_local;
}

#[cfg(feature = "interleavings")]
mod system {
    pub(crate) use shuttle::sync::atomic;
    pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    pub(crate) use shuttle::thread;
    pub(crate) use shuttle::thread_local;
}

pub(crate) use system::{Condvar, Mutex, MutexGuard, atomic, thread, thread_local};

/// Locks `mutex`, whether or not a thread panicked while it held it.
///
/// No foreign code runs under any lock of this crate, and every critical section leaves its data
/// whole at each point where it could panic. So a poisoned lock tells that a thread died, not that
/// the data is broken, and going on is right.
#[cfg(not(feature = "interleavings"))]
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As [`lock`], or `None` where that would have to wait.
#[cfg(not(feature = "interleavings"))]
pub(crate) fn try_lock<T: ?Sized>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    or_busy(mutex.try_lock())
}

fn or_busy<G>(tried: Result<G, TryLockError<G>>) -> Option<G> {
    match tried {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// The same for two kinds of locks: those that are exchanged, and those that no race is about.
#[cfg(feature = "interleavings")]
mod both {
    use std::sync::PoisonError;

    pub(crate) trait Lockable {
        type Guard<'a>
        where
            Self: 'a;

        fn locked(&self) -> Self::Guard<'_>;

        fn try_locked(&self) -> Option<Self::Guard<'_>>;
    }

    impl<T> Lockable for std::sync::Mutex<T> {
        type Guard<'a>
            = std::sync::MutexGuard<'a, T>
        where
            T: 'a;

        fn locked(&self) -> Self::Guard<'_> {
            self.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn try_locked(&self) -> Option<Self::Guard<'_>> {
            crate::sync::or_busy(self.try_lock())
        }
    }

    impl<T> Lockable for shuttle::sync::Mutex<T> {
        type Guard<'a>
            = shuttle::sync::MutexGuard<'a, T>
        where
            T: 'a;

        fn locked(&self) -> Self::Guard<'_> {
            self.lock().unwrap_or_else(PoisonError::into_inner)
        }

        fn try_locked(&self) -> Option<Self::Guard<'_>> {
            crate::sync::or_busy(self.try_lock())
        }
    }

    impl<M: Lockable> Lockable for std::sync::Arc<M> {
        type Guard<'a>
            = M::Guard<'a>
        where
            M: 'a;

        fn locked(&self) -> Self::Guard<'_> {
            (**self).locked()
        }

        fn try_locked(&self) -> Option<Self::Guard<'_>> {
            (**self).try_locked()
        }
    }

    pub(crate) fn lock<M: Lockable>(mutex: &M) -> M::Guard<'_> {
        mutex.locked()
    }

    pub(crate) fn try_lock<M: Lockable>(mutex: &M) -> Option<M::Guard<'_>> {
        mutex.try_locked()
    }
}

#[cfg(feature = "interleavings")]
pub(crate) use both::{lock, try_lock};
