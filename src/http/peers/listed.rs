//! [`ListedPeer`]: a peer as a list names it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Error;
use crate::http::url::PeerUrl;

/// A peer of a list: where it is, and what it is called on the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedPeer {
    pub(crate) name: Arc<str>,
    pub(crate) url: PeerUrl,
}

/// An error where the ring could not tell two peers of a list apart, or would take one for two.
pub(super) fn validate(members: &[ListedPeer], own: Option<&ListedPeer>) -> Result<(), Error> {
    let invalid = |url: &PeerUrl, reason: String| {
        Err(Error::InvalidPeer { url: url.as_str().to_owned(), reason })
    };
    let (mut by_name, mut by_url) = (BTreeMap::new(), BTreeMap::new());
    for ListedPeer { name, url } in members {
        if name.is_empty() {
            return invalid(url, "its name on the ring is empty".to_owned());
        }
        match (by_name.insert(name, url), by_url.insert(url, name)) {
            (Some(other), _) if other != url => {
                return invalid(url, format!("{other} has the same name on the ring, {name:?}"));
            }
            (_, Some(other)) if other != name => {
                return invalid(
                    url,
                    format!("it has two names on the ring, {other:?} and {name:?}"),
                );
            }
            _ => {}
        }
    }
    let Some(own) = own else { return Ok(()) };
    match by_url.get(&own.url) {
        Some(name) if **name != own.name => {
            let reason = format!(
                "this pool calls itself {:?} on the ring, see `ring_name`, and the list calls it \
                 {name:?}",
                own.name
            );
            invalid(&own.url, reason)
        }
        _ => Ok(()),
    }
}
