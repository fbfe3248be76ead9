//! Snapshots, as the user of a group sees them.

use std::path::Path;

use crate::error::Error;
use crate::group::Group;
use crate::group::snapshots::{LoadReport, SaveReport, SnapshotTrust};

/// On a disk.
impl Group {
    /// Writes what is in memory to a file at `path`, hottest entries first, for
    /// [`load_snapshot`](Self::load_snapshot). For programs that come and go; a service has
    /// [`GroupBuilder::snapshot`](crate::GroupBuilder::snapshot).
    ///
    /// Gets and changes go on meanwhile. The file is written under another name and then renamed:
    /// at any time there is the older one or the newer one. Only its owner can read it. It takes
    /// no second copy of the cache in memory, but about 4 bytes for each entry.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] if the file can't be written. What was at `path` is still there then.
    ///
    /// # Blocking
    ///
    /// Until the file is on the disk.
    pub fn save_snapshot(&self, path: impl AsRef<Path>) -> Result<SaveReport, Error> {
        self.parts.save(path.as_ref(), self.parts.old_marks())
    }

    /// Loads what [`save_snapshot`](Self::save_snapshot) wrote. Call it before the group is used:
    /// what this process removed before is not known to be gone. The peers, if there are any,
    /// should be known.
    ///
    /// Entries that are past their time to live, that were removed, or that other peers own stay
    /// out; [`SnapshotTrust`] says what is loaded that no peer confirms. An entry takes the place
    /// of no other one, and only room that nobody uses. Gets and changes go on meanwhile. A file
    /// that is damaged is read up to the damage. If there is no file nothing is loaded, which the
    /// report tells.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] if there is something that can't be read, or that is no snapshot of a
    /// group of this name.
    ///
    /// # Blocking
    ///
    /// Until the file is read and, where it names peers, until these have answered.
    ///
    /// ```
    /// use geecache::{Group, SnapshotTrust};
    ///
    /// let load = |name: &str| Ok::<_, std::io::Error>(format!("the score of {name}"));
    /// let path = std::env::temp_dir().join(format!("scores-{}.snapshot", std::process::id()));
    ///
    /// let first = Group::new("scores", 1 << 20, load);
    /// first.get("Tom")?;
    /// first.save_snapshot(&path)?;
    ///
    /// let second = Group::new("scores", 1 << 20, load); // as in the next run of a program
    /// second.load_snapshot(&path, SnapshotTrust::Always)?;
    /// assert_eq!(second.get("Tom")?, "the score of Tom");
    /// assert_eq!(second.stats().local_loads, 0);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), geecache::Error>(())
    /// ```
    pub fn load_snapshot(
        &self,
        path: impl AsRef<Path>,
        trust: SnapshotTrust,
    ) -> Result<LoadReport, Error> {
        let watch = self.parts.memory.watch_removals();
        let word = |marks: &[_]| self.parts.word_of_peers(marks);
        self.parts.load_snapshot(path.as_ref(), trust, &watch, word)
    }

    /// Writes the [snapshot](crate::GroupBuilder::snapshot) of the group for the last time. `None`
    /// if the group has none, if this is not the first call, or if the file that is there was not
    /// loaded yet: it keeps its entries then, and what was removed since the group was made is
    /// named in it. What is no snapshot of the group stays as it is.
    ///
    /// Call it while the process is still told of removals. What is removed after the first call is
    /// named in the file by each further one, by the end of the pool that serves the group, and by
    /// the drop of the last handle; not if the process is killed before.
    ///
    /// # Errors
    ///
    /// [`Error::Snapshot`] if the file can't be written. What was at its path is still there then;
    /// what of it has no ttl is loaded by the word of peers only, as removals are missing in it.
    ///
    /// # Blocking
    ///
    /// Until the file is on the disk.
    pub fn close_snapshot(&self) -> Result<Option<SaveReport>, Error> {
        self.parts.close_snapshot()
    }
}
