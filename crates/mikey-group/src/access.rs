//! Who may do what in a group: the controller's side of authorisation (docs/spec.md, "Joining"). The member's side, whom it
//! accepts as a controller, is `mikey_proto::EndpointConfig::controllers`.

use mikey_proto::{AuthLevel, GroupRequest, GroupRoles, Name, Peer};

/// Decides who may join.
pub trait Authorize: Send + Sync {
    /// Whether an authenticated peer may be what it asks for. All or nothing: who asks for more than it may is refused.
    fn authorize(&self, peer: &Peer, request: &GroupRequest) -> bool;
}

/// Whom a rule is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// This name.
    Name(Name),
    /// Every URI or NAI of this host or realm: `*@example.com`.
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
            Self::Realm(realm) => name
                .as_text()
                .and_then(|text| text.rsplit_once('@'))
                .is_some_and(|(_, host)| host.eq_ignore_ascii_case(realm)),
            Self::Anybody => true,
        }
    }
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
