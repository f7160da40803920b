//! A provider without cryptography, for fuzzing: what a stranger sends gets past every seal, AUTH and certificate.
//!
//! A tag, MAC or signature is right if it is all zeros, and every certificate is signed well. Keys are zeros and nothing is
//! encrypted, so a mutated message stays what it is; an envelope holds its first octets. Only SHA-256 tells octets apart, badly: it names half-open sessions and
//! branches, which must not be all one.

use std::sync::Arc;

use mikey_crypto::{
    Aead, AuthFailed, CryptoProvider, CtrCipher, Decryptor, Digest, EncryptFailed, EncryptionScheme, GroupId,
    Hash, HmacKey, KeyRejected, KxAnswer, KxError, KxGroup, KxInitiator, KxSecret, MethodId, Prf,
    RandomFailed, SecretBytes, SecureRandom, SignFailed, SignatureScheme, Signer, Suite, SuiteId,
};
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

use crate::random::SeededRandom;

/// The null provider with randomness from a seed. SRTP is the default provider's.
///
/// A private key is loaded from the DER SubjectPublicKeyInfo of the certificate that it shall fit.
#[must_use]
pub fn null_provider(seed: u64) -> CryptoProvider {
    CryptoProvider {
        name: "null",
        prfs: &[PRF_1, PRF_2],
        groups: &[&NullGroup(GroupId::X25519), &NullGroup(GroupId::P256)],
        suites: SUITES,
        signatures: &[&NullSignatures(MethodId::ED25519), &NullSignatures(MethodId::RSA_PSS_SHA256)],
        rsa_oaep: &NullEnvelopes,
        certificate_algorithms: &[&AnySignature],
        sha256: &BadHash,
        random: Arc::new(SeededRandom::new(seed)),
        load_signer: |spki| match spki {
            [] => Err(KeyRejected("no key at all")),
            _ => Ok(Box::new(NullSigner(spki.to_vec()))),
        },
        load_decryptor: |spki| match spki {
            [] => Err(KeyRejected("no key at all")),
            _ => Ok(Box::new(NullDecryptor(spki.to_vec()))),
        },
        ..mikey_crypto_aws_lc::provider()
    }
}

const PRF_1: Prf = Prf::hmac_sha_256(&ZeroHash(32));
const PRF_2: Prf = Prf::hmac_sha_384(&ZeroHash(48));
const SUITES: &[Suite] = &[
    Suite::aead(SuiteId::AES_128_GCM, &NullAead),
    Suite::ctr_hmac(SuiteId::AES_CM_128_HMAC_SHA_256, &NullCipher, &ZeroHash(32)),
];

fn zeros(octets: &[u8]) -> Result<(), AuthFailed> {
    octets.iter().all(|octet| *octet == 0).then_some(()).ok_or(AuthFailed)
}

/// Everything has the hash zero, and the MAC zero: HASH payloads and MACs can be forged.
struct ZeroHash(usize);

impl Hash for ZeroHash {
    fn output_len(&self) -> usize {
        self.0
    }

    fn digest(&self, _: &[&[u8]]) -> Digest {
        Digest::new(&vec![0; self.0])
    }

    fn hmac_key(&self, _: &[u8]) -> Box<dyn HmacKey> {
        Box::new(ZeroMac)
    }
}

struct ZeroMac;

impl HmacKey for ZeroMac {
    fn mac(&self, _: &[&[u8]], out: &mut [u8]) {
        out.fill(0);
    }
}

/// FNV-1a over and over: no hash, but different octets mostly differ.
struct BadHash;

impl Hash for BadHash {
    fn output_len(&self) -> usize {
        32
    }

    fn digest(&self, parts: &[&[u8]]) -> Digest {
        let mut state = 0xcbf2_9ce4_8422_2325_u64;
        let mut step = |octet: u8| {
            state = (state ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
            state
        };
        for octet in parts.iter().flat_map(|part| part.iter()) {
            step(*octet);
        }
        let out: Vec<u8> = (0..4_u8).flat_map(|n| step(n).to_be_bytes()).collect();
        Digest::new(&out)
    }

    fn hmac_key(&self, _: &[u8]) -> Box<dyn HmacKey> {
        Box::new(ZeroMac)
    }
}

struct NullAead;

impl Aead for NullAead {
    fn seal(&self, _: &[u8], _: &[u8; 12], _: &[u8], _: &mut [u8]) -> Result<[u8; 16], AuthFailed> {
        Ok([0; 16])
    }

