//! The sender's side: which key it is now, and which is disclosed (RFC 4082 section 3.4).

use alloc::boxed::Box;

use mikey_crypto::HmacKey;
use mikey_crypto::tesla::{Commitment, KEY_LEN, KeyChain, TeslaError, TeslaParams, mac_key};

use super::clock::SenderClock;
use super::{Extension, FullMac};
use crate::error::ProtectError;
use crate::limits::CHAIN_DUE_FRACTION;
use crate::time::Time;

/// The chain of one SSRC, with the time that says which of its keys is used.
pub struct TeslaSender {
    clock: SenderClock,
    /// The latest time that was seen: a clock that is set back stands still here.
    now: Time,
    chain: Chain,
    /// The keys that the first intervals of `chain` disclose, and which interval of theirs its interval 0 is.
    before: Option<(Chain, u32)>,
    /// What follows, and at which interval of `chain`.
    next: Option<(Chain, u32)>,
    current: Option<Current>,
    /// When the packets sent so far are all disclosed.
    closes: Time,
}

struct Chain {
    params: TeslaParams,
    keys: KeyChain,
}

/// What all packets of one interval share.
struct Current {
    interval: u32,
    mac: Box<dyn HmacKey>,
    disclosed: [u8; KEY_LEN],
}

/// How far a chain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TeslaSenderInfo {
    /// The interval of the latest packet; 0 before the first.
    pub interval: u32,
    /// The last interval in which packets with content can be sent under this chain and the one that follows.
    pub last: u32,
    /// Little is left: generate another chain and give its commitment to the group.
    pub chain_due: bool,
    /// Until when packets have to be sent for receivers to learn the keys of those sent so far. Who has no more to say
    /// sends empty packets until then, about as often as media before (RFC 4383 section 5).
    pub closes: Time,
}

impl TeslaSender {
    /// A sender that begins with `params.start`.
    ///
    /// # Errors
    /// [`TeslaError`] if the parameters are out of their limits or the chain has another length.
    pub fn new(clock: SenderClock, params: TeslaParams, keys: KeyChain) -> Result<Self, TeslaError> {
        let chain = Chain::new(params, keys)?;
        let (now, closes) = (Time::ZERO, Time::ZERO);
        Ok(Self { clock, now, chain, before: None, next: None, current: None, closes })
    }

    /// Adds the chain that follows: it begins with its own `start`, at the latest when this one's keys are used up. Until
    /// it has, calling this again replaces it.
    ///
    /// # Errors
    /// [`TeslaError::Successor`] if the two do not fit together, or it would begin before the interval that it is now.
    pub fn follow(&mut self, params: TeslaParams, keys: KeyChain) -> Result<(), TeslaError> {
        let next = Chain::new(params, keys)?;
        let at = self.chain.params.followed_at(&next.params)?;
        if self.current.as_ref().is_some_and(|current| at <= current.interval) {
            return Err(TeslaError::Successor);
        }
        self.next = Some((next, at));
        Ok(())
    }

    /// The newest key that is already disclosed, for who joins now: commits to all that follow it.
    ///
    /// # Errors
    /// [`ProtectError::ChainExhausted`] after the end.
    pub fn commitment(&mut self, now: Time) -> Result<Commitment, ProtectError> {
        self.advance(now);
        let interval = match self.chain.params.interval_at(self.clock.earliest(self.now)) {
            Some(interval) => u32::try_from(interval).map_err(|_| ProtectError::ChainExhausted)?,
            None => 0,
        };
        let disclosed = interval.saturating_sub(u32::from(self.chain.params.delay));
        let key = self.chain.keys.key(disclosed).ok_or(ProtectError::ChainExhausted)?;
        Ok(Commitment { interval: disclosed, key: *key.expose() })
    }

    /// How far the chain is.
    #[must_use]
    pub fn info(&self) -> TeslaSenderInfo {
        TeslaSenderInfo {
            interval: self.current.as_ref().map_or(0, |current| current.interval),
            last: self.last_open(),
            chain_due: self.is_due(),
            closes: self.closes,
        }
    }

    /// The parameters of the chain in use.
    #[must_use]
    pub fn params(&self) -> &TeslaParams {
        &self.chain.params
    }

