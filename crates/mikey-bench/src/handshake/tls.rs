//! TLS 1.3 by rustls with its AWS-LC provider: both sides present an Ed25519 certificate of one authority, verified or
//! pinned.
//!
//! The handshake ends when both sides have exported keying material, as SRTP would need it.

use std::hint::black_box;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519};
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, DigitallySignedStruct, DistinguishedName,
    HandshakeKind, RootCertStore, ServerConfig, ServerConnection, SideData, SignatureScheme,
};

use crate::Result;
use crate::measure::{Contestant, Role};

pub(super) static X25519: &dyn SupportedKxGroup = aws_lc_rs::kx_group::X25519;
pub(super) static X25519_MLKEM768: &dyn SupportedKxGroup = aws_lc_rs::kx_group::X25519MLKEM768;

/// What a side knows of the other's certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Peers {
    /// The authority that issued it.
    Ca,
    /// The certificate itself: nothing of it is verified but that it is this one.
    Pinned,
}

/// A full handshake with mutual authentication, without tickets.
pub(super) fn full(
    name: &'static str,
    group: &'static dyn SupportedKxGroup,
    peers: Peers,
) -> Result<Contestant<'static>> {
    let (mut client, mut server) = configurations(group, peers)?;
    client.resumption = Resumption::disabled();
    server.send_tls13_tickets = 0;
    let (client, server) = (Arc::new(client), Arc::new(server));
    Ok(Contestant::new(name, Role::Peer, move || handshake(&client, &server, HandshakeKind::Full)))
}

/// A handshake with the ticket of the one before, and with a new key exchange.
pub(super) fn resumed(
    name: &'static str,
    group: &'static dyn SupportedKxGroup,
) -> Result<Contestant<'static>> {
    let (client, mut server) = configurations(group, Peers::Pinned)?;
    server.ticketer = aws_lc_rs::Ticketer::new()?;
    server.send_tls13_tickets = 1;
    let (client, server) = (Arc::new(client), Arc::new(server));
    handshake(&client, &server, HandshakeKind::Full)?;
    Ok(Contestant::new(name, Role::Peer, move || handshake(&client, &server, HandshakeKind::Resumed)))
}

fn configurations(
    group: &'static dyn SupportedKxGroup,
    peers: Peers,
) -> Result<(ClientConfig, ServerConfig)> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let mut roots = RootCertStore::empty();
    roots.add(authority.self_signed(&key)?.der().clone())?;
    let roots = Arc::new(roots);
    let authority = Issuer::new(authority, key);

    let provider = Arc::new(CryptoProvider { kx_groups: vec![group], ..aws_lc_rs::default_provider() });
    let (client_chain, client_key) = identity("client.example", &authority)?;
    let (server_chain, server_key) = identity("server.example", &authority)?;
    let pin = |chain: &[CertificateDer<'static>]| -> Result<Arc<Pin>> {
        let certificate = chain.first().ok_or("no certificate")?.clone();
        Ok(Arc::new(Pin { certificate, provider: provider.clone() }))
    };
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let client = match peers {
        Peers::Ca => client.with_root_certificates(roots.clone()),
        Peers::Pinned => client.dangerous().with_custom_certificate_verifier(pin(&server_chain)?),
    };
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?;
    let server = server.with_client_cert_verifier(match peers {
        Peers::Ca => WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build()?,
        Peers::Pinned => pin(&client_chain)?,
    });
    let client = client.with_client_auth_cert(client_chain, client_key)?;
    Ok((client, server.with_single_cert(server_chain, server_key)?))
}

/// Accepts one certificate.
#[derive(Debug)]
struct Pin {
    certificate: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

type TlsResult<T> = std::result::Result<T, rustls::Error>;

impl Pin {
    fn check(&self, shown: &CertificateDer<'_>) -> TlsResult<()> {
        let other = rustls::CertificateError::ApplicationVerificationFailure;
        if *shown == self.certificate { Ok(()) } else { Err(other.into()) }
    }

    fn signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }
}

/// TLS 1.2 is not spoken.
fn no_tls12() -> TlsResult<HandshakeSignatureValid> {
    Err(rustls::PeerIncompatible::Tls12NotOffered.into())
}

impl ServerCertVerifier for Pin {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> TlsResult<ServerCertVerified> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        self.signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

impl ClientCertVerifier for Pin {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> TlsResult<ClientCertVerified> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> TlsResult<HandshakeSignatureValid> {
        self.signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

fn identity(
    name: &str,
    authority: &Issuer<'_, KeyPair>,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let certificate = CertificateParams::new(vec![name.into()])?.signed_by(&key, authority)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok((vec![certificate.der().clone()], key))
}

fn handshake(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>, kind: HandshakeKind) -> Result<()> {
    let mut client = ClientConnection::new(client.clone(), ServerName::try_from("server.example")?)?;
    let mut server = ServerConnection::new(server.clone())?;
    let mut wire = Vec::with_capacity(8192);
    while client.wants_write() || server.wants_write() {
        transfer(&mut client, &mut server, &mut wire)?;
        transfer(&mut server, &mut client, &mut wire)?;
    }
    if client.is_handshaking() || server.handshake_kind() != Some(kind) {
        return Err("rustls took another way than the case says".into());
    }
    black_box(client.export_keying_material([0u8; 60], b"EXTRACTOR-dtls_srtp", None)?);
    black_box(server.export_keying_material([0u8; 60], b"EXTRACTOR-dtls_srtp", None)?);
    Ok(())
}

fn transfer<A: SideData, B: SideData>(
    from: &mut ConnectionCommon<A>,
    to: &mut ConnectionCommon<B>,
    wire: &mut Vec<u8>,
) -> Result<()> {
    wire.clear();
    while from.wants_write() {
        from.write_tls(wire)?;
    }
    let mut unread = wire.as_slice();
    while !unread.is_empty() {
        to.read_tls(&mut unread)?;
        to.process_new_packets()?;
    }
    Ok(())
}
