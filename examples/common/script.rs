//! The scripted run of the demo: what it asks the API, what it has to get, and the table of what
//! came.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::errors::describe;
use super::output::{HEADING, count, human, row, say};
use super::scores::{Source, score};

/// Asks, prints a table, and fails if an answer is wrong or a key was loaded more than once.
pub(crate) fn run(api: SocketAddr, source: &Source) -> Result<(), Box<dyn Error>> {
    let client = Client::new(api);
    let rounds: [(&str, Vec<Row>); 5] = [
        ("For the first time", client.one_by_one(&["Tom", "Jack", "Sam"])),
        ("Again", client.one_by_one(&["Tom", "Jack", "Sam"])),
        ("A key that does not exist", client.one_by_one(&["kkk"])),
        ("48 requests at once, for two new keys", client.at_once(&[["Ann", "Kim"]; 24].concat())),
        ("All once more", client.one_by_one(&["Tom", "Jack", "Sam", "Ann", "Kim"])),
    ];

    say(format_args!("\n{HEADING}"));
    let mut wrong = 0;
    for (title, rows) in rounds {
        say(format_args!("{title}:"));
        for line in lines(&rows) {
            say(line);
        }
        wrong += rows.iter().filter(|row| !row.is_right()).count();
    }
    say("");
    if wrong > 0 {
        return Err(format!("{} got a wrong answer", count(wrong, "request")).into());
    }
    // One for each key: what was asked again came from memory, or joined the load that was under
    // way.
    match source.loads() {
        6 => Ok(()),
        loads => Err(format!("6 different keys made {}", count(loads, "load")).into()),
    }
}

/// One request and its answer.
struct Row {
    key: &'static str,
    answer: Seen,
    time: Duration,
}

/// What an answer said.
#[derive(PartialEq)]
struct Seen {
    /// 0 = there was no answer, and the body is the error.
    status: u16,
    body: String,
    owner: String,
    from: String,
}

impl Row {
    fn is_right(&self) -> bool {
        let Seen { status, body, .. } = &self.answer;
        match score(self.key) {
            Some(score) => (*status, &**body) == (200, score),
            None => (*status, &**body) == (404, &*format!("{} not exist\n", self.key)),
        }
    }
}

/// The rows as text; those that differ in nothing but the time share a line.
fn lines(rows: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<&Row> = rows.iter().collect();
    while let Some(&first) = rest.first() {
        let (same, others): (Vec<_>, _) =
            rest.into_iter().partition(|row| row.key == first.key && row.answer == first.answer);
        rest = others;

        let Seen { body, owner, from, .. } = &first.answer;
        let mut times: Vec<_> = same.iter().map(|row| row.time).collect();
        times.sort();
        let (key, time) = match times[..] {
            [shortest, .., longest] => (
                format!("{} x{}", first.key, same.len()),
                format!("{} to {}", human(shortest), human(longest)),
            ),
            _ => (first.key.to_owned(), human(first.time)),
        };
        let wrong = if first.is_right() { "" } else { "  WRONG" };
        let key = format!("  {key}");
        lines.push(row(&key, body.trim_end(), owner, from, &time) + wrong);
    }
    lines
}

/// A client of the API, over real HTTP.
struct Client {
    agent: ureq::Agent,
    api: SocketAddr,
}

impl Client {
    fn new(api: SocketAddr) -> Self {
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)));
        Self { agent: config.build().into(), api }
    }

    fn one_by_one(&self, keys: &[&'static str]) -> Vec<Row> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    fn at_once(&self, keys: &[&'static str]) -> Vec<Row> {
        let start = Barrier::new(keys.len());
        let get = |key| {
            start.wait();
            self.get(key)
        };
        thread::scope(|scope| {
            #[expect(clippy::needless_collect, reason = "all have to run before one is waited for")]
            let threads: Vec<_> = keys.iter().map(|key| scope.spawn(move || get(key))).collect();
            let rows = threads.into_iter().map(|thread| thread.join());
            rows.map(|row| row.expect("a request does not panic")).collect()
        })
    }

    fn get(&self, key: &'static str) -> Row {
        let start = Instant::now();
        let answer = self.ask(key).unwrap_or_else(|error| Seen {
            status: 0,
            body: describe(&error),
            owner: "?".into(),
            from: "?".into(),
        });
        Row { key, answer, time: start.elapsed() }
    }

    fn ask(&self, key: &str) -> Result<Seen, ureq::Error> {
        let mut answer = self.agent.get(format!("http://{}/api?key={key}", self.api)).call()?;
        let header = |name| {
            let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or("?").to_owned()
        };
        let (owner, from) = (header("Owner"), header("Answered-From"));
        let status = answer.status().as_u16();
        Ok(Seen { status, body: answer.body_mut().read_to_string()?, owner, from })
    }
}
