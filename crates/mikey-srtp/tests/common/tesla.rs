//! Shared by the tests of TESLA: a sender and a receiver of one SSRC with a clock each, in milliseconds.

use std::time::Duration;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{Hash, Secret};
use mikey_srtp::tesla::{
    Commitment, GroupTime, KeyChain, ReceiverClock, SenderClock, TeslaLimits, TeslaParams, TeslaReceiver,
    TeslaSender, TeslaStats, Verified,
};
use mikey_srtp::{
    ContextDb, Direction, Install, ProtectError, SenderId, Ssrc, StartIndex, Time, UnprotectError,
};

use super::{Pair, here};

pub const SSRC: Ssrc = Ssrc(0xcafe_babe);
pub const CM: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_32;
/// What the group's clock shows at millisecond 0 of the tests.
pub const EPOCH: u64 = 1_000_000_000_000_000;

pub fn sha1() -> &'static dyn Hash {
    mikey_crypto_aws_lc::provider().sha1
}

pub fn ms(millis: u64) -> Time {
    Time::from_millis(millis)
}

pub fn group(millis: u64) -> GroupTime {
    GroupTime(EPOCH + millis * 1_000_000)
}

/// 100 ms, a disclosure delay of 2, begins at 0.
pub fn params(chain_len: u32) -> TeslaParams {
    TeslaParams {
        start: group(0),
        interval: Duration::from_millis(100),
        delay: 2,
        chain_len,
        mac_len: TeslaParams::DEFAULT_MAC_LEN,
    }
}

pub fn chain(seed: u8, len: u32) -> KeyChain {
    KeyChain::generate(sha1(), Secret::new([seed; 20]), len).unwrap()
}

/// Sender and receiver of one group, and a member that has the group's key too.
pub struct Group {
    pub pair: Pair,
    pub forger: ContextDb,
    pub forger_id: SenderId,
}

impl Group {
    /// With a chain of `len` keys, and clocks that are right to the millisecond.
    pub fn new(len: u32) -> Self {
        Self::with(CM, params(len), TeslaLimits::DEFAULT)
    }

    pub fn with(policy: SrtpPolicy, params: TeslaParams, limits: TeslaLimits) -> Self {
        let mut this = Self::unkeyed(policy);
        let keys = chain(1, params.chain_len);
        let commitment = keys.commitment();
        this.set_sender(TeslaSender::new(sender_clock(0), params, keys).unwrap());
        let receiver = TeslaReceiver::new(sha1(), receiver_clock(0, 0), params, commitment, limits).unwrap();
        this.set_receiver(receiver);
        this
    }

    /// Without chains.
    pub fn unkeyed(policy: SrtpPolicy) -> Self {
        Self::installed(policy, |install| install)
    }

    pub fn installed(policy: SrtpPolicy, change: impl Fn(Install) -> Install) -> Self {
        let tesla = |install: Install| change(Install { tesla: true, ..install });
        let pair = Pair::with(policy, StartIndex::Roc(3), tesla);
        // The forger has the same keys, and a chain of its own making.
        let forging = Pair::with(policy, StartIndex::Roc(3), tesla);
        Self { pair, forger: forging.tx, forger_id: forging.sender }
    }

    pub fn set_sender(&mut self, sender: TeslaSender) {
        self.pair.tx.set_tesla_sender(self.pair.sender, SSRC, sender).unwrap();
    }

    pub fn set_receiver(&mut self, receiver: TeslaReceiver) {
        self.pair.rx.set_tesla_receiver(self.pair.receiver, SSRC, receiver).unwrap();
    }

    /// The forger makes packets under this chain.
    pub fn set_forger(&mut self, params: TeslaParams, keys: KeyChain) {
        let sender = TeslaSender::new(sender_clock(0), params, keys).unwrap();
        self.forger.set_tesla_sender(self.forger_id, SSRC, sender).unwrap();
    }

    pub fn send(&mut self, at: u64, seq: u16) -> Vec<u8> {
        self.try_send(at, seq).unwrap()
    }

    pub fn try_send(&mut self, at: u64, seq: u16) -> Result<Vec<u8>, ProtectError> {
        protect(&mut self.pair.tx, at, &rtp(seq))
    }

    pub fn send_rtcp(&mut self, at: u64, rest: &[u8]) -> Vec<u8> {
        let plain = super::rtcp(SSRC, rest);
        let mut buffer = [&plain[..], &[0; 100]].concat();
        let done = self.pair.tx.protect_rtcp(ms(at), here(), &mut buffer, plain.len()).unwrap();
        buffer.truncate(done.len);
        buffer
    }

