use std::sync::mpsc;
use std::thread;

use super::*;
use crate::testing::with_seeds;

const SOON: Duration = Duration::from_secs(20);
const WAITS: Option<fn()> = Some(|| {});

fn failed() -> Option<SharedCause> {
    Some(Arc::new(std::fmt::Error))
}

fn source(max_loads: usize, breaker: Option<(u32, u64)>) -> SourceGate {
    let breaker = breaker
        .map(|(times, pause)| (NonZeroU32::new(times).unwrap(), Duration::from_millis(pause)));
    let options = SourceOptions { max_loads: NonZeroUsize::new(max_loads), breaker };
    SourceGate::new(options, Telling::quiet("g"))
}

/// A call that does not wait for a place.
fn call(source: &SourceGate, now: u64) -> Result<SourcePlace<'_>, Refused> {
    let place = source.enter(now, Some(Instant::now()), WAITS);
    // As if it were on another thread.
    PLACES.with(|places| places.borrow_mut().clear());
    place
}

/// For how long the source still rests.
#[track_caller]
fn rests(source: &SourceGate, now: u64) -> u64 {
    assert!(source.rests(now));
    match call(source, now) {
        Err(Refused::Resting { left, cause }) => {
            assert!(cause.is::<std::fmt::Error>() || cause.is::<GetterPanicked>());
            millis(left)
        }
        other => panic!("{:?}", other.map(|_| "it works")),
    }
}

impl SourceGate {
    fn validate(&self) {
        let state = lock(&self.state);
        assert!(state.of_this_era <= state.running);
        let may_run = state.may_run(&self.options);
        assert!(state.waiting.is_empty() || !may_run, "somebody waits for nothing");
        let is_closed =
            matches!(state.health, SourceHealth::Resting { .. } | SourceHealth::Trying { .. });
        assert!(!is_closed || state.waiting.is_empty(), "nobody waits while it rests");
    }
}

#[test]
fn only_failures_in_a_row_make_it_rest() {
    let source = source(0, Some((3, 100)));
    for failure in [failed(), failed(), None, failed(), failed()] {
        call(&source, 1).unwrap().end(1, failure);
    }
    assert!(!source.rests(1));
    call(&source, 1).unwrap().end(7, failed());
    assert_eq!((rests(&source, 7), rests(&source, 106)), (100, 1));
    assert!(!source.rests(107));
    assert_eq!(source.times_at_rest.value(), 1);
}

#[test]
fn a_getter_that_panics_has_failed() {
    let source = source(0, Some((1, 100)));
    drop(call(&source, 5).unwrap());
    assert!(rests(&source, 5) >= 100);
}

#[test]
fn the_rest_after_a_late_panic_begins_with_the_panic() {
    let source = source(0, Some((1, 100)));
    let mut place = call(&source, 5).unwrap();
    place.since = place.since.and_then(|since| since.checked_sub(Duration::from_secs(10)));
    drop(place);
    assert!(rests(&source, 10_005) >= 100);
}

#[test]
fn calls_that_tell_nothing_of_the_source_change_nothing() {
    let source = source(0, Some((2, 100)));
    call(&source, 0).unwrap().end(0, failed());
    call(&source, 0).unwrap().end_untold(0);
    call(&source, 0).unwrap().end(0, failed());
    assert_eq!(rests(&source, 0), 100, "it was no success");
    call(&source, 100).unwrap().end_untold(110);
    assert!(!source.rests(110), "the next one tries");
    let trial = call(&source, 110).unwrap();
    assert_eq!(rests(&source, 110), 100);
    trial.end(120, None);
    call(&source, 120).unwrap().end_untold(120);
    assert!(!source.rests(120));
    source.validate();
}

#[test]
fn one_call_tries_it_and_if_that_fails_it_rests_again() {
    let source = source(0, Some((1, 100)));
    call(&source, 0).unwrap().end(0, failed());
    let trial = call(&source, 100).unwrap();
    assert_eq!(rests(&source, 150), 50, "while it is tried");
    trial.end(160, failed());
    assert_eq!(rests(&source, 160), 100);
    assert_eq!(source.times_at_rest.value(), 1, "it has rested all the time");
}

#[test]
fn a_trial_that_hangs_keeps_no_other_away_and_tells_nothing_when_it_fails_later() {
    let source = source(0, Some((1, 100)));
    call(&source, 0).unwrap().end(0, failed());
    let hangs = call(&source, 100).unwrap();
    assert_eq!(rests(&source, 199), 1);
    let second = call(&source, 200).unwrap();
    hangs.end(201, failed());
    second.end(202, None);
    assert!(!source.rests(202));
    let both = [call(&source, 202).unwrap(), call(&source, 202).unwrap()];
    assert!(matches!(call(&source, 202), Err(Refused::Full)));
    both.into_iter().for_each(|place| place.end(203, None));
}

