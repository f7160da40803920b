//! The calls that are recorded: between them every mode, group, suite, PRF and method.

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{GroupId, MethodId, PrfId, SuiteId};
use mikey_proto::{Call, Confidentiality, EndpointConfig, Exchange, Name, Side, Stream};

use super::cast::{Credentials, Key, PSEUDONYM, other_trust};
use super::play::{Act, Who};

/// A call, and what is done with it afterwards.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) credentials: Credentials,
    /// Changes the two configurations, of the initiator and of the responder.
    pub(crate) set_up: fn(&mut EndpointConfig, &mut EndpointConfig),
    /// Changes the call.
    pub(crate) call: fn(&mut Call),
    pub(crate) acts: &'static [Act],
}

const ED25519: Credentials = Credentials::Certificate(Key::Ed25519, 0);

const CALL: Case =
    Case { name: "", about: "", credentials: ED25519, set_up: |_, _| (), call: |_| (), acts: &[Act::Call] };

fn both(a: &mut EndpointConfig, b: &mut EndpointConfig, change: impl Fn(&mut EndpointConfig)) {
    change(a);
    change(b);
}

/// Fixes PRF, group and suite for both.
fn fix(
    a: &mut EndpointConfig,
    b: &mut EndpointConfig,
    (prf, group, suite): (PrfId, GroupId, SuiteId),
    confidentiality: Confidentiality,
) {
    both(a, b, |config| {
        config.policy.prfs = vec![prf];
        config.policy.groups = vec![group];
        config.policy.suites = vec![suite];
        config.policy.confidentiality = vec![confidentiality];
    });
}

