//! The page for browsers, and the headers of what it reads.

use crate::http::server::HttpResponse;

/// All of the page: it loads nothing but `/status.json`.
const HTML: &str = include_str!("page.html");

/// What a browser may do with the page. It runs the one script and applies the one style sheet that
/// are in it, which these hashes name; it asks nobody but this peer. A test tells the hashes when
/// the page has changed.
const PAGE_HEADERS: &[(&str, &str)] = &[
    (
        "Content-Security-Policy",
        "default-src 'none'; \
         script-src 'sha256-AAAA'; \
         style-src 'sha256-BBBB'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-cache"),
];

/// What is told is of this moment, and for nobody else.
const JSON_HEADERS: &[(&str, &str)] =
    &[("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")];

/// The page for browsers.
pub(super) fn html() -> HttpResponse {
    HttpResponse {
        content_type: "text/html; charset=utf-8",
        headers: PAGE_HEADERS,
        ..HttpResponse::text(200, HTML)
    }
}

/// An answer in JSON.
pub(super) fn json(text: String) -> HttpResponse {
    HttpResponse {
        content_type: "application/json",
        headers: JSON_HEADERS,
        ..HttpResponse::text(200, text)
    }
}

/// Too many questions wait for the other peers.
pub(super) fn busy() -> HttpResponse {
    let text = "others ask about the cluster at this moment: ask again in a second\n";
    HttpResponse { headers: JSON_HEADERS, ..HttpResponse::text(503, text) }
}
