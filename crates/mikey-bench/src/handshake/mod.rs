//! Whole handshakes with mutual authentication, both sides in one process, next to TLS and DTLS.
//!
//! The limit of a case is its bare public-key operations: what both sides together cannot do without.

use crate::Result;
use crate::measure::Case;

mod bare;
mod dtls;
mod tls;

/// All cases of the bench.
pub(crate) fn cases() -> Result<Vec<Case<'static>>> {
    Ok(vec![
        Case {
            name: "signatures, X25519".into(),
            size: 0,
            contestants: vec![
                bare::signatures(bare::Exchange::X25519)?,
                tls::full("rustls TLS 1.3, Ed25519 certificates", tls::X25519)?,
                dtls::full("dimpl DTLS 1.2, P-256 certificates")?,
            ],
        },
        Case {
            name: "signatures, X25519 + ML-KEM-768".into(),
            size: 0,
            contestants: vec![
                bare::signatures(bare::Exchange::X25519MlKem768)?,
                tls::full("rustls TLS 1.3, Ed25519 certificates", tls::X25519_MLKEM768)?,
            ],
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
