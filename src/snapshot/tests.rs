use std::io::Cursor;

use super::fuzz::drive;
use super::*;
use crate::tag::Tag;
use crate::testing::with_seeds;

const LARGEST: u64 = 1 << 20;

fn header() -> FileHeader {
    let mark = |peer: &str, count| PeerMark { peer: peer.to_owned(), origin: 7, count };
    FileHeader {
        saved_at_ms: 1_700_000_000_000,
        group: "scores".to_owned(),
        marks: vec![mark("http://a:1", 3), mark("http://b:1", u64::MAX)],
    }
}

/// Some records of every kind, of the keys "0", "1", ….
fn records() -> Vec<SnapshotRecord<'static>> {
    let keys = ["0", "1", "2", "3"];
    let mut records: Vec<_> = keys
        .map(|key| SnapshotRecord { key, value: Some(key.as_bytes()), ..SnapshotRecord::default() })
        .into();
    records[1].left_ms = Some(1_500);
    records[1].is_copy = true;
    records[2].value = None;
    records[2].left_ms = Some(u64::MAX);
    records[3].version = Some(9);
    records[3].tags = ["red", ""].into_iter().map(Tag::from).collect();
    (records[3].load_ms, records[3].heat) = (u32::MAX, 19);
    records
}

fn file() -> Vec<u8> {
    let mut writer = SnapshotWriter::begin(Vec::new(), &header()).unwrap();
    for record in records() {
        writer.record(&record).unwrap();
    }
    let end = FileEnd { knows_gone: true, gone: vec!["1".to_owned()], records: 0 };
    let (bytes, len) = writer.end(end).unwrap();
    assert_eq!(bytes.len() as u64, len);
    bytes
}

type KeyAndValue = (String, Option<Vec<u8>>);

/// The keys of the records that are read, with their values, and whether the file was whole.
fn read(bytes: &[u8]) -> Option<(Vec<KeyAndValue>, bool)> {
    let mut reader = SnapshotReader::open(Cursor::new(bytes), LARGEST).ok()?;
    let mut all = Vec::new();
    loop {
        match reader.next().unwrap() {
            Next::Record(it) => all.push((it.key.to_owned(), it.value.map(<[u8]>::to_vec))),
            Next::TooLong => unreachable!("all are short"),
            Next::End => break,
            Next::Damaged(_) => return Some((all, false)),
        }
    }
    Some((all, reader.end().is_some()))
}

#[test]
fn what_is_written_is_read() {
    let bytes = file();
    let mut reader = SnapshotReader::open(Cursor::new(&bytes), LARGEST).unwrap();
    assert_eq!(*reader.header(), header());
    let end = FileEnd { records: 4, knows_gone: true, gone: vec!["1".to_owned()] };
    assert_eq!(reader.end(), Some(&end));
    for record in records() {
        let Next::Record(read) = reader.next().unwrap() else { panic!("one more record") };
        assert_eq!(read, record);
    }
    assert_eq!(reader.next().unwrap(), Next::End);
}

#[test]
fn the_end_of_a_file_can_name_more_that_was_removed_and_nothing_else_changes() {
    let name = format!("geecache-end-{}-{}", std::process::id(), crate::random::number());
    let path = std::env::temp_dir().join(name);
    let after = |before: &[u8], gone: Option<&[&str]>| {
        std::fs::write(&path, before).unwrap();
        let gone = gone.map(|keys| keys.iter().copied().map(str::to_owned).collect());
        let told = add_gone(&path, "scores", gone);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        told.map(|()| bytes)
    };
    let end_of = |bytes: &[u8]| {
        let reader = SnapshotReader::open(Cursor::new(bytes), LARGEST).unwrap();
        let end = reader.end().cloned();
        end.map(|mut end| {
            end.gone.sort();
            end
        })
    };
    let end = |knows_gone, gone: &[&str]| {
        let gone = gone.iter().copied().map(str::to_owned).collect();
        Some(FileEnd { records: 4, knows_gone, gone })
    };
    let bytes = file();
    let more = after(&bytes, Some(&["3", "1", "other"])).unwrap();
    assert_eq!(end_of(&more), end(true, &["1", "3", "other"]));
    assert_eq!(read(&more), read(&bytes));
    let fewer = after(&more, Some(&[])).unwrap();
    assert_eq!(end_of(&fewer), end_of(&more));
    let unknown = after(&more, None).unwrap();
    assert_eq!((end_of(&unknown), read(&unknown)), (end(false, &[]), read(&bytes)));
    assert_eq!(end_of(&after(&unknown, Some(&["2"])).unwrap()), end(false, &[]));
    // A file that was cut has no end, and gets none.
    let cut = &bytes[..bytes.len() - 1];
    assert_eq!(after(cut, Some(&["2"])).unwrap(), cut);
    assert!(after(b"my thesis", Some(&["2"])).is_err());
}

#[test]
fn a_file_without_records_is_a_file() {
    let writer = SnapshotWriter::begin(Vec::new(), &FileHeader::default()).unwrap();
    let (bytes, _) = writer.end(FileEnd::default()).unwrap();
    assert_eq!(read(&bytes), Some((vec![], true)));
}

