use super::*;
use crate::tag::Tag;
use crate::testing::with_seeds;

fn read(text: &str) -> Result<Note, BadNote> {
    Note::read(text.as_bytes())
}

fn written(note: Note) -> String {
    String::from_utf8(note.text().to_vec()).unwrap()
}

fn full() -> Note {
    Note {
        timeout: Some(Duration::from_millis(1800)),
        key: Some(0x9f3a_01bc),
        protocol: Some(Protocol::GeeCacheProtobuf),
        status: Some(Status::NotFound),
        ttl: Some(Duration::from_secs(60)),
        cluster: Some(0x0000_00c1),
        incarnation: Some(0x0123_4567_89ab_cdef),
        digest: Some(0xffff_fff0),
        order: InOrder::Stamp(ChangeStamp::new(0xfedc_ba98_7654_3210, 17)),
        tags: NoteTags::of(&Loaded::absent().tag(Tag::from_number(1)).tag(Tag::from_number(0xabc))),
        version: Some(12),
        nested: Some(Chain::new(0xc0ff_ee01, 2)),
        is_hit: true,
    }
}

#[test]
fn a_note_is_written_as_the_table_says_and_read_back() {
    let text = "t=1800 k=9f3a01bc c=000000c1 i=0123456789abcdef r=fffffff0 p=geecache-protobuf \
                s=not-found ttl=60000 n=fedcba9876543210.17 \
                g=0000000000000001,0000000000000abc v=12 nested=c0ffee01.2 hit";
    assert_eq!(written(full()), text);
    assert_eq!(read(text), Ok(full()));
    assert_eq!(written(Note::default()), "");
    assert_eq!(read(""), Ok(Note::default()));
    let unknown = Note { nested: Some(Chain::default()), ..Note::default() };
    assert_eq!(written(unknown), "nested");
    for bare in ["nested", "nested=", "nested=7", "nested=00000000.1", "nested=x.1"] {
        assert_eq!(read(bare), Ok(unknown), "{bare}");
    }
    assert_eq!(written(Note::of(Status::Overloaded)), "s=overloaded");
}

#[test]
fn a_note_asks_for_a_mark_or_tells_it() {
    let mark = ChangeMark::new(0xabc, 5);
    for (order, text) in [
        (InOrder::MarkWanted, "m"),
        (InOrder::Mark(mark), "m=0000000000000abc.5"),
        (InOrder::Mark(ChangeMark::new(0, 0)), "m=0000000000000000.0"),
    ] {
        let note = Note { order, ..Note::default() };
        assert_eq!(written(note), text);
        assert_eq!(read(text), Ok(note));
    }
    assert_eq!(mark_text(mark), "0000000000000abc.5");
}

#[test]
fn the_longest_note_fits() {
    let longest = |protocol, status| Note {
        timeout: Some(Duration::MAX),
        key: Some(0),
        protocol: Some(protocol),
        status: Some(status),
        ttl: Some(Duration::MAX),
        cluster: Some(u32::MAX),
        incarnation: Some(u64::MAX),
        digest: Some(u32::MAX),
        order: InOrder::Mark(ChangeMark::new(u64::MAX, u64::MAX)),
        tags: NoteTags::of(
            &(1..=8).map(Tag::from_number).fold(Loaded::absent(), |it, tag| it.tag(tag)),
        ),
        version: Some(u64::MAX),
        nested: Some(Chain::new(u32::MAX, u8::MAX)),
        is_hit: true,
    };
    for protocol in Protocol::ALL {
        for status in Status::ALL {
            let text = longest(protocol, status).text();
            assert_eq!(Note::read(&text).unwrap().status, Some(status));
        }
    }
}

#[test]
fn numbers_are_written_as_everybody_writes_them_and_read_back() {
    with_seeds(2_000, |random| {
        let bits = random.next() >> random.below(64);
        let (number, digits) = (bits as u32, format!("{bits:016x}"));
        assert_eq!(hexadecimal(number)[..], *format!("{number:08x}").as_bytes());
        assert_eq!(super::number(digits.as_bytes()), Some(bits));
        assert_eq!(hash(format!("{number:08X}").as_bytes()), Some(number));
    });
    for byte in (0..=u8::MAX).filter(|byte| !byte.is_ascii_hexdigit()) {
        assert_eq!(hash(&[b'0', b'0', b'0', byte, b'0', b'0', b'0', b'0']), None);
    }
}

