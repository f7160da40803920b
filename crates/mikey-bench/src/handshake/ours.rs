//! MIKEYv2 handshakes between two endpoints in one process, until both have their SRTP keys.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{CryptoProvider, GroupId, MethodId, SecretBytes};
use mikey_proto::{
    Call, CertifiedKey, Endpoint, EndpointConfig, Event, Identity, Name, Output, PskTable, SessionId, Ticket,
    Time, Trust,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

use crate::Result;
use crate::measure::{Contestant, Role};

pub(super) const ALICE: &str = "sip:alice@example.com";
pub(super) const BOB: &str = "sip:bob@example.com";

/// How the two know each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Credentials {
    /// Ed25519 certificates that a CA issued.
    Ca,
    /// Ed25519 certificates that each has pinned to the other's name.
    Pinned,
    /// A pre-shared key.
    Psk,
    /// A short authentication string.
    Sas,
}

/// Both configurations, Alice's first.
pub(super) fn configurations(credentials: Credentials, group: GroupId) -> Result<[EndpointConfig; 2]> {
    let mut ends = match credentials {
        Credentials::Ca => issued()?,
        Credentials::Pinned => pinned()?,
        Credentials::Psk => [with_psk(ALICE)?, with_psk(BOB)?],
        Credentials::Sas => [with_sas(ALICE)?, with_sas(BOB)?],
    };
    for config in &mut ends {
        config.policy.groups = vec![group];
        if matches!(credentials, Credentials::Ca | Credentials::Pinned) {
            config.policy.local_methods = vec![MethodId::ED25519];
        }
    }
    Ok(ends)
}

fn issued() -> Result<[EndpointConfig; 2]> {
    let ca_key = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key)?.der().to_vec();
    let issuer = Issuer::new(params, ca_key);
    let end = |own: &str| -> Result<EndpointConfig> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let chain = vec![params_of(own)?.signed_by(&key, &issuer)?.der().to_vec()];
        let certified = CertifiedKey::load(&provider(), chain, &key.serialize_der())?;
        let mut config =
            EndpointConfig::new(provider(), Identity::with_certificate(Name::parse(own)?, certified)?);
        config.trust = Trust::none();
        config.trust.add_anchor(&ca)?;
        config.unix_time_at_zero = Some(SystemTime::now().duration_since(UNIX_EPOCH)?);
        Ok(config)
    };
    Ok([end(ALICE)?, end(BOB)?])
}

fn pinned() -> Result<[EndpointConfig; 2]> {
    let keyed = |own: &str| -> Result<(Vec<u8>, EndpointConfig)> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let certificate = params_of(own)?.self_signed(&key)?.der().to_vec();
        let certified = CertifiedKey::load(&provider(), vec![certificate.clone()], &key.serialize_der())?;
        let identity = Identity::with_certificate(Name::parse(own)?, certified)?;
        Ok((certificate, EndpointConfig::new(provider(), identity)))
    };
    let (of_alice, mut alice) = keyed(ALICE)?;
    let (of_bob, mut bob) = keyed(BOB)?;
    alice.trust.pin(Name::parse(BOB)?, &of_bob)?;
    bob.trust.pin(Name::parse(ALICE)?, &of_alice)?;
    Ok([alice, bob])
}

fn params_of(own: &str) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(own.try_into()?)];
    Ok(params)
}

fn with_psk(own: &str) -> Result<EndpointConfig> {
    let mut psks = PskTable::new();
    psks.insert(Name::parse(ALICE)?, Name::parse(BOB)?, SecretBytes::copy_from(&[7; 32]))?;
    let mut config = EndpointConfig::new(provider(), Identity::new(Name::parse(own)?));
    config.psks = Arc::new(psks);
    Ok(config)
}

fn with_sas(own: &str) -> Result<EndpointConfig> {
    let mut config = EndpointConfig::new(provider(), Identity::new(Name::parse(own)?));
    config.policy.local_methods = vec![MethodId::SAS];
    config.policy.remote_methods = vec![MethodId::SAS];
    Ok(config)
}

fn provider() -> CryptoProvider {
    mikey_crypto_aws_lc::provider()
}

/// Full handshakes.
pub(super) fn full(
    name: &'static str,
    credentials: Credentials,
    group: GroupId,
) -> Result<Contestant<'static>> {
    let mut pair = Pair::new(configurations(credentials, group)?)?;
    Ok(Contestant::new(name, Role::Ours, move || pair.full().map(drop)))
}

