//! Writes the known answers of INIT and CCE: whole handshakes with fixed randomness, in every form of protection.
//!
//! `cargo run -p mikey-sim --example vectors -- vectors/generated` writes inputs, messages and results as this
//! implementation has them; `vectors/generated/init_cce.py` then computes every value between them on its own and puts it in
//! (or fails). `tests/vectors.rs` checks that the files are what this code does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{PrfId, RandomFailed, SecretBytes, SecureRandom, SuiteId};
use mikey_proto::{
    Call, CertifiedKey, Confidentiality, Endpoint, EndpointConfig, Event, Identity, Name, PskTable,
    SessionId, Side, SrtpKeys, Stream, Time, Trust,
};
use mikey_sim::{Link, World, address};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use serde_json::{Value, json};

const INITIATOR: &str = "sip:alice@example.com";
const RESPONDER: &str = "sip:bob@example.com";
/// 2026-06-01.
const UNIX_TIME: u64 = 1_780_272_000;
const PSK: [u8; 32] = *b"a pre-shared key of 32 octets ..";
const LABEL: &str = "EXPORTER-mikey-vector";
const CONTEXT: [u8; 5] = [1, 2, 3, 4, 5];
const EXPORTED: u16 = 48;

/// How a handshake is protected and authenticated.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    about: &'static str,
    psk: bool,
    prf: PrfId,
    suite: SuiteId,
    confidentiality: Confidentiality,
}

/// Both ways to authenticate, both kinds of suites, both PRFs, encrypted and clear.
pub(crate) const CASES: [Case; 6] = [
    Case {
        name: "init_cce_signature_gcm",
        about: "Ed25519 certificates, PRF-HMAC-SHA-256, AEAD-AES-128-GCM, encrypted",
        psk: false,
        prf: PrfId::HMAC_SHA_256,
        suite: SuiteId::AES_128_GCM,
        confidentiality: Confidentiality::Encrypted,
    },
    Case {
        name: "init_cce_signature_ctr",
        about: "Ed25519 certificates, PRF-HMAC-SHA-256, AES-CM-128 with HMAC-SHA-256-256, encrypted",
        psk: false,
        prf: PrfId::HMAC_SHA_256,
        suite: SuiteId::AES_CM_128_HMAC_SHA_256,
        confidentiality: Confidentiality::Encrypted,
    },
    Case {
        name: "init_cce_signature_clear",
        about: "Ed25519 certificates, PRF-HMAC-SHA-384, AEAD-AES-256-GCM, confidentiality 0",
        psk: false,
        prf: PrfId::HMAC_SHA_384,
        suite: SuiteId::AES_256_GCM,
        confidentiality: Confidentiality::Clear,
    },
    Case {
        name: "init_cce_psk_gcm",
        about: "pre-shared key, PRF-HMAC-SHA-256, AEAD-AES-128-GCM, encrypted",
        psk: true,
        prf: PrfId::HMAC_SHA_256,
        suite: SuiteId::AES_128_GCM,
        confidentiality: Confidentiality::Encrypted,
    },
    Case {
        name: "init_cce_psk_ctr",
        about: "pre-shared key, PRF-HMAC-SHA-384, AES-CM-256 with HMAC-SHA-256-256, encrypted",
        psk: true,
        prf: PrfId::HMAC_SHA_384,
        suite: SuiteId::AES_CM_256_HMAC_SHA_256,
        confidentiality: Confidentiality::Encrypted,
    },
    Case {
        name: "init_cce_psk_clear",
        about: "pre-shared key, PRF-HMAC-SHA-256, AES-CM-128 with HMAC-SHA-256-256, confidentiality 0",
        psk: true,
        prf: PrfId::HMAC_SHA_256,
        suite: SuiteId::AES_CM_128_HMAC_SHA_256,
        confidentiality: Confidentiality::Clear,
    },
];

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "vectors/generated".into());
    for case in &CASES {
        let text = serde_json::to_string_pretty(&case.run()).unwrap();
        let path = format!("{folder}/{}.json", case.name);
        std::fs::write(&path, text + "\n").unwrap_or_else(|e| panic!("{path}: {e}"));
        println!("{path}");
    }
}

/// Octets that a label determines: SHA-256 of label, number of the draw and number of the block. It remembers each draw.
struct Scripted {
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

/// A CA and an end entity with keys made of one octet, so that nothing about them is random.
struct Certified {
    anchor: Vec<u8>,
    certificate: Vec<u8>,
    seed: [u8; 32],
}

impl Certified {
    fn new(name: &str, octet: u8) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "vector ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca_key = key_pair([0xCA; 32]);
        let anchor = params.self_signed(&ca_key).unwrap().der().to_vec();
        let issuer = Issuer::new(params, ca_key);
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "vector");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
        let seed = [octet; 32];
        let certificate = params.signed_by(&key_pair(seed), &issuer).unwrap().der().to_vec();
        Self { anchor, certificate, seed }
    }
}

/// RFC 8410: the PKCS #8 form of an Ed25519 seed.
fn pkcs8(seed: [u8; 32]) -> Vec<u8> {
    [&[0x30, 0x2E, 2, 1, 0, 0x30, 5, 6, 3, 0x2B, 0x65, 0x70, 4, 0x22, 4, 0x20][..], &seed].concat()
}

