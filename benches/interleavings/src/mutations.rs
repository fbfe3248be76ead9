//! Breaks the promises of the crate one after the other, each by a change of a line or two, and
//! shows that a test finds it.
//!
//!     cargo run --release --manifest-path benches/interleavings/Cargo.toml
//!
//! It works on a copy, in the folder for temporary files. The copy has all changes, and a variable
//! of the environment says which one counts: so it is compiled once. A change whose text is no
//! longer in the source is an error: mend the list.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

/// A test that takes longer hangs, which is a find as well.
const LONGEST: Duration = Duration::from_secs(60);

/// A change that breaks a promise.
struct Mutation {
    /// The promise.
    promise: &'static str,
    file: &'static str,
    from: &'static str,
    /// `BROKEN` stands for whether this change counts. If not, it is the same as before.
    to: &'static str,
    /// The test that finds it, or the begin of its name.
    test: &'static str,
}

const MUTATIONS: &[Mutation] = &[
    Mutation {
        promise: "of those who come at the same time one flies",
        file: "src/singleflight.rs",
        from: "        let flight = self.flight(hash);\n        shard.push(",
        to: "        if BROKEN { drop(shard); shard = lock(self.flights.flights.shard(hash)); }\n        \
             let flight = self.flight(hash);\n        shard.push(",
        test: "one_flies",
    },
    Mutation {
        promise: "a load that a removal has doomed keeps nothing",
        file: "src/group/loads/flying.rs",
        from: "let is_wanted = || !flight.is_doomed();",
        to: "let is_wanted = || !flight.is_doomed() || BROKEN;",
        test: "what_is_read_after_a_removal",
    },
    Mutation {
        promise: "a clear dooms the loads that are under way",
        file: "src/singleflight.rs",
        from: "    pub(crate) fn doom_all(&self) {\n",
        to: "    pub(crate) fn doom_all(&self) {\n        if BROKEN { return; }\n",
        test: "what_is_read_after_a_clear",
    },
    Mutation {
        promise: "who leads a flight looks into the cache once more",
        file: "src/group/loads/flying.rs",
        from: "if let Some(found) = host.find(key) {",
        to: "if let Some(found) = host.find(key).filter(|_| !BROKEN) {",
        test: "callers_in_a_hurry",
    },
    Mutation {
        promise: "a flight ends also where its work panics",
        file: "src/singleflight/places.rs",
        from: "if self.is_followed() {\n            self.wake",
        to: "if self.is_followed() && !(BROKEN && std::thread::panicking()) {\n            self.wake",
        test: "flight_that_panics",
    },
    Mutation {
        promise: "each key of a batch ends the waits of its own followers",
        file: "src/singleflight/places.rs",
        from: "flight.place(at).followed.store(true, Ordering::Release);",
        to: "flight.place(if BROKEN { 0 } else { at }).followed.store(true, Ordering::Release);",
        test: "batches_that_meet",
    },
    Mutation {
        promise: "who has a batch loaded by a thread waits for it before it begins, too",
        file: "src/singleflight/places.rs",
        from: "self.wait_for_end(deadline, 0)",
        to: "self.wait_for_end(deadline, if BROKEN { u8::MAX } else { 0 })",
        test: "batch_with_an_expired_value",
    },
    Mutation {
        promise: "who waits for a thread is told when it has one",
        file: "src/workers.rs",
        from: "        seat.taken.notify_one();\n        Some(job)",
        to: "        if !BROKEN { seat.taken.notify_one(); }\n        Some(job)",
        test: "callers_in_a_hurry",
    },
    Mutation {
        promise: "an insertion dooms the loads of its key",
        file: "src/singleflight.rs",
        from: "if flying.is_of(hash, key) {\n                flying.flight",
        to: "if flying.is_of(hash, key) != BROKEN {\n                flying.flight",
        test: "load_that_began_before_an_insertion",
    },
    Mutation {
        promise: "no two reserve the same bytes of a cache",
        file: "src/cache/budget.rs",
        from: "self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()",
        to: "if !BROKEN {\n            \
             self.reserved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).is_ok()\n        \
             } else {\n            let sum = add(self.reserved());\n            \
             sum.inspect(|_| _ = self.reserved.fetch_add(bytes, Ordering::Relaxed)).is_some()\n        \
             }",
        test: "cache_never_holds_more",
    },
    Mutation {
        promise: "what was removed meanwhile is not taken over from a previous owner",
        file: "src/group/take_over.rs",
        from: "let is_wanted = || !owners.was_removed(key, warm_up);",
        to: "let is_wanted = || !owners.was_removed(key, warm_up) || BROKEN;",
        test: "what_the_other_removes_does_not_come_back",
    },
    Mutation {
        promise: "who owes a removal to a peer does not read from it",
        file: "src/group/changes/owing.rs",
        from: "let may_read = self.debts.may_read(peer, &self.journal);",
        to: "let may_read = self.debts.may_read(peer, &self.journal) || BROKEN;",
        test: "who_owes_a_removal_does_not_read",
    },
];