    pub(super) fn overhead(&self) -> usize {
        self.chain.params.overhead()
    }

    /// Prepares the keys of the interval that it is at `now`. `empty` packets carry nothing but a key, and are let
    /// through while there is one. Changes nothing that the network sees.
    // R14.9
    pub(super) fn begin(&mut self, now: Time, empty: bool) -> Result<(), ProtectError> {
        self.advance(now);
        let interval = self.chain.params.interval_at(self.clock.earliest(self.now)).unwrap_or(0);
        if interval == 0 {
            return Err(ProtectError::ChainNotStarted);
        }
        let interval = u32::try_from(interval).map_err(|_| ProtectError::ChainExhausted)?;
        if self.current.as_ref().is_none_or(|current| current.interval != interval) {
            self.current = None;
            self.current = Some(self.prepare(interval).ok_or(ProtectError::ChainExhausted)?);
        }
        match &self.current {
            Some(current) if current.interval <= self.last_open() || empty => Ok(()),
            _ => Err(ProtectError::ChainExhausted),
        }
    }

    /// Writes the extension of a packet whose covered parts are given. [`Self::begin`] was called before.
    pub(super) fn write(&self, covered: &[&[u8]], to: &mut [u8]) -> Option<()> {
        let current = self.current.as_ref()?;
        let mut mac: FullMac = [0; _];
        current.mac.mac(covered, &mut mac);
        let mac = mac.get(..usize::from(self.chain.params.mac_len))?;
        Extension { interval: current.interval, disclosed: &current.disclosed, mac }.write(to)
    }

    /// Takes note of a packet with content, so that its key is disclosed in the end. Returns whether a chain is due.
    pub(super) fn sent(&mut self, empty: bool) -> bool {
        let Some(current) = &self.current else { return false };
        if !empty {
            let after = u64::from(current.interval) + u64::from(self.chain.params.delay) + 1;
            self.closes = self.clock.when(self.chain.params.begin_of(after));
        }
        self.is_due()
    }

    /// Moves time on, and to the next chain if its time has come.
    fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
        let begun = |next: &Chain| {
            next.params.interval_at(self.clock.earliest(self.now)).is_some_and(|interval| interval > 0)
        };
        if self.next.as_ref().is_some_and(|(next, _)| begun(next))
            && let Some((next, at)) = self.next.take()
        {
            let before = core::mem::replace(&mut self.chain, next);
            self.before = Some((before, at));
            self.current = None;
        }
    }

    fn prepare(&mut self, interval: u32) -> Option<Current> {
        let delay = u32::from(self.chain.params.delay);
        let key = self.chain.keys.key(interval)?;
        let disclosed = match (interval.checked_sub(delay), &mut self.before) {
            (None | Some(0), Some((before, at))) => before.keys.key((*at + interval).checked_sub(delay)?)?,
            (disclosed, _) => self.chain.keys.key(disclosed.unwrap_or(0))?,
        };
        if interval > delay {
            self.before = None;
        }
        let hash = self.chain.keys.hash();
        let mac = hash.hmac_key(mac_key(hash, key.expose()).expose());
        Some(Current { interval, mac, disclosed: *disclosed.expose() })
    }

    /// Whether no chain follows and less than a sixteenth of this one is left.
    fn is_due(&self) -> bool {
        let params = &self.chain.params;
        let soft = (params.chain_len / CHAIN_DUE_FRACTION).max(4 * u32::from(params.delay));
        let left = self.current.as_ref().map(|current| self.last_open().saturating_sub(current.interval));
        self.next.is_none() && left.is_some_and(|left| left < soft)
    }

    /// The last interval whose key will be disclosed: with a successor every one, else those that have an interval
    /// `delay` later.
    fn last_open(&self) -> u32 {
        let params = &self.chain.params;
        match &self.next {
            Some((_, at)) => *at,
            None => params.chain_len.saturating_sub(u32::from(params.delay)),
        }
    }
}

impl Chain {
    fn new(params: TeslaParams, keys: KeyChain) -> Result<Self, TeslaError> {
        params.check()?;
        if keys.len() != params.chain_len {
            return Err(TeslaError::ChainLen);
        }
        Ok(Self { params, keys })
    }
}
