//! What values with types cost: groups of a small struct as JSON.
//!
//! In the regimes where all is resident every entry is hit: what is compared with a hit on bytes is
//! a hit that gives a struct. `DECODED` is what a program has to do that has bytes only.

use std::hint::black_box;
use std::io;

use geecache::{ByteView, Codec, Group, Json, TypedGroup};
use serde::{Deserialize, Serialize};

use crate::contenders::Contender;
use crate::workload::Stream;

pub const TYPED: &str = "geecache TypedGroup::get";
pub const DECODED: &str = "geecache Group::get, and JSON";

/// As JSON about as long as the values of the other rows.
#[derive(Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    mail: String,
    age: u8,
}

/// Room to spare, as for the bytes of all who hold everything.
const DECODED_BYTES: u64 = 1 << 30;

/// The getter of both groups.
type Load = fn(&str) -> io::Result<ByteView>;

fn load(key: &str) -> io::Result<ByteView> {
    let user = User {
        id: key.len() as u64,
        name: "Tom".to_owned(),
        mail: "tom@example.org".to_owned(),
        age: 41,
    };
    Ok(Json.encode(&user).map_err(io::Error::other)?.into())
}

/// Values that are decoded once for each entry, by the group that `make` makes of a getter.
pub fn kept(make: impl FnOnce(Load) -> Group) -> Box<dyn Contender> {
    let users: TypedGroup<str, User> =
        TypedGroup::builder_over(make(load), Json).decoded_bytes(DECODED_BYTES).build();
    let group = users.group().clone();
    let read = move |key: &str| {
        if let Ok(user) = users.get(key) {
            black_box(user.age);
        }
    };
    Box::new(Reader { group, read })
}

/// Values that are decoded at each get.
pub fn decoded(make: impl FnOnce(Load) -> Group) -> Box<dyn Contender> {
    let group = make(load);
    let bytes = group.clone();
    let read = move |key: &str| {
        let user = bytes.get(key).ok().and_then(|bytes| Json.decode(&bytes).ok());
        black_box(user.map(|user: User| user.age));
    };
    Box::new(Reader { group, read })
}

/// One that reads the values of a group.
struct Reader<F> {
    group: Group,
    read: F,
}

impl<F: Fn(&str) + Send + Sync> Contender for Reader<F> {
    fn replay(&self, stream: &Stream, _value: Option<&[u8]>) -> u64 {
        let misses = || self.group.main_cache_stats().misses;
        let before = misses();
        stream.keys().for_each(|key| (self.read)(key));
        let asked = stream.len() as u64;
        asked - (misses() - before).min(asked)
    }

    fn replay_with_writes(&self, stream: &Stream, value: &[u8]) -> u64 {
        let value = ByteView::from(value);
        let misses = || self.group.main_cache_stats().misses;
        let (mut asked, before) = (0, misses());
        for (at, key) in stream.keys().enumerate() {
            if at % 10 == 0 {
                black_box(self.group.insert(key, value.clone()).is_ok());
            } else {
                (self.read)(key);
                asked += 1;
            }
        }
        asked - (misses() - before).min(asked)
    }

    fn request(&self, key: &str, value: &[u8]) -> bool {
        self.replay(&Stream::of(key), Some(value)) == 1
    }

    fn fill(&self, stream: &Stream, _value: &[u8]) {
        stream.keys().for_each(|key| (self.read)(key));
    }
}
