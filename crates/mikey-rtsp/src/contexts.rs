//! The SRTP contexts of one RTSP session, by stream.
//!
//! A group is what has keys of its own: a stream, or all streams whose keys came at session level. Keys that come later
//! renew those of the same SSRC; the old ones open packets for a while.

use std::time::Duration;

use mikey::keying::{SrtpKeys, StreamKeys};
use mikey::srtp::{
    ContextDb, DbConfig, Destination, Direction, Install, InstallError, MasterKey, Mki, Owner, PacketIndex,
    ProtectError, SenderId, Ssrc, Ssrcs, StartIndex, Stats, Time, UnprotectError, Validity,
};
use mikey::{Side, SrtpPolicy};
use mikey_crypto::srtp::SrtpCrypto;

use crate::limits::MAX_PROTECTION;

/// How long an old inbound key still opens packets.
const OLD_KEY: Duration = Duration::from_secs(5);

/// Contexts of both directions.
pub struct Contexts {
    db: ContextDb,
    senders: Vec<Sender>,
}

struct Sender {
    group: u32,
    side: Side,
    ssrc: Option<u32>,
    policy: SrtpPolicy,
    id: SenderId,
}

impl Contexts {
    /// None so far. `seed` is random.
    #[must_use]
    pub fn new(crypto: &'static dyn SrtpCrypto, seed: [u64; 2]) -> Self {
        let config = DbConfig { max_streams: 1024, ..DbConfig::new(seed) };
        Self { db: ContextDb::new(crypto, config), senders: Vec::new() }
    }

    /// Takes the keys of a group. Several keys of one stream all open its packets; ours are protected under the first.
    ///
    /// # Errors
    /// [`InstallError`] for the first key that SRTP cannot take; what stood before it is installed.
    pub fn install(&mut self, now: mikey::Time, group: u32, keys: SrtpKeys) -> Result<(), InstallError> {
        let mut fresh: Vec<(u8, SenderId)> = Vec::new();
        for stream in keys.streams {
            self.install_stream(now, group, stream, &mut fresh)?;
        }
        Ok(())
    }

    fn install_stream(
        &mut self,
        now: mikey::Time,
        group: u32,
        keys: StreamKeys,
        fresh: &mut Vec<(u8, SenderId)>,
    ) -> Result<(), InstallError> {
        let now = Time(now.as_nanos());
        let validity = keys.valid.map_or(Validity::Always, |(from, to)| Validity::Range {
            from: PacketIndex::from_u64(from),
            to: PacketIndex::from_u64(to),
        });
        let mki = Mki::new(&keys.mki).map_err(|_| InstallError::MkiLen)?;
        let key = MasterKey::new(keys.master_key, keys.master_salt).with_mki(mki).with_validity(validity);
        // A further key of a stream of this very message, beside the first.
        if let Some((_, id)) = fresh.iter().find(|(cs_id, _)| *cs_id == keys.cs_id) {
            return self.db.rekey(*id, key, now.after(Duration::from_secs(u32::MAX.into())));
        }
        let known = self
            .senders
            .iter()
            .position(|sender| (sender.group, sender.side, sender.ssrc) == (group, keys.sender, keys.ssrc));
        if let Some(at) = known
            && let Some(sender) = self.senders.get(at)
        {
            if sender.policy == keys.policy {
                self.db.rekey(sender.id, key, now.after(OLD_KEY))?;
                fresh.push((keys.cs_id, sender.id));
                return Ok(());
            }
            self.db.remove(sender.id);
            self.senders.swap_remove(at);
        }
        let start = match keys.index {
            None => StartIndex::BEGIN,
            // SRTP-ID says the ROC alone.
            Some((roc, 0)) => StartIndex::Roc(roc),
            Some((roc, seq)) => StartIndex::At(PacketIndex::new(roc, seq)),
        };
        let ssrcs = keys.ssrc.map_or(Ssrcs::Any, |ssrc| Ssrcs::These(vec![(Ssrc(ssrc), start)]));
        let (direction, destination) = match keys.sender {
            Side::Local => (Direction::Outbound, outbound(group)),
            Side::Remote => (Direction::Inbound, inbound(group)),
        };
        let owner = Owner(group.into());
        let id = self.db.install(Install::new(direction, destination, owner, ssrcs, keys.policy, key))?;
        self.senders.push(Sender { group, side: keys.sender, ssrc: keys.ssrc, policy: keys.policy, id });
        fresh.push((keys.cs_id, id));
        Ok(())
    }

    /// Turns an RTP packet into an SRTP packet.
    ///
    /// # Errors
    /// [`ProtectError`]; nothing may be sent then.
    pub fn protect_rtp(
        &mut self,
        now: mikey::Time,
        group: u32,
        packet: &mut Vec<u8>,
    ) -> Result<(), ProtectError> {
        let length = packet.len();
        packet.resize(length.saturating_add(MAX_PROTECTION), 0);
        let protected = self.db.protect_rtp(Time(now.as_nanos()), outbound(group), packet, length)?;
        packet.truncate(protected.len);
        Ok(())
    }

    /// Turns a compound RTCP packet into an SRTCP packet.
    ///
    /// # Errors
    /// As [`Self::protect_rtp`].
    pub fn protect_rtcp(
        &mut self,
        now: mikey::Time,
        group: u32,
        packet: &mut Vec<u8>,
    ) -> Result<(), ProtectError> {
        let length = packet.len();
        packet.resize(length.saturating_add(MAX_PROTECTION), 0);
        let protected = self.db.protect_rtcp(Time(now.as_nanos()), outbound(group), packet, length)?;
        packet.truncate(protected.len);
        Ok(())
    }

    /// Turns an SRTP packet into an RTP packet.
    ///
    /// # Errors
    /// [`UnprotectError`]; the packet is then as it came, or worse, and is dropped.
    pub fn unprotect_rtp(
        &mut self,
        now: mikey::Time,
        group: u32,
        packet: &mut Vec<u8>,
    ) -> Result<(), UnprotectError> {
        let accepted = self.db.unprotect_rtp(Time(now.as_nanos()), inbound(group), packet)?;
        packet.truncate(accepted.len);
        Ok(())
    }

    /// Turns an SRTCP packet into an RTCP packet.
    ///
    /// # Errors
    /// As [`Self::unprotect_rtp`].
    pub fn unprotect_rtcp(
        &mut self,
        now: mikey::Time,
        group: u32,
        packet: &mut Vec<u8>,
    ) -> Result<(), UnprotectError> {
        let accepted = self.db.unprotect_rtcp(Time(now.as_nanos()), inbound(group), packet)?;
        packet.truncate(accepted.len);
        Ok(())
    }

    /// The ROC of a stream of ours that runs; none before its first packet.
    #[must_use]
    pub fn roc(&self, group: u32, ssrc: u32) -> Option<u32> {
        let ours = |sender: &&Sender| sender.group == group && sender.side == Side::Local;
        let stream =
            self.senders.iter().filter(ours).find_map(|sender| self.db.stream(sender.id, Ssrc(ssrc)))?;
        stream.index.map(|_| stream.roc)
    }

    /// What came of all packets so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.db.stats()
    }
}

fn outbound(group: u32) -> Destination {
    Destination::flow(group.wrapping_mul(2))
}

fn inbound(group: u32) -> Destination {
    Destination::flow(group.wrapping_mul(2).wrapping_add(1))
}
