//! A database for many cores: shards with a lock each, so that cores whose packets are of different streams do not wait
//! for each other.
//!
//! A stream lives in the shard that its SSRC and destination choose. A wildcard sender, and what it binds, lives in the
//! shard of its destination, which is asked when the first knows nothing.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpCrypto;

use crate::db::{Accepted, AcceptedRtcp, ContextDb, DbConfig};
use crate::destination::Destination;
use crate::error::{InstallError, ProtectError, UnprotectError};
use crate::index::Ssrc;
use crate::kdf::Master;
use crate::key::MasterKey;
use crate::packet::{Malformed, RtpLayout, rtcp_ssrc};
use crate::protect::{Protected, ProtectedRtcp};
use crate::sender::{Direction, Install, Owner, SenderId, Ssrcs, StreamInfo};
use crate::stats::Stats;
use crate::time::Time;

/// [`ContextDb`] behind locks: every method takes `&self`.
///
/// A packet takes one lock, or two if its SSRC was bound late. Nothing waits while it holds one.
pub struct SharedDb {
    crypto: &'static dyn SrtpCrypto,
    seed: [u64; 2],
    first: Mutex<ContextDb>,
    others: Box<[Mutex<ContextDb>]>,
    /// Whose each master key is, over all shards, for as long as its sender is installed.
    keys: Mutex<BTreeMap<u64, (Owner, Direction)>>,
}

/// A sender in a [`SharedDb`]: to be rekeyed, and removed in the end.
pub struct SharedSender {
    parts: Vec<(usize, SenderId)>,
    owner: Owner,
    direction: Direction,
    fingerprints: Vec<u64>,
}

impl SharedDb {
    /// An empty database of `shards` shards, at least one: about four for each core.
    #[must_use]
    pub fn new(crypto: &'static dyn SrtpCrypto, config: DbConfig, shards: usize) -> Self {
        let shards = shards.max(1);
        let each = config.max_streams.div_ceil(u32::try_from(shards).unwrap_or(u32::MAX));
        let config = DbConfig { max_streams: each, ..config };
        Self {
            crypto,
            seed: config.hash_seed,
            first: Mutex::new(ContextDb::new(crypto, config)),
            others: (1..shards).map(|_| Mutex::new(ContextDb::new(crypto, config))).collect(),
            keys: Mutex::new(BTreeMap::new()),
        }
    }

    /// Installs a sender; each of its SSRCs goes to its own shard.
    ///
    /// # Errors
    /// [`InstallError`]; nothing has been installed then.
    pub fn install(&self, install: Install) -> Result<SharedSender, InstallError> {
        let Install { direction, destination, owner, ssrcs, policy, key, extensions, window, tesla } =
            install;
        if tesla {
            return Err(InstallError::Tesla);
        }
        let mut sender = SharedSender { parts: Vec::new(), owner, direction, fingerprints: Vec::new() };
        let key = self.claim(&mut sender, key)?;
        let places: Vec<(usize, Ssrcs)> = match ssrcs {
            Ssrcs::Any => Vec::from([(self.home(destination, direction), Ssrcs::Any)]),
            Ssrcs::These(list) => list
                .into_iter()
                .map(|one| (self.place(destination, direction, one.0), Ssrcs::These(Vec::from([one]))))
                .collect(),
        };
        for (shard, ssrcs) in places {
            let key = copy(&key);
            let part =
                Install { direction, destination, owner, ssrcs, policy, key, extensions, window, tesla };
            match self.lock(shard).install(part) {
                Ok(id) => sender.parts.push((shard, id)),
                Err(error) => {
                    self.remove(sender);
                    return Err(error);
                }
            }
        }
        Ok(sender)
    }

    /// Gives a sender a new key; see [`ContextDb::rekey`].
    ///
    /// # Errors
    /// [`InstallError`]. An MKI that does not fit is refused before any shard has changed.
    pub fn rekey(&self, sender: &mut SharedSender, key: MasterKey, retire: Time) -> Result<(), InstallError> {
        let key = self.claim(sender, key)?;
        for (shard, id) in &sender.parts {
            self.lock(*shard).rekey(*id, copy(&key), retire)?;
        }
        Ok(())
    }

    /// Removes a sender with its streams and keys.
    pub fn remove(&self, sender: SharedSender) {
        for (shard, id) in sender.parts {
            self.lock(shard).remove(id);
        }
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for fingerprint in sender.fingerprints {
            keys.remove(&fingerprint);
        }
    }

