//! The load generator: threads that ask for pages, one after the other, and change prices now and
//! then. It tells how fast that was, and where the values came from.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use ureq::Agent;

use crate::say;

/// In how many requests one is for a category, and one changes a price.
const CATEGORIES: u64 = 5;
const PRICES: u64 = 100;

pub struct Load {
    pub urls: Vec<String>,
    pub threads: u32,
    pub time: Duration,
}

impl Default for Load {
    fn default() -> Self {
        Self { urls: Vec::new(), threads: 8, time: Duration::from_secs(5) }
    }
}

/// What all threads know.
struct Shop {
    agent: Agent,
    urls: Vec<String>,
    categories: Vec<String>,
    /// By product: the version that the last change has returned. Nobody may see an older one.
    versions: BTreeMap<u64, AtomicU32>,
}

/// What a thread has seen.
#[derive(Default)]
struct Seen {
    /// How long pages took.
    micros: Vec<u64>,
    changes: u64,
    /// How many values came from where.
    origins: BTreeMap<String, u64>,
    old_prices: u64,
    failures: Vec<String>,
}

impl Load {
    /// Asks, and prints what came. Whether every page was there, and none had an old price.
    pub fn run(mut self) -> Result<bool, Box<dyn Error>> {
        if self.urls.is_empty() {
            self.urls = [8080, 8081].map(|port| format!("http://127.0.0.1:{port}")).to_vec();
        }
        let shop = Shop::at(self.urls)?;
        let before = shop.queries()?;
        let begun = Instant::now();
        let mut all = Seen::default();
        thread::scope(|scope| {
            let ask = |thread: u32| shop.ask_until(begun + self.time, thread);
            let threads: Vec<_> =
                (1..=self.threads).map(|thread| scope.spawn(move || ask(thread))).collect();
            for thread in threads {
                all.add(thread.join().expect("asking does not panic"));
            }
        });
        let (took, queries) = (begun.elapsed(), shop.queries()? - before);
        all.print(took, queries);
        Ok(all.failures.is_empty() && all.old_prices == 0)
    }
}

impl Shop {
    fn at(urls: Vec<String>) -> Result<Self, Box<dyn Error>> {
        let config =
            Agent::config_builder().proxy(None).timeout_global(Some(Duration::from_secs(10)));
        let agent = config.build().into();
        let mut shop = Self { agent, urls, categories: Vec::new(), versions: BTreeMap::new() };
        let about = shop.get(0, "api/about")?;
        for category in about["categories"].as_array().into_iter().flatten() {
            let category = category.as_str().unwrap_or_default().to_owned();
            let page = shop.get(0, &format!("api/categories/{category}"))?;
            let ids = page["shelf"]["answer"]["value"].as_array().into_iter().flatten();
            shop.versions.extend(ids.filter_map(Value::as_u64).map(|id| (id, AtomicU32::new(0))));
            shop.categories.push(category);
        }
        if shop.versions.is_empty() {
            return Err("there is nothing to ask for".into());
        }
        Ok(shop)
    }

    /// How often all processes have asked the database.
    fn queries(&self) -> Result<u64, Box<dyn Error>> {
        let asked = (0..self.urls.len()).map(|process| {
            let about = self.get(process, "api/about")?;
            Ok(about["queries"].as_u64().unwrap_or_default())
        });
        asked.sum()
    }

    fn ask_until(&self, end: Instant, thread: u32) -> Seen {
        let mut seen = Seen::default();
        // Any numbers do, so long as each thread has others.
        let mut random = u64::from(thread).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut below = |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        let ids: Vec<u64> = self.versions.keys().copied().collect();
        while Instant::now() < end {
            let process = below(self.urls.len() as u64) as usize;
            let id = ids[below(ids.len() as u64) as usize];
            let done = if below(PRICES) == 0 {
                self.change_price(process, id, 100 + below(900), &mut seen)
            } else if below(CATEGORIES) == 0 {
                let category = below(self.categories.len() as u64) as usize;
                let page = format!("api/categories/{}", self.categories[category]);
                self.read(process, &page, &mut seen)
            } else {
                self.read(process, &format!("api/products/{id}"), &mut seen)
            };
            if let Err(error) = done {
                seen.failures.push(error.to_string());
            }
        }
        seen
    }

