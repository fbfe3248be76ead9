//! The outcome, as a table or as JSON.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::Micros;
use super::contenders::Contender;
use super::goals;
use super::options::Options;
use super::scenario::Scenario;

/// What one turn of a contender gave.
pub(super) struct Sample {
    /// Keys whose values came.
    pub(super) gets: u64,
    pub(super) time: Duration,
    /// Of whole calls.
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// Time on processors, of server and client together.
    pub(super) cpu: Option<Duration>,
}

impl Sample {
    fn rate(&self) -> f64 {
        self.gets as f64 / self.time.as_secs_f64()
    }
}

/// All turns of one contender in one case.
pub(super) struct Summary {
    /// Gets per second of the best turn, which is the one that the machine disturbed least.
    pub(super) best: f64,
    pub(super) median: f64,
    /// The least of all turns.
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    /// Time on processors for one get.
    pub(super) cpu: Option<Duration>,
}

impl Summary {
    pub(super) fn of(samples: &[Sample]) -> Option<Self> {
        let mut rates: Vec<f64> = samples.iter().map(Sample::rate).collect();
        rates.sort_by(f64::total_cmp);
        let gets: u64 = samples.iter().map(|sample| sample.gets).sum();
        let cpu: Option<Duration> = samples.iter().map(|sample| sample.cpu).sum();
        Some(Self {
            best: *rates.last()?,
            median: rates[rates.len() / 2],
            p50: samples.iter().map(|sample| sample.p50).min()?,
            p99: samples.iter().map(|sample| sample.p99).min()?,
            cpu: cpu
                .map(|cpu| Duration::from_nanos((cpu.as_nanos() / u128::from(gets.max(1))) as u64)),
        })
    }
}

pub(super) type Samples = Vec<(Contender, Vec<Sample>)>;

/// All that is known at the end.
pub(super) struct Report {
    machine: String,
    pub(super) versions: Vec<String>,
    pub(super) missing: Vec<(Contender, String)>,
    pub(super) cases: Vec<(Scenario, Samples)>,
    pub(super) fresh: Vec<Fresh>,
}

/// What a get over a new connection costs.
pub(super) struct Fresh {
    pub(super) contender: Contender,
    pub(super) handshake: String,
    /// The mean of the best turn.
    pub(super) least: Duration,
}

impl Report {
    pub(super) fn new(machine: String) -> Self {
        Self {
            machine,
            versions: Vec::new(),
            missing: Vec::new(),
            cases: Vec::new(),
            fresh: Vec::new(),
        }
    }

    /// The best and other figures of a contender in a case.
    pub(super) fn summary(&self, contender: Contender, case: Scenario) -> Option<Summary> {
        let (_, samples) = self.cases.iter().find(|(it, _)| *it == case)?;
        Summary::of(&samples.iter().find(|(it, _)| *it == contender)?.1)
    }

    /// What stands above the rows.
    pub(super) fn head(&self, options: &Options) -> String {
        let mut text = format!("{}\n", self.machine);
        if !self.versions.is_empty() {
            let _ = writeln!(text, "{}", self.versions.join("; "));
        }
        for (contender, how) in &self.missing {
            let _ = writeln!(text, "MISSING: {contender}; {how}");
        }
        let _ = writeln!(
            text,
            "Best and median of {} turns of {:?}; the least p50 and p99, of calls; `cpu` is \
             time on processors of server and \
             client for one get.\n",
            options.rounds, options.slice,
        );
        let _ = writeln!(text, "{}", Row::TITLES);
        let _ = writeln!(text, "|--:|--:|--:|:--|--:|--:|--:|--:|--:|--:|--:|");
        text
    }

    /// What stands below them.
    pub(super) fn tail(&self) -> String {
        let mut text = self.protected();
        for Fresh { contender, handshake, least } in &self.fresh {
            let _ = writeln!(
                text,
                "- a get over a new connection, {contender}, handshake {handshake}: {} µs",
                Micros(*least),
            );
        }
        text.push_str("\nGoals\n\n");
        for goal in goals::judge(self) {
            let _ = writeln!(text, "- {goal}");
        }
        text
    }

    /// What it costs to keep others out: the parts that are left of what the guarded server does in
    /// plain text, kept connections first.
    fn protected(&self) -> String {
        let mut text = "\nProtected, as a part of gets/s in plain text\n\n".to_owned();
        for (scenario, samples) in &self.cases {
            let best = |contender| Some(self.summary(contender, *scenario)?.best);
            let Some(plain) = best(Contender::Guarded) else { continue };
            let others = samples.iter().map(|(contender, _)| *contender).filter(|contender| {
                *contender != Contender::Guarded && Contender::PROTECTED.contains(contender)
            });
            let parts: Vec<String> =
                others.filter_map(|it| Some(format!("{it} {:.2}", best(it)? / plain))).collect();
            if !parts.is_empty() {
                let _ = writeln!(text, "- {scenario}: {}", parts.join(", "));
            }
        }
        text
    }

