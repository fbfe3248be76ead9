//! Getters that need a large stack. They run in a process of their own: where the stack is too
//! small, it is the end of the process.

use std::hint::black_box;
use std::process::Command;
use std::{env, io};

use geecache::{Group, HttpPool};

use crate::support::{SERVERS, SOON};

/// Makes this test binary the process in which it happens.
const CHILD: &str = "GEECACHE_TEST_STACK";

/// What the getter takes of the stack, and what its threads have.
const NEEDED_BYTES: usize = 3 << 20;
const STACK_BYTES: u64 = 6 << 20;

/// A getter that takes [`NEEDED_BYTES`] of the stack, and names the thread that it runs on.
fn deep(_: &str) -> io::Result<String> {
    /// Goes down until so much is taken since the frame at `top`.
    fn take(top: usize) -> u8 {
        let frame = black_box([1_u8; 1024]);
        let here = frame.as_ptr() as usize;
        if top.abs_diff(here) < NEEDED_BYTES { take(top).wrapping_add(frame[7]) } else { 0 }
    }
    let top = 0_u8;
    black_box(take(&raw const top as usize));
    Ok(std::thread::current().name().unwrap_or_default().to_owned())
}

fn group() -> Group {
    Group::builder("deep", 1 << 20, deep).stack_bytes(STACK_BYTES).build()
}

#[test]
fn getter_runs_on_a_stack_that_is_as_large_as_it_was_told_to_be() {
    if env::var(CHILD).is_ok() {
        return ask_for_it_in_every_way();
    }
    let output = Command::new(env::current_exe().unwrap())
        .args([
            "--exact",
            "http::stack::getter_runs_on_a_stack_that_is_as_large_as_it_was_told_to_be",
        ])
        .args(["--nocapture", "--test-threads", "1"])
        .env(CHILD, "yes")
        .env_remove("RUST_MIN_STACK")
        .output()
        .unwrap();
    let (told, failed) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}\n{failed}");
}

fn ask_for_it_in_every_way() {
    // A caller with a time limit.
    assert_eq!(group().get_timeout("key", SOON).unwrap(), "load deep");
    for server in SERVERS {
        let group = group();
        let pool = HttpPool::builder().server(server).stack_bytes(STACK_BYTES);
        let pool = pool.bind("127.0.0.1:0").unwrap();
        pool.add(&group).unwrap();
        // A peer of ours has a time limit.
        let asker = Group::new("deep", 0, |_: &str| Err::<String, _>("asked in vain"));
        let client = HttpPool::builder().timeout(SOON).client([pool.url().unwrap()]).unwrap();
        client.add(&asker).unwrap();
        assert_eq!(asker.get("one").unwrap(), "load deep", "{server:?}");
        // One of Go has none.
        let answer = by_hand(&pool.local_addr().unwrap().to_string());
        let name = if server == geecache::Server::Guarded { "connection" } else { "handler" };
        assert!(answer.ends_with(&format!("\r\n\r\ngeecache-{name}")), "{server:?}: {answer}");
    }
}

fn by_hand(addr: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let request = "GET /_geecache/deep/two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
