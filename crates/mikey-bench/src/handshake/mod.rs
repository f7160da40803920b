//! Whole handshakes with mutual authentication, both sides in one process, next to TLS and DTLS: their time, their octets,
//! the memory of what they lead to, and the renewal of ten thousand sessions.
//!
//! The limit of a case is its bare public-key operations: what both sides together cannot do without.

use mikey_crypto::GroupId;

use crate::Result;
use crate::measure::Case;
use crate::report::Counts;

mod bare;
mod dtls;
mod many;
mod ours;
mod tls;

use ours::{Credentials, Pair};
use tls::Peers;

/// Something to be counted, with its name.
type Count = (&'static str, fn() -> Result<Counts>);

/// What is counted and not timed. Memory comes first, while nothing that others have freed spoils the count.
pub(crate) const COUNTS: [Count; 4] = [
    ("memory, half-open", many::half_open),
    ("memory, established", many::established),
    ("renewal of 10,000 sessions under media", many::renewal),
    ("octets on the wire", octets),
];

/// Octets of UDP payload and datagrams of both sides.
fn octets() -> Result<Counts> {
    let (x25519, hybrid) = (GroupId::X25519, GroupId::X25519_MLKEM768);
    let full = |credentials, group| -> Result<ours::Traffic> {
        Pair::new(ours::configurations(credentials, group)?)?.full()
    };
    let rows = [
        ("MIKEYv2, certificates of a CA", full(Credentials::Ca, x25519)?),
        ("MIKEYv2, pinned certificates", full(Credentials::Pinned, x25519)?),
        ("MIKEYv2, pinned certificates, hybrid", full(Credentials::Pinned, hybrid)?),
        ("MIKEYv2, PSK", full(Credentials::Psk, x25519)?),
        ("MIKEYv2, PSK, hybrid", full(Credentials::Psk, hybrid)?),
        ("MIKEYv2, SAS", full(Credentials::Sas, x25519)?),
        ("MIKEYv2, RESUME with DH", Pair::resuming(true)?.resumed()?),
        ("MIKEYv2, RESUME without DH", Pair::resuming(false)?.resumed()?),
        ("dimpl DTLS 1.2, P-256 certificates, with cookie", dtls::traffic(true)?),
        ("dimpl DTLS 1.2, P-256 certificates", dtls::traffic(false)?),
    ];
    let row = |(name, traffic): (&str, ours::Traffic)| {
        (name.to_owned(), vec![("octets", traffic.octets), ("datagrams", traffic.datagrams)])
    };
    Ok(Counts { rows: rows.into_iter().map(row).collect() })
}

/// All cases that are timed.
pub(crate) fn cases() -> Result<Vec<Case<'static>>> {
    let (x25519, hybrid) = (GroupId::X25519, GroupId::X25519_MLKEM768);
    let case = |name: &str, contestants| Case { name: name.into(), size: 0, contestants };
    Ok(vec![
        case(
            "pinned certificates, X25519",
            vec![
                ours::full("MIKEYv2, Ed25519", Credentials::Pinned, x25519)?,
                bare::signatures(bare::Exchange::X25519)?,
                tls::full("rustls TLS 1.3, Ed25519", tls::X25519, Peers::Pinned)?,
                dtls::full("dimpl DTLS 1.2, P-256, by fingerprint")?,
            ],
        ),
        case(
            "certificates of a CA, X25519",
            vec![
                ours::full("MIKEYv2, Ed25519", Credentials::Ca, x25519)?,
                bare::signatures(bare::Exchange::X25519)?,
                tls::full("rustls TLS 1.3, Ed25519", tls::X25519, Peers::Ca)?,
            ],
        ),
        case(
            "pinned certificates, X25519 + ML-KEM-768",
            vec![
                ours::full("MIKEYv2, Ed25519", Credentials::Pinned, hybrid)?,
                bare::signatures(bare::Exchange::X25519MlKem768)?,
                tls::full("rustls TLS 1.3, Ed25519", tls::X25519_MLKEM768, Peers::Pinned)?,
            ],
        ),
        case(
            "pre-shared key, X25519",
            vec![ours::full("MIKEYv2, PSK", Credentials::Psk, x25519)?, bare::exchange()?],
        ),
        case(
            "resumption with X25519",
            vec![
                ours::resumed("MIKEYv2, RESUME", true)?,
                bare::exchange()?,
                tls::resumed("rustls TLS 1.3, PSK resumption with (EC)DHE", tls::X25519)?,
            ],
        ),
        case(
            "resumption without DH",
            vec![
                ours::resumed("MIKEYv2, RESUME", false)?,
                tls::resumed("rustls TLS 1.3, PSK resumption with (EC)DHE", tls::X25519)?,
            ],
        ),
    ])
}
