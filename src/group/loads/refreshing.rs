//! Loads of values that are served meanwhile.

use std::sync::Arc;

use crate::getter::Loaded;
use crate::group::batch::Answer;
use crate::group::call::Call;
use crate::group::loads::flying::land;
use crate::group::loads::{LoadHost, Loads};
use crate::singleflight::{Leader, Ticket};

impl Loads {
    /// Has keys refreshed on another thread, each with what was `seen` of it: all of them by one
    /// call of the getter, if that can load many at once. Left out is what somebody is loading, and
    /// what somebody has loaded since, as `find` says. If all threads for that are busy, or the
    /// source rests, nothing happens.
    pub(in crate::group) fn refresh<H: LoadHost, S: Copy + Send + 'static>(
        self: &Arc<Self>,
        due: &[(&str, S)],
        host: &Arc<H>,
        find: impl Fn(&H, &str, S) -> Option<Loaded> + Send + 'static,
    ) {
        if due.is_empty() || self.source.rests(host.now()) {
            return;
        }
        let (loads, host) = (Arc::clone(self), Arc::clone(host));
        if due.len() > 1 && self.getter.loads_one_by_one() {
            // Their flights begin one after the other, so that nobody waits for those before.
            let due: Vec<_> = due.iter().map(|(key, seen)| ((*key).to_owned(), *seen)).collect();
            self.refreshers.run_now(move || {
                let mut call = Call::one(None);
                for (key, seen) in due {
                    let Ok(Ticket::Leader(leader)) = loads.flights.join(&key) else { continue };
                    let answers = loads.refresh_led(vec![(leader, seen)], call, &*host, &find);
                    call = call.after(answers[0].as_ref());
                }
            });
            return;
        }
        let lead = |(key, seen): &(&str, S)| match self.flights.join(key) {
            Ok(Ticket::Leader(leader)) => Some((leader, *seen)),
            _ => None,
        };
        let led: Vec<_> = due.iter().filter_map(lead).collect();
        if !led.is_empty() {
            // Where no thread is free, dropping the job ends the flights, and those who joined them
            // meanwhile start over.
            let call = if led.len() == 1 { Call::one(None) } else { Call::many(None) };
            self.refreshers.run_now(move || {
                loads.refresh_led(led, call, &*host, find);
            });
        }
    }

    /// Leads flights of refreshes to their ends, on the calling thread.
    fn refresh_led<H: LoadHost, S>(
        &self,
        led: Vec<(Leader<Answer>, S)>,
        call: Call,
        host: &H,
        find: impl Fn(&H, &str, S) -> Option<Loaded>,
    ) -> Vec<Option<Answer>> {
        let keys: Vec<String> = led.iter().map(|(leader, _)| leader.key().to_owned()).collect();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let (led, seen): (Vec<_>, Vec<S>) =
            led.into_iter().map(|(leader, seen)| (Some(leader), seen)).unzip();
        let (mut led, mut answers) = (led, vec![None; keys.len()]);
        self.telling.apart(keys[0], || {
            for (at, seen) in seen.into_iter().enumerate() {
                led[at].iter().for_each(Leader::begin);
                if let Some(found) = find(host, keys[at], seen) {
                    land(&mut led[at], &mut answers[at], Ok(found));
                }
            }
            self.counters.refreshes.add(led.iter().flatten().count());
            self.run_getter(&keys, &mut led, &mut answers, call, host);
        });
        answers
    }
}
