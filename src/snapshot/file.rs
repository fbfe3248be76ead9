//! Files: one that takes another's place at once, or not at all.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::random;
use crate::snapshot::reader::SnapshotReader;
use crate::snapshot::writer::SnapshotWriter;

/// How much is written at once.
const WRITE_BYTES: usize = 256 << 10;
/// A file that somebody was to rename is taken for forgotten when it is so old. No snapshot takes
/// that long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3600);

/// The file at `path`; `None` if there is none.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    // To open a pipe takes until somebody writes to it.
    let opened = is_file(path).and_then(|()| File::open(path));
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_file(path: &Path) -> io::Result<()> {
    match fs::metadata(path)?.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")),
    }
}

/// Has `write` fill a file of its own name beside `path`, which then takes the name `path`. Before
/// that the file is on the disk. If anything goes wrong, what was at `path` is still there.
///
/// Only its owner can read the file. Of two processes that write to one path, each writes a file of
/// its own, and the one that is done last has its file there.
pub(crate) fn write_in_place<T>(
    path: &Path,
    write: impl FnOnce(BufWriter<File>) -> io::Result<(BufWriter<File>, T)>,
) -> io::Result<T> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    remove_forgotten(folder, &prefix(name));
    let mut own_name = prefix(name);
    own_name.push(format!("{:x}-{:x}.tmp", std::process::id(), random::number()));
    let own = Unfinished(Some(folder.join(own_name)));
    let Some(own_path) = &own.0 else { return Err(io::ErrorKind::Other.into()) };
    let file = create(own_path)?;
    let (out, told) = write(BufWriter::with_capacity(WRITE_BYTES, file))?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    drop(file);
    fs::rename(own_path, path)?;
    own.keep();
    // The new name is on the disk as well then. Where folders can't be opened, they need not be.
    if let Ok(folder) = File::open(folder) {
        folder.sync_all().or_else(|error| match error.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => Ok(()),
            _ => Err(error),
        })?;
    }
    Ok(told)
}

/// Has the end of the file at `path` name more keys of `group` that were removed; `None` if it is
/// not known which ones. It returns when that is on the disk.
///
/// Where it is torn the file has no end, and then it is not known either.
pub(crate) fn add_gone(path: &Path, group: &str, gone: Option<Vec<String>>) -> io::Result<()> {
    is_file(path)?;
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let reader = SnapshotReader::open(&file, 0)?;
    reader.header().check_group(group)?;
    let Some((at, mut end)) = reader.into_end() else { return Ok(()) };
    match gone.filter(|_| end.knows_gone) {
        Some(gone) => {
            let all: HashSet<String> = end.gone.into_iter().chain(gone).collect();
            end.gone = all.into_iter().collect();
        }
        None => (end.knows_gone, end.gone) = (false, Vec::new()),
    }
    file.set_len(at)?;
    file.seek(SeekFrom::Start(at))?;
    let writer = SnapshotWriter::at_end(BufWriter::new(&file), at, end.records);
    writer.end(end)?;
    file.sync_all()
}

/// What the name of an unfinished file begins with.
fn prefix(name: &std::ffi::OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A file that is removed again unless it gets its name.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // It may not have been made.
            let _ = fs::remove_file(path);
        }
    }
}

/// Removes unfinished files of processes that were killed.
fn remove_forgotten(folder: &Path, prefix: &OsString) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let now = SystemTime::now();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let bytes = name.as_encoded_bytes();
        let is_ours = bytes.starts_with(prefix.as_encoded_bytes()) && bytes.ends_with(b".tmp");
        if !is_ours {
            continue;
        }
        let written = entry.metadata().and_then(|it| it.modified());
        let age = written.ok().and_then(|written| now.duration_since(written).ok());
        if age.is_some_and(|age| age > FORGOTTEN_AFTER) {
            // Another process may have been faster.
            let _ = fs::remove_file(entry.path());
        }
    }
}
