//! One stream: an SSRC in one direction at one destination, its index, and its keys (RFC 3711 section 3.2).
//!
//! Invariant: nothing in here changes before a packet has been authenticated, except cached keys of a derivation
//! period, which are the same for everybody.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use mikey_crypto::srtp::{SrtpCrypto, UnsupportedTransform};

use crate::error::InstallError;
use crate::index::{Extended, IndexTracker, Ssrc};
use crate::key::{Context, Lifetime, RtpKeys};
use crate::limits::MAX_KEYS;
use crate::replay::ReplayWindow;
use crate::stats::StreamStats;
use crate::time::Time;

/// The state of a stream.
pub(crate) struct Stream {
    pub(crate) ssrc: Ssrc,
    pub(crate) tracker: IndexTracker,
    /// Outbound: the index of the next SRTCP packet, extended beyond 31 bits.
    pub(crate) rtcp_next: u64,
    /// The newest key, or the one that was right last.
    pub(crate) key: KeyState,
    /// The others, newest first.
    pub(crate) others: Vec<KeyState>,
    pub(crate) window: u32,
    /// How many streams share the key's packet limits.
    pub(crate) share: u32,
    /// RFC 4771 mode 3: the application knows that our ROC is right.
    pub(crate) ignore_received_roc: bool,
    pub(crate) stats: StreamStats,
}

/// One key as one stream has used it.
pub(crate) struct KeyState {
    pub(crate) context: Arc<Context>,
    pub(crate) rtp_window: ReplayWindow,
    pub(crate) rtcp_window: ReplayWindow,
    pub(crate) rtp_used: u64,
    pub(crate) rtcp_used: u64,
    /// The pass through the index space in which it was first used; it never leaves it.
    pub(crate) epoch: Option<u64>,
    pub(crate) rtcp_epoch: Option<u64>,
    /// When it stops, be it that a newer one has replaced it.
    pub(crate) until: Time,
    periods: Option<Box<Periods>>,
}

impl Stream {
    pub(crate) fn new(
        ssrc: Ssrc,
        tracker: IndexTracker,
        context: Arc<Context>,
        window: u32,
        share: u32,
    ) -> Self {
        Self {
            ssrc,
            tracker,
            rtcp_next: 0,
            key: KeyState::new(context, window),
            others: Vec::new(),
            window,
            share,
            ignore_received_roc: false,
            stats: StreamStats::default(),
        }
    }

    /// Puts a new key first. The others stop at `retire` at the latest; index and ROC go on.
    pub(crate) fn rekey(&mut self, context: Arc<Context>, retire: Time) {
        let old = core::mem::replace(&mut self.key, KeyState::new(context, self.window));
        self.others.insert(0, old);
        self.others.truncate(MAX_KEYS - 1);
        for key in &mut self.others {
            key.until = key.until.min(retire);
        }
    }

    /// Puts a key behind the others, for a time that its validity says.
    pub(crate) fn add(&mut self, context: Arc<Context>) -> Result<(), InstallError> {
        if self.others.len() + 1 >= MAX_KEYS {
            return Err(InstallError::Full);
        }
        self.others.push(KeyState::new(context, self.window));
        Ok(())
    }

    /// Drops the keys whose time is over. The last one stays, to say that it has expired.
    pub(crate) fn drop_expired(&mut self, now: Time) {
        self.others.retain(|key| now < key.until);
        if now >= self.key.until && !self.others.is_empty() {
            self.key = self.others.remove(0);
        }
    }

    /// How much one stream may do under a key.
    pub(crate) fn allowance(&self, key: &KeyState) -> Lifetime {
        if self.share == 1 { key.context.lifetime() } else { key.context.lifetime().divided(self.share) }
    }

    pub(crate) fn key(&self, at: usize) -> Option<&KeyState> {
        if at == 0 { Some(&self.key) } else { self.others.get(at - 1) }
    }

    pub(crate) fn key_mut(&mut self, at: usize) -> Option<&mut KeyState> {
        if at == 0 { Some(&mut self.key) } else { self.others.get_mut(at - 1) }
    }

    pub(crate) fn key_count(&self) -> usize {
        1 + self.others.len()
    }
}

impl KeyState {
    pub(crate) fn new(context: Arc<Context>, window: u32) -> Self {
        let until = context.lifetime().until;
        Self {
            context,
            rtp_window: ReplayWindow::new(window),
            rtcp_window: ReplayWindow::new(window),
            rtp_used: 0,
            rtcp_used: 0,
            epoch: None,
            rtcp_epoch: None,
            until,
            periods: None,
        }
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
    pub(crate) fn rtp_keys(&self, index: Extended) -> &RtpKeys {
        let kdr = self.context.policy.kdr;
        if kdr == 0 {
            return &self.context.rtp;
        }
        let period = period(index, kdr);
        if period == 0 {
            return &self.context.rtp;
        }
        let slot = self.periods.as_ref().and_then(|periods| periods.find(period));
        slot.map_or(&self.context.rtp, |slot| &slot.keys)
    }

    /// Takes note that a packet of this index was authenticated: its period's keys are no longer a guess.
    #[inline]
    pub(crate) fn confirm(&mut self, index: Extended) {
        let kdr = self.context.policy.kdr;
        if let Some(periods) = &mut self.periods {
            periods.confirm(period(index, kdr));
        }
    }

    fn prepare_period(
        &mut self,
        crypto: &dyn SrtpCrypto,
        index: Extended,
    ) -> Result<(), UnsupportedTransform> {
        let policy = &self.context.policy;
        let period = period(index, policy.kdr);
        if period == 0 || self.periods.as_ref().is_some_and(|periods| periods.find(period).is_some()) {
            return Ok(());
        }
        let rare = self.context.rare.as_ref().ok_or(UnsupportedTransform)?;
        let master = rare.master.as_ref().ok_or(UnsupportedTransform)?;
        let periods = self.periods.get_or_insert_default();
        match &mut periods.guess {
            Some(slot) => {
                // While the keys change they are nobody's; period 0 is never looked for here.
                slot.period = 0;
                slot.keys.rederive(crypto, policy, master, period)?;
                slot.period = period;
            }
            empty => {
                let keys = RtpKeys::derive(crypto, policy, master, rare.extensions, period)?;
                *empty = Some(Slot { period, keys });
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
