//! Peers on hosts with IPv6 of every kind. Each test runs in a process with a network of its own,
//! where there may be one.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::{env, thread};

use geecache::{Group, HttpPool};

use crate::support::{SERVERS, SOON};

/// Makes this test binary a process with a network of its own.
const CHILD: &str = "GEECACHE_TEST_NETWORK";

/// What the shell ends with where networks can't be made, or not like that.
const NO_NETWORK: i32 = 77;

/// Runs `test` of this module once more, in a network that `commands` set up. Whether this is that
/// run.
#[track_caller]
fn is_in_network(test: &str, commands: &str) -> bool {
    if env::var(CHILD).is_ok_and(|it| it == test) {
        return true;
    }
    let inner =
        format!("{{ ip link set lo up && {commands}; }} >&2 || exit {NO_NETWORK}; exec \"$@\"");
    let outer =
        format!("unshare -rn true || exit {NO_NETWORK}; exec unshare -rn sh -c \"$0\" sh \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &outer, &inner])
        .arg(env::current_exe().unwrap())
        .args(["--exact", &format!("http::ipv6::{test}"), "--nocapture", "--test-threads", "1"])
        .env(CHILD, test)
        .output();
    let Ok(output) = output else { return false };
    if output.status.code() != Some(NO_NETWORK) {
        let told = String::from_utf8_lossy(&output.stdout);
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && told.contains("1 passed"), "{told}\n{failed}");
    }
    false
}

fn group() -> Group {
    Group::new("g", 1 << 20, |key: &str| Ok::<_, String>(key.to_owned()))
}

/// The server of tiny_http needs connections to itself, or some of a burst are never answered.
#[test]
fn burst_is_answered_on_a_host_without_the_loopback_address() {
    let commands = "echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6";
    if !is_in_network("burst_is_answered_on_a_host_without_the_loopback_address", commands) {
        return;
    }
    assert!(TcpStream::connect("[::1]:1").is_err_and(|error| error.raw_os_error() == Some(99)));
    for (server, port) in SERVERS.into_iter().zip(8001..) {
        let url = format!("http://127.0.0.1:{port}");
        let builder = HttpPool::builder().server(server).advertise(&url);
        let pool = builder.bind(format!("[::]:{port}")).unwrap();
        pool.add(&group()).unwrap();
        for _ in 0..5 {
            let ask = move |n: usize| {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                stream.set_read_timeout(Some(SOON)).unwrap();
                let request = format!("GET /_geecache/g/{n} HTTP/1.1\r\nHost: x\r\n\r\n");
                stream.write_all(request.as_bytes()).unwrap();
                let mut answer = [0; 12];
                stream.read_exact(&mut answer).unwrap();
                assert_eq!(&answer, b"HTTP/1.1 200");
                // It stays open, so that its end frees no other one.
                stream
            };
            let threads: Vec<_> = (0..32).map(|n| thread::spawn(move || ask(n))).collect();
            let open = threads.into_iter().map(|thread| thread.join().unwrap());
            drop(open.collect::<Vec<_>>());
        }
    }
}

#[test]
fn peers_are_found_at_addresses_with_a_zone() {
    let commands = "ip addr add fe80::7/64 dev lo nodad";
    if !is_in_network("peers_are_found_at_addresses_with_a_zone", commands) {
        return;
    }
    for server in SERVERS {
        let peers = [(); 2].map(|()| {
            let pool = HttpPool::builder().server(server).timeout(SOON).bind(("fe80::7%lo", 0));
            let (pool, group) = (pool.unwrap(), group());
            pool.add(&group).unwrap();
            (pool, group)
        });
        let urls = peers.each_ref().map(|(pool, _)| pool.url().unwrap().to_owned());
        for (pool, _) in &peers {
            // Its own URL has the number of the interface, and others may write its name.
            let port = pool.local_addr().unwrap().port();
            let own = pool.url().unwrap();
            assert!(own.starts_with("http://[fe80::7%25") && own.ends_with(&format!("]:{port}")));
            pool.set_peers(&urls).unwrap();
        }
        for (_, group) in &peers {
            for n in 0..20 {
                assert_eq!(group.get(&n.to_string()).unwrap(), n.to_string().as_str());
            }
            assert_eq!(group.stats().peer_errors, 0);
        }
        assert!(peers.iter().all(|(_, group)| group.stats().peer_loads > 0));

        let port = peers[0].0.local_addr().unwrap().port();
        let client = HttpPool::client([format!("http://[fe80::7%25lo]:{port}")]).unwrap();
        let asker = Group::new("g", 0, |_: &str| Err::<String, _>("asked in vain"));
        client.add(&asker).unwrap();
        assert_eq!(asker.get("by name").unwrap(), "by name");
    }
}
