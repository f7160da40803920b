//! Sessions: what both roles share. A role's file holds its states in the order of the protocol.

pub(crate) mod established;
pub(crate) mod exchange;
pub(crate) mod initiator;
pub(crate) mod message;
pub(crate) mod responder;
pub(crate) mod resume;

use std::net::SocketAddr;

use mikey_crypto::MethodId;
use mikey_wire::v2::Peek;
use mikey_wire::{Cert, CertType, Session};

use crate::auth::{AuthLevel, Certified, cert};
use crate::config::{EndpointConfig, Signalled};
use crate::credential::Identity;
use crate::error::{CertificateFault, DropReason, Error};
use crate::event::Outbox;
use crate::limits::AMPLIFICATION;
use crate::name::Name;
use crate::time::Time;

/// RFC 8489; a CSB ID of this value would make a MIKEY message look like STUN on a shared port.
const STUN_MAGIC: u32 = 0x2112_A442;

/// Reasons of DELETE (docs/spec.md, "NOTIFY").
pub(crate) mod delete {
    pub(crate) const NORMAL: u8 = 0;
    pub(crate) const COMPROMISED: u8 = 1;
    pub(crate) const SAS_MISMATCH: u8 = 2;
    /// One code for everything that the initiator found wrong with the responder.
    pub(crate) const REFUSED: u8 = 3;
}

/// What a handler may touch besides its own state.
pub(crate) struct Cx<'a> {
    pub(crate) now: Time,
    pub(crate) config: &'a EndpointConfig,
    pub(crate) out: &'a mut Outbox,
}

impl Cx<'_> {
    /// Fresh random octets.
    // R8.5
    pub(crate) fn random<const N: usize>(&self) -> Result<[u8; N], Error> {
        let mut octets = [0; N];
        self.config.provider.random.fill(&mut octets)?;
        Ok(octets)
    }

    /// A random number that is not zero, for an SPI.
    // R4.7
    pub(crate) fn random_spi(&self) -> Result<u64, Error> {
        loop {
            let spi = u64::from_be_bytes(self.random()?);
            if spi != 0 {
                return Ok(spi);
            }
        }
    }

    /// A random CSB ID, never STUN's magic cookie.
    // R4.7
    pub(crate) fn random_csb_id(&self) -> Result<u32, Error> {
        loop {
            let csb_id = u32::from_be_bytes(self.random()?);
            if csb_id != STUN_MAGIC {
                return Ok(csb_id);
            }
        }
    }

    /// Verifies the certificates of a peer for its name and the negotiated method, and returns the end entity's.
    // R9.18
    pub(crate) fn check_certificates<'c>(
        &self,
        certs: &[Cert<'c>],
        name: &Name,
        method: MethodId,
        signalled: Option<&Signalled>,
    ) -> Result<Option<Certified<'c>>, Error> {
        if !method.is_certified() {
            return Ok(None);
        }
        let end_entity = certs.first().ok_or(CertificateFault::Missing)?.data;
        if let Some(signalled) = signalled {
            let fingerprint = self.config.provider.sha256.digest(&[end_entity]);
            let known = signalled.fingerprints.iter().any(|f| mikey_crypto::ct_eq(f, fingerprint.as_ref()));
            if !known {
                return Err(CertificateFault::Fingerprint.into());
            }
            let public_key = cert::check_key(end_entity, method)?;
            return Ok(Some(Certified { end_entity, public_key, level: AuthLevel::Fingerprint }));
        }
        let chain: Vec<&[u8]> = certs.iter().map(|c| c.data).collect();
        let now = self.config.unix_time_at_zero.map(|zero| zero + self.now.since(Time::ZERO));
        let public_key = cert::verify(&self.config.provider, &self.config.trust, &chain, now, name, method)?;
        Ok(Some(Certified { end_entity, public_key, level: AuthLevel::Certificate }))
    }
}

/// What must be the same in every message of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionHeader {
    pub(crate) session: Session,
    pub(crate) csb_id: u32,
    pub(crate) prf: u8,
}

