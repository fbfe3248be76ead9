//! A battery against both servers, each in a process of its own: requests that are malformed, or
//! meant to harm. After each of them the answer, the end of the connection and a well-behaved
//! client are looked at, and the memory of the process at the end.
//!
//! `cargo test --test hostile` plays it in a few seconds. `GEECACHE_HOSTILE=long` plays 20,000
//! rounds against the guarded server, and holds its memory to 2 MiB.

#![cfg(all(target_os = "linux", feature = "http"))]
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::print_stdout, reason = "a child answers on its standard output")]

mod attacks;
mod client;
mod victim;

use std::env;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant, UNIX_EPOCH};

use attacks::{Attack, Outcome, TOKEN, attacks, once};
use client::{Client, End};
use victim::Victim;

/// Far longer than anything takes on a busy machine; only a hang is as long.
const SOON: Duration = Duration::from_secs(20);

#[test]
#[ignore = "not a test, but the program that the tests here start and attack"]
fn victim_process() {
    victim::be_a_victim();
}

fn is_long() -> bool {
    env::var("GEECACHE_HOSTILE").is_ok_and(|form| form == "long")
}

/// A client that does nothing wrong, on one connection.
struct Bystander(Client);

impl Bystander {
    fn of(victim: &Victim) -> Self {
        Self(Client::connect(victim.addr))
    }

    /// Asks for a value, which nobody may have changed.
    #[track_caller]
    fn is_served(&mut self, after: &str) {
        let auth = format!("Authorization: Bearer {TOKEN}");
        let request = format!("GET /_geecache/scores/Tom HTTP/1.1\r\nHost: x\r\n{auth}\r\n\r\n");
        self.0.send(request.as_bytes());
        match self.0.answer() {
            Ok(answer) => {
                assert_eq!((answer.status, &*answer.body), (200, &b"630"[..]), "after {after}");
            }
            Err(end) => panic!("no answer ({end:?}) after {after}"),
        }
    }
}

/// Plays one attack, and checks what comes of it.
#[track_caller]
fn play(addr: SocketAddr, attack: &Attack, outcome: &Outcome) {
    let what = attack.what;
    let mut client = Client::connect(addr);
    client.send(&attack.bytes);
    if attack.ends {
        client.send_no_more();
    }
    match outcome {
        Outcome::Refused(statuses) => {
            let answer = client.answer().unwrap_or_else(|end| panic!("{what}: {end:?}"));
            assert!(statuses.contains(&answer.status), "{what}: {}", answer.status);
            assert!(answer.says_close, "{what} is not told of the end of its connection");
            assert_eq!(client.answer().err(), Some(End::Closed), "{what}");
        }
        Outcome::Answered(statuses) => {
            let answer = client.answer().unwrap_or_else(|end| panic!("{what}: {end:?}"));
            assert!(statuses.contains(&answer.status), "{what}: {}", answer.status);
        }
        Outcome::Dropped => assert_eq!(client.answer().err(), Some(End::Closed), "{what}"),
        Outcome::Unanswered => {}
    }
}

/// Each attack by itself, with a look at the bystander after each.
fn play_each(victim: &Victim, outcome: impl Fn(&Attack) -> &Outcome) {
    let mut bystander = Bystander::of(victim);
    for attack in attacks().iter().chain(&once()) {
        play(victim.addr, attack, outcome(attack));
        bystander.is_served(attack.what);
    }
}

