//! [`StackBytes`]: the stack of threads that run the code of users.

use std::fmt;

use crate::sync::thread;

/// The least that is given: what as many getters take that may run one inside the other, with room
/// for themselves.
const LEAST: u64 = 1 << 20;

/// The most that is given. It is address space, and only what is used takes memory.
const MOST: u64 = 1 << 30;

/// How large the stack of a thread is. The default is that of Rust: 2 MiB, unless `RUST_MIN_STACK`
/// is set.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StackBytes(Option<usize>);

impl StackBytes {
    /// A stack of `bytes`, but of 1 MiB at least and of 1 GiB at most.
    pub(crate) fn of(bytes: u64) -> Self {
        Self(usize::try_from(bytes.clamp(LEAST, MOST)).ok())
    }

    /// What starts a thread that is called `name`.
    pub(crate) fn thread(self, name: impl Into<String>) -> thread::Builder {
        let builder = thread::Builder::new().name(name.into());
        match self.0 {
            Some(bytes) => builder.stack_size(bytes),
            None => builder,
        }
    }
}

impl fmt::Debug for StackBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{bytes} bytes"),
            None => f.write_str("the default"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stack_is_neither_too_small_to_run_nor_too_large_to_be_had() {
        for (bytes, given) in [(0, 1 << 20), (3 << 20, 3 << 20), (u64::MAX, 1 << 30)] {
            assert_eq!(StackBytes::of(bytes), StackBytes(Some(given)));
            let thread = StackBytes::of(bytes)
                .thread("a name")
                .spawn(|| thread::current().name().map(str::to_owned));
            assert_eq!(thread.unwrap().join().unwrap().as_deref(), Some("a name"));
        }
    }
}
