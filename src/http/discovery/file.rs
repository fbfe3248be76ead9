//! [`FileSource`]: a file with a peer in each line.

use std::path::PathBuf;

use crate::error::BoxError;
use crate::http::discovery::source::Discover;
use crate::http::small_file;

/// The longest file, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Reads a file, and takes it once it had the same content twice.
pub(super) struct FileSource {
    path: PathBuf,
    /// What it held when it was read last.
    read: Option<String>,
    /// What was taken last.
    taken: Option<String>,
}

impl FileSource {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: None, taken: None }
    }
}

impl Discover for FileSource {
    fn discover(&mut self) -> Result<Option<Vec<String>>, BoxError> {
        let text = small_file::read_text(&self.path, MAX_FILE_BYTES)?;
        if self.read.as_ref() != Some(&text) {
            self.read = Some(text);
            return Ok(None);
        }
        if self.taken.as_ref() == Some(&text) {
            return Ok(None);
        }
        let peers = peers_in(&text).map(str::to_owned).collect();
        self.taken = Some(text);
        Ok(Some(peers))
    }

    fn name(&self) -> String {
        format!("file:{}", self.path.display())
    }
}

/// The peers that a file with this text names.
pub(super) fn peers_in(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(without_comment).filter(|line| !line.is_empty())
}

/// A line without a comment, and without the space around it. What stands behind a URL without a
/// space is no comment, but options of the peer.
fn without_comment(line: &str) -> &str {
    let is_comment = |(at, _): &(usize, &str)| {
        *at == 0 || line[..*at].ends_with(|char: char| char.is_whitespace())
    };
    let end = line.match_indices('#').find(is_comment).map_or(line.len(), |(at, _)| at);
    line[..end].trim()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::http::discovery::fuzz;
    use crate::http::testing::with_changed;

    #[test]
    fn a_line_is_a_peer_and_a_comment_is_none() {
        for (line, expected) in [
            ("http://a:1", "http://a:1"),
            ("  http://a:1\t", "http://a:1"),
            ("http://a:1#weight=2", "http://a:1#weight=2"),
            ("http://a:1#weight=2 # large", "http://a:1#weight=2"),
            ("http://a:1\t#", "http://a:1"),
            ("# http://a:1", ""),
            ("#", ""),
            ("  # é", ""),
            ("", ""),
        ] {
            assert_eq!(without_comment(line), expected, "{line:?}");
        }
    }

    #[test]
    fn a_file_is_taken_when_it_was_the_same_twice_and_told_once() {
        let path = std::env::temp_dir().join(format!("geecache-peers-{}", std::process::id()));
        let mut source = FileSource::new(path.clone());
        assert!(source.discover().is_err(), "there is none");
        let mut looks = |text: &str| {
            fs::write(&path, text).unwrap();
            source.discover().unwrap()
        };
        let whole = "# all\nhttp://a:1\n\nhttp://b:1 # new\n";
        let taken = ["http://a:1", "http://b:1"].map(str::to_owned).to_vec();
        // Half of it is there when it is read for the first time.
        assert_eq!(looks(&whole[..12]), None);
        assert_eq!(looks(whole), None);
        assert_eq!(looks(whole), Some(taken));
        assert_eq!(looks(whole), None);
        assert_eq!(looks(""), None, "emptied, to be written again");
        assert_eq!(looks(whole), None);
        assert_eq!(looks(whole), None, "as before");
        assert_eq!(looks(""), None);
        assert_eq!(looks(""), Some(vec![]));
        let long = "#".repeat(MAX_FILE_BYTES as usize + 1);
        fs::write(&path, long).unwrap();
        assert!(source.discover().is_err());
        fs::write(&path, b"http://\xff:1").unwrap();
        assert!(source.discover().is_err());
        fs::remove_file(&path).unwrap();
    }
    /// What a fuzzer found worth keeping, and the same with bytes changed at random.
    #[test]
    fn any_file_is_a_list_of_peers_or_is_refused() {
        const SEEDS: &[&str] = &[
            "http://a:1\nhttp://b:1#weight=2 # large\n\n# all\n",
            "http://[::1%25lo]:1\nHTTP://[0::1%lo]:1/\n",
            "http://a:80\nhttp://A/\nhttp://a:080\n",
            "http://a:1#weight=2\nhttp://a:1#weight=3\n",
        ];
        const OTHERS: &[u8] = b"\r\n\0 #:/[]%12aA=&@.-";
        with_changed(20_000, SEEDS, OTHERS, fuzz::drive);
    }
}
