//! What a peer's port tells those who watch it: [`Monitor`].

mod fan_out;
#[cfg(any(test, feature = "unstable-bench"))]
pub(crate) mod fuzz;
mod groups;
mod json;
mod key;
mod metrics;
mod page;
mod view;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Instant;

use fan_out::FanOut;
use key::KeyQuestion;
use view::Facts;

use crate::events::PastEvent;
use crate::group::Group;
use crate::http::handler::{Door, Page, Pages};
use crate::http::peers::Peers;
use crate::http::server::{Health, HttpRequest, HttpResponse, Running};
use crate::http::wire::Query;
use crate::metrics::{MetricsFormat, MetricsWriter};
use crate::registry::Registry;
use crate::sync::lock;

/// Whether a peer's port also answers those who watch.
///
/// | path | answer |
/// |---|---|
/// | `GET /healthz` | 200 while the process serves |
/// | `GET /readyz` | 200 while peers should ask it, 503 once it has left or shuts down |
/// | `GET /metrics` | what is counted, for Prometheus; OpenMetrics if `Accept` names that |
/// | `GET /` | a page for a browser, which shows the cluster as this peer sees it |
/// | `GET /status.json` | what that page shows, as JSON |
/// | `POST /status.json?group=G&key=K` | removes a key everywhere, where the cluster has a token |
///
/// They lie outside of the base path, so no peer ever meets them. Where the cluster has a
/// [token](crate::HttpPoolBuilder::token), `/metrics` and `/status.json` ask for it. The others do
/// not: the page holds no data, and asks its reader for the token.
/// [`guide::watching`](crate::guide::watching) tells more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum StatusPages {
    /// It does.
    #[default]
    On,
    /// It does not: such paths are as unknown as any other.
    Off,
}

/// Knows all that the status pages tell.
pub(crate) struct Monitor {
    begun: Instant,
    peers: Arc<Peers>,
    registry: Registry,
    door: Arc<Door>,
    server: Mutex<Option<Weak<dyn Running>>>,
    is_draining: AtomicBool,
    /// For questions about the whole cluster, which some ask every second.
    fan_out: FanOut,
    /// For questions about a key, which should not have to wait for those.
    key_fan_out: FanOut,
}

impl Monitor {
    pub(crate) fn new(peers: Arc<Peers>, registry: Registry, door: Arc<Door>) -> Self {
        Self {
            begun: Instant::now(),
            peers,
            registry,
            door,
            server: Mutex::new(None),
            is_draining: AtomicBool::new(false),
            fan_out: FanOut::default(),
            key_fan_out: FanOut::default(),
        }
    }

    /// Tells of `server` from now on.
    pub(crate) fn watch(&self, server: &Arc<dyn Running>) {
        *lock(&self.server) = Some(Arc::downgrade(server));
    }

    /// How many requests were turned away.
    pub(crate) fn turned_away(&self) -> u64 {
        self.door.turned_away()
    }

    /// What happened of late to the peers and in the groups, the last of it last.
    pub(crate) fn recent_events(&self) -> Vec<PastEvent> {
        let groups = self.registry.groups();
        let of_groups = groups.iter().flat_map(Group::recent_events);
        let mut all: Vec<PastEvent> =
            self.peers.recent_events().into_iter().chain(of_groups).collect();
        all.sort_by_key(|past| past.at);
        all
    }

    /// The server has begun to end.
    pub(crate) fn begin_drain(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
    }

    /// What the server went through, while there is one.
    fn health(&self) -> Option<Health> {
        let server = lock(&self.server).clone()?;
        Some(server.upgrade()?.health())
    }

    /// Writes what the peers, the server and the groups count.
    pub(crate) fn write_metrics(&self, metrics: &mut MetricsWriter) {
        metrics::write_peers(metrics, &self.peers, self.door.suppressed());
        if let Some(health) = self.health() {
            let refused = (self.turned_away(), self.peers.identity().misdirected());
            metrics::write_server(metrics, &health, refused);
        }
        metrics.groups(&self.registry.groups());
    }

    fn metrics(&self, request: &HttpRequest<'_>) -> HttpResponse {
        let accepted = request.header("Accept").unwrap_or_default();
        let open = b"application/openmetrics-text";
        let is_open = accepted.windows(open.len()).any(|part| part.eq_ignore_ascii_case(open));
        let (format, content_type) = if is_open {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (MetricsFormat::OpenMetrics, content_type)
        } else {
            (MetricsFormat::Prometheus, "text/plain; version=0.0.4; charset=utf-8")
        };
        let mut metrics = MetricsWriter::new(format);
        self.write_metrics(&mut metrics);
        HttpResponse { content_type, ..HttpResponse::text(200, metrics.finish()) }
    }