#[test]
fn a_source_whose_loads_take_longer_than_the_pause_is_well_again_when_a_trial_succeeds() {
    let source = source(0, Some((1, 100)));
    call(&source, 0).unwrap().end(0, failed());
    let [first, second] = [100, 200].map(|now| call(&source, now).unwrap());
    first.end(250, None);
    assert!(!source.rests(250));
    let both = [second, call(&source, 250).unwrap()];
    assert!(matches!(call(&source, 250), Err(Refused::Full)));
    both.into_iter().for_each(|place| place.end(400, None));
    let four: Vec<_> = (0..4).map(|_| call(&source, 400).unwrap()).collect();
    assert!(matches!(call(&source, 400), Err(Refused::Full)));
    four.into_iter().for_each(|place| place.end(400, None));
}

#[test]
fn calls_that_hang_while_it_opens_keep_no_others_away() {
    let source = source(0, Some((1, 100)));
    call(&source, 0).unwrap().end(0, failed());
    call(&source, 100).unwrap().end(110, None);
    let stuck = [call(&source, 110).unwrap(), call(&source, 110).unwrap()];
    assert!(matches!(call(&source, 209), Err(Refused::Full)));
    let both = [call(&source, 210).unwrap(), call(&source, 210).unwrap()];
    assert!(matches!(call(&source, 210), Err(Refused::Full)));
    stuck.into_iter().for_each(|place| place.end(220, failed()));
    assert!(!source.rests(220), "failures of before");
    both.into_iter().for_each(|place| place.end(220, None));
    let four: Vec<_> = (0..4).map(|_| call(&source, 220).unwrap()).collect();
    assert!(matches!(call(&source, 220), Err(Refused::Full)));
    four.into_iter().for_each(|place| place.end(220, None));
}

#[test]
fn after_a_trial_it_opens_one_by_one() {
    let source = source(0, Some((1, 100)));
    call(&source, 0).unwrap().end(0, failed());
    call(&source, 100).unwrap().end(100, None);
    for width in 2..=WIDE {
        let places: Vec<_> = (0..width).map(|_| call(&source, 100).unwrap()).collect();
        assert!(matches!(call(&source, 100), Err(Refused::Full)), "more than {width}");
        let mut places = places.into_iter();
        places.next().unwrap().end(100, None);
        // The others end as calls of before, whose failures tell nothing.
        let mut state = lock(&source.state);
        state.begin_era();
        drop(state);
        places.for_each(|place| place.end(100, failed()));
    }
    let places: Vec<_> = (0..2 * WIDE).map(|_| call(&source, 100).unwrap()).collect();
    drop(places);
}

#[test]
fn what_began_before_it_rested_tells_nothing() {
    let source = source(0, Some((1, 100)));
    let (early, late) = (call(&source, 0).unwrap(), call(&source, 0).unwrap());
    call(&source, 0).unwrap().end(0, failed());
    early.end(50, None);
    assert_eq!(rests(&source, 50), 50, "a success of before");
    call(&source, 100).unwrap().end(100, None);
    late.end(101, failed());
    assert!(!source.rests(101), "a failure of before");
}

#[test]
fn those_who_wait_get_places_in_the_order_in_which_they_came() {
    let source = Arc::new(source(1, None));
    let place = call(&source, 0).unwrap();
    let (tell, told) = mpsc::channel();
    for n in 0..8 {
        let (waiting, tell) = (Arc::clone(&source), tell.clone());
        thread::spawn(move || {
            let place = waiting.enter(0, Some(Instant::now() + SOON), WAITS);
            tell.send(n).unwrap();
            place.unwrap().end(0, None);
        });
        let from = Instant::now();
        while lock(&source.state).waiting.len() <= n {
            assert!(from.elapsed() < SOON);
            thread::yield_now();
        }
    }
    source.validate();
    assert!(matches!(call(&source, 0), Err(Refused::Full)), "nobody goes first");
    place.end(0, None);
    let order: Vec<usize> = (0..8).map(|_| told.recv_timeout(SOON).unwrap()).collect();
    assert_eq!(order, Vec::from_iter(0..8));
}

#[test]
fn those_who_wait_are_sent_away_when_it_comes_to_rest() {
    let source = Arc::new(source(1, Some((1, 100))));
    let place = call(&source, 0).unwrap();
    let waiting = {
        let source = Arc::clone(&source);
        thread::spawn(move || source.enter(0, None, WAITS).map(|_| ()).unwrap_err())
    };
    let from = Instant::now();
    while lock(&source.state).waiting.is_empty() {
        assert!(from.elapsed() < SOON);
        thread::yield_now();
    }
    place.end(0, failed());
    assert!(matches!(waiting.join().unwrap(), Refused::Resting { .. }));
    source.validate();
}