    pub fn forge(&mut self, at: u64, plain: &[u8]) -> Vec<u8> {
        protect(&mut self.forger, at, plain).unwrap()
    }

    /// What becomes of a packet when it comes.
    pub fn receive(&mut self, at: u64, packet: &[u8]) -> UnprotectError {
        self.pair.rx.unprotect_rtp(ms(at), here(), &mut packet.to_vec()).expect_err("never at once")
    }

    pub fn receive_rtcp(&mut self, at: u64, packet: &[u8]) -> UnprotectError {
        self.pair.rx.unprotect_rtcp(ms(at), here(), &mut packet.to_vec()).expect_err("never at once")
    }

    pub fn verified(&mut self) -> Vec<Vec<u8>> {
        self.take().into_iter().map(|verified| verified.packet).collect()
    }

    pub fn take(&mut self) -> Vec<Verified> {
        std::iter::from_fn(|| self.pair.rx.take_verified()).collect()
    }

    pub fn stats(&mut self) -> TeslaStats {
        self.receiver().stats()
    }

    pub fn receiver(&mut self) -> &mut TeslaReceiver {
        self.pair.rx.tesla_receiver(self.pair.receiver, SSRC).unwrap()
    }

    pub fn sender(&mut self) -> &mut TeslaSender {
        self.pair.tx.tesla_sender(self.pair.sender, SSRC).unwrap()
    }
}

pub fn protect(db: &mut ContextDb, at: u64, plain: &[u8]) -> Result<Vec<u8>, ProtectError> {
    let mut buffer = [plain, &[0; 100]].concat();
    let done = db.protect_rtp(ms(at), here(), &mut buffer, plain.len())?;
    buffer.truncate(done.len);
    Ok(buffer)
}

/// The packet of this number.
pub fn rtp(seq: u16) -> Vec<u8> {
    super::rtp(SSRC, seq, &super::octets(seq.to_be_bytes()[1], 50 + usize::from(seq % 7)))
}

/// A sender that heard at `at` that the group's clock shows 0, without drift.
pub fn sender_clock(at: u64) -> SenderClock {
    SenderClock::new(ms(at), group(0)).with_drift(0)
}

/// A receiver that asked at `asked`, and hears that the group's clock showed `shown`, without drift.
pub fn receiver_clock(asked: u64, shown: u64) -> ReceiverClock {
    ReceiverClock::new(ms(asked), group(shown)).with_drift(0)
}

pub fn receiver(clock: ReceiverClock, params: TeslaParams, commitment: Commitment) -> TeslaReceiver {
    TeslaReceiver::new(sha1(), clock, params, commitment, TeslaLimits::DEFAULT).unwrap()
}

/// An outbound or inbound database entry without TESLA, with the same keys as [`Group`].
pub fn plain_receiver(policy: SrtpPolicy) -> ContextDb {
    let pair = Pair::with(policy, StartIndex::Roc(3), |install| install);
    assert!(pair.rx.knows(Direction::Inbound, here(), SSRC));
    pair.rx
}

pub const NULL: SrtpPolicy = SrtpPolicy::NULL_HMAC_SHA1_80;

/// A packet by a member that has the group's key, with whatever it wants in the extension. Without encryption, TESLA's
/// extension under the outer tag is what the end of a payload is to plain SRTP.
pub fn forge_raw(plain: &[u8], interval: u32, disclosed: &[u8; 20], mac: &[u8]) -> Vec<u8> {
    let mut forger = super::Pair::with(NULL, StartIndex::Roc(3), |install| install).tx;
    let packet = [plain, &interval.to_be_bytes(), disclosed, mac].concat();
    protect(&mut forger, 0, &packet).unwrap()
}

/// The extension of a packet that is not encrypted.
pub fn extension(packet: &[u8], tag: usize) -> (u32, [u8; 20], [u8; 10]) {
    let at = packet.len() - tag - 34;
    let part = |from: usize, to: usize| &packet[at + from..at + to];
    let interval = u32::from_be_bytes(part(0, 4).try_into().unwrap());
    (interval, part(4, 24).try_into().unwrap(), part(24, 34).try_into().unwrap())
}

pub fn null_group() -> Group {
    Group::with(NULL, params(1000), TeslaLimits::DEFAULT)
}
