//! [`State`]: what is shown, and how.

use std::time::Duration;

use crate::top::picture::Order;

/// What is shown, and how.
#[derive(Debug)]
pub(super) struct State {
    pub(super) order: Order,
    pub(super) is_reversed: bool,
    pub(super) is_paused: bool,
    pub(super) interval: Duration,
}

/// How large a screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) lines: usize,
}
