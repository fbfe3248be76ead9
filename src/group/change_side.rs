//! Changes, as the user of a group makes them.

use std::time::Duration;

use crate::error::Error;
use crate::getter::Loaded;
use crate::group::changes::{InsertReport, PeerDebt, RemoveReport};
use crate::group::{Group, as_strs};

/// Changing.
impl Group {
    /// Removes `key` here, then at its owner, then at all other peers. Every later get, anywhere,
    /// loads it again. Change the source of truth first.
    ///
    /// A load that began before the removal still gives its value to those who wait for it, but
    /// nobody keeps it. A peer that could not be told is [owed](crate::RemoveOutcome::Owed) the
    /// removal: it is told as soon as it answers, and not asked for anything before that. The
    /// [report](RemoveReport) names it, and [`settled`](Self::settled) waits for it.
    ///
    /// Processes that only ask, and serve nobody, are not told. They hear of it with the next
    /// answer of a peer, where the transport tells of changes, and else their copies end with their
    /// [`hot_ttl`](crate::GroupBuilder::hot_ttl) or
    /// [`fallback_ttl`](crate::GroupBuilder::fallback_ttl).
    ///
    /// # Blocking
    ///
    /// Until every peer has answered or its transport's timeout has passed, in three rounds: the
    /// previous owner, the owner, all others; a fourth round tells all of them once more if a peer
    /// could not be told, or if another one has come to own the key meanwhile. Up to 65 peers of a
    /// round are asked at the same time, and one that was too late is not asked again. So silent
    /// peers cost three timeouts at most. With more peers, or several removals at once, the
    /// requests of the group share 64 threads beside those of the callers: then it is a timeout
    /// more for about every 64 silent peers.
    pub fn remove(&self, key: &str) -> RemoveReport {
        self.remove_many([key])
    }

    /// As [`remove`](Self::remove), for many keys with few requests.
    pub fn remove_many<S: AsRef<str>>(&self, keys: impl IntoIterator<Item = S>) -> RemoveReport {
        let keys = Vec::from_iter(keys);
        let mut keys = as_strs(&keys);
        keys.retain(|key| !key.is_empty());
        if keys.is_empty() {
            return RemoveReport::default();
        }
        let parts = &*self.parts;
        parts.changes.remove(&keys, parts, parts.owners.picker())
    }

    /// Removes all values that have this [tag](Loaded::tag), here and at all other peers. Every
    /// later get of one of their keys, anywhere, loads it again. Change the source of truth first.
    ///
    /// The cost here does not grow with the number of entries: each of them sees by itself that it
    /// has to go. Its memory is free when it is asked for, or when others need it. See the
    /// [report](RemoveReport) for peers that could not be reached; all else that
    /// [`remove`](Self::remove) says of loads under way and of processes that only ask holds here,
    /// too. Peers of GeeCache and groupcache know no tags.
    ///
    /// A few values that do not have the tag may go as well, and are loaded again: of those that
    /// are older than 1,000 removals of tags one in a million, and of those older than 10,000 of
    /// them one in 200.
    ///
    /// ```
    /// use geecache::{Group, Loaded};
    ///
    /// let load = |page: &str| Ok::<_, std::io::Error>(Loaded::from(page).tag("user:7"));
    /// let pages = Group::new("pages", 1 << 20, load);
    /// pages.get("profile")?;
    /// pages.get("inbox")?;
    /// pages.remove_tag("user:7");
    /// assert!(pages.peek("profile").is_none() && pages.peek("inbox").is_none());
    /// # Ok::<(), geecache::Error>(())
    /// ```
    ///
    /// # Blocking
    ///
    /// As [`remove`](Self::remove), but in two rounds: all peers are told twice.
    pub fn remove_tag(&self, tag: &str) -> RemoveReport {
        self.remove_tags([tag])
    }

    /// As [`remove_tag`](Self::remove_tag), for many tags with few requests.
    pub fn remove_tags<S: AsRef<str>>(&self, tags: impl IntoIterator<Item = S>) -> RemoveReport {
        let tags = Vec::from_iter(tags);
        if tags.is_empty() {
            return RemoveReport::default();
        }
        let parts = &*self.parts;
        parts.changes.remove_tags(&as_strs(&tags), parts, parts.owners.picker())
    }

    /// Empties the group's caches here and, in three rounds of requests, at all peers. The cost
    /// here does not grow with the number of entries, but for the freeing of their memory.
    ///
    /// # Blocking
    ///
    /// As [`remove`](Self::remove).
    pub fn clear(&self) -> RemoveReport {
        let parts = &*self.parts;
        parts.changes.clear(parts, parts.owners.picker())
    }

