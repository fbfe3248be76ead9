//! The table of commands and their options. Parsing, help, completions and the manual page are made
//! from it.

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Get,
    Peek,
    Owner,
    Remove,
    Insert,
    Clear,
    Stats,
    Top,
    Ring,
    Check,
    Bench,
    Completions,
    Man,
    Help,
}

/// A command.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) action: Action,
    pub(crate) name: &'static str,
    /// One line, for lists.
    pub(crate) about: &'static str,
    /// The words behind it, as in `GROUP KEY...`.
    pub(crate) words: &'static str,
    /// How many of them there may be.
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) flags: &'static [Flag],
    /// What else should be known, as paragraphs.
    pub(crate) details: &'static [&'static str],
    /// Command lines and what they do.
    pub(crate) examples: &'static [(&'static str, &'static str)],
}

/// An option.
#[derive(Debug)]
pub(crate) struct Flag {
    pub(crate) long: &'static str,
    pub(crate) short: Option<char>,
    /// What its value is called; empty if it has none.
    pub(crate) value: &'static str,
    pub(crate) about: &'static str,
    /// The only values, if they are few.
    pub(crate) values: &'static [&'static str],
}

impl Flag {
    const fn switch(long: &'static str, about: &'static str) -> Self {
        Self { long, short: None, value: "", about, values: &[] }
    }

    const fn valued(long: &'static str, value: &'static str, about: &'static str) -> Self {
        Self { long, short: None, value, about, values: &[] }
    }

    const fn short(mut self, short: char) -> Self {
        self.short = Some(short);
        self
    }

    const fn one_of(mut self, values: &'static [&'static str]) -> Self {
        self.values = values;
        self
    }

    /// Whether its value is the name of a file.
    pub(crate) fn is_file(&self) -> bool {
        self.value == "FILE"
    }
}

/// The command called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// What the program is, in a line.
pub(crate) const ABOUT: &str = "Looks into a geecache cluster, and changes what it holds.";

const MANY: usize = usize::MAX;
/// No words, flags, details or examples.
const BARE: Command = Command {
    action: Action::Help,
    name: "",
    about: "",
    words: "",
    least: 0,
    most: 0,
    flags: &[],
    details: &[],
    examples: &[],
};

/// The options that all commands have.
pub(crate) const GLOBAL: &[Flag] = &[
    Flag::valued("peers", "URL,...", "the peers; or one of them, whose status names the rest")
        .short('p'),
    Flag::valued("token-file", "FILE", "a file with the cluster's token in its first line"),
    Flag::valued("timeout", "TIME", "how long a peer may take to answer [default: 2s]"),
    Flag::valued("protocol", "NAME", "what the cluster speaks [default: geecache]").one_of(&[
        "geecache",
        "geecache-protobuf",
        "groupcache",
        "mailgun",
        "groupcache-go",
        "galaxycache",
    ]),
    Flag::valued("base-path", "PATH", "where peers answer [default: that of the protocol]"),
    Flag::valued("hash", "NAME", "the hash of the ring [default: that of the protocol]")
        .one_of(&["crc32", "mixed", "balanced", "fnv1"]),
    Flag::valued("replicas", "N", "points of each peer on the ring [default: that of the hash]"),
    Flag::valued("zone", "NAME", "the zone whose owners are asked [default: that of the peer]"),
    #[cfg(feature = "tls")]
    Flag::valued("tls-ca", "FILE", "talks TLS to peers whose certificates this authority signed"),
    #[cfg(feature = "tls")]
    Flag::valued("tls-cert", "FILE", "the certificate to show, for mutual TLS"),
    #[cfg(feature = "tls")]
    Flag::valued("tls-key", "FILE", "the key of that certificate"),
    Flag::switch("json", "prints JSON, one value in each line"),
    Flag::valued("color", "WHEN", "colours [default: auto, on a terminal]")
        .one_of(&["auto", "always", "never"]),
    Flag::switch("verbose", "tells on standard error what happens at the connections").short('v'),
    Flag::switch("help", "tells about the command; -h is short").short('h'),
    Flag::switch("version", "prints the version").short('V'),
];

/// What the environment can say.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("GEECACHE_PEERS", "the peers, where --peers is not given"),
    ("GEECACHE_TOKEN", "the cluster's token, where --token-file is not given"),
    ("NO_COLOR", "no colours, if it is not empty"),
];

