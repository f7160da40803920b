//! Who takes part: two names, with keys and randomness that labels determine.

use core::time::Duration;
use std::sync::{Arc, Mutex};

use mikey_crypto::{CryptoProvider, MethodId, RandomFailed, SecretBytes, SecureRandom};
use mikey_proto::{CertifiedKey, DecryptionKey, EndpointConfig, Identity, Name, PskTable, Trust};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use serde_json::{Value, json};

use super::tape;

pub(crate) const INITIATOR: &str = "sip:alice@example.com";
pub(crate) const RESPONDER: &str = "sip:bob@example.com";
/// The pseudonym under which the initiator's pre-shared key may be found.
pub(crate) const PSEUDONYM: [u8; 16] = *b"a new pseudonym!";
/// 2026-06-01.
pub(crate) const UNIX_TIME: u64 = 1_780_272_000;
pub(crate) const PSK: [u8; 32] = *b"a pre-shared key of 32 octets ..";

/// What the two show each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A certificate of a CA that both trust, through so many CAs between, with a key of this kind.
    Certificate(Key, u8),
    /// The same certificate, known by its fingerprint; nobody trusts the CA.
    Fingerprint,
    /// A key that both have.
    Psk,
    /// RSA certificates for CCE2: the initiator's signs, the responder's decrypts.
    Rsa,
    /// A certificate and a key.
    Both,
    /// Nothing: people compare.
    Sas,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    Ed25519,
    P256,
    P384,
    Rsa2048,
}

impl Key {
    /// An Ed25519 key made of one octet; the keys of the conformance tests for the rest.
    fn pkcs8(self, octet: u8) -> Vec<u8> {
        match self {
            Self::Ed25519 => ed25519([octet; 32]),
            Self::P256 => include_bytes!("../../../mikey-crypto/src/conformance/data/p256.pkcs8").to_vec(),
            Self::P384 => include_bytes!("../../../mikey-crypto/src/conformance/data/p384.pkcs8").to_vec(),
            Self::Rsa2048 => {
                include_bytes!("../../../mikey-crypto/src/conformance/data/rsa2048.pkcs8").to_vec()
            }
        }
    }
}

/// Octets that a label determines: SHA-256 of label, number of the draw and number of the block. It remembers each draw.
pub(crate) struct Scripted {
    label: String,
    draws: Mutex<Vec<Vec<u8>>>,
}

impl SecureRandom for Scripted {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        let mut draws = self.draws.lock().unwrap();
        let draw = u32::try_from(draws.len()).unwrap().to_be_bytes();
        let sha256 = mikey_crypto_aws_lc::provider().sha256;
        for (block, chunk) in (0_u32..).zip(out.chunks_mut(32)) {
            let digest = sha256.digest(&[self.label.as_bytes(), &draw, &block.to_be_bytes()]);
            chunk.copy_from_slice(&digest.as_ref()[..chunk.len()]);
        }
        draws.push(out.to_vec());
        Ok(())
    }
}

/// One of the two.
pub(crate) struct Party {
    name: &'static str,
    random: Arc<Scripted>,
    certified: Option<Certified>,
    /// In CCE2 with RSA its private key, PKCS #8, so that a reader can sign or decrypt as it does.
    rsa: Option<&'static [u8]>,
}

/// Alice's key that signs and Bob's that decrypts, in PKCS #8.
const RSA: [&[u8]; 2] = [
    include_bytes!("../../tests/v1/keys/alice-sign.pkcs8"),
    include_bytes!("../../tests/v1/keys/bob-decrypt.pkcs8"),
];

/// Certificates with keys made of one octet, so that nothing about them is random.
struct Certified {
    anchor: Vec<u8>,
    chain: Vec<Vec<u8>>,
    seed: Option<[u8; 32]>,
    spki: Vec<u8>,
}

impl Party {
    /// The party, and an endpoint's configuration for it.
    pub(crate) fn new(
        vector: &str,
        name: &'static str,
        credentials: Credentials,
        octet: u8,
    ) -> (Self, EndpointConfig) {
        let random = Arc::new(Scripted { label: format!("{vector} {name}"), draws: Mutex::default() });
        let provider = tape::provider().with_random(Arc::clone(&random) as Arc<dyn SecureRandom>);
        let own = Name::parse(name).unwrap();
        let (certified, mut config) = match credentials {
            Credentials::Certificate(..) | Credentials::Both => {
                let (key, cas) = match credentials {
                    Credentials::Certificate(key, cas) => (key, cas),
                    _ => (Key::Ed25519, 0),
                };
                let (certified, key) = Certified::new(&provider, name, key, cas, octet);
                let identity = Identity::with_certificate(own, key).unwrap();
                let mut config = EndpointConfig::new(provider, identity);
                let mut trust = Trust::none();
                trust.add_anchor(&certified.anchor).unwrap();
                config.trust = trust;
                if credentials == Credentials::Both {
                    config.psks = Arc::new(keys());
                }
                (Some(certified), config)
            }
            Credentials::Rsa => {
                let own = Identity::new(own);
                let (certified, identity, trust) = Certified::with_rsa(&provider, name, own);
                let mut config = EndpointConfig::new(provider, identity);
                config.trust = trust;
                (Some(certified), config)
            }
            Credentials::Fingerprint => {
                let (certified, key) = Certified::new(&provider, name, Key::Ed25519, 0, octet);
                (Some(certified), EndpointConfig::new(provider, Identity::with_fingerprint(own, key)))
            }
            Credentials::Psk => {
                let mut config = EndpointConfig::new(provider, Identity::new(own));
                config.psks = Arc::new(keys());
                (None, config)
            }
            Credentials::Sas => {
                let mut config = EndpointConfig::new(provider, Identity::new(own));
                config.policy.local_methods = vec![MethodId::SAS];
                config.policy.remote_methods = vec![MethodId::SAS];
                (None, config)
            }
        };
        config.unix_time_at_zero = Some(Duration::from_secs(UNIX_TIME));
        let rsa = (credentials == Credentials::Rsa).then(|| RSA[usize::from(name == RESPONDER)]);
        (Self { name, random, certified, rsa }, config)
    }

