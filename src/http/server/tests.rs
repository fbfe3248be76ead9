//! Each situation is a function that runs against both servers. What only one of them can do stands
//! in a module of its own, and the docs of [`super`] hold a table of what tiny_http can't.

mod bodies;
mod budget;
mod bursts;
mod descriptors;
mod figures;
mod hostile;
mod limits;
mod requests;
mod shutdown;
mod slow;
mod smuggling;
mod support;

use super::{HttpRequest, HttpResponse};

/// Answers with the request's own line.
fn echo(request: &HttpRequest<'_>) -> HttpResponse {
    HttpResponse::text(200, format!("{} {}", request.method, request.target))
}
