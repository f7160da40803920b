//! Numbers of a negotiation and of policies as people name them.

use mikey::keying::v1::Mode;
use mikey::keying::{Exchange, Negotiated, Peer, Role};
use mikey::{AuthLevel, SrtpPolicy};
use mikey_crypto::MethodId;
use mikey_wire::{AuthMethod, DhGroup, PrfFunc};
use serde_json::{Value, json};

use crate::call::event::How;
use crate::decode::payload::suite_name;
use crate::error::{Error, Result};

/// SRTP policies that can be asked for, in the tool's order of preference, under their registered names.
pub(crate) const SRTP_POLICIES: [(&str, SrtpPolicy); 5] = [
    ("AEAD_AES_128_GCM", SrtpPolicy::AEAD_AES_128_GCM),
    ("AEAD_AES_256_GCM", SrtpPolicy::AEAD_AES_256_GCM),
    ("AES_CM_128_HMAC_SHA1_80", SrtpPolicy::AES_CM_128_HMAC_SHA1_80),
    ("AES_256_CM_HMAC_SHA1_80", SrtpPolicy::AES_CM_256_HMAC_SHA1_80),
    ("AES_CM_128_HMAC_SHA1_32", SrtpPolicy::AES_CM_128_HMAC_SHA1_32),
];

/// The policies to offer: the named one, or all.
///
/// # Errors
/// If there is none of that name.
pub(crate) fn srtp_policies(name: Option<&str>) -> Result<Vec<SrtpPolicy>> {
    let all = SRTP_POLICIES.iter();
    let chosen: Vec<SrtpPolicy> = match name {
        None => all.map(|(_, policy)| *policy).collect(),
        Some(name) => {
            all.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, policy)| *policy).collect()
        }
    };
    if chosen.is_empty() {
        let names: Vec<&str> = SRTP_POLICIES.iter().map(|(name, _)| *name).collect();
        return Err(Error::usage(format!("there is no SRTP policy '{}'", name.unwrap_or_default()))
            .hint(format!("choose one of {}", names.join(", "))));
    }
    Ok(chosen)
}

/// The name of a policy.
pub(crate) fn srtp_policy(policy: &SrtpPolicy) -> String {
    match SRTP_POLICIES.iter().find(|(_, known)| known == policy) {
        Some((name, _)) => (*name).to_owned(),
        None => {
            format!("{:?} of {} bits with {:?}", policy.cipher, u16::from(policy.key_len) * 8, policy.auth)
        }
    }
}

/// How well a peer is known, in words. Never "authenticated" alone: the levels are not equal.
pub(crate) fn level(level: AuthLevel) -> &'static str {
    match level {
        AuthLevel::None => "not authenticated",
        AuthLevel::Fingerprint => "certificate matched by fingerprint",
        AuthLevel::SasUnverified => "short authentication string, not compared",
        AuthLevel::SasVerified => "short authentication string, compared",
        AuthLevel::Psk => "pre-shared key",
        AuthLevel::Certificate => "certificate that leads to a trusted CA",
        _ => "a level that this tool does not know",
    }
}

/// A level for machines.
pub(crate) fn level_id(level: AuthLevel) -> &'static str {
    match level {
        AuthLevel::None => "none",
        AuthLevel::Fingerprint => "fingerprint",
        AuthLevel::SasUnverified => "sas-unverified",
        AuthLevel::SasVerified => "sas-verified",
        AuthLevel::Psk => "psk",
        AuthLevel::Certificate => "certificate",
        _ => "unknown",
    }
}

/// Who is at the other end and how that is known: `sip:bob@example.com, by certificate … (Ed25519)`.
pub(crate) fn peer(peer: &Peer, role: Role, how: &How) -> String {
    let How::V2(negotiated) = how else { return format!("{}, by {}", peer.name, level(peer.level)) };
    let method = match role {
        Role::Initiator => negotiated.responder,
        Role::Responder => negotiated.initiator,
    };
    let how = match (method.is_signature(), method.is_certified()) {
        (true, _) => format!(" ({} signature)", method_name(method)),
        (false, true) => format!(" ({})", method_name(method)),
        (false, false) => String::new(),
    };
    format!("{}, by {}{how}", peer.name, level(peer.level))
}