    /// SHA-256 of its certificate.
    pub(crate) fn fingerprint(&self) -> [u8; 32] {
        let certificate = &self.certified.as_ref().unwrap().chain[0];
        let digest = mikey_crypto_aws_lc::provider().sha256.digest(&[certificate]);
        *digest.as_ref().first_chunk().unwrap()
    }

    /// What a reader needs to compute everything.
    pub(crate) fn inputs(&self) -> Value {
        let certified = self.certified.as_ref();
        let mut inputs = json!({
            "name": self.name,
            "anchor": certified.map(|c| hex(&c.anchor)),
            "certificate": certified.map(|c| hex(&c.chain[0])),
            "issuers": certified.map_or(Vec::new(), |c| c.chain[1..].iter().map(|c| hex(c)).collect()),
            "public_key": certified.map(|c| hex(&c.spki)),
            "ed25519_seed": certified.and_then(|c| c.seed).map(|seed| hex(&seed)),
            "random": self.random.draws.lock().unwrap().iter().map(|d| hex(d)).collect::<Vec<_>>(),
        });
        if let Some(key) = self.rsa {
            inputs["rsa_private_key"] = json!(hex(key));
        }
        inputs
    }
}

/// Trust in a CA that has certified nobody here.
pub(crate) fn other_trust() -> Trust {
    let anchor = ca("another ca").self_signed(&key_pair(&ed25519([0xCB; 32]))).unwrap();
    let mut trust = Trust::none();
    trust.add_anchor(anchor.der()).unwrap();
    trust
}

/// One key for the two names, and the same for the pseudonym.
fn keys() -> PskTable {
    let mut table = PskTable::new();
    let [alice, bob] = [INITIATOR, RESPONDER].map(|name| Name::parse(name).unwrap());
    let key = || SecretBytes::copy_from(&PSK);
    table.insert(alice.clone(), bob.clone(), key()).unwrap();
    table.insert_pseudonym(Name::pseudonym(PSEUDONYM), alice, bob, key()).unwrap();
    table
}

impl Certified {
    /// The one certificate that CCE2 with RSA needs of this party: the initiator's for signatures, the responder's for
    /// decryption.
    fn with_rsa(provider: &CryptoProvider, name: &str, own: Identity) -> (Self, Identity, Trust) {
        let decrypts = name == RESPONDER;
        let pkcs8 = RSA[usize::from(decrypts)];
        let ca_key = key_pair(&ed25519([0xCA; 32]));
        let params = ca("vector ca");
        let anchor = params.self_signed(&ca_key).unwrap().der().to_vec();
        let issuer = Issuer::new(params, ca_key);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "vector");
        let usage =
            if decrypts { KeyUsagePurpose::KeyEncipherment } else { KeyUsagePurpose::DigitalSignature };
        params.key_usages = vec![usage];
        params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
        let chain = vec![params.signed_by(&key_pair(pkcs8), &issuer).unwrap().der().to_vec()];
        let identity = if decrypts {
            own.with_decryption(DecryptionKey::load(provider, chain.clone(), pkcs8).unwrap()).unwrap()
        } else {
            let key = CertifiedKey::load(provider, chain.clone(), pkcs8).unwrap();
            Identity::with_certificate(own.name().clone(), key).unwrap()
        };
        let mut trust = Trust::none();
        trust.add_anchor(&anchor).unwrap();
        let spki = (provider.load_decryptor)(pkcs8).unwrap().public_key().to_vec();
        (Self { anchor, chain, seed: None, spki }, identity, trust)
    }

    fn new(provider: &CryptoProvider, name: &str, key: Key, cas: u8, octet: u8) -> (Self, CertifiedKey) {
        let ca_key = key_pair(&ed25519([0xCA; 32]));
        let params = ca("vector ca");
        let anchor = params.self_signed(&ca_key).unwrap().der().to_vec();
        let mut issuer = Issuer::new(params, ca_key);
        let mut chain = Vec::new();
        for n in 0..cas {
            let key = key_pair(&ed25519([0xC0 + n; 32]));
            let params = ca(&format!("vector ca {n}"));
            chain.insert(0, params.signed_by(&key, &issuer).unwrap().der().to_vec());
            issuer = Issuer::new(params, key);
        }
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "vector");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
        let pkcs8 = key.pkcs8(octet);
        chain.insert(0, params.signed_by(&key_pair(&pkcs8), &issuer).unwrap().der().to_vec());
        let spki = (provider.load_signer)(&pkcs8).unwrap().public_key().to_vec();
        let seed = (key == Key::Ed25519).then_some([octet; 32]);
        let loaded = CertifiedKey::load(provider, chain.clone(), &pkcs8).unwrap();
        (Self { anchor, chain, seed, spki }, loaded)
    }
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

/// RFC 8410: the PKCS #8 form of an Ed25519 seed.
fn ed25519(seed: [u8; 32]) -> Vec<u8> {
    [&[0x30, 0x2E, 2, 1, 0, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &seed].concat()
}

fn key_pair(pkcs8: &[u8]) -> KeyPair {
    KeyPair::try_from(pkcs8).unwrap()
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
