use super::fuzz::{assert_come_back, drive};
use super::*;
use crate::http::note::Note;
use crate::http::protocol::Protocol;

fn parse(target: &str) -> Result<(String, String), BadTarget> {
    parse_with(target, Plus::Space)
}

fn parse_with(target: &str, plus: Plus) -> Result<(String, String), BadTarget> {
    parse_target("/_geecache/", target, plus)
        .map(|(group, key)| (group.into_owned(), key.into_owned()))
}

fn names(group: &str, key: &str) -> Result<(String, String), BadTarget> {
    Ok((group.to_owned(), key.to_owned()))
}

#[test]
fn keys_are_escaped_so_that_every_server_reads_them_alike() {
    for (key, escaped) in [
        ("Tom", "Tom"),
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("a/b", "a%2Fb"),
        ("//x", "%2F%2Fx"),
        ("%2F", "%252F"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "..."),
        ("a.b", "a.b"),
        ("-_~.", "-_~."),
        ("k&v=1;2,3:4@5$6", "k%26v%3D1%3B2%2C3%3A4%405%246"),
        ("?", "%3F"),
        ("#", "%23"),
        ("\n", "%0A"),
        ("\0", "%00"),
        ("é", "%C3%A9"),
        ("你好", "%E4%BD%A0%E5%A5%BD"),
        ("", ""),
        ("!'()*", "%21%27%28%29%2A"),
    ] {
        let path = request_path("/_geecache/", "scores", key);
        assert_eq!(path, format!("/_geecache/scores/{escaped}"), "key {key:?}");
        assert_eq!(parse(&path), names("scores", key));
        assert_eq!(parse_with(&path, Plus::Literal), names("scores", key));
    }
    assert_eq!(request_path("/p/", "..", "."), "/p/%2E%2E/%2E");
}

#[test]
fn any_group_and_key_come_back_as_they_went() {
    let seed = 0x5eed_0001;
    let mut random = Random(seed);
    for _ in 0..20_000 {
        let (group, key) = (random.text(1), random.text(0));
        for plus in [Plus::Space, Plus::Literal] {
            assert_come_back(&group, &key, plus);
        }
    }
}

#[test]
fn any_target_at_all_is_parsed_or_refused() {
    let seed = 0x5eed_0002;
    let mut random = Random(seed);
    for _ in 0..20_000 {
        drive(&random.text(0));
    }
}

#[test]
fn a_plus_is_a_space_to_old_clients_and_a_plus_to_others() {
    assert_eq!(parse("/_geecache/g/a+b"), names("g", "a b"));
    assert_eq!(parse("/_geecache/g+h/a%2Bb"), names("g h", "a+b"));
    assert_eq!(parse_with("/_geecache/g+h/a+b%20c", Plus::Literal), names("g+h", "a+b c"));
}

#[test]
fn the_raw_path_is_cut_before_it_is_decoded() {
    assert_eq!(parse("/_geecache/a%2Fb/c"), names("a/b", "c"));
    assert_eq!(parse("/_geecache/g/a/b"), names("g", "a/b"));
    assert_eq!(parse("/_geecache/g//x"), names("g", "/x"));
    assert_eq!(parse("/_geecache/g/%c3%A9"), names("g", "é"));
    assert_eq!(parse("/_geecache/g/k&v=1%3B2%2C3:4@5$6"), names("g", "k&v=1;2,3:4@5$6"));
    assert_eq!(parse("/_geecache/g/"), names("g", ""));
}

#[test]
fn a_query_is_not_part_of_the_key() {
    assert_eq!(parse("/_geecache/g/k?x=1/2"), names("g", "k"));
    assert_eq!(parse("/_geecache/g/k%3Fx"), names("g", "k?x"));
    assert_eq!(parse("/_geecache/g/k#part"), names("g", "k"));
    assert_eq!(parse("/_geecache/g?/k"), Err(BadTarget::NoKey));
}

#[test]
fn a_target_in_absolute_form_is_read_like_its_path() {
    assert_eq!(parse("http://localhost:8001/_geecache/g/k"), names("g", "k"));
    assert_eq!(parse("http://localhost:8001"), Err(BadTarget::OutsideBase));
    assert_eq!(parse("/_geecache/g/http://x/y"), names("g", "http://x/y"));
}

#[test]
fn targets_that_name_no_key_are_refused() {
    for (target, reason) in [
        ("/", BadTarget::OutsideBase),
        ("", BadTarget::OutsideBase),
        ("*", BadTarget::OutsideBase),
        ("/other/g/k", BadTarget::OutsideBase),
        ("/_geecache", BadTarget::OutsideBase),
        ("/_geecache/", BadTarget::NoKey),
        ("/_geecache/g", BadTarget::NoKey),
        ("/_geecache//k", BadTarget::EmptyGroup),
        ("/_geecache/g/%", BadTarget::BadEscape),
        ("/_geecache/g/%2", BadTarget::BadEscape),
        ("/_geecache/g/%zz", BadTarget::BadEscape),
        ("/_geecache/g/%+1", BadTarget::BadEscape),
        ("/_geecache/%/k", BadTarget::BadEscape),
        ("/_geecache/g/%ff", BadTarget::NotUtf8),
        ("/_geecache/%C3/k", BadTarget::NotUtf8),
    ] {
        assert_eq!(parse(target), Err(reason), "target {target:?}");
    }
}

