//! Draws a [`Picture`] as lines.

use crate::columns::{Cell, Columns, Side, bar};
use crate::format::{self, bytes, fit, percent, plural, printable, rate, short};
use crate::style::{Paint, Style};
use crate::top::picture::{Picture, Row};
use crate::top::state::{Size, State};

/// More rows than that say nothing more.
const MOST_HOT_KEYS: usize = 10;
const MOST_EVENTS: usize = 8;

/// The lines for a screen of that size: no more, and none that is wider.
pub(super) fn frame(picture: &Picture, state: &State, size: Size, style: Style) -> Vec<String> {
    let mut lines = head(picture, state, size, style);
    // The last line tells the keys.
    let mut left = size.lines.saturating_sub(lines.len() + 1);
    let sections = sections(picture, size, style);
    let count = sections.len();
    for (at, section) in sections.into_iter().enumerate() {
        // A blank line before it. Others get their part of the room, too, if there is too little.
        let room = left.saturating_sub(1);
        let part = if at + 1 < count { (room / 2).max(room.min(4)) } else { room };
        let fair = if section.len() <= part { section.len() } else { part };
        if fair < 2 {
            break;
        }
        lines.push(String::new());
        lines.extend(cut(section, fair, style));
        left = left.saturating_sub(fair + 1);
    }
    if size.lines != usize::MAX {
        let blanks = size.lines.saturating_sub(lines.len() + 1);
        lines.extend(std::iter::repeat_n(String::new(), blanks));
        let keys = "s order  r reverse  p pause  q quit";
        lines.push(style.paint(Paint::Dim, &fit(keys, size.columns)));
    }
    lines.truncate(size.lines);
    lines
}

/// As many lines as there is room for; the last one tells how many there are more.
fn cut(mut section: Vec<String>, room: usize, style: Style) -> Vec<String> {
    if section.len() > room {
        let more = section.len() - room + 1;
        section.truncate(room - 1);
        section.push(style.paint(Paint::Dim, &format!("… {more} more")));
    }
    section
}

fn head(picture: &Picture, state: &State, size: Size, style: Style) -> Vec<String> {
    let peers = plural(picture.peers.len(), "peer");
    let up = picture.up;
    let is_whole = up == picture.peers.len();
    let (lists, is_agreed) = match picture.lists_agree {
        Some(true) => ("lists agree", true),
        Some(false) => ("LISTS DIFFER: geecache check", false),
        None => ("", true),
    };
    let every = match state.is_paused {
        true => "paused".to_owned(),
        false => format!("every {}", format::time(state.interval)),
    };
    let order = format!("by {}{}", state.order.name(), if state.is_reversed { " ↑" } else { "" });
    let paint =
        |is_good, text: &str| Cell::painted(if is_good { Paint::Good } else { Paint::Bad }, text);
    let all = &picture.all;
    let errors = all.failures.unwrap_or_default() + all.load_errors.unwrap_or_default();
    let known = all.gets.is_some();
    vec![
        parts(
            &[
                Cell::painted(Paint::Bold, "geecache top"),
                paint(is_whole, &format!("{peers}, {up} up")),
                paint(is_agreed, lists),
                every.into(),
                order.into(),
            ],
            size,
            style,
        ),
        parts(
            &[
                format!("{} gets/s", per_second(all.gets)).into(),
                format!("{} hits", percent(all.hits)).into(),
                format!("{} loads/s", per_second(all.loads)).into(),
                format!("{} evictions/s", per_second(all.evictions)).into(),
                paint(
                    errors < 0.05,
                    &if known { format!("{} errors/s", rate(errors)) } else { String::new() },
                ),
            ],
            size,
            style,
        ),
    ]
}

/// Pieces of a line, as many as fit.
fn parts(cells: &[Cell], size: Size, style: Style) -> String {
    let (mut line, mut left) = (String::new(), size.columns);
    for cell in cells.iter().filter(|cell| !cell.text.is_empty()) {
        let gap = if line.is_empty() { 0 } else { 3 };
        if left <= gap {
            break;
        }
        let text = fit(&cell.text, left - gap);
        line += &" ".repeat(gap);
        left -= gap + format::width(&text);
        line += &style.paint(cell.paint, &text);
    }
    line
}

fn per_second(number: Option<f64>) -> String {
    number.map_or_else(|| format::NOTHING.to_owned(), rate)
}

fn sections(picture: &Picture, size: Size, style: Style) -> Vec<Vec<String>> {
    let room = Some(size.columns);
    let mut sections = vec![peers(picture).lines(style, room)];
    if !picture.groups.is_empty() {
        sections.push(groups(picture).lines(style, room));
    }
    if !picture.hot_keys.is_empty() {
        sections.push(hot_keys(picture).lines(style, room));
    }
    if !picture.events.is_empty() {
        let event = |(age, peer, text): &(std::time::Duration, String, String)| {
            let line =
                format!("{:>11} ago  {}  {}", format::time(*age), short(peer), printable(text));
            fit(&line, size.columns)
        };
        let heading = style.paint(Paint::Dim, &fit("EVENTS", size.columns));
        let events = picture.events.iter().take(MOST_EVENTS).map(event);
        sections.push(std::iter::once(heading).chain(events).collect());
    }
    sections
}

