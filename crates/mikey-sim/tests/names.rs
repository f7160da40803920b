//! Names that must not be taken for others.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::craft::{self, kind, with_rand};
use common::hostile::*;
use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{Call, Identity, Name, Time};
use mikey_sim::{Datagram, KeyKind, Link, address, provider};
use mikey_wire::DataType;
use mikey_wire::v2::InitReq;

/// A pseudonym serves one attempt (R9.13).
// R9.13
#[test]
fn a_further_attempt_has_another_pseudonym() {
    let hidden = Name::pseudonym([9; 16]);
    let mut pair = Pair::new(Link::perfect(1), with_sas(ALICE, 1), with_sas(BOB, 2));
    pair = pair.with_adversary(|_: Time, d: Datagram| {
        if kind(&d.bytes) == DataType::INIT_RESP {
            return vec![Datagram { bytes: with_rand(&d.bytes, [1; 32]), ..d.clone() }, d];
        }
        vec![d]
    });
    let mut call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    call.hidden_as = Some(hidden);
    pair.world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
    pair.run(Time::from_secs(5));
    let mut attempts: Vec<_> = pair
        .world
        .sent
        .iter()
        .filter(|d| kind(&d.bytes) == DataType::INIT_REQ)
        .map(|d| (craft::session(&d.bytes).spi_i, InitReq::decode(&d.bytes).unwrap().id_i.data.to_vec()))
        .collect();
    attempts.sort_unstable();
    attempts.dedup();
    let names: std::collections::HashSet<_> = attempts.iter().map(|(_, name)| name).collect();
    assert!(attempts.len() > 1);
    assert_eq!(names.len(), attempts.len(), "a pseudonym in two attempts");
}

/// A dNSName speaks for a domain, never for a user in it.
#[test]
fn a_dns_name_with_a_user_is_no_uri() {
    let ca = mikey_sim::Ca::new("ca");
    let (der, key) = ca.issue("x", KeyKind::Ed25519, |params| {
        params.subject_alt_names = vec![rcgen::SanType::DnsName("alice@example.com".try_into().unwrap())];
    });
    let provider = provider(1);
    let key = mikey_proto::CertifiedKey::load(&provider, vec![der], &key).unwrap();
    assert!(Identity::with_certificate(name(ALICE), key).is_err());
}
