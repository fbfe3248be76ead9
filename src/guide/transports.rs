//! How to write a transport of your own.
//!
//! HTTP is one transport of many that could be. It uses nothing of the core that you can't use too:
//! a transport over another protocol, a message bus or shared memory can live in a crate of its
//! own. Without the feature `http` the core has three small dependencies.
//!
//! # The three sides
//!
//! * [`PeerPicker`] knows who owns a key. A group gets one by [`Group::register_peers`], once.
//! * [`PeerGetter`] asks one peer. The picker hands these out.
//! * [`Group::peer_side`] answers the others. A [`Registry`](crate::Registry) finds the group that
//!   a request names.
//!
//! ```
//! use geecache::{Group, Loaded, PeerError, PeerErrorKind, PeerGetter, PeerPicker};
//! use std::sync::Arc;
//!
//! /// The whole network: a peer in this very process.
//! struct Neighbour(Group);
//!
//! impl PeerGetter for Neighbour {
//!     fn get(&self, _group: &str, key: &str) -> Result<Loaded, PeerError> {
//!         let failed = |error| PeerError::new(PeerErrorKind::Load, "neighbour", error);
//!         self.0.peer_side().get(key).map_err(failed)
//!     }
//! }
//!
//! /// It owns all keys.
//! struct Always(Arc<Neighbour>);
//!
//! impl PeerPicker for Always {
//!     fn pick_peer(&self, _key: &str) -> Option<Arc<dyn PeerGetter>> {
//!         let neighbour: Arc<dyn PeerGetter> = self.0.clone();
//!         Some(neighbour)
//!     }
//! }
//!
//! let source = |key: &str| Ok::<_, std::io::Error>(key.to_uppercase());
//! let mine = Group::new("g", 1 << 20, source);
//! let theirs = Group::new("g", 1 << 20, source);
//! mine.register_peers(Always(Arc::new(Neighbour(theirs.clone()))))?;
//!
//! assert_eq!(mine.get("key")?, "KEY");
//! assert_eq!((mine.stats().local_loads, theirs.stats().local_loads), (0, 1));
//! # Ok::<(), geecache::Error>(())
//! ```
//!
//! # What you may leave out
//!
//! Only `pick_peer` and `get` are required. Each further method has a default that is correct, and
//! brings something when you write it:
//!
//! | asks | answers | brings |
//! |---|---|---|
//! | [`PeerGetter::get`] | [`PeerSide::get`] | required |
//! | [`get_timeout`](crate::PeerGetter::get_timeout) | [`get_timeout`](crate::PeerSide::get_timeout) | callers with a time limit get their answer in time |
//! | [`get_many`](crate::PeerGetter::get_many), [`get_many_timeout`](crate::PeerGetter::get_many_timeout) | [`get_many`](crate::PeerSide::get_many), [`get_many_timeout`](crate::PeerSide::get_many_timeout); [`get_some`](crate::PeerSide::get_some), [`get_some_timeout`](crate::PeerSide::get_some_timeout) where an answer has a bound | one request for many keys; callers who wait for one of them get it as soon as it is [told](crate::TellAnswer) |
//! | | [`held_some`](crate::PeerSide::held_some) | a transport may send gets that meet together, and answer them from memory |
//! | [`peek`](crate::PeerGetter::peek), [`peek_many`](crate::PeerGetter::peek_many) | [`peek`](crate::PeerSide::peek) | new owners take over what previous ones have in memory |
//! | [`hand_over`](crate::PeerGetter::hand_over) | [`hand_over`](crate::PeerSide::hand_over) | [`Group::take_over_from`](crate::Group::take_over_from) gets all of it, before anybody asks |
//! | [`remove`](crate::PeerGetter::remove), [`remove_tags`](crate::PeerGetter::remove_tags), [`clear`](crate::PeerGetter::clear), [`insert`](crate::PeerGetter::insert) | [`remove`](crate::PeerSide::remove), [`remove_tags`](crate::PeerSide::remove_tags), [`clear`](crate::PeerSide::clear), [`insert`](crate::PeerSide::insert) | changes reach this peer |
//! | [`Loaded::tags`](crate::Loaded::tags), [`Loaded::version_number`](crate::Loaded::version_number) of what it is given | the same of what it is asked for | copies go with their [tags](crate::guide::tags), and new owners know which version they have |
//! | [`ChangeStamp`](crate::ChangeStamp) | the same | what lay on its way for long does not replace what is newer |
//! | [`changes_since`](crate::PeerGetter::changes_since) | [`changes_since`](crate::PeerSide::changes_since) | who was not told of changes learns which keys they were |
//! | [`change_mark`](crate::PeerGetter::change_mark) | [`change_mark`](crate::PeerSide::change_mark), taken before a get is answered and sent along | a process that nobody knows drops its copies of what was changed |
//! | | [`refuse_insert`](crate::PeerSide::refuse_insert) | a value for which nobody waits any longer is not kept |
//! | [`Chain::current`](crate::Chain::current) | [`nested`](crate::PeerSide::nested) | getters that get do not wait for the threads and loads that wait for them |
//! | [`name`](crate::PeerGetter::name) | | reports and messages name the peer |
//! | `traceparent` | `with_traceparent` | a trace goes on at the peer (feature `tracing`) |
//!
//! | [`PeerPicker`] | brings |
//! |---|---|
//! | [`pick_peer`](crate::PeerPicker::pick_peer) | required |
//! | [`pick_peers`](crate::PeerPicker::pick_peers) | many keys are looked up at once |
//! | [`picks_the_owner`](crate::PeerPicker::picks_the_owner) | callers see that a stand-in answered |
//! | [`owns`](crate::PeerPicker::owns) | values that are loaded in place of an owner that is down do not stay long |
//! | [`peers`](crate::PeerPicker::peers) | changes are told to all peers |
//! | [`owners_in_other_zones`](crate::PeerPicker::owners_in_other_zones) | changes reach all owners, where each zone has one |
//! | [`previous_owner`](crate::PeerPicker::previous_owner), [`warm_up`](crate::PeerPicker::warm_up) | warm values move to new owners, and removals find them on the way |
//! | [`previous_owners`](crate::PeerPicker::previous_owners), [`is_owner`](crate::PeerPicker::is_owner) | who is to be asked to hand over, and what is whose |
//!
//! # Rules that keep a cluster alive
//!
//! * **Answer a peer by its `peer_side()`, never by `Group::get`.** `get` may ask another peer.
//!   When two lists differ, such requests go in circles or wait for each other for ever.
//! * **Every call of a [`PeerGetter`] ends in bounded time.** Callers wait for it, and so does a
//!   removal.
//! * **Name no peer that is known to be down.** When a peer fails, the group asks
//!   [`pick_peer`](crate::PeerPicker::pick_peer) once more for the same key. If another peer is
//!   named it is asked; if the same one is named, this process loads.
//! * **All processes should name the same owner for a key.** [`consistenthash::Ring`] does that
//!   from equal lists. Where they disagree for a while nothing breaks, but a key is loaded twice.
//! * **Name peers, or give the same `Arc` for the same peer each time.** Two handles are one peer
//!   if they have one [`name`](crate::PeerGetter::name), or are clones of one `Arc`.
//! * **A value keeps its time to live on the way.** Send what is left of it
//!   ([`Loaded::time_to_live`](crate::Loaded::time_to_live)) as a span, so that clocks need not
//!   agree.
//! * **Be sure what an answer means.** [`Loaded::absent`](crate::Loaded::absent) and
//!   [`PeerErrorKind::NotFound`](crate::PeerErrorKind::NotFound) are final: no getter runs after
//!   them. Any other error makes the group go on to the next peer or to its own getter. Only after
//!   the kind `Load` the caller may get that error: see [`OwnerErrors`](crate::OwnerErrors).
//!
//! A group may hold its picker for as long as it lives. So a picker should not hold the server that
//! serves the group: the two would keep each other alive for ever.
//!
//! [`Group::register_peers`]: crate::Group::register_peers
//! [`Group::peer_side`]: crate::Group::peer_side
//! [`PeerPicker`]: crate::PeerPicker
//! [`PeerGetter`]: crate::PeerGetter
//! [`PeerGetter::get`]: crate::PeerGetter::get
//! [`PeerSide::get`]: crate::PeerSide::get
//! [`consistenthash::Ring`]: crate::consistenthash::Ring
