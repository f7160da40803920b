//! Identities: RFC 3830's ID payload as a value, and what it means in a certificate.

use std::fmt;
use std::sync::Arc;

use mikey_wire::{Id, IdType};

use crate::error::ApiMisuse;
use crate::limits::MAX_NAME;

/// An identity: a `sip:` (or other) URI, a NAI (`user@realm`, RFC 7542) or a byte string (a pseudonym).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    ty: u8,
    data: Arc<[u8]>,
}

impl Name {
    /// Reads a name as people write it: text with a scheme is a URI, text with `@` is a NAI.
    ///
    /// The scheme and the host of a URI and the realm of a NAI are put in lower case, since they are compared as octets
    /// from here on.
    ///
    /// # Errors
    /// [`ApiMisuse::Name`] if it is neither, is longer than 255 octets, or has octets that are not printable ASCII.
    pub fn parse(text: &str) -> Result<Self, ApiMisuse> {
        let printable = text.bytes().all(|b| b.is_ascii_graphic());
        if text.is_empty() || text.len() > MAX_NAME || !printable {
            return Err(ApiMisuse::Name);
        }
        if let Some((scheme, rest)) = text.split_once(':') {
            let valid = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
            if !scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                || !scheme.bytes().all(valid)
                || rest.is_empty()
            {
                return Err(ApiMisuse::Name);
            }
            let rest = lower_host(rest);
            return Ok(Self::new(IdType::URI, format!("{}:{rest}", scheme.to_ascii_lowercase()).as_bytes()));
        }
        match text.split_once('@') {
            Some((_, realm)) if !realm.is_empty() && !realm.contains('@') => {
                Ok(Self::new(IdType::NAI, lower_host(text).as_bytes()))
            }
            _ => Err(ApiMisuse::Name),
        }
    }

    /// A byte string of 16 octets: a pseudonym, used for one attempt.
    #[must_use]
    pub fn pseudonym(octets: [u8; 16]) -> Self {
        Self::new(IdType::BYTES, &octets)
    }

    /// The name in an ID payload.
    #[must_use]
    pub fn from_wire(id: &Id<'_>) -> Self {
        Self::new(id.ty, id.data)
    }

    fn new(ty: IdType, data: &[u8]) -> Self {
        Self { ty: ty.0, data: data.into() }
    }

    /// As an ID payload.
    #[must_use]
    pub fn as_wire(&self) -> Id<'_> {
        Id { ty: IdType(self.ty), data: &self.data }
    }

    /// The type of the ID payload.
    #[must_use]
    pub fn id_type(&self) -> u8 {
        self.ty
    }

    /// The octets of the name, without its type.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The name as text, if it is a URI or a NAI.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match IdType(self.ty) {
            IdType::URI | IdType::NAI => std::str::from_utf8(&self.data).ok(),
            _ => None,
        }
    }

    /// Whether this is a NAI without a user part (RFC 7542): it names a realm and nobody in it.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.ty == IdType::NAI.0 && self.data.first() == Some(&b'@')
    }

    /// Whether this is a byte string of 16 octets.
    #[must_use]
    pub fn is_pseudonym(&self) -> bool {
        self.ty == IdType::BYTES.0 && self.data.len() == 16
    }
}

/// Puts what follows the last `@`, or all of it, in lower case.
fn lower_host(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((user, host)) => format!("{user}@{}", host.to_ascii_lowercase()),
        None => text.to_ascii_lowercase(),
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_text() {
            // A peer chose these octets: nothing in them may drive a terminal.
            Some(text) => text.chars().try_for_each(|c| match c {
                ' '..='~' => write!(f, "{c}"),
                c => write!(f, "{}", c.escape_unicode()),
            }),
            None => self.data.iter().try_for_each(|b| write!(f, "{b:02x}")),
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({self})")
    }
}

impl std::str::FromStr for Name {
    type Err = ApiMisuse;

    fn from_str(text: &str) -> Result<Self, ApiMisuse> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_matters_in_the_user_part_only() {
        let a = Name::parse("SIP:Alice@Example.COM").unwrap();
        assert_eq!(a.to_string(), "sip:Alice@example.com");
        assert_ne!(a, Name::parse("sip:alice@example.com").unwrap());
        assert_eq!(Name::parse("bob@Example.com").unwrap(), Name::parse("bob@example.com").unwrap());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", "alice", "alice@", "a@b@c", "sip:", ":x", "sip:al ice@x", "sip:\u{e9}@x", "1x:y"] {
            assert_eq!(Name::parse(text), Err(ApiMisuse::Name), "{text:?}");
        }
        assert!(Name::parse(&format!("sip:{}@x", "a".repeat(300))).is_err());
    }

    #[test]
    fn anonymous_names_are_known() {
        assert!(Name::parse("@example.com").unwrap().is_anonymous());
        assert!(!Name::parse("a@example.com").unwrap().is_anonymous());
        assert!(Name::pseudonym([1; 16]).is_pseudonym());
    }

    #[test]
    fn octets_of_a_peer_do_not_reach_the_terminal() {
        let hostile = Name::from_wire(&Id { ty: IdType::URI, data: b"sip:\x1b[2J@x" });
        assert_eq!(hostile.to_string(), "sip:\\u{1b}[2J@x");
    }
}
