//! TESLA's known answers: `vectors/generated/tesla.json`, computed by a script from the RFCs alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::time::Duration;

use common::tesla::{group, ms, receiver_clock, sender_clock, sha1};
use common::{db, here, hex, install, master_of};
use mikey_crypto::Secret;
use mikey_crypto::srtp::{SrtpCipher, SrtpPolicy};
use mikey_srtp::tesla::{
    Commitment, KeyChain, TeslaLimits, TeslaParams, TeslaReceiver, TeslaSender, VerifiedIndex,
};
use mikey_srtp::{Direction, Install, Mki, Ssrc, Ssrcs, StartIndex, UnprotectError};
use serde_json::Value;

fn cases() -> Vec<Value> {
    let text = include_str!("../../../vectors/generated/tesla.json");
    let file: Value = serde_json::from_str(text).unwrap();
    file["cases"].as_array().unwrap().clone()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn octets(value: &Value) -> Vec<u8> {
    hex(value.as_str().unwrap())
}

fn policy(case: &Value) -> SrtpPolicy {
    let null = case["cipher"] == "null";
    SrtpPolicy {
        cipher: if null { SrtpCipher::Null } else { SrtpCipher::AesCm },
        key_len: octets(&case["master_key"]).len() as u8,
        tag_len: number(&case["tag_len"]) as u8,
        srtcp_tag_len: number(&case["srtcp_tag_len"]) as u8,
        srtp_encryption: case["srtp_encryption"] == true,
        srtcp_encryption: case["srtcp_encryption"] == true,
        ..SrtpPolicy::AES_CM_128_HMAC_SHA1_80
    }
}

fn params(case: &Value, chain: &Value) -> TeslaParams {
    TeslaParams {
        start: group(number(&chain["start_ms"])),
        interval: Duration::from_millis(number(&case["interval_ms"])),
        delay: number(&case["delay"]) as u16,
        chain_len: number(&chain["len"]) as u32,
        mac_len: number(&case["mac_len"]) as u8,
    }
}

fn keys(chain: &Value) -> KeyChain {
    let last = octets(&chain["last"]).try_into().unwrap();
    KeyChain::generate(sha1(), Secret::new(last), number(&chain["len"]) as u32).unwrap()
}

fn commitment(chain: &Value) -> Commitment {
    Commitment { interval: 0, key: octets(&chain["keys"][0]).try_into().unwrap() }
}

fn make(case: &Value, direction: Direction) -> Install {
    let plain = octets(&case["packets"][0]["plain"]);
    let ssrc = Ssrc(u32::from_be_bytes(plain[8..12].try_into().unwrap()));
    let bytes = [octets(&case["master_key"]), octets(&case["master_salt"])].concat();
    let policy = policy(case);
    let key = master_of(&bytes, policy.key_len.into()).with_mki(Mki::new(&octets(&case["mki"])).unwrap());
    let start = StartIndex::Roc(number(&case["roc"]) as u32);
    Install { tesla: true, ..install(direction, Ssrcs::These(vec![(ssrc, start)]), policy, key) }
}

fn ssrc(install: &Install) -> Ssrc {
    match &install.ssrcs {
        Ssrcs::These(list) => list[0].0,
        Ssrcs::Any => panic!("named"),
    }
}

#[test]
fn packets_are_sent_as_computed() {
    for case in cases() {
        let name = &case["name"];
        let outbound = make(&case, Direction::Outbound);
        let ssrc = ssrc(&outbound);
        let mut tx = db();
        let id = tx.install(outbound).unwrap();
        let chains = case["chains"].as_array().unwrap();
        let mut sender =
            TeslaSender::new(sender_clock(0), params(&case, &chains[0]), keys(&chains[0])).unwrap();
        for next in &chains[1..] {
            sender.follow(params(&case, next), keys(next)).unwrap();
        }
        assert_eq!(keys(&chains[0]).commitment(), commitment(&chains[0]), "{name}");
        tx.set_tesla_sender(id, ssrc, sender).unwrap();
        for (at, packet) in case["packets"].as_array().unwrap().iter().enumerate() {
            let plain = octets(&packet["plain"]);
            let mut buffer = [&plain[..], &[0; 100]].concat();
            let now = ms(number(&packet["at_ms"]));
            let len = if packet["kind"] == "rtp" {
                tx.protect_rtp(now, here(), &mut buffer, plain.len()).unwrap().len
            } else {
                tx.protect_rtcp(now, here(), &mut buffer, plain.len()).unwrap().len
            };
            assert_eq!(buffer[..len], octets(&packet["protected"]), "{name}: packet {at}");
            let interval = tx.tesla_sender(id, ssrc).unwrap().info().interval;
            assert_eq!(u64::from(interval), number(&packet["interval"]), "{name}: packet {at}");
        }
    }
}

#[test]
fn packets_are_released_by_whom_the_script_says() {
    for case in cases() {
        let name = &case["name"];
        let inbound = make(&case, Direction::Inbound);
        let ssrc = ssrc(&inbound);
        let mut rx = db();
        let id = rx.install(inbound).unwrap();
        let chains = case["chains"].as_array().unwrap();
        let first = params(&case, &chains[0]);
        let mut receiver = TeslaReceiver::new(
            sha1(),
            receiver_clock(0, 0),
            first,
            commitment(&chains[0]),
            TeslaLimits::DEFAULT,
        )
        .unwrap();
        for next in &chains[1..] {
            receiver.follow(params(&case, next), commitment(next)).unwrap();
        }
        rx.set_tesla_receiver(id, ssrc, receiver).unwrap();
        let packets = case["packets"].as_array().unwrap();
        for (at, packet) in packets.iter().enumerate() {
            let mut protected = octets(&packet["protected"]);
            let now = ms(number(&packet["at_ms"]));
            let outcome = if packet["kind"] == "rtp" {
                rx.unprotect_rtp(now, here(), &mut protected).map(|_| ())
            } else {
                rx.unprotect_rtcp(now, here(), &mut protected).map(|_| ())
            };
            assert_eq!(outcome, Err(UnprotectError::Held), "{name}: packet {at}");
            let mut expected: Vec<_> = packets.iter().filter(|packet| packet["released_by"] == at).collect();
            expected.sort_by_key(|packet| (packet["kind"] == "rtcp", number(&packet["index"])));
            for packet in expected {
                let verified = rx.take_verified().unwrap_or_else(|| panic!("{name}: nothing at {at}"));
                assert_eq!(verified.packet, octets(&packet["plain"]), "{name}: at {at}");
                let index = match verified.index {
                    VerifiedIndex::Rtp(index) => index.value(),
                    VerifiedIndex::Rtcp(index) => index.into(),
                };
                assert_eq!(index, number(&packet["index"]), "{name}: at {at}");
            }
            assert_eq!(rx.take_verified(), None, "{name}: too much at {at}");
        }
    }
}
