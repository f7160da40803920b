//! What somebody in between, or a peer with the wrong keys, gets.

use std::sync::Arc;

use mikey_crypto::SecretBytes;
use mikey_proto::v1::{Error, Known, Mode, Offer, Party};
use mikey_proto::{CertificateFault, Name, PskTable, Time, Trust};
use mikey_sim::Ca;

use crate::setup::*;

const AUTHENTICATED: [Mode; 5] = [Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR];

/// Whether a message was taken for a new one and led to these keys.
fn led_to(bob: &mut Party, message: &[u8], known: &Known<'_>) -> Option<mikey_proto::SrtpKeys> {
    bob.answer(Time::ZERO, message, known).ok().and_then(|answer| answer.agreement).map(|a| a.keys)
}

#[test]
fn every_octet_of_an_i_message_counts() {
    for mode in AUTHENTICATED {
        let (mut alice, mut bob) = pair(&everything());
        let message = alice.offer(Time::ZERO, &offer(mode)).unwrap().message;
        let _ = bob.answer(Time::ZERO, &[], &Known::default());
        for at in 0..message.len() {
            let mut forged = message.clone();
            forged[at] ^= 0x01;
            // V is not looked at where a response is mandatory, and is under the MAC or signature all the same.
            assert!(led_to(&mut bob, &forged, &Known::default()).is_none(), "{mode:?}: octet {at}");
            assert!(led_to(&mut bob, &message[..at], &Known::default()).is_none(), "{mode:?}: cut at {at}");
        }
        assert_eq!(bob.bundles(), 0, "{mode:?}");
        assert!(led_to(&mut bob, &message, &Known::default()).is_some(), "{mode:?}: the true one still does");
    }
}

#[test]
fn every_octet_of_an_r_message_counts() {
    for mode in AUTHENTICATED {
        let (mut alice, mut bob) = pair(&everything());
        let mut offered = alice.offer(Time::ZERO, &offer(mode)).unwrap();
        let answer = bob.answer(Time::ZERO, &offered.message, &Known::default()).unwrap().message.unwrap();
        let pending = offered.pending.as_mut().unwrap();
        for at in 0..answer.len() {
            let mut forged = answer.clone();
            forged[at] ^= 0x01;
            assert!(alice.finish(Time::ZERO, pending, &forged).is_err(), "{mode:?}: octet {at}");
            assert!(alice.finish(Time::ZERO, pending, &answer[..at]).is_err(), "{mode:?}: cut at {at}");
        }
        assert!(alice.finish(Time::ZERO, pending, &answer).is_ok(), "{mode:?}: the true one still does");
        assert_eq!(alice.finish(Time::ZERO, pending, &answer).err(), Some(Error::NotOurs), "and once");
    }
}

#[test]
fn a_wrong_and_an_unknown_key_look_alike() {
    for mode in [Mode::Psk, Mode::DhHmac] {
        let (mut alice, _) = pair(&everything());
        let message = alice.offer(Time::ZERO, &offer(mode)).unwrap().message;
        let [a, b] = [ALICE, BOB].map(|name| Name::parse(name).unwrap());
        let mut wrong = PskTable::new();
        wrong.insert(a, b, SecretBytes::copy_from(&[0x5B; 32])).unwrap();
        let mut answers = Vec::new();
        for table in [wrong, PskTable::new()] {
            let mut config = config(1, &everything(), 2);
            config.psks = Arc::new(table);
            let refused =
                Party::new(config).unwrap().answer(Time::ZERO, &message, &Known::default()).err().unwrap();
            assert_eq!(refused.why, Error::Auth);
            answers.push(refused.answer);
        }
        assert!(answers[0].is_some());
        assert_eq!(answers[0], answers[1], "{mode:?}");
    }
}

#[test]
fn certificates_are_checked_by_both() {
    for mode in [Mode::Pk, Mode::Dh, Mode::RsaR] {
        let trust_other = || Ca::new("other").trust();
        for (at, trust) in [(0, trust_other()), (1, trust_other()), (0, Trust::none()), (1, Trust::none())] {
            let mut configs = [config(0, &everything(), 1), config(1, &everything(), 2)];
            configs[at].trust = trust;
            let [alice, bob] = configs.map(|config| Party::new(config).unwrap());
            let (mut alice, mut bob) = (alice, bob);
            let unknown = Some(Error::Certificate(CertificateFault::UnknownIssuer));
            let offered = alice.offer(Time::ZERO, &offer(mode));
            if mode == Mode::Pk && at == 0 {
                // It would encrypt to somebody it does not know.
                assert_eq!(offered.err(), unknown);
                continue;
            }
            let mut offered = offered.unwrap();
            let answer = bob.answer(Time::ZERO, &offered.message, &Known::default());
            if at == 1 {
                assert_eq!(answer.err().map(|refused| refused.why), unknown, "{mode:?}");
                continue;
            }
            let answer = answer.unwrap().message.unwrap();
            let why = alice.finish(Time::ZERO, offered.pending.as_mut().unwrap(), &answer).err();
            assert_eq!(why, unknown, "{mode:?}");
        }
    }
}

