//! [`Door`]: turns away who does not know the token.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::http::handler::pages;
use crate::http::handler::replies::refuse;
use crate::http::note::Status;
use crate::http::server::{HttpRequest, HttpResponse};
use crate::http::token::Tokens;
use crate::sync::lock;

/// How often it is told who was turned away.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Lets requests in that show a token, or all of them where none is asked for.
#[derive(Debug)]
pub(crate) struct Door {
    tokens: Option<Arc<Tokens>>,
    turned_away: AtomicU64,
    warned: Mutex<Option<Instant>>,
}

impl Door {
    pub(crate) fn new(tokens: Option<Arc<Tokens>>) -> Self {
        Self { tokens, turned_away: AtomicU64::new(0), warned: Mutex::new(None) }
    }

    /// How many requests were turned away.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// Lets a request in that shows a token that is known. The refusal is the same for all others,
    /// whatever they ask for.
    pub(super) fn admit(&self, request: &HttpRequest<'_>, name: &str) -> Result<(), HttpResponse> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        if tokens.admits(request.header("Authorization")) || pages::is_open(request) {
            return Ok(());
        }
        let count = self.turned_away.fetch_add(1, Ordering::Relaxed) + 1;
        self.tell(&request.client, count, name);
        let mut response = refuse(Status::Unauthorized, "unauthorized");
        response.headers = &[("WWW-Authenticate", "Bearer")];
        Err(response)
    }

    fn tell(&self, client: &dyn Fn() -> Option<SocketAddr>, count: u64, name: &str) {
        let mut warned = lock(&self.warned);
        if warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
            *warned = Some(Instant::now());
            drop(warned);
            let client =
                client().map_or_else(|| "a client".to_owned(), |client| client.to_string());
            log::warn!(
                "{name} has turned {client} away, which shows no token that is known ({count} \
                 requests so far; this is told once a minute)"
            );
        }
    }
}
