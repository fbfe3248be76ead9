//! Events as text: each in a line.

use std::fmt;

use crate::events::{Event, EvictionReason, StaleReason};
use crate::one_line::OneLine;

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Evicted { group, key, reason } => {
                let why = match reason {
                    EvictionReason::MadeRoom => "left to make room",
                    EvictionReason::NotAdmitted => "was not let in",
                    EvictionReason::TooLarge => "is too large to be kept",
                };
                write!(f, "{key:?} of group {group:?} {why}")
            }
            Self::Expired { group, key } => write!(f, "{key:?} of group {group:?} has expired"),
            // The error names both, and tells its cause.
            Self::LoadFailed { error, .. } => error.fmt(f),
            Self::StaleServed { group, key, reason } => {
                let why = match reason {
                    StaleReason::Refreshing => "while it is refreshed",
                    StaleReason::LoadFailed => "as its load failed",
                    StaleReason::SlowLoad => "as its load takes long",
                };
                write!(f, "{key:?} of group {group:?} is served past its ttl, {why}")
            }
            Self::SourceDown { group, pause, cause } => {
                let cause = OneLine(cause);
                write!(f, "the source of group {group:?} is down, resting for {pause:?}: {cause}")
            }
            Self::SourceUp { group } => write!(f, "the source of group {group:?} is up again"),
            Self::RemovalIncomplete { group, first_key, keys, error } => {
                match first_key {
                    None => write!(f, "group {group:?} was not cleared everywhere"),
                    Some(key) if *keys > 1 => {
                        write!(f, "{key:?} and {} more of group {group:?} may be old", keys - 1)
                    }
                    Some(key) => write!(f, "{key:?} of group {group:?} may be old"),
                }?;
                write!(f, ": {}", OneLine(error))
            }
            Self::TagRemovalIncomplete { group, first_tag, tags, error } => {
                let (more, error) = (tags.saturating_sub(1), OneLine(error));
                write!(f, "what has the tag {first_tag:?}, or {more} more, in group {group:?} ")?;
                write!(f, "may be old: {error}")
            }
            Self::SnapshotFailed { group, error } => {
                write!(f, "group {group:?}: {}", OneLine(error))
            }
            Self::PeerDown { peer, pause } => {
                write!(f, "peer {peer} is down, not asking it for {pause:?}")
            }
            Self::PeerUp { peer } => write!(f, "peer {peer} is up again"),
            Self::ListChanged { peers } => write!(f, "the list of peers has {} now", peers.len()),
        }
    }
}