#[test]
fn names_that_are_not_known_are_ignored_and_what_is_known_must_be_readable() {
    let ttl = Note { ttl: Some(Duration::from_millis(5)), ..Note::default() };
    for text in ["ttl=5", "  ttl=5 ", "peek ttl=5 x=", "TTL=x ttl=5", "ttl=5 a=b=c", "=1\tttl=5"] {
        assert_eq!(read(text), Ok(ttl), "{text:?}");
    }
    // A status of a later version means nothing here.
    assert_eq!(read("s=tired"), Ok(Note::default()));
    for (text, name) in [
        ("ttl=", "ttl"),
        ("ttl", "ttl"),
        ("ttl=-1", "ttl"),
        ("ttl=+1", "ttl"),
        ("ttl=1.5", "ttl"),
        ("ttl=soon", "ttl"),
        ("ttl=１", "ttl"),
        ("t=1s", "t"),
        ("k=9f3a01b", "k"),
        ("k=9f3a01bcd", "k"),
        ("k=9f3a01bx", "k"),
        ("k=+f3a01bc", "k"),
        ("c=9f3a01b", "c"),
        ("i=9f3a01bc", "i"),
        ("i=0123456789abcdeg", "i"),
        ("i=0123456789abcdef0", "i"),
        ("i=01234567é9abcde", "i"),
        ("r=", "r"),
        ("n=", "n"),
        ("n=0123456789abcdef", "n"),
        ("n=0123456789abcdef.", "n"),
        ("n=0123456789abcdeg.1", "n"),
        ("n=0123456789abcdef.x", "n"),
        ("m=1", "m"),
        ("m=0123456789abcdef.-1", "m"),
        ("p=", "p"),
        ("p=http", "p"),
    ] {
        assert_eq!(read(text), Err(BadNote(name)), "{text:?}");
    }
    assert_eq!(Note::read(b"ttl=\xff"), Err(BadNote("ttl")));
}

#[test]
fn a_status_counts_only_beside_the_code_that_goes_with_it() {
    for status in Status::ALL {
        let note = Note::of(status);
        assert_eq!(Note::read(&note.text()), Ok(note));
        assert_eq!(note.status_with(status.code()), Some(status));
        assert_eq!(note.status_with(418), None);
    }
    assert_eq!(Note::default().status_with(404), None);
}

#[test]
fn times_are_whole_milliseconds_rounded_down_and_end_nowhere_too_early() {
    let ttl = |ttl| Note { ttl: Some(ttl), ..Note::default() };
    assert_eq!(written(ttl(Duration::from_micros(1_999))), "ttl=1");
    assert_eq!(written(ttl(Duration::ZERO)), "ttl=0");
    assert_eq!(written(ttl(Duration::MAX)), format!("ttl={}", u64::MAX));
    let longest = Ok(ttl(Duration::from_millis(u64::MAX)));
    assert_eq!(read("ttl=99999999999999999999999"), longest);
}

#[test]
fn hashes_of_names_are_fixed_and_no_two_pairs_are_the_same_bytes() {
    // Python: zlib.crc32(b"scores\xffTom")
    assert_eq!(hash_of("scores", Some("Tom")), 0x6bbb_767f);
    assert_eq!(hash_of("scores", None), crc32fast::hash(b"scores"));
    assert_ne!(hash_of("g", Some("")), hash_of("g", None));
    assert_ne!(hash_of("ga", Some("b")), hash_of("g", Some("ab")));
    assert_ne!(hash_of("g", Some("a//b")), hash_of("g", Some("a/b")));
    assert_ne!(hash_of("g", Some("a+b")), hash_of("g", Some("a b")));
}

#[test]
fn any_bytes_are_a_note_that_comes_back_or_none() {
    let names = ["t", "k", "p", "s", "ttl", "c", "i", "r", "n", "m", "nested", "hit", "x", ""];
    let values = [
        "0",
        "0123456789abcdef",
        "0123456789abcdef.17",
        "9f3a01bc",
        "geecache",
        "not-found",
        "",
        "",
        "\u{7f}",
        "99999999999999999999",
    ];
    with_seeds(20_000, |random| {
        let mut bytes = Vec::new();
        for _ in 0..random.below(6) {
            let name = names[random.below(names.len() as u64) as usize];
            let value = values[random.below(values.len() as u64) as usize];
            bytes.extend_from_slice(format!("{name}={value} ").as_bytes());
        }
        if !bytes.is_empty() && random.below(2) == 0 {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.below(256) as u8;
        }
        fuzz::drive(&bytes);
    });
}