const INFO: Flag =
    Flag::switch("info", "also tells, on standard error, where the value came from").short('i');
const RAW: Flag = Flag::switch("raw", "writes the bytes as they are, to a terminal too");

/// All commands, in the order in which they are told.
pub(crate) const COMMANDS: &[Command] = &[
    Command {
        action: Action::Get,
        name: "get",
        about: "Prints the value of a key; its owner loads it if need be.",
        words: "GROUP KEY...",
        least: 2,
        most: MANY,
        flags: &[Flag::valued("from", "URL", "asks this peer, whatever keys it owns"), INFO, RAW],
        details: &[
            "Asks the owner of the key, and the next peer of the ring if the owner does not \
             answer. One value is written as it is, and with a line break behind it on a \
             terminal; one that is no text is written to a terminal with --raw only. Several \
             keys give a table.",
        ],
        examples: &[
            ("geecache get scores Tom", "prints the value"),
            ("geecache get images logo.png >logo.png", "keeps the bytes in a file"),
        ],
    },
    Command {
        action: Action::Peek,
        name: "peek",
        about: "Prints what is in memory, and never has anything loaded.",
        words: "GROUP KEY",
        least: 2,
        most: 2,
        flags: &[
            Flag::switch("all", "tells of each peer whether it has the key").short('a'),
            INFO,
            RAW,
        ],
        details: &[
            "Peers tell of keys that they own, and not of the short-lived copies of others.",
        ],
        examples: &[(
            "geecache peek scores Tom --all",
            "tells which peers have it, and for how long",
        )],
    },
    Command {
        action: Action::Owner,
        name: "owner",
        about: "Tells which peer owns a key.",
        words: "KEY...",
        least: 1,
        most: MANY,
        flags: &[Flag::switch("all", "all peers, in the order in which they stand in").short('a')],
        details: &[],
        examples: &[("geecache owner Tom", "prints the owner's URL")],
    },
    Command {
        action: Action::Remove,
        name: "remove",
        about: "Has all peers forget keys.",
        words: "GROUP KEY...",
        least: 2,
        most: MANY,
        flags: &[Flag::switch("tag", "the words behind GROUP are tags: all that has one of them")],
        details: &[
            "A peer that can't be reached keeps what it has: then the code is 6, and the report \
             names it. Run it again when the peer is back.",
        ],
        examples: &[
            ("geecache remove scores Tom Sam", "the next gets load both again"),
            ("geecache remove pages --tag user:7", "all values that were made from that user"),
        ],
    },
    Command {
        action: Action::Insert,
        name: "insert",
        about: "Puts a value in place of the present one, from a file or standard input.",
        words: "GROUP KEY [FILE]",
        least: 2,
        most: 3,
        flags: &[
            Flag::valued("ttl", "TIME", "how long the value lives [default: until it is evicted]"),
            Flag::valued("text", "TEXT", "the value itself, in place of a file"),
            Flag::switch("absent", "says that there is no such key; most groups need a --ttl"),
        ],
        details: &[
            "The owner keeps the value, and the others forget theirs. Without FILE, or where that \
             is -, the value is read from standard input to its end. At most 64 MiB. Where the \
             group has a getter, what it finds counts again once the value has ended.",
        ],
        examples: &[
            ("geecache insert scores Tom --text 631 --ttl 10m", ""),
            ("geecache insert images logo.png logo.png", "from a file"),
        ],
    },
    Command {
        action: Action::Clear,
        name: "clear",
        about: "Has all peers forget everything of a group. Asks first.",
        words: "GROUP",
        least: 1,
        most: 1,
        flags: &[Flag::switch("yes", "does not ask").short('y')],
        details: &["The source is asked for everything again: choose a quiet hour."],
        examples: &[("geecache clear scores --yes", "for scripts")],
    },
    Command {
        action: Action::Stats,
        name: "stats",
        about: "Prints what peers and groups have counted since they started.",
        words: "[GROUP]",
        least: 0,
        most: 1,
        flags: &[Flag::switch("by-peer", "the numbers of a group at each peer")],
        details: &[
            "GETS are keys that a peer's own program asked for, BY PEERS those that other peers \
             asked it for; the HITS beside them were in its memory.",
            "FAILURES are those of other peers that this one asked. P99 is what 99 of 100 answers \
             to other peers took at most, where that was worst. With --json the status of each \
             peer is printed as it is, a line for each.",
        ],
        examples: &[("geecache stats scores --by-peer", "")],
    },
    Command {
        action: Action::Top,
        name: "top",
        about: "Shows a running cluster: peers, rates, hit ratios, hot keys.",
        words: "",
        least: 0,
        most: 0,
        flags: &[
            Flag::valued("interval", "TIME", "from one look to the next [default: 1s]"),
            Flag::valued("sort", "COLUMN", "the order of the peers [default: peer]")
                .one_of(&["peer", "requests", "hits", "memory", "share"]),
            Flag::switch("once", "prints one screen and ends, without a terminal too"),
        ],
        details: &[
            "Keys: s chooses the order, r turns it round, p pauses, q and Ctrl-C end it.",
            "Gets are keys that peers were asked for, by their own programs and by other peers.",
        ],
        examples: &[("geecache top --interval 5s", "")],
    },
    Command {
        action: Action::Ring,
        name: "ring",
        about: "Shows how the keys are shared out, and what would move.",
        words: "",
        least: 0,
        most: 0,
        flags: &[
            Flag::valued("add", "URL,...", "as if these peers had joined"),
            Flag::valued("remove", "URL,...", "as if these peers had left"),
        ],
        details: &[],
        examples: &[("geecache ring --add http://10.0.0.4:8001", "how many keys would move to it")],
    },
    Command {
        action: Action::Check,
        name: "check",
        about: "Looks for what is wrong with a cluster.",
        words: "[GROUP]",
        least: 0,
        most: 1,
        flags: &[],
        details: &[
            "Whether all peers answer; whether their lists of peers, versions, protocols and \
             rings are the same; whether their clocks agree. With GROUP it also writes a key to \
             each peer, reads it from there and removes it. The keys begin with geecache-check-, \
             and nothing is loaded for them.",
        ],
        examples: &[("geecache check scores", "")],
    },
    Command {
        action: Action::Bench,
        name: "bench",
        about: "Puts load on a cluster from this machine, and tells how long answers took.",
        words: "GROUP",
        least: 1,
        most: 1,
        flags: &[
            Flag::valued("seconds", "N", "for how long, at most 3600 [default: 5]"),
            Flag::valued("threads", "N", "callers at once, at most 256 [default: 4]"),
            Flag::valued("keys", "N", "keys to write and read, at most 1000000 [default: 1000]"),
            Flag::valued("value-bytes", "SIZE", "the length of their values [default: 100]"),
            Flag::valued(
                "keys-from",
                "FILE",
                "reads these keys, one in each line, and writes none",
            ),
        ],
        details: &[
            "It writes keys of its own that begin with geecache-bench-, reads them in random \
             order and removes them. They take the room of others in the cache. With --keys-from \
             it asks for real keys, which the source is asked for where they are not in memory.",
        ],
        examples: &[("geecache bench scores --seconds 10 --threads 16", "")],
    },
    Command {
        action: Action::Completions,
        name: "completions",
        about: "Prints completions for a shell.",
        words: "SHELL",
        least: 1,
        most: 1,
        details: &["SHELL is bash, zsh or fish."],
        examples: &[
            ("geecache completions bash >~/.local/share/bash-completion/completions/geecache", ""),
            ("geecache completions zsh >~/.zfunc/_geecache", "a directory of your fpath"),
            ("geecache completions fish >~/.config/fish/completions/geecache.fish", ""),
        ],
        ..BARE
    },
    Command {
        action: Action::Man,
        name: "man",
        about: "Prints the manual page.",
        examples: &[("geecache man | man -l -", "reads it")],
        ..BARE
    },
    Command {
        action: Action::Help,
        name: "help",
        about: "Tells about a command.",
        words: "[COMMAND]",
        most: 1,
        ..BARE
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_option_of_a_command_has_the_name_of_another() {
        for command in COMMANDS {
            let flags = || GLOBAL.iter().chain(command.flags);
            let longs: BTreeSet<_> = flags().map(|flag| flag.long).collect();
            assert_eq!(longs.len(), flags().count(), "{}", command.name);
            let shorts: BTreeSet<_> = flags().filter_map(|flag| flag.short).collect();
            let count = flags().filter(|flag| flag.short.is_some()).count();
            assert_eq!(shorts.len(), count, "{}", command.name);
        }
    }
}
