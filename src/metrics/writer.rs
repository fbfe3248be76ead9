//! [`MetricsWriter`]: metrics, family by family, as one text.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::histogram::Histogram;

/// The form of a text with metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum MetricsFormat {
    /// Prometheus' own, version 0.0.4: `text/plain; version=0.0.4; charset=utf-8`.
    #[default]
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0; charset=utf-8`. Its last line is `# EOF`, so
    /// nothing can be written behind it.
    OpenMetrics,
}

/// The upper ends of the buckets of all histograms, in seconds: from the cost of a hit to the
/// patience of a caller. There is one more for all that takes longer.
const BUCKETS: [f64; 15] =
    [1e-7, 1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Collects metrics of several sources, and makes one text of them.
///
/// Groups, registries and pools write what they count into one; a program adds families of its own.
/// A family that several of them write is one family in the text: give each source a
/// [label](Self::set_labels) of its own, if their samples could not be told apart otherwise.
///
/// ```
/// use geecache::{MetricsFormat, MetricsWriter, Registry};
///
/// let registry = Registry::new();
/// let mut metrics = MetricsWriter::new(MetricsFormat::Prometheus);
/// registry.write_metrics(&mut metrics);
/// metrics.gauge("shop_carts", "Carts that are open.").sample(&[("shop", "Bern")], 3);
/// assert!(metrics.finish().ends_with("shop_carts{shop=\"Bern\"} 3\n"));
/// ```
#[derive(Debug)]
pub struct MetricsWriter {
    format: MetricsFormat,
    /// What stands first in the braces of each sample from now on.
    labels: String,
    /// In the order in which they were introduced.
    families: Vec<WrittenFamily>,
}

#[derive(Debug)]
struct WrittenFamily {
    /// Without `_total`.
    name: String,
    /// Its help and its type, and then its samples.
    text: String,
}

impl MetricsWriter {
    /// A writer of such a text.
    #[must_use]
    pub fn new(format: MetricsFormat) -> Self {
        Self { format, labels: String::new(), families: Vec::new() }
    }

    /// Gives these labels to all samples from now on, in place of those that were set before: pairs
    /// of a name and a value.
    pub fn set_labels(&mut self, labels: &[(&str, &str)]) {
        self.labels.clear();
        write_labels(&mut self.labels, labels);
    }

    /// A number that only grows. Its samples have `_total` behind `name`.
    pub fn counter(&mut self, name: &str, help: &str) -> MetricFamily<'_> {
        let name = name.strip_suffix("_total").unwrap_or(name);
        let introduced = if self.format == MetricsFormat::OpenMetrics { "" } else { "_total" };
        self.family(name, introduced, "counter", help, "_total")
    }

    /// A number that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str) -> MetricFamily<'_> {
        self.family(name, "", "gauge", help, "")
    }

    /// Times, in seconds. The name should end in `_seconds`.
    pub fn histogram(&mut self, name: &str, help: &str) -> MetricFamily<'_> {
        self.family(name, "", "histogram", help, "")
    }

    /// A family that may be there already. It is introduced as `name` and `introduced`, and its
    /// samples are called `name` and `suffix`.
    fn family(
        &mut self,
        name: &str,
        introduced: &str,
        kind: &str,
        help: &str,
        suffix: &'static str,
    ) -> MetricFamily<'_> {
        let known = self.families.iter().position(|family| family.name == name);
        let at = known.unwrap_or_else(|| {
            let help = HelpText(help);
            let text =
                format!("# HELP {name}{introduced} {help}\n# TYPE {name}{introduced} {kind}\n");
            self.families.push(WrittenFamily { name: name.to_owned(), text });
            self.families.len() - 1
        });
        MetricFamily { labels: &self.labels, family: &mut self.families[at], suffix }
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        let mut text: String = self.families.into_iter().map(|family| family.text).collect();
        if self.format == MetricsFormat::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }
}

/// Samples of one name; from [`MetricsWriter`].
#[derive(Debug)]
pub struct MetricFamily<'a> {
    labels: &'a str,
    family: &'a mut WrittenFamily,
    suffix: &'static str,
}