use Confidentiality::{Clear, Encrypted};
use Who::{Initiator, Responder};

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "init_cce_signature_gcm",
        about: "Ed25519 certificates, PRF-HMAC-SHA-256, X25519, AEAD-AES-128-GCM, encrypted",
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_256, GroupId::X25519, SuiteId::AES_128_GCM), Encrypted);
        },
        ..CALL
    },
    Case {
        name: "init_cce_signature_ctr",
        about: "Ed25519 certificates, PRF-HMAC-SHA-256, X25519, AES-CM-128 with HMAC-SHA-256-256, encrypted",
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_256, GroupId::X25519, SuiteId::AES_CM_128_HMAC_SHA_256), Encrypted);
        },
        ..CALL
    },
    Case {
        name: "init_cce_signature_clear",
        about: "Ed25519 certificates, PRF-HMAC-SHA-384, X25519, AEAD-AES-256-GCM, confidentiality 0",
        set_up: |a, b| fix(a, b, (PrfId::HMAC_SHA_384, GroupId::X25519, SuiteId::AES_256_GCM), Clear),
        ..CALL
    },
    Case {
        name: "init_cce_psk_gcm",
        about: "pre-shared key, PRF-HMAC-SHA-256, X25519, AEAD-AES-128-GCM, encrypted",
        credentials: Credentials::Psk,
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_256, GroupId::X25519, SuiteId::AES_128_GCM), Encrypted);
        },
        ..CALL
    },
    Case {
        name: "init_cce_psk_ctr",
        about: "pre-shared key, PRF-HMAC-SHA-384, X25519, AES-CM-256 with HMAC-SHA-256-256, encrypted",
        credentials: Credentials::Psk,
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_384, GroupId::X25519, SuiteId::AES_CM_256_HMAC_SHA_256), Encrypted);
        },
        ..CALL
    },
    Case {
        name: "init_cce_psk_clear",
        about: "pre-shared key, PRF-HMAC-SHA-256, X25519, AES-CM-128 with HMAC-SHA-256-256, confidentiality 0",
        credentials: Credentials::Psk,
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_256, GroupId::X25519, SuiteId::AES_CM_128_HMAC_SHA_256), Clear);
        },
        ..CALL
    },
    Case {
        name: "cce2_psk_gcm",
        about: "Option 2 with a pre-shared key, PRF-HMAC-SHA-256, X25519, AEAD-AES-128-GCM; renewed from both sides",
        credentials: Credentials::Psk,
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_256, GroupId::X25519, SuiteId::AES_128_GCM), Encrypted);
            both(a, b, |config| config.policy.exchanges = vec![Exchange::Cce2Psk]);
        },
        acts: &[
            Act::Call,
            Act::Rekey(Initiator, false),
            Act::Probe(Initiator),
            Act::Rekey(Responder, true),
            Act::Close(Responder),
        ],
        ..CALL
    },
    Case {
        name: "cce2_psk_ctr",
        about: "Option 2 with a pre-shared key, PRF-HMAC-SHA-384, P-256, AES-CM-256 with HMAC-SHA-256-256; renewed in clear",
        credentials: Credentials::Psk,
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_384, GroupId::P256, SuiteId::AES_CM_256_HMAC_SHA_256), Clear);
            both(a, b, |config| config.policy.exchanges = vec![Exchange::Cce2Psk]);
        },
        acts: &[Act::Call, Act::Rekey(Initiator, true)],
        ..CALL
    },
    Case {
        name: "cce2_rsa_gcm",
        about: "Option 2 with RSA, after a cookie, PRF-HMAC-SHA-256, X25519, AEAD-AES-256-GCM; renewed with a new DH",
        credentials: Credentials::Rsa,
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_256, GroupId::X25519, SuiteId::AES_256_GCM), Encrypted);
            both(a, b, |config| config.policy.exchanges = vec![Exchange::Cce2Rsa]);
        },
        acts: &[Act::Call, Act::Rekey(Initiator, true), Act::Probe(Responder)],
        ..CALL
    },
    Case {
        name: "cce2_rsa_ctr",
        about: "Option 2 with RSA, PRF-HMAC-SHA-384, X25519 with ML-KEM-768, AES-CM-128 with HMAC-SHA-256-256",
        credentials: Credentials::Rsa,
        set_up: |a, b| {
            let choice = (PrfId::HMAC_SHA_384, GroupId::X25519_MLKEM768, SuiteId::AES_CM_128_HMAC_SHA_256);
            fix(a, b, choice, Encrypted);
            both(a, b, |config| config.policy.exchanges = vec![Exchange::Cce2Rsa, Exchange::Cce]);
        },
        acts: &[Act::Call, Act::Close(Initiator)],
        ..CALL
    },
    Case {
        name: "group_p256_ecdsa_p256",
        about: "ECDSA P-256 certificates, P-256, PRF-HMAC-SHA-256, AEAD-CHACHA20-POLY1305; rekeyed with a new DH",
        credentials: Credentials::Certificate(Key::P256, 0),
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_256, GroupId::P256, SuiteId::CHACHA20_POLY1305), Encrypted);
        },
        acts: &[Act::Call, Act::Rekey(Initiator, true)],
        ..CALL
    },
    Case {
        name: "group_p384_ecdsa_p384",
        about: "ECDSA P-384 certificates, P-384, PRF-HMAC-SHA-384, AEAD-AES-256-GCM; rekeyed with a new DH",
        credentials: Credentials::Certificate(Key::P384, 0),
        set_up: |a, b| fix(a, b, (PrfId::HMAC_SHA_384, GroupId::P384, SuiteId::AES_256_GCM), Encrypted),
        acts: &[Act::Call, Act::Rekey(Responder, true)],
        ..CALL
    },
    Case {
        name: "group_modp_2048_rsa_pss",
        about: "RSASSA-PSS certificates, MODP-2048, PRF-HMAC-SHA-256, AES-CM-256 with HMAC-SHA-256-256",
        credentials: Credentials::Certificate(Key::Rsa2048, 0),
        set_up: |a, b| {
            let choice = (PrfId::HMAC_SHA_256, GroupId::MODP_2048, SuiteId::AES_CM_256_HMAC_SHA_256);
            fix(a, b, choice, Encrypted);
        },
        ..CALL
    },
    Case {
        name: "group_modp_3072_psk",
        about: "pre-shared key, MODP-3072, PRF-HMAC-SHA-384, AEAD-AES-128-GCM",
        credentials: Credentials::Psk,
        set_up: |a, b| fix(a, b, (PrfId::HMAC_SHA_384, GroupId::MODP_3072, SuiteId::AES_128_GCM), Encrypted),
        ..CALL
    },
    Case {
        name: "group_hybrid",
        about: "Ed25519 certificates, X25519 with ML-KEM-768, PRF-HMAC-SHA-384, AEAD-AES-256-GCM; rekeyed with a new DH",
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_384, GroupId::X25519_MLKEM768, SuiteId::AES_256_GCM), Encrypted);
        },
        acts: &[Act::Call, Act::Rekey(Initiator, true)],
        ..CALL
    },
    Case {
        name: "sas",
        about: "SAS in both directions; both people confirm it, which gives the keys of continuity",
        credentials: Credentials::Sas,
        acts: &[Act::Call, Act::Compare(Initiator, true), Act::Compare(Responder, true)],
        ..CALL
    },
    Case {
        name: "sas_differs",
        about: "SAS in both directions, PRF-HMAC-SHA-384; the responder's person finds another string",
        credentials: Credentials::Sas,
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_384, GroupId::X25519, SuiteId::CHACHA20_POLY1305), Encrypted);
        },
        acts: &[Act::Call, Act::Compare(Responder, false)],
        ..CALL
    },
    Case {
        name: "fingerprint",
        about: "certificates known by their fingerprints, bound by SDP-BINDING with tls-ids and an identity assertion",
        credentials: Credentials::Fingerprint,
        ..CALL
    },
    Case {
        name: "hidden_anonymous",
        about: "the initiator's name is an anonymous NAI in INIT_REQ, the true one comes in CCE_REQ",
        call: |call| call.hidden_as = Name::parse("@example.com").ok(),
        ..CALL
    },
    Case {
        name: "hidden_pseudonym",
        about: "a pre-shared key that is found by a pseudonym, as key continuity has it",
        credentials: Credentials::Psk,
        call: |call| call.hidden_as = Some(Name::pseudonym(PSEUDONYM)),
        ..CALL
    },
    Case {
        name: "mixed_methods",
        about: "each direction has a method of its own: the initiator a certificate, the responder a pre-shared key",
        credentials: Credentials::Both,
        set_up: |a, b| {
            a.policy.local_methods = vec![MethodId::ED25519];
            a.policy.remote_methods = vec![MethodId::PSK];
            b.policy.local_methods = vec![MethodId::PSK];
            b.policy.remote_methods = vec![MethodId::ED25519];
        },
        ..CALL
    },
    Case {
        name: "cookie_and_second_group",
        about: "a cookie is asked for, then another DH group: three INIT_REQs of one attempt",
        set_up: |a, b| {
            a.policy.groups = vec![GroupId::X25519, GroupId::P256];
            b.policy.groups = vec![GroupId::P256];
            b.cookie_threshold = 0;
        },
        ..CALL
    },
    Case {
        name: "nothing_in_common",
        about: "the responder has no suite in common: Invalid SPpar with its lists, and the call fails",
        set_up: |a, b| {
            a.policy.suites = vec![SuiteId::AES_128_GCM];
            b.policy.suites = vec![SuiteId::CHACHA20_POLY1305];
        },
        acts: &[Act::Call, Act::Wait],
        ..CALL
    },
    Case {
        name: "refused",
        about: "the initiator's certificate leads to no anchor of the responder: protected ERROR 0, and again to a repeat",
        set_up: |_, b| b.trust = other_trust(),
        acts: &[Act::Call, Act::Wait],
        ..CALL
    },
    Case {
        name: "fragments",
        about: "chains of four certificates over a path of 512 octets: both messages of CCE in fragments",
        credentials: Credentials::Certificate(Key::Ed25519, 3),
        set_up: |a, b| both(a, b, |config| config.path = 512),
        ..CALL
    },
    Case {
        name: "streams",
        about: "four streams with several policies each, known and late-bound SSRCs, no MKI; all SRTP transforms",
        call: |call| {
            call.mki = false;
            let policies = [
                SrtpPolicy::AEAD_AES_256_GCM,
                SrtpPolicy::AES_CM_256_HMAC_SHA1_80,
                SrtpPolicy::AES_CM_128_HMAC_SHA1_32,
                SrtpPolicy::AEAD_AES_128_GCM,
            ];
            call.streams = (0_u32..4)
                .zip(policies)
                .map(|(n, policy)| {
                    let side = if n % 2 == 0 { Side::Local } else { Side::Remote };
                    let mut stream = Stream::new(side, policy);
                    stream.policies.push(SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
                    stream.ssrc = (n == 0).then_some(0x0BAD_CAFE);
                    stream
                })
                .collect();
        },
        ..CALL
    },
    Case {
        name: "rekey",
        about: "four renewals: from each side, without and with a new DH; then the responder ends the session",
        acts: &[
            Act::Call,
            Act::Rekey(Initiator, false),
            Act::Rekey(Initiator, true),
            Act::Probe(Initiator),
            Act::Rekey(Responder, false),
            Act::Rekey(Responder, true),
            Act::Close(Responder),
        ],
        ..CALL
    },
    Case {
        name: "rekey_psk_384",
        about: "pre-shared key, PRF-HMAC-SHA-384, AES-CM-128 with HMAC-SHA-256-256: renewed without a new DH",
        credentials: Credentials::Psk,
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_384, GroupId::X25519, SuiteId::AES_CM_128_HMAC_SHA_256), Encrypted);
        },
        acts: &[Act::Call, Act::Rekey(Initiator, false)],
        ..CALL
    },
    Case {
        name: "rekey_clear",
        about: "confidentiality 0: REKEY and INFO with their payloads before KEMAC",
        set_up: |a, b| fix(a, b, (PrfId::HMAC_SHA_256, GroupId::X25519, SuiteId::AES_128_GCM), Clear),
        acts: &[Act::Call, Act::Rekey(Initiator, true), Act::Probe(Initiator)],
        ..CALL
    },
    Case {
        name: "info",
        about: "liveness from both sides, a new address of the initiator proven by PATH-CHECK, DELETE",
        acts: &[
            Act::Call,
            Act::Probe(Initiator),
            Act::Probe(Responder),
            Act::Move,
            Act::Probe(Initiator),
            Act::Close(Initiator),
        ],
        ..CALL
    },
    Case {
        name: "resume_dh",
        about: "RESUME with a new DH, early media, the next ticket; then a rekey of the resumed session",
        acts: &[Act::Call, Act::Close(Initiator), Act::Resume, Act::Rekey(Initiator, false)],
        ..CALL
    },
    Case {
        name: "resume_without_dh",
        about: "RESUME without DH, twice in a row, PRF-HMAC-SHA-384",
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_384, GroupId::X25519, SuiteId::AES_256_GCM), Encrypted);
            both(a, b, |config| config.resume_with_dh = false);
        },
        acts: &[Act::Call, Act::Close(Initiator), Act::Resume, Act::Close(Responder), Act::Resume],
        ..CALL
    },
    Case {
        name: "resume_hybrid_cookie",
        about: "RESUME with X25519 and ML-KEM-768 above the threshold for cookies",
        credentials: Credentials::Psk,
        set_up: |a, b| {
            fix(a, b, (PrfId::HMAC_SHA_256, GroupId::X25519_MLKEM768, SuiteId::AES_128_GCM), Encrypted);
            b.cookie_threshold = 0;
        },
        acts: &[Act::Call, Act::Resume],
        ..CALL
    },
];
