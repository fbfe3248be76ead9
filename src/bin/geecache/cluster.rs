//! [`Cluster`]: the peers that the program talks to.

use std::env;
use std::fmt;
use std::io;
use std::panic::resume_unwind;
use std::thread::{self, Builder};
use std::time::{Duration, Instant};

use geecache::{Group, HttpGetter, HttpPool, PeerError, PeerErrorKind, PeerReport, RemoveOutcome};
use serde_json::{Value, json};

use crate::args::{Args, parts};
use crate::failure::{Exit, Failure, exit_of, hint_about_tls};
use crate::format::plural;
use crate::output::Output;
use crate::settings::Settings;
use crate::url_ring::UrlRing;
use crate::view::View;

/// Where a peer's view is.
pub(crate) const STATUS: &str = "/status.json";
/// More peers than that are a mistake.
const MAX_PEERS: usize = 1_000;
/// So many peers are asked at once.
const AT_ONCE: usize = 64;

/// The peers of a cluster, in the order of their URLs.
pub(crate) struct Cluster {
    pub(crate) settings: Settings,
    pub(crate) members: Vec<Member>,
    /// Whether a peer has named them.
    pub(crate) is_told_by_peer: bool,
}

/// One peer.
pub(crate) struct Member {
    pub(crate) url: String,
    pub(crate) getter: HttpGetter,
}

/// What is doubtful about the peers that were named.
pub(crate) enum Doubt {
    /// The only one does not answer, or not us.
    Silent(PeerError),
    /// The only one does not tell who the others are.
    NoList(String),
    /// They are not those that this one of them tells.
    OtherList(String),
    /// Their ring is not the one that was asked for: whose, and by which options it is had.
    OtherRing(String, String),
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent(error) => error.fmt(f),
            Self::NoList(url) => write!(
                f,
                "{url} does not tell who the other peers are: if there are any, name them all"
            ),
            Self::OtherList(url) => write!(
                f,
                "{url} has another list of peers than was named, so keys may have other owners; \
                 name it alone, or see: geecache check"
            ),
            Self::OtherRing(url, options) => write!(
                f,
                "the ring of {url} is that of {options}, so keys have other owners there than by \
                 the options given; leave them out"
            ),
        }
    }
}

/// What became of a question for a status.
pub(crate) struct Look {
    pub(crate) view: Result<View, PeerError>,
    pub(crate) took: Duration,
}

impl Look {
    /// Whether the peer answers, be it without a status.
    pub(crate) fn is_answer(&self) -> bool {
        match &self.view {
            Ok(_) => true,
            Err(error) => {
                !matches!(error.kind(), PeerErrorKind::Unreachable | PeerErrorKind::TimedOut)
            }
        }
    }
}

impl Cluster {
    /// The peers that the options or the environment name. A single one is asked for the others,
    /// and has to answer. What the peers have in common is learned from one of them.
    pub(crate) fn find(args: &Args, out: &Output) -> Result<Self, Failure> {
        let (cluster, doubt) = Self::named(args)?;
        match doubt {
            Some(Doubt::Silent(error)) => return Err(Failure::peer(&error)),
            Some(doubt) => out.warn(doubt),
            None => {}
        }
        Ok(cluster)
    }

    /// As `find`; with what is doubtful about them.
    pub(crate) fn named(args: &Args) -> Result<(Self, Option<Doubt>), Failure> {
        let mut settings = Settings::of(args)?;
        let mut urls = urls(args, &settings)?;
        let teacher = if let [url] = &urls[..] {
            Some(look(&settings.getter(url)?).view)
        } else {
            teacher(&urls, &settings)?.map(Ok)
        };
        let (mut is_told_by_peer, mut doubt) = (false, None);
        match teacher {
            Some(Ok(view)) => {
                let other_ring = settings.other_ring(&view);
                settings.learn(&view);
                let mut list = view.list;
                list.sort();
                if urls.len() > 1 && urls != list {
                    doubt = Some(Doubt::OtherList(view.url.clone()));
                } else if !list.is_empty() {
                    is_told_by_peer = urls.len() == 1;
                    urls = list;
                }
                if let (None, Some(options)) = (&doubt, other_ring) {
                    doubt = Some(Doubt::OtherRing(view.url, options));
                }
            }
            Some(Err(error)) => {
                let has_no_say = exit_of(error.kind()) == Exit::PeerFailed;
                let url = urls[0].clone();
                doubt = Some(if has_no_say { Doubt::NoList(url) } else { Doubt::Silent(error) });
            }
            None => {}
        }
        if urls.len() > MAX_PEERS {
            return Err(Failure::usage(format_args!("more than {MAX_PEERS} peers")));
        }
        let members = urls.into_iter().map(|url| {
            let getter = settings.getter(&url)?;
            Ok(Member { url, getter })
        });
        let members = members.collect::<Result<_, Failure>>()?;
        let cluster = Self { settings, members, is_told_by_peer };
        if args.text("zone").is_some() && cluster.ring().is_empty() {
            let zone = cluster.settings.zone();
            let failure = Failure::usage(format_args!("no peer is in the zone {zone:?}"));
            return Err(failure.hint("see: geecache stats"));
        }
        Ok((cluster, doubt))
    }

