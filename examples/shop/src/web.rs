//! The web server: which page asks what. Blocking, with a fixed number of threads.

use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::thread;

use geecache::Error;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tiny_http::{Method, Request, Server};

use crate::database::Database;
use crate::processes::Address;
use crate::shop::{Changed, Shop};

/// How many requests are answered at once.
const THREADS: usize = 16;
/// The longest body of a request, in bytes.
const MAX_BODY: u64 = 1024;
const PAGE: &str = include_str!("page.html");

/// A port on which nobody is answered yet.
pub struct Web(Server);

impl Web {
    pub fn bind(port: u16) -> io::Result<Self> {
        let server = Server::http(SocketAddr::from(([127, 0, 0, 1], port)));
        server.map(Self).map_err(io::Error::other)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.0.server_addr())
    }

    /// Answers until `wait_for_the_end` returns. `processes` are both, and `me` is which of them
    /// this one is.
    pub fn serve(
        &self,
        shop: &Shop,
        (processes, me): (&[Address], usize),
        wait_for_the_end: impl FnOnce(),
    ) {
        let site = Site { shop, processes, me };
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Ok(request) = self.0.recv() {
                        site.answer(request);
                    }
                });
            }
            wait_for_the_end();
            for _ in 0..THREADS {
                self.0.unblock();
            }
        });
    }
}

struct Site<'a> {
    shop: &'a Shop,
    processes: &'a [Address],
    me: usize,
}

#[derive(Deserialize)]
struct Price {
    cents: u32,
}

#[derive(Deserialize)]
struct Discount {
    percent: u32,
}

impl Site<'_> {
    fn answer(&self, mut request: Request) {
        let answer = self.page(&mut request).unwrap_or_else(|refusal| refusal);
        // A client that went away misses it.
        let _ = answer.send(request);
    }

    fn page(&self, request: &mut Request) -> Result<Answer, Answer> {
        let url = request.url().to_owned();
        let path: Vec<&str> = url.trim_start_matches('/').split('/').collect();
        match (request.method(), &path[..]) {
            (Method::Get, [""]) => Ok(Answer::page()),
            (Method::Get, ["api", "about"]) => Ok(Answer::json(&self.about())),
            (Method::Get, ["api", "products", id]) => self.product(number(id)?),
            (Method::Get, ["api", "categories", category]) => self.category(category),
            (Method::Post, ["api", "products", id, "price"]) => {
                let Price { cents } = body(request)?;
                Answer::of(self.shop.set_price(number(id)?, cents))
            }
            (Method::Post, ["api", "products", id, "buy"]) => {
                is_of_this_site(request)?;
                Answer::of(self.shop.buy(number(id)?))
            }
            (Method::Post, ["api", "categories", category, "discount"]) => match body(request)? {
                Discount { percent: percent @ 0..100 } => {
                    Answer::of(self.shop.discount(category, percent))
                }
                Discount { .. } => Err(Answer::text("400 Bad Request", "below 100 percent")),
            },
            (Method::Get | Method::Post, _) => Err(Answer::text("404 Not Found", "no such page")),
            _ => Err(Answer::text("405 Method Not Allowed", "GET or POST")),
        }
    }

    fn product(&self, id: u32) -> Result<Answer, Answer> {
        let (product, stock) = (self.shop.product(id)?, self.shop.stock(id)?);
        Ok(Answer::json(&json!({ "product": product, "stock": stock })))
    }

    fn category(&self, category: &str) -> Result<Answer, Answer> {
        let shelf = self.shop.shelf(category)?;
        let products = self.shop.products(&shelf.answer.value)?;
        Ok(Answer::json(&json!({ "shelf": shelf, "products": products })))
    }

    /// What the page shows beside products, and the load generator counts.
    fn about(&self) -> impl Serialize {
        json!({
            "me": self.me,
            "processes": self.processes,
            "categories": Database::categories(),
            "queries": self.shop.database().queries(),
        })
    }
}

fn number(text: &str) -> Result<u32, Answer> {
    text.parse().map_err(|_| Answer::text("404 Not Found", "a product has a number"))
}

fn body<T: for<'a> Deserialize<'a>>(request: &mut Request) -> Result<T, Answer> {
    is_of_this_site(request)?;
    let body = request.as_reader().take(MAX_BODY);
    serde_json::from_reader(body).map_err(|error| Answer::text("400 Bad Request", error))
}

/// Browsers say which site a request comes from. A page of another one must not change prices.
fn is_of_this_site(request: &Request) -> Result<(), Answer> {
    let site = request.headers().iter().find(|header| header.field.equiv("Sec-Fetch-Site"));
    match site.is_none_or(|site| site.value == "same-origin") {
        true => Ok(()),
        false => Err(Answer::text("403 Forbidden", "a request of another site")),
    }
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    policy: String,
    body: String,
}

impl Answer {
    fn new(status: &'static str, kind: &'static str, body: String) -> Self {
        Self { status, kind, policy: "default-src 'none'".to_owned(), body }
    }

    /// The page may run its own script, and ask this server. Nothing else.
    fn page() -> Self {
        // std makes the keys of its hashers by chance.
        let nonce = format!("{:016x}", RandomState::new().hash_one(PAGE));
        let mut answer =
            Self::new("200 OK", "text/html; charset=utf-8", PAGE.replace("NONCE", &nonce));
        answer.policy += &format!(
            "; connect-src 'self'; img-src data:; script-src 'nonce-{nonce}'; \
             style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        );
        answer
    }

    fn json(value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(body) => Self::new("200 OK", "application/json", body),
            Err(error) => Self::text("500 Internal Server Error", error),
        }
    }

    fn text(status: &'static str, line: impl Display) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{line}\n"))
    }

    /// What a write did, or why it did not.
    fn of(changed: rusqlite::Result<Changed>) -> Result<Self, Self> {
        Ok(Self::json(&changed?))
    }

    /// Head and body in one write: two of them would wait for each other's acknowledgement.
    fn send(self, request: Request) -> io::Result<()> {
        let Self { status, kind, policy, body } = self;
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             Content-Security-Policy: {policy}\r\nX-Content-Type-Options: nosniff\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
        );
        let mut writer = request.into_writer();
        writer.write_all(answer.as_bytes())?;
        writer.flush()
    }
}

/// Why there is no value.
impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        match &error {
            Error::NotFound { .. } => Self::text("404 Not Found", error),
            // The database is down, or too slow for all who ask.
            Error::SourceDown { .. } | Error::Overloaded { .. } => {
                Self::text("503 Service Unavailable", error)
            }
            _ => Self::text("500 Internal Server Error", error),
        }
    }
}

/// Why nothing was written.
impl From<rusqlite::Error> for Answer {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::QueryReturnedNoRows => {
                Self::text("404 Not Found", "there is no such product, or none is left")
            }
            error => Self::text("500 Internal Server Error", error),
        }
    }
}
