//! One stream: an SSRC in one direction at one destination, its index, and its keys (RFC 3711 section 3.2).
//!
//! Invariant: nothing in here changes before a packet has been authenticated, except cached keys of a derivation
//! period, which are the same for everybody.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use mikey_crypto::srtp::{SrtpCrypto, UnsupportedTransform};

use crate::error::InstallError;
use crate::index::{Extended, IndexTracker, Ssrc, epoch};
use crate::key::{Context, RareRtpKeys, RtpKeys};
use crate::limits::MAX_KEYS;
use crate::replay::{ReplayWindow, RtcpWindow};
use crate::sender::Direction;
use crate::stats::StreamStats;
use crate::tesla::Tesla;
use crate::time::Time;

/// The state of a stream.
pub(crate) struct Stream {
    pub(crate) ssrc: Ssrc,
    /// The slot of its sender in the database.
    pub(crate) sender: u32,
    /// Outbound: the index of the next SRTCP packet. It wraps at 31 bits, but never within one key's packets.
    pub(crate) rtcp_next: u32,
    pub(crate) refused: u32,
    pub(crate) tracker: IndexTracker,
    /// The newest key, or the one that was right last.
    pub(crate) key: KeyState,
    /// What few streams have.
    pub(crate) rare: Option<Box<RareStream>>,
}

/// What few streams have: more keys than one, packets under keys that are gone, an application that knows the ROC, TESLA.
#[derive(Default)]
pub(crate) struct RareStream {
    /// Newest first.
    pub(crate) others: Vec<KeyState>,
    /// RFC 4771 mode 3: the application knows that our ROC is right.
    pub(crate) ignore_received_roc: bool,
    /// Source authentication, if [`Context::is_tesla`] and key management has said which chain.
    pub(crate) tesla: Option<Box<Tesla>>,
    rtp_retired: u64,
    rtcp_retired: u32,
}

/// One key as one stream has used it.
pub(crate) struct KeyState {
    pub(crate) context: Arc<Context>,
    pub(crate) rtp_window: ReplayWindow,
    pub(crate) rtcp_window: RtcpWindow,
    pub(crate) rtp_used: u64,
    /// What few keys have.
    rare: Option<Box<RareKey>>,
}

/// What few keys have: an end in time, and keys of the periods of a key derivation rate.
struct RareKey {
    until: Time,
    periods: Periods,
}

impl Stream {
    pub(crate) fn new(
        ssrc: Ssrc,
        sender: u32,
        tracker: IndexTracker,
        context: Arc<Context>,
        window: ReplayWindow,
    ) -> Self {
        let key = KeyState::new(context, window);
        Self { ssrc, sender, rtcp_next: 0, refused: 0, tracker, key, rare: None }
    }

    /// Whether nothing rare is about: one key, valid for ever, one derivation, no header extension to encrypt.
    #[inline]
    pub(crate) fn is_simple(&self) -> bool {
        self.key.context.simple && self.key.rare.is_none() && self.others().is_empty()
    }

    /// RFC 4771 mode 3: whether the ROC in packets does not count.
    pub(crate) fn ignores_received_roc(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.ignore_received_roc)
    }

    /// Puts a new key first. Inbound, the others stop at `retire` at the latest; outbound, at once. Index and ROC go on.
    // R11.5
    pub(crate) fn rekey(&mut self, context: Arc<Context>, direction: Direction, retire: Time) {
        let key = KeyState::new(context, self.key.rtp_window.renewed());
        let old = core::mem::replace(&mut self.key, key);
        let rare = self.rare.get_or_insert_default();
        rare.others.insert(0, old);
        for key in &mut rare.others {
            key.retire(retire);
        }
        let left = if direction == Direction::Outbound { 0 } else { MAX_KEYS - 1 };
        while rare.others.len() > left {
            rare.retire_last();
        }
    }

    /// Puts a key behind the others, for a time that its validity says.
    pub(crate) fn add(&mut self, context: Arc<Context>) -> Result<&mut KeyState, InstallError> {
        let rare = self.rare.get_or_insert_default();
        if rare.others.len() + 1 >= MAX_KEYS {
            return Err(InstallError::Full);
        }
        rare.others.push(KeyState::new(context, self.key.rtp_window.renewed()));
        rare.others.last_mut().ok_or(InstallError::Full)
    }

    /// Drops the keys whose time is over. The last one stays, to say that it has expired.
    pub(crate) fn drop_expired(&mut self, now: Time) {
        let Some(rare) = &mut self.rare else { return };
        if now >= self.key.until() && !rare.others.is_empty() {
            let next = rare.others.remove(0);
            rare.others.push(core::mem::replace(&mut self.key, next));
        }
        rare.others.sort_by_key(|key| now >= key.until());
        while rare.others.last().is_some_and(|key| now >= key.until()) {
            rare.retire_last();
        }
    }

    pub(crate) fn others(&self) -> &[KeyState] {
        self.rare.as_ref().map_or(&[], |rare| &rare.others)
    }

    pub(crate) fn key(&self, at: usize) -> Option<&KeyState> {
        if at == 0 { Some(&self.key) } else { self.others().get(at - 1) }
    }

    pub(crate) fn key_mut(&mut self, at: usize) -> Option<&mut KeyState> {
        if at == 0 { Some(&mut self.key) } else { self.rare.as_mut()?.others.get_mut(at - 1) }
    }

    pub(crate) fn key_count(&self) -> usize {
        1 + self.others().len()
    }

    pub(crate) fn stats(&self) -> StreamStats {
        let (rtp, rtcp) = self.rare.as_ref().map_or((0, 0), |rare| (rare.rtp_retired, rare.rtcp_retired));
        let keys = || core::iter::once(&self.key).chain(self.others());
        StreamStats {
            rtp: keys().fold(rtp, |sum, key| sum.wrapping_add(key.rtp_used)),
            rtcp: keys().fold(rtcp, |sum, key| sum.wrapping_add(key.rtcp_window.used())),
            refused: self.refused,
        }
    }
}

