//! How fast a value comes from another process: geecache beside a pair of sockets that do nothing
//! else, memcached and golang/groupcache.
//!
//! Each contender is a server process and a client process; this program starts itself again for
//! those that it plays itself. All of them are up for the whole run and take turns of a fraction of
//! a second, so that whatever else the machine does hits all of them alike. A client asks from as
//! many threads as the case says, each of which waits for one answer before it asks again, and
//! checks the length and two bytes of every value.

mod client;
mod contenders;
mod geecache;
mod goals;
mod machine;
mod memcached;
mod options;
mod pair;
mod protection;
mod report;
mod scenario;

use std::fmt;
use std::process::exit;
use std::time::Duration;

use contenders::{Contender, Running};
use options::{Options, USAGE};
use protection::{Certificates, Protection};
use report::{Fresh, Report, Sample};
use scenario::Scenario;

use crate::BoxError;

/// Runs the comparison that `args` ask for, or one of its parts.
pub(crate) fn run(args: impl Iterator<Item = String>) {
    let mut args = args.peekable();
    let done = match args.peek().map(String::as_str) {
        Some("serve" | "ask") => play(&args.collect::<Vec<_>>()),
        _ => Options::parse(args).and_then(|options| match options {
            Some(options) => compare(&options),
            None => {
                print!("{USAGE}");
                Ok(())
            }
        }),
    };
    if let Err(error) = done {
        eprintln!("peers: {error}");
        exit(1);
    }
}

/// Is the server or the client of a contender, until its standard input ends.
fn play(args: &[String]) -> Result<(), BoxError> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["serve", "pair"] => pair::serve(),
        ["serve", server, protection, files] => {
            let protection = Protection::new(protection, files)?;
            geecache::serve(server, &protection)
        }
        ["ask", "pair", address] => client::obey(&pair::Client::new(address)?),
        ["ask", "geecache", protection, files, url] => {
            client::obey(&geecache::Client::new(url, Protection::new(protection, files)?)?)
        }
        ["ask", "memcached", address] => client::obey(&memcached::Client::new(address)?),
        _ => Err(format!("there is no part {}", args.join(" ")).into()),
    }
}

fn compare(options: &Options) -> Result<(), BoxError> {
    let mut running = Vec::new();
    let certificates = Certificates::make()?;
    let mut report = Report::new(machine::describe());
    for contender in Contender::ALL.into_iter().filter(|it| options.wants(*it)) {
        match contender.start(certificates.path())? {
            Ok(contender) => running.push(contender),
            Err(missing) => report.missing.push((contender, missing)),
        }
    }
    report.versions = running.iter().filter_map(|it| it.version.clone()).collect();
    if !options.json {
        print!("{}", report.head(options));
    }
    for scenario in options.scenarios() {
        let samples = measure(&mut running, &scenario, options)?;
        if !options.json {
            print!("{}", report::rows(&scenario, &samples));
        }
        report.cases.push((scenario, samples));
    }
    for contender in &mut running {
        report.fresh.extend(connections(contender, options.rounds)?);
    }
    if options.json {
        print!("{}", report.json(options));
    } else {
        print!("{}", report.tail());
    }
    Ok(())
}

/// All turns of all contenders in one case.
fn measure(
    running: &mut [Running],
    scenario: &Scenario,
    options: &Options,
) -> Result<Vec<(Contender, Vec<Sample>)>, BoxError> {
    let mut able: Vec<&mut Running> =
        running.iter_mut().filter(|it| it.contender.is_able_to(scenario)).collect();
    let mut samples: Vec<_> = able.iter().map(|it| (it.contender, Vec::new())).collect();
    for contender in &mut able {
        contender.prime(scenario).map_err(in_case(contender.contender, scenario))?;
    }
    for _ in 0..options.rounds {
        for (contender, (_, samples)) in able.iter_mut().zip(&mut samples) {
            let sample = contender.turn(scenario, options.slice);
            samples.push(sample.map_err(in_case(contender.contender, scenario))?);
        }
    }
    Ok(samples)
}

/// What a new connection costs: by kind of handshake, the least mean time of a get over one.
fn connections(running: &mut Running, rounds: usize) -> Result<Vec<Fresh>, BoxError> {
    /// New connections in a turn.
    const COUNT: usize = 100;
    let contender = running.contender;
    let handshakes: &[&str] = match contender {
        Contender::Guarded | Contender::Token => &["none"],
        Contender::Tls | Contender::MutualTls => &["full", "resumed"],
        _ => &[],
    };
    let mut all = Vec::new();
    for &handshake in handshakes {
        let mut least = Duration::MAX;
        for _ in 0..rounds {
            least = least.min(running.fresh(handshake, COUNT)?);
        }
        all.push(Fresh { contender, handshake: handshake.to_owned(), least });
    }
    Ok(all)
}

fn in_case(contender: Contender, scenario: &Scenario) -> impl Fn(BoxError) -> BoxError {
    let case = format!("{contender}, {scenario}");
    move |error| format!("{case}: {error}").into()
}

/// A duration in microseconds, with as many digits as tell something.
struct Micros(Duration);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_secs_f64() * 1e6;
        let digits = if micros < 10.0 { 2 } else { usize::from(micros < 1000.0) };
        f.pad(&format!("{micros:.digits$}"))
    }
}