/// What `Cargo.toml` of the copy has besides. Each test runs for a moment only: most of the time
/// goes into compiling.
const PROFILE: &str = "
[profile.release.package.geecache-mutations]
opt-level = 0
";

/// What the library of the copy has besides. The variable is the number of the change that counts.
const WHETHER_BROKEN: &str = r#"
pub(crate) fn is_broken(number: usize) -> bool {
    static NUMBER: std::sync::OnceLock<Option<usize>> = std::sync::OnceLock::new();
    let number_told = || std::env::var("GEECACHE_MUTATION").ok()?.parse().ok();
    *NUMBER.get_or_init(number_told) == Some(number)
}
"#;

fn main() -> ExitCode {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copy = std::env::temp_dir().join(format!("geecache-mutations-{}", std::process::id()));
    let result = prepared(&here.join("../.."), &copy).map(|package| try_all(&package));
    if let Err(error) = fs::remove_dir_all(&copy) {
        eprintln!("{}: {error}", copy.display());
    }
    match result {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => {}
        Err(error) => eprintln!("{error}"),
    }
    ExitCode::FAILURE
}

/// Makes the copy, with all changes, and compiles it. Returns the folder of its package.
fn prepared(root: &Path, copy: &Path) -> Result<PathBuf, String> {
    let failed = |error: io::Error| error.to_string();
    let package = copy.join("benches/interleavings");
    for folder in ["src", "benches/interleavings/tests", "benches/interleavings/src"] {
        copy_folder(&root.join(folder), &copy.join(folder)).map_err(failed)?;
    }
    // Cargo does not tell apart two packages of one name that lie at the same place below their
    // workspaces. By another name the copy shares the folder of the original for what is compiled,
    // where all dependencies are.
    for (file, more) in [("Cargo.toml", PROFILE), ("Cargo.lock", "")] {
        let from = root.join("benches/interleavings").join(file);
        let text = fs::read_to_string(from).map_err(failed)?;
        let text = text.replace("geecache-interleavings", "geecache-mutations");
        fs::write(package.join(file), text + more).map_err(failed)?;
    }
    for (number, mutation) in MUTATIONS.iter().enumerate() {
        let path = copy.join(mutation.file);
        let text = fs::read_to_string(&path).map_err(failed)?;
        let count = text.matches(mutation.from).count();
        if count != 1 {
            let Mutation { promise, file, .. } = mutation;
            return Err(format!("{promise}: {file} has the text {count} times"));
        }
        let to = mutation.to.replace("BROKEN", &format!("crate::is_broken({number})"));
        fs::write(&path, text.replace(mutation.from, &to)).map_err(failed)?;
    }
    let library = copy.join("src/lib.rs");
    let text = fs::read_to_string(&library).map_err(failed)?;
    fs::write(&library, text + WHETHER_BROKEN).map_err(failed)?;
    cargo(&package, &["--no-run"], None)
        .map_err(|error| format!("the copy does not compile: {error}"))?;
    Ok(package)
}

/// Whether each mutation was found, and nothing where there is none.
fn try_all(package: &Path) -> bool {
    let first = MUTATIONS[0].test;
    if let Err(how) = cargo(package, &[first], None) {
        println!("{first} fails with no promise broken: {how}");
        return false;
    }
    let mut is_fine = true;
    for (number, mutation) in MUTATIONS.iter().enumerate() {
        let begun = Instant::now();
        let told = match cargo(package, &[mutation.test], Some(number)) {
            Ok(()) => {
                is_fine = false;
                format!("NOT FOUND by {}", mutation.test)
            }
            Err(how) => format!("found by {}, {how}", mutation.test),
        };
        println!("{}: {told} after {:.1?}", mutation.promise, begun.elapsed());
    }
    is_fine
}

/// Runs the tests of a package by cargo, with a mutation. An error is how it failed.
fn cargo(package: &Path, args: &[&str], mutation: Option<usize>) -> Result<(), String> {
    let mut child = Command::new(env!("CARGO"))
        .args(["test", "--release", "--locked", "--test", "orders"])
        .args(args)
        .current_dir(package)
        .env("CARGO_TARGET_DIR", target())
        .env("GEECACHE_MUTATION", mutation.map_or(String::new(), |number| number.to_string()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let until = Instant::now() + LONGEST;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(status.to_string()),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(20)),
            Ok(None) => {
                // It may just have ended.
                let _ = child.kill();
                let _ = child.wait();
                return Err("without an end".to_owned());
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// The folder for what is compiled, which this program itself lies in.
fn target() -> PathBuf {
    let program = std::env::current_exe().ok();
    let folder = program.as_deref().and_then(Path::parent).and_then(Path::parent);
    folder.map_or_else(|| PathBuf::from("target"), Path::to_owned)
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
