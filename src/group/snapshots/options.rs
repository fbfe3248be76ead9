//! [`SnapshotOptions`] and [`SnapshotTrust`].

use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a group keeps on a disk, and when: for
/// [`GroupBuilder::snapshot`](crate::GroupBuilder::snapshot). A path alone is one with all
/// defaults.
///
/// ```
/// use std::time::Duration;
/// use geecache::{Group, SnapshotOptions, SnapshotTrust};
///
/// let path = std::env::temp_dir().join("scores.snapshot");
/// let snapshot = SnapshotOptions::new(path)
///     .every(Duration::from_secs(60))
///     .trust(SnapshotTrust::UntilTtl);
/// let load = |name: &str| Ok::<_, std::io::Error>(format!("the score of {name}"));
/// let scores = Group::builder("scores", 64 << 20, load).snapshot(snapshot).build();
/// # scores.get("Tom").unwrap();
/// # scores.close_snapshot().unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct SnapshotOptions {
    pub(in crate::group) path: PathBuf,
    pub(in crate::group) every: Duration,
    pub(in crate::group) trust: SnapshotTrust,
    pub(in crate::group) peers_within: Duration,
    pub(in crate::group) loads_wait: Duration,
}

impl SnapshotOptions {
    /// A snapshot at `path`. The folder has to be there, and each group needs a path of its own.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            every: Duration::from_secs(300),
            trust: SnapshotTrust::default(),
            peers_within: Duration::from_secs(5),
            loads_wait: Duration::from_millis(500),
        }
    }

    /// How long after a snapshot the next one is begun; counted from its end. Zero writes one at
    /// the end only. Defaults to 5 minutes.
    #[must_use]
    pub fn every(mut self, pause: Duration) -> Self {
        self.every = pause;
        self
    }

    /// What is loaded that no peer confirms. Defaults to [`SnapshotTrust::UntilTtl`].
    #[must_use]
    pub fn trust(mut self, trust: SnapshotTrust) -> Self {
        self.trust = trust;
        self
    }

    /// How long after it was made the group waits for its peers to be known before it loads the
    /// snapshot: they say which keys it owns, and what was removed meanwhile. When they are not
    /// known by then, it is loaded as if there were none: as [`trust`](Self::trust) says, and with
    /// keys that they may own. A group that has no peers should not wait: zero. Gets go on as usual
    /// meanwhile. Defaults to 5 s.
    #[must_use]
    pub fn peers_within(mut self, time: Duration) -> Self {
        self.peers_within = time;
        self
    }

    /// How long loads wait for a snapshot that is being read: they go on as soon as their value is
    /// there, when all of it is read, or when this time has passed since the first of them waited.
    /// Without it the source is asked for much of what the file has, as the file is read. Zero
    /// waits for nothing. Defaults to 500 ms.
    #[must_use]
    pub fn loads_wait(mut self, time: Duration) -> Self {
        self.loads_wait = time;
        self
    }
}

impl From<&str> for SnapshotOptions {
    fn from(path: &str) -> Self {
        Self::new(path)
    }
}

impl From<String> for SnapshotOptions {
    fn from(path: String) -> Self {
        Self::new(path)
    }
}

impl From<&Path> for SnapshotOptions {
    fn from(path: &Path) -> Self {
        Self::new(path)
    }
}

impl From<PathBuf> for SnapshotOptions {
    fn from(path: PathBuf) -> Self {
        Self::new(path)
    }
}

/// Which entries of a snapshot are loaded when no peer can say what was removed since it was
/// written.
///
/// A peer can say so if it was up all that time. What peers say was removed is never loaded, and
/// neither is what is past its ttl.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SnapshotTrust {
    /// Those that have a time to live: an entry that was removed is served until that is over, as
    /// by a peer that the removal did not reach. The default.
    #[default]
    UntilTtl,
    /// None.
    Never,
    /// All of them: for values that do not change, or for processes that are not killed, see
    /// [`guide::snapshots`](crate::guide::snapshots).
    Always,
}
