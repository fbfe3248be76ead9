//! What a peer's port tells those who watch it.

use std::io::{Read, Write};
use std::net::TcpStream;

use geecache::{ChangeStamp, HttpPool, MetricsFormat, MetricsWriter, Registry, StatusPages};

use crate::support::{CountingGetter, Gate, Peer, SERVERS, SOON, start, until, value_of};

const PLAIN: &str = "text/plain; charset=utf-8";

/// The status line's code, the content type, and the body of the answer to a `GET`.
pub(super) fn get(addr: &str, path: &str, headers: &str) -> (u16, String, String) {
    ask(addr, "GET", path, headers)
}

fn ask(addr: &str, method: &str, path: &str, headers: &str) -> (u16, String, String) {
    let (code, head, body) = ask_for_all(addr, method, path, headers);
    let content_type = head.lines().find_map(|line| line.strip_prefix("Content-Type: "));
    (code, content_type.unwrap_or_default().to_owned(), body)
}

/// The status line's code, the whole head, and the body of the answer.
pub(super) fn ask_for_all(
    addr: &str,
    method: &str,
    path: &str,
    headers: &str,
) -> (u16, String, String) {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}");
    write!(stream, "{head}Connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, head.to_owned(), body.to_owned())
}

#[test]
fn a_peer_is_healthy_while_it_serves_and_ready_until_it_leaves() {
    for server in SERVERS {
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool);
        let other = Peer::start(server, CountingGetter::new(), |pool| pool);
        let health = |path| {
            let (code, content_type, body) = get(&peer.addr(), path, "");
            assert_eq!(content_type, PLAIN, "{server:?}");
            (code, body)
        };
        assert_eq!(health("/healthz"), (200, "ok: this process serves\n".to_owned()));
        assert_eq!(health("/readyz"), (200, "ready: this peer is the only one\n".to_owned()));
        peer.join(&[&other.url()]);
        assert_eq!(health("/readyz?verbose"), (200, "ready: one of 2 peers\n".to_owned()));
        assert_eq!(
            ask(&peer.addr(), "HEAD", "/readyz", ""),
            (200, PLAIN.to_owned(), String::new())
        );

        let leaving = start({
            let pool = peer.pool.clone();
            move || pool.leave(SOON)
        });
        until("it has left", || health("/readyz").0 == 503);
        let left = "not ready: this peer has left the list of peers\n".to_owned();
        assert_eq!(health("/readyz"), (503, left));
        assert_eq!(health("/healthz").0, 200, "{server:?}");

        peer.pool.shutdown();
        leaving.result();
    }
}

#[test]
fn metrics_tell_of_groups_peers_and_the_server() {
    for server in SERVERS {
        let peers = [0, 1].map(|_| Peer::start(server, CountingGetter::new(), |pool| pool));
        let urls = [0, 1].map(|node| peers[node].url());
        peers[0].join(&[&urls[1]]);
        peers[1].join(&[&urls[0]]);
        let theirs = peers[0].key_owned_by(&urls[1]);
        for _ in 0..3 {
            peers[0].group.get(&theirs).unwrap();
        }
        let (code, content_type, text) = get(&peers[0].addr(), "/metrics", "");
        assert_eq!((code, &*content_type), (200, "text/plain; version=0.0.4; charset=utf-8"));
        let [_, them] = &urls;
        for line in [
            "geecache_peers 2".to_owned(),
            "geecache_listed 1".to_owned(),
            format!("geecache_peer_up{{peer=\"{them}\"}} 1"),
            format!("geecache_peer_requests_total{{peer=\"{them}\"}} 2"),
            format!("geecache_peer_request_duration_seconds_count{{peer=\"{them}\"}} 2"),
            "geecache_pool_events_dropped_total 0".to_owned(),
            "geecache_pool_log_lines_suppressed_total 0".to_owned(),
            "geecache_getter_duration_seconds_count{group=\"scores\"} 0".to_owned(),
            "geecache_gets_total{group=\"scores\",result=\"copy_hit\"} 1".to_owned(),
            "geecache_gets_total{group=\"scores\",result=\"miss\"} 2".to_owned(),
            "geecache_peer_answers_total{group=\"scores\",result=\"hit\"} 1".to_owned(),
            "geecache_peer_answers_total{group=\"scores\",result=\"loaded\"} 1".to_owned(),
        ] {
            assert_eq!(text.lines().filter(|it| **it == line).count(), 1, "{line}\n{text}");
        }
        let theirs = get(&peers[1].addr(), "/metrics", "").2;
        let served = "geecache_served_total{group=\"scores\",result=\"hit\"} 1";
        assert!(theirs.lines().any(|line| line == served), "{theirs}");

        peers[1].pool.shutdown();
        until("the peer is known to be down", || {
            peers[0].group.get(&peers[0].key_owned_by(them)).unwrap();
            peers[0].group.peer_side().clear(ChangeStamp::UNORDERED);
            let mut metrics = MetricsWriter::new(MetricsFormat::Prometheus);
            peers[0].pool.write_metrics(&mut metrics);
            metrics.finish().contains(&format!("geecache_peer_up{{peer=\"{them}\"}} 0"))
        });
    }
}

