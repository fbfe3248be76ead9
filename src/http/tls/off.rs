//! What stands for TLS without the feature `tls`: nothing that can be made.

#![allow(clippy::needless_pass_by_ref_mut, reason = "what stands for TLS looks like TLS")]

use std::io::{self, IoSlice, Read, Write};

use crate::http::tls::refusal::TlsRefusal;

#[derive(Debug, Clone)]
pub(crate) enum NoTlsConfig {}

#[derive(Debug)]
pub(crate) enum NoTlsSession {}

/// No connection failed for a reason of TLS.
pub(crate) fn refusal(_error: &io::Error) -> Option<TlsRefusal> {
    None
}

impl NoTlsConfig {
    pub(crate) fn can_serve(&self) -> bool {
        match *self {}
    }

    pub(crate) fn connect(&self, _host: &str) -> io::Result<NoTlsSession> {
        match *self {}
    }

    pub(crate) fn accept(&self) -> io::Result<NoTlsSession> {
        match *self {}
    }
}

impl NoTlsSession {
    pub(crate) fn is_handshaking(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_quiet(&mut self) -> bool {
        match *self {}
    }

    pub(crate) fn wants_write(&self) -> bool {
        match *self {}
    }

    pub(crate) fn take(&mut self, _parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn end(&mut self) {
        match *self {}
    }

    pub(crate) fn send(&mut self, _socket: &mut impl Write) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn receive(&mut self, _socket: &mut (impl Read + Write)) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn plain(&mut self, _room: &mut [u8]) -> io::Result<Option<usize>> {
        match *self {}
    }
}
