//! [`Versions`]: the source of truth, what of it was loaded, and what no get may be older than:
//! three files that the processes share.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A version for each key at the source, from 1 on; the one that was loaded last; and the one that
/// was there when the key was removed last everywhere.
pub(super) struct Versions {
    source: File,
    loaded: File,
    removed: File,
}

impl Versions {
    pub(super) fn make(dir: &Path, keys: u64) -> io::Result<()> {
        for (name, version) in [("source", 1_u64), ("loaded", 0), ("removed", 0)] {
            std::fs::write(dir.join(name), version.to_ne_bytes().repeat(keys as usize))?;
        }
        Ok(())
    }

    pub(super) fn open(dir: &Path) -> io::Result<Self> {
        let open = |name| OpenOptions::new().read(true).write(true).open(dir.join(name));
        Ok(Self { source: open("source")?, loaded: open("loaded")?, removed: open("removed")? })
    }

    pub(super) fn at_source(&self, number: u64) -> io::Result<u64> {
        read(&self.source, number)
    }

    /// Gives a key a greater version, which is returned. Only one thread of all changes a key.
    pub(super) fn change(&self, number: u64) -> io::Result<u64> {
        let version = self.at_source(number)? + 1;
        self.source.write_all_at(&version.to_ne_bytes(), number * 8)?;
        Ok(version)
    }

    /// Loads a key; whether this version of it was loaded before.
    pub(super) fn load(&self, number: u64) -> io::Result<(u64, bool)> {
        let version = self.at_source(number)?;
        let before = read(&self.loaded, number)?;
        if before < version {
            self.loaded.write_all_at(&version.to_ne_bytes(), number * 8)?;
        }
        Ok((version, before >= version))
    }

    pub(super) fn removed(&self, number: u64) -> io::Result<u64> {
        read(&self.removed, number)
    }

    /// From now on no get may find an older version.
    pub(super) fn note_removed(&self, number: u64, version: u64) -> io::Result<()> {
        self.removed.write_all_at(&version.to_ne_bytes(), number * 8)
    }
}

fn read(file: &File, number: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, number * 8)?;
    Ok(u64::from_ne_bytes(bytes))
}
