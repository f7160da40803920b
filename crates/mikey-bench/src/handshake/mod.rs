//! Whole handshakes with mutual authentication, both sides in one process, next to TLS and DTLS.
//!
//! The limit of a case is its bare public-key operations: what both sides together cannot do without.

use mikey_crypto::GroupId;

use crate::Result;
use crate::measure::Case;

mod bare;
mod dtls;
mod ours;
mod tls;

/// All cases of the bench.
pub(crate) fn cases() -> Result<Vec<Case<'static>>> {
    Ok(vec![
        Case {
            name: "signatures, X25519".into(),
            size: 0,
            contestants: vec![
                ours::certificates("MIKEYv2, Ed25519 certificates of a CA", GroupId::X25519)?,
                bare::signatures(bare::Exchange::X25519)?,
                tls::full("rustls TLS 1.3, Ed25519 certificates", tls::X25519)?,
                dtls::full("dimpl DTLS 1.2, P-256 certificates")?,
            ],
        },
        Case {
            name: "signatures, X25519 + ML-KEM-768".into(),
            size: 0,
            contestants: vec![
                ours::certificates("MIKEYv2, Ed25519 certificates of a CA", GroupId::X25519_MLKEM768)?,
                bare::signatures(bare::Exchange::X25519MlKem768)?,
                tls::full("rustls TLS 1.3, Ed25519 certificates", tls::X25519_MLKEM768)?,
            ],
        },
        Case {
            name: "pre-shared key, X25519".into(),
            size: 0,
            contestants: vec![ours::psk("MIKEYv2, PSK", GroupId::X25519)?, bare::exchange()?],
        },
        Case {
            name: "resumption, X25519".into(),
            size: 0,
            contestants: vec![
                bare::exchange()?,
                tls::resumed("rustls TLS 1.3, PSK resumption with (EC)DHE", tls::X25519)?,
            ],
        },
    ])
}