#[test]
fn an_envelope_that_does_not_open_looks_like_a_wrong_mac() {
    // The signature is Alice's own: only she can try what Bob's key makes of an envelope.
    let (mut alice, mut bob) = pair(&everything());
    let mut offer = offer(Mode::Pk);
    // Encrypted to Alice herself, so Bob's key opens nothing.
    offer.encrypt_to = vec![config(0, &everything(), 1).identities[0].decryption_chain().unwrap()[0].clone()];
    offer.to = Some(Name::parse(ALICE).unwrap());
    offer.names = false;
    let message = alice.offer(Time::ZERO, &offer).unwrap().message;
    let caller = Name::parse(ALICE).unwrap();
    let known = Known { peer: Some(&caller), ..Known::default() };
    let refused = bob.answer(Time::ZERO, &message, &known).err().unwrap();
    assert_eq!(refused.why, Error::Auth);
    assert!(refused.answer.is_some());
}

#[test]
fn a_response_to_another_message_is_not_ours() {
    for mode in AUTHENTICATED {
        let (mut alice, mut bob) = pair(&everything());
        let mut first = alice.offer(Time::ZERO, &offer(mode)).unwrap();
        let second = alice.offer(Time::ZERO, &offer(mode)).unwrap();
        let answer = bob.answer(Time::ZERO, &second.message, &Known::default()).unwrap().message.unwrap();
        let why = alice.finish(Time::ZERO, first.pending.as_mut().unwrap(), &answer).err();
        assert_eq!(why, Some(Error::NotOurs), "{mode:?}");
        let reflected = alice.finish(Time::ZERO, first.pending.as_mut().unwrap(), &first.message).err();
        assert_eq!(reflected, Some(Error::NotOurs), "{mode:?}");
    }
}

#[test]
fn nobody_is_answered_in_his_own_name() {
    // A message that is thrown back at its sender names somebody else as its responder.
    for mode in AUTHENTICATED {
        let (mut alice, _) = pair(&everything());
        let message = alice.offer(Time::ZERO, &offer(mode)).unwrap().message;
        let refused = alice.answer(Time::ZERO, &message, &Known::default()).err().unwrap();
        assert_eq!(refused.why, Error::Name, "{mode:?}");
    }
}

#[test]
fn an_error_from_anybody_is_a_hint_and_ends_nothing() {
    let (mut alice, mut bob) = pair(&everything());
    let mut offered = alice.offer(Time::ZERO, &offer(Mode::Psk)).unwrap();
    let header = mikey_wire::Header {
        version: mikey_wire::Version::V1,
        data_type: mikey_wire::DataType::ERROR,
        v: false,
        prf: 0,
        csb_id: offered.pending.as_ref().unwrap().csb_id(),
        cs_map: mikey_wire::CsMap::SrtpId(vec![]),
    };
    let t = mikey_wire::Message::decode(&offered.message).unwrap().items[0].payload.clone();
    let error = mikey_wire::Payload::Err(mikey_wire::ErrorNo::AUTH_FAILURE);
    let forged = mikey_wire::encode(&header, &[t, error]).unwrap();
    let why = alice.finish(Time::ZERO, offered.pending.as_mut().unwrap(), &forged).err();
    assert!(matches!(why, Some(Error::Refused { authenticated: false, .. })), "{why:?}");
    let answer = bob.answer(Time::ZERO, &offered.message, &Known::default()).unwrap().message.unwrap();
    assert!(alice.finish(Time::ZERO, offered.pending.as_mut().unwrap(), &answer).is_ok());
}

#[test]
fn a_mode_that_is_not_spoken_is_refused_and_null_only_where_it_was_allowed() {
    let (mut alice, _) = pair(&everything());
    let mut bob = Party::new(config(1, &mikey_proto::v1::Policy::legacy(), 2)).unwrap();
    let null = alice.offer(Time::ZERO, &offer(Mode::Null)).unwrap().message;
    let refused = bob.answer(Time::ZERO, &null, &Known::default()).err().unwrap();
    assert!(matches!(refused.why, Error::DataType(_)), "{}", refused.why);
    let mut tls_only = Party::new(config(1, &mikey_proto::v1::Policy::over_secure_transport(), 2)).unwrap();
    assert!(tls_only.answer(Time::ZERO, &null, &Known::default()).is_ok());
    let psk = alice.offer(Time::ZERO, &offer(Mode::Psk)).unwrap().message;
    assert!(tls_only.answer(Time::ZERO, &psk, &Known::default()).is_err());
    let _: Offer = offer(Mode::Null);
}
