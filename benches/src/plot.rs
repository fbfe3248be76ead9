//! A plot of hit ratio over size, as SVG.

use std::fmt::Write;

use crate::theme::{self, escaped};

pub struct Line {
    pub name: String,
    /// Size and percent.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// Told apart by people who see few colors, too (Okabe and Ito 2008), and by dashes. As many as
/// `hits` draws lines; the last two are those of our store and of the optimum.
const COLORS: [&str; 11] = [
    "#999999",
    "#bbbbbb",
    "#E69F00",
    "#F0C060",
    "#56B4E9",
    "#CC79A7",
    "#009E73",
    "#D55E00",
    "#7FA8E0",
    "var(--own)",
    "var(--ink)",
];

/// The sizes are drawn on a logarithmic scale, each at the place of its logarithm.
pub fn svg(title: &str, sizes: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let least = points().map(|point| point.0).fold(f64::INFINITY, f64::min).ln();
    let most = points().map(|point| point.0).fold(1.0, f64::max).ln();
    let top = points().map(|point| point.1).fold(10.0, f64::max).min(100.0);
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let x = |size: f64| LEFT + (right - LEFT) * (size.ln() - least) / (most - least).max(1e-9);
    let y = |percent: f64| bottom - (bottom - TOP) * percent / top;
    let mut out = theme::head(WIDTH, HEIGHT, &escaped(title));
    let _ = writeln!(
        out,
        "<text class=\"title\" x=\"{LEFT}\" y=\"22\">{}: hit ratio, %</text>\n\
         <text class=\"soft\" x=\"{LEFT}\" y=\"{}\">{sizes}</text>",
        escaped(title),
        HEIGHT - 10.0
    );
    for step in 0..=5 {
        let percent = top * f64::from(step) / 5.0;
        let _ = writeln!(
            out,
            "<path class=\"axis\" d=\"M{LEFT} {0:.1}H{right}\"/><text x=\"{1}\" y=\"{2:.1}\" \
             class=\"end\">{percent:.0}</text>",
            y(percent),
            LEFT - 6.0,
            y(percent) + 4.0
        );
    }
    for (size, _) in lines.first().map_or(&[][..], |line| &line.points) {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\" class=\"middle\">{size}</text>",
            x(*size),
            bottom + 18.0
        );
    }
    for (at, (line, color)) in lines.iter().zip(COLORS.iter().cycle()).enumerate() {
        let dash = if at % 2 == 1 { " stroke-dasharray=\"5 3\"" } else { "" };
        let path: Vec<_> = line
            .points
            .iter()
            .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
            .collect();
        let label = TOP + 18.0 * at as f64;
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" style=\"stroke:{color}\" \
             stroke-width=\"2\"{dash}/>\n\
             <path d=\"M{} {label}h24\" style=\"stroke:{color}\" stroke-width=\"2\"{dash}/>\
             <text x=\"{}\" y=\"{}\">{}</text>",
            path.join(" "),
            right + 14.0,
            right + 44.0,
            label + 4.0,
            escaped(&line.name)
        );
    }
    out + "</svg>\n"
}
