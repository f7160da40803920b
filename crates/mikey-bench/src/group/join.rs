//! Joins: whole handshakes with certificates, gathered into one record and one epoch, next to the controller's public-key
//! operations: a key, an agreement, the checks of a certificate and of AUTH, a signature.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey as PublicValue, X25519};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use mikey_crypto::{GroupId, MethodId};
use mikey_group::{AccessTable, Rule, Service, ServiceConfig, Who};
use mikey_proto::{
    Call, CertifiedKey, Endpoint, EndpointConfig, GroupRequest, Identity, Name, Output, Time, Trust,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};

use super::{LISTEN, crowd};
use crate::Result;
use crate::measure::{Case, Contestant, Role, now};

const CONTROLLER: &str = "sip:gc@example.com";
const GROUP: &[u8] = b"bench";

/// Who joins at once.
const TOGETHER: usize = 256;

pub(super) fn case() -> Result<Case<'static>> {
    let mut hall = Hall::new()?;
    let ours = Contestant::elsewhere("join a group of 10,000, 256 at once", Role::Ours, move |times| {
        let mut took = Duration::ZERO;
        let each = u64::try_from(TOGETHER)?;
        for _ in 0..times.div_ceil(each) {
            took += hall.round()?;
        }
        Ok(took.mul_f64(times as f64 / (times.div_ceil(each) * each) as f64))
    });
    Ok(Case { name: "joins, the controller's side".into(), size: 0, contestants: vec![ours, limit()?] })
}

/// What the controller cannot do without.
fn limit() -> Result<Contestant<'static>> {
    let key = Ed25519KeyPair::generate()?;
    let theirs = PrivateKey::generate(&X25519)?.compute_public_key()?;
    let signed = [0x20; 224];
    let signature = key.try_sign(&signed)?;
    Ok(Contestant::new("bare: 1 key, 1 agreement, 1 signature, 2 checks", Role::Limit, move || {
        let ours = PrivateKey::generate(&X25519)?;
        black_box(ours.compute_public_key()?);
        agreement::agree(&ours, PublicValue::new(&X25519, theirs.as_ref()), Unspecified, |secret| {
            black_box(secret);
            Ok(())
        })?;
        black_box(key.try_sign(black_box(&signed))?);
        for _ in 0..2 {
            UnparsedPublicKey::new(&ED25519, key.public_key().as_ref())
                .verify(black_box(&signed), signature.as_ref())?;
        }
        Ok(())
    }))
}

struct Hall {
    controller: Endpoint,
    service: Service,
    members: Vec<Endpoint>,
    now: Time,
}