    /// Whether other peers should ask this process, and why.
    fn readiness(&self) -> (bool, String) {
        if self.is_draining.load(Ordering::SeqCst) {
            return (false, "not ready: this peer is shutting down".to_owned());
        }
        match self.peers.listed() {
            None => (false, "not ready: this peer has left the list of peers".to_owned()),
            Some(1) => (true, "ready: this peer is the only one".to_owned()),
            Some(count) => (true, format!("ready: one of {count} peers")),
        }
    }
}

/// `/status.json`.
impl Monitor {
    /// How this peer is; and the others, where the question says so.
    fn status(&self, request: &HttpRequest<'_>) -> HttpResponse {
        let query = Query::of(request.target).unwrap_or_default();
        let others = match query.has("cluster") {
            true => self.fan_out.ask(&self.peers.others(), "/status.json?brief").map(Some),
            false => Some(None),
        };
        let Some(others) = others else { return page::busy() };
        let groups = self.registry.groups();
        let facts = Facts {
            uptime: self.begun.elapsed(),
            readiness: self.readiness(),
            has_token: self.door.has_token(),
            turned_away: self.turned_away(),
            health: self.health(),
            groups: &groups,
            events: &self.recent_events(),
        };
        page::json(json::object(|object| {
            view::write_process(object, &self.peers, &facts);
            if !query.has("brief") {
                view::write_peers(object, &self.peers);
            }
            if query.has("ring") {
                view::write_arcs(object, &self.peers);
            }
            if let Some(others) = others {
                let digest = self.peers.digest();
                let agree = others.iter().all(|told| told.agrees_on(digest));
                object.member("agree", agree);
                object.list("cluster", &others, |object, told| told.write(object));
            }
        }))
    }

    /// Where a key lives.
    fn key(&self, request: &HttpRequest<'_>) -> Result<HttpResponse, HttpResponse> {
        let question = KeyQuestion::read(&self.registry, request.target)?;
        let others = if question.is_for_cluster {
            let asked = self.key_fan_out.ask(&self.peers.others(), &question.path());
            Some(asked.ok_or_else(page::busy)?)
        } else {
            None
        };
        Ok(page::json(json::object(|object| {
            question.write(object, &self.peers);
            if let Some(others) = others {
                object.list("cluster", &others, |object, told| told.write(object));
            }
        })))
    }

    /// Removes a key everywhere. Only where a token is asked for, which was looked at before: a
    /// page of somebody else that a browser shows can't send one.
    fn remove(&self, request: &HttpRequest<'_>) -> Result<HttpResponse, HttpResponse> {
        if !self.door.has_token() {
            let text = "keys can be removed here only where the cluster has a token\n";
            return Err(HttpResponse::text(403, text));
        }
        let question = KeyQuestion::read(&self.registry, request.target)?;
        let report = question.group.remove(&question.key);
        Ok(page::json(json::object(|object| key::write_report(object, &report))))
    }
}

impl Pages for Monitor {
    fn page(&self, page: Page, request: &HttpRequest<'_>) -> HttpResponse {
        let answer = match page {
            Page::Health => Ok(HttpResponse::text(200, "ok: this process serves\n")),
            Page::Readiness => {
                let (is_ready, why) = self.readiness();
                Ok(HttpResponse::text(if is_ready { 200 } else { 503 }, why + "\n"))
            }
            Page::Metrics => Ok(self.metrics(request)),
            Page::Watch => Ok(page::html()),
            Page::Status => Ok(self.status(request)),
            Page::Key => self.key(request),
            Page::Removal => self.remove(request),
        };
        answer.unwrap_or_else(|refusal| refusal)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;
    use std::time::Duration;

    use super::*;
    use crate::consistenthash::RingHash;
    use crate::http::peer::PeerOptions;
    use crate::http::peers::PeersOptions;
    use crate::http::url::PeerUrl;

    #[test]
    fn a_peer_that_drains_is_healthy_and_not_ready() {
        let options = PeersOptions {
            hash: RingHash::Crc32,
            replicas: NonZeroUsize::new(50).unwrap(),
            warm_up: Duration::ZERO,
            zone: None,
            peer: PeerOptions::default(),
        };
        let peers = Peers::new(Some(PeerUrl::parse("http://a:1").unwrap()), options);
        let door = Arc::new(Door::new(None, Arc::default()));
        let monitor = Monitor::new(Arc::new(peers), Registry::new(), door);
        let (client, headers) = (|| None, &[("Accept", "*/*")][..]);
        let request = HttpRequest {
            method: "GET",
            target: "/",
            headers: &headers,
            body: b"",
            own_body: None,
            client: &client,
            came: Instant::now(),
            is_given_up: &|| false,
        };
        let status = |page| monitor.page(page, &request).status;
        assert_eq!((status(Page::Health), status(Page::Readiness)), (200, 200));
        monitor.begin_drain();
        assert_eq!((status(Page::Health), status(Page::Readiness)), (200, 503));
    }
}
