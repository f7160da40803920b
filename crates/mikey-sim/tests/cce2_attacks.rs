//! Option 2 (docs/spec.md, chapter 12) against somebody in the middle, or with keys of its own: rule 57 of the security rules.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/lone.rs"]
mod lone;

use common::craft::{bend, kind, leak};
use common::envelope::{KEYS, Sends};
use common::hand::HandCaller;
use common::*;
use lone::{Bob, caller, dropped, offer, right};
use mikey_crypto::SecretBytes;
use mikey_proto::{DropReason, Time};
use mikey_sim::{Datagram, KeyKind, Link, provider};
use mikey_wire::DataType;

const EVE: &str = "sip:eve@example.com";

/// Rule 57: what Alice signs and encrypts for Eve is of no use to Eve with Bob. Eve has Alice's envelope open, and packs it
/// again for him.
#[test]
fn what_was_sent_to_one_is_not_accepted_by_another() {
    let parties = Parties::new(KeyKind::Ed25519);
    // Alice calls Eve, who is Bob's peer as well, with the keys of that call in Eve's hands.
    let mut bob = Bob::new(&parties, Mode::Cce2Rsa);
    let mut with_bob = caller(Mode::Cce2Rsa, 1);
    let m2 = bob.init_resp(&with_bob);
    let before = bob.metrics();
    // SIGNi names whom it is for. All else is right: th2, envelope, KEMAC.
    let for_eve = Sends { signed_for: EVE, ..Sends::rsa(&parties.ca) };
    let m3 = with_bob.cce2_req(&m2, &for_eve);
    assert_eq!(bob.takes(&m3), None);
    assert_eq!(dropped(&before, &bob.metrics()), [DropReason::BadSignature]);
    // SIGNi of another INIT, put under this one.
    let mut other = Bob::new(&parties, Mode::Cce2Rsa);
    let mut with_other = caller(Mode::Cce2Rsa, 2);
    let other_m2 = other.init_resp(&with_other);
    let other_m3 = with_other.cce2_req(&other_m2, &Sends::rsa(&parties.ca));
    let sign_of = |raw: &[u8]| raw[raw.len() - 256..].to_vec();
    let m3 = with_bob.cce2_req(&m2, &Sends::rsa(&parties.ca));
    let spliced = [&m3[..m3.len() - 256], &sign_of(&other_m3)].concat();
    assert_eq!(bob.takes(&spliced), None);
    assert_eq!(bob.metrics().drops(DropReason::BadSignature), 2);
    // The true one still works.
    assert_eq!(bob.takes(&m3).map(|a| kind(&a)), Some(DataType::CCE2_RESP));
}

/// Every payload of one call put into another one between the same two, who have the same keys.
#[test]
fn parts_of_another_call_are_refused() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let request = |seed: u64| {
            let mut bob = Bob::new(&parties, mode);
            let mut caller = caller(mode, seed);
            let m2 = bob.init_resp(&caller);
            let m3 = caller.cce2_req(&m2, &right(&parties, mode));
            (bob, m3)
        };
        let (_, other) = request(2);
        let count = mikey_wire::Message::decode(&other).unwrap().items.len();
        let mut differ = 0;
        for at in 0..count {
            let (mut bob, m3) = request(1);
            let other = mikey_wire::Message::decode(leak(&other)).unwrap();
            let spliced = bend(&m3, |_, payloads| payloads[at] = other.items[at].payload.clone());
            let ty = other.items[at].payload.ty();
            if spliced == m3 {
                continue;
            }
            differ += 1;
            assert_eq!(bob.takes(&spliced), None, "{mode:?}: {ty:?} of another call");
            assert_eq!(bob.metrics().sessions, 0);
            assert_eq!(bob.takes(&m3).map(|a| kind(&a)), Some(DataType::CCE2_RESP), "{mode:?}: {ty:?}");
        }
        assert!(differ >= 2, "{mode:?}: the two calls are alike");
    }
}

/// Rule 57: the DH secret alone opens nothing, and neither does what is mixed into it.
#[test]
fn neither_dh_nor_the_psk_alone_opens_anything() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let mut bob = Bob::new(&parties, mode);
        let mut caller = caller(mode, 1);
        let m2 = bob.init_resp(&caller);
        let sends = right(&parties, mode);
        let m3 = caller.cce2_req(&m2, &sends);
        // KEMAC's tag is the last octets in PSK mode; with RSA the message goes on, which Sealed knows.
        let opens = |leg: &mallory::Leg| leg.try_open(mikey_proto::Role::Initiator, false, &m3).is_some();
        assert!(opens(&caller.leg_without_psk(&m2).mix(&sends.x)), "{mode:?}: with both");
        assert!(!opens(&caller.leg_without_psk(&m2)), "{mode:?}: from PRK, with DH alone");
        assert!(!opens(&caller.leg_without_psk(&m2).mix(&[0; 32])), "{mode:?}: another PSK or envelope key");
        // Somebody who has recorded all and learns the PSK or the envelope key later, but no DH secret.
        let nothing = mikey_crypto::KxSecret { kem: SecretBytes::empty(), dh: SecretBytes::zeroed(32) };
        let later = mallory::Leg::new(caller.provider(), &caller.m1, &m2, &nothing, &[]);
        assert!(!opens(&later.mix(&sends.x)), "{mode:?}: without DH");
        // And these are the keys that an endpoint has.
        assert_eq!(bob.takes(&m3).map(|a| kind(&a)), Some(DataType::CCE2_RESP), "{mode:?}");
    }
}

