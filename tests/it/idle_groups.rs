//! What groups take that nobody uses.

use std::process::Command;

use geecache::{ByteView, Group};

const GROUPS: usize = 2_000;
/// Tells the process that this test starts that it is to make the groups.
const IS_CHILD: &str = "GEECACHE_TEST_IDLE_GROUPS";

/// A process of its own makes them: in this one, other tests take memory at the same time.
#[test]
#[allow(clippy::print_stdout, reason = "it is how the other process tells")]
fn groups_that_nobody_uses_take_less_than_4_kib_each() {
    if std::env::var_os(IS_CHILD).is_some() {
        println!("grown {} bytes", grown());
        return;
    }
    let name = "idle_groups::groups_that_nobody_uses_take_less_than_4_kib_each";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(IS_CHILD, "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let grown = text.split("grown ").nth(1).and_then(|rest| rest.split(' ').next());
    let grown: usize = grown.unwrap_or_else(|| panic!("it told nothing: {text}")).parse().unwrap();
    assert!(grown / GROUPS < 4096, "{} bytes per group", grown / GROUPS);
}

fn grown() -> usize {
    let before = resident_bytes();
    let group = |i| {
        let getter = |_: &str| Ok::<_, std::io::Error>(ByteView::from(""));
        Group::new(format!("group {i}"), 64 << 20, getter)
    };
    let groups: Vec<Group> = (0..GROUPS).map(group).collect();
    let grown = resident_bytes() - before;
    assert_eq!(groups.len(), GROUPS);
    grown
}

/// Memory that is not that of a file, as the program's own code is.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kib: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}
