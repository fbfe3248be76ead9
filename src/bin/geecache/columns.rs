//! [`Columns`]: rows whose cells stand below each other.

use crate::format::{fit, width};
use crate::style::{Paint, Style};

/// What stands between two columns.
const GAP: &str = "  ";

/// The first column has as much room, whatever else there is: an address with its port fits.
const LEAST: usize = 21;

/// On which side of a column its cells are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A piece of a row.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) paint: Paint,
}

impl Cell {
    pub(crate) fn painted(paint: Paint, text: impl Into<String>) -> Self {
        Self { text: text.into(), paint }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::painted(Paint::Plain, text)
    }
}

/// Rows under a heading. The first column gives way where there is too little room, and then those
/// at the end.
#[derive(Debug)]
pub(crate) struct Columns {
    heads: Vec<(&'static str, Side)>,
    rows: Vec<Vec<Cell>>,
}

impl Columns {
    /// No rows yet. The first column is on the left, the others where `heads` tells.
    pub(crate) fn new(heads: &[(&'static str, Side)]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        self.rows.push(cells.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The heading and the rows, as lines of at most `room` columns if that is known.
    pub(crate) fn lines(&self, style: Style, room: Option<usize>) -> Vec<String> {
        let widths = self.widths(room);
        let heads = self.heads.iter().map(|(head, _)| Cell::painted(Paint::Dim, *head)).collect();
        let rows = std::iter::once(&heads).chain(&self.rows);
        rows.map(|row| self.line(row, &widths, style)).collect()
    }

    fn line(&self, row: &[Cell], widths: &[usize], style: Style) -> String {
        let mut line = String::new();
        for (at, (cell, &wide)) in row.iter().zip(widths).enumerate() {
            let text = fit(&cell.text, wide);
            let blanks = " ".repeat(wide.saturating_sub(width(&text)));
            let painted = style.paint(cell.paint, &text);
            if at > 0 {
                line += GAP;
            }
            line += &match self.heads[at].1 {
                Side::Left => painted + &blanks,
                Side::Right => blanks + &painted,
            };
        }
        line.trim_end().to_owned()
    }

    /// How wide the columns are; fewer than there are if not all of them fit.
    fn widths(&self, room: Option<usize>) -> Vec<usize> {
        let widest = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let cells = cells.map(|cell| width(&cell.text));
            cells.chain([width(self.heads[at].0)]).max().unwrap_or_default()
        };
        let mut widths: Vec<usize> = (0..self.heads.len()).map(widest).collect();
        let Some(room) = room else { return widths };
        let all = |widths: &[usize]| widths.iter().sum::<usize>() + GAP.len() * (widths.len() - 1);
        let least = widths[0].min(LEAST);
        while widths.len() > 1 && all(&widths) - widths[0] + least > room {
            widths.pop();
        }
        let over = all(&widths).saturating_sub(room);
        widths[0] = widths[0].saturating_sub(over);
        widths
    }
}

/// A bar for a part of something, `columns` wide where it is all of it.
pub(crate) fn bar(part: f64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (part.clamp(0.0, 1.0) * columns as f64 * 8.0).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns {
        let mut columns =
            Columns::new(&[("PEER", Side::Left), ("SHARE", Side::Right), ("STATE", Side::Left)]);
        columns.row(["http://shop-10.example.com:8001".into(), "9.5 %".into(), "up".into()]);
        columns.row(["b".into(), "90.5 %".into(), Cell::painted(Paint::Bad, "down")]);
        columns
    }

    #[test]
    fn cells_stand_below_each_other() {
        let lines = columns().lines(Style::Plain, None);
        let expected = [
            "PEER                              SHARE  STATE",
            "http://shop-10.example.com:8001   9.5 %  up",
            "b                                90.5 %  down",
        ];
        assert_eq!(lines, expected);
        assert!(columns().lines(Style::Coloured, None)[2].ends_with("\u{1b}[31mdown\u{1b}[0m"));
    }

    #[test]
    fn the_first_column_gives_way_and_then_the_last() {
        let line = |room| columns().lines(Style::Plain, Some(room)).remove(1);
        assert_eq!(line(40), "http://shop-10.example.c…   9.5 %  up");
        assert_eq!(line(30), "http://shop-10.exampl…   9.5 %");
        assert_eq!(line(12), "http://shop…");
        for room in 0..40 {
            let lines = columns().lines(Style::Plain, Some(room));
            assert!(lines.iter().all(|line| width(line) <= room), "{room}: {lines:?}");
        }
    }

    #[test]
    fn a_bar_is_as_long_as_its_part() {
        let bars = [0.0, 0.5, 0.51, 1.0, 2.0].map(|part| bar(part, 10));
        assert_eq!(bars, ["", "█████", "█████▏", "██████████", "██████████"]);
    }
}
