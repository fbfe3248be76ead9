//! Counters as a text for Prometheus and its kin.
//!
//! The form is that of the [text format 0.0.4][text], or that of [OpenMetrics 1.0][open]. They
//! differ in the name under which a counter is introduced, and in the last line.
//!
//! [text]: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
//! [open]: https://prometheus.io/docs/specs/om/open_metrics_spec/

use std::fmt::{self, Write};

use crate::group::Group;
use crate::stats::{CacheStats, Stats};

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

/// Writes metrics, family by family. For programs and transports that have more to tell than
/// [`Registry::write_metrics`](crate::Registry::write_metrics) does.
///
/// ```
/// use geecache::{MetricsFormat, MetricsWriter};
///
/// let mut text = String::new();
/// let mut writer = MetricsWriter::new(&mut text, MetricsFormat::Prometheus);
/// writer.gauge("shop_carts", "Carts that are open.")?.sample(&[("shop", "Bern")], 3)?;
/// writer.end()?;
/// assert!(text.ends_with("shop_carts{shop=\"Bern\"} 3\n"));
/// # Ok::<(), std::fmt::Error>(())
/// ```
pub struct MetricsWriter<'a, W: ?Sized> {
    out: &'a mut W,
    format: MetricsFormat,
}

impl<'a, W: Write + ?Sized> MetricsWriter<'a, W> {
    /// A writer to `out`.
    pub fn new(out: &'a mut W, format: MetricsFormat) -> Self {
        Self { out, format }
    }

    /// A number that only grows. Its samples have `_total` behind `name`.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn counter(&mut self, name: &str, help: &str) -> Result<MetricFamily<'_, W>, fmt::Error> {
        let name = name.strip_suffix("_total").unwrap_or(name);
        let introduced = if self.format == MetricsFormat::OpenMetrics { "" } else { "_total" };
        writeln!(self.out, "# HELP {name}{introduced} {}", HelpText(help))?;
        writeln!(self.out, "# TYPE {name}{introduced} counter")?;
        Ok(MetricFamily { out: self.out, name: format!("{name}_total") })
    }

    /// A number that goes up and down.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn gauge(&mut self, name: &str, help: &str) -> Result<MetricFamily<'_, W>, fmt::Error> {
        writeln!(self.out, "# HELP {name} {}", HelpText(help))?;
        writeln!(self.out, "# TYPE {name} gauge")?;
        Ok(MetricFamily { out: self.out, name: name.to_owned() })
    }

    /// What these groups count.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn groups(&mut self, groups: &[Group]) -> fmt::Result {
        write_groups(self, groups)
    }

    /// The end of the text.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn end(self) -> fmt::Result {
        match self.format {
            MetricsFormat::OpenMetrics => self.out.write_str("# EOF\n"),
            MetricsFormat::Prometheus => Ok(()),
        }
    }
}

impl<W: ?Sized> fmt::Debug for MetricsWriter<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsWriter").field("format", &self.format).finish_non_exhaustive()
    }
}

/// Samples of one name; from [`MetricsWriter`].
pub struct MetricFamily<'a, W: ?Sized> {
    out: &'a mut W,
    name: String,
}

impl<W: Write + ?Sized> MetricFamily<'_, W> {
    /// One sample, with pairs of a label's name and its value.
    ///
    /// # Errors
    ///
    /// Those of the output.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl fmt::Display) -> fmt::Result {
        self.out.write_str(&self.name)?;
        let mut before = '{';
        for (name, value) in labels {
            write!(self.out, "{before}{name}=\"{}\"", LabelText(value))?;
            before = ',';
        }
        let end = if labels.is_empty() { "" } else { "}" };
        writeln!(self.out, "{end} {value}")
    }
}

impl<W: ?Sized> fmt::Debug for MetricFamily<'_, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricFamily").field("name", &self.name).finish_non_exhaustive()
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

/// One family of a group: its name, what it says, and a sample for each value of a label. Without
/// a label there is one sample.
struct OfGroup {
    name: &'static str,
    help: &'static str,
    label: &'static str,
    samples: &'static [OfStats],
}