impl SessionHeader {
    // R4.8
    pub(crate) fn check(&self, peek: &Peek) -> Result<(), DropReason> {
        let same = peek.csb_id == self.csb_id && peek.prf == self.prf && peek.session == self.session;
        same.then_some(()).ok_or(DropReason::WrongHeader)
    }
}

/// The CERT payloads that prove an identity with this method, and its credential for IDB.
pub(crate) fn own_certificates(identity: &Identity, method: MethodId) -> (Vec<Cert<'_>>, &[u8]) {
    let chain = match method {
        MethodId::RSA_OAEP => identity.decryption_chain(),
        method => identity.certified().filter(|_| method.is_signature()).map(|key| key.chain()),
    };
    let chain = chain.unwrap_or_default();
    let certs = chain.iter().map(|der| Cert { ty: CertType::X509, data: der });
    (certs.collect(), chain.first().map_or(&[], Vec::as_slice))
}

/// Methods for which an identity has credentials, as far as the endpoint has any.
pub(crate) fn local_methods(config: &EndpointConfig, identity: &Identity) -> Vec<MethodId> {
    let mut methods: Vec<_> = identity.certified().map(|key| key.method()).into_iter().collect();
    methods.extend(identity.decryption().map(|_| MethodId::RSA_OAEP));
    if !config.psks.is_empty() {
        methods.push(MethodId::PSK);
    }
    methods.push(MethodId::SAS);
    methods
}

/// Methods that the endpoint could verify: certificates by an anchor, or by what signalling said of them.
pub(crate) fn remote_methods(config: &EndpointConfig, fingerprint: bool) -> Vec<MethodId> {
    let mut methods = vec![MethodId::SAS];
    if fingerprint || !config.trust.is_empty() {
        methods.extend(config.provider.signatures.iter().map(|s| s.method()));
        methods.push(MethodId::RSA_OAEP);
    }
    if !config.psks.is_empty() {
        methods.push(MethodId::PSK);
    }
    methods
}

/// The items of SDP-BINDING (docs/spec.md, "SDP-BINDING").
pub(crate) mod binding {
    use crate::config::Signalled;

    const SENDER: u8 = 1;
    const RECEIVER: u8 = 2;
    const ASSERTION: u8 = 3;

    /// What we send.
    pub(crate) fn items(signalled: &Signalled) -> Vec<(u8, &[u8])> {
        let mut items = vec![(SENDER, signalled.local_tls_id.as_slice())];
        items.extend(signalled.remote_tls_id.as_ref().map(|id| (RECEIVER, id.as_slice())));
        items.extend(signalled.assertion.as_ref().map(|hash| (ASSERTION, hash.as_slice())));
        items
    }

    /// Whether what a peer sent is what was signalled of it. An item that we know may not be missing; the receiver's
    /// may be, if `opening` says that the peer may not have known ours yet.
    // R9.18
    pub(crate) fn fits(signalled: &Signalled, items: Option<&Vec<(u8, &[u8])>>, opening: bool) -> bool {
        let Some(items) = items else { return false };
        let item = |ty: u8| items.iter().find(|(t, _)| *t == ty).map(|(_, value)| *value);
        let sender = match &signalled.remote_tls_id {
            Some(id) => item(SENDER) == Some(id),
            None => item(SENDER).is_some(),
        };
        let receiver = match item(RECEIVER) {
            Some(id) => id == signalled.local_tls_id,
            None => opening,
        };
        let assertion = match &signalled.assertion {
            Some(hash) => item(ASSERTION) == Some(hash),
            None => true,
        };
        sender && receiver && assertion
    }
}

/// Sends a stored response again. To another address than the peer's it goes only in proportion to what came from there.
// R10.9
pub(crate) fn resend(
    cx: &mut Cx<'_>,
    from: SocketAddr,
    known: SocketAddr,
    octets: usize,
    response: &[impl AsRef<[u8]>],
) {
    let len: usize = response.iter().map(|datagram| datagram.as_ref().len()).sum();
    if from == known || len <= octets.saturating_mul(AMPLIFICATION) {
        cx.out.send(from, response);
    }
}