impl Hall {
    fn new() -> Result<Self> {
        let provider = mikey_crypto_aws_lc::provider();
        let ca_key = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&ca_key)?.der().to_vec();
        let issuer = Issuer::new(params, ca_key);
        let end = |name: &str| -> Result<Endpoint> {
            let key = KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
            let mut params = CertificateParams::default();
            params.subject_alt_names = vec![SanType::URI(name.try_into()?)];
            let chain = vec![params.signed_by(&key, &issuer)?.der().to_vec()];
            let certified = CertifiedKey::load(&provider, chain, &key.serialize_der())?;
            let identity = Identity::with_certificate(Name::parse(name)?, certified)?;
            let mut config = EndpointConfig::new(provider.clone(), identity);
            config.trust = Trust::none();
            config.trust.add_anchor(&ca)?;
            config.unix_time_at_zero = Some(SystemTime::now().duration_since(UNIX_EPOCH)?);
            config.policy.groups = vec![GroupId::X25519];
            config.policy.local_methods = vec![MethodId::ED25519];
            config.serves_groups = name == CONTROLLER;
            config.controllers = vec![(GROUP.to_vec(), Name::parse(CONTROLLER)?)];
            config.max_half_open_per_address = 4096;
            config.cookie_threshold = 65_536;
            Ok(Endpoint::new(config)?)
        };
        let mut table = AccessTable::new();
        table.allow(GROUP, Rule { who: Who::Anybody, roles: LISTEN, ssrcs: 0 });
        let config =
            ServiceConfig { rejoin: Duration::ZERO, gather: Duration::ZERO, ..ServiceConfig::default() };
        let mut service = Service::new(config, Arc::new(table));
        service.add(Time::ZERO, crowd(&provider, 10_000)?);
        let members =
            (0..TOGETHER).map(|n| end(&format!("sip:joiner{n}@example.com"))).collect::<Result<_>>()?;
        Ok(Self { controller: end(CONTROLLER)?, service, members, now: Time::ZERO })
    }

    /// All join, and leave again. Returns the processor time of the controller while they joined.
    fn round(&mut self) -> Result<Duration> {
        // What was half open before is forgotten.
        self.now = self.now + Duration::from_secs(30);
        let mut took = Duration::ZERO;
        self.controller.handle_timeout(self.now);
        let request = GroupRequest { group: GROUP.to_vec(), roles: LISTEN, ssrcs: 0 };
        let call = Call::join(Name::parse(CONTROLLER)?, request);
        let mut sent = Vec::new();
        for (n, member) in self.members.iter_mut().enumerate() {
            member.handle_timeout(self.now);
            member.connect(self.now, address(0), &call)?;
            sent.extend(outputs(member).into_iter().map(|(_, octets)| (n, octets)));
        }
        for _ in 0..2 {
            let start = now();
            for (n, octets) in &sent {
                self.controller.handle_datagram(self.now, address(n + 1), octets);
            }
            let answers = self.serve()?;
            took += now().saturating_sub(start);
            sent = self.deliver(answers);
        }
        let joined = self.service.controllers().map(|controller| controller.len()).sum::<usize>();
        if joined != 10_000 + TOGETHER {
            return Err(format!("{joined} members after joining").into());
        }
        for n in 0..TOGETHER {
            self.service.expel(self.now, GROUP, &Name::parse(&format!("sip:joiner{n}@example.com"))?)?;
        }
        let farewell = self.serve()?;
        self.deliver(farewell);
        Ok(took)
    }

    /// Lets the controller act until it has nothing more to say.
    fn serve(&mut self) -> Result<Vec<(SocketAddr, Vec<u8>)>> {
        let mut sent = Vec::new();
        loop {
            match self.controller.poll_output() {
                Output::Transmit { to, bytes } => sent.push((to, bytes)),
                Output::Event(event) => {
                    drop(self.service.handle_event(self.now, &mut self.controller, event))
                }
                _ => match self.service.propose(self.now, &mut self.controller) {
                    Some((group, _)) => self.service.stored(self.now, &mut self.controller, &group)?,
                    None => break,
                },
            }
        }
        while self.service.poll_output().is_some() {}
        Ok(sent)
    }

    /// Hands members what is theirs, and returns what they answer.
    fn deliver(&mut self, sent: Vec<(SocketAddr, Vec<u8>)>) -> Vec<(usize, Vec<u8>)> {
        let mut answers = Vec::new();
        for (to, octets) in sent {
            let n = usize::from(to.port()).saturating_sub(1001);
            let Some(member) = self.members.get_mut(n) else { continue };
            member.handle_datagram(self.now, address(0), &octets);
            answers.extend(outputs(member).into_iter().map(|(_, octets)| (n, octets)));
        }
        answers
    }
}

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 1000 + u16::try_from(n).unwrap_or(0)))
}

fn outputs(endpoint: &mut Endpoint) -> Vec<(SocketAddr, Vec<u8>)> {
    let mut sent = Vec::new();
    loop {
        match endpoint.poll_output() {
            Output::Transmit { to, bytes } => sent.push((to, bytes)),
            Output::Event(event) => {
                black_box(&event);
            }
            _ => return sent,
        }
    }
}
