//! The receiver's side (RFC 4082 sections 3.5 and 3.7): is the packet's key still secret, does the disclosed key belong
//! to the chain, and which packets does it decide.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use mikey_crypto::tesla::{Commitment, GroupTime, TeslaError, TeslaParams, mac_key, step_down};
use mikey_crypto::{Hash, ct_eq};

use super::budget::TeslaLimits;
use super::buffer::{Buffer, Held, MediaIndex};
use super::clock::ReceiverClock;
use super::unprotect::Ready;
use super::{Extension, FullMac};
use crate::error::UnprotectError;
use crate::index::PacketIndex;
use crate::limits::{FREE_STEPS, MAX_CHAINS, STEPS_PER_INTERVAL};
use crate::time::Time;

/// What a receiver knows of one SSRC's chain, and its packets that wait for a key.
pub struct TeslaReceiver {
    hash: &'static dyn Hash,
    clock: ReceiverClock,
    /// The latest time that was seen: a clock that is set back would make packets safe that are not.
    now: Time,
    /// Newest first, at least one.
    chains: Vec<Chain>,
    next_serial: u32,
    /// Steps that may be spent on long walks, and up to when they were given.
    credit: u64,
    credited: GroupTime,
    /// Keys came before our clock says that they can: it is not a bound.
    out_of_step: bool,
    buffer: Buffer,
    ready: VecDeque<Ready>,
    stats: TeslaStats,
}

/// A chain, as far as it is disclosed.
struct Chain {
    params: TeslaParams,
    serial: u32,
    /// Our newest key.
    known: Commitment,
    /// The interval that the next chain calls 0.
    followed_at: Option<u32>,
}

/// What a receiver has done with the packets that carried a right outer tag. Counters wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TeslaStats {
    /// Packets that wait.
    pub waiting: usize,
    /// Packets whose TESLA MAC was right.
    pub verified: u64,
    /// Packets whose TESLA MAC was wrong: somebody who has the group's key has made or changed them.
    pub forged: u64,
    /// Packets that went because more came than may wait.
    pub displaced: u64,
    /// Packets that went because no key came for them in time.
    pub undisclosed: u64,
    /// Packets whose TESLA MAC was right, but whose key has gone meanwhile, or whose index another packet has.
    pub lost: u64,
    /// Copies of packets that wait.
    pub copies: u64,
    /// Packets that came when their key may already have been disclosed.
    pub unsafe_packets: u64,
    /// Packets of intervals that cannot have begun.
    pub early: u64,
    /// Packets whose disclosed key is not of the chain.
    pub bad_keys: u64,
    /// Packets whose disclosed key was too far ahead to be checked.
    pub far_keys: u64,
    /// Steps along chains, of whatever outcome.
    pub steps: u64,
}

/// What a packet's interval number means now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// Its key is still secret.
    Safe,
    /// Its key may be known to everybody.
    Late,
    /// It is of a time that has not begun.
    Early,
}

impl TeslaReceiver {
    /// A receiver of a chain that key management has authenticated: `commitment` is one of its keys, and the newer the
    /// fewer steps the first packet costs. `sha1` is the provider's SHA-1.
    ///
    /// # Errors
    /// [`TeslaError`] if something is out of its limits.
    pub fn new(
        sha1: &'static dyn Hash,
        clock: ReceiverClock,
        params: TeslaParams,
        commitment: Commitment,
        limits: TeslaLimits,
    ) -> Result<Self, TeslaError> {
        limits.check()?;
        let chain = Chain::new(params, commitment, 0)?;
        Ok(Self {
            hash: sha1,
            clock,
            now: Time::ZERO,
            chains: Vec::from([chain]),
            next_serial: 1,
            credit: 0,
            credited: params.begin_of(u64::from(commitment.interval)),
            out_of_step: false,
            buffer: Buffer::new(limits),
            ready: VecDeque::new(),
            stats: TeslaStats::default(),
        })
    }

    /// Adds the chain that follows, as the sender does with [`TeslaSender::follow`](super::TeslaSender::follow). One that
    /// was announced before and has not begun is replaced.
    ///
    /// # Errors
    /// [`TeslaError::Successor`] if the two do not fit together.
    pub fn follow(&mut self, params: TeslaParams, commitment: Commitment) -> Result<(), TeslaError> {
        let next = Chain::new(params, commitment, self.next_serial)?;
        let now = self.clock.latest(self.now);
        let first = self.chains.first().ok_or(TeslaError::Successor)?;
        let pending = self.chains.len() > 1 && first.params.interval_at(now).is_none();
        let last = self.chains.get_mut(usize::from(pending)).ok_or(TeslaError::Successor)?;
        let at = last.params.followed_at(&next.params)?;
        if at <= last.known.interval {
            return Err(TeslaError::Successor);
        }
        last.followed_at = Some(at);
        if pending {
            self.chains.remove(0);
        }
        self.chains.insert(0, next);
        self.chains.truncate(MAX_CHAINS);
        self.next_serial = self.next_serial.wrapping_add(1);
        let oldest = self.chains.last().map_or(0, |chain| chain.serial);
        let gone = self.buffer.extract(|held| held.chain < oldest).len();
        self.stats.undisclosed = self.stats.undisclosed.wrapping_add(count(gone));
        Ok(())
    }