fn key_pair(seed: [u8; 32]) -> KeyPair {
    KeyPair::try_from(pkcs8(seed)).unwrap()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// One end of the handshake.
struct End {
    random: Arc<Scripted>,
    certified: Option<Certified>,
}

impl Case {
    fn end(&self, name: &str, octet: u8) -> (End, EndpointConfig) {
        let label = format!("{} {name}", self.name);
        let random = Arc::new(Scripted { label, draws: Mutex::default() });
        let provider =
            mikey_crypto_aws_lc::provider().with_random(Arc::clone(&random) as Arc<dyn SecureRandom>);
        let own = Name::parse(name).unwrap();
        let certified = (!self.psk).then(|| Certified::new(name, octet));
        let mut config = match &certified {
            None => {
                let mut table = PskTable::new();
                let names = [INITIATOR, RESPONDER].map(|name| Name::parse(name).unwrap());
                let [a, b] = names;
                table.insert(a, b, SecretBytes::copy_from(&PSK)).unwrap();
                let mut config = EndpointConfig::new(provider, Identity::new(own));
                config.psks = Arc::new(table);
                config
            }
            Some(Certified { anchor, certificate, seed }) => {
                let key = CertifiedKey::load(&provider, vec![certificate.clone()], &pkcs8(*seed)).unwrap();
                let identity = Identity::with_certificate(own, key).unwrap();
                let mut config = EndpointConfig::new(provider, identity);
                let mut trust = Trust::none();
                trust.add_anchor(anchor).unwrap();
                config.trust = trust;
                config
            }
        };
        config.unix_time_at_zero = Some(Duration::from_secs(UNIX_TIME));
        config.policy.prfs = vec![self.prf];
        config.policy.suites = vec![self.suite];
        config.policy.confidentiality = vec![self.confidentiality];
        (End { random, certified }, config)
    }

    /// Runs the handshake.
    pub(crate) fn run(&self) -> Value {
        let (initiator, alice) = self.end(INITIATOR, 0xA1);
        let (responder, bob) = self.end(RESPONDER, 0xB0);
        let nodes = [alice, bob].map(|config| Endpoint::new(config).unwrap());
        let mut world = World::new(Link::perfect(0), nodes);
        let mut audio = Stream::new(Side::Local, SrtpPolicy::AEAD_AES_128_GCM);
        audio.policies.push(SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        audio.ssrc = Some(0x1122_3344);
        audio.index = Some((1, 0xFFFE));
        let back = Stream::new(Side::Remote, SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        let call = Call::new(Name::parse(RESPONDER).unwrap(), vec![audio, back]);
        world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
        world.run_until(Time::from_secs(1));
        let names = ["init_req", "init_resp", "cce_req", "cce_resp"];
        assert_eq!(world.sent.len(), names.len(), "two round trips");
        let messages: BTreeMap<_, _> =
            names.into_iter().zip(world.sent.iter().map(|d| hex(&d.bytes))).collect();
        let (session, keys) = established(world.events(0));
        let (at_responder, other) = established(world.events(1));
        for (a, b) in keys.streams.iter().zip(&other.streams) {
            assert_eq!(a.master_key.expose(), b.master_key.expose(), "the ends do not agree");
        }
        let value = world.node(0).export(session, LABEL.as_bytes(), &CONTEXT, EXPORTED).unwrap();
        let same = world.node(1).export(at_responder, LABEL.as_bytes(), &CONTEXT, EXPORTED).unwrap();
        assert_eq!(value.expose(), same.expose(), "the ends do not agree");
        json!({
            "name": self.name,
            "description": self.about,
            "specification": "docs/spec.md, chapters 5 to 10",
            "expect": "success",
            "inputs": {
                "initiator": initiator.inputs(INITIATOR),
                "responder": responder.inputs(RESPONDER),
                "psk": self.psk.then(|| hex(&PSK)),
                "anchor": initiator.certified.as_ref().map(|c| hex(&c.anchor)),
                "unix_time": UNIX_TIME,
            },
            "messages": messages,
            "srtp": keys.streams.iter().map(|s| json!({
                "cs_id": s.cs_id,
                "sender": if s.sender == Side::Local { "initiator" } else { "responder" },
                "ssrc": s.ssrc,
                "mki": hex(&s.mki),
                "master_key": hex(s.master_key.expose()),
                "master_salt": hex(s.master_salt.expose()),
            })).collect::<Vec<_>>(),
            "exporter": {
                "label": LABEL,
                "context": hex(&CONTEXT),
                "length": EXPORTED,
                "value": hex(value.expose()),
            },
        })
    }
}

impl End {
    fn inputs(&self, name: &str) -> Value {
        json!({
            "name": name,
            "certificate": self.certified.as_ref().map(|c| hex(&c.certificate)),
            "ed25519_seed": self.certified.as_ref().map(|c| hex(&c.seed)),
            "random": self.random.draws.lock().unwrap().iter().map(|d| hex(d)).collect::<Vec<_>>(),
        })
    }
}

fn established(events: Vec<Event>) -> (SessionId, SrtpKeys) {
    let mut found = None;
    for event in events {
        if let Event::SrtpKeysReady { session, keys } = event {
            found = Some((session, keys));
        }
    }
    found.expect("the handshake failed")
}