#[test]
fn answers_mean_what_the_table_says() {
    use PeerErrorKind as Kind;
    let text = Some("text/plain; charset=utf-8");
    let page = Some("text/html");
    for (code, status, content_type, body, kind, verdict) in [
        (404, Some(Status::NotFound), text, "x", Kind::NotFound, Verdict::Answered),
        (404, Some(Status::NoSuchGroup), text, "x", Kind::NoSuchGroup, Verdict::Answered),
        (404, None, text, "no such group: g\n", Kind::NoSuchGroup, Verdict::Answered),
        (404, None, text, "404 page not found\n", Kind::Protocol, Verdict::Failed),
        (404, None, page, "no such group: g\n", Kind::Protocol, Verdict::Failed),
        (500, Some(Status::LoadFailed), text, "x", Kind::Load, Verdict::Answered),
        (500, None, text, "the database is down\n", Kind::Load, Verdict::Answered),
        (500, None, Some("TEXT/PLAIN"), "", Kind::Load, Verdict::Answered),
        (500, None, page, "<html>", Kind::Protocol, Verdict::Failed),
        (500, None, None, "", Kind::Protocol, Verdict::Failed),
        (503, Some(Status::Overloaded), text, "", Kind::Overloaded, Verdict::Answered),
        (503, None, page, "", Kind::Overloaded, Verdict::Failed),
        (503, Some(Status::ShuttingDown), text, "", Kind::Unreachable, Verdict::Refused),
        (504, Some(Status::TimedOut), text, "", Kind::TimedOut, Verdict::Answered),
        (504, None, page, "", Kind::Protocol, Verdict::Failed),
        (400, Some(Status::BadRequest), text, "bad request\n", Kind::Protocol, Verdict::Answered),
        (400, Some(Status::OtherKey), text, "", Kind::Protocol, Verdict::Answered),
        (400, Some(Status::OtherProtocol), text, "", Kind::Protocol, Verdict::Answered),
        (410, Some(Status::HasLeft), text, "", Kind::Unreachable, Verdict::Answered),
        (421, Some(Status::OtherCluster), text, "", Kind::OtherCluster, Verdict::Failed),
        (421, Some(Status::Itself), text, "", Kind::Protocol, Verdict::Answered),
        (401, Some(Status::Unauthorized), text, "", Kind::Unauthorized, Verdict::Answered),
        (401, None, text, "", Kind::Protocol, Verdict::Failed),
        (400, None, text, "bad request\n", Kind::Protocol, Verdict::Failed),
        (405, Some(Status::NotSupported), text, "", Kind::NotSupported, Verdict::Answered),
        (414, None, None, "", Kind::Protocol, Verdict::Answered),
        (301, None, page, "", Kind::Protocol, Verdict::Answered),
        (302, None, None, "", Kind::Protocol, Verdict::Failed),
        (204, None, None, "", Kind::Protocol, Verdict::Failed),
        (206, None, None, "part", Kind::Protocol, Verdict::Failed),
        (502, None, page, "", Kind::Protocol, Verdict::Failed),
    ] {
        let answer = ErrorAnswer { code, status, content_type, text: body, galaxy: None };
        assert_eq!(answer.classify(Protocol::GeeCache.wire()), (kind, verdict), "{answer:?}");
    }
}

#[test]
fn what_the_forks_say_in_their_own_way_is_understood_and_is_never_a_failure_of_the_peer() {
    use PeerErrorKind as Kind;
    let (text, found) = (Some("text/plain; charset=utf-8"), Some("Found"));
    let forks = [Protocol::Mailgun, Protocol::GroupcacheGo];
    let (galaxy, others) = ([Protocol::Galaxycache], [Protocol::GeeCache, Protocol::Groupcache]);
    for (protocols, code, content_type, galaxy, body, kind, verdict) in [
        (&forks[..], 404, text, None, "no such key\n", Kind::NotFound, Verdict::Answered),
        (&forks, 404, text, None, "\n", Kind::NotFound, Verdict::Answered),
        (&forks, 404, text, None, "no such group: g\n", Kind::NoSuchGroup, Verdict::Answered),
        (&forks, 404, text, None, "404 page not found\n", Kind::Protocol, Verdict::Failed),
        (&forks, 404, None, None, "", Kind::Protocol, Verdict::Failed),
        (&forks, 404, Some("text/html"), None, "<html>", Kind::Protocol, Verdict::Failed),
        (&forks, 503, text, None, "no disk\n", Kind::Load, Verdict::Answered),
        (&forks, 503, Some("text/html"), None, "<html>", Kind::Overloaded, Verdict::Failed),
        (&forks, 500, text, None, "odd\n", Kind::Load, Verdict::Answered),
        (&galaxy, 404, text, found, "not found\n", Kind::NotFound, Verdict::Answered),
        (&galaxy, 404, text, Some("Not Found"), "", Kind::NoSuchGroup, Verdict::Answered),
        (&galaxy, 404, text, None, "no such galaxy: g\n", Kind::NoSuchGroup, Verdict::Answered),
        (&galaxy, 404, text, None, "404 page not found\n", Kind::Protocol, Verdict::Failed),
        (&galaxy, 500, text, found, "no disk\n", Kind::Load, Verdict::Answered),
        (&galaxy, 503, text, None, "no disk\n", Kind::Overloaded, Verdict::Failed),
        (&others, 404, text, found, "no such key\n", Kind::Protocol, Verdict::Failed),
        (&others, 503, text, None, "no disk\n", Kind::Overloaded, Verdict::Failed),
    ] {
        for protocol in protocols {
            let answer = ErrorAnswer { code, status: None, content_type, text: body, galaxy };
            assert_eq!(
                answer.classify(protocol.wire()),
                (kind, verdict),
                "{protocol:?} {answer:?}"
            );
        }
    }
}