    /// What it has done so far.
    #[must_use]
    pub fn stats(&self) -> TeslaStats {
        TeslaStats { waiting: self.buffer.len(), ..self.stats }
    }

    /// Whether keys came before our clock says that they can. Nothing is taken any more: ask the controller for the time
    /// again, and install a new receiver.
    #[must_use]
    pub const fn is_out_of_step(&self) -> bool {
        self.out_of_step
    }

    pub(super) fn mac_len(&self) -> usize {
        self.chains.first().map_or(usize::MAX, |chain| usize::from(chain.params.mac_len))
    }

    /// Drops packets that have waited too long; returns how many that were.
    pub(crate) fn expire(&mut self, now: Time) -> u64 {
        self.now = self.now.max(now);
        let gone = self.buffer.expire(self.now);
        self.stats.undisclosed = self.stats.undisclosed.wrapping_add(gone);
        gone
    }

    /// Takes a packet whose outer tag is right: keeps it if it is safe, and learns the key that it discloses.
    ///
    /// Returns what came of the packet, and the packets that wait no more, in their order, with whether their MACs are
    /// right.
    pub(super) fn take(
        &mut self,
        now: Time,
        extension: &Extension<'_>,
        held: impl FnOnce(u32, Time) -> Held,
    ) -> (UnprotectError, Vec<Held>) {
        self.expire(now);
        if self.out_of_step {
            return (UnprotectError::OutOfStep, Vec::new());
        }
        let (at, when) = self.place(extension.interval);
        let mut released = Vec::new();
        match self.learn(at, extension) {
            Ok(Some((at, from))) if when == When::Early => {
                // The sender is further than it can be, if our clock is a bound.
                self.out_of_step = true;
                self.restore(at, from);
                let gone = self.buffer.extract(|_| true).len();
                self.stats.unsafe_packets = self.stats.unsafe_packets.wrapping_add(count(gone));
                return (UnprotectError::OutOfStep, Vec::new());
            }
            Ok(Some((at, _))) => released = self.release(at),
            Ok(None) => {}
            Err(error) => return (error, released),
        }
        let verdict = match when {
            When::Safe => {
                let serial = self.chains.get(at).map_or(0, |chain| chain.serial);
                match self.buffer.insert(held(serial, self.now)) {
                    Ok(gone) => {
                        self.stats.displaced = self.stats.displaced.wrapping_add(gone);
                        UnprotectError::Held
                    }
                    Err(super::buffer::Duplicate) => {
                        self.stats.copies = self.stats.copies.wrapping_add(1);
                        UnprotectError::Replayed
                    }
                }
            }
            When::Late => {
                self.stats.unsafe_packets = self.stats.unsafe_packets.wrapping_add(1);
                UnprotectError::NotSafe
            }
            When::Early => {
                self.stats.early = self.stats.early.wrapping_add(1);
                UnprotectError::TooEarly
            }
        };
        (verdict, released)
    }

    /// Whether packets have come out that nobody has taken.
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    pub(crate) fn pop(&mut self) -> Option<Ready> {
        self.ready.pop_front()
    }

    /// Counts a packet that was right and cannot be opened.
    pub(super) fn lost(&mut self) {
        self.stats.lost = self.stats.lost.wrapping_add(1);
    }

    /// Puts a packet where the application takes it from. One that nobody takes goes when as many more have come.
    pub(super) fn push(&mut self, ready: Ready) {
        if self.ready.len() >= self.buffer.limits().packets && self.ready.pop_front().is_some() {
            self.stats.displaced = self.stats.displaced.wrapping_add(1);
        }
        self.ready.push_back(ready);
    }

    /// Which chain an interval number is of, and whether its key is a secret by now (RFC 4082 section 3.5, step 1).
    fn place(&self, interval: u32) -> (usize, When) {
        let now = self.clock.latest(self.now);
        let mut newest = 0;
        for (at, chain) in self.chains.iter().enumerate() {
            let Some(latest) = chain.params.interval_at(now) else {
                newest = at + 1;
                continue;
            };
            let end = u64::from(chain.followed_at.unwrap_or(chain.params.chain_len));
            let number = u64::from(interval);
            if number > latest.min(end) {
                // Of the chain before, or not of any.
                continue;
            }
            let secret = number + u64::from(chain.params.delay) > latest && interval > chain.known.interval;
            return (at, if secret { When::Safe } else { When::Late });
        }
        (newest.min(self.chains.len().saturating_sub(1)), When::Early)
    }