impl MetricFamily<'_> {
    /// One sample, with pairs of a label's name and its value.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl fmt::Display) {
        self.write(self.suffix, labels, None, value);
    }

    /// The samples of a histogram, with such pairs: 16 buckets from 100 ns to 5 s and more, the
    /// count, and the sum. What falls into which bucket is true to 3.2 %.
    pub fn times(&mut self, labels: &[(&str, &str)], times: &Histogram) {
        for limit in BUCKETS {
            let within = times.count_within(Duration::from_secs_f64(limit));
            self.write("_bucket", labels, Some(limit), within);
        }
        self.write("_bucket", labels, Some(f64::INFINITY), times.count());
        self.write("_sum", labels, None, times.sum().as_secs_f64());
        self.write("_count", labels, None, times.count());
    }

    /// A line, with the upper end of a bucket among the labels if there is one.
    fn write(
        &mut self,
        suffix: &str,
        labels: &[(&str, &str)],
        limit: Option<f64>,
        value: impl fmt::Display,
    ) {
        let WrittenFamily { name, text } = &mut *self.family;
        let mut all = self.labels.to_owned();
        write_labels(&mut all, labels);
        match limit {
            None => {}
            Some(limit) if limit.is_infinite() => write_labels(&mut all, &[("le", "+Inf")]),
            Some(limit) => write_labels(&mut all, &[("le", &format!("{limit:?}"))]),
        }
        let braces = if all.is_empty() { ("", "") } else { ("{", "}") };
        let length = text.len();
        if writeln!(text, "{name}{suffix}{}{all}{} {value}", braces.0, braces.1).is_err() {
            // The value can't be shown.
            text.truncate(length);
        }
    }
}

/// Writes labels behind those that are there.
fn write_labels(out: &mut String, labels: &[(&str, &str)]) {
    for (name, value) in labels {
        let comma = if out.is_empty() { "" } else { "," };
        // A text takes all that is written to it.
        let _ = write!(out, "{comma}{name}=\"{}\"", LabelText(value));
    }
}

/// What a family says.
struct HelpText<'a>(&'a str);

impl fmt::Display for HelpText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// The value of a label.
struct LabelText<'a>(&'a str);

impl fmt::Display for LabelText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::Latency;

    #[test]
    fn families_of_several_sources_are_one_each_and_their_samples_have_the_labels_of_the_source() {
        let mut metrics = MetricsWriter::new(MetricsFormat::Prometheus);
        metrics.set_labels(&[("pool", "a\"b")]);
        metrics.counter("gets", "All \\ of\nthem.").sample(&[("group", "x")], 1);
        metrics.gauge("up", "Whether it is.").sample(&[], 1);
        metrics.set_labels(&[("pool", "c")]);
        metrics.counter("gets_total", "Not told again.").sample(&[], 2);
        metrics.set_labels(&[]);
        metrics.gauge("up", "Nor this.").sample(&[], 0.5);
        let expected = "# HELP gets_total All \\\\ of\\nthem.\n# TYPE gets_total counter\n\
                        gets_total{pool=\"a\\\"b\",group=\"x\"} 1\ngets_total{pool=\"c\"} 2\n\
                        # HELP up Whether it is.\n# TYPE up gauge\n\
                        up{pool=\"a\\\"b\"} 1\nup 0.5\n";
        assert_eq!(metrics.finish(), expected);
    }

    #[test]
    fn a_histogram_has_buckets_that_grow_to_the_count_and_a_sum_in_seconds() {
        let latency = Latency::new();
        for ms in [1, 20, 20, 10_000] {
            latency.add(Duration::from_millis(ms));
        }
        let mut metrics = MetricsWriter::new(MetricsFormat::OpenMetrics);
        let mut family = metrics.histogram("call_seconds", "Calls.");
        family.times(&[("peer", "b")], &latency.snapshot());
        let text = metrics.finish();
        assert!(text.starts_with("# HELP call_seconds Calls.\n# TYPE call_seconds histogram\n"));
        for line in [
            "call_seconds_bucket{peer=\"b\",le=\"1e-7\"} 0",
            "call_seconds_bucket{peer=\"b\",le=\"0.0025\"} 1",
            "call_seconds_bucket{peer=\"b\",le=\"0.025\"} 3",
            "call_seconds_bucket{peer=\"b\",le=\"1.0\"} 3",
            "call_seconds_bucket{peer=\"b\",le=\"5.0\"} 3",
            "call_seconds_bucket{peer=\"b\",le=\"+Inf\"} 4",
            "call_seconds_sum{peer=\"b\"} 10.041",
            "call_seconds_count{peer=\"b\"} 4",
            "# EOF",
        ] {
            assert_eq!(text.lines().filter(|it| *it == line).count(), 1, "{line}\n{text}");
        }
        assert_eq!(text.lines().count(), 2 + 16 + 2 + 1);
    }

    #[test]
    fn a_value_that_can_not_be_shown_is_left_out() {
        struct Shy;
        impl fmt::Display for Shy {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("half").and(Err(fmt::Error))
            }
        }
        let mut metrics = MetricsWriter::new(MetricsFormat::Prometheus);
        let mut family = metrics.gauge("a", "b");
        family.sample(&[], Shy);
        family.sample(&[], 1);
        assert!(metrics.finish().ends_with("gauge\na 1\n"));
    }
}
