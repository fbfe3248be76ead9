//! Tells whether a call used a kept connection or made a fresh one.

use std::cell::Cell;

use ureq::unversioned::transport::{ConnectionDetails, Connector, TcpConnector};

thread_local! {
    /// Whether this thread's call made a connection. ureq connects on the thread of the call, and does not tell.
    static CONNECTED: Cell<bool> = const { Cell::new(false) };
}

/// Forgets the last call of this thread.
pub(crate) fn forget() {
    CONNECTED.set(false);
}

/// Whether this thread connected, or tried to, since [`forget`].
pub(crate) fn connected() -> bool {
    CONNECTED.get()
}

/// ureq's TCP connector, which notes for the calling thread that it ran.
#[derive(Debug, Default)]
pub(crate) struct NotingConnector(TcpConnector);

impl Connector for NotingConnector {
    type Out = <TcpConnector as Connector>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<()>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        CONNECTED.set(true);
        self.0.connect(details, chained)
    }
}
