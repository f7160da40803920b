//! MIKEYv2 handshakes: INIT and CCE between two endpoints in one process, until both have their SRTP keys.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{CryptoProvider, GroupId, MethodId, SecretBytes};
use mikey_proto::{
    Call, CertifiedKey, Endpoint, EndpointConfig, Event, Identity, Name, Output, PskTable, SessionId, Time,
    Trust,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

use crate::Result;
use crate::measure::{Contestant, Role};

const ALICE: &str = "sip:alice@example.com";
const BOB: &str = "sip:bob@example.com";

/// With Ed25519 certificates that a CA issued.
pub(crate) fn certificates(name: &'static str, group: GroupId) -> Result<Contestant<'static>> {
    let ca_key = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key)?.der().to_vec();
    let issuer = Issuer::new(params, ca_key);
    let end = |name: &str| -> Result<EndpointConfig> {
        let provider = provider();
        let key = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(name.try_into()?)];
        let chain = vec![params.signed_by(&key, &issuer)?.der().to_vec()];
        let certified = CertifiedKey::load(&provider, chain, &key.serialize_der())?;
        let mut config =
            EndpointConfig::new(provider, Identity::with_certificate(Name::parse(name)?, certified)?);
        config.trust = Trust::none();
        config.trust.add_anchor(&ca)?;
        config.unix_time_at_zero = Some(SystemTime::now().duration_since(UNIX_EPOCH)?);
        config.policy.groups = vec![group];
        config.policy.local_methods = vec![MethodId::ED25519];
        Ok(config)
    };
    contestant(name, end(ALICE)?, end(BOB)?)
}

/// With a pre-shared key.
pub(crate) fn psk(name: &'static str, group: GroupId) -> Result<Contestant<'static>> {
    let end = |name: &str| -> Result<EndpointConfig> {
        let mut psks = PskTable::new();
        psks.insert(Name::parse(ALICE)?, Name::parse(BOB)?, SecretBytes::copy_from(&[7; 32]))?;
        let mut config = EndpointConfig::new(provider(), Identity::new(Name::parse(name)?));
        config.psks = Arc::new(psks);
        config.policy.groups = vec![group];
        Ok(config)
    };
    contestant(name, end(ALICE)?, end(BOB)?)
}

fn provider() -> CryptoProvider {
    mikey_crypto_aws_lc::provider()
}

fn contestant(name: &'static str, alice: EndpointConfig, bob: EndpointConfig) -> Result<Contestant<'static>> {
    let mut pair = Pair::new(alice, bob)?;
    Ok(Contestant::new(name, Role::Ours, move || pair.handshake()))
}

/// Two endpoints that hand each other their datagrams.
struct Pair {
    alice: Endpoint,
    bob: Endpoint,
    call: Call,
    now: Time,
}

impl Pair {
    fn new(alice: EndpointConfig, bob: EndpointConfig) -> Result<Self> {
        let call = Call::both_ways(Name::parse(BOB)?, SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        Ok(Self { alice: Endpoint::new(alice)?, bob: Endpoint::new(bob)?, call, now: Time::ZERO })
    }

    fn handshake(&mut self) -> Result<()> {
        let (a, b) = (SocketAddr::from(([192, 0, 2, 1], 2269)), SocketAddr::from(([192, 0, 2, 2], 2269)));
        self.now = self.now + Duration::from_millis(1);
        self.alice.connect(self.now, b, &self.call)?;
        let mut sessions: [Option<SessionId>; 2] = [None; 2];
        let [at_alice, at_bob] = &mut sessions;
        for _ in 0..4 {
            shuttle(self.now, &mut self.alice, a, &mut self.bob, at_alice);
            shuttle(self.now, &mut self.bob, b, &mut self.alice, at_bob);
        }
        let [Some(alice), Some(bob)] = sessions else { return Err("the handshake did not complete".into()) };
        self.alice.abandon(alice)?;
        self.bob.abandon(bob)?;
        drain(&mut self.alice);
        drain(&mut self.bob);
        Ok(())
    }
}

/// Delivers what `from` sends, and keeps the session whose keys it has.
fn shuttle(
    now: Time,
    from: &mut Endpoint,
    address: SocketAddr,
    to: &mut Endpoint,
    session: &mut Option<SessionId>,
) {
    loop {
        match from.poll_output() {
            Output::Transmit { bytes, .. } => to.handle_datagram(now, address, &bytes),
            Output::Event(Event::SrtpKeysReady { session: ready, keys }) => {
                std::hint::black_box(&keys.streams);
                *session = Some(ready);
            }
            Output::Timeout(_) => return,
            _ => (),
        }
    }
}

fn drain(endpoint: &mut Endpoint) {
    while !matches!(endpoint.poll_output(), Output::Timeout(_)) {}
}
