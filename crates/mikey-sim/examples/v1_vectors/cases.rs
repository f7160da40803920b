//! The exchanges: every mode, both profiles, updates, errors.

use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::v1::{KeyKind, Mode, Offer, Policy};
use mikey_proto::{Name, Side, Stream};

use super::cast::{NAMES, bobs_encryption};

/// An exchange.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    /// Of Alice and Bob.
    pub(crate) policies: [fn() -> Policy; 2],
    pub(crate) offer: fn() -> Offer,
    /// What Alice does after the first exchange, a second each later than the one before.
    pub(crate) then: &'static [Then],
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// New keys; an MKI if the offer has one.
    Rekey,
    /// A further stream under the keys that are there.
    Add,
}

const SHA1_80: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;

fn every(mut policy: Policy) -> Policy {
    policy.modes = vec![Mode::Null, Mode::Psk, Mode::Pk, Mode::Dh, Mode::DhHmac, Mode::RsaR];
    policy
}

fn legacy() -> Policy {
    every(Policy::legacy())
}

fn modern() -> Policy {
    every(Policy::modern())
}

fn stream(ssrc: u32, policy: SrtpPolicy) -> Stream {
    Stream { ssrc: Some(ssrc), ..Stream::new(Side::Local, policy) }
}

fn both_ways(mode: Mode, policy: SrtpPolicy) -> Offer {
    let streams = vec![stream(0xA11C_E001, policy), Stream::new(Side::Remote, policy)];
    let mut offer = Offer::new(mode, Name::parse(NAMES[1]).unwrap(), streams);
    if mode == Mode::Pk {
        offer.encrypt_to = bobs_encryption();
    }
    offer
}

fn with(mut offer: Offer, change: impl FnOnce(&mut Offer)) -> Offer {
    change(&mut offer);
    offer
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "null_tek",
        description: "NULL as devices in RTSP have it: a TEK with its salt in the clear, one stream, no names, no response",
        policies: [legacy, legacy],
        offer: || Offer::null(vec![stream(0xA11C_E001, SHA1_80)]),
        then: &[],
    },
    Case {
        name: "null_tgk_names",
        description: "NULL with a TGK, two streams, names, GENERIC-ID map and an MKI",
        policies: [modern, modern],
        offer: || {
            let streams = vec![stream(1, SHA1_80), stream(2, SrtpPolicy::AES_CM_256_HMAC_SHA1_80)];
            with(Offer::null(streams), |offer| {
                offer.key = KeyKind::Tgk;
                offer.to = Some(Name::parse(NAMES[1]).unwrap());
                (offer.names, offer.generic, offer.mki) = (true, true, vec![1, 2, 3, 4]);
            })
        },
        then: &[],
    },
    Case {
        name: "psk",
        description: "pre-shared key, RFC 3830's algorithms, with V; then a TGK update, a further stream, a TGK update",
        policies: [legacy, legacy],
        offer: || both_ways(Mode::Psk, SHA1_80),
        then: &[Then::Rekey, Then::Add, Then::Rekey],
    },
    Case {
        name: "psk_sha256",
        description: "pre-shared key, PRF-HMAC-SHA-256 and HMAC-SHA-256-256, AES-GCM (RFC 7714), GENERIC-ID, MKI, Key IDs, SDP IDs, \
            Vendor ID; then a TGK update with another MKI",
        policies: [modern, modern],
        offer: || {
            with(both_ways(Mode::Psk, SrtpPolicy::AEAD_AES_128_GCM), |offer| {
                (offer.generic, offer.mki) = (true, vec![0, 0, 0, 1]);
                offer.key_ids = vec![(0, b"key domain".to_vec()), (2, vec![7, 7])];
                offer.sdp_ids = Some(b"mikey".to_vec());
                offer.speaks_v2 = true;
            })
        },
        then: &[Then::Rekey],
    },
    Case {
        name: "psk_tek_interval",
        description: "pre-shared key, a TEK with its salt, valid From 5 To 2^48-1, not to be confirmed",
        policies: [legacy, legacy],
        offer: || {
            with(both_ways(Mode::Psk, SrtpPolicy::AES_CM_128_HMAC_SHA1_32), |offer| {
                offer.streams.truncate(1);
                (offer.key, offer.confirm, offer.valid) = (KeyKind::Tek, false, Some((5, (1 << 48) - 1)));
            })
        },
        then: &[],
    },
    Case {
        name: "pk",
        description: "public key: RSAES-OAEP envelope, RSASSA-PKCS1-v1_5 with SHA-256; then a TGK update under the envelope key",
        policies: [legacy, legacy],
        offer: || both_ways(Mode::Pk, SHA1_80),
        then: &[Then::Rekey],
    },
    Case {
        name: "pk_sha256",
        description: "public key with PRF-HMAC-SHA-256, HMAC-SHA-256-256 and RSASSA-PSS",
        policies: [modern, modern],
        offer: || both_ways(Mode::Pk, SrtpPolicy::AEAD_AES_256_GCM),
        then: &[],
    },
    Case {
        name: "dh",
        description: "Diffie-Hellman (OAKLEY 5) with RSASSA-PKCS1-v1_5 signatures; then a TGK update",
        policies: [legacy, legacy],
        offer: || both_ways(Mode::Dh, SHA1_80),
        then: &[Then::Rekey],
    },
    Case {
        name: "dhhmac",
        description: "Diffie-Hellman (OAKLEY 5) with a pre-shared key (RFC 4650); then a further stream and a TGK update",
        policies: [legacy, legacy],
        offer: || both_ways(Mode::DhHmac, SHA1_80),
        then: &[Then::Add, Then::Rekey],
    },
    Case {
        name: "rsa_r",
        description: "RSA-R (RFC 4738), RSASSA-PKCS1-v1_5; then a TGK update under the envelope key",
        policies: [legacy, legacy],
        offer: || both_ways(Mode::RsaR, SHA1_80),
        then: &[Then::Rekey],
    },
    Case {
        name: "rsa_r_sha256",
        description: "RSA-R with PRF-HMAC-SHA-256, HMAC-SHA-256-256 and RSASSA-PSS",
        policies: [modern, modern],
        offer: || both_ways(Mode::RsaR, SHA1_80),
        then: &[],
    },
    Case {
        name: "error_policy",
        description: "pre-shared key; no SRTP policy would do: an ERROR with V and those that would",
        policies: [legacy, legacy],
        offer: || both_ways(Mode::Psk, SrtpPolicy { kdr: 1 << 10, ..SHA1_80 }),
        then: &[],
    },
    Case {
        name: "error_prf",
        description: "a peer that does not take MIKEY-1 as PRF: an ERROR without V",
        policies: [legacy, modern],
        offer: || both_ways(Mode::Psk, SHA1_80),
        then: &[],
    },
];
