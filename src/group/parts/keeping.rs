//! The thread that loads the snapshot of a group, and writes it again and again.

use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::group::memory::RemovalWatch;
use crate::group::parts::Parts;
use crate::group::snapshots::{
    KnownMarks, LastHandle, SaveReport, SnapshotOptions, WhenLastHandleGoes,
};
use crate::snapshot::add_gone;
use crate::stack::StackBytes;
use crate::sync::lock;

/// How often it is looked whether peers are known.
const LOOK_EVERY: Duration = Duration::from_millis(5);

impl Parts {
    /// Starts the thread that keeps the snapshot of a group, if the group is to have one. When what
    /// is returned is dropped, the snapshot is written for the last time.
    pub(in crate::group) fn keep_snapshot(self: &Arc<Self>) -> Option<LastHandle> {
        let options = self.snapshots.options.clone()?;
        // From here on, so that nothing comes back that the program removes before it is loaded.
        let watch = self.memory.watch_removals();
        // If it never is, the file has to name them.
        *lock(&self.later_removals) = Some(Arc::clone(&watch));
        let parts = Arc::downgrade(self);
        let name = format!("snapshot of {}", self.name).replace('\0', "");
        let keep = move || keep(&parts, &options, watch);
        if let Err(error) = StackBytes::default().thread(name).spawn(keep) {
            self.telling.no_snapshot_thread(&error);
            self.snapshots.stop_waiting();
        }
        let parts = Arc::clone(self);
        let end = move || {
            // What goes wrong is told to the log, and there is nobody else to tell it to.
            let _ = parts.close_snapshot();
        };
        Some(Arc::new(WhenLastHandleGoes(Box::new(end))))
    }

    /// Writes the snapshot for the last time, if this is the first call.
    pub(in crate::group) fn close_snapshot(&self) -> Result<Option<SaveReport>, Error> {
        let Some(options) = &self.snapshots.options else { return Ok(None) };
        if !self.snapshots.end() {
            // The one who came first may be at it.
            let _turn = self.snapshots.turn();
            self.add_later_removals(&options.path);
            return Ok(None);
        }
        if !self.snapshots.may_replace() && options.path.exists() {
            // It has more than there is in memory, or is no file of ours.
            let _turn = self.snapshots.turn();
            self.add_later_removals(&options.path);
            return Ok(None);
        }
        let later = self.memory.watch_removals();
        let saved = self.save(&options.path, self.old_marks()).inspect_err(|_| {
            // What was removed since the older file was written is not known any more. If there is
            // none, or that can't be written either, the log has the first error.
            let _ = add_gone(&options.path, &self.name, None);
        });
        *lock(&self.later_removals) = saved.is_ok().then_some(later);
        saved.map(Some)
    }

    /// Writes the snapshot, unless it was written for the last time: what was in memory then may
    /// have been dropped since.
    fn save_again(&self, path: &Path) {
        let _turn = self.snapshots.turn();
        if !self.snapshots.is_over() {
            // The log is told what goes wrong, and the next time is soon enough.
            drop(self.save_in_turn(path, self.old_marks()));
        }
    }

    /// Has the file name what was removed since it was written for the last time, or since the
    /// group was made if it never was loaded. The one who calls this has the turn to write.
    fn add_later_removals(&self, path: &Path) {
        let watch = lock(&self.later_removals).clone();
        let Some(watch) = watch else { return };
        // Made before it is looked what the other one knows.
        let next = self.memory.watch_removals();
        let gone = watch.keys().filter(|_| next.tick() == watch.tick());
        if gone.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        match add_gone(path, &self.name, gone) {
            Ok(()) => *lock(&self.later_removals) = Some(next),
            // The log is told, and there is nobody else to tell it to.
            Err(error) => drop(self.snapshot_failed(path, error)),
        }
    }

    /// Loads the file of the group.
    fn begin_snapshot(&self, options: &SnapshotOptions, watch: &RemovalWatch) {
        let _reading = self.snapshots.begin_reading();
        let word = |marks: &[_]| self.word_of_peers(marks);
        let loaded = self.load_snapshot(&options.path, options.trust, watch, word);
        let is_ours = match &loaded {
            Err(Error::Snapshot { source, .. }) => source.kind() != io::ErrorKind::InvalidInput,
            _ => true,
        };
        if !is_ours || self.snapshots.let_replace() {
            // No file of ours stays as it is from here on.
            *lock(&self.later_removals) = None;
        }
    }
}

/// Loads the snapshot when the peers are known, and writes it from time to time, until the group
/// goes.
fn keep(parts: &Weak<Parts>, options: &SnapshotOptions, watch: Arc<RemovalWatch>) {
    let begun = Instant::now();
    loop {
        let Some(parts) = parts.upgrade() else { return };
        let knows_peers = !parts.owners.picker().peers().is_empty();
        if knows_peers || begun.elapsed() >= options.peers_within {
            parts.begin_snapshot(options, &watch);
            break;
        }
        if !parts.snapshots.wait(LOOK_EVERY) {
            return;
        }
    }
    drop(watch);
    let mut written = None;
    loop {
        let Some(parts) = parts.upgrade() else { return };
        let now = parts.memory.now();
        let passed = now.saturating_sub(*written.get_or_insert(now));
        let due = options.every.saturating_sub(Duration::from_millis(passed));
        if due.is_zero() && !options.every.is_zero() && parts.snapshots.may_replace() {
            parts.save_again(&options.path);
            written = Some(parts.memory.now());
        }
        parts.note_marks();
        let pause = match options.every {
            Duration::ZERO => KnownMarks::TAKEN_EVERY,
            // Nobody tells when it goes on.
            _ if parts.memory.clock().is_foreign() => LOOK_EVERY,
            _ => due.clamp(LOOK_EVERY, KnownMarks::TAKEN_EVERY),
        };
        if !parts.snapshots.wait(pause) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::getter::Loaded;
    use crate::group::Group;

    #[test]
    fn one_whose_turn_comes_after_the_last_snapshot_does_not_write_over_it() {
        let name = format!("geecache-turns-{}-{}", std::process::id(), crate::random::number());
        let path = std::env::temp_dir().join(name);
        let options = SnapshotOptions::new(&path).every(Duration::ZERO);
        let load = |key: &str| Ok::<_, io::Error>(Loaded::from(key));
        let group = Group::builder("g", 1 << 20, load).snapshot(options).build();
        group.get("a").unwrap();
        group.close_snapshot().unwrap().expect("it is written");
        let last = std::fs::read(&path).unwrap();
        group.drop_owned();
        group.parts.save_again(&path);
        let now = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(now, last);
    }
}