/// All attacks again and again, until there were so many `rounds`.
fn play_on(victim: &Victim, rounds: usize, outcome: impl Fn(&Attack) -> &Outcome) {
    let (attacks, mut bystander) = (attacks(), Bystander::of(victim));
    for (n, attack) in attacks.iter().cycle().take(rounds).enumerate() {
        play(victim.addr, attack, outcome(attack));
        if n % 16 == 0 {
            bystander.is_served(attack.what);
        }
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn guarded_server_refuses_each_attack_and_serves_others() {
    play_each(&Victim::start("guarded"), |attack| &attack.guarded);
}

/// What it leaves unanswered costs it a thread and two descriptors each, at most.
#[test]
fn tiny_http_survives_each_attack_and_serves_others() {
    let victim = Victim::start("tiny_http");
    play_each(&victim, |attack| &attack.tiny);
    let all = attacks().len() + once().len();
    assert!(victim.threads() < 40 + all && victim.descriptors() < 60 + 2 * all);
}

#[test]
fn guarded_server_holds_nothing_of_attacks_that_are_over() {
    let (warm_up, rounds, most) =
        if is_long() { (4_000, 20_000, 2 << 20) } else { (300, 1_000, 8 << 20) };
    let victim = Victim::start("guarded");
    play_on(&victim, warm_up, |attack| &attack.guarded);
    let settled = |victim: &Victim| until("all threads are gone", || victim.threads() < 8);
    settled(&victim);
    let before = victim.memory();
    play_on(&victim, rounds, |attack| &attack.guarded);
    settled(&victim);
    let (after, descriptors) = (victim.memory(), victim.descriptors());
    println!("{rounds} rounds: {before} bytes before, {after} after; {descriptors} descriptors");
    assert!(after <= before + most, "{before} bytes before, {after} after {rounds} rounds");
    assert!(descriptors < 20, "{descriptors}");
}

/// It keeps a refused connection until that was silent for long, so there are few rounds. What
/// they leave is bounded by what is open.
#[test]
fn tiny_http_holds_little_of_attacks_that_are_over() {
    let victim = Victim::start("tiny_http");
    play_on(&victim, 100, |attack| &attack.tiny);
    let before = victim.memory();
    play_on(&victim, 300, |attack| &attack.tiny);
    let after = victim.memory();
    println!("300 rounds: {before} bytes before, {after} after");
    assert!(after <= before + (24 << 20), "{before} bytes before, {after} after");
}

/// Bytes of a request are changed, dropped and doubled at random. Without the token nothing that
/// comes of it is a success. `GEECACHE_TEST_SEED=N` repeats a failure.
#[test]
fn broken_requests_of_strangers_come_to_nothing() {
    let given = env::var("GEECACHE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64);
    println!("seed {seed}");
    for server in ["guarded", "tiny_http"] {
        let victim = Victim::start(server);
        let (mut bystander, mut random) = (Bystander::of(&victim), attacks::Random::new(seed));
        let rounds = if is_long() { 5_000 } else { 300 };
        for _ in 0..rounds {
            let bytes = attacks::broken(&mut random);
            let mut client = Client::connect(victim.addr);
            client.send(&bytes);
            client.send_no_more();
            // tiny_http may leave one unanswered, and keeps its connection then.
            client.wait_at_most(Duration::from_millis(if server == "guarded" {
                20_000
            } else {
                30
            }));
            while let Ok(answer) = client.answer() {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                assert!(answer.status >= 400, "{server}, seed {seed}: {text:?}");
            }
        }
        bystander.is_served("broken requests");
    }
}

/// Connections that begin something and never end it.
#[test]
fn clients_that_stall_hold_nobody_up() {
    let auth = format!("Authorization: Bearer {TOKEN}\r\n");
    let put = format!("PUT /_geecache/scores/Sam HTTP/1.1\r\nHost: x\r\n{auth}");
    let long_body = format!("{put}Content-Length: 1000000\r\n\r\n12345");
    for (server, clients) in [("guarded", 200), ("tiny_http", 50)] {
        let victim = Victim::start(server);
        let mut bystander = Bystander::of(&victim);
        bystander.is_served("nothing");
        let before = victim.memory();
        let mut stalled = Vec::new();
        for begun in ["", "G", "GET /_geecache/", &put, &long_body] {
            for _ in 0..clients {
                let mut client = Client::connect(victim.addr);
                client.send(begun.as_bytes());
                stalled.push(client);
            }
            bystander.is_served(&format!("{clients} clients that stall after {begun:?}"));
            Bystander::of(&victim).is_served("a new connection");
        }
        let held = victim.memory().saturating_sub(before);
        println!("{server}: {held} bytes for {} that stall", stalled.len());
        // Bodies of which something has come share a quarter of `max_transfer_bytes`.
        let most = (64 << 20) + stalled.len() as u64 * (64 << 10);
        assert!(held < most, "{server}: {held} bytes");
    }
}

/// Thousands of requests at once, and nobody who reads the answers.
#[test]
fn client_that_never_reads_makes_the_guarded_server_hold_little() {
    let victim = Victim::start("guarded");
    let mut bystander = Bystander::of(&victim);
    bystander.is_served("nothing");
    let before = victim.memory();
    let requests = "GET /_geecache/scores/Tom HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let mut deaf: Vec<Client> = (0..20).map(|_| Client::connect(victim.addr)).collect();
    for client in &mut deaf {
        client.send_what_is_taken(requests.as_bytes(), 16 << 20);
        bystander.is_served("requests whose answers nobody reads");
    }
    let held = victim.memory().saturating_sub(before);
    println!("{held} bytes for {} that never read", deaf.len());
    assert!(held < 8 << 20, "{held} bytes");
}

/// Clients that are gone before anybody looks.
#[test]
fn clients_that_leave_at_once_are_forgotten() {
    for server in ["guarded", "tiny_http"] {
        let victim = Victim::start(server);
        let mut bystander = Bystander::of(&victim);
        for n in 0..if is_long() { 10_000 } else { 500 } {
            let mut client = Client::connect(victim.addr);
            match n % 4 {
                0 => {}
                1 => client.send(b"GET /_geecache/scores/Tom HTT"),
                2 => client.send(b"GET /_geecache/scores/Tom HTTP/1.1\r\nHost: x\r\n\r\n"),
                _ => client.send_no_more(),
            }
            if n % 2 == 0 {
                client.reset();
            }
            if n % 50 == 0 {
                bystander.is_served("clients that left");
            }
        }
        until("all of them are forgotten", || victim.descriptors() < 60);
        bystander.is_served("clients that left");
    }
}
