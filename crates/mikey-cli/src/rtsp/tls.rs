//! TLS for RTSP: whose certificate a player takes, and what a server shows.

use std::path::PathBuf;
use std::sync::Arc;

use data_encoding::HEXLOWER_PERMISSIVE;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

use crate::error::{Error, Result};
use crate::files::{read_certificates, read_private_key};
use crate::ui::{Ui, hex, printable};

/// Whose certificate will do.
#[derive(Debug)]
pub(crate) enum Trusted {
    /// One that leads to these CAs, or is one of them, for the host that is asked for.
    Ca(Vec<PathBuf>),
    /// One that leads to a CA of the operating system, for the host that is asked for.
    System,
    /// The one with this SHA-256, for whatever host.
    Pinned([u8; 32]),
    /// Any.
    Anybody,
}

/// Reads a SHA-256 in hex, with or without colons.
///
/// # Errors
/// If it is none.
pub(crate) fn pin(text: &str) -> std::result::Result<[u8; 32], String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let octets = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok();
    octets
        .and_then(|octets| octets.try_into().ok())
        .ok_or_else(|| "not a SHA-256 in hex, 64 digits".to_owned())
}

/// What a player's TLS needs.
///
/// # Errors
/// If a file is of no use.
pub(crate) fn client(trusted: &Trusted) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls_error(&error))?;
    let accepted = match trusted {
        Trusted::System => {
            return Ok(Arc::new(builder.with_root_certificates(system()?).with_no_client_auth()));
        }
        Trusted::Ca(paths) => {
            let own = paths.iter().map(|path| read_certificates(path)).collect::<Result<Vec<_>>>()?.concat();
            let roots = Arc::new(anchors(paths)?);
            let chain = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            let chain = chain.map_err(|error| Error::failed(format!("TLS: {error}")))?;
            Accepted::Files { own, chain }
        }
        Trusted::Pinned(pin) => Accepted::Digest(*pin),
        Trusted::Anybody => Accepted::Any,
    };
    let verifier = Arc::new(Verifier { provider, accepted });
    let config = builder.dangerous().with_custom_certificate_verifier(verifier);
    Ok(Arc::new(config.with_no_client_auth()))
}

fn anchors(paths: &[PathBuf]) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for path in paths {
        for certificate in read_certificates(path)? {
            roots.add(certificate).map_err(|_| {
                Error::failed(format!("a certificate in '{}' cannot be a CA", path.display()))
            })?;
        }
    }
    Ok(roots)
}

fn system() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(Error::failed("the operating system has no list of CAs")
            .hint("name the CA with --ca, or the certificate itself with --pin"));
    }
    Ok(roots)
}

/// What makes a certificate acceptable. The handshake proves in any case that the server has its key.
#[derive(Debug)]
enum Accepted {
    /// It is one of these itself, as many cameras have it, or leads to one of them.
    Files {
        own: Vec<CertificateDer<'static>>,
        chain: Arc<WebPkiServerVerifier>,
    },
    Digest([u8; 32]),
    Any,
}

#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    accepted: Accepted,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        match &self.accepted {
            Accepted::Files { own, chain } if !own.contains(end_entity) => {
                chain.verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
            }
            Accepted::Digest(wanted) if *wanted != digest(end_entity) => {
                let found = hex(&digest(end_entity));
                Err(rustls::Error::General(format!("the certificate is another one, with SHA-256 {found}")))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What a server's TLS needs, and the SHA-256 of its certificate. Without files the certificate is made now.
///
/// # Errors
/// If a file is of no use.
pub(crate) fn server(ui: Ui, files: Option<(&PathBuf, &PathBuf)>) -> Result<(Arc<ServerConfig>, [u8; 32])> {
    let (chain, key) = match files {
        Some((certificate, key)) => {
            let key = PrivateKeyDer::Pkcs8(read_private_key(ui, key)?);
            (read_certificates(certificate)?, key)
        }
        None => self_signed()?,
    };
    let pin = chain.first().map(|certificate| digest(certificate)).unwrap_or_default();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|error| tls_error(&error))?;
    Ok((Arc::new(config), pin))
}

fn self_signed() -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let failed = |error: rcgen::Error| Error::failed(format!("cannot make a certificate: {error}"));
    let key = KeyPair::generate().map_err(failed)?;
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let certificate =
        CertificateParams::new(names).and_then(|params| params.self_signed(&key)).map_err(failed)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    Ok((vec![certificate.der().clone()], key))
}

/// SHA-256 of a certificate, as `--pin` has it.
pub(crate) fn digest(certificate: &[u8]) -> [u8; 32] {
    let digest = mikey_crypto_aws_lc::provider().sha256.digest(&[certificate]);
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

fn tls_error(error: &rustls::Error) -> Error {
    Error::failed(format!("TLS: {}", printable(&error.to_string())))
}