#[test]
fn a_scraper_that_asks_for_open_metrics_gets_them() {
    let peer = Peer::start(SERVERS[0], CountingGetter::new(), |pool| pool);
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let (code, content_type, text) = get(&peer.addr(), "/metrics", accept);
    assert_eq!(code, 200);
    assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.contains("# TYPE geecache_gets counter\n") && text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn pages_lie_beside_the_keys_and_can_be_turned_off() {
    for server in SERVERS {
        let off =
            Peer::start(server, CountingGetter::new(), |pool| pool.status_pages(StatusPages::Off));
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(get(&off.addr(), path, "").0, 400, "{server:?}: {path}");
        }
        // Keys of such names are keys.
        let on = Peer::start(server, CountingGetter::new(), |pool| pool);
        let body = get(&on.addr(), "/_geecache/scores/%2Fmetrics", "").2;
        assert_eq!(body, *value_of("/metrics"));
        assert_eq!(get(&on.addr(), "/metrics/", "").0, 400);
        assert_eq!(ask(&on.addr(), "DELETE", "/metrics", "").0, 400);
        let root = Peer::start(server, CountingGetter::new(), |pool| pool.base_path("/"));
        assert_eq!(get(&root.addr(), "/scores/healthz", "").2, *value_of("healthz"));
        assert_eq!(get(&root.addr(), "/healthz", "").0, 200);
    }
}

#[test]
fn with_a_token_health_stays_open_and_metrics_do_not() {
    for server in SERVERS {
        let peer = Peer::start(server, CountingGetter::new(), |pool| pool.token("hush"));
        let status = |path, headers| get(&peer.addr(), path, headers).0;
        assert_eq!((status("/healthz", ""), status("/readyz", "")), (200, 200), "{server:?}");
        assert_eq!(status("/metrics", ""), 401, "{server:?}");
        assert_eq!(ask(&peer.addr(), "DELETE", "/healthz", "").0, 401, "{server:?}");
        assert_eq!(status("/metrics", "Authorization: Bearer hush\r\n"), 200, "{server:?}");
        assert_eq!(peer.pool.turned_away(), 2);
    }
}

#[test]
fn a_client_writes_what_it_knows_of_its_peers_and_a_registry_its_groups() {
    let peer = Peer::start(SERVERS[1], CountingGetter::new(), |pool| pool);
    let client = HttpPool::client([peer.url()]).unwrap();
    let mut metrics = MetricsWriter::new(MetricsFormat::Prometheus);
    client.write_metrics(&mut metrics);
    let text = metrics.finish();
    assert!(text.contains("geecache_peers 1\n") && text.contains("geecache_listed 0\n"), "{text}");
    assert!(!text.contains("geecache_server") && !text.contains("geecache_gets"), "{text}");
    let registry = Registry::new();
    registry.insert(&peer.group).unwrap();
    let mut metrics = MetricsWriter::new(MetricsFormat::Prometheus);
    registry.write_metrics(&mut metrics);
    let text = metrics.finish();
    assert!(text.contains("geecache_gets_total{group=\"scores\""), "{text}");
}

#[test]
fn a_peer_that_is_busy_still_tells_that_it_is_well() {
    for server in SERVERS {
        let gate = Gate::closed();
        let one = std::num::NonZeroUsize::new(1).unwrap();
        let peer =
            Peer::start(server, CountingGetter::behind(&gate), |pool| pool.max_requests(one));
        let addr = peer.addr();
        let asks = start(move || get(&addr, "/_geecache/scores/Tom", "").0);
        gate.wait_for_arrivals(1);
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(get(&peer.addr(), path, "").0, 200, "{server:?}: {path}");
        }
        gate.open();
        assert_eq!(asks.result(), 200);
    }
}

#[test]
fn dashboard_and_alarms_ask_for_metrics_that_there_are() {
    let alarms = include_str!("../../../examples/grafana/alerts.yml").lines();
    let alarms = alarms.filter(|line| !line.trim_start().starts_with('#'));
    let dashboard = include_str!("../../../examples/grafana/dashboard.json");
    let dashboard: serde_json::Value = serde_json::from_str(dashboard).unwrap();
    let cluster = crate::support::Cluster::of(2, SERVERS[1]);
    let node = cluster.node(0);
    node.group.get(&cluster.key_owned_by(0)).unwrap();
    node.group.get(&cluster.key_owned_by(1)).unwrap();
    let metrics = get(&node.addr(), "/metrics", "").2;
    let mut told: Vec<&str> = metrics
        .lines()
        .filter_map(|line| line.split(['{', ' ']).next().filter(|name| *name != "#"))
        .collect();
    told.dedup();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let queries = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries: Vec<&str> = queries.map(|query| query["expr"].as_str().unwrap()).collect();
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let variables = variables.filter_map(|variable| variable["definition"].as_str());
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut asked = 0;
    for query in queries.iter().copied().chain(variables).chain(alarms) {
        let words = query.split(|c| !is_of_name(c));
        for name in words.filter(|word| word.starts_with("geecache_")) {
            assert!(told.contains(&name), "{name} in {query}");
            asked += 1;
        }
    }
    assert!(queries.len() > 20 && asked > queries.len(), "{asked}");
}

#[test]
fn two_pools_of_a_process_and_the_program_itself_make_one_text() {
    let pools = [0, 1].map(|_| Peer::start(SERVERS[1], CountingGetter::new(), |pool| pool));
    let mut metrics = MetricsWriter::new(MetricsFormat::Prometheus);
    for (peer, name) in pools.iter().zip(["a", "b"]) {
        metrics.set_labels(&[("pool", name)]);
        peer.pool.write_metrics(&mut metrics);
    }
    metrics.set_labels(&[]);
    metrics.gauge("shop_carts", "Carts that are open.").sample(&[], 3);
    let text = metrics.finish();
    for line in [
        "# TYPE geecache_peers gauge",
        "geecache_peers{pool=\"a\"} 1",
        "geecache_peers{pool=\"b\"} 1",
        "geecache_gets_total{pool=\"b\",group=\"scores\",result=\"miss\"} 0",
        "shop_carts 3",
    ] {
        assert_eq!(text.lines().filter(|it| *it == line).count(), 1, "{line}\n{text}");
    }
}