    /// Puts a value at the owner of `key` and removes the key everywhere else, for programs that
    /// write to the source of truth themselves: after it returns, a get answers from the owner's
    /// memory with what was inserted.
    ///
    /// The owner keeps the value for its own [ttl](Loaded::ttl) or the group's. Unlike a value that
    /// was loaded it is kept wherever it fits: others make room, however often they are asked for.
    /// From an owner that can't keep it, such as one that is too large, the key is removed, and the
    /// next get loads it again. The [report](InsertReport::is_kept) says which. A value with a
    /// [version](Loaded::version) is inserted [if it is newer](Self::insert_if_newer). Where peers
    /// are in zones, the owner in each of these gets the value.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyKey`] when `key` is empty. What goes wrong at peers is in the report.
    ///
    /// # Blocking
    ///
    /// As [`remove`](Self::remove).
    pub fn insert(&self, key: &str, value: impl Into<Loaded>) -> Result<InsertReport, Error> {
        if key.is_empty() {
            return Err(Error::EmptyKey);
        }
        let parts = &*self.parts;
        Ok(parts.changes.insert(key, value.into(), parts, parts.owners.picker()))
    }

    /// As [`insert`](Self::insert), but only if what the owner has of `key` is of an older
    /// [version](Loaded::version), or of none. So of several writers that insert at the same time,
    /// in whatever order their requests come, the one with the greatest version prevails.
    ///
    /// The report [tells](InsertReport::is_late) if the owner has refused the value. To repeat an
    /// insertion is so refused as well, and changes nothing.
    ///
    /// The version is known as long as the entry is there. When it was evicted or removed, or has
    /// expired, an older version can be inserted again. So a writer should bound the time that
    /// passes between reading the version and inserting the value, and the group needs a
    /// [`ttl`](crate::GroupBuilder::ttl) for what goes wrong all the same. Writers that have no
    /// versions use [`remove`](Self::remove): then the next get loads what the source has.
    ///
    /// A load may tell its version, too. A value that is loaded, and is older than what is there,
    /// is not kept. A value without a version replaces any.
    ///
    /// # Errors
    ///
    /// Those of [`insert`](Self::insert).
    ///
    /// # Blocking
    ///
    /// As [`remove`](Self::remove).
    ///
    /// ```
    /// use geecache::{Group, NoSource};
    ///
    /// let scores = Group::new("scores", 1 << 20, NoSource);
    /// assert!(scores.insert_if_newer("Tom", "631", 2)?.is_kept);
    /// assert!(scores.insert_if_newer("Tom", "630", 1)?.is_late);
    /// assert_eq!(scores.get("Tom")?, "631");
    /// # Ok::<(), geecache::Error>(())
    /// ```
    pub fn insert_if_newer(
        &self,
        key: &str,
        value: impl Into<Loaded>,
        version: u64,
    ) -> Result<InsertReport, Error> {
        self.insert(key, value.into().version(version))
    }
}

/// What peers could not be told.
impl Group {
    /// Waits until all peers have made all [changes](Self::remove) that they could not be told of
    /// at first. After that, no get at any peer finds what was removed before, but for what
    /// [nobody can reach](crate::guide::removal#what-no-removal-can-reach).
    ///
    /// A thread of the group, `debts of NAME`, goes on to tell a peer for as long as that is in the
    /// list of peers. A peer that has left the list is not waited for. It is told before it is
    /// asked for anything, when it is back.
    ///
    /// # Errors
    ///
    /// [`Error::Unsettled`], which names those who are still to be told after `timeout`.
    pub fn settled(&self, timeout: Duration) -> Result<(), Error> {
        self.unless_owed(self.parts.changes.settle(timeout))
    }

    /// Tries once, now, to tell all peers what they could not be told, and waits for the end of
    /// that, but not for longer than `timeout`. For a program that is about to end: what it still
    /// owes then, nobody will tell. An `HttpPool` does so for its groups when it is shut down.
    ///
    /// # Errors
    ///
    /// As [`settled`](Self::settled).
    pub fn pay_debts(&self, timeout: Duration) -> Result<(), Error> {
        self.unless_owed(self.parts.changes.try_to_settle(timeout))
    }

    /// What peers could not be told so far: one entry for each of these peers.
    #[must_use]
    pub fn debts(&self) -> Vec<PeerDebt> {
        self.parts.changes.debts()
    }

    fn unless_owed(&self, debts: Vec<PeerDebt>) -> Result<(), Error> {
        if debts.is_empty() {
            return Ok(());
        }
        let peers = debts.into_iter().map(|debt| debt.peer).collect();
        Err(Error::Unsettled { group: self.name().to_owned(), peers })
    }
}
