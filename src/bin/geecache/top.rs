//! `top`: a running cluster, on one screen.

mod draw;
mod picture;
#[cfg(not(unix))]
mod plain_screen;
mod sampler;
#[cfg(unix)]
mod screen;
mod state;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::args::Args;
use crate::cluster::Cluster;
use crate::failure::{Exit, Failure};
use crate::output::Output;
use crate::style::Style;
use draw::frame;
use picture::{Order, Picture};
#[cfg(not(unix))]
use plain_screen::PlainScreen as Screen;
use sampler::{Sample, Sampler};
#[cfg(unix)]
use screen::Screen;
use state::{Size, State};

/// The least and the most time between two looks.
const INTERVALS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(3_600)];
/// How large the picture is where there is no screen.
const NO_SCREEN: Size = Size { columns: 120, lines: usize::MAX };

pub(crate) fn top(args: &Args, out: &Output) -> Result<Exit, Failure> {
    let interval = args.time("interval")?.unwrap_or(Duration::from_secs(1));
    if !(INTERVALS[0]..=INTERVALS[1]).contains(&interval) {
        return Err(Failure::usage("--interval is from 200ms to 1h"));
    }
    let order = args.text("sort").map_or(Order::Peer, Order::named);
    let state = State { order, is_reversed: false, is_paused: false, interval };
    let cluster = Cluster::find(args, out)?;
    // Tells at once if nobody is there.
    cluster.look_well()?;
    if out.is_json() || args.has("once") {
        return follow(args, out, cluster, &state);
    }
    if !io::stdout().is_terminal() {
        let failure = Failure::usage("top needs a terminal");
        return Err(failure.hint("top --once prints one screen, top --json a line for each look"));
    }
    live(cluster, state, out.style)
}

/// Prints one picture after the other, or one alone.
fn follow(args: &Args, out: &Output, cluster: Cluster, state: &State) -> Result<Exit, Failure> {
    let sampler = Sampler::start(cluster, state.interval)?;
    let mut before = sampler.next()?;
    loop {
        let now = sampler.next()?;
        let picture = Picture::of(Some(&before), &now, state.order, state.is_reversed);
        if out.is_json() {
            out.json(&picture.to_json())?;
        } else {
            let lines = frame(&picture, state, NO_SCREEN, out.style);
            lines.into_iter().try_for_each(|line| out.line(line))?;
        }
        if args.has("once") {
            return Ok(Exit::Done);
        }
        before = now;
    }
}

/// Draws on the screen until it is told to end.
fn live(cluster: Cluster, mut state: State, style: Style) -> Result<Exit, Failure> {
    let ending = Arc::new(AtomicBool::new(false));
    {
        let ending = Arc::clone(&ending);
        let set = ctrlc::set_handler(move || ending.store(true, Ordering::Relaxed));
        set.map_err(|error| Failure::new(Exit::Local, error))?;
    }
    let sampler = Sampler::start(cluster, state.interval)?;
    let screen = Screen::open()?;
    let mut before: Option<Sample> = None;
    let mut now: Option<Sample> = None;
    let mut shown_at = None;
    while !ending.load(Ordering::Relaxed) {
        let mut is_new = false;
        while let Some(sample) = sampler.try_next()? {
            if !state.is_paused {
                before = now.replace(sample);
                is_new = true;
            }
        }
        let size = screen.size();
        if is_new || shown_at != Some(size) {
            shown_at = Some(size);
            let lines = match &now {
                Some(now) => {
                    let picture = Picture::of(before.as_ref(), now, state.order, state.is_reversed);
                    frame(&picture, &state, size, style)
                }
                None => vec!["looking at the peers…".to_owned()],
            };
            screen.draw(&lines)?;
        }
        // Waits a moment for a key.
        for key in screen.keys()? {
            // What it changes is shown.
            shown_at = None;
            match key {
                b'q' | b'Q' | 3 => return Ok(Exit::Done),
                b's' => state.order = state.order.next(),
                b'r' => state.is_reversed = !state.is_reversed,
                b'p' | b' ' => state.is_paused = !state.is_paused,
                _ => {}
            }
        }
    }
    Ok(Exit::Done)
}
