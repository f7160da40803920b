//! A sender: the streams of one direction that share keys, as key management installs them.
//!
//! Invariant: a master key belongs to one sender's owner and direction, whoever asks.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use mikey_crypto::srtp::SrtpPolicy;

use crate::destination::Destination;
use crate::extension::ExtensionIds;
use crate::index::{IndexTracker, PacketIndex, Ssrc};
use crate::key::{Context, MasterKey};
use crate::stats::StreamStats;
use crate::time::Time;

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// We send them; the destination is the peer's.
    Outbound,
    /// We receive them; the destination is ours.
    Inbound,
}

impl Direction {
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Outbound => Self::Inbound,
            Self::Inbound => Self::Outbound,
        }
    }
}

/// Whose the sender is: a number of the caller's, one for each RTP session. It comes back with every accepted packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Owner(pub u64);

/// An installed sender. Never used twice by one database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SenderId {
    pub(crate) slot: u32,
    pub(crate) serial: u32,
}

/// Where a stream's index stands when it is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartIndex {
    /// ROC as given, any SEQ: a stream that begins, or a late joiner who was told the ROC.
    Roc(u32),
    /// ROC and SEQ of the latest packet sent or seen.
    At(PacketIndex),
}

impl StartIndex {
    /// A stream that has sent nothing.
    pub const BEGIN: Self = Self::Roc(0);

    pub(crate) fn tracker(self) -> IndexTracker {
        match self {
            Self::Roc(roc) => IndexTracker::with_roc(roc),
            Self::At(index) => IndexTracker::at(index),
        }
    }
}

/// The SSRCs of a sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ssrcs {
    /// These, and no others.
    These(Vec<(Ssrc, StartIndex)>),
    /// Every SSRC of the sender, bound with its first packet: authenticated (inbound) or protected (outbound).
    Any,
}

impl Ssrcs {
    /// One SSRC that begins.
    #[must_use]
    pub fn one(ssrc: Ssrc) -> Self {
        Self::These(Vec::from([(ssrc, StartIndex::BEGIN)]))
    }
}

/// What is installed.
pub struct Install {
    /// Which way packets go.
    pub direction: Direction,
    /// Where they go.
    pub destination: Destination,
    /// Whose they are.
    pub owner: Owner,
    /// Their SSRCs.
    pub ssrcs: Ssrcs,
    /// How they are protected.
    pub policy: SrtpPolicy,
    /// The first master key.
    pub key: MasterKey,
    /// Header extension elements that are encrypted.
    pub extensions: ExtensionIds,
    /// Replay window in packets, 64 to 32,768; rounded up to a power of two, and to 128.
    pub window: u32,
    /// Whether packets say which member of the group has sent them ([`tesla`](crate::tesla)). Then there are no packets
    /// before [`ContextDb::set_tesla_sender`](crate::ContextDb::set_tesla_sender) or
    /// [`ContextDb::set_tesla_receiver`](crate::ContextDb::set_tesla_receiver) was called for the SSRC.
    ///
    /// Without it a key that more than two have does not say who of them sends: each can make packets in the name of
    /// any other.
    pub tesla: bool,
}

impl Install {
    /// The window of [`Install::new`].
    pub const DEFAULT_WINDOW: u32 = 128;

    /// An installation with a window of 128 packets, no encrypted header extension and no TESLA.
    #[must_use]
    pub fn new(
        direction: Direction,
        destination: Destination,
        owner: Owner,
        ssrcs: Ssrcs,
        policy: SrtpPolicy,
        key: MasterKey,
    ) -> Self {
        let (extensions, window, tesla) = (ExtensionIds::NONE, Self::DEFAULT_WINDOW, false);
        Self { direction, destination, owner, ssrcs, policy, key, extensions, window, tesla }
    }
}

/// What a database tells of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamInfo {
    /// Its SSRC.
    pub ssrc: Ssrc,
    /// Highest index sent or authenticated; `None` before the first packet.
    pub index: Option<PacketIndex>,
    /// Its ROC, which a new stream has too.
    pub roc: u32,
    /// Outbound: the next SRTCP index.
    pub next_rtcp_index: u32,
    /// Whether a stream of the same owner in the other direction has this SSRC. Its keys are others, so nothing is lost,
    /// but we have to choose another SSRC (RFC 3550 section 8.2).
    pub clash: bool,
    /// Counters.
    pub stats: StreamStats,
}

/// A sender in the database.
pub(crate) struct Sender {
    pub(crate) destination: Destination,
    pub(crate) direction: Direction,
    pub(crate) window: u16,
    pub(crate) tesla: bool,
    pub(crate) serial: u32,
    /// Its latest stream; each names the one before it.
    pub(crate) last_stream: u32,
    /// The sender of this owner and direction that was installed before it.
    pub(crate) previous: u32,
    pub(crate) stream_count: u32,
    pub(crate) owner: Owner,
    /// The newest key.
    pub(crate) key: SenderKey,
    /// The others, newest first; nearly always none, so that a pointer's room is worth having.
    #[expect(clippy::box_collection, reason = "sixteen octets less for each sender")]
    pub(crate) others: Option<Box<Vec<OtherKey>>>,
}

impl Sender {
    pub(crate) fn others(&self) -> &[OtherKey] {
        self.others.as_ref().map_or(&[], |others| others)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &SenderKey> {
        core::iter::once(&self.key).chain(self.others().iter().map(|other| &other.key))
    }
}

/// A key of a sender. By its fingerprint no sender of another owner or direction can have it.
pub(crate) struct SenderKey {
    pub(crate) context: Arc<Context>,
    pub(crate) fingerprint: u64,
}

/// A key that another has replaced, or that has a range of its own.
pub(crate) struct OtherKey {
    pub(crate) key: SenderKey,
    pub(crate) until: Time,
}