#[test]
fn a_thread_shares_its_place_and_waits_for_none_of_another_source() {
    let (first, second) = (source(1, None), source(1, None));
    let elsewhere = call(&second, 0).unwrap();
    let outer = first.enter(0, None, WAITS).unwrap();
    let inner = first.enter(0, None, WAITS).unwrap();
    let past_the_bound = second.enter(0, None, WAITS).unwrap();
    assert_eq!((lock(&first.state).running, lock(&second.state).running), (1, 2));
    past_the_bound.end(0, None);
    inner.end(0, None);
    assert_eq!(lock(&first.state).running, 1);
    outer.end(0, None);
    elsewhere.end(0, None);
    assert_eq!((lock(&first.state).running, lock(&second.state).running), (0, 0));
}

#[test]
fn a_thread_waits_for_a_place_if_those_that_it_has_are_in_nobody_s_way() {
    let (first, second) = (source(0, Some((1, 100))), source(1, None));
    let elsewhere = call(&second, 0).unwrap();
    let outer = first.enter(0, None, WAITS).unwrap();
    assert!(matches!(second.enter(0, Some(Instant::now()), WAITS), Err(Refused::Full)));
    outer.end(0, failed());
    // Others may wait for the places of one that opens.
    first.enter(100, None, WAITS).unwrap().end(100, None);
    let outer = first.enter(100, None, WAITS).unwrap();
    second.enter(0, None, WAITS).unwrap().end(0, None);
    outer.end(100, None);
    elsewhere.end(0, None);
    assert!(PLACES.with(|places| places.borrow().is_empty()));
}

/// What the source is, told in another way: by the list of what has happened.
#[derive(Default)]
struct Model {
    failures: u32,
    /// When it may be tried, if it rests.
    rests_until: Option<u64>,
    /// How many calls may run of those that began since, if they are bounded.
    width: Option<usize>,
    /// Numbers of the calls that count, and of those that count only if they succeed.
    counted: Vec<u64>,
    late: Vec<u64>,
    /// When the last trial began, if one runs; when the last success was while it opens.
    trial: Option<u64>,
    opened: u64,
}

const MOST: usize = 5;
const TIMES: u32 = 3;
const PAUSE: u64 = 50;

impl Model {
    /// Whether call `n` may begin.
    fn begin(&mut self, n: u64, now: u64, running: usize) -> bool {
        if let Some(until) = self.rests_until {
            let is_tried = self.trial.is_some_and(|since| now < since + PAUSE);
            if now < until || is_tried {
                return false;
            }
            self.late.append(&mut self.counted);
            self.counted = vec![n];
            self.trial = Some(now);
            return true;
        }
        if self.width.is_some_and(|width| self.counted.len() >= width) && now >= self.opened + PAUSE
        {
            self.late.append(&mut self.counted);
            self.opened = now;
        }
        let may = running < MOST && self.width.is_none_or(|width| self.counted.len() < width);
        self.counted.extend(may.then_some(n));
        may
    }

    fn end(&mut self, n: u64, now: u64, has_failed: bool) {
        let list = if has_failed || self.counted.contains(&n) {
            &mut self.counted
        } else {
            &mut self.late
        };
        let Some(at) = list.iter().position(|it| *it == n) else { return };
        list.remove(at);
        let is_tried = self.trial.is_some();
        self.failures = if has_failed { self.failures + 1 } else { 0 };
        if has_failed && (is_tried || self.width.is_some() || self.failures >= TIMES) {
            *self = Self { rests_until: Some(now + PAUSE), ..Self::default() };
        } else if is_tried {
            (self.rests_until, self.trial, self.width) = (None, None, Some(2));
            self.opened = now;
        } else if let Some(width) = self.width {
            self.width = (width < MOST).then_some(width + 1);
            self.opened = now;
        }
    }
}

#[test]
fn random_calls_do_as_the_model_says() {
    with_seeds(200, |random| {
        let mut model = Model::default();
        let (source, mut now, mut calls) = (source(MOST, Some((TIMES, PAUSE))), 1, Vec::new());
        for n in 0..400 {
            now += random.below(20);
            if random.below(2) == 0 || calls.is_empty() {
                let may_begin = model.begin(n, now, calls.len());
                let place = call(&source, now);
                assert_eq!(place.is_ok(), may_begin, "call {n} at {now}");
                calls.extend(place.ok().map(|place| (n, place)));
            } else {
                let at = random.below(calls.len() as u64) as usize;
                let (n, place): (u64, SourcePlace<'_>) = calls.remove(at);
                let has_failed = random.below(3) == 0;
                model.end(n, now, has_failed);
                place.end(now, has_failed.then(|| failed().unwrap()));
            }
            source.validate();
            assert_eq!(lock(&source.state).running, calls.len());
        }
    });
}
