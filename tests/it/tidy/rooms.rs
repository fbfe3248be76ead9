//! Calls go down the list of rooms, never up.

use super::assert_none;
use super::graph::Graph;
use super::source::{Source, command_sources, crate_sources};

/// A folder whose rooms stand one above the other.
///
/// The room `group/memory` is the file `group/memory.rs` and all that stands below `group/memory/`.
/// The room `group.rs` is that file alone.
struct Floor {
    /// What it is about, as a room.
    of: &'static str,
    /// From the lowest to the highest: each uses only those that stand before it.
    rooms: &'static [&'static str],
    /// Between what stands in two of these lists is a wall: neither uses the other.
    walls: &'static [&'static [&'static str]],
}

/// The crate.
const CRATE: Floor = Floor {
    of: "",
    rooms: &[
        // They know nothing.
        "byteview",
        "one_line",
        "spans",
        "error",
        "sync",
        "stack",
        "clock",
        "random",
        "repeats",
        "histogram",
        "hot_keys",
        // Generic structures, and threads.
        "lru",
        "consistenthash",
        "singleflight",
        "workers",
        // What users implement and read.
        "origin",
        "change",
        "tag",
        "snapshot",
        "getter",
        "peers",
        "stats",
        "events",
        // The store, the load path, and the names of groups.
        "cache",
        "group",
        // Values and keys with types.
        "typed",
        "metrics",
        "registry",
        // One transport of many that could be.
        "http",
        // The kit for tests, over all of it.
        "testing",
        // Pages of the documentation, without code.
        "guide",
    ],
    walls: &[],
};

const GROUP: Floor = Floor {
    of: "group",
    rooms: &[
        // What the parts have in common.
        "group/snapshots",
        "group/error",
        "group/nesting",
        "group/batch",
        "group/telling",
        "group/call",
        // The four parts: each is given what it needs.
        "group/memory",
        "group/loads",
        "group/owners",
        "group/changes",
        // How much of a batch is loaded at a time for peers.
        "group/portions",
        // What joins them, what peers may ask, the handle, and what makes it.
        "group/parts",
        "group/peer_side",
        "group/take_over",
        "group.rs",
        "group/change_side",
        "group/snapshot_side",
        "group/typed_side",
        "group/builder",
    ],
    walls: &[&["group/memory"], &["group/loads"], &["group/owners"], &["group/changes"]],
};

const HTTP: Floor = Floor {
    of: "http",
    rooms: &[
        // The clock of a pool, and pure functions.
        "http/time",
        "http/url",
        "http/address",
        "http/listed",
        "http/verdict",
        "http/date",
        "http/protobuf",
        "http/remove_keys",
        "http/small_file",
        "http/token",
        "http/tls",
        "http/protocol",
        "http/note",
        "http/wire",
        "http/frame",
        "http/since",
        // Who a process is to its peers, and what these say of themselves.
        "http/identity",
        // The memory of bodies.
        "http/glance",
        "http/budget",
        "http/arriving",
        // Peers that are asked.
        "http/breaker",
        "http/exchange",
        "http/peer",
        "http/getter",
        "http/peers",
        "http/discovery",
        // Peers that ask.
        "http/server",
        "http/handler",
        // Those who watch.
        "http/status",
        // The user's handle on both.
        "http/pool",
        "http/fuzz",
        "http/mod.rs",
    ],
    walls: &[
        &[
            "http/breaker",
            "http/exchange",
            "http/peer",
            "http/getter",
            "http/peers",
            "http/discovery",
        ],
        &["http/server", "http/handler"],
    ],
};

/// The command, which is a crate of its own.
const COMMAND: Floor = Floor {
    of: "",
    rooms: &[
        // They know nothing.
        "format",
        "style",
        "columns",
        "failure",
        "output",
        "log_to_stderr",
        // The table of commands, and what is made from it.
        "commands",
        "args",
        "help",
        "completions",
        "man",
        // The peers.
        "url_ring",
        "view",
        "settings",
        "cluster",
        // The commands.
        "value",
        "get",
        "changes",
        "ring",
        "stats",
        "check",
        "bench",
        "top",
    ],
    walls: &[],
};

#[test]
fn rooms_of_the_crate_use_lower_ones_only() {
    assert_none("a room uses those below it only", &CRATE.offences(crate_sources()));
}

#[test]
fn rooms_of_the_command_use_lower_ones_only() {
    assert_none("a room uses those below it only", &COMMAND.offences(command_sources()));
}

#[test]
fn parts_of_a_group_have_walls() {
    assert_none("a part of a group knows no other part", &GROUP.offences(crate_sources()));
}

#[test]
fn rooms_of_http_use_lower_ones_only() {
    assert_none("a room uses those below it only", &HTTP.offences(crate_sources()));
}