/// Whatever one byte of a file becomes: the file is refused, or read up to the damage, and no value
/// that is read is wrong.
#[test]
fn every_byte_that_changes_is_noticed_and_no_value_is_wrong() {
    let (bytes, (whole, _)) = (file(), read(&file()).unwrap());
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            if let Some((records, is_whole)) = read(&changed) {
                assert!(!is_whole, "byte {at}: the file seems to be whole");
                assert_eq!(records, whole[..records.len()], "byte {at}");
            }
            drive(&changed);
        }
    }
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused_or_read_up_to_there() {
    let (bytes, (whole, _)) = (file(), read(&file()).unwrap());
    for len in 0..bytes.len() {
        if let Some((records, is_whole)) = read(&bytes[..len]) {
            assert!(!is_whole, "{len} of {} bytes", bytes.len());
            assert_eq!(records, whole[..records.len()]);
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(!read(&longer).unwrap().1, "something stands behind the end");
}

#[test]
fn any_bytes_do_no_harm() {
    with_seeds(50, |random| {
        let len = random.below(300);
        let bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        drive(&bytes);
        // Behind the first bytes of a real file.
        let mut begun = file();
        begun.truncate(random.below(begun.len() as u64) as usize);
        begun.extend(bytes);
        drive(&begun);
    });
}

#[test]
fn other_files_are_refused_with_a_reason() {
    let why = |bytes: &[u8]| {
        SnapshotReader::open(Cursor::new(bytes), LARGEST).expect_err("refused").to_string()
    };
    assert_eq!(why(b""), "it is empty");
    assert_eq!(why(&[b'x'; 4096]), "it is no snapshot");
    let mut newer = file();
    newer[8] = 2;
    let crc = crc32fast::hash(&newer[..12]);
    newer[12..16].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(why(&newer), "it is of another version of the crate");
}

#[test]
fn a_record_that_is_too_long_is_passed_over_and_takes_no_memory() {
    let long = vec![b'x'; 20 << 20];
    let mut writer = SnapshotWriter::begin(Vec::new(), &header()).unwrap();
    for (key, value) in [("long", &long[..]), ("bit long", &long[..5_000]), ("short", b"v")] {
        let record = SnapshotRecord { key, value: Some(value), ..SnapshotRecord::default() };
        writer.record(&record).unwrap();
    }
    let (bytes, _) = writer.end(FileEnd::default()).unwrap();
    let mut reader = SnapshotReader::open(Cursor::new(&bytes), 100).unwrap();
    assert_eq!(reader.next().unwrap(), Next::TooLong);
    assert_eq!(reader.next().unwrap(), Next::TooLong);
    assert!(matches!(reader.next().unwrap(), Next::Record(SnapshotRecord { key: "short", .. })));
    assert_eq!(reader.next().unwrap(), Next::End);
}

#[test]
fn lengths_that_the_file_does_not_have_take_no_memory() {
    let mut bytes = file();
    // The length of the first record.
    let at = bytes.windows(2).position(|it| it == [2, 1]).expect("the first record") - 8;
    bytes[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let mut reader = SnapshotReader::open(Cursor::new(&bytes), u64::MAX).unwrap();
    assert_eq!(reader.next().unwrap(), Next::Damaged(at as u64));
}

mod files {
    use std::fs;
    use std::io::{self, Write};
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::{open, write_in_place};

    /// A folder that is there as long as this.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("geecache-files-{}-{count}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn names(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_that_could_not_be_written_leaves_the_older_one_and_nothing_else() {
        let folder = Folder::new();
        let path = folder.0.join("snap");
        assert!(open(&path).unwrap().is_none());
        write_in_place(&path, |mut out| Ok((out.write_all(b"older").map(|()| out)?, ()))).unwrap();
        let failed = write_in_place(&path, |mut out| {
            out.write_all(b"newer")?;
            Err::<(_, ()), _>(io::Error::other("the disk is full"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "the disk is full");
        assert_eq!(fs::read(&path).unwrap(), b"older");
        assert_eq!(folder.names(), ["snap"]);
    }

    #[test]
    fn a_path_that_is_no_file_is_an_error() {
        let folder = Folder::new();
        assert!(open(&folder.0).is_err());
        let nowhere = folder.0.join("no such folder").join("snap");
        assert!(write_in_place(&nowhere, |out| Ok((out, ()))).is_err());
        assert!(write_in_place(&folder.0.join(".."), |out| Ok((out, ()))).is_err());
    }

    #[test]
    fn two_who_write_to_one_path_do_each_other_no_harm() {
        let folder = Folder::new();
        let path = folder.0.join("snap");
        write_in_place(&path, |mut outer| {
            outer.write_all(b"outer")?;
            write_in_place(&path, |mut inner| Ok((inner.write_all(b"in").map(|()| inner)?, ())))?;
            assert_eq!(fs::read(&path)?, b"in");
            Ok((outer, ()))
        })
        .unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"outer");
        assert_eq!(folder.names(), ["snap"]);
    }

    #[cfg(unix)]
    #[test]
    fn others_may_not_read_it() {
        use std::os::unix::fs::PermissionsExt;

        let folder = Folder::new();
        let path = folder.0.join("snap");
        write_in_place(&path, |out| Ok((out, ()))).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
