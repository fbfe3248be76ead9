//! [`GossipId`]: who takes part; and [`GossipCodec`]: how messages are written.
//!
//! ```text
//! member     life: u64, length: u16, text: that many bytes
//! message    from: member, incarnation: u16, to: member, kind: u8, and for a probe
//!            about: member, where the kind says so; number: u8
//! update     member, incarnation: u16, state: u8
//! ```
//!
//! All numbers have their highest byte first.

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use bytes::{Buf, BufMut};
use foca::{Codec, Header, Identity, Member, Message, State};

use crate::http::url::PeerUrl;

/// The longest message, in bytes. It has room for some hundred members.
pub(super) const MAX_MESSAGE_BYTES: usize = 16 << 10;
/// The longest text of a member, in bytes.
pub(super) const MAX_TEXT_BYTES: usize = 512;
/// How much greater the life of one is that comes back although others think it is down: so much
/// that one whose clock was put back is before its last life soon. In milliseconds.
const NEXT_LIFE: u64 = 1 << 20;

/// A peer in one of its lives.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct GossipId {
    /// As a list names it, which begins with its URL.
    text: Arc<str>,
    /// The greatest one counts. A life begins with the time, in milliseconds.
    life: u64,
}

impl GossipId {
    /// A life that begins now.
    pub(super) fn new(text: &str) -> Self {
        let life = UNIX_EPOCH.elapsed().map_or(1, |time| time.as_millis() as u64);
        Self { text: text.into(), life }
    }

    /// One of whom nothing is known but its URL.
    pub(super) fn stranger(url: &PeerUrl) -> Self {
        Self { text: Arc::clone(url.text()), life: 0 }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn url(&self) -> &str {
        self.text.split_once('#').map_or(&self.text, |(url, _)| url)
    }
}

impl Identity for GossipId {
    type Addr = String;

    fn renew(&self) -> Option<Self> {
        let life = self.life.checked_add(NEXT_LIFE)?;
        Some(Self { text: Arc::clone(&self.text), life })
    }

    fn addr(&self) -> String {
        self.url().to_owned()
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        (self.life, &self.text) > (adversary.life, &adversary.text)
    }
}

impl fmt::Debug for GossipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It came from others.
        write!(f, "{:?} in life {}", self.text, self.life)
    }
}

/// Why a message can't be read or written.
#[derive(Debug)]
pub(super) enum BadGossip {
    Short,
    Unknown(&'static str, u8),
    Text,
    Full,
}

impl fmt::Display for BadGossip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("it ends too early"),
            Self::Unknown(what, number) => write!(f, "its {what} {number} is not known"),
            Self::Text => write!(f, "a member is no text of 1 to {MAX_TEXT_BYTES} bytes"),
            Self::Full => f.write_str("it is full"),
        }
    }
}

impl std::error::Error for BadGossip {}

/// Reads and writes messages.
pub(super) struct GossipCodec;

impl Codec<GossipId> for GossipCodec {
    type Error = BadGossip;

    fn encode_header(
        &mut self,
        header: &Header<GossipId>,
        mut buf: impl BufMut,
    ) -> Result<(), BadGossip> {
        let mut bytes = Vec::new();
        write_id(&mut bytes, &header.src);
        bytes.put_u16(header.src_incarnation);
        write_id(&mut bytes, &header.dst);
        let (kind, about, number) = match &header.message {
            Message::Ping(number) => (0, None, Some(number)),
            Message::Ack(number) => (1, None, Some(number)),
            Message::PingReq { target, probe_number } => (2, Some(target), Some(probe_number)),
            Message::IndirectPing { origin, probe_number } => (3, Some(origin), Some(probe_number)),
            Message::IndirectAck { target, probe_number } => (4, Some(target), Some(probe_number)),
            Message::ForwardedAck { origin, probe_number } => (5, Some(origin), Some(probe_number)),
            Message::Announce => (6, None, None),
            Message::Feed => (7, None, None),
            Message::Gossip => (8, None, None),
            Message::Broadcast => (9, None, None),
            Message::TurnUndead => (10, None, None),
        };
        bytes.put_u8(kind);
        if let Some(about) = about {
            write_id(&mut bytes, about);
        }
        bytes.extend(number);
        put(&mut buf, &bytes)
    }