impl Floor {
    fn offences(&self, sources: &[Source]) -> Vec<String> {
        let mut offences = Vec::new();
        for room in self.walls.iter().copied().flatten().filter(|it| !self.rooms.contains(it)) {
            offences.push(format!("{room} has a wall, but is no room"));
        }
        for room in self.rooms {
            let is_there = |source: &Source| !source.is_test && is_in(room, &source.path);
            if !sources.iter().any(is_there) {
                offences.push(format!("there is no src/{room}, which is named as a room"));
            }
        }
        let is_homeless = |source: &&Source| {
            !source.is_test
                && !source.is_root()
                && is_in(self.of, &source.path)
                && self.room(&source.path).is_none()
        };
        for source in sources.iter().filter(is_homeless) {
            offences.push(format!("src/{} is in none of the rooms", source.path));
        }
        let graph = Graph::of(sources);
        for it in graph.uses() {
            let (user, used) = (graph.path(it.user), graph.path(it.used));
            let (Some(user), Some(used)) = (self.room(user), self.room(used)) else { continue };
            let (user_name, used_name) = (self.rooms[user], self.rooms[used]);
            if self.is_wall_between(user_name, used_name) {
                let why = format!("a wall is between {user_name} and {used_name}");
                offences.push(format!("{}: {why}", graph.show(&it)));
            } else if used > user {
                let why = format!("{used_name} stands above {user_name}");
                offences.push(format!("{}: {why}", graph.show(&it)));
            }
        }
        offences
    }

    /// The number of the room that a file is in.
    fn room(&self, path: &str) -> Option<usize> {
        self.rooms.iter().position(|room| is_in(room, path))
    }

    fn is_wall_between(&self, a: &str, b: &str) -> bool {
        let side = |room: &str| self.walls.iter().position(|side| side.contains(&room));
        matches!((side(a), side(b)), (Some(a), Some(b)) if a != b)
    }
}

fn is_in(room: &str, path: &str) -> bool {
    let below = path.strip_prefix(room);
    room.is_empty()
        || below.is_some_and(|below| matches!(below, "" | ".rs") || below.starts_with('/'))
}

mod tests {
    use super::*;
    use crate::tidy::source::tree;

    const FLOOR: Floor = Floor {
        of: "a",
        rooms: &["a/low", "a/left", "a/right", "a.rs"],
        walls: &[&["a/left"], &["a/right"]],
    };

    const FILES: &[(&str, &str)] = &[
        ("lib.rs", "mod a; use a::left::Left;"),
        ("a.rs", "mod low; mod left; mod right;\nuse left::Left;\npub use right::Right;"),
        ("a/low.rs", "#[cfg(test)]\nmod tests;\npub struct Low;"),
        ("a/low/tests.rs", "use crate::a::left::Left;"),
        ("a/left/mod.rs", "mod more; pub struct Left;"),
        ("a/left/more.rs", "use crate::a::{left::Left, low::Low};"),
        ("a/right.rs", "use crate::a::low::Low;\npub struct Right;"),
        ("b.rs", "use crate::a::Right;"),
    ];

    /// The offences of `FILES` with `change` in place of the file of that path.
    fn offences_with(change: (&str, &str)) -> Vec<String> {
        let others = FILES.iter().filter(|(path, _)| *path != change.0);
        let files: Vec<_> = others.copied().chain([change]).collect();
        FLOOR.offences(&tree("src", &files))
    }

    #[test]
    fn rooms_that_use_lower_ones_are_right() {
        assert_eq!(FLOOR.offences(&tree("src", FILES)), [""; 0]);
    }

    #[test]
    fn what_uses_an_upper_room_is_told_with_its_line() {
        let low = (
            "a/low.rs",
            "pub struct Low;\nfn b() { crate::a::left::Left }\n#[cfg(test)]\nmod tests;",
        );
        let expected = "src/a/low.rs:2 uses crate::a::left::Left: a/left stands above a/low";
        assert_eq!(offences_with(low), [expected]);
    }

    #[test]
    fn an_upper_room_can_not_be_used_by_the_name_of_the_folder_either() {
        let low = ("a/low.rs", "use crate::a::Right;\n#[cfg(test)]\nmod tests;\npub struct Low;");
        let expected = "src/a/low.rs:1 uses crate::a::Right: a/right stands above a/low";
        assert_eq!(offences_with(low), [expected]);
    }

    #[test]
    fn a_wall_holds_in_both_directions() {
        let wall = "a wall is between";
        let left = ("a/left/more.rs", "use crate::a::right::Right;");
        let expected =
            format!("src/a/left/more.rs:1 uses crate::a::right::Right: {wall} a/left and a/right");
        assert_eq!(offences_with(left), [expected]);
        let right = ("a/right.rs", "use crate::a::left::Left;\npub struct Right;");
        let expected =
            format!("src/a/right.rs:1 uses crate::a::left::Left: {wall} a/right and a/left");
        assert_eq!(offences_with(right), [expected]);
    }

    #[test]
    fn a_file_without_a_room_and_a_room_without_a_file_are_told() {
        let stray = ("a/stray.rs", "struct Stray;");
        assert_eq!(offences_with(stray), ["src/a/stray.rs is in none of the rooms"]);
        let floor = Floor { rooms: &["a/gone", "a/low", "a/left", "a/right", "a.rs"], ..FLOOR };
        let expected = "there is no src/a/gone, which is named as a room";
        assert_eq!(floor.offences(&tree("src", FILES)), [expected]);
    }
}
