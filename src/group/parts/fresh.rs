//! [`FreshHost`]: a load for which memory and previous owners do not count, where what they have is
//! of no use.

use std::sync::Arc;
use std::time::Duration;

use crate::byteview::ByteView;
use crate::error::Error;
use crate::getter::Loaded;
use crate::group::batch::Answer;
use crate::group::call::Call;
use crate::group::loads::LoadHost;
use crate::group::parts::Parts;

/// Tells whether a value is of use to the one who asks.
pub(crate) type IsUseful = Arc<dyn Fn(&ByteView) -> bool + Send + Sync>;

impl Parts {
    /// Loads keys, which must differ, here. What memory has of them and is of no use is dropped
    /// first.
    ///
    /// A caller who joins the load of another one gets what that one loads. So the answer may be
    /// of no use once more, where its origin is not the getter.
    pub(in crate::group) fn load_useful(
        self: &Arc<Self>,
        keys: &[&str],
        call: Call,
        is_useful: &IsUseful,
    ) -> Vec<Option<Answer>> {
        for key in keys {
            self.memory.remove_useless(key, |value| is_useful(value));
        }
        let mut answers = vec![None; keys.len()];
        let host = FreshHost { parts: Arc::clone(self), is_useful: Arc::clone(is_useful) };
        self.loads.load(keys, &mut answers, call, &Arc::new(host));
        for (key, answer) in keys.iter().zip(&mut answers) {
            let failed: Option<Error> = answer.as_ref().and_then(|it| it.as_ref().err()).cloned();
            self.serve_stale(key, answer);
            let Some(Ok(loaded)) = answer else { continue };
            if let (Some(error), Some(value)) = (failed, loaded.value()) {
                if !is_useful(value) {
                    *answer = Some(Err(error));
                }
            }
        }
        answers
    }
}

struct FreshHost {
    parts: Arc<Parts>,
    is_useful: IsUseful,
}

impl LoadHost for FreshHost {
    fn find(&self, key: &str) -> Option<Loaded> {
        let found = LoadHost::find(&*self.parts, key)?;
        let is_useful = found.value().is_none_or(|value| (self.is_useful)(value));
        is_useful.then_some(found)
    }

    fn now(&self) -> u64 {
        LoadHost::now(&*self.parts)
    }

    fn tick(&self) -> u64 {
        LoadHost::tick(&*self.parts)
    }

    fn is_for_one_who_came_at(&self, came: u64, loaded: &Loaded) -> bool {
        LoadHost::is_for_one_who_came_at(&*self.parts, came, loaded)
    }

    fn wait_for_disk(&self) -> bool {
        false
    }

    fn is_warming_up(&self) -> bool {
        false
    }

    fn take_over(&self, _keys: &[&str]) -> Vec<Option<Loaded>> {
        Vec::new()
    }

    fn with_ttl(&self, loaded: Loaded) -> Loaded {
        self.parts.with_ttl(loaded)
    }

    fn keep(
        &self,
        key: &str,
        loaded: &Loaded,
        cost: Duration,
        now: u64,
        is_wanted: &dyn Fn() -> bool,
    ) {
        self.parts.keep(key, loaded, cost, now, is_wanted);
    }
    /// What is there is of no use.
    fn held(&self, _key: &str) -> Option<Loaded> {
        None
    }

    fn renew(
        &self,
        key: &str,
        loaded: Loaded,
        cost: Duration,
        now: u64,
        is_wanted: &dyn Fn() -> bool,
    ) -> Loaded {
        self.parts.renew(key, loaded, cost, now, is_wanted)
    }
}