/// The value of the label, and where the number is.
type OfStats = (&'static str, fn(&Stats) -> u64);

const OF_GROUPS: [OfGroup; 14] = [
    OfGroup {
        name: "geecache_gets",
        help: "Keys asked for by this process, by where they were found.",
        label: "result",
        samples: &[
            ("owned_hit", |stats| stats.owned_hits),
            ("copy_hit", |stats| stats.copy_hits),
            ("miss", |stats| stats.gets - stats.hits),
        ],
    },
    OfGroup {
        name: "geecache_misses",
        help: "Keys that were not in memory, each once per call, by who was to have them.",
        label: "owner",
        samples: &[("self", |stats| stats.owned_misses), ("peer", |stats| stats.copy_misses)],
    },
    OfGroup {
        name: "geecache_peer_answers",
        help: "Keys that peers were asked for, by what became of it.",
        label: "result",
        samples: &[
            ("hit", |stats| stats.peer_hits),
            ("loaded", |stats| stats.peer_loads - stats.peer_hits),
            ("error", |stats| stats.peer_errors),
        ],
    },
    OfGroup {
        name: "geecache_served",
        help: "Keys that peers asked this process for, by whether they were in memory.",
        label: "result",
        samples: &[
            ("hit", |stats| stats.server_hits),
            ("miss", |stats| stats.server_requests.saturating_sub(stats.server_hits)),
        ],
    },
    OfGroup {
        name: "geecache_loads",
        help: "Results of the getter, one for each key.",
        label: "result",
        samples: &[("ok", |stats| stats.local_loads), ("error", |stats| stats.local_load_errors)],
    },
    OfGroup {
        name: "geecache_loads_deduplicated",
        help: "Loads that were spared because another caller was loading the key.",
        label: "",
        samples: &[("", |stats| stats.loads_deduplicated)],
    },
    OfGroup {
        name: "geecache_refreshes",
        help: "Loads of values that were about to expire or had expired, beside callers.",
        label: "",
        samples: &[("", |stats| stats.refreshes)],
    },
    OfGroup {
        name: "geecache_stale_hits",
        help: "Answers with a value past its ttl.",
        label: "",
        samples: &[("", |stats| stats.hits_stale)],
    },
    OfGroup {
        name: "geecache_negative_hits",
        help: "Answers from memory that a key does not exist.",
        label: "",
        samples: &[("", |stats| stats.negative_hits)],
    },
    OfGroup {
        name: "geecache_takeover_requests",
        help: "Keys that previous owners were asked for.",
        label: "",
        samples: &[("", |stats| stats.peeks)],
    },
    OfGroup {
        name: "geecache_takeover_hits",
        help: "Those of them that the previous owners had.",
        label: "",
        samples: &[("", |stats| stats.peek_hits)],
    },
    OfGroup {
        name: "geecache_removes",
        help: "Keys removed, by this process or for a peer.",
        label: "",
        samples: &[("", |stats| stats.removes)],
    },
    OfGroup {
        name: "geecache_inserts",
        help: "Values inserted, by this process or for a peer.",
        label: "",
        samples: &[("", |stats| stats.inserts)],
    },
    OfGroup {
        name: "geecache_clears",
        help: "Times that the group was emptied, by this process or for a peer.",
        label: "",
        samples: &[("", |stats| stats.clears)],
    },
];

/// One family of a cache of a group.
struct OfCache {
    name: &'static str,
    help: &'static str,
    is_counter: bool,
    value: fn(&CacheStats) -> u64,
}

const OF_CACHES: [OfCache; 8] = [
    OfCache {
        name: "geecache_cache_entries",
        help: "Entries held.",
        is_counter: false,
        value: |cache| cache.entries,
    },
    OfCache {
        name: "geecache_cache_bytes",
        help: "Bytes that count against the bound.",
        is_counter: false,
        value: |cache| cache.charged_bytes,
    },
    OfCache {
        name: "geecache_cache_payload_bytes",
        help: "Bytes of keys and values.",
        is_counter: false,
        value: |cache| cache.bytes,
    },
    OfCache {
        name: "geecache_cache_max_bytes",
        help: "The bound on geecache_cache_bytes.",
        is_counter: false,
        value: |cache| cache.max_bytes,
    },
    OfCache {
        name: "geecache_cache_insertions",
        help: "Entries made or replaced.",
        is_counter: true,
        value: |cache| cache.inserts,
    },
    OfCache {
        name: "geecache_cache_evictions",
        help: "Live entries that had to go to make room.",
        is_counter: true,
        value: |cache| cache.evictions,
    },
    OfCache {
        name: "geecache_cache_expired",
        help: "Entries dropped because their time to live was over.",
        is_counter: true,
        value: |cache| cache.expired,
    },
    OfCache {
        name: "geecache_cache_rejected",
        help: "Values that were served and not kept, as they alone would not fit.",
        is_counter: true,
        value: |cache| cache.rejected,
    },
];

/// Writes what groups count.
fn write_groups<W: Write + ?Sized>(
    writer: &mut MetricsWriter<'_, W>,
    groups: &[Group],
) -> fmt::Result {
    if groups.is_empty() {
        return Ok(());
    }
    let stats: Vec<(&Group, Stats)> = groups.iter().map(|group| (group, group.stats())).collect();
    for OfGroup { name, help, label, samples } in OF_GROUPS {
        let mut family = writer.counter(name, help)?;
        for (group, stats) in &stats {
            for (value, sample) in samples {
                let labels = [("group", group.name()), (label, value)];
                let labels = if label.is_empty() { &labels[..1] } else { &labels };
                family.sample(labels, sample(stats))?;
            }
        }
    }
    let caches = groups.iter().flat_map(|group| {
        let (main, hot) = (group.main_cache_stats(), group.hot_cache_stats());
        [(group, "main", main), (group, "hot", hot)]
    });
    let caches: Vec<(&Group, &str, CacheStats)> = caches.collect();
    for OfCache { name, help, is_counter, value } in OF_CACHES {
        let mut family =
            if is_counter { writer.counter(name, help)? } else { writer.gauge(name, help)? };
        for (group, cache, stats) in &caches {
            family.sample(&[("group", group.name()), ("cache", cache)], value(stats))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
