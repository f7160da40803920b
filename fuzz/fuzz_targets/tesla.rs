//! A member of a group that has the group's key, every packet and every disclosed key, against a receiver of TESLA: no
//! panic, and nothing is delivered that the sender has not sent.
//!
//! The input is a list of orders: the sender sends, a packet arrives, or arrives with its inside changed under a right
//! outer tag, or is made anew with a key that is out. The receiver's clock is the sender's or later, never before.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{Secret, SecretBytes};
use mikey_fuzz::Script;
use mikey_srtp::tesla::{
    GroupTime, KeyChain, ReceiverClock, SenderClock, TeslaLimits, TeslaParams, TeslaReceiver, TeslaSender,
};
use mikey_srtp::{
    ContextDb, DbConfig, Destination, Direction, Install, MasterKey, Owner, SenderId, Ssrc, Ssrcs, Time,
};

const SSRC: Ssrc = Ssrc(0xcafe_babe);
const CHAIN: u32 = 64;
/// Octets of the outer tag.
const TAG: usize = 10;

fuzz_target!(|octets: &[u8]| {
    let mut script = Script(octets);
    let mut all = Parties::new();
    let (mut now, mut seq) = (100u64, 0u16);
    let mut sent: Vec<Vec<u8>> = Vec::new();
    let mut plain: Vec<Vec<u8>> = Vec::new();
    let arrive = |all: &mut Parties, now: u64, packet: &[u8]| {
        let _ = all.receiver.unprotect_rtp(Time::from_millis(now), here(), &mut packet.to_vec());
        let _ = all.receiver.unprotect_rtcp(Time::from_millis(now), here(), &mut packet.to_vec());
    };
    for _ in 0..200 {
        let Some(order) = script.octet() else { break };
        match order & 7 {
            0 | 1 => {
                let packet = rtp(seq, script.octets(usize::from(order >> 3)));
                seq = seq.wrapping_add(1);
                if let Some(protected) = protect(&mut all.sender, now, &packet) {
                    plain.push(packet);
                    sent.push(protected);
                }
            }
            2 => now += u64::from(script.octet().unwrap_or(0)) * 4,
            3 => {
                if let Some(packet) = pick(&mut script, &sent) {
                    arrive(&mut all, now, &packet);
                }
            }
            4 => {
                // Network and receiver take their time.
                let late = u64::from(script.octet().unwrap_or(0)) * 8;
                if let Some(packet) = pick(&mut script, &sent) {
                    arrive(&mut all, now + late, &packet);
                }
            }
            5 => {
                if let Some(mut packet) = pick(&mut script, &sent) {
                    packet.truncate(packet.len() - TAG);
                    script.edit(&mut packet);
                    if let Some(forged) = protect(&mut Parties::member(), 0, &packet) {
                        arrive(&mut all, now, &forged);
                    }
                }
            }
            6 => {
                // A key of this interval or before is out: the sender's own chain, two intervals late.
                let back = 200 + 100 * u64::from(script.octet().unwrap_or(0) & 7);
                let number = script.number() as u16;
                let forged = rtp(number, b"forged, which nobody has sent");
                if let Some(forged) = now.checked_sub(back).and_then(|at| protect(&mut all.forger(), at, &forged)) {
                    arrive(&mut all, now, &forged);
                }
            }
            _ => all.receiver.drop_expired(Time::from_millis(now)),
        }
        while let Some(verified) = all.receiver.take_verified() {
            assert!(plain.contains(&verified.packet), "a packet that the sender has not sent");
        }
    }
});

/// Sender and receiver with databases of their own.
struct Parties {
    sender: ContextDb,
    receiver: ContextDb,
}

impl Parties {
    fn new() -> Self {
        let (mut receiver, id) = db(Direction::Inbound, true);
        let clock = ReceiverClock::new(Time::ZERO, GroupTime(0));
        let inbound =
            TeslaReceiver::new(sha1(), clock, params(), chain().commitment(), LIMITS).expect("within limits");
        receiver.set_tesla_receiver(id, SSRC, inbound).expect("installed with TESLA");
        Self { sender: sending(), receiver }
    }

    /// Somebody who makes packets under the sender's chain.
    fn forger(&self) -> ContextDb {
        sending()
    }

    /// Somebody who has the group's key alone.
    fn member() -> ContextDb {
        db(Direction::Outbound, false).0
    }
}

const LIMITS: TeslaLimits = TeslaLimits { packets: 16, octets: 1 << 16, age: Duration::from_secs(2) };

fn sending() -> ContextDb {
    let (mut db, id) = db(Direction::Outbound, true);
    let clock = SenderClock::new(Time::ZERO, GroupTime(0));
    let outbound = TeslaSender::new(clock, params(), chain()).expect("within limits");
    db.set_tesla_sender(id, SSRC, outbound).expect("installed with TESLA");
    db
}

fn params() -> TeslaParams {
    let interval = Duration::from_millis(100);
    TeslaParams { start: GroupTime(0), interval, delay: 2, chain_len: CHAIN, mac_len: 10 }
}

fn chain() -> KeyChain {
    KeyChain::generate(sha1(), Secret::new([7; 20]), CHAIN).expect("within limits")
}

fn sha1() -> &'static dyn mikey_crypto::Hash {
    mikey_crypto_aws_lc::provider().sha1
}

/// Nothing is encrypted, so that a change inside is the change that the order says.
fn db(direction: Direction, tesla: bool) -> (ContextDb, SenderId) {
    let mut db = ContextDb::new(mikey_crypto_aws_lc::provider().srtp, DbConfig::new([1, 2]));
    let key = MasterKey::new(SecretBytes::copy_from(&[1; 16]), SecretBytes::copy_from(&[2; 14]));
    let policy = SrtpPolicy::NULL_HMAC_SHA1_80;
    let install = Install::new(direction, here(), Owner(1), Ssrcs::one(SSRC), policy, key);
    let id = db.install(Install { tesla, ..install }).expect("a policy that can have TESLA");
    (db, id)
}

fn protect(db: &mut ContextDb, now: u64, packet: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = [packet, &[0; 64]].concat();
    let done = db.protect_rtp(Time::from_millis(now), here(), &mut buffer, packet.len()).ok()?;
    buffer.truncate(done.len);
    Some(buffer)
}

fn pick(script: &mut Script<'_>, sent: &[Vec<u8>]) -> Option<Vec<u8>> {
    let at = usize::from(script.octet()?);
    sent.len().checked_sub(1 + at % sent.len().max(1)).and_then(|at| sent.get(at)).cloned()
}

fn rtp(seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend(seq.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend(SSRC.0.to_be_bytes());
    packet.extend(payload);
    packet
}

fn here() -> Destination {
    Destination::new([127, 0, 0, 1].into(), 5004)
}
