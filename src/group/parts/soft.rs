//! Loads that are left after a short time, where there is an expired value to serve.

use crate::error::Error;
use crate::group::batch::{Answer, keys_at};
use crate::group::call::Call;
use crate::group::nesting::is_inside_getter;
use crate::group::parts::Parts;

impl Parts {
    /// Loads keys by `load`. One of which there is an expired value that may still be served is not
    /// waited for longer than the soft timeout: then that value is the answer, and the load goes
    /// on.
    ///
    /// Those without such a value come first: a batch takes as long as they do, and what others of
    /// it have loaded by then is their answer.
    pub(in crate::group) fn load_softly(
        &self,
        keys: &[&str],
        answers: &mut [Option<Answer>],
        call: Call,
        load: impl FnOnce(&[&str], &mut [Option<Answer>], Call),
    ) {
        // A load of a getter runs on the getter's thread, and can't be left.
        let Some(timeout) = self.soft_timeout.filter(|_| !is_inside_getter()) else {
            return load(keys, answers, call);
        };
        // Held from now on: a removal ends loads that began after it, and not this one.
        let mut expired: Vec<_> = keys.iter().map(|key| self.memory.expired(key)).collect();
        let from = expired.iter().filter(|it| it.is_none()).count();
        if from == keys.len() {
            return load(keys, answers, call);
        }
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_by_key(|&at| expired[at].is_some());
        let mut loaded = vec![None; keys.len()];
        load(&keys_at(keys, &order), &mut loaded, call.softened(from, timeout));
        for (at, answer) in order.into_iter().zip(loaded) {
            answers[at] = match (answer, expired[at].take()) {
                (Some(Err(Error::TimedOut { .. } | Error::Overloaded { .. })), Some(expired)) => {
                    self.memory.count_slow(keys[at]);
                    Some(Ok(expired))
                }
                (answer, _) => answer,
            };
        }
    }
}
