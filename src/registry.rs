//! [`Registry`]: the groups that a process serves to its peers, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use crate::error::Error;
use crate::group::Group;
use crate::hot_keys::HotKey;
use crate::metrics::MetricsWriter;
use crate::sync::lock;

/// Groups by name, for those who serve them to peers.
///
/// It is a value and not a global, so that several peers can live in one process. Clones share the
/// groups.
///
/// ```
/// use geecache::{Group, Registry};
///
/// let registry = Registry::new();
/// let scores = Group::new("scores", 1 << 20, |_: &str| Ok::<_, std::io::Error>("630"));
/// registry.insert(&scores)?;
/// assert_eq!(registry.names(), ["scores"]);
/// # Ok::<(), geecache::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Registry {
    groups: Arc<Mutex<BTreeMap<String, Group>>>,
}

impl Registry {
    /// A registry without groups.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a handle on `group` under its name.
    ///
    /// # Errors
    ///
    /// [`Error::DuplicateGroup`] when another group has the name, [`Error::InvalidGroup`] when the
    /// name is empty or holds a `/` and so could not stand in a request path.
    pub fn insert(&self, group: &Group) -> Result<(), Error> {
        let name = group.name().to_owned();
        if name.is_empty() || name.contains('/') {
            return Err(Error::InvalidGroup { name });
        }
        let mut groups = lock(&self.groups);
        if groups.contains_key(&name) {
            return Err(Error::DuplicateGroup { name });
        }
        groups.insert(name, group.clone());
        Ok(())
    }

    /// A handle on the group called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Group> {
        lock(&self.groups).get(name).cloned()
    }

    /// Takes the group called `name` out: peers are told from now on that there is no such group.
    pub fn remove(&self, name: &str) -> Option<Group> {
        lock(&self.groups).remove(name)
    }

    /// Handles on all groups, in the order of their names.
    #[must_use]
    pub fn groups(&self) -> Vec<Group> {
        lock(&self.groups).values().cloned().collect()
    }

    /// The keys of all groups that are asked for most, by how often they are: up to `count` of
    /// them. See [`Group::hot_keys`].
    #[must_use]
    pub fn hot_keys(&self, count: usize) -> Vec<HotKey> {
        let groups = self.groups();
        let mut all: Vec<HotKey> = groups.iter().flat_map(|group| group.hot_keys(count)).collect();
        all.sort_by(|a, b| b.gets_per_second.total_cmp(&a.gets_per_second));
        all.truncate(count);
        all
    }

    /// Writes what the groups count. For a program that has a page of metrics of its own; with the
    /// feature `http` a pool has one, at `/metrics` of its port.
    pub fn write_metrics(&self, metrics: &mut MetricsWriter) {
        metrics.groups(&self.groups());
    }

    /// The names of all groups, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        lock(&self.groups).keys().cloned().collect()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registry").field(&self.names()).finish()
    }
}