/// What was negotiated, as name and value.
pub(crate) fn negotiated(how: &How) -> Vec<(&'static str, String)> {
    match how {
        How::V2(negotiated) => negotiated_v2(negotiated),
        How::V1 { mode, quirks, peer_speaks_v2 } => {
            let mut lines = vec![("MIKEY version 1", v1_mode(*mode).1.to_owned())];
            lines.extend(quirks.iter().map(|quirk| ("put up with", quirk.describe().to_owned())));
            lines.extend(peer_speaks_v2.then(|| ("the peer", "says that it speaks version 2".to_owned())));
            lines
        }
    }
}

/// A mode of version 1, for machines and for people.
fn v1_mode(mode: Mode) -> (&'static str, &'static str) {
    match mode {
        Mode::Null => ("null", "keys in the clear"),
        Mode::Psk => ("psk", "keys under a pre-shared key, no forward secrecy"),
        Mode::Pk => ("pk", "keys encrypted to a public key, no forward secrecy"),
        Mode::Dh => ("dh", "Diffie-Hellman with signatures"),
        Mode::DhHmac => ("dhhmac", "Diffie-Hellman with a pre-shared key"),
        Mode::RsaR => ("rsa-r", "keys of the responder encrypted to a public key, no forward secrecy"),
        _ => ("unknown", "a mode that this tool does not know"),
    }
}

fn negotiated_v2(negotiated: &Negotiated) -> Vec<(&'static str, String)> {
    let option_2 =
        (negotiated.exchange != Exchange::Cce).then(|| ("exchange", exchange_name(negotiated.exchange)));
    let mut rows: Vec<_> = option_2.into_iter().collect();
    rows.extend([
        ("key exchange", known(DhGroup(negotiated.group.0).name(), negotiated.group.0)),
        ("PRF and transcript", known(PrfFunc(negotiated.prf.0).name(), negotiated.prf.0)),
        ("protection of CCE", {
            let suite = known(suite_name(negotiated.suite.0), negotiated.suite.0);
            if negotiated.confidential { suite } else { format!("{suite}, contents readable") }
        }),
        ("the caller's proof", method_name(negotiated.initiator)),
        ("the callee's proof", method_name(negotiated.responder)),
    ]);
    rows
}

fn exchange_name(exchange: Exchange) -> String {
    let name = match exchange {
        Exchange::Cce => "CCE",
        Exchange::Cce2Psk => "CCE2-PSK",
        Exchange::Cce2Rsa => "CCE2-RSA",
    };
    name.to_owned()
}

/// The same for machines.
pub(crate) fn negotiated_json(how: &How) -> Value {
    let negotiated = match how {
        How::V2(negotiated) => negotiated,
        How::V1 { mode, quirks, peer_speaks_v2 } => {
            let quirks: Vec<&str> = quirks.iter().map(|quirk| quirk.describe()).collect();
            return json!({"version": 1, "mode": v1_mode(*mode).0, "quirks": quirks,
                "peer_speaks_v2": peer_speaks_v2});
        }
    };
    json!({
        "exchange": exchange_name(negotiated.exchange),
        "group": known(DhGroup(negotiated.group.0).name(), negotiated.group.0),
        "prf": known(PrfFunc(negotiated.prf.0).name(), negotiated.prf.0),
        "suite": known(suite_name(negotiated.suite.0), negotiated.suite.0),
        "confidential": negotiated.confidential,
        "initiator_method": method_name(negotiated.initiator),
        "responder_method": method_name(negotiated.responder),
    })
}

fn method_name(method: MethodId) -> String {
    known(AuthMethod(method.0).name(), method.0)
}

fn known(name: Option<&str>, number: u8) -> String {
    name.map_or_else(|| format!("number {number}"), str::to_owned)
}
