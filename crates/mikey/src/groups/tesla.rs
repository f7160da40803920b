//! TESLA of a membership: our own chains, which the controller is told of before they are used, and what we know of the
//! others' (docs/spec.md, 14.5).
//!
//! ```text
//!   let in -> a chain for each SSRC of ours -> INFO { SENDERS, I-Keys } -> answered -> packets
//!   others' I-Keys, of the grant, of rekeys and of pulls -> a receiver for each SSRC -> what its sender itself has made
//!   little of a chain is left -> the next one, told of in the same way
//! ```

use core::time::Duration;
use std::collections::BTreeMap;

use mikey_crypto::tesla::{Commitment, GroupTime, KEY_LEN, KeyChain, TeslaError, TeslaParams};
use mikey_crypto::{CryptoProvider, Secret};
use mikey_proto::{ChainKeys, GroupTesla, Time};
use mikey_srtp::tesla::{ReceiverClock, SenderClock, TeslaLimits, TeslaReceiver, TeslaSender};
use mikey_srtp::{ContextDb, SenderId, Ssrc};

use super::srtp;

/// How an agent takes part in groups with TESLA.
#[derive(Clone, Copy, Debug)]
pub struct TeslaSettings {
    /// What is kept of one sender until its keys are disclosed.
    pub limits: TeslaLimits,
    /// How far the clocks of a group's controllers may be apart. Packets count as late by as much, so it is far below
    /// `d * T_int`; zero for groups with one controller.
    pub skew: Duration,
}

impl Default for TeslaSettings {
    fn default() -> Self {
        Self { limits: TeslaLimits::DEFAULT, skew: Duration::ZERO }
    }
}

/// What a membership has of it.
pub(super) struct Tesla {
    provider: CryptoProvider,
    /// Of chain 0.
    params: TeslaParams,
    receivers: ReceiverClock,
    senders: SenderClock,
    shown: GroupTime,
    answered: Time,
    limits: TeslaLimits,
    /// Chains of ours that the controller has not stored yet, by RTP session and SSRC.
    pending: BTreeMap<(u8, u32), Pending>,
    /// When it is told.
    pub(super) report_at: Option<Time>,
}

struct Pending {
    number: u32,
    keys: KeyChain,
}

impl Tesla {
    // R14.7
    /// For whom the controller let in at `answered`, to a request that was first sent at `asked`.
    pub(super) fn new(
        provider: &CryptoProvider,
        tesla: &GroupTesla,
        (asked, answered): (Time, Time),
        settings: &TeslaSettings,
    ) -> Self {
        let GroupTesla { params, shown } = *tesla;
        let skew = u64::try_from(settings.skew.as_nanos()).unwrap_or(u64::MAX);
        let latest = GroupTime(shown.0.saturating_add(skew));
        Self {
            provider: provider.clone(),
            params,
            receivers: ReceiverClock::new(srtp(asked), latest),
            senders: SenderClock::new(srtp(answered), shown),
            shown,
            answered,
            limits: settings.limits,
            pending: BTreeMap::new(),
            report_at: None,
        }
    }

    /// Which chain the group is about in now. It need not be exact: another one says by itself that it has not begun, or is
    /// over.
    fn number(&self, now: Time) -> u32 {
        let passed = now.as_nanos().saturating_sub(self.answered.as_nanos());
        let interval = self.params.interval_at(GroupTime(self.shown.0.saturating_add(passed))).unwrap_or(0);
        u32::try_from(interval / u64::from(self.params.chain_len.max(1))).unwrap_or(u32::MAX)
    }

    /// Makes the chain of an SSRC of ours that comes after the one it has, and has the controller told of it.
    pub(super) fn prepare(&mut self, now: Time, sender: (u8, u32), has: Option<u32>) {
        let number = has.map_or(0, |has| has.saturating_add(1)).max(self.number(now));
        if self.pending.get(&sender).is_some_and(|pending| pending.number >= number) {
            return;
        }
        let mut last = Secret::new([0; KEY_LEN]);
        let random = self.provider.random.fill(last.expose_mut());
        let chain = KeyChain::generate(self.provider.sha1, last, self.params.chain_len);
        // Without randomness there is no chain, and the next packet brings us here again.
        if let (Ok(()), Ok(keys)) = (random, chain) {
            self.pending.insert(sender, Pending { number, keys });
            self.report_at = Some(now);
        }
    }

    /// The first key of the chain that the controller is to be told of.
    pub(super) fn told(&self, sender: (u8, u32)) -> ChainKeys {
        let first = |pending: &Pending| Commitment {
            interval: pending.number.saturating_mul(self.params.chain_len),
            key: pending.keys.commitment().key,
        };
        [self.pending.get(&sender).map(first), None]
    }

    // R14.14
    /// The controller has stored what it was told of an SSRC of ours: the chain is used from now on. Returns its number.
    pub(super) fn stored(
        &mut self,
        db: &mut ContextDb,
        (sender, id): ((u8, u32), SenderId),
        told: &ChainKeys,
        has: Option<u32>,
    ) -> Option<u32> {
        if told[0].is_none() || self.told(sender) != *told {
            return None;
        }
        let Pending { number, keys } = self.pending.remove(&sender)?;
        let (params, ssrc) = (self.params.chain(number), Ssrc(sender.1));
        let follows = has.and_then(|has| has.checked_add(1)) == Some(number);
        let ongoing = db.tesla_sender(id, ssrc).filter(|tesla| tesla.info().interval < params.chain_len);
        if follows && let Some(tesla) = ongoing {
            return tesla.follow(params, keys).is_ok().then_some(number);
        }
        let tesla = TeslaSender::new(self.senders, params, keys).ok()?;
        db.set_tesla_sender(id, ssrc, tesla).is_ok().then_some(number)
    }

    /// Takes what is known of another sender's chains; `has` is the number of the newest that its receiver knows.
    pub(super) fn learn(
        &self,
        db: &mut ContextDb,
        (id, ssrc): (SenderId, Ssrc),
        chains: &ChainKeys,
        mut has: Option<u32>,
    ) -> Option<u32> {
        for known in chains.iter().flatten() {
            let len = self.params.chain_len.max(1);
            let (number, interval) = (known.interval / len, known.interval % len);
            if has.is_some_and(|has| number <= has) {
                continue;
            }
            let (params, commitment) = (self.params.chain(number), Commitment { interval, ..*known });
            let follows = has.and_then(|has| has.checked_add(1)) == Some(number);
            let followed = follows
                && db.tesla_receiver(id, ssrc).is_some_and(|tesla| tesla.follow(params, commitment).is_ok());
            if followed || self.receive(db, (id, ssrc), params, commitment).is_ok() {
                has = Some(number);
            }
        }
        has
    }

    fn receive(
        &self,
        db: &mut ContextDb,
        (id, ssrc): (SenderId, Ssrc),
        params: TeslaParams,
        commitment: Commitment,
    ) -> Result<(), TeslaError> {
        let sha1 = self.provider.sha1;
        let receiver = TeslaReceiver::new(sha1, self.receivers, params, commitment, self.limits)?;
        db.set_tesla_receiver(id, ssrc, receiver)
    }
}
