//! The two of the vectors: names, keys of every kind, and randomness that labels determine.

use core::time::Duration;
use std::sync::{Arc, LazyLock, Mutex};

use mikey_crypto::{RandomFailed, SecretBytes, SecureRandom};
use mikey_proto::v1::{Party, Policy};
use mikey_proto::{CertifiedKey, DecryptionKey, EndpointConfig, Identity, Name, PskTable, Trust};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use serde_json::{Value, json};

use super::tape;

pub(crate) const NAMES: [&str; 2] = ["sip:alice@example.com", "sip:bob@example.com"];
/// 2026-06-01.
pub(crate) const UNIX_TIME: u64 = 1_780_272_000;
const PSK: &[u8; 32] = b"a pre-shared key of 32 octets ..";

/// RSA keys of Alice and Bob: one that signs, one that decrypts.
const KEYS: [[&[u8]; 2]; 2] = [
    [
        include_bytes!("../../tests/v1/keys/alice-sign.pkcs8"),
        include_bytes!("../../tests/v1/keys/alice-decrypt.pkcs8"),
    ],
    [
        include_bytes!("../../tests/v1/keys/bob-sign.pkcs8"),
        include_bytes!("../../tests/v1/keys/bob-decrypt.pkcs8"),
    ],
];

/// The CA's certificate, and those of each key.
struct Certificates {
    anchor: Vec<u8>,
    of: [[Vec<u8>; 2]; 2],
}

/// Nothing about them is random.
static CERTIFICATES: LazyLock<Certificates> = LazyLock::new(|| {
    // RFC 8410: the PKCS #8 form of an Ed25519 seed.
    let head = [0x30, 0x2E, 2, 1, 0, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let seed = [&head[..], &[0xCA; 32]].concat();
    let ca_key = KeyPair::try_from(&seed[..]).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "vector ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let anchor = params.self_signed(&ca_key).unwrap().der().to_vec();
    let issuer = Issuer::new(params, ca_key);
    let uses = [KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    let certify = |at: usize, which: usize| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "vector");
        params.key_usages = vec![uses[which]];
        params.subject_alt_names = vec![SanType::URI(NAMES[at].try_into().unwrap())];
        let key = KeyPair::try_from(KEYS[at][which]).unwrap();
        params.signed_by(&key, &issuer).unwrap().der().to_vec()
    };
    Certificates { anchor, of: [0, 1].map(|at| [0, 1].map(|which| certify(at, which))) }
});

/// The chain that keys for Bob are encrypted to.
pub(crate) fn bobs_encryption() -> Vec<Vec<u8>> {
    vec![CERTIFICATES.of[1][1].clone()]
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

/// One of the two, Alice (0) or Bob (1).
pub(crate) struct Side {
    at: usize,
    pub(crate) party: Party,
    random: Arc<Scripted>,
}

impl Side {
    pub(crate) fn new(vector: &str, at: usize, policy: &Policy) -> Self {
        let random = Arc::new(Scripted { label: format!("{vector} {}", NAMES[at]), draws: Mutex::default() });
        let provider = tape::provider().with_random(Arc::clone(&random) as Arc<dyn SecureRandom>);
        let names = NAMES.map(|name| Name::parse(name).unwrap());
        let [signing, decryption] = CERTIFICATES.of[at].clone();
        let signing = CertifiedKey::load(&provider, vec![signing], KEYS[at][0]).unwrap();
        let decryption = DecryptionKey::load(&provider, vec![decryption], KEYS[at][1]).unwrap();
        let identity = Identity::with_certificate(names[at].clone(), signing).unwrap();
        let mut config = EndpointConfig::new(provider, identity.with_decryption(decryption).unwrap());
        let mut trust = Trust::none();
        trust.add_anchor(&CERTIFICATES.anchor).unwrap();
        config.trust = trust;
        let mut psks = PskTable::new();
        let [alice, bob] = names;
        psks.insert(alice, bob, SecretBytes::copy_from(PSK)).unwrap();
        config.psks = Arc::new(psks);
        config.v1 = Some(policy.clone());
        config.unix_time_at_zero = Some(Duration::from_secs(UNIX_TIME));
        Self { at, party: Party::new(config).unwrap(), random }
    }

    /// What a reader needs to compute everything.
    pub(crate) fn inputs(&self) -> Value {
        let [signing, decryption] = &CERTIFICATES.of[self.at];
        json!({
            "name": NAMES[self.at],
            "signing_certificate": hex(signing),
            "signing_key": hex(KEYS[self.at][0]),
            "decryption_certificate": hex(decryption),
            "decryption_key": hex(KEYS[self.at][1]),
            "random": self.random.draws.lock().unwrap().iter().map(|d| hex(d)).collect::<Vec<_>>(),
        })
    }
}

/// What both have.
pub(crate) fn shared() -> Value {
    json!({"anchor": hex(&CERTIFICATES.anchor), "psk": hex(PSK), "unix_time": UNIX_TIME})
}

pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
