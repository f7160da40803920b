//! Who may do what in a group: the controller's side of authorisation (docs/spec.md, "Joining"). The member's side, whom it
//! accepts as a controller, is `mikey_proto::EndpointConfig::controllers`.

use mikey_proto::{AuthLevel, GroupRequest, GroupRoles, Name, Peer};

/// Decides who may join.
pub trait Authorize: Send + Sync {
    /// Whether a peer may be what it asks for. All or nothing: who asks for more than it may is refused.
    ///
    /// How well it is known is in [`Peer::level`], which has to be looked at: with a SAS that nobody has compared
    /// ([`AuthLevel::SasUnverified`]) anybody can have any name.
    fn authorize(&self, peer: &Peer, request: &GroupRequest) -> bool;
}

/// Whom a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// This name.
    Name(Name),
    /// Everybody of this host or realm: the NAI `user@example.com`, the URI `sip:user@example.com`. A name with more than one
    /// `@`, with a port or parameters behind the host, or with a path (`http://..`) is of no realm.
    Realm(String),
    /// Everybody who was authenticated.
    Anybody,
}

impl Who {
    /// Whether a name is meant.
    #[must_use]
    pub fn is(&self, name: &Name) -> bool {
        match self {
            Self::Name(other) => other == name,
            Self::Realm(realm) => realm_of(name).is_some_and(|host| host.eq_ignore_ascii_case(realm)),
            Self::Anybody => true,
        }
    }
}

/// What stands behind the only `@` of a name. In `http://evil.example/@example.com` that is no host, and of two it depends on
/// who reads it: such names are of nobody's realm.
fn realm_of(name: &Name) -> Option<&str> {
    let text = name.as_text()?;
    let (user, host) = text.split_once('@')?;
    (!user.contains(":/") && !host.contains('@')).then_some(host)
}

/// What somebody may do in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Who.
    pub who: Who,
    /// What.
    pub roles: GroupRoles,
    /// SSRCs that it may have in each RTP session.
    pub ssrcs: u8,
}

/// The rules of the groups of a controller: the first that is for a name decides. Whom none is for may not join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessTable {
    groups: Vec<(Vec<u8>, Vec<Rule>)>,
}

impl AccessTable {
    /// No groups.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a rule behind those that a group has.
    pub fn allow(&mut self, group: &[u8], rule: Rule) {
        match self.groups.iter_mut().find(|(id, _)| id == group) {
            Some((_, rules)) => rules.push(rule),
            None => self.groups.push((group.to_vec(), vec![rule])),
        }
    }
}

impl Authorize for AccessTable {
    fn authorize(&self, peer: &Peer, request: &GroupRequest) -> bool {
        // A short authentication string that nobody has compared names nobody.
        if matches!(peer.level, AuthLevel::None | AuthLevel::SasUnverified) {
            return false;
        }
        let Some((_, rules)) = self.groups.iter().find(|(id, _)| *id == request.group) else { return false };
        let Some(rule) = rules.iter().find(|rule| rule.who.is(&peer.name)) else { return false };
        (rule.roles.sends || !request.roles.sends)
            && (rule.roles.receives || !request.roles.receives)
            && request.ssrcs <= rule.ssrcs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(name: &str, level: AuthLevel) -> Peer {
        Peer { name: Name::parse(name).unwrap(), level, certificate: None }
    }

    fn request(sends: bool, ssrcs: u8) -> GroupRequest {
        GroupRequest { group: b"news".to_vec(), roles: GroupRoles { sends, receives: true }, ssrcs }
    }

    #[test]
    fn a_realm_is_what_stands_behind_the_only_at_sign() {
        let realm = Who::Realm("Example.com".into());
        let is = |text: &str| realm.is(&Name::parse(text).unwrap());
        assert!(is("bob@example.com") && is("sip:bob@example.com") && is("sips:bob@EXAMPLE.com"));
        for other in [
            "sip:example.com",
            "sip:bob@example.org",
            "sip:bob@sub.example.com",
            "sip:bob@example.com:5060",
            "sip:bob@example.com;transport=tcp",
            "sip:mallory@evil.example;x=@example.com",
            "sip:mallory@evil.example?x=@example.com",
            "http://evil.example/@example.com",
            "https:/evil.example/@example.com",
        ] {
            assert!(!is(other), "{other}");
        }
        // Octets of a peer with a shared key have not been through `Name::parse`.
        let raw = |ty: u8, data: &'static [u8]| {
            Name::from_wire(&mikey_wire::Id { ty: mikey_wire::IdType(ty), data })
        };
        assert!(!realm.is(&raw(0, b"mallory@evil.example@example.com")));
        assert!(!realm.is(&raw(2, b"bob@example.com")), "a pseudonym is no name of a realm");
        assert!(!realm.is(&raw(0, b"bob@example.com\xff")));
    }

    #[test]
    fn the_first_rule_for_a_name_decides() {
        let mut table = AccessTable::new();
        let anchor = Who::Name(Name::parse("sip:anchor@example.com").unwrap());
        let both = GroupRoles { sends: true, receives: true };
        let listen = GroupRoles { sends: false, receives: true };
        table.allow(b"news", Rule { who: anchor, roles: both, ssrcs: 1 });
        table.allow(b"news", Rule { who: Who::Realm("example.com".into()), roles: listen, ssrcs: 0 });
        let certified = AuthLevel::Certificate;
        assert!(table.authorize(&peer("sip:anchor@example.com", certified), &request(true, 1)));
        assert!(!table.authorize(&peer("sip:anchor@example.com", certified), &request(true, 2)));
        assert!(table.authorize(&peer("sip:bob@example.com", certified), &request(false, 0)));
        assert!(!table.authorize(&peer("sip:bob@example.com", certified), &request(true, 1)));
        assert!(!table.authorize(&peer("sip:bob@example.org", certified), &request(false, 0)));
        assert!(!table.authorize(&peer("sip:bob@example.com", AuthLevel::SasUnverified), &request(false, 0)));
        let other = GroupRequest { group: b"sports".to_vec(), ..request(false, 0) };
        assert!(!table.authorize(&peer("sip:bob@example.com", certified), &other));
    }
}