impl RareStream {
    /// Forgets the last key, but not how much it did.
    fn retire_last(&mut self) {
        if let Some(key) = self.others.pop() {
            self.rtp_retired = self.rtp_retired.wrapping_add(key.rtp_used);
            self.rtcp_retired = self.rtcp_retired.wrapping_add(key.rtcp_window.used());
        }
    }
}

impl KeyState {
    pub(crate) fn new(context: Arc<Context>, rtp_window: ReplayWindow) -> Self {
        let until = context.lifetime().until;
        let is_rare = until != Time::NEVER || context.policy.kdr != 0;
        Self {
            context,
            rtp_window,
            rtcp_window: RtcpWindow::default(),
            rtp_used: 0,
            rare: is_rare.then(|| Box::new(RareKey { until, periods: Periods::default() })),
        }
    }

    /// When it stops: its lifetime says so, or a newer one has replaced it.
    #[inline]
    pub(crate) fn until(&self) -> Time {
        self.rare.as_ref().map_or(Time::NEVER, |rare| rare.until)
    }

    /// Makes it stop no later than `at`.
    pub(crate) fn retire(&mut self, at: Time) {
        if at < self.until() {
            let rare = self
                .rare
                .get_or_insert_with(|| Box::new(RareKey { until: Time::NEVER, periods: Periods::default() }));
            rare.until = at;
        }
    }

    /// Whether the index lies in another pass through the 48 bits than those before: no key goes on beyond a wrap.
    #[inline]
    pub(crate) fn wraps(&self, index: Extended) -> bool {
        self.rtp_window.top().checked_sub(1).is_some_and(|last| epoch(last) != epoch(index))
    }

    /// Makes sure that the keys of the index's derivation period are there.
    #[inline]
    pub(crate) fn prepare(
        &mut self,
        crypto: &dyn SrtpCrypto,
        index: Extended,
    ) -> Result<(), UnsupportedTransform> {
        if self.context.policy.kdr == 0 { Ok(()) } else { self.prepare_period(crypto, index) }
    }

    /// The keys of the index's period, once [`Self::prepare`] has been called.
    #[inline]
    pub(crate) fn rtp_keys(&self, index: Extended) -> (&RtpKeys, &RareRtpKeys) {
        let first = (&self.context.rtp, self.context.rare_rtp());
        let kdr = self.context.policy.kdr;
        if kdr == 0 {
            return first;
        }
        let period = period(index, kdr);
        if period == 0 {
            return first;
        }
        let slot = self.rare.as_ref().and_then(|rare| rare.periods.find(period));
        slot.map_or(first, |slot| (&slot.keys, &slot.rare))
    }

    /// Takes note that a packet of this index was authenticated: its period's keys are no longer a guess.
    #[inline]
    pub(crate) fn confirm(&mut self, index: Extended) {
        let kdr = self.context.policy.kdr;
        if let Some(rare) = self.rare.as_mut().filter(|_| kdr != 0) {
            rare.periods.confirm(period(index, kdr));
        }
    }

    fn prepare_period(
        &mut self,
        crypto: &dyn SrtpCrypto,
        index: Extended,
    ) -> Result<(), UnsupportedTransform> {
        let Self { context, rare: Some(state), .. } = self else { return Err(UnsupportedTransform) };
        let policy = &context.policy;
        let period = period(index, policy.kdr);
        let periods = &mut state.periods;
        if period == 0 || periods.find(period).is_some() {
            return Ok(());
        }
        let rare = context.rare.as_ref().ok_or(UnsupportedTransform)?;
        let master = rare.master.as_ref().ok_or(UnsupportedTransform)?;
        match &mut periods.guess {
            Some(slot) => {
                // While the keys change they are nobody's; period 0 is never looked for here.
                slot.period = 0;
                slot.keys.rederive(&mut slot.rare, crypto, policy, master, period)?;
                slot.period = period;
            }
            empty => {
                let (keys, rare) = RtpKeys::derive(crypto, policy, master, rare.extensions, period)?;
                *empty = Some(Slot { period, keys, rare });
            }
        }
        Ok(())
    }
}

/// `index DIV kdr`; the rate is a power of two.
fn period(index: Extended, kdr: u32) -> u64 {
    crate::index::PacketIndex::from_u64(index).value() >> kdr.trailing_zeros()
}

/// Keys of the derivation periods in use: the confirmed one, the one before it for stragglers, and one that a packet
/// which is not yet authenticated asked for.
#[derive(Default)]
struct Periods {
    current: Option<Slot>,
    previous: Option<Slot>,
    guess: Option<Slot>,
}

struct Slot {
    period: u64,
    keys: RtpKeys,
    rare: RareRtpKeys,
}

impl Periods {
    fn find(&self, period: u64) -> Option<&Slot> {
        [&self.current, &self.previous, &self.guess].into_iter().flatten().find(|slot| slot.period == period)
    }

    fn confirm(&mut self, period: u64) {
        if self.guess.as_ref().is_some_and(|slot| slot.period == period) {
            // The slot that falls out is the next guess's memory.
            core::mem::swap(&mut self.guess, &mut self.previous);
            core::mem::swap(&mut self.current, &mut self.previous);
        }
    }
}
