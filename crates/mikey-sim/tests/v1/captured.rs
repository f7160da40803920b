//! Messages of real devices (vectors/external), and each of them with every octet changed.

use mikey_proto::v1::{Error, Known, Party, Policy};
use mikey_proto::{Side, Time};
use mikey_wire::Quirk;

use crate::setup::*;

fn messages(file: &str) -> Vec<(String, Vec<u8>)> {
    let path = format!("{}/../../vectors/external/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let octets = |hex: &str| -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    };
    let vectors = json["vectors"].as_array().unwrap();
    vectors
        .iter()
        .map(|v| (v["name"].as_str().unwrap().to_owned(), octets(v["hex"].as_str().unwrap())))
        .collect()
}

fn player() -> Party {
    let mut config = config(1, &Policy::over_secure_transport(), 2);
    config.answer = std::sync::Arc::new(mikey_proto::AcceptStreams {
        policies: vec![
            mikey_crypto::srtp::SrtpPolicy::AES_CM_128_HMAC_SHA1_80,
            mikey_crypto::srtp::SrtpPolicy::AES_CM_128_HMAC_SHA1_32,
        ],
    });
    Party::new(config).unwrap()
}

#[test]
fn cameras_and_their_clients_are_understood() {
    let mut keyed = 0;
    for (name, message) in messages("mikey_v1_messages_gortsplib") {
        match player().answer(Time::ZERO, &message, &Known::default()) {
            Ok(answer) => {
                let agreement = answer.agreement.unwrap();
                assert!(answer.message.is_none(), "{name}");
                for stream in &agreement.keys.streams {
                    assert_eq!(stream.sender, Side::Remote, "{name}");
                    assert_eq!((stream.master_key.len(), stream.master_salt.len()), (16, 14), "{name}");
                }
                keyed += 1;
            }
            // A message of its own unit tests, without T and with a key of three octets.
            Err(refused) => assert!(
                name.contains("KEMAC key data") && matches!(refused.why, Error::Decode(_)),
                "{name}: {refused}"
            ),
        }
    }
    assert!(keyed >= 4, "{keyed}");
}

#[test]
fn a_strict_policy_refuses_by_name_what_a_lenient_one_reports() {
    let padded = messages("mikey_v1_messages_gortsplib").into_iter().map(|(_, mut message)| {
        message.push(0);
        message
    });
    let message = padded.into_iter().next().unwrap();
    let agreement = player().answer(Time::ZERO, &message, &Known::default()).unwrap().agreement.unwrap();
    assert!(agreement.quirks.contains(Quirk::TrailingZero));
    let mut counting = player();
    for count in 1..4 {
        counting.answer(Time::ZERO, &message, &Known::default()).unwrap();
        assert_eq!(counting.quirks(Quirk::TrailingZero), count);
    }
    assert_eq!(counting.quirks(Quirk::NoDhEcho), 0);
    let policy = with(Policy::over_secure_transport(), |o| o.lenient = false);
    let mut strict = Party::new(config(1, &policy, 2)).unwrap();
    let refused = strict.answer(Time::ZERO, &message, &Known::default()).err().unwrap();
    assert!(refused.to_string().contains("1 octets after the end"), "{refused}");
}

#[test]
fn rfc_4567s_call_is_refused_for_its_key_and_not_for_its_form() {
    let [(_, invite), (_, ok)] = &messages("mikey_v1_messages_rfc4567")[..] else { panic!() };
    let mut config = config(1, &everything(), 2);
    let t = u64::from_be_bytes(invite[21..29].try_into().unwrap());
    config.unix_time_at_zero = Some(std::time::Duration::from_secs((t >> 32) - 2_208_988_800));
    config.identities =
        vec![mikey_proto::Identity::new(mikey_proto::Name::parse("mickey@mouse.com").unwrap())];
    let mut bob = Party::new(config).unwrap();
    let refused = bob.answer(Time::ZERO, invite, &Known::default()).err().unwrap();
    assert_eq!(refused.why, Error::Auth, "nobody knows the key of the example");
    let refused = bob.answer(Time::ZERO, ok, &Known::default()).err().unwrap();
    assert!(matches!(refused.why, Error::DataType(_)), "a response is no first message: {}", refused.why);
}

#[test]
fn sakke_messages_are_refused_as_what_they_are() {
    for (name, message) in messages("mikey_v1_messages_mcptt") {
        let refused = player().answer(Time::ZERO, &message, &Known::default()).err().unwrap();
        assert!(matches!(refused.why, Error::DataType(_) | Error::Decode(_)), "{name}: {refused}");
    }
}

#[test]
fn no_changed_octet_makes_anything_but_an_answer_or_a_clear_error() {
    for file in ["mikey_v1_messages_gortsplib", "mikey_v1_messages_rfc4567", "mikey_v1_messages_mcptt"] {
        for (name, message) in messages(file) {
            let mut player = player();
            for at in 0..message.len() {
                for value in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
                    let mut changed = message.clone();
                    changed[at] ^= value;
                    if let Err(refused) = player.answer(Time::ZERO, &changed, &Known::default()) {
                        assert!(!refused.to_string().is_empty(), "{name} at {at}");
                    }
                }
                let _ = player.answer(Time::ZERO, &message[..at], &Known::default());
            }
            assert_eq!(player.bundles(), 0);
        }
    }
}
