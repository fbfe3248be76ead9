//! The end of a pool: what it saves, what it owes, and what it has as an owner.

use std::time::Instant;

use crate::http::pool::Halves;

impl Halves {
    /// Saves what is in memory, tells peers what they could not be told, stops serving, and owns
    /// nothing any more. Calls after the first wait for the end of the serving.
    pub(super) fn end(&self) {
        let Some(service) = &self.service else { return };
        self.taking.stop();
        let is_first = service.is_serving();
        if is_first {
            self.close_snapshots();
            self.pay_debts();
        }
        service.shutdown();
        if is_first {
            self.close_snapshots(); // What was removed meanwhile gets into the files.
        }
        // One who is alone owns everything, and nobody changes it elsewhere.
        if is_first && !self.peers.others().is_empty() {
            self.peers.leave();
            self.drop_owned();
        }
    }

    /// Has each group that is served write its snapshot for the last time, while peers are still
    /// answered; and later once more say what was removed since.
    pub(super) fn close_snapshots(&self) {
        for group in self.registry.groups() {
            // What goes wrong is in the log of the group.
            let _ = group.close_snapshot();
        }
    }

    /// Tries once more to tell peers what they could not be told.
    fn pay_debts(&self) {
        let begun = Instant::now();
        for group in self.registry.groups() {
            if let Err(error) = group.pay_debts(self.drain.saturating_sub(begun.elapsed())) {
                log::warn!("{:?} ends, and {error}", self.peers);
            }
        }
    }

    /// Drops what the groups have as owners.
    pub(super) fn drop_owned(&self) {
        self.registry.groups().iter().for_each(|group| group.drop_owned());
    }
}

impl Drop for Halves {
    fn drop(&mut self) {
        self.end();
    }
}
