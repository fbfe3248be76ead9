//! [`ListedPeer`]: a peer as a list names it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::consistenthash::{MAX_REPLICAS, RingHash};
use crate::error::Error;
use crate::http::url::{PeerScheme, PeerUrl};

/// The name of a zone is no longer, in bytes.
pub(crate) const MAX_ZONE_BYTES: usize = 64;

/// A peer of a list: its URL, what it is called on the ring, how many times the usual share of the
/// keys it is to have, and in which zone it is.
///
/// It is written as the URL alone, or with options behind it:
/// `http://a:8001#weight=2&name=cache-0&zone=a`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ListedPeer {
    pub(crate) url: PeerUrl,
    pub(crate) name: Arc<str>,
    pub(crate) weight: NonZeroUsize,
    /// `None` is the zone of those that have no other.
    pub(crate) zone: Option<Arc<str>>,
}

impl ListedPeer {
    /// A peer of weight 1 and without a zone, which is called by its URL.
    pub(crate) fn new(url: PeerUrl) -> Self {
        let name = Arc::clone(url.text());
        Self { url, name, weight: NonZeroUsize::MIN, zone: None }
    }

    /// The same peer by another name.
    pub(crate) fn called(self, name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The same peer in a zone.
    pub(crate) fn in_zone(self, zone: Option<Arc<str>>) -> Self {
        Self { zone, ..self }
    }

    /// Reads a peer of those who are talked to by `scheme`. It is called by its URL.
    pub(crate) fn parse(text: &str, scheme: PeerScheme) -> Result<Self, Error> {
        let (url, options) = text.split_once('#').map_or((text, None), |(u, o)| (u, Some(o)));
        let mut peer = Self::new(PeerUrl::parse(url)?.for_scheme(scheme)?);
        let mut name = None;
        for option in options.into_iter().flat_map(|options| options.split('&')) {
            let refuse = |what: String| {
                let reason = format!("behind its # stands {option:?}, and not {what}");
                Err(Error::InvalidPeer { url: text.to_owned(), reason })
            };
            match option.split_once('=') {
                Some(("weight", text)) => match weight(text) {
                    Some(weight) => peer.weight = weight,
                    None => return refuse(format!("a weight from 1 to {MAX_REPLICAS}")),
                },
                Some(("name", text)) if !text.is_empty() => name = Some(text),
                Some(("name", _)) => return refuse("a weight, or a name with a letter".to_owned()),
                Some(("zone", text)) => match zone(text) {
                    Some(zone) => peer.zone = Some(zone),
                    None => return refuse(format!("a weight, or a zone: {ZONE_RULE}")),
                },
                _ => {
                    let known = "#weight=2), a name on the ring (#name=a) or a zone (#zone=a)";
                    return refuse(format!("a weight ({known}"));
                }
            }
        }
        if let Some(name) = name {
            peer = peer.called(name);
        }
        Ok(peer)
    }

    /// How lists of text write it.
    #[cfg(feature = "gossip")]
    pub(crate) fn text(&self) -> String {
        let Self { url, name, weight, zone } = self;
        let weight = (weight.get() != 1).then(|| format!("weight={weight}"));
        let name = (**name != *url.as_str()).then(|| format!("name={name}"));
        let zone = zone.as_ref().map(|zone| format!("zone={zone}"));
        let options: Vec<String> = weight.into_iter().chain(name).chain(zone).collect();
        if options.is_empty() { url.to_string() } else { format!("{url}#{}", options.join("&")) }
    }

    /// Sorts a list by its URLs, and leaves out what stands there twice. An error where the ring
    /// could not tell two peers apart, or would take one for two.
    pub(crate) fn tidy(mut list: Vec<Self>) -> Result<Vec<Self>, Error> {
        list.sort_unstable();
        list.dedup();
        if let Some(pair) = list.windows(2).find(|pair| pair[0].url == pair[1].url) {
            let (one, other) = (&pair[0], &pair[1]);
            return Err(one.invalid(if one.name != other.name {
                format!("it has two names on the ring, {:?} and {:?}", one.name, other.name)
            } else if one.weight != other.weight {
                let (one, other) = (one.weight, other.weight);
                format!("the list has it twice, with the weights {one} and {other}")
            } else {
                let [one, other] = [one, other].map(|it| it.zone.as_deref().unwrap_or("none"));
                format!("the list has it twice, with the zones {one} and {other}")
            }));
        }
        let mut by_name = HashMap::with_capacity(list.len());
        for peer in &list {
            if peer.name.is_empty() {
                return Err(peer.invalid("its name on the ring is empty".to_owned()));
            }
            if let Some(other) = by_name.insert(&peer.name, &peer.url) {
                let name = &peer.name;
                let reason = format!("{other} has the same name on the ring, {name:?}");
                return Err(peer.invalid(reason));
            }
        }
        Ok(list)
    }

    /// That the peer can't be in a list.
    pub(crate) fn invalid(&self, reason: String) -> Error {
        Error::InvalidPeer { url: self.url.as_str().to_owned(), reason }
    }

    /// A number that stands for all that decides who owns a key. Peers with the same number name
    /// the same owners; those who do not are told from each other as well as 32 bits can.
    pub(crate) fn digest(list: &[Self], hash: RingHash, replicas: NonZeroUsize) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(format!("{hash:?} {replicas}\n").as_bytes());
        for Self { url, name, weight, zone } in list {
            // In quotes, so that nothing in a name is taken for the next peer.
            hasher.update(format!("{url} {weight} {name:?}\n").as_bytes());
            if let Some(zone) = zone {
                hasher.update(format!(" {zone}\n").as_bytes());
            }
        }
        hasher.finalize()
    }
}

