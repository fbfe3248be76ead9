//! The page for browsers, and the headers of what it reads.

use std::sync::LazyLock;

use crate::byteview::ByteView;
use crate::http::server::HttpResponse;

/// All of the page: it loads nothing but `/status.json`.
const HTML: &str = include_str!("page.html");
/// The same, shared by all answers: anybody may ask for it again and again.
static BODY: LazyLock<ByteView> = LazyLock::new(|| ByteView::from(HTML));

/// What a browser may do with the page. It runs the one script and applies the one style sheet that
/// are in it, which these hashes name; it asks nobody but this peer. A test tells the hashes when
/// the page has changed.
const PAGE_HEADERS: &[(&str, &str)] = &[
    (
        "Content-Security-Policy",
        "default-src 'none'; \
         script-src 'sha256-SG4fTBSUtxXx4OLopKuGNO5Qf/9EM7GqvfX7+DO0cUE='; \
         style-src 'sha256-syNZHUnItH2iAZM/LEv3DJrbf8+QbqdMzIwOOgysajY='; \
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
        ..HttpResponse::text(200, BODY.clone())
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

#[cfg(test)]
mod tests {
    use ring::digest::{SHA256, digest};

    use super::*;

    /// What stands between the tags called `name`, of which there is one pair.
    fn inside(name: &str) -> &'static str {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        assert_eq!((HTML.matches(&open).count(), HTML.matches(&close).count()), (1, 1), "{name}");
        let (_, rest) = HTML.split_once(&open).unwrap();
        rest.split_once(&close).unwrap().0
    }

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for three in bytes.chunks(3) {
            let at = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            for digit in 0..4 {
                let value = (bits >> (18 - 6 * digit)) as usize & 63;
                text.push(if digit <= three.len() { char::from(DIGITS[value]) } else { '=' });
            }
        }
        text
    }

    #[test]
    fn a_browser_runs_what_is_in_the_page_and_nothing_else() {
        let policy = PAGE_HEADERS[0].1;
        for name in ["script", "style"] {
            let hash = base64(digest(&SHA256, inside(name).as_bytes()).as_ref());
            let expected = format!("{name}-src 'sha256-{hash}'");
            assert!(policy.contains(&expected), "PAGE_HEADERS must say {expected}");
        }
        assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'none'"));
    }

    #[test]
    fn the_page_is_small_and_brings_all_that_it_needs() {
        assert!(HTML.len() < 40 * 1024, "{} bytes", HTML.len());
        for outside in ["src=", "@import", "url(", "innerHTML", "outerHTML", "insertAdjacentHTML"] {
            assert!(!HTML.contains(outside), "{outside}");
        }
        // Such attributes do not work under the policy.
        for inline in [" style=\"", " onclick=", " onload=", "document.write", "eval("] {
            assert!(!HTML.contains(inline), "{inline}");
        }
        let no_tabs = HTML.lines().all(|line| !line.contains('\t') && line == line.trim_end());
        assert!(no_tabs);
    }
}
