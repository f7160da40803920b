//! Who takes part: the controller with its store, and members, each with a certificate and a socket of its own.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mikey::keying::{CertifiedKey, GroupRoles, Trust};
use mikey::{Agent, EndpointConfig, GroupHandle, Identity, Name, SrtpPolicy};
use mikey_net::{Clock, Driver, Socket};

use super::desk::Desk;
use crate::call::credentials::parse_name;
use crate::cmd::ca::EphemeralCa;
use crate::error::{Error, Result, io_reason};

pub(super) const CONTROLLER: &str = "sip:controller@example.com";
pub(super) const GROUP: &[u8] = b"news";
pub(super) const SPEAKER: &str = "sip:speaker@example.com";

/// All who join at once answer within this, on a slow machine too.
const LIFETIME: Duration = Duration::from_secs(60);

/// What a member is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Speaks,
    Stays,
    IsExpelled,
    JoinsLate,
}

/// A member, or who was one or will be.
pub(super) struct Ear {
    pub(super) name: Name,
    pub(super) part: Part,
    pub(super) driver: Driver,
    pub(super) group: Option<GroupHandle>,
    /// Of which epochs it is to have the keys: from the first on, and before the second.
    pub(super) from: Option<u32>,
    pub(super) until: Option<u32>,
    /// What it has decrypted, by sequence number.
    pub(super) heard: BTreeMap<u16, Vec<u8>>,
    /// Packets that it had no key for.
    pub(super) deaf: u64,
    pub(super) told_out: bool,
}

/// All of them: the speaker first, who joins late last.
pub(super) struct Cast {
    pub(super) desk: Desk,
    pub(super) ears: Vec<Ear>,
}

/// Makes controller and members.
///
/// # Errors
/// If a certificate, a socket or the group cannot be made.
pub(super) fn cast(clock: Clock, members: usize, policy: SrtpPolicy) -> Result<Cast> {
    let ca = EphemeralCa::new("MIKEY group demo CA", false)?;
    let (_, group_key) = ca.issue("sip:group-key@example.com")?;
    let desk = Desk::new(driver(&ca, clock, CONTROLLER, true)?, &group_key, policy)?;
    let mut ears = Vec::with_capacity(members);
    for n in 0..members {
        let text = if n == 0 { SPEAKER.to_owned() } else { format!("sip:member-{n}@example.com") };
        let part = match n {
            0 => Part::Speaks,
            1 => Part::IsExpelled,
            n if n + 1 == members => Part::JoinsLate,
            _ => Part::Stays,
        };
        ears.push(Ear {
            name: parse_name(&text)?,
            part,
            driver: driver(&ca, clock, &text, false)?,
            group: None,
            from: None,
            until: None,
            heard: BTreeMap::new(),
            deaf: 0,
            told_out: false,
        });
    }
    Ok(Cast { desk, ears })
}

impl Part {
    pub(super) fn roles(self) -> GroupRoles {
        GroupRoles { sends: self == Self::Speaks, receives: true }
    }
}

fn driver(ca: &EphemeralCa, clock: Clock, own: &str, serves_groups: bool) -> Result<Driver> {
    let provider = mikey_crypto_aws_lc::provider();
    let (certificate, pkcs8) = ca.issue(own)?;
    let key = CertifiedKey::load(&provider, vec![certificate.to_vec()], &pkcs8).map_err(failed)?;
    let identity = Identity::with_certificate(parse_name(own)?, key).map_err(failed)?;
    let mut trust = Trust::none();
    trust.add_anchor(&ca.anchor()).map_err(failed)?;
    let mut config = EndpointConfig::new(provider, identity);
    config.trust = trust;
    config.unix_time_at_zero = Some(clock.unix_time_at_zero());
    config.request_lifetime = LIFETIME;
    config.serves_groups = serves_groups;
    config.controllers = vec![(GROUP.to_vec(), parse_name(CONTROLLER)?)];
    let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let socket = Socket::bind(any)
        .map_err(|error| Error::failed(format!("cannot open a socket: {}", io_reason(&error))))?;
    let agent = Agent::new(config, socket.local_addr()).map_err(failed)?;
    Ok(Driver::new(socket, clock, agent))
}

pub(super) fn failed(error: impl std::fmt::Display) -> Error {
    Error::failed(error.to_string())
}
