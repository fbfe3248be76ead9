//! What a peer's port tells those who watch it: [`Monitor`].

mod metrics;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::http::handler::{Door, Page, Pages};
use crate::http::peers::Peers;
use crate::http::server::{Health, HttpRequest, HttpResponse, Running};
use crate::metrics::{MetricsFormat, MetricsWriter};
use crate::registry::Registry;
use crate::sync::lock;

/// Whether a peer's port also answers `/healthz`, `/readyz` and `/metrics`.
///
/// | path | answer |
/// |---|---|
/// | `GET /healthz` | 200 while the process serves |
/// | `GET /readyz` | 200 while peers should ask it, 503 once it has left or shuts down |
/// | `GET /metrics` | what is counted, for Prometheus; OpenMetrics if `Accept` names that |
///
/// They lie outside of the base path, so no peer ever meets them. Where the cluster has a
/// [token](crate::HttpPoolBuilder::token), `/metrics` asks for it and the other two do not.
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
    peers: Arc<Peers>,
    registry: Registry,
    door: Arc<Door>,
    server: Mutex<Option<Weak<dyn Running>>>,
    is_draining: AtomicBool,
}

impl Monitor {
    pub(crate) fn new(peers: Arc<Peers>, registry: Registry, door: Arc<Door>) -> Self {
        let (server, is_draining) = (Mutex::new(None), AtomicBool::new(false));
        Self { peers, registry, door, server, is_draining }
    }

    /// Tells of `server` from now on.
    pub(crate) fn watch(&self, server: &Arc<dyn Running>) {
        *lock(&self.server) = Some(Arc::downgrade(server));
    }

    /// How many requests were turned away.
    pub(crate) fn turned_away(&self) -> u64 {
        self.door.turned_away()
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
    pub(crate) fn write_metrics<W: fmt::Write + ?Sized>(
        &self,
        out: &mut W,
        format: MetricsFormat,
    ) -> fmt::Result {
        let mut writer = MetricsWriter::new(out, format);
        metrics::write_peers(&mut writer, &self.peers)?;
        if let Some(health) = self.health() {
            metrics::write_server(
                &mut writer,
                &health,
                (self.turned_away(), self.peers.identity().misdirected()),
            )?;
        }
        writer.groups(&self.registry.groups())?;
        writer.end()
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
        let mut text = String::new();
        // A text takes all that is written to it.
        let _ = self.write_metrics(&mut text, format);
        HttpResponse { content_type, ..HttpResponse::text(200, text) }
    }

    fn readiness(&self) -> HttpResponse {
        let unready = |why: &str| HttpResponse::text(503, format!("not ready: {why}\n"));
        if self.is_draining.load(Ordering::SeqCst) {
            return unready("this peer is shutting down");
        }
        match self.peers.listed() {
            None => unready("this peer has left the list of peers"),
            Some(1) => HttpResponse::text(200, "ready: this peer is the only one\n"),
            Some(count) => HttpResponse::text(200, format!("ready: one of {count} peers\n")),
        }
    }
}

impl Pages for Monitor {
    fn page(&self, page: Page, request: &HttpRequest<'_>) -> HttpResponse {
        match page {
            Page::Health => HttpResponse::text(200, "ok: this process serves\n"),
            Page::Readiness => self.readiness(),
            Page::Metrics => self.metrics(request),
        }
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
            peer: PeerOptions::default(),
        };
        let peers = Peers::new(Some(PeerUrl::parse("http://a:1").unwrap()), options);
        let door = Arc::new(Door::new(None));
        let monitor = Monitor::new(Arc::new(peers), Registry::new(), door);
        let (client, headers) = (|| None, &[("Accept", "*/*")][..]);
        let request = HttpRequest {
            method: "GET",
            target: "/",
            headers: &headers,
            body: b"",
            own_body: None,
            client: &client,
        };
        let status = |page| monitor.page(page, &request).status;
        assert_eq!((status(Page::Health), status(Page::Readiness)), (200, 200));
        monitor.begin_drain();
        assert_eq!((status(Page::Health), status(Page::Readiness)), (200, 503));
    }
}
