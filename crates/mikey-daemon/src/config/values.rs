//! Values of the configuration that are more than text: each is parsed where it stands, so that a mistake is shown there.

use std::time::Duration;

use mikey::{Name, SrtpPolicy};
use mikey_crypto::SuiteId;
use mikey_group::Who;
use serde::Deserialize;

/// SRTP policies of groups, under their registered names.
pub(crate) const SRTP: [(&str, SrtpPolicy); 5] = [
    ("AEAD_AES_128_GCM", SrtpPolicy::AEAD_AES_128_GCM),
    ("AEAD_AES_256_GCM", SrtpPolicy::AEAD_AES_256_GCM),
    ("AES_CM_128_HMAC_SHA1_80", SrtpPolicy::AES_CM_128_HMAC_SHA1_80),
    ("AES_256_CM_HMAC_SHA1_80", SrtpPolicy::AES_CM_256_HMAC_SHA1_80),
    ("AES_CM_128_HMAC_SHA1_32", SrtpPolicy::AES_CM_128_HMAC_SHA1_32),
];

/// Suites of GROUP_REKEY.
const SUITES: [(&str, SuiteId); 2] =
    [("AES-128-GCM", SuiteId::AES_128_GCM), ("AES-256-GCM", SuiteId::AES_256_GCM)];

/// The name of a policy as the configuration has it.
#[must_use]
pub fn srtp_name(policy: &SrtpPolicy) -> &'static str {
    SRTP.iter().find(|(_, known)| known == policy).map_or("another", |(name, _)| name)
}

/// A value that is written as text.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident($inner:ty), $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(pub $inner);

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                #[allow(clippy::redundant_closure_call)]
                ($parse)(text.as_str()).map(Self)
            }
        }
    };
}

text!(
    /// A time with its unit: `100ms`, `10s`, `5m`, `1h`, `1d`.
    Span(Duration),
    span
);
text!(
    /// A time, or `never`.
    Every(Option<Duration>),
    |text| if text == "never" { Ok(None) } else { span(text).map(Some) }
);
text!(
    /// A name of the protocol: a URI, or user@realm.
    Named(Name),
    |text: &str| Name::parse(text).map_err(|error| format!("'{text}' is not a name: {error}"))
);
text!(
    /// Whom a rule is for: a name, `*@realm`, or `*`.
    Whom(Who),
    whom
);
text!(
    /// An SRTP policy by its registered name.
    Srtp(SrtpPolicy),
    |text| named(&SRTP, "SRTP policy", text)
);
text!(
    /// A suite of GROUP_REKEY.
    Suite(SuiteId),
    |text| named(&SUITES, "suite", text)
);
text!(
    /// The id of a group: 1 to 64 octets of printable ASCII without spaces.
    GroupId(String),
    |text: &str| match text.len() {
        1..=64 if text.bytes().all(|octet| octet.is_ascii_graphic()) => Ok(text.to_owned()),
        _ => Err(format!("'{text}' is not the id of a group: 1 to 64 printable ASCII characters without spaces")),
    }
);
text!(
    /// What this controller is called among several.
    Node(String),
    |text: &str| match text.len() {
        1..=64 if text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet)) => {
            Ok(text.to_owned())
        }
        _ => Err(format!("'{text}' is not a node: 1 to 64 letters, digits, '-', '_' and '.'")),
    }
);

fn named<T: Copy>(all: &[(&'static str, T)], what: &str, text: &str) -> Result<T, String> {
    let names = || all.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
    found.ok_or_else(|| format!("there is no {what} '{text}': choose one of {}", names()))
}

fn whom(text: &str) -> Result<Who, String> {
    if text == "*" {
        return Ok(Who::Anybody);
    }
    match text.strip_prefix("*@") {
        Some("") => Err("a realm is missing after '*@'".to_owned()),
        Some(realm) => Ok(Who::Realm(realm.to_owned())),
        None => Name::parse(text)
            .map(Who::Name)
            .map_err(|error| format!("'{text}' is neither a name, nor '*@realm', nor '*': {error}")),
    }
}

/// At most ten years: more is a mistake, and never comes near what a timer can count.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is not a time: a number and one of ms, s, m, h, d, such as \"10s\"");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    match number.checked_mul(millis).map(Duration::from_millis) {
        Some(span) if span <= LONGEST => Ok(span),
        _ => Err(format!("'{text}' is longer than ten years")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(span("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(span("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "5", "s", "-1s", "1 s", "1.5s", "99999999999999999999s", "9999d", "1w"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
        assert!(Every::try_from("never".to_owned()).unwrap().0.is_none());
    }

    #[test]
    fn rules_are_for_names_realms_and_anybody() {
        assert_eq!(whom("*"), Ok(Who::Anybody));
        assert_eq!(whom("*@example.com"), Ok(Who::Realm("example.com".into())));
        assert_eq!(whom("sip:a@example.com"), Ok(Who::Name(Name::parse("sip:a@example.com").unwrap())));
        assert!(whom("*@").is_err());
        assert!(whom("nobody").is_err());
    }

    #[test]
    fn ids_are_printable() {
        assert!(GroupId::try_from("news".to_owned()).is_ok());
        for wrong in [String::new(), "a b".into(), "ä".into(), "x".repeat(65)] {
            assert!(GroupId::try_from(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