#[test]
fn our_peers_are_understood_by_their_own_words_whichever_number_goes_with_them() {
    use PeerErrorKind as Kind;
    for (code, status, kind, verdict) in [
        (503, "load-failed", Kind::Load, Verdict::Answered),
        (500, "overloaded", Kind::Overloaded, Verdict::Answered),
        (500, "shutting-down", Kind::Unreachable, Verdict::Refused),
        (404, "not-found", Kind::NotFound, Verdict::Answered),
    ] {
        let note = Note::read(format!("s={status}").as_bytes()).unwrap();
        let status = note.status_with(code);
        let answer = ErrorAnswer { code, status, content_type: None, text: "", galaxy: None };
        assert_eq!(answer.classify(Protocol::Mailgun.wire()), (kind, verdict), "{answer:?}");
        assert_eq!(note.status_with(404).is_some(), code == 404);
    }
}

#[test]
fn a_failed_load_is_told_in_the_words_of_the_getter_and_a_web_page_in_brief() {
    let mut answer = ErrorAnswer {
        code: 500,
        status: None,
        content_type: None,
        text: "no disk\n",
        galaxy: None,
    };
    assert_eq!(answer.message(PeerErrorKind::Load), "no disk");
    answer.text = "<html>\n<body>";
    assert_eq!(answer.message(PeerErrorKind::Protocol), "status 500: <html>");
    answer.text = "";
    assert_eq!(answer.message(PeerErrorKind::Load), "status 500");
    let long = "x".repeat(5_000);
    answer.text = &long;
    assert!(answer.message(PeerErrorKind::Protocol).len() < 200);
}

/// A small generator (xorshift64*), so that a seed replays a run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 33) % bound
    }

    /// A text of at least `min` characters that favours those with a meaning in a path.
    fn text(&mut self, min: u64) -> String {
        let chars = min + self.below(12);
        (0..chars)
            .map(|_| match self.below(4) {
                0 => *b"/+%. ?#&=:@~-_\\\"\r\n\0;".get(self.below(20) as usize).unwrap_or(&b'x')
                    as char,
                1 => char::from(self.below(128) as u8),
                2 => char::from_u32(self.below(0x0011_0000) as u32).unwrap_or('é'),
                _ => char::from(b'a' + self.below(26) as u8),
            })
            .collect()
    }
}

#[test]
fn query_is_read_as_forms_write_it() {
    let read = |target| Query::of(target);
    let pairs = |pairs: &[(&'static str, &'static str)]| {
        Ok(Query(pairs.iter().map(|&(name, value)| (name.into(), value.into())).collect()))
    };
    assert_eq!(read("/status.json"), pairs(&[]));
    assert_eq!(read("/status.json?&"), pairs(&[]));
    assert_eq!(read("/status.json?cluster"), pairs(&[("cluster", "")]));
    let all = "/s?group=a%20b&key=a+b%2B%26%3D=?#x";
    assert_eq!(read(all), pairs(&[("group", "a b"), ("key", "a b+&==?")]));
    assert_eq!(read("/s?key=%f"), Err(BadTarget::BadEscape));
    assert_eq!(read("/s?key=%ff"), Err(BadTarget::NotUtf8));
    let query = Query::of("/s?a=1&b&a=2").unwrap();
    assert_eq!((query.value("a"), query.value("b"), query.value("c")), (Some("1"), Some(""), None));
    assert!(query.has("b") && !query.has("c"));
    let mut target = "/s?key=".to_owned();
    push_query_value(&mut target, "a+b &=é#");
    assert_eq!(target, "/s?key=a%2Bb%20%26%3D%C3%A9%23");
    assert_eq!(read(&target), pairs(&[("key", "a+b &=é#")]));
}