/// What the name of a zone may be.
pub(crate) const ZONE_RULE: &str = "up to 64 letters, digits and -._ of ASCII";

/// The name of a zone, if `text` can be one.
pub(crate) fn zone(text: &str) -> Option<Arc<str>> {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_name = (1..=MAX_ZONE_BYTES).contains(&text.len()) && text.bytes().all(may_be);
    is_name.then(|| text.into())
}

fn weight(text: &str) -> Option<NonZeroUsize> {
    let weight: NonZeroUsize = text.parse().ok()?;
    let is_plain = !text.starts_with(['+', '0']);
    (is_plain && weight.get() <= MAX_REPLICAS).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ListedPeer, Error> {
        ListedPeer::parse(text, PeerScheme::Http)
    }

    fn list(texts: &[&str]) -> Result<Vec<ListedPeer>, Error> {
        ListedPeer::tidy(texts.iter().map(|text| parse(text).unwrap()).collect())
    }

    #[test]
    fn peers_are_read_with_their_weights() {
        for (text, url, weight) in [
            ("http://a:1", "http://a:1", 1),
            ("http://a:1#weight=2", "http://a:1", 2),
            ("http://a:1/#weight=10000", "http://a:1", 10_000),
            ("http://a:1#name=weight=2", "http://a:1", 1),
            ("http://a:1#name=cache-0&weight=3", "http://a:1", 3),
        ] {
            let peer = parse(text).unwrap();
            assert_eq!((peer.url.as_str(), peer.weight.get()), (url, weight));
        }
    }

    #[test]
    fn peers_are_read_with_their_zones() {
        let long = "z".repeat(MAX_ZONE_BYTES);
        for (text, zone) in [
            ("http://a:1", None),
            ("http://a:1#zone=a", Some("a")),
            ("http://a:1#weight=2&zone=eu-west-1.a_b", Some("eu-west-1.a_b")),
            (&format!("http://a:1#zone={long}"), Some(&*long)),
        ] {
            assert_eq!(parse(text).unwrap().zone.as_deref(), zone, "{text}");
        }
        for text in
            ["http://a:1#zone=a b", "http://a:1#zone=ä", &format!("http://a:1#zone={long}z")]
        {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains("a zone: up to 64 letters"), "{error}");
        }
    }

    #[test]
    fn what_is_no_weight_is_refused_with_what_was_given() {
        for option in
            ["", "weight", "weight=", "weight=0", "weight=10001", "weight=+2"].into_iter().chain([
                "weight=02",
                "weight=1.5",
                "weight=2&",
                "zone=",
                "zone=a/b",
                "Weight=2",
                "name=",
            ])
        {
            let text = format!("http://a:1#{option}");
            match parse(&text) {
                Err(Error::InvalidPeer { url, reason }) => {
                    assert!(url == text && reason.contains("weight"), "{url}: {reason}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_peer_stands_in_a_list_once_and_with_one_weight() {
        let tidied = list(&["http://b:1", "http://A:1/", "http://a:1"]).unwrap();
        let urls: Vec<&str> = tidied.iter().map(|peer| peer.url.as_str()).collect();
        assert_eq!(urls, ["http://a:1", "http://b:1"]);
        let error = list(&["http://a:1", "http://a:1#weight=3"]).unwrap_err().to_string();
        assert!(error.contains("http://a:1") && error.contains("1 and 3"), "{error}");
        let error = list(&["http://a:1#zone=x", "http://a:1"]).unwrap_err().to_string();
        assert!(error.contains("http://a:1") && error.contains("none and x"), "{error}");
    }

    #[test]
    fn a_ring_can_tell_all_peers_of_a_list_apart_by_their_names() {
        let named = |name: &str, url: &str| parse(url).unwrap().called(name);
        let refused = |list: Vec<ListedPeer>| ListedPeer::tidy(list).unwrap_err().to_string();
        let twice = refused(vec![named("x", "http://a:1"), named("x", "http://b:1")]);
        assert!(twice.contains("http://b:1") && twice.contains("\"x\""), "{twice}");
        let two = refused(vec![named("x", "http://a:1"), named("y", "http://a:1")]);
        assert!(two.contains("two names"), "{two}");
        let empty = refused(vec![named("", "http://a:1")]);
        assert!(empty.contains("empty"), "{empty}");
        let same = vec![named("x", "http://a:1"), named("x", "http://a:1/")];
        assert_eq!(ListedPeer::tidy(same).unwrap(), [named("x", "http://a:1")]);
    }

    #[test]
    fn lists_that_name_other_owners_have_other_digests() {
        let digest = |texts: &[&str], hash: RingHash| {
            ListedPeer::digest(&list(texts).unwrap(), hash, hash.replicas())
        };
        let ours = digest(&["http://a:1", "http://b:1"], RingHash::Crc32);
        assert_eq!(digest(&["http://b:1/", "HTTP://A:1"], RingHash::Crc32), ours);
        for (other, hash) in [
            (&["http://a:1"][..], RingHash::Crc32),
            (&["http://a:1", "http://c:1"], RingHash::Crc32),
            (&["http://a:1", "http://b:1#weight=2"], RingHash::Crc32),
            (&["http://a:1", "http://b:1#zone=b"], RingHash::Crc32),
            (&["http://a:1#zone=b", "http://b:1"], RingHash::Crc32),
            (&["http://a:1", "http://b:1"], RingHash::Mixed),
        ] {
            assert_ne!(digest(other, hash), ours);
        }
        let [a, b] = ["http://a:1", "http://b:1"].map(|url| parse(url).unwrap());
        let named = [a.called("a"), b];
        let hash = RingHash::Crc32;
        assert_ne!(ListedPeer::digest(&named, hash, hash.replicas()), ours);
        let few = NonZeroUsize::new(10).unwrap();
        let list = list(&["http://a:1", "http://b:1"]).unwrap();
        assert_ne!(ListedPeer::digest(&list, RingHash::Crc32, few), ours);
    }
}