    pub(super) fn json(&self, options: &Options) -> String {
        let mut text = String::from("{\n");
        let _ = writeln!(text, "  \"machine\": {},", Quoted(&self.machine));
        let versions: Vec<_> = self.versions.iter().map(|it| Quoted(it).to_string()).collect();
        let _ = writeln!(text, "  \"versions\": [{}],", versions.join(", "));
        let missing = self.missing.iter().map(|(contender, how)| {
            let name = Quoted(contender.name());
            format!("{{\"contender\": {name}, \"how\": {}}}", Quoted(how))
        });
        let _ = writeln!(text, "  \"missing\": [{}],", missing.collect::<Vec<_>>().join(", "));
        let (rounds, slice) = (options.rounds, options.slice.as_millis());
        let _ =
            writeln!(text, "  \"rounds\": {rounds},\n  \"slice_ms\": {slice},\n  \"results\": [");
        let mut lines = Vec::new();
        for (scenario, samples) in &self.cases {
            for (contender, samples) in samples {
                lines.extend(json_line(scenario, *contender, samples));
            }
        }
        let _ = writeln!(text, "{}\n  ],\n  \"new_connections\": [", lines.join(",\n"));
        let fresh = self.fresh.iter().map(|Fresh { contender, handshake, least }| {
            let (name, handshake) = (Quoted(contender.name()), Quoted(handshake));
            let least = least.as_nanos();
            format!("    {{\"contender\": {name}, \"handshake\": {handshake}, \"ns\": {least}}}")
        });
        let fresh: Vec<_> = fresh.collect();
        let _ = writeln!(text, "{}\n  ],\n  \"goals\": [", fresh.join(",\n"));
        let goals: Vec<_> = goals::judge(self).iter().map(goals::Goal::json).collect();
        let _ = writeln!(text, "{}\n  ]\n}}", goals.join(",\n"));
        text
    }
}

fn json_line(scenario: &Scenario, contender: Contender, samples: &[Sample]) -> Option<String> {
    let all = Summary::of(samples)?;
    let Scenario { threads, value_bytes, batch } = scenario;
    let rates: Vec<_> = samples.iter().map(|sample| format!("{:.0}", sample.rate())).collect();
    let cpu = all.cpu.map_or("null".to_owned(), |cpu| cpu.as_nanos().to_string());
    Some(format!(
        "    {{\"threads\": {threads}, \"value_bytes\": {value_bytes}, \"batch\": {batch}, \
         \"contender\": {}, \
         \"gets_per_s\": {:.0}, \"median_gets_per_s\": {:.0}, \"turns\": [{}], \"p50_ns\": {}, \
         \"p99_ns\": {}, \
         \"cpu_ns_per_get\": {cpu}}}",
        Quoted(contender.name()),
        all.best,
        all.median,
        rates.join(", "),
        all.p50.as_nanos(),
        all.p99.as_nanos(),
    ))
}

/// The rows of a case.
pub(super) fn rows(scenario: &Scenario, samples: &Samples) -> String {
    let best = |contender| {
        let (_, samples) = samples.iter().find(|(it, _)| *it == contender)?;
        Some(Summary::of(samples)?.best)
    };
    let (pair, groupcache) = (best(Contender::Pair), best(Contender::Groupcache));
    let mut text = String::new();
    for (contender, samples) in samples {
        let Some(summary) = Summary::of(samples) else { continue };
        let row = Row { scenario, contender: *contender, summary, pair, groupcache };
        let _ = writeln!(text, "{row}");
    }
    text
}

struct Row<'a> {
    scenario: &'a Scenario,
    contender: Contender,
    summary: Summary,
    pair: Option<f64>,
    groupcache: Option<f64>,
}

impl Row<'_> {
    const TITLES: &'static str = "| threads |  value | batch | contender          |  gets/s |  \
                                  median |  p50 µs |  p99 µs |  \
                                  cpu µs | of the pair | x groupcache |";
}

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scenario { threads, value_bytes, batch } = self.scenario;
        let Summary { best, median, p50, p99, cpu } = self.summary;
        let cpu = cpu.map_or("-".to_owned(), |cpu| Micros(cpu).to_string());
        let ratio = |to: Option<f64>| to.map_or("-".to_owned(), |to| format!("{:.2}", best / to));
        write!(
            f,
            "| {threads:>7} | {value_bytes:>6} | {batch:>5} | {:<18} | {best:>7.0} | \
             {median:>7.0} | {:>7} | {:>7} | {cpu:>7} \
             | {:>11} | {:>12} |",
            self.contender,
            Micros(p50),
            Micros(p99),
            ratio(self.pair),
            ratio(self.groupcache),
        )
    }
}

/// A text as a JSON string.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                _ if letter.is_control() => write!(f, "\\u{:04x}", u32::from(letter))?,
                _ => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}