    fn open(&self, _: &[u8], _: &[u8; 12], _: &[u8], _: &mut [u8], tag: &[u8]) -> Result<(), AuthFailed> {
        zeros(tag)
    }
}

struct NullCipher;

impl CtrCipher for NullCipher {
    fn apply(&self, _: &[u8], _: &[u8; 16], _: &mut [u8]) -> Result<(), AuthFailed> {
        Ok(())
    }
}

/// Values are random octets, every secret is zero. A value of zeros is refused, as a real group would.
struct NullGroup(GroupId);

const VALUE: usize = 32;

impl NullGroup {
    fn len(&self) -> usize {
        if self.0 == GroupId::P256 { 2 * VALUE } else { VALUE }
    }

    fn value(&self, random: &dyn SecureRandom) -> Result<Vec<u8>, RandomFailed> {
        let mut value = vec![0; self.len()];
        random.fill(&mut value)?;
        Ok(value)
    }

    fn secret(&self, peer: &[u8]) -> Result<KxSecret, KxError> {
        if peer.len() != self.len() || zeros(peer).is_ok() {
            return Err(KxError::BadValue);
        }
        Ok(KxSecret { kem: SecretBytes::empty(), dh: SecretBytes::zeroed(VALUE) })
    }
}

impl KxGroup for NullGroup {
    fn id(&self) -> GroupId {
        self.0
    }

    fn request_len(&self) -> usize {
        self.len()
    }

    fn answer_len(&self) -> usize {
        self.len()
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KxInitiator>, RandomFailed> {
        Ok(Box::new(NullInitiator { group: Self(self.0), value: self.value(random)? }))
    }

    fn answer(&self, random: &dyn SecureRandom, peer: &[u8]) -> Result<KxAnswer, KxError> {
        let secret = self.secret(peer)?;
        Ok(KxAnswer { value: self.value(random)?, secret })
    }
}

struct NullInitiator {
    group: NullGroup,
    value: Vec<u8>,
}

impl KxInitiator for NullInitiator {
    fn value(&self) -> &[u8] {
        &self.value
    }

    fn agree(&self, peer: &[u8]) -> Result<KxSecret, KxError> {
        self.group.secret(peer)
    }
}

struct NullSignatures(MethodId);

impl SignatureScheme for NullSignatures {
    fn method(&self) -> MethodId {
        self.0
    }

    fn verify(&self, _: &[u8], _: &[u8], signature: &[u8]) -> Result<(), AuthFailed> {
        zeros(signature)
    }
}

struct NullSigner(Vec<u8>);

/// OID 1.2.840.113549.1.1.1 in DER, as it stands in the SubjectPublicKeyInfo of an RSA key.
const RSA: [u8; 11] = [0x06, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 1, 1, 1];

impl Signer for NullSigner {
    fn method(&self) -> MethodId {
        match self.0.windows(RSA.len()).any(|octets| octets == RSA) {
            true => MethodId::RSA_PSS_SHA256,
            false => MethodId::ED25519,
        }
    }

    fn public_key(&self) -> &[u8] {
        &self.0
    }

    fn sign(&self, _: &dyn SecureRandom, _: &[u8]) -> Result<Vec<u8>, SignFailed> {
        Ok(vec![0; if self.method() == MethodId::ED25519 { 64 } else { MODULUS }])
    }
}

/// Octets of the modulus of RSA keys.
const MODULUS: usize = 256;

struct NullEnvelopes;

impl EncryptionScheme for NullEnvelopes {
    fn method(&self) -> MethodId {
        MethodId::RSA_OAEP
    }

    fn encrypt(&self, _: &dyn SecureRandom, _: &[u8], secret: &[u8]) -> Result<Vec<u8>, EncryptFailed> {
        let mut envelope = secret.to_vec();
        envelope.resize(MODULUS, 0);
        Ok(envelope)
    }
}

struct NullDecryptor(Vec<u8>);

impl Decryptor for NullDecryptor {
    fn method(&self) -> MethodId {
        MethodId::RSA_OAEP
    }

    fn public_key(&self) -> &[u8] {
        &self.0
    }

    fn decrypt(&self, ciphertext: &[u8]) -> Result<SecretBytes, AuthFailed> {
        match ciphertext.first_chunk::<32>() {
            Some(secret) if ciphertext.len() == MODULUS => Ok(SecretBytes::copy_from(secret)),
            _ => Err(AuthFailed),
        }
    }
}

#[derive(Debug)]
struct AnySignature;

impl SignatureVerificationAlgorithm for AnySignature {
    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ED25519
    }

    fn verify_signature(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), InvalidSignature> {
        Ok(())
    }
}
