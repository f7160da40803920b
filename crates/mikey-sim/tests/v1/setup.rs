//! Two parties with keys of every kind.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{CryptoProvider, SecretBytes};
use mikey_crypto_aws_lc::provider;
use mikey_proto::v1::{Agreement, Known, Mode, Offer, Party, Policy};
use mikey_proto::{
    CertifiedKey, DecryptionKey, EndpointConfig, Identity, Name, PskTable, Side, SrtpKeys, Stream, Time,
};
use mikey_sim::Ca;
use mikey_sim::SeededRandom;
use rcgen::KeyUsagePurpose;

pub(crate) const ALICE: &str = "sip:alice@example.com";
pub(crate) const BOB: &str = "sip:bob@example.net";
/// 2026-11-25.
pub(crate) const NOW: Duration = Duration::from_secs(1_795_564_800);
pub(crate) const ALL: [Mode; 6] = [Mode::Null, Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR];

/// RSA keys of Alice and Bob, for signatures and for decryption: drawn once, since making one takes a second.
const KEYS: [[&[u8]; 2]; 2] = [
    [include_bytes!("keys/alice-sign.pkcs8"), include_bytes!("keys/alice-decrypt.pkcs8")],
    [include_bytes!("keys/bob-sign.pkcs8"), include_bytes!("keys/bob-decrypt.pkcs8")],
];

pub(crate) static CA: LazyLock<Ca> = LazyLock::new(|| Ca::new("test"));
static CERTIFICATES: LazyLock<[[Vec<u8>; 2]; 2]> = LazyLock::new(|| {
    [0, 1].map(|at| {
        let name = [ALICE, BOB][at];
        let decryption = CA.certify_key_with(name, KEYS[at][1], |params| {
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        });
        [CA.certify_key(name, KEYS[at][0]), decryption]
    })
});

fn identity(provider: &CryptoProvider, at: usize) -> Identity {
    let [signing, decryption] = CERTIFICATES[at].clone();
    let signing = CertifiedKey::load(provider, vec![signing], KEYS[at][0]).unwrap();
    let decryption = DecryptionKey::load(provider, vec![decryption], KEYS[at][1]).unwrap();
    let name = Name::parse([ALICE, BOB][at]).unwrap();
    Identity::with_certificate(name, signing).unwrap().with_decryption(decryption).unwrap()
}

pub(crate) fn psk() -> PskTable {
    let mut table = PskTable::new();
    let names = [ALICE, BOB].map(|name| Name::parse(name).unwrap());
    let [a, b] = names;
    table.insert(a, b, SecretBytes::copy_from(&[0x5A; 32])).unwrap();
    table
}

/// `value` with a change.
pub(crate) fn with<T>(mut value: T, change: impl FnOnce(&mut T)) -> T {
    change(&mut value);
    value
}

/// Every mode, RFC 3830's algorithms too.
pub(crate) fn everything() -> Policy {
    with(Policy::legacy(), |o| o.modes = ALL.to_vec())
}

pub(crate) fn config(at: usize, policy: &Policy, seed: u64) -> EndpointConfig {
    let provider = provider().with_random(Arc::new(SeededRandom::new(seed)));
    let mut config = EndpointConfig::new(provider.clone(), identity(&provider, at));
    config.v1 = Some(policy.clone());
    config.trust = CA.trust();
    config.psks = Arc::new(psk());
    config.unix_time_at_zero = Some(NOW);
    config
}

pub(crate) fn pair(policy: &Policy) -> (Party, Party) {
    (Party::new(config(0, policy, 1)).unwrap(), Party::new(config(1, policy, 2)).unwrap())
}

pub(crate) fn streams() -> Vec<Stream> {
    let policy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
    vec![Stream { ssrc: Some(0x1111), ..Stream::new(Side::Local, policy) }, Stream::new(Side::Remote, policy)]
}

/// What Alice offers to Bob.
pub(crate) fn offer(mode: Mode) -> Offer {
    offer_by(0, mode)
}

/// What Alice (0) or Bob (1) offers to the other one.
pub(crate) fn offer_by(at: usize, mode: Mode) -> Offer {
    let peer = 1 - at;
    let mut offer = match mode {
        Mode::Null => Offer::null(vec![streams().swap_remove(0)]),
        mode => Offer::new(mode, Name::parse([ALICE, BOB][peer]).unwrap(), streams()),
    };
    if mode == Mode::Pk {
        offer.encrypt_to = vec![CERTIFICATES[peer][1].clone()];
    }
    offer
}

/// Runs a whole exchange; both agreements.
pub(crate) fn run(alice: &mut Party, bob: &mut Party, offer: &Offer) -> (Agreement, Agreement) {
    let offered = alice.offer(Time::ZERO, offer).expect("an offer");
    let answer = bob.answer(Time::ZERO, &offered.message, &Known::default()).expect("an answer");
    let theirs = answer.agreement.expect("not a repeat");
    let ours = match offered.pending {
        None => offered.agreement.expect("at once"),
        Some(mut pending) => {
            let message = answer.message.expect("a response");
            alice.finish(Time::ZERO, &mut pending, &message).expect("verified")
        }
    };
    (ours, theirs)
}

/// Whether both have the same keys, with the sides exchanged.
pub(crate) fn agree(ours: &SrtpKeys, theirs: &SrtpKeys) -> bool {
    ours.streams.len() == theirs.streams.len()
        && ours.streams.iter().zip(&theirs.streams).all(|(a, b)| {
            a.cs_id == b.cs_id
                && a.sender != b.sender
                && a.ssrc == b.ssrc
                && a.index == b.index
                && a.policy == b.policy
                && a.mki == b.mki
                && a.valid == b.valid
                && mikey_crypto::ct_eq(a.master_key.expose(), b.master_key.expose())
                && mikey_crypto::ct_eq(a.master_salt.expose(), b.master_salt.expose())
        })
}
