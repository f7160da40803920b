//! The context database: contexts by (SSRC, destination address, destination port) (RFC 3711 section 3.2.3).
//!
//! Invariant: a table entry points to a stream that has exactly that SSRC, destination and direction; a stream belongs
//! to one sender.

mod batch;
mod bind;
mod install;
mod packets;
mod register;
mod tesla;
mod wildcards;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashTable;
use mikey_crypto::srtp::{SrtpCrypto, SrtpPolicy};

use crate::destination::Destination;
use crate::index::Ssrc;
use crate::sender::{Direction, Owner, Sender, SenderId, StartIndex, StreamInfo};
use crate::slab::Slab;
use crate::stats::Stats;
use crate::stream::Stream;

use register::Register;
use wildcards::Wildcards;

pub use batch::{InboundPacket, OutboundPacket};
pub use packets::{Accepted, AcceptedRtcp};

/// How a database is made.
#[derive(Clone, Copy, Debug)]
pub struct DbConfig {
    /// Random numbers, so that nobody can aim SSRCs at one place of the table. Draw them from the provider.
    pub hash_seed: [u64; 2],
    /// Streams that it holds at most; installing or binding more is refused.
    pub max_streams: u32,
}

impl DbConfig {
    /// A configuration for up to four million streams.
    #[must_use]
    pub const fn new(hash_seed: [u64; 2]) -> Self {
        Self { hash_seed, max_streams: 1 << 22 }
    }
}

/// Crypto contexts of any number of sessions, in both directions.
///
/// One database is used by one core at a time; packets are protected and unprotected in the caller's buffer without
/// allocating. See [`Install`](crate::Install) for what goes in.
///
/// ```
/// use mikey_crypto::SecretBytes;
/// use mikey_crypto::srtp::{SrtpCrypto, SrtpPolicy};
/// use mikey_srtp::{
///     ContextDb, DbConfig, Destination, Direction, Install, MasterKey, Owner, Ssrcs, Time,
/// };
///
/// type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
///
/// fn send(crypto: &'static dyn SrtpCrypto, rtp: &[u8], buffer: &mut [u8; 1500]) -> Result<usize> {
///     let mut db = ContextDb::new(crypto, DbConfig::new([1, 2]));
///     let to = Destination::from(std::net::SocketAddr::from(([192, 0, 2, 1], 5004)));
///     let key = MasterKey::new(SecretBytes::zeroed(16), SecretBytes::zeroed(14));
///     let policy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
///     db.install(Install::new(Direction::Outbound, to, Owner(1), Ssrcs::Any, policy, key))?;
///     buffer[..rtp.len()].copy_from_slice(rtp);
///     Ok(db.protect_rtp(Time::ZERO, to, buffer, rtp.len())?.len)
/// }
/// ```
pub struct ContextDb {
    crypto: &'static dyn SrtpCrypto,
    seed: [u64; 2],
    max_streams: usize,
    table: HashTable<u32>,
    streams: Slab<DbStream>,
    /// Where the latest packet's stream was found.
    latest: u32,
    senders: Slab<Sender>,
    next_serial: u32,
    /// Senders that take any SSRC.
    wildcards: Wildcards,
    /// Whose each master key is, and which senders each owner has.
    register: Register,
    /// The policies in use: few, so that contexts share them.
    policies: Vec<Arc<SrtpPolicy>>,
    stats: Stats,
    /// The streams that receive with TESLA, and those of them that have packets to give.
    tesla: BTreeSet<u32>,
    verified: VecDeque<u32>,
    /// A packet while several keys are tried on it.
    spare: Vec<u8>,
    /// A packet while several senders are tried on it.
    trial: Vec<u8>,
    /// A packet as it came, while it may be somebody else's than its stream's.
    intact: Vec<u8>,
}

/// A stream with its place in the table: two cache lines.
struct DbStream {
    destination: Destination,
    direction: Direction,
    /// Inbound: the latest packet failed, and why is to be seen from the next one that does.
    suspect: bool,
    /// The stream that its sender got before this one.
    previous: u32,
    stream: Stream,
}

/// No stream has this slot.
const NO_STREAM: u32 = u32::MAX;

impl ContextDb {
    /// An empty database.
    #[must_use]
    pub fn new(crypto: &'static dyn SrtpCrypto, config: DbConfig) -> Self {
        Self {
            crypto,
            seed: config.hash_seed,
            max_streams: usize::try_from(config.max_streams).unwrap_or(usize::MAX),
            table: HashTable::new(),
            streams: Slab::new(),
            latest: NO_STREAM,
            senders: Slab::new(),
            next_serial: 0,
            wildcards: Wildcards::new(config.hash_seed),
            register: Register::new(config.hash_seed),
            policies: Vec::new(),
            stats: Stats::default(),
            tesla: BTreeSet::new(),
            verified: VecDeque::new(),
            spare: Vec::new(),
            trial: Vec::new(),
            intact: Vec::new(),
        }
    }

    /// Number of streams.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether there is no stream; there may be wildcard senders.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What the database has done so far.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// The streams of a sender, late-bound ones included; none if there is no such sender.
    pub fn streams(&self, sender: SenderId) -> impl Iterator<Item = StreamInfo> {
        self.slots(sender).filter_map(|slot| self.streams.get(slot)).map(|entry| self.info(entry))
    }

