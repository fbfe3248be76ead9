//! Faults of whole processes: peers that are killed, stopped, restarted and starved while they are
//! asked. This test binary starts itself again, as those peers.

#![cfg(all(unix, feature = "http"))]
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::print_stdout, reason = "a child answers on its standard output")]

mod peers;
mod removals;
mod rolling;

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use geecache::{HttpGetter, PeerGetter, PeerState, Server};

use peers::{Here, Process, SOON, until, value_of};

/// The servers by the names that a process is told.
const SERVERS: [&str; 2] = ["tiny_http", "guarded"];

#[test]
#[ignore = "not a test, but the program that the tests here start as their peers"]
fn peer_process() {
    peers::be_a_peer();
}

/// So many peers, every other one on the guarded server.
fn some_of_each(count: usize) -> Vec<Process> {
    (0..count).map(|n| Process::start(SERVERS[n % 2])).collect()
}

#[test]
fn peers_killed_under_load_are_done_without() {
    let mut others = some_of_each(4);
    let here = Here::with(Server::TinyHttp, &mut others);
    let load = here.load();
    load.goes_on(500);
    for victim in &mut others[..2] {
        victim.kill();
        until("it is known to be dead", || here.seen(&victim.url).state == PeerState::Down);
        load.goes_on(1000);
    }
    load.end();
}

#[test]
fn peers_restarted_on_their_ports_under_load_are_met_again() {
    let mut others = some_of_each(2);
    let here = Here::with(Server::Guarded, &mut others);
    let urls = here.urls(&others);
    let load = here.load();
    for _ in 0..2 {
        for peer in &mut others {
            load.goes_on(500);
            peer.kill();
            peer.restart(&urls);
            here.expect_back(&peer.url);
            let asked = here.seen(&peer.url).requests;
            load.goes_on(500);
            assert!(here.seen(&peer.url).requests > asked, "it has its share of the load again");
        }
    }
    load.end();
}

#[test]
fn five_of_six_peers_killed_one_after_another_leave_the_sixth_answering() {
    let mut others = some_of_each(5);
    let here = Here::with(Server::TinyHttp, &mut others);
    let load = here.load();
    for victim in &mut others {
        load.goes_on(300);
        victim.kill();
    }
    until("all of them are known to be dead", || {
        here.pool.peer_stats().iter().all(|peer| peer.state == PeerState::Down)
    });
    load.goes_on(1000);
    load.end();
}

#[test]
fn a_peer_stopped_for_five_seconds_is_done_without_and_met_again() {
    for server in SERVERS {
        let mut others = [Process::start(server), Process::start("guarded")];
        let here = Here::with(Server::TinyHttp, &mut others);
        let load = here.load();
        load.goes_on(500);
        let url = &others[0].url;
        let stopped = Instant::now();
        others[0].signal("-STOP");
        until("it is known to be silent", || here.seen(url).state == PeerState::Down);
        load.goes_on(500);
        thread::sleep(Duration::from_secs(5).saturating_sub(stopped.elapsed()));
        others[0].signal("-CONT");
        here.expect_back(url);
        load.goes_on(500);
        load.end();
    }
}

#[test]
fn a_peer_out_of_descriptors_answers_again_when_it_has_some() {
    for server in SERVERS {
        let mut others = [Process::start_with_descriptors(server, 64)];
        let here = Here::with(Server::TinyHttp, &mut others);
        let url = others[0].url.clone();
        let mut theirs = here.keys_of(&url);
        let ours = here.keys_of(here.pool.url().unwrap());
        let load = here.load();
        load.goes_on(100);

        // More connections than it has descriptors: those that it can't accept wait in its backlog.
        let addr = url.strip_prefix("http://").unwrap().parse().unwrap();
        let hoard: Vec<_> =
            (0..100).map(|_| TcpStream::connect_timeout(&addr, SOON).unwrap()).collect();
        load.goes_on(200);
        for key in theirs.by_ref().take(5) {
            let from = Instant::now();
            assert_eq!(here.group.get(&key).unwrap(), value_of(&key).as_str());
            assert!(from.elapsed() < SOON, "{server}: {:?}", from.elapsed());
        }
        for key in ours.take(5) {
            // It may find no descriptor for a connection to the owner.
            assert_eq!(others[0].ask(&format!("get {key}")), value_of(&key), "{server}");
        }
        drop(hoard);

        let getter = HttpGetter::new(&url).unwrap();
        until("it serves others again", || getter.get("scores", "Tom").is_ok());
        here.expect_back(&url);
        load.goes_on(200);
        load.end();
    }
}

#[test]
fn two_thousand_idle_connections_keep_nobody_waiting() {
    for server in SERVERS {
        let mut others = [Process::start_with_descriptors(server, 5000)];
        let here = Here::with(Server::TinyHttp, &mut others);
        let url = others[0].url.clone();
        let mut holder = Process::start_with_descriptors("guarded", 5000);
        let load = here.load();
        load.goes_on(100);
        let addr = url.strip_prefix("http://").unwrap();
        assert_eq!(holder.ask(&format!("hold {addr}")), "done");
        here.expect_back(&url);
        let asked = here.seen(&url).requests;
        load.goes_on(500);
        assert!(here.seen(&url).requests > asked, "{server}: it is asked as before");
        holder.kill();
        here.expect_back(&url);
        load.goes_on(500);
        load.end();
    }
}