    pub(crate) fn ring(&self) -> UrlRing {
        self.settings.ring(self.members.iter().map(|member| &member.url))
    }

    /// The peers of the zone, in the order in which they would own `key`.
    pub(crate) fn owners(&self, key: &str) -> Vec<&Member> {
        let ring = self.ring();
        ring.owners(key).filter_map(|url| self.member(url)).collect()
    }

    pub(crate) fn member(&self, url: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.url == url)
    }

    /// A group of that name whose changes reach all peers. It has nothing and loads nothing.
    pub(crate) fn group(&self, name: &str) -> Result<Group, Failure> {
        check_group(name)?;
        let peers = self.members.iter().map(|member| self.settings.address(&member.url));
        let mut builder = self.settings.builder();
        if !self.settings.zone().is_empty() {
            builder = builder.zone(self.settings.zone());
        }
        let pool: HttpPool = builder.client(peers)?;
        let group =
            Group::new(name, 0, |_: &str| Err::<&str, _>(io::Error::other("not loaded here")));
        pool.add(&group)?;
        Ok(group)
    }

    /// Asks all peers at once, as far as there are threads; what each of them answered, in their
    /// order.
    pub(crate) fn ask<T: Send>(&self, ask: impl Fn(&Member) -> T + Sync) -> Vec<T> {
        let ask = &ask;
        let mut answers = Vec::with_capacity(self.members.len());
        for some in self.members.chunks(AT_ONCE) {
            thread::scope(|scope| {
                let spawn = |member| Builder::new().spawn_scoped(scope, move || ask(member)).ok();
                let threads: Vec<_> = some.iter().map(|member| (member, spawn(member))).collect();
                answers.extend(threads.into_iter().map(|(member, thread)| {
                    let Some(thread) = thread else { return ask(member) };
                    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
                }));
            });
        }
        answers
    }

    /// The status of all peers.
    pub(crate) fn look(&self) -> Vec<Look> {
        self.ask(|member| look(&member.getter))
    }

    /// As `look`; an error if none of them answers.
    pub(crate) fn look_well(&self) -> Result<Vec<Look>, Failure> {
        let looks = self.look();
        let errors: Vec<&PeerError> =
            looks.iter().filter_map(|look| look.view.as_ref().err()).collect();
        if errors.len() == looks.len() {
            return Err(match errors.iter().find(|error| !is_silence(error)) {
                Some(error) if error.kind() == PeerErrorKind::Unauthorized => Failure::peer(error),
                Some(_) => {
                    let failure = Failure::new(Exit::PeerFailed, "no peer has a status page");
                    failure.hint("peers in Go, and older ones, have none; get works there")
                }
                None => nobody(&errors),
            });
        }
        Ok(looks)
    }
}

/// The URLs that the options or the environment name, in order.
fn urls(args: &Args, settings: &Settings) -> Result<Vec<String>, Failure> {
    let mut named = args.list("peers");
    if named.is_empty() {
        named = parts(&env::var("GEECACHE_PEERS").unwrap_or_default());
    }
    if named.is_empty() {
        named = args.list("from");
    }
    if named.is_empty() {
        let failure = Failure::usage("which peers?");
        return Err(failure.hint(
            "name them, or one of them: --peers http://10.0.0.1:8001, or set GEECACHE_PEERS",
        ));
    }
    let mut urls: Vec<String> = named.iter().map(|url| settings.url(url)).collect();
    urls.sort();
    urls.dedup();
    Ok(urls)
}

/// The status of the first of several peers that tells one. Those that do not answer are passed
/// over, up to a few of them; what they are asked next tells why.
fn teacher(urls: &[String], settings: &Settings) -> Result<Option<View>, Failure> {
    for url in urls.iter().take(3) {
        match look(&settings.getter(url)?).view {
            Ok(view) => return Ok(Some(view)),
            Err(error) if is_silence(&error) => {}
            // The others have none either.
            Err(_) => break,
        }
    }
    Ok(None)
}

