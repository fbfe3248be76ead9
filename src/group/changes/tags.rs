//! Removals by tag.
//!
//! Each process counts the removals of tags that it has made, in *ticks*, and each value with tags
//! has the tick at which this process began to load it, or to ask a peer for it. The removal of a
//! tag notes the next tick, and what is older than that has to go, wherever it is: in a cache, or
//! still on its way. So neither the entries nor the flights with a tag need to be found. These are
//! the ways in which an old value could stay, and what closes each:
//!
//! * *A getter that read the old value is still running.* Its value has the tick of before, and is
//!   removed before it comes. Those who waited for it have it, if they came before the removal, and
//!   nobody keeps it. Those who came later load again: who waits for another's load looks whether a
//!   tag of its value was removed since that began, and whether that may have been before it came
//!   itself.
//! * *An old answer of the owner is still under way.* The same: it has the tick of the question.
//! * *A peer that was told asks an owner that was not told yet.* The answer has the new tick there,
//!   and stays. Every peer owns some keys, so none can be told before all others. Therefore all of
//!   them are told twice: when the second round begins no owner has an old value any more.
//! * *A new owner that was told takes a value over from a previous one that was not.* Therefore
//!   what is taken over has the tick at which the first tag was removed during the hand-over, if
//!   there was one, and not that of the question. So there is no need for a third round.
//! * *A value is inserted by this process, and the request is late.* An insertion tells its number,
//!   as the removal does. One with a tag whose removal has a greater number is refused.
//!
//! * *A peer could not be told.* It is [owed](crate::group::changes) the removal of all that it
//!   has: nobody knows which keys have the tag.
//!
//! A value that another process inserts at the time of the removal may stay: nobody can know which
//! of the two saw the newer state of the source.

use std::sync::Arc;

use crate::change::ChangeStamp;
use crate::group::changes::order::Standing;
use crate::group::changes::{Change, ChangeHost, Changes, RemoveReport};
use crate::peers::PeerPicker;
use crate::tag::Tag;

impl Changes {
    /// Removes what has one of these tags, here and at all peers.
    pub(in crate::group) fn remove_tags(
        &self,
        tags: &[&str],
        here: &impl ChangeHost,
        picker: &dyn PeerPicker,
    ) -> RemoveReport {
        let mut told = self.begin(picker);
        self.remove_tags_here(tags, self.stamps.next(), here);
        let peers = told.listed.clone();
        let change = || Change::RemoveTags(tags.iter().map(|&tag| tag.to_owned()).collect());
        let rounds = if peers.is_empty() { 0 } else { 2 };
        for _ in 0..rounds {
            let changes = peers.iter().map(|peer| (Arc::clone(peer), change()));
            self.make_at(changes.collect(), &mut told);
            self.forget_tags(tags, here);
        }
        if self.tell_newcomers(change, peers, &mut told, picker) {
            self.forget_tags(tags, here);
        }
        told.report()
    }

    /// The same in this process alone.
    pub(in crate::group) fn remove_tags_here(
        &self,
        tags: &[&str],
        stamp: ChangeStamp,
        here: &impl ChangeHost,
    ) {
        for tag in tags {
            self.tag_order.begin(tag_text(Tag::from(*tag)).as_str(), stamp);
        }
        self.forget_tags(tags, here);
        self.counters.tag_removes.add(tags.len());
    }

    /// Nobody knows which keys these are.
    fn forget_tags(&self, tags: &[&str], here: &impl ChangeHost) {
        tags.iter().for_each(|&tag| here.forget_tag(Tag::from(tag)));
        self.journal.note_all();
    }

    /// Whether a tag of what is inserted with this stamp was removed by the same process later. The
    /// insertion has to have [begun](ChangeHost::begin) by then: a removal that is not seen here
    /// comes after that.
    pub(super) fn is_removed_later(
        &self,
        mut tags: impl Iterator<Item = Tag>,
        stamp: ChangeStamp,
    ) -> bool {
        tags.any(|tag| self.tag_order.standing(&tag_text(tag), stamp) != Standing::Newest)
    }
}

fn tag_text(tag: Tag) -> String {
    format!("{:016x}", tag.number())
}
