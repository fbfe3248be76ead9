//! What a client can send that means harm, or does not know what it does; and what each server
//! makes of it.

/// The secret of the victim's cluster. The attacks that carry it stand for a peer gone wrong.
pub(crate) const TOKEN: &str = "dGhlIHRva2VuIG9mIHRoZSBiYXR0ZXJ5";

pub(crate) struct Attack {
    pub(crate) what: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// Whether the client ends its side of the connection afterwards.
    pub(crate) ends: bool,
    pub(crate) guarded: Outcome,
    pub(crate) tiny: Outcome,
}

pub(crate) enum Outcome {
    /// An answer of such a status, and the end of the connection.
    Refused(&'static [u16]),
    /// An answer of such a status.
    Answered(&'static [u16]),
    /// The end of the connection without an answer.
    Dropped,
    /// Maybe nothing at all, which is not waited for.
    Unanswered,
}

use Outcome::{Answered, Dropped, Refused, Unanswered};

impl Attack {
    /// One that both servers refuse. tiny_http keeps its connection for a while.
    fn refused(what: &'static str, bytes: impl Into<Vec<u8>>, statuses: &'static [u16]) -> Self {
        let (guarded, tiny) = (Refused(statuses), Answered(statuses));
        Self { what, bytes: bytes.into(), ends: false, guarded, tiny }
    }

    /// One that is a request to both.
    fn answered(what: &'static str, bytes: impl Into<Vec<u8>>, statuses: &'static [u16]) -> Self {
        let (guarded, tiny) = (Answered(statuses), Answered(statuses));
        Self { what, bytes: bytes.into(), ends: false, guarded, tiny }
    }

    /// What tiny_http makes of it, where that differs.
    fn tiny(self, tiny: Outcome) -> Self {
        Self { tiny, ..self }
    }

    fn guarded(self, guarded: Outcome) -> Self {
        Self { guarded, ..self }
    }

    fn then_ends(self) -> Self {
        Self { ends: true, ..self }
    }
}

/// Attacks that leave nothing behind, so that they can be played thousands of times.
pub(crate) fn attacks() -> Vec<Attack> {
    let mut all = no_http();
    all.extend(heads());
    all.extend(bodies());
    all.extend(strangers());
    all.extend(peers_gone_wrong());
    all
}

/// A request that needs the token and lacks it, with `headers` of one's own.
fn get(headers: &str) -> String {
    format!("GET /x HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n")
}

/// A request with the token.
fn known(line: &str, headers: &str, body: &str) -> String {
    let auth = format!("Authorization: Bearer {TOKEN}");
    format!("{line} HTTP/1.1\r\nHost: x\r\n{auth}\r\n{headers}\r\n\r\n{body}")
}

/// What must never be handled: it would change a value that the bystander looks at. It has the
/// token, as if a proxy had added that.
fn hidden() -> String {
    known("PUT /_geecache/scores/Tom", "Content-Length: 7", "changed")
}

fn no_http() -> Vec<Attack> {
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // The first bytes of a handshake of TLS 1.3.
    let hello = [&[0x16, 3, 1, 0, 0xfc, 1, 0, 0, 0xf8, 3, 3][..], &[0x5a; 90]].concat();
    vec![
        Attack::refused("bytes of no meaning", "\u{1}\u{2}\u{3}\r\n\r\n", &[400]),
        Attack::refused("one word", "HELLO\r\n\r\n", &[400]),
        Attack::refused("SSH", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", &[400]),
        Attack::refused("Redis", "*1\r\n$4\r\nPING\r\n", &[400]),
        Attack::refused("TLS", hello, &[400]).then_ends().tiny(Dropped),
        Attack::refused("HTTP/2 by its number", preface.replace("2.0", "2"), &[400, 505])
            .tiny(Answered(&[400])),
    ]
}

/// Attacks that cost tiny_http a thread, or keep it waiting.
pub(crate) fn once() -> Vec<Attack> {
    let length = |length: &str| get(&format!("Content-Length: {length}"));
    vec![
        Attack::refused("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[505]).tiny(Unanswered),
        Attack::refused("HTTP/3", "GET /x HTTP/3.0\r\n\r\n", &[505]).tiny(Unanswered),
        Attack::refused("lines end in LF", "GET /x HTTP/1.1\nHost: x\n\n", &[400]).tiny(Unanswered),
        Attack::refused("a terabyte", length("1000000000000"), &[413]),
        Attack::refused("2^63 bytes", length("9223372036854775808"), &[413]),
        Attack::refused("2^64 bytes", length("18446744073709551616"), &[413])
            .tiny(Answered(&[400])),
    ]
}

fn heads() -> Vec<Attack> {
    let line = |line: &str| format!("{line}\r\nHost: x\r\n\r\n");
    let long = "y".repeat(40_000);
    vec![
        Attack::refused("four words", line("GET /x HTTP/1.1 x"), &[400]).tiny(Answered(&[401])),
        Attack::refused("two spaces", line("GET  / HTTP/1.1"), &[400]),
        Attack::refused("a method that is none", line("G@T(/ / HTTP/1.1"), &[400])
            .tiny(Answered(&[401])),
        Attack::refused("HTTP/0.9", line("GET /x HTTP/0.9"), &[505]).tiny(Answered(&[401])),
        Attack::refused("HTTP/1.2", line("GET /x HTTP/1.2"), &[505]).tiny(Answered(&[400])),
        Attack::refused("NUL in the target", line("GET /\0 HTTP/1.1"), &[400]),
        Attack::refused("LF in the target", line("GET /\nX: HTTP/1.1"), &[400]),
        Attack::refused("a target that is not ASCII", line("GET /São HTTP/1.1"), &[400])
            .tiny(Dropped),
        Attack::refused("a long target", line(&format!("GET /{long} HTTP/1.1")), &[414])
            .tiny(Answered(&[401])),
        Attack::refused("no host", "GET /x HTTP/1.1\r\n\r\n", &[400]).tiny(Answered(&[401])),
        Attack::refused("two hosts", get("Host: y"), &[400]).tiny(Answered(&[401])),
        Attack::refused("no colon", get("Broken"), &[400]),
        Attack::refused("space before the colon", get("Transfer-Encoding : chunked"), &[400]),
        Attack::refused("a folded header", get("X: a\r\n b"), &[400]),
        Attack::refused("CR in a header", get("X: a\rContent-Length: 7"), &[400]),
        Attack::refused("LF in a header", get("X: a\nContent-Length: 7") + &hidden(), &[400]),
        Attack::refused("NUL in a header", get("X: a\0b"), &[400]),
        Attack::answered("a header that is not ASCII", get("X-Region: São"), &[401]).tiny(Dropped),
        Attack::refused("a long header", get(&format!("X: {long}")), &[431]).tiny(Answered(&[401])),
        Attack::refused("many headers", get(&"X: y\r\n".repeat(1000)), &[431])
            .tiny(Answered(&[401])),
        Attack::refused("an expectation", get("Expect: miracles"), &[417]),
        Attack::answered("an upgrade", get("Connection: upgrade\r\nUpgrade: h2c"), &[401])
            .tiny(Answered(&[400])),
        Attack::answered("a head that stops", "GET /x HTTP/1.1\r\nHost: x\r\n", &[])
            .then_ends()
            .guarded(Dropped)
            .tiny(Dropped),
    ]
}

/// Bodies whose end two readers could see in different places, and such that never come.
fn bodies() -> Vec<Attack> {
    let hidden = &hidden();
    let post = |headers: &str, body: &str| {
        format!("POST /_geecache/scores HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n{body}{hidden}")
    };
    let put = |headers: &str, body: &str| known("PUT /_geecache/scores/Sam", headers, body);
    // Less than it says: the refusal does not wait for it.
    let long = "y".repeat(50_000);
    vec![
        Attack::refused("no digits", post("Content-Length: abc", ""), &[400]),
        Attack::refused("no length", post("Content-Length:", ""), &[400]),
        Attack::refused("a sign", post("Content-Length: +2", "ab"), &[400]),
        Attack::refused("less than nothing", post("Content-Length: -1", ""), &[400]),
        Attack::refused("a list of lengths", post("Content-Length: 2, 2", "ab"), &[400]),
        Attack::refused(
            "two lengths",
            post("Content-Length: 2\r\nContent-Length: 9", "ab"),
            &[400],
        ),
        Attack::refused("chunks", post("Transfer-Encoding: chunked", "0\r\n\r\n"), &[411]),
        Attack::refused("xchunked", post("Transfer-Encoding: xchunked", "0\r\n\r\n"), &[411]),
        Attack::refused("gzip", post("Transfer-Encoding: gzip", "0\r\n\r\n"), &[411]),
        Attack::refused("chunks that break", post("Transfer-Encoding: chunked", "zz\r\n"), &[411]),
        Attack::refused(
            "chunks and a length",
            post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
            &[400],
        ),
        Attack::refused("a body past the limit", put("Content-Length: 2097152", &long), &[413])
            .tiny(Answered(&[413])),
        Attack::answered("a short body that stops", put("Content-Length: 5", "6"), &[])
            .then_ends()
            .guarded(Dropped)
            .tiny(Dropped),
        Attack::answered("a body that stops", put("Content-Length: 5000", "6"), &[400])
            .then_ends()
            .guarded(Dropped),
    ]
}

/// Well-formed requests of those who do not know the token.
fn strangers() -> Vec<Attack> {
    let auth = |value: &str| {
        let line = "GET /_geecache/scores/Tom HTTP/1.1";
        format!("{line}\r\nHost: x\r\nAuthorization: {value}\r\n\r\n")
    };
    let body = |method: &str| {
        let line = format!("{method} /_geecache/scores/Tom HTTP/1.1");
        format!("{line}\r\nHost: x\r\nContent-Length: 7\r\n\r\nchanged")
    };
    let twice = format!("Bearer x\r\nAuthorization: Bearer {TOKEN}");
    vec![
        Attack::answered("no token", get("X: y"), &[401]),
        Attack::answered("a wrong token", auth("Bearer d3Jvbmc="), &[401]),
        Attack::answered("no scheme", auth(TOKEN), &[401]),
        Attack::answered("another scheme", auth(&format!("Basic {TOKEN}")), &[401]),
        Attack::answered("a token cut short", auth(&format!("Bearer {}", &TOKEN[..9])), &[401]),
        Attack::answered("a token twice", auth(&format!("Bearer {TOKEN}{TOKEN}")), &[401]),
        Attack::answered("a long token", auth(&format!("Bearer {}", "z".repeat(20_000))), &[401]),
        Attack::answered("two tokens", auth(&twice), &[401]),
        Attack::refused("NUL in a token", auth("Bearer \0"), &[400]),
        Attack::answered("a change", body("PUT"), &[401]),
        Attack::answered("a removal", body("DELETE"), &[401]),
        Attack::answered("a batch", body("POST"), &[401]),
        Attack::answered("a made-up method", body("BREW"), &[401]),
    ]
}

/// Requests of those who know the token, and send nonsense.
fn peers_gone_wrong() -> Vec<Attack> {
    let scores = "/_geecache/scores";
    let get = |path: &str| known(&format!("GET {path}"), "X: y", "");
    let batch = |body: &[u8]| {
        let head = format!("Content-Length: {}", body.len());
        [known(&format!("POST {scores}"), &head, "").as_bytes(), body].concat()
    };
    let note = |note: &str| known(&format!("GET {scores}/Tom"), &format!("Geecache: {note}"), "");
    let long = "k".repeat(14_000);
    vec![
        Attack::answered("no group", get("/_geecache/"), &[400]),
        Attack::answered("no key", get(&format!("{scores}/")), &[400]),
        Attack::answered("another group", get("/_geecache/none/Tom"), &[404]),
        Attack::answered("another path", get("/etc/passwd"), &[400, 404]),
        Attack::answered("dots", get(&format!("{scores}/../../etc/passwd")), &[404]),
        Attack::answered("a key that is no text", get(&format!("{scores}/%ff%fe")), &[400]),
        Attack::answered("half an escape", get(&format!("{scores}/%4")), &[400, 404]),
        Attack::answered("line ends in a key", get(&format!("{scores}/%0d%0aX:%20y")), &[404]),
        Attack::answered("a long key", get(&format!("{scores}/{long}")), &[404]),
        Attack::answered("an unknown method", known(&format!("BREW {scores}"), "X: y", ""), &[405]),
        Attack::answered("an empty frame", batch(b""), &[400]),
        Attack::answered("a frame of ones", batch(&[0xff; 64]), &[400]),
        Attack::answered("a frame of zeros", batch(&[0; 64]), &[400]),
        Attack::answered("text as a frame", batch(b"GET /hidden HTTP/1.1\r\n\r\n"), &[400]),
        Attack::answered("a long frame", batch(&vec![b'a'; 100_000]), &[400]),
        Attack::answered("a ttl below zero", note("ttl=-1"), &[400]),
        Attack::answered("a time that is none", note("t=99999999999999999999"), &[200, 400]),
        Attack::answered("another key", note("k=deadbeef"), &[400]),
    ]
}

/// A small seeded generator (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// A request of a stranger that is broken at random.
pub(crate) fn broken(random: &mut Random) -> Vec<u8> {
    const WHOLE: &str = "PUT /_geecache/scores/Tom?x HTTP/1.1\r\nHost: peer:8001\r\n\
        Authorization: Bearer x\r\nGeecache: t=100 ttl=5\r\nConnection: keep-alive\r\n\
        Content-Length: 9\r\n\r\nunchanged";
    let mut bytes = WHOLE.as_bytes().to_vec();
    for _ in 0..=random.below(5) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => drop(bytes.remove(at)),
            1 => bytes.insert(at, b"\r\n :,0\0\xff"[random.below(8)]),
            2 => bytes[at] = b"\r\n :,9\t\x80"[random.below(8)],
            _ => bytes.extend_from_within(..at),
        }
    }
    bytes
}
