//! What was agreed on, in words.

use mikey::keying::v1::Mode;
use mikey_rtsp::Agreed;
use serde_json::{Value, json};

use crate::call::describe::srtp_policy;

/// A mode of version 1.
pub(crate) fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Null => "NULL",
        Mode::Psk => "PSK",
        Mode::Pk => "PK",
        Mode::Dh => "DH",
        Mode::DhHmac => "DHHMAC",
        Mode::RsaR => "RSA-R",
        _ => "another mode",
    }
}

/// Mode, policy, MKI and deviations.
pub(crate) fn agreed(agreed: &Agreed) -> String {
    let policies: Vec<String> = agreed.streams.iter().map(|(_, policy)| srtp_policy(policy)).collect();
    let mut policies = policies;
    policies.dedup();
    let mut text = format!("MIKEY {}, {}", mode(agreed.mode), policies.join(" and "));
    if agreed.mki > 0 {
        text.push_str(&format!(", MKI of {} octets", agreed.mki));
    }
    if !agreed.quirks.is_empty() {
        let quirks: Vec<String> = agreed.quirks.iter().map(|quirk| format!("{quirk:?}")).collect();
        text.push_str(&format!(" (deviations: {})", quirks.join(", ")));
    }
    text
}

/// The same for machines.
pub(crate) fn agreed_json(agreed: &Agreed) -> Value {
    json!({
        "mode": mode(agreed.mode),
        "policies": agreed.streams.iter().map(|(_, policy)| srtp_policy(policy)).collect::<Vec<_>>(),
        "mki": agreed.mki,
        "renewed": agreed.renewed,
        "quirks": agreed.quirks.iter().map(|quirk| format!("{quirk:?}")).collect::<Vec<_>>(),
    })
}