/// One RESUME after the other, each with the ticket of the one before.
pub(super) fn resumed(name: &'static str, with_dh: bool) -> Result<Contestant<'static>> {
    let mut pair = Pair::resuming(with_dh)?;
    Ok(Contestant::new(name, Role::Ours, move || pair.resumed().map(drop)))
}

/// What went over the wire.
#[derive(Clone, Copy, Default)]
pub(super) struct Traffic {
    pub(super) datagrams: u64,
    pub(super) octets: u64,
}

/// Two endpoints that hand each other their datagrams.
pub(super) struct Pair {
    alice: Endpoint,
    bob: Endpoint,
    call: Call,
    now: Time,
    ticket: Option<Ticket>,
}

/// Where the two seem to be.
fn addresses() -> [SocketAddr; 2] {
    [1, 2].map(|n| SocketAddr::from(([192, 0, 2, n], 2269)))
}

impl Pair {
    pub(super) fn new([alice, bob]: [EndpointConfig; 2]) -> Result<Self> {
        let call = Call::both_ways(Name::parse(BOB)?, SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        let (alice, bob) = (Endpoint::new(alice)?, Endpoint::new(bob)?);
        Ok(Self { alice, bob, call, now: Time::ZERO, ticket: None })
    }

    /// A pair that has met.
    pub(super) fn resuming(with_dh: bool) -> Result<Self> {
        let mut ends = configurations(Credentials::Pinned, GroupId::X25519)?;
        for config in &mut ends {
            config.resume_with_dh = with_dh;
        }
        let mut pair = Self::new(ends)?;
        pair.full()?;
        Ok(pair)
    }

    pub(super) fn full(&mut self) -> Result<Traffic> {
        self.now = self.now + Duration::from_millis(1);
        let [_, to] = addresses();
        self.alice.connect(self.now, to, &self.call)?;
        self.finish()
    }

    pub(super) fn resumed(&mut self) -> Result<Traffic> {
        self.now = self.now + Duration::from_millis(1);
        let [_, to] = addresses();
        let ticket = self.ticket.take().ok_or("no ticket")?;
        self.alice.resume(self.now, to, ticket, &self.call)?;
        self.finish()
    }

    /// Until both have their keys; then the session is dropped.
    fn finish(&mut self) -> Result<Traffic> {
        let [a, b] = addresses();
        let mut traffic = Traffic::default();
        let mut sessions: [Option<SessionId>; 2] = [None; 2];
        let [at_alice, at_bob] = &mut sessions;
        for _ in 0..4 {
            let ticket = shuttle(self.now, (&mut self.alice, a), &mut self.bob, at_alice, &mut traffic);
            self.ticket = ticket.or_else(|| self.ticket.take());
            shuttle(self.now, (&mut self.bob, b), &mut self.alice, at_bob, &mut traffic);
        }
        let [Some(alice), Some(bob)] = sessions else { return Err("the handshake did not complete".into()) };
        self.alice.abandon(alice)?;
        self.bob.abandon(bob)?;
        drain(&mut self.alice);
        drain(&mut self.bob);
        Ok(traffic)
    }
}

/// Delivers what `from` sends, and keeps the session whose keys it has.
fn shuttle(
    now: Time,
    (from, address): (&mut Endpoint, SocketAddr),
    to: &mut Endpoint,
    session: &mut Option<SessionId>,
    traffic: &mut Traffic,
) -> Option<Ticket> {
    let mut kept = None;
    loop {
        match from.poll_output() {
            Output::Transmit { bytes, .. } => {
                traffic.datagrams += 1;
                traffic.octets += bytes.len() as u64;
                to.handle_datagram(now, address, &bytes);
            }
            Output::Event(Event::SrtpKeysReady { session: ready, keys }) => {
                std::hint::black_box(&keys.streams);
                *session = Some(ready);
            }
            Output::Event(Event::TicketReady { ticket, .. }) => kept = Some(ticket),
            Output::Timeout(_) => return kept,
            _ => (),
        }
    }
}

fn drain(endpoint: &mut Endpoint) {
    while !matches!(endpoint.poll_output(), Output::Timeout(_)) {}
}
