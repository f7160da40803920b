//! The crate mykey as the peer, in both roles: PSK with its verification, and DHHMAC.
//!
//! It deviates from RFC 3830 and 4650 in four ways. Its key of HMAC-SHA-1 has 32 octets and not 20, which a switch of ours
//! for tests emulates. It derives SRTP keys for CS ID 0 although its crypto session is the first one, so keys are compared by
//! deriving those of CS ID 1 with its own functions. It sends no names. Its DHHMAC response leaves out what it answers.

use std::time::{Duration, UNIX_EPOCH};

use mikey_proto::v1::{Known, Mode, Offer, Party, Policy, Quirk};
use mikey_proto::{Name, SrtpKeys, StreamKeys, Time};
use mykey::MikeyMessage;
use mykey::message::DhHmacInitiator;
use mykey::modp::ModpKeyPair;
use mykey::payload::{DhGroup, Timestamp};
use mykey::srtp::{SrtpCryptoSuite, derive_srtp_keys};

use crate::setup::*;

const PSK: [u8; 32] = [0x5A; 32];

fn policy() -> Policy {
    with(everything(), |policy| policy.mac_key_len = Some(32))
}

fn now() -> Timestamp {
    Timestamp::Ntp(UNIX_EPOCH + NOW + Duration::from_millis(1))
}

/// One stream of ours: without names in the message there is nobody to fill in another one's SSRC.
fn our_offer(mode: Mode) -> Offer {
    with(offer(mode), |o| {
        o.names = false;
        o.streams.truncate(1);
    })
}

fn same(keys: &SrtpKeys, tgk: &[u8], rand: &[u8], csb_id: u32) {
    let [StreamKeys { cs_id, master_key, master_salt, .. }] = &keys.streams[..] else { panic!() };
    let theirs = derive_srtp_keys(tgk, rand, *cs_id, csb_id, SrtpCryptoSuite::AES_128_CM_SHA1_80).unwrap();
    assert_eq!(master_key.expose(), theirs.master_key);
    assert_eq!(master_salt.expose(), theirs.master_salt);
}

#[test]
fn it_takes_our_psk_message_and_we_its_verification() {
    let mut alice = Party::new(config(0, &policy(), 1)).unwrap();
    let mut offered = alice.offer(Time::ZERO, &our_offer(Mode::Psk)).unwrap();
    let init = MikeyMessage::from_bytes(&offered.message).unwrap();
    let tgk = init.verify_and_extract_tgk(&PSK).unwrap();
    assert!(init.requires_verification());
    let response = MikeyMessage::new_psk_verification(&init, &PSK).unwrap();
    let pending = offered.pending.as_mut().unwrap();
    let mut forged = response.to_bytes().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    assert!(alice.finish(Time::ZERO, pending, &forged).is_err());
    let csb_id = pending.csb_id();
    let ours = alice.finish(Time::ZERO, pending, response.to_bytes()).unwrap();
    same(&ours.keys, &tgk, init.rand_bytes().unwrap(), csb_id);
}

#[test]
fn we_take_its_psk_message_and_it_our_verification() {
    let rand = [7; 16];
    let init = MikeyMessage::new_psk_init_requiring_verification_at(0x0102_0304, 0x1111, &rand, &PSK, now())
        .unwrap();
    let mut bob = Party::new(config(1, &policy(), 2)).unwrap();
    let caller = Name::parse(ALICE).unwrap();
    let known = Known { peer: Some(&caller), ..Known::default() };
    let answer = bob.answer(Time::ZERO, init.to_bytes(), &known).unwrap();
    let tgk = init.verify_and_extract_tgk(&PSK).unwrap();
    same(&answer.agreement.unwrap().keys, &tgk, &rand, 0x0102_0304);
    let response = MikeyMessage::from_bytes(&answer.message.unwrap()).unwrap();
    response.verify_psk_verification(&init, &PSK).unwrap();
    assert!(response.verify_psk_verification(&init, &[0x5B; 32]).is_err());
}

#[test]
fn it_answers_our_dhhmac() {
    let mut alice = Party::new(config(0, &policy(), 1)).unwrap();
    let mut offered = alice.offer(Time::ZERO, &our_offer(Mode::DhHmac)).unwrap();
    let init = MikeyMessage::from_bytes(&offered.message).unwrap();
    let rand = init.rand_bytes().unwrap().to_vec();
    init.verify_dhhmac(&PSK, &rand).unwrap();
    let pair = ModpKeyPair::generate(DhGroup::Oakley5).unwrap();
    let response =
        MikeyMessage::new_dhhmac_resp(&init, DhGroup::Oakley5, &pair.public_bytes(), &PSK).unwrap();
    let pending = offered.pending.as_mut().unwrap();
    let csb_id = pending.csb_id();
    let ours = alice.finish(Time::ZERO, pending, response.to_bytes()).unwrap();
    assert!(ours.quirks.contains(Quirk::NoDhEcho) && alice.quirks(Quirk::NoDhEcho) == 1);
    let tgk = pair.diffie_hellman(init.dh_public().unwrap()).unwrap();
    same(&ours.keys, &tgk, &rand, csb_id);
}

#[test]
fn a_strict_policy_wants_its_own_dh_value_back() {
    let strict = with(policy(), |policy| policy.lenient = false);
    let mut alice = Party::new(config(0, &strict, 1)).unwrap();
    let mut offered = alice.offer(Time::ZERO, &our_offer(Mode::DhHmac)).unwrap();
    let init = MikeyMessage::from_bytes(&offered.message).unwrap();
    let pair = ModpKeyPair::generate(DhGroup::Oakley5).unwrap();
    let response =
        MikeyMessage::new_dhhmac_resp(&init, DhGroup::Oakley5, &pair.public_bytes(), &PSK).unwrap();
    assert!(alice.finish(Time::ZERO, offered.pending.as_mut().unwrap(), response.to_bytes()).is_err());
}

#[test]
fn we_answer_its_dhhmac() {
    let initiator =
        DhHmacInitiator::new(0x0A0B_0C0D, 0x1111, DhGroup::Oakley5, &PSK).unwrap().with_timestamp(now());
    let init = initiator.init_message().unwrap();
    let mut bob = Party::new(config(1, &policy(), 2)).unwrap();
    let caller = Name::parse(ALICE).unwrap();
    let known = Known { peer: Some(&caller), ..Known::default() };
    let answer = bob.answer(Time::ZERO, init.to_bytes(), &known).unwrap();
    let response = MikeyMessage::from_bytes(&answer.message.unwrap()).unwrap();
    response.verify_dhhmac(&PSK, init.rand_bytes().unwrap()).unwrap();
    // It verifies the response and derives keys; those of CS ID 1 cannot be had of it, so ours are for its CS ID 0.
    let theirs = initiator.complete(&response, SrtpCryptoSuite::AES_128_CM_SHA1_80).unwrap();
    assert_eq!(theirs.master_key.len(), 16);
    let keys = answer.agreement.unwrap().keys;
    assert_ne!(keys.streams[0].master_key.expose(), theirs.master_key, "another crypto session, another key");
}

#[test]
fn without_the_switch_its_macs_are_wrong_ones() {
    let mut alice = Party::new(config(0, &everything(), 1)).unwrap();
    let offered = alice.offer(Time::ZERO, &our_offer(Mode::Psk)).unwrap();
    let init = MikeyMessage::from_bytes(&offered.message).unwrap();
    assert!(init.verify_and_extract_tgk(&PSK).is_err());
}
