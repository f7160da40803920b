//! TLS 1.3 by rustls with its AWS-LC provider: both sides present an Ed25519 certificate of one authority.
//!
//! The handshake ends when both sides have exported keying material, as SRTP would need it.

use std::hint::black_box;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ED25519};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, HandshakeKind, RootCertStore, ServerConfig,
    ServerConnection, SideData,
};

use crate::Result;
use crate::measure::{Contestant, Role};

pub(super) static X25519: &dyn SupportedKxGroup = aws_lc_rs::kx_group::X25519;
pub(super) static X25519_MLKEM768: &dyn SupportedKxGroup = aws_lc_rs::kx_group::X25519MLKEM768;

/// A full handshake with mutual authentication, without tickets.
pub(super) fn full(name: &'static str, group: &'static dyn SupportedKxGroup) -> Result<Contestant<'static>> {
    let (mut client, mut server) = configurations(group)?;
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
    let (client, mut server) = configurations(group)?;
    server.ticketer = aws_lc_rs::Ticketer::new()?;
    server.send_tls13_tickets = 1;
    let (client, server) = (Arc::new(client), Arc::new(server));
    handshake(&client, &server, HandshakeKind::Full)?;
    Ok(Contestant::new(name, Role::Peer, move || handshake(&client, &server, HandshakeKind::Resumed)))
}

fn configurations(group: &'static dyn SupportedKxGroup) -> Result<(ClientConfig, ServerConfig)> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate_for(&PKCS_ED25519)?;
    let mut roots = RootCertStore::empty();
    roots.add(authority.self_signed(&key)?.der().clone())?;
    let roots = Arc::new(roots);
    let authority = Issuer::new(authority, key);

    let provider = Arc::new(CryptoProvider { kx_groups: vec![group], ..aws_lc_rs::default_provider() });
    let (chain, key) = identity("client.example", &authority)?;
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots.clone())
        .with_client_auth_cert(chain, key)?;
    let (chain, key) = identity("server.example", &authority)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build()?;
    let server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    Ok((client, server))
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