    /// As [`ContextDb::protect_rtp`].
    ///
    /// # Errors
    /// [`ProtectError`], as there.
    pub fn protect_rtp(
        &self,
        now: Time,
        to: Destination,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<Protected, ProtectError> {
        let ssrc = RtpLayout::parse(buffer.get(..len).ok_or(Malformed::Short)?)?.ssrc;
        let mut shard = self.shard_of(Direction::Outbound, to, ssrc);
        shard.protect_rtp(now, to, buffer, len)
    }

    /// As [`ContextDb::protect_rtcp`].
    ///
    /// # Errors
    /// [`ProtectError`], as there.
    pub fn protect_rtcp(
        &self,
        now: Time,
        to: Destination,
        buffer: &mut [u8],
        len: usize,
    ) -> Result<ProtectedRtcp, ProtectError> {
        let ssrc = rtcp_ssrc(buffer.get(..len).ok_or(Malformed::Short)?)?;
        let mut shard = self.shard_of(Direction::Outbound, to, ssrc);
        shard.protect_rtcp(now, to, buffer, len)
    }

    /// As [`ContextDb::unprotect_rtp`]. The [`SenderId`] in the answer is the shard's; the owner is the caller's.
    ///
    /// # Errors
    /// [`UnprotectError`], as there.
    pub fn unprotect_rtp(
        &self,
        now: Time,
        at: Destination,
        packet: &mut [u8],
    ) -> Result<Accepted, UnprotectError> {
        let ssrc = RtpLayout::parse(packet)?.ssrc;
        let mut accepted = self.shard_of(Direction::Inbound, at, ssrc).unprotect_rtp(now, at, packet)?;
        accepted.clash = accepted.bound && self.uses(accepted.owner, Direction::Outbound, ssrc);
        Ok(accepted)
    }

    /// As [`ContextDb::unprotect_rtcp`].
    ///
    /// # Errors
    /// [`UnprotectError`], as there.
    pub fn unprotect_rtcp(
        &self,
        now: Time,
        at: Destination,
        packet: &mut [u8],
    ) -> Result<AcceptedRtcp, UnprotectError> {
        let ssrc = rtcp_ssrc(packet)?;
        let mut accepted = self.shard_of(Direction::Inbound, at, ssrc).unprotect_rtcp(now, at, packet)?;
        accepted.clash = accepted.bound && self.uses(accepted.owner, Direction::Outbound, ssrc);
        Ok(accepted)
    }

    /// As [`ContextDb::uses`], in every shard.
    #[must_use]
    pub fn uses(&self, owner: Owner, direction: Direction, ssrc: Ssrc) -> bool {
        (0..self.shards()).any(|shard| self.lock(shard).uses(owner, direction, ssrc))
    }

    /// As [`ContextDb::drop_expired`], shard by shard.
    pub fn drop_expired(&self, now: Time) {
        for shard in 0..self.shards() {
            self.lock(shard).drop_expired(now);
        }
    }

    /// The streams of a sender, late-bound ones included.
    #[must_use]
    pub fn streams(&self, sender: &SharedSender) -> Vec<StreamInfo> {
        let parts = sender.parts.iter();
        let mut streams: Vec<StreamInfo> =
            parts.flat_map(|(shard, id)| self.lock(*shard).streams(*id).collect::<Vec<_>>()).collect();
        for stream in &mut streams {
            stream.clash = self.uses(sender.owner, sender.direction.other(), stream.ssrc);
        }
        streams
    }

    /// Number of streams.
    #[must_use]
    pub fn len(&self) -> usize {
        (0..self.shards()).map(|shard| self.lock(shard).len()).sum()
    }

    /// Whether there is no stream.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What all shards have done so far. Malformed packets are refused before a shard is chosen, and not counted. Of
    /// clashes only those within a shard are; [`Accepted::clash`] and [`StreamInfo::clash`] know of all.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut sum = Stats::default();
        for shard in 0..self.shards() {
            sum += self.lock(shard).stats();
        }
        sum
    }

    /// The shard that knows the stream, or the one whose wildcard senders may take it.
    fn shard_of(
        &self,
        direction: Direction,
        destination: Destination,
        ssrc: Ssrc,
    ) -> MutexGuard<'_, ContextDb> {
        let place = self.place(destination, direction, ssrc);
        let home = self.home(destination, direction);
        let shard = self.lock(place);
        if place == home || shard.knows(direction, destination, ssrc) {
            return shard;
        }
        drop(shard);
        self.lock(home)
    }

    fn place(&self, destination: Destination, direction: Direction, ssrc: Ssrc) -> usize {
        self.pick(destination.hash(ssrc, direction as u8, self.seed))
    }

    /// Where the wildcard senders of a destination are: no SSRC, but another direction than any has.
    fn home(&self, destination: Destination, direction: Direction) -> usize {
        self.pick(destination.hash(Ssrc(0), 2 + direction as u8, self.seed))
    }

    fn shards(&self) -> usize {
        1 + self.others.len()
    }

    /// The table inside a shard uses the hash's low bits; this is from the others.
    fn pick(&self, hash: u64) -> usize {
        let shards = self.shards() as u64;
        usize::try_from(((hash >> 32) * shards) >> 32).unwrap_or(0)
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, ContextDb> {
        // The database is whole between any two calls, so a thread that died in one has left nothing half done.
        let shard = shard.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.first);
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down whose the key is, until its first sender is removed.
    fn claim(&self, sender: &mut SharedSender, key: MasterKey) -> Result<MasterKey, InstallError> {
        let MasterKey { key, salt, mki, validity, lifetime, shared } = key;
        let master = Master { key, salt };
        let fingerprint = master.fingerprint(self.crypto).map_err(|_| InstallError::MasterKeyLen)?;
        let Master { key, salt } = master;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let new = !keys.contains_key(&fingerprint);
        let owner = *keys.entry(fingerprint).or_insert((sender.owner, sender.direction));
        if owner != (sender.owner, sender.direction) {
            return Err(InstallError::KeyInUse);
        }
        if new {
            sender.fingerprints.push(fingerprint);
        }
        Ok(MasterKey { key, salt, mki, validity, lifetime, shared })
    }
}

/// A copy for another shard. A master key is not to be copied by applications, so it has no `Clone`.
fn copy(key: &MasterKey) -> MasterKey {
    MasterKey {
        key: SecretBytes::copy_from(key.key.expose()),
        salt: SecretBytes::copy_from(key.salt.expose()),
        mki: key.mki.clone(),
        validity: key.validity,
        lifetime: key.lifetime,
        shared: key.shared,
    }
}