    fn change_price(
        &self,
        process: usize,
        id: u64,
        cents: u64,
        seen: &mut Seen,
    ) -> Result<(), Box<dyn Error>> {
        let url = format!("{}/api/products/{id}/price", self.urls[process]);
        let answer = self.agent.post(url).send(json!({ "cents": cents }).to_string())?;
        let changed: Value = serde_json::from_str(&answer.into_body().read_to_string()?)?;
        seen.changes += 1;
        // A process that could not be told may have the old price for a while.
        if changed["everywhere"] == true {
            let version = changed["version"].as_u64().unwrap_or_default() as u32;
            self.versions[&id].fetch_max(version, Ordering::SeqCst);
        }
        Ok(())
    }

    fn read(&self, process: usize, page: &str, seen: &mut Seen) -> Result<(), Box<dyn Error>> {
        let known = |(id, version): (&u64, &AtomicU32)| (*id, version.load(Ordering::SeqCst));
        let at_least: BTreeMap<u64, u32> = self.versions.iter().map(known).collect();
        let begun = Instant::now();
        let page = self.get(process, page)?;
        seen.micros.push(begun.elapsed().as_micros() as u64);
        for part in ["shelf", "products", "product", "stock"] {
            let part = &page[part]["answer"];
            for value in part.as_array().map_or(std::slice::from_ref(part), Vec::as_slice) {
                let Some(from) = value["from"].as_str() else { continue };
                *seen.origins.entry(from.to_owned()).or_default() += 1;
                let product = &value["value"];
                if let (Some(id), Some(version)) =
                    (product["id"].as_u64(), product["version"].as_u64())
                {
                    let is_old = at_least.get(&id).is_some_and(|least| version < (*least).into());
                    seen.old_prices += u64::from(is_old);
                }
            }
        }
        Ok(())
    }

    fn get(&self, process: usize, page: &str) -> Result<Value, Box<dyn Error>> {
        let url = format!("{}/{page}", self.urls[process]);
        let answer = self.agent.get(&url).call().map_err(|error| format!("{url}: {error}"))?;
        Ok(serde_json::from_str(&answer.into_body().read_to_string()?)?)
    }
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.micros.extend(other.micros);
        self.changes += other.changes;
        for (origin, count) in other.origins {
            *self.origins.entry(origin).or_default() += count;
        }
        self.old_prices += other.old_prices;
        self.failures.extend(other.failures);
    }

    fn print(&mut self, took: Duration, queries: u64) {
        self.micros.sort_unstable();
        let pages = self.micros.len();
        let quantile = |part: f64| {
            let at = (pages as f64 * part) as usize;
            self.micros.get(at).map_or(0.0, |micros| *micros as f64 / 1000.0)
        };
        let values: u64 = self.origins.values().sum();
        let each_second = |count: u64| count as f64 / took.as_secs_f64();
        say(format_args!(
            "{pages} pages with {values} values, and {} new prices, in {:.1} s",
            self.changes,
            took.as_secs_f64()
        ));
        say(format_args!("{:>10.0} gets/s", each_second(values)));
        say(format_args!("{:>10.0} pages/s", each_second(pages as u64)));
        say(format_args!("{:>10.1} ms a page at p50, {:.1} at p99", quantile(0.5), quantile(0.99)));
        say("where the values came from:");
        let mut origins: Vec<_> = self.origins.iter().collect();
        origins.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (origin, count) in origins {
            let share = 100.0 * *count as f64 / values as f64;
            say(format_args!("{share:>9.2} %  {}", meaning(origin)));
        }
        let each = values / queries.max(1);
        say(format_args!("{queries:>10} queries of the database: one for {each} gets"));
        say(format_args!("{:>10} old prices", self.old_prices));
        if let Some(first) = self.failures.first() {
            say(format_args!("{:>10} requests failed; the first: {first}", self.failures.len()));
        }
    }
}

/// Where a value came from, in words.
fn meaning(origin: &str) -> &str {
    match origin {
        "memory" => "memory of the process that was asked, which owns the key",
        "copy" => "copy in the memory of the process that was asked",
        "stale" => "memory of the process that was asked, past the ttl",
        "owner-memory" => "memory of the owner, the other process",
        "owner" => "the owner, which has asked the database",
        "getter" => "the database, asked by the process that was asked",
        other => other,
    }
}
