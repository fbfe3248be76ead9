//! [`Door`]: turns away who does not know the token.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::http::handler::pages;
use crate::http::handler::replies::refuse;
use crate::http::note::Status;
use crate::http::server::{HttpRequest, HttpResponse};
use crate::http::token::Tokens;
use crate::repeats::Repeats;

/// Lets requests in that show a token, or all of them where none is asked for.
#[derive(Debug)]
pub(crate) struct Door {
    tokens: Option<Arc<Tokens>>,
    turned_away: AtomicU64,
    /// What was logged before.
    repeats: Arc<Repeats>,
}

impl Door {
    pub(crate) fn new(tokens: Option<Arc<Tokens>>, repeats: Arc<Repeats>) -> Self {
        Self { tokens, turned_away: AtomicU64::new(0), repeats }
    }

    /// Whether a token is asked for.
    pub(crate) fn has_token(&self) -> bool {
        self.tokens.is_some()
    }

    /// How many requests were turned away.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }

    /// How many lines about clients were not logged.
    pub(crate) fn suppressed(&self) -> u64 {
        self.repeats.suppressed()
    }

    /// Lets a request in that shows a token that is known. The refusal is the same for all others,
    /// whatever they ask for.
    pub(super) fn admit(&self, request: &HttpRequest<'_>, name: &str) -> Result<(), HttpResponse> {
        let Some(tokens) = &self.tokens else { return Ok(()) };
        if tokens.admits(request.header("Authorization")) || pages::is_open(request) {
            return Ok(());
        }
        self.turned_away.fetch_add(1, Ordering::Relaxed);
        let client = (request.client)();
        if let Some(again) = self.repeats.due(("turned away", client.map(|it| it.ip()))) {
            let client = client.map_or_else(|| "a client".to_owned(), |it| it.to_string());
            log::warn!(
                "{name} has turned {client} away, which shows no token that is known{again}"
            );
        }
        let mut response = refuse(Status::Unauthorized, "unauthorized");
        response.headers = &[("WWW-Authenticate", "Bearer")];
        Err(response)
    }
}
