//! A shop that runs, and what is done to it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::Agent;

const PATIENCE: Duration = Duration::from_secs(20);

/// A shop that runs.
pub struct Shop {
    /// The first process, which was started here.
    child: Child,
    output: BufReader<ChildStdout>,
    folder: PathBuf,
    /// The URLs of the pages, and what each process says about itself.
    pub pages: [String; 2],
    pub processes: [Value; 2],
    pub agent: Agent,
}

impl Shop {
    pub fn open(name: &str, options: &[&str]) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_shop"))
            .args(["--port", "0", "--delay", "1", "--db"])
            .arg(folder.join("shop.db"))
            .args(options)
            // What it warns of is made on purpose here.
            .env("RUST_LOG", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let url = lines.find_map(|line| Some(line.split_once("process 1: ")?.1.to_owned()));
        let url =
            url.expect("it tells where it is").split('/').take(3).collect::<Vec<_>>().join("/");
        lines.find(|line| line.starts_with("Ctrl-C ends it")).unwrap();
        drop(lines);
        let config = Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE));
        let agent: Agent = config.build().into();
        let about = json(&ask(&agent, &format!("{url}/api/about")).1);
        let processes = [0, 1].map(|process| about["processes"][process].clone());
        let pages = processes.each_ref().map(|it| it["web"].as_str().unwrap().to_owned());
        assert_eq!(pages[0], url);
        Self { child, output, folder, pages, processes, agent }
    }

    /// Status and body of a page.
    pub fn page(&self, process: usize, path: &str) -> (u16, String) {
        ask(&self.agent, &format!("{}/{path}", self.pages[process]))
    }

    pub fn get(&self, process: usize, path: &str) -> Value {
        let (status, body) = self.page(process, &format!("api/{path}"));
        assert_eq!(status, 200, "{path}: {body}");
        json(&body)
    }

    pub fn post(&self, process: usize, path: &str, body: &str) -> Value {
        let url = format!("{}/api/{path}", self.pages[process]);
        let mut answer = self.agent.post(url).send(body).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        assert_eq!(answer.status(), 200, "{path}: {text}");
        json(&text)
    }

    pub fn set_price(&self, process: usize, id: u64, cents: u64) -> Value {
        self.post(process, &format!("products/{id}/price"), &format!("{{\"cents\":{cents}}}"))
    }

    /// What a process shows as the price.
    pub fn price(&self, process: usize, id: u64) -> u64 {
        let page = self.get(process, &format!("products/{id}"));
        page["product"]["answer"]["value"]["cents"].as_u64().unwrap()
    }

    /// What a process shows as left.
    pub fn left(&self, process: usize, id: u64) -> u64 {
        let page = self.get(process, &format!("products/{id}"));
        page["stock"]["answer"]["value"]["left"].as_u64().unwrap()
    }

    /// How often both processes have asked the database.
    pub fn queries(&self) -> u64 {
        [0, 1].map(|process| self.get(process, "about")["queries"].as_u64().unwrap()).iter().sum()
    }

    /// What the caches of both processes count.
    pub fn metric(&self, name: &str) -> u64 {
        let metrics = self.processes.each_ref().map(|process| {
            let url = process["pool"].as_str().unwrap();
            ask(&self.agent, &format!("{url}/metrics")).1
        });
        let lines = metrics.iter().flat_map(|metrics| metrics.lines());
        let count = |line: &str| line.strip_prefix(name)?.trim().parse::<u64>().ok();
        lines.filter_map(count).sum()
    }

    pub fn pid(&self, process: usize) -> String {
        self.processes[process]["pid"].to_string()
    }

    /// Changes the database without the shop.
    pub fn sql(&self, statement: &str) {
        let connection = rusqlite::Connection::open(self.folder.join("shop.db")).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection.execute_batch(statement).unwrap();
    }

    /// Ends its input, unless something else ends it. What it printed last, if it ended well.
    pub fn close(mut self) -> String {
        drop(self.child.stdin.take());
        until("it ends", || self.child.try_wait().unwrap());
        assert!(self.child.wait().unwrap().success());
        for process in [0, 1] {
            let is_there = signal("0", &self.pid(process));
            assert!(!is_there, "process {process} is left behind");
        }
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Where a test has failed. The second process ends with the first one.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn ask(agent: &Agent, url: &str) -> (u16, String) {
    let mut answer = agent.get(url).call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Whether the process was there.
pub fn signal(name: &str, pid: &str) -> bool {
    let kill = Command::new("kill").args([&format!("-{name}"), pid]).stderr(Stdio::null()).status();
    kill.unwrap().success()
}

/// What `look` finds in the end.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
