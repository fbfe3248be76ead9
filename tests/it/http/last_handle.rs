//! What is left of a pool when its last handle is gone: nothing.

use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use geecache::{Group, HttpGetter, HttpPool, PeerGetter};

use crate::support::{SERVERS, SOON, until};

/// The shortest that there is. For so long tiny_http tells the clients that it had that it is over.
const IDLE: Duration = Duration::from_secs(15);

const CHILD: &str = "GEECACHE_TEST_LAST_HANDLE";
const NAME: &str = "http::last_handle::port_threads_and_groups_are_gone_after_the_last_handle";

/// Threads of this process.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// Threads can be counted where no other test runs, so this one runs itself in a process of its
/// own.
#[test]
fn port_threads_and_groups_are_gone_after_the_last_handle() {
    if env::var_os(CHILD).is_none() {
        let mut child = Command::new(env::current_exe().unwrap());
        let output = child.args(["--exact", NAME]).env(CHILD, "").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let before = threads();
    let witness = Arc::new(());
    let peers = SERVERS.map(|server| {
        let witness = Arc::clone(&witness);
        let group = Group::new("scores", 1 << 20, move |key: &str| {
            let _ = &witness;
            Ok::<_, std::convert::Infallible>(key.to_owned())
        });
        let builder = HttpPool::builder().server(server).idle_timeout(IDLE);
        let pool = builder.bind("127.0.0.1:0").unwrap();
        pool.add(&group).unwrap();
        pool
    });
    for pool in &peers {
        let getter = HttpGetter::new(pool.url().unwrap()).unwrap();
        assert!(getter.get("scores", "Tom").is_ok());
    }
    assert!(threads() >= before + 4 && Arc::strong_count(&witness) == 3);

    let addrs = peers.each_ref().map(|pool| pool.local_addr().unwrap());
    drop(peers);
    for addr in addrs {
        assert!(TcpStream::connect(addr).is_err(), "somebody still listens");
    }
    until("the groups are dropped", || Arc::strong_count(&witness) == 1);
    for (server, addr) in SERVERS.into_iter().zip(addrs) {
        HttpPool::builder().server(server).idle_timeout(IDLE).bind(addr).unwrap().shutdown();
    }
    let deadline = Instant::now() + 4 * SOON;
    while threads() > before {
        assert!(Instant::now() < deadline, "{} threads are left", threads() - before);
        thread::park_timeout(Duration::from_millis(20));
    }
}