/// A middle with a key exchange of its own on each side, who relays the rest.
#[test]
fn a_middle_completes_with_nobody() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let mut middle: Option<mallory::Middle> = None;
        let mut answer: Option<Vec<u8>> = None;
        let mut pair = parties.pair(mode, Link::perfect(1), 1).with_adversary(move |_: Time, d: Datagram| {
            let with = |bytes: Vec<u8>| vec![Datagram { bytes, ..d.clone() }];
            match kind(&d.bytes) {
                DataType::INIT_REQ => {
                    let middle =
                        middle.get_or_insert_with(|| mallory::Middle::new(provider(66), &d.bytes, &[]));
                    with(middle.init_req())
                }
                DataType::INIT_RESP => {
                    let middle = middle.as_mut().unwrap();
                    with(answer.get_or_insert_with(|| middle.init_resp(&d.bytes)).clone())
                }
                _ => vec![d],
            }
        });
        pair.start(BOB).run(Time::from_secs(30));
        assert!(!pair.is_established(0) && !pair.is_established(1), "{mode:?}");
    }
}

/// A certificate for Alice's key in Eve's name, and a signature of Alice's: it says in whose name it is, through th2.
#[test]
fn a_certificate_for_somebody_elses_key_is_of_no_use() {
    let parties = Parties::new(KeyKind::Ed25519);
    let for_eve = parties.ca.certify_key(EVE, KEYS[0][0]);
    let mut bob = Bob::new(&parties, Mode::Cce2Rsa);
    // Alice's call, which Eve has in hand, and Eve's own.
    let mut alice = caller(Mode::Cce2Rsa, 1);
    let alices_m2 = bob.init_resp(&alice);
    let alices = alice.cce2_req(&alices_m2, &Sends::rsa(&parties.ca));
    let mut eve = HandCaller::new(2, EVE, Some(BOB), &offer(Mode::Cce2Rsa), &[]);
    let m2 = bob.init_resp(&eve);
    let sends = Sends { certs: vec![for_eve], ..Sends::rsa(&parties.ca) };
    let own = eve.cce2_req(&m2, &sends);
    let stolen = [&own[..own.len() - 256], &alices[alices.len() - 256..]].concat();
    let before = bob.metrics();
    assert_eq!(bob.takes(&stolen), None);
    assert_eq!(dropped(&before, &bob.metrics()), [DropReason::BadSignature]);
}

/// What Alice sends comes back to her, as it is and as an answer.
#[test]
fn reflected_messages_are_dropped() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let mut pair = parties.pair(mode, Link::perfect(1), 1).with_adversary(|_: Time, d: Datagram| {
            let back = Datagram { from: d.to, to: d.from, bytes: d.bytes.clone() };
            let mut disguised = back.clone();
            disguised.bytes[1] ^= 1;
            disguised.bytes[3] ^= 0x80;
            vec![back, disguised, d]
        });
        pair.start(BOB).run(Time::from_secs(30)).agreed();
        assert_eq!((pair.metrics(0).sessions, pair.metrics(1).sessions), (1, 1), "{mode:?}");
    }
}

/// Answers with Bob's true certificates, but DH values of somebody else: each costs a branch, none takes the true one's place.
#[test]
fn forged_answers_with_the_true_certificates_prevent_nothing() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let group = provider(7).group(mikey_crypto::GroupId::X25519).unwrap();
        let mut pair = parties.pair(mode, Link::perfect(1), 1).with_adversary(move |_: Time, d: Datagram| {
            if kind(&d.bytes) != DataType::INIT_RESP {
                return vec![d];
            }
            let forge = |n: u8| {
                let value = group.start(&*provider(u64::from(n)).random).unwrap();
                let bytes = craft::with_dh(&d.bytes, value.value());
                let bytes = craft::with_session(&bytes, |session| session.spi_r = u64::from(n) + 1);
                Datagram { bytes, ..d.clone() }
            };
            (0..20).map(forge).chain([d.clone()]).collect()
        });
        pair.start(BOB).run(Time::from_secs(40)).agreed();
        assert!(pair.metrics(0).key_exchanges > 4, "{mode:?}: no forged answer was taken up");
    }
}
