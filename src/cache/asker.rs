//! [`Asker`]: for whom an entry is looked up.

/// For whom an entry is looked up. Their hits are counted apart, under the lock: two numbers that
/// are read one after the other have no difference that can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    ThisProcess,
    Peer,
}
