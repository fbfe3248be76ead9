//! Pages: what a peer's port answers that is not about a key.

use crate::byteview::ByteView;
use crate::http::exchange::{CallError, Failure, Outgoing, Target};
use crate::http::note::Note;
use crate::http::peer::link::{Admit, Link};

/// The longest page that is read.
const MAX_PAGE_BYTES: u64 = 16 << 20;

/// The page at `path`. Whether the peer is up is known better afterwards.
pub(super) fn page(link: &Link, path: &str) -> Result<ByteView, Failure> {
    link.call(Admit::Always, |exchange| {
        let target = Target { path: path.to_owned(), note: Note::default() };
        exchange.send(&Outgoing::get(target), link.timeout(), |answer| match answer.code() {
            200 => answer.into_value(MAX_PAGE_BYTES),
            _ => Err(CallError::Answer(answer.into_failure())),
        })
    })
}