fn peers(picture: &Picture) -> Columns {
    let mut columns = Columns::new(&[
        ("PEER", Side::Left),
        ("STATE", Side::Left),
        ("SHARE", Side::Right),
        ("REQ/S", Side::Right),
        ("GETS/S", Side::Right),
        ("HITS", Side::Right),
        ("FAIL/S", Side::Right),
        ("MEMORY", Side::Right),
    ]);
    for row in &picture.peers {
        let bytes = if row.state.paint == Paint::Good { bytes(row.bytes) } else { String::new() };
        columns.row([
            short(&row.name).into(),
            row.state.clone(),
            percent(row.share).into(),
            per_second(row.requests).into(),
            per_second(row.gets).into(),
            percent(row.hits).into(),
            failing(row.failures),
            bytes.into(),
        ]);
    }
    columns
}

fn failing(number: Option<f64>) -> Cell {
    let is_bad = number.is_some_and(|number| number >= 0.05);
    Cell::painted(if is_bad { Paint::Bad } else { Paint::Plain }, per_second(number))
}

fn groups(picture: &Picture) -> Columns {
    let mut columns = Columns::new(&[
        ("GROUP", Side::Left),
        ("GETS/S", Side::Right),
        ("HITS", Side::Right),
        ("LOADS/S", Side::Right),
        ("FAIL/S", Side::Right),
        ("EVICT/S", Side::Right),
        ("ENTRIES", Side::Right),
        ("MEMORY", Side::Right),
    ]);
    for row in &picture.groups {
        columns.row([
            printable(&row.name).into(),
            per_second(row.gets).into(),
            percent(row.hits).into(),
            per_second(row.loads).into(),
            failing(row.load_errors),
            per_second(row.evictions).into(),
            format::count(row.entries).into(),
            memory(row).into(),
        ]);
    }
    columns
}

/// `31 MiB of 64 MiB`.
fn memory(row: &Row) -> String {
    format!("{} of {}", bytes(row.bytes), bytes(row.max_bytes))
}

fn hot_keys(picture: &Picture) -> Columns {
    let mut columns = Columns::new(&[
        ("HOT KEY", Side::Left),
        ("GROUP", Side::Left),
        ("GETS/S", Side::Right),
        ("", Side::Left),
    ]);
    let most = picture.hot_keys.first().map_or(1.0, |(_, _, gets)| gets.max(0.1));
    for (group, key, gets) in picture.hot_keys.iter().take(MOST_HOT_KEYS) {
        let bar = bar(gets / most, 20);
        // A long key leaves room for the others.
        columns.row([
            fit(&printable(key), 60).into(),
            printable(group).into(),
            rate(*gets).into(),
            Cell::painted(Paint::Accent, bar),
        ]);
    }
    columns
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::top::picture::Order;
    use crate::top::picture::tests::two_busy_peers_and_one_down;

    const STATE: State = State {
        order: Order::Peer,
        is_reversed: false,
        is_paused: false,
        interval: Duration::from_secs(1),
    };

    fn lines(columns: usize, lines: usize) -> Vec<String> {
        let picture = two_busy_peers_and_one_down(Order::Peer);
        frame(&picture, &STATE, Size { columns, lines }, Style::Plain)
    }

    #[test]
    fn a_screen_of_80_by_24_shows_all_of_it() {
        let lines = lines(80, 24);
        assert_eq!(lines.len(), 24);
        assert!(lines[0].contains("3 peers, 2 up   lists agree"), "{}", lines[0]);
        assert!(lines[1].starts_with("2,100 gets/s   50.0 % hits"), "{}", lines[1]);
        let text = lines.join("\n");
        for part in ["c:1   down", "HOT KEY", "Tom", "EVENTS", "1.5 s ago", "q quit"] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
    }

    #[test]
    fn all_ages_have_room_in_their_column() {
        let mut picture = two_busy_peers_and_one_down(Order::Peer);
        let event = |millis| (Duration::from_millis(millis), "c:1".into(), "told".into());
        // `1.5 s`, `59 min 59 s` and `23 h 59 min`: none is longer.
        picture.events = [1_500, 3_599_000, 86_399_000].map(event).into();
        let lines = frame(&picture, &STATE, Size { columns: 80, lines: 40 }, Style::Plain);
        let ends: Vec<_> = lines.iter().filter_map(|line| line.find(" ago  c:1  told")).collect();
        assert_eq!(ends, [11; 3], "{lines:#?}");
    }

    #[test]
    fn no_screen_is_too_small() {
        for (wide, high) in (0..100).flat_map(|wide| [0, 1, 2, 5, 9, 24].map(|high| (wide, high))) {
            let lines = lines(wide, high);
            assert!(lines.len() <= high, "{wide} {high}");
            for line in lines {
                assert!(format::width(&line) <= wide, "{wide} {high}: {line:?}");
            }
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_counted() {
        let rows = (0..9).map(|number| number.to_string()).collect();
        assert_eq!(cut(rows, 3, Style::Plain), ["0", "1", "… 7 more"]);
    }
}