/// Asks a peer for its status.
pub(crate) fn look(getter: &HttpGetter) -> Look {
    let begun = Instant::now();
    let page = getter.page(STATUS);
    let took = begun.elapsed();
    let read = |page: &[u8]| {
        let broken = || PeerError::new(PeerErrorKind::Protocol, getter.url(), "it has no status");
        View::read(page).ok_or_else(broken)
    };
    Look { view: page.and_then(|page| read(&page)), took }
}

pub(crate) fn is_silence(error: &PeerError) -> bool {
    exit_of(error.kind()) == Exit::NoAnswer
}

/// None of those that were asked has answered.
pub(crate) fn nobody(errors: &[&PeerError]) -> Failure {
    if let [error] = errors {
        return Failure::peer(error);
    }
    let mut message = format!("none of {} answered", plural(errors.len(), "peer"));
    for error in errors.iter().take(5) {
        message += &format!("\n  {error}");
    }
    let list = errors.iter().map(|error| error.peer()).collect::<Vec<_>>().join(",");
    let failure = Failure::new(Exit::NoAnswer, message);
    if let Some(hint) = errors.iter().find_map(|error| hint_about_tls(error)) {
        return failure.hint(hint);
    }
    failure.hint(format_args!("are they running? see: geecache check --peers {list}"))
}

/// Whether a key can be called `name`.
pub(crate) fn check_key(name: &str) -> Result<(), Failure> {
    if name.is_empty() {
        return Err(geecache::Error::EmptyKey.into());
    }
    Ok(())
}

/// Whether a group can be called `name`.
pub(crate) fn check_group(name: &str) -> Result<(), Failure> {
    if name.is_empty() || name.contains('/') {
        let name = name.to_owned();
        return Err(geecache::Error::InvalidGroup { name }.into());
    }
    Ok(())
}

/// What became of a change at each peer, as JSON.
pub(crate) fn reports(reports: &[PeerReport]) -> Value {
    let report = |report: &PeerReport| match &report.outcome {
        RemoveOutcome::Done => json!({"peer": report.peer, "outcome": "done"}),
        RemoveOutcome::Late => json!({"peer": report.peer, "outcome": "late"}),
        RemoveOutcome::NotSupported => json!({"peer": report.peer, "outcome": "not-supported"}),
        RemoveOutcome::Owed(error) | RemoveOutcome::Failed(error) => {
            json!({"peer": report.peer, "outcome": "failed", "error": error.to_string()})
        }
        other => json!({"peer": report.peer, "outcome": format!("{other:?}")}),
    };
    reports.iter().map(report).collect()
}

/// What the first peer said, if none of them has the group.
fn no_such_group(reports: &[PeerReport]) -> Option<&PeerError> {
    let mut first = None;
    for report in reports {
        match report.outcome.error() {
            Some(error) if error.kind() == PeerErrorKind::NoSuchGroup => {
                first = first.or(Some(error));
            }
            _ => return None,
        }
    }
    first
}

/// That a change did not reach all peers; none if it did.
pub(crate) fn incomplete(reports: &[PeerReport]) -> Option<Failure> {
    let reason = |report: &PeerReport| match &report.outcome {
        RemoveOutcome::Done | RemoveOutcome::Late => None,
        RemoveOutcome::NotSupported => {
            Some(format!("\n  {} can not be told: it knows no such request", report.peer))
        }
        RemoveOutcome::Owed(error) | RemoveOutcome::Failed(error) => Some(format!("\n  {error}")),
        other => Some(format!("\n  {}: {other:?}", report.peer)),
    };
    let reasons: Vec<String> = reports.iter().filter_map(reason).collect();
    if reasons.is_empty() {
        return None;
    }
    let refused = |report: &PeerReport| {
        report.outcome.error().is_some_and(|error| error.kind() == PeerErrorKind::Unauthorized)
    };
    if let Some(report) = reports.iter().find(|report| refused(report)) {
        if let Some(error) = report.outcome.error() {
            return Some(Failure::peer(error));
        }
    }
    let errors: Vec<&PeerError> = reports
        .iter()
        .filter_map(|report| report.outcome.error().filter(|error| is_silence(error)))
        .collect();
    if errors.len() == reports.len() {
        return Some(nobody(&errors));
    }
    if let Some(error) = no_such_group(reports) {
        return Some(Failure::peer(error));
    }
    let of = format!("{} of {}", reasons.len(), plural(reports.len(), "peer"));
    let failure = Failure::new(
        Exit::Incomplete,
        format_args!("{of} did not do it, and may have older values:{}", reasons.concat()),
    );
    let can_not = |report: &PeerReport| matches!(report.outcome, RemoveOutcome::NotSupported);
    Some(failure.hint(match reports.iter().any(can_not) {
        true => "peers in Go, and older ones, can not be told; what they have ends by itself",
        false => "run it again when they are back; it does no harm twice",
    }))
}