    fn decode_header(&mut self, mut buf: impl Buf) -> Result<Header<GossipId>, BadGossip> {
        let src = read_id(&mut buf)?;
        let src_incarnation = buf.try_get_u16().map_err(|_| BadGossip::Short)?;
        let dst = read_id(&mut buf)?;
        let kind = read_u8(&mut buf)?;
        let message = match kind {
            0 => Message::Ping(read_u8(&mut buf)?),
            1 => Message::Ack(read_u8(&mut buf)?),
            2..=5 => {
                let (about, probe_number) = (read_id(&mut buf)?, read_u8(&mut buf)?);
                match kind {
                    2 => Message::PingReq { target: about, probe_number },
                    3 => Message::IndirectPing { origin: about, probe_number },
                    4 => Message::IndirectAck { target: about, probe_number },
                    _ => Message::ForwardedAck { origin: about, probe_number },
                }
            }
            6 => Message::Announce,
            7 => Message::Feed,
            8 => Message::Gossip,
            9 => Message::Broadcast,
            10 => Message::TurnUndead,
            _ => return Err(BadGossip::Unknown("kind", kind)),
        };
        Ok(Header { src, src_incarnation, dst, message })
    }

    fn encode_member(
        &mut self,
        member: &Member<GossipId>,
        mut buf: impl BufMut,
    ) -> Result<(), BadGossip> {
        let mut bytes = Vec::new();
        write_id(&mut bytes, member.id());
        bytes.put_u16(member.incarnation());
        bytes.put_u8(match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down => 2,
        });
        put(&mut buf, &bytes)
    }

    fn decode_member(&mut self, mut buf: impl Buf) -> Result<Member<GossipId>, BadGossip> {
        let id = read_id(&mut buf)?;
        let incarnation = buf.try_get_u16().map_err(|_| BadGossip::Short)?;
        let state = match read_u8(&mut buf)? {
            0 => State::Alive,
            1 => State::Suspect,
            2 => State::Down,
            other => return Err(BadGossip::Unknown("state", other)),
        };
        Ok(Member::new(id, incarnation, state))
    }
}

/// All of `bytes`, or nothing.
fn put(buf: &mut impl BufMut, bytes: &[u8]) -> Result<(), BadGossip> {
    if buf.remaining_mut() < bytes.len() {
        return Err(BadGossip::Full);
    }
    buf.put_slice(bytes);
    Ok(())
}

fn write_id(bytes: &mut Vec<u8>, id: &GossipId) {
    bytes.put_u64(id.life);
    // What is longer was refused when it was read, or when the pool was made.
    let text = &id.text.as_bytes()[..id.text.len().min(usize::from(u16::MAX))];
    bytes.put_u16(text.len() as u16);
    bytes.put_slice(text);
}

fn read_id(buf: &mut impl Buf) -> Result<GossipId, BadGossip> {
    let life = buf.try_get_u64().map_err(|_| BadGossip::Short)?;
    let length = usize::from(buf.try_get_u16().map_err(|_| BadGossip::Short)?);
    if length == 0 || length > MAX_TEXT_BYTES {
        return Err(BadGossip::Text);
    }
    let mut bytes = vec![0; length];
    buf.try_copy_to_slice(&mut bytes).map_err(|_| BadGossip::Short)?;
    let text = String::from_utf8(bytes).map_err(|_| BadGossip::Text)?;
    Ok(GossipId { text: text.into(), life })
}

fn read_u8(buf: &mut impl Buf) -> Result<u8, BadGossip> {
    buf.try_get_u8().map_err(|_| BadGossip::Short)
}

#[cfg(any(test, feature = "unstable-bench"))]
pub(super) mod fuzz {
    use crate::http::discovery::gossip::wire::*;

    /// Reads a message; what was read is the same when it is written and read again.
    pub(crate) fn drive(mut bytes: &[u8]) {
        let Ok(header) = GossipCodec.decode_header(&mut bytes) else { return };
        let mut again = Vec::new();
        GossipCodec.encode_header(&header, &mut again).expect("a list has room");
        assert_eq!(GossipCodec.decode_header(&again[..]).ok(), Some(header));
        while let Ok(member) = GossipCodec.decode_member(&mut bytes) {
            again.clear();
            GossipCodec.encode_member(&member, &mut again).expect("a list has room");
            assert_eq!(GossipCodec.decode_member(&again[..]).ok(), Some(member));
        }
    }
}