    /// Checks the disclosed key of a packet (steps 2 and 3). If it is new, returns the chain that it is of, and our
    /// newest key until then.
    fn learn(
        &mut self,
        at: usize,
        extension: &Extension<'_>,
    ) -> Result<Option<(usize, Commitment)>, UnprotectError> {
        let Some(chain) = self.chains.get(at) else { return Ok(None) };
        let delay = u32::from(chain.params.delay);
        let (at, index) = match extension.interval.checked_sub(delay).filter(|index| *index > 0) {
            Some(index) => (at, index),
            // The first intervals of a chain disclose the last keys of the one before.
            None => match self.chains.get(at + 1).and_then(|before| before.followed_at) {
                Some(end) => (at + 1, (end + extension.interval).saturating_sub(delay)),
                None => (at, 0),
            },
        };
        let Some(chain) = self.chains.get(at) else { return Ok(None) };
        let known = chain.known;
        let Some(steps) = index.checked_sub(known.interval) else { return Ok(None) };
        if index > chain.params.chain_len {
            self.stats.bad_keys = self.stats.bad_keys.wrapping_add(1);
            return Err(UnprotectError::BadKey);
        }
        if !self.afford(u64::from(steps)) {
            self.stats.far_keys = self.stats.far_keys.wrapping_add(1);
            return Err(UnprotectError::FarKey);
        }
        let mut key = *extension.disclosed;
        for _ in 0..steps {
            step_down(self.hash, &mut key);
        }
        self.stats.steps = self.stats.steps.wrapping_add(u64::from(steps));
        if !ct_eq(&key, &known.key) {
            self.stats.bad_keys = self.stats.bad_keys.wrapping_add(1);
            return Err(UnprotectError::BadKey);
        }
        if steps == 0 {
            return Ok(None);
        }
        if let Some(chain) = self.chains.get_mut(at) {
            chain.known = Commitment { interval: index, key: *extension.disclosed };
        }
        Ok(Some((at, known)))
    }

    /// Whether so many steps may be made for one packet (RFC 4082 section 3.7). Short walks always may; long ones are
    /// paid from what the passing intervals give, so that after a silence a true key is soon found, and false ones cost
    /// no more than a few steps an interval.
    fn afford(&mut self, steps: u64) -> bool {
        let now = self.clock.latest(self.now);
        let since = self.chains.first().map(|chain| TeslaParams { start: self.credited, ..chain.params });
        let passed = since.and_then(|since| since.interval_at(now).map(|passed| (since, passed)));
        if let Some((since, passed)) = passed {
            self.credited = since.begin_of(passed);
            self.credit = self.credit.saturating_add(passed.saturating_mul(STEPS_PER_INTERVAL));
        }
        if steps <= FREE_STEPS {
            return true;
        }
        match self.credit.checked_sub(steps) {
            Some(left) => {
                self.credit = left;
                true
            }
            None => false,
        }
    }

    fn restore(&mut self, at: usize, known: Commitment) {
        if let Some(chain) = self.chains.get_mut(at) {
            chain.known = known;
        }
    }

    /// Takes out the packets that the newest key of a chain decides, drops those whose MAC is wrong, and returns the
    /// others by index (step 4). Keys in between that were lost are made on the way.
    // R14.8
    fn release(&mut self, at: usize) -> Vec<Held> {
        let Some(chain) = self.chains.get(at) else { return Vec::new() };
        let (serial, Commitment { interval: newest, mut key }) = (chain.serial, chain.known);
        let mac_len = usize::from(chain.params.mac_len);
        let mut decided = self.buffer.extract(|held| held.chain == serial && held.interval <= newest);
        decided.sort_by_key(|held| core::cmp::Reverse(held.interval));
        let (mut below, mut mac) = (newest, None);
        let (hash, stats) = (self.hash, &mut self.stats);
        decided.retain(|held| {
            if held.interval < below {
                mac = None;
            }
            while below > held.interval {
                step_down(hash, &mut key);
                below -= 1;
                stats.steps = stats.steps.wrapping_add(1);
            }
            let mac = mac.get_or_insert_with(|| hash.hmac_key(mac_key(hash, &key).expose()));
            let right = is_right(mac.as_ref(), held, mac_len);
            let counter = if right { &mut stats.verified } else { &mut stats.forged };
            *counter = counter.wrapping_add(1);
            right
        });
        decided.sort_by_key(|held| held.index);
        decided
    }
}

impl Chain {
    fn new(params: TeslaParams, known: Commitment, serial: u32) -> Result<Self, TeslaError> {
        params.check()?;
        if known.interval > params.chain_len {
            return Err(TeslaError::Commitment);
        }
        Ok(Self { params, serial, known, followed_at: None })
    }
}

/// Whether the TESLA MAC of a packet is right: over ROC and packet, of SRTCP over packet and index alone (RFC 4383
/// section 4.6).
fn is_right(key: &dyn mikey_crypto::HmacKey, held: &Held, mac_len: usize) -> bool {
    let mut mac: FullMac = [0; _];
    match held.index {
        MediaIndex::Rtp(index) => {
            let roc = PacketIndex::from_u64(index).roc().to_be_bytes();
            key.mac(&[&roc, &held.octets], &mut mac);
        }
        MediaIndex::Rtcp(_) => key.mac(&[&held.octets], &mut mac),
    }
    match (mac.get(..mac_len), held.mac.get(..mac_len)) {
        (Some(ours), Some(theirs)) => ct_eq(ours, theirs),
        _ => false,
    }
}

fn count(packets: usize) -> u64 {
    u64::try_from(packets).unwrap_or(u64::MAX)
}
