//! Panels of horizontal bars side by side, as one SVG.

use std::fmt::Write;

use crate::theme::{self, escaped};

pub struct Panel {
    pub title: String,
    /// What a bar's length is, and which way is better.
    pub unit: String,
    pub bars: Vec<Bar>,
}

pub struct Bar {
    pub name: String,
    pub value: f64,
    /// Whether it is one of ours, which is drawn in another color.
    pub is_own: bool,
}

const COLUMNS: usize = 2;
const PANEL_WIDTH: f64 = 430.0;
const NAMES: f64 = 150.0;
const FIGURES: f64 = 60.0;
const BAR: f64 = 18.0;
const HEAD: f64 = 46.0;
const GAP: f64 = 20.0;

/// `foot` stands below, a line each.
pub fn svg(what: &str, panels: &[Panel], foot: &[String]) -> String {
    let height_of = |row: &[Panel]| {
        let bars = row.iter().map(|panel| panel.bars.len()).max().unwrap_or(0);
        HEAD + BAR * bars as f64 + GAP
    };
    let foot_height = 18.0 * foot.len() as f64 + 8.0;
    let height = panels.chunks(COLUMNS).map(height_of).sum::<f64>() + foot_height;
    let width = PANEL_WIDTH * COLUMNS as f64;
    let mut out = theme::head(width, height, what);
    let mut top = 0.0;
    for row in panels.chunks(COLUMNS) {
        for (column, panel) in row.iter().enumerate() {
            draw(&mut out, panel, PANEL_WIDTH * column as f64 + 10.0, top);
        }
        top += height_of(row);
    }
    for (line, text) in foot.iter().enumerate() {
        let y = top + 18.0 * line as f64 + 6.0;
        let _ = writeln!(out, "<text class=\"soft\" x=\"10\" y=\"{y}\">{}</text>", escaped(text));
    }
    out + "</svg>\n"
}

fn draw(out: &mut String, panel: &Panel, left: f64, top: f64) {
    let most = panel.bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let room = PANEL_WIDTH - NAMES - FIGURES - 20.0;
    let (title, unit) = (escaped(&panel.title), escaped(&panel.unit));
    let _ = writeln!(
        out,
        "<text class=\"title\" x=\"{left}\" y=\"{}\">{title}</text>\n\
         <text class=\"soft\" x=\"{left}\" y=\"{}\">{unit}</text>",
        top + 16.0,
        top + 33.0,
    );
    let axis = left + NAMES;
    for (at, bar) in panel.bars.iter().enumerate() {
        let y = top + HEAD + BAR * at as f64;
        let length = (room * bar.value / most).max(1.0);
        let class = if bar.is_own { "own" } else { "other" };
        let _ = writeln!(
            out,
            "<text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <rect class=\"{class}\" x=\"{axis:.1}\" y=\"{y:.1}\" width=\"{length:.1}\" \
             height=\"{}\"/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            axis - 8.0,
            y + 11.0,
            escaped(&bar.name),
            BAR - 5.0,
            axis + length + 6.0,
            y + 11.0,
            figure(bar.value),
        );
    }
    let bottom = top + HEAD + BAR * panel.bars.len() as f64;
    let _ = writeln!(
        out,
        "<path class=\"axis\" d=\"M{axis:.1} {:.1}V{bottom:.1}\"/>",
        top + HEAD - 3.0
    );
}

/// Three digits.
pub fn figure(value: f64) -> String {
    let decimals = match value.abs() {
        x if x >= 100.0 => 0,
        x if x >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}
