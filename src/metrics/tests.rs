use super::*;
use crate::registry::Registry;

fn text(registry: &Registry, format: MetricsFormat) -> String {
    let mut metrics = MetricsWriter::new(format);
    registry.write_metrics(&mut metrics);
    metrics.finish()
}

fn group(name: &str) -> Group {
    Group::new(name, 1 << 20, |key: &str| match key {
        "fails" => Err(std::io::Error::other("no disk")),
        _ => Ok("630"),
    })
}

#[test]
fn each_family_is_introduced_once_and_has_a_sample_for_each_group() {
    let registry = Registry::new();
    let groups = ["ages", "scores"].map(group);
    groups.iter().for_each(|group| registry.insert(group).unwrap());
    for key in ["Tom", "Tom", "Jack", "fails"] {
        let _ = groups[1].get(key);
    }
    let text = text(&registry, MetricsFormat::Prometheus);
    for line in [
        "# TYPE geecache_gets_total counter",
        "geecache_gets_total{group=\"ages\",result=\"owned_hit\"} 0",
        "geecache_gets_total{group=\"scores\",result=\"owned_hit\"} 1",
        "geecache_gets_total{group=\"scores\",result=\"copy_hit\"} 0",
        "geecache_gets_total{group=\"scores\",result=\"miss\"} 3",
        "geecache_misses_total{group=\"scores\",owner=\"self\"} 3",
        "geecache_loads_total{group=\"scores\",result=\"ok\"} 2",
        "geecache_loads_total{group=\"scores\",result=\"error\"} 1",
        "# TYPE geecache_loads_waiting gauge",
        "geecache_loads_waiting{group=\"scores\"} 0",
        "# TYPE geecache_cache_entries gauge",
        "geecache_cache_entries{group=\"scores\",cache=\"main\"} 2",
        "geecache_cache_entries{group=\"scores\",cache=\"hot\"} 0",
        "geecache_cache_max_bytes{group=\"scores\",cache=\"main\"} 1048576",
        "geecache_cache_evictions_total{group=\"scores\",cache=\"main\"} 0",
        "geecache_clears_total{group=\"scores\"} 0",
        "geecache_events_dropped_total{group=\"scores\"} 0",
        "geecache_log_lines_suppressed_total{group=\"scores\"} 0",
        "# TYPE geecache_getter_duration_seconds histogram",
        "geecache_getter_duration_seconds_count{group=\"ages\"} 0",
        "geecache_getter_duration_seconds_count{group=\"scores\"} 3",
        "geecache_getter_duration_seconds_bucket{group=\"scores\",le=\"+Inf\"} 3",
    ] {
        assert_eq!(text.lines().filter(|it| *it == line).count(), 1, "{line}\n{text}");
    }
    let introduced: Vec<&str> = text.lines().filter(|line| line.starts_with("# HELP")).collect();
    let mut once = introduced.clone();
    once.dedup();
    // The one gauge of groups is that of waiting loads.
    let families = OF_GROUPS.len() + 1 + OF_LATENCIES.len() + OF_CACHES.len();
    assert_eq!((introduced.len(), once.len()), (families, families));
    assert!(text.ends_with('\n'));
}

#[test]
fn open_metrics_introduce_counters_without_their_suffix_and_have_an_end() {
    let registry = Registry::new();
    registry.insert(&group("scores")).unwrap();
    let text = text(&registry, MetricsFormat::OpenMetrics);
    assert!(text.contains("# TYPE geecache_gets counter\n"), "{text}");
    assert!(text.contains("geecache_gets_total{group=\"scores\",result=\"miss\"} 0\n"), "{text}");
    assert!(text.ends_with("\n# EOF\n"), "{text}");
}

#[test]
fn a_name_can_not_break_out_of_its_label() {
    let registry = Registry::new();
    registry.insert(&group("a\"} 1\nb{c=\"\\")).unwrap();
    let text = text(&registry, MetricsFormat::Prometheus);
    let line = r#"geecache_clears_total{group="a\"} 1\nb{c=\"\\"} 0"#;
    assert!(text.lines().any(|it| it == line), "{text}");
}

#[test]
fn no_group_is_no_metric() {
    assert_eq!(text(&Registry::new(), MetricsFormat::Prometheus), "");
    assert_eq!(text(&Registry::new(), MetricsFormat::OpenMetrics), "# EOF\n");
}
