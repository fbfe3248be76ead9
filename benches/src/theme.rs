//! How pictures look: their colors, and that they follow a dark page.

/// The element that begins a picture, and its style. An image of its own goes by the reader's
/// system; within the documentation the theme of the page decides.
pub fn head(width: f64, height: f64, what: &str) -> String {
    let light = "--ink:#1f2328;--soft:#5f6872;--line:#c8ced6;--own:#2f6fd0;--other:#9aa4b0";
    let dark = "--ink:#e6edf3;--soft:#a3adb8;--line:#444c56;--own:#6aa5ff;--other:#6e7883";
    format!(
        "<svg class=\"plot\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" style=\"max-width:100%;height:auto\" role=\"img\" \
         aria-label=\"{what}\">\n<style>\n\
         .plot {{ {light} }}\n\
         @media (prefers-color-scheme: dark) {{ .plot {{ {dark} }} }}\n\
         [data-theme=light] .plot {{ {light} }}\n\
         [data-theme=dark] .plot, [data-theme=ayu] .plot {{ {dark} }}\n\
         .plot text {{ fill: var(--ink); font: 12px sans-serif }}\n\
         .plot .soft {{ fill: var(--soft) }}\n\
         .plot .title {{ font-weight: bold; font-size: 13px }}\n\
         .plot .end {{ text-anchor: end }}\n\
         .plot .middle {{ text-anchor: middle }}\n\
         .plot .axis {{ fill: none; stroke: var(--line) }}\n\
         .plot .own {{ fill: var(--own) }}\n\
         .plot .other {{ fill: var(--other) }}\n\
         .plot .ink {{ fill: none; stroke: var(--ink) }}\n\
         </style>\n",
    )
}

/// A text within a picture.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}