    /// One stream of a sender.
    #[must_use]
    pub fn stream(&self, sender: SenderId, ssrc: Ssrc) -> Option<StreamInfo> {
        self.streams(sender).find(|info| info.ssrc == ssrc)
    }

    /// Sets the index of a stream: where key management says that it stands. What was accepted stays accepted.
    ///
    /// Returns whether there is such a stream.
    pub fn set_index(&mut self, sender: SenderId, ssrc: Ssrc, start: StartIndex) -> bool {
        self.change(sender, ssrc, |stream| stream.tracker = start.tracker())
    }

    /// Sets the index of an outbound stream's next SRTCP packet; only the low 31 bits count.
    ///
    /// Going back repeats keystream under the same key: this is for streams taken over from elsewhere.
    pub fn set_next_rtcp_index(&mut self, sender: SenderId, ssrc: Ssrc, index: u32) -> bool {
        self.change(sender, ssrc, |stream| stream.rtcp_next = index & 0x7fff_ffff)
    }

    /// RFC 4771 mode 3: whether ROCs that come in packets are ignored, because the application knows ours to be right.
    pub fn ignore_received_roc(&mut self, sender: SenderId, ssrc: Ssrc, ignore: bool) -> bool {
        self.change(sender, ssrc, |stream| stream.rare.get_or_insert_default().ignore_received_roc = ignore)
    }

    fn change(&mut self, sender: SenderId, ssrc: Ssrc, change: impl FnOnce(&mut Stream)) -> bool {
        let slot =
            self.slots(sender).find(|slot| self.streams.get(*slot).is_some_and(|e| e.stream.ssrc == ssrc));
        let Some(entry) = slot.and_then(|slot| self.streams.get_mut(slot)) else { return false };
        change(&mut entry.stream);
        true
    }

    fn sender(&self, id: SenderId) -> Option<&Sender> {
        self.senders.get(id.slot).filter(|sender| sender.serial == id.serial)
    }

    /// The slots of a sender's streams, latest first.
    fn slots(&self, sender: SenderId) -> impl Iterator<Item = u32> {
        let first = self.sender(sender).map_or(NO_STREAM, |sender| sender.last_stream);
        core::iter::successors(Some(first), |slot| self.streams.get(*slot).map(|entry| entry.previous))
            .take_while(|slot| *slot != NO_STREAM)
    }

    /// The slot of a stream.
    fn find(&self, direction: Direction, destination: Destination, ssrc: Ssrc) -> Option<u32> {
        let hash = destination.hash(ssrc, direction as u8, self.seed);
        self.table.find(hash, |slot| self.is_at(*slot, direction, destination, ssrc)).copied()
    }

    /// Whether there is a stream of that SSRC.
    #[must_use]
    pub fn knows(&self, direction: Direction, destination: Destination, ssrc: Ssrc) -> bool {
        self.find(direction, destination, ssrc).is_some()
    }

    /// The slot of a stream that has a packet: the one of the last packet, as often as not.
    #[inline]
    fn find_hot(&mut self, direction: Direction, destination: Destination, ssrc: Ssrc) -> Option<u32> {
        if self.is_at(self.latest, direction, destination, ssrc) {
            return Some(self.latest);
        }
        let slot = self.find(direction, destination, ssrc)?;
        self.latest = slot;
        Some(slot)
    }

    #[inline]
    fn is_at(&self, slot: u32, direction: Direction, destination: Destination, ssrc: Ssrc) -> bool {
        self.streams.get(slot).is_some_and(|entry| {
            entry.stream.ssrc == ssrc && entry.destination == destination && entry.direction == direction
        })
    }

    /// Whether a stream of that owner and direction has this SSRC, among the latest [`MAX_SENDERS_COMPARED`] senders.
    ///
    /// [`MAX_SENDERS_COMPARED`]: crate::limits::MAX_SENDERS_COMPARED
    #[must_use]
    pub fn uses(&self, owner: Owner, direction: Direction, ssrc: Ssrc) -> bool {
        self.register.compared(&self.senders, owner, direction).any(|sender| {
            self.find(direction, sender.destination, ssrc)
                .and_then(|slot| self.streams.get(slot))
                .and_then(|entry| self.senders.get(entry.stream.sender))
                .is_some_and(|found| found.owner == owner)
        })
    }

    fn info(&self, entry: &DbStream) -> StreamInfo {
        let stream = &entry.stream;
        let owner = self.senders.get(stream.sender).map(|sender| sender.owner);
        let highest = stream.tracker.highest();
        StreamInfo {
            ssrc: stream.ssrc,
            index: stream.tracker.is_known().then_some(highest),
            roc: highest.roc(),
            next_rtcp_index: stream.rtcp_next,
            clash: owner.is_some_and(|owner| self.uses(owner, entry.direction.other(), stream.ssrc)),
            stats: stream.stats(),
        }
    }
}

impl DbStream {
    fn hash(&self, seed: [u64; 2]) -> u64 {
        self.destination.hash(self.stream.ssrc, self.direction as u8, seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Context;

    /// What a million contexts have a million of (docs/performance.md).
    #[test]
    fn contexts_are_small() {
        let counts = 2 * size_of::<usize>();
        assert_eq!(counts + size_of::<Context>(), 120);
        assert_eq!(size_of::<DbStream>(), 120);
        assert_eq!(size_of::<Sender>(), 72);
        assert_eq!(Slab::<DbStream>::SLOT, 120);
        assert_eq!(Slab::<Sender>::SLOT, 72);
    }
}
