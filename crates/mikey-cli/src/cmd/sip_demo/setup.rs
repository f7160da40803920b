//! Who takes part in the SIP demo: names, credentials made for this run, lines and sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use mikey::keying::{CertifiedKey, Trust};
use mikey::{EndpointConfig, Identity, KeyLog};
use mikey_net::Clock;
use mikey_sdp::TlsId;

use super::copier::Copier;
use super::wires::Wires;
use super::{Args, PHONES, PICKED_UP};
use crate::call::credentials::{AcceptPeer, Prepared, parse_name};
use crate::call::describe;
use crate::call::line::{Line, Voice};
use crate::call::record::{Recorder, See};
use crate::cmd::ca::EphemeralCa;
use crate::cmd::options::Profile;
use crate::error::{Error, Result};
use crate::sip::caller::Caller;
use crate::sip::ids::Ids;
use crate::sip::phone::Phone;
use crate::sip::proxy::Proxy;

const ALICE: &str = "sip:alice@example.com";
pub(super) const BOB: &str = "sip:bob@example.com";
/// Loopback answers at once: a request that takes longer than this has failed.
const LIFETIME: Duration = Duration::from_secs(5);

/// Fingerprint of a certificate, and tls-id.
pub(super) type Binding = ([u8; 32], TlsId);

/// Everybody.
pub(super) struct Cast {
    pub(super) wires: Wires,
    pub(super) alice: Alice,
    pub(super) proxy: Proxy,
    pub(super) proxy_sip: SocketAddr,
    pub(super) phones: Vec<Handset>,
    copied: Arc<AtomicU64>,
}

/// The caller.
pub(super) struct Alice {
    pub(super) sip: SocketAddr,
    pub(super) caller: Caller,
    pub(super) line: Line,
    pub(super) voice: Voice,
    pub(super) binding: Option<Binding>,
}

/// A phone of the person who is called.
pub(super) struct Handset {
    pub(super) name: &'static str,
    pub(super) sip: SocketAddr,
    pub(super) phone: Phone,
    pub(super) line: Line,
    pub(super) voice: Voice,
    pub(super) binding: Option<Binding>,
}

impl Cast {
    /// Name, what it is, where its SIP is and where its media is.
    pub(super) fn places(&self) -> Vec<(&'static str, String, SocketAddr, Option<SocketAddr>)> {
        let mut places = vec![
            ("alice", ALICE.to_owned(), self.alice.sip, Some(self.alice.line.local_addr())),
            ("proxy", "forks what comes for bob".to_owned(), self.proxy_sip, None),
        ];
        for phone in &self.phones {
            let about = format!("a phone of {BOB}");
            places.push((phone.name, about, phone.sip, Some(phone.line.local_addr())));
        }
        places
    }

    /// The packets of alice's speech that were copied.
    pub(super) fn copied(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.copied)
    }
}

/// Makes credentials, opens lines and sockets.
pub(super) async fn cast(
    args: &Args,
    clock: Clock,
    recorder: &Recorder,
    ((alices, _), (bobs, _)): ((Voice, String), (Voice, String)),
    key_log: impl Fn() -> Option<Box<dyn KeyLog>>,
) -> Result<Cast> {
    let wires = Wires::open(2 + PHONES.len()).await?;
    let ca = EphemeralCa::new("MIKEY demo CA", args.algorithms.policy == Profile::Fips)?;
    let ids = Ids::new(mikey_crypto_aws_lc::provider().random);
    let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let mut phones = Vec::new();
    for (number, name) in PHONES.into_iter().enumerate() {
        let (prepared, binding) = prepare(args, clock, &ca, BOB, ALICE)?;
        let mut line = Line::open(any, clock, prepared, bobs.clone(), key_log())?;
        line.tap(recorder.tap(clock, See::Sent));
        if number != PICKED_UP {
            line.ring();
        }
        let sip = wires.address(2 + number)?;
        let phone = Phone::new(sip, ids.clone());
        phones.push(Handset { name, sip, phone, line, voice: bobs.clone(), binding });
    }
    let (prepared, binding) = prepare(args, clock, &ca, ALICE, BOB)?;
    let mut line = Line::open(any, clock, prepared, alices.clone(), key_log())?;
    let others = phones.iter().enumerate().filter(|(number, _)| *number != PICKED_UP);
    let others = others.map(|(_, phone)| phone.line.local_addr()).collect();
    let (copier, copied) = Copier::new(recorder.tap(clock, See::Sent), others)?;
    line.tap(Box::new(copier));
    if args.early_media {
        line.ring();
    }
    let (sip, proxy_sip) = (wires.address(0)?, wires.address(1)?);
    let caller = Caller::new(sip, proxy_sip, ALICE, BOB, ids.clone())?;
    let proxy = Proxy::new(proxy_sip, phones.iter().map(|phone| phone.sip).collect(), ids);
    let alice = Alice { sip, caller, line, voice: alices, binding };
    Ok(Cast { wires, alice, proxy, proxy_sip, phones, copied })
}

/// Credential and configuration of one end.
fn prepare(
    args: &Args,
    clock: Clock,
    ca: &EphemeralCa,
    own: &str,
    peer: &str,
) -> Result<(Prepared, Option<Binding>)> {
    let failed = |error: &dyn std::fmt::Display| Error::failed(error.to_string());
    let provider = mikey_crypto_aws_lc::provider();
    let (name, peer) = (parse_name(own)?, parse_name(peer)?);
    let (certificate, pkcs8) = ca.issue(own)?;
    let key = CertifiedKey::load(&provider, vec![certificate.to_vec()], &pkcs8).map_err(|e| failed(&e))?;
    let mut binding = None;
    let identity = if args.fingerprint {
        let mut random = [0; 15];
        provider.random.fill(&mut random).map_err(|e| failed(&e))?;
        binding = Some((key.fingerprint(&provider), TlsId::from_random(&random)));
        Identity::with_fingerprint(name.clone(), key)
    } else {
        Identity::with_certificate(name.clone(), key).map_err(|e| failed(&e))?
    };
    let mut config = EndpointConfig::new(provider, identity);
    config.policy = args.algorithms.policy(false)?;
    config.unix_time_at_zero = Some(clock.unix_time_at_zero());
    config.request_lifetime = LIFETIME;
    let srtp = describe::srtp_policies(args.voice.srtp.as_deref())?;
    config.answer = Arc::new(AcceptPeer::new(Some(peer.clone()), srtp, Arc::clone(&config.provider.random)));
    if !args.fingerprint {
        let mut trust = Trust::none();
        trust.add_anchor(&ca.anchor()).map_err(|e| failed(&e))?;
        config.trust = trust;
    }
    Ok((Prepared { config, identity: name, peer: Some(peer) }, binding))
}
