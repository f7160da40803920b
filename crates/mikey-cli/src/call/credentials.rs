//! Who we are, whom we trust and what we allow, from files: an endpoint's configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mikey::keying::{
    AcceptStreams, AnswerStreams, ApiMisuse, CertifiedKey, DecryptionKey, Mismatch, OfferedStream, PskTable,
    StreamAnswer, Trust,
};
use mikey::{EndpointConfig, Identity, Name, Peer, Side, SrtpPolicy};
use mikey_crypto::{CryptoProvider, SecretBytes, SecureRandom};
use mikey_net::Clock;

use crate::call::leg::StreamStart;
use crate::call::version1::V1Algorithms;
use crate::cmd::options::{Algorithms, ExchangeKind};
use crate::error::{Error, Result};
use crate::files::{read_certificates, read_crls, read_private_key, read_psk};
use crate::ui::{Ui, printable};

/// Options that say who we are and whom we trust.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Who we are and whom we trust")]
pub(crate) struct Credentials {
    /// Our own name
    #[arg(long, value_name = "NAME")]
    identity: String,
    /// Our certificate, with those of its issuers up to the CA
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of our certificate
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Our certificate that others encrypt keys to, in --exchange cce2-rsa and in modes of version 1 that do: an RSA key for
    /// nothing else, as 'mikey ca issue --usage decryption' makes it
    #[arg(long, value_name = "FILE", requires = "decrypt_key")]
    decrypt_cert: Option<PathBuf>,
    /// The private key of that certificate
    #[arg(long, value_name = "FILE", requires = "decrypt_cert")]
    decrypt_key: Option<PathBuf>,
    /// A CA whose certificates are accepted from the peer; may be given more than once
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// What the CAs have revoked, PEM or DER; may be given more than once. Each --ca then needs a list, and one that is not
    /// out of date: without it no certificate of that CA is accepted
    #[arg(long, value_name = "FILE", requires = "ca")]
    crl: Vec<PathBuf>,
    /// The key that we share with the peer, as 'mikey psk new' writes it
    #[arg(long, value_name = "FILE", requires = "peer")]
    psk: Option<PathBuf>,
    /// Authenticate by a short authentication string, which the two people read to each other. Each is asked on the
    /// terminal whether it is the same; nothing is said before both have answered yes
    #[arg(long, conflicts_with_all = ["cert", "key", "ca", "crl", "psk"])]
    pub(crate) sas: bool,
    /// The peer's name: nobody else is accepted
    #[arg(long, value_name = "NAME")]
    pub(crate) peer: Option<String>,
    /// What may follow the first exchange; may be given more than once, the preferred one first
    #[arg(long, value_name = "EXCHANGE", value_enum, default_value = "cce")]
    exchange: Vec<ExchangeKind>,
    #[command(flatten)]
    algorithms: Algorithms,
}

/// What a line needs to know besides the endpoint's configuration.
pub(crate) struct Prepared {
    /// The configuration.
    pub(crate) config: EndpointConfig,
    /// Our name.
    pub(crate) identity: Name,
    /// The peer's, if one was named.
    pub(crate) peer: Option<Name>,
}

impl Credentials {
    /// Reads the files.
    ///
    /// # Errors
    /// If a file or a name is of no use, or there is no credential at all.
    pub(crate) fn prepare(
        &self,
        ui: Ui,
        clock: Clock,
        srtp: Vec<SrtpPolicy>,
        lifetime: Duration,
        rekey: Option<Duration>,
        v1: Option<V1Algorithms>,
    ) -> Result<Prepared> {
        let provider = mikey_crypto_aws_lc::provider();
        let name = parse_name(&self.identity)?;
        let peer = self.peer.as_deref().map(parse_name).transpose()?;
        self.check()?;
        let mut psks = PskTable::new();
        if let (Some(path), Some(peer)) = (&self.psk, &peer) {
            let key = read_psk(ui, path)?;
            psks.insert(name.clone(), peer.clone(), SecretBytes::copy_from(&key)).map_err(misuse)?;
        }
        let identity = self.identity(ui, &provider, &name)?;
        let mut trust = Trust::none();
        for path in &self.ca {
            for certificate in read_certificates(path)? {
                trust.add_anchor(&certificate).map_err(|_| {
                    Error::failed(format!("a certificate in '{}' cannot be a CA", path.display()))
                })?;
            }
        }
        self.revocations(&mut trust)?;
        let mut config = EndpointConfig::new(provider, identity);
        config.policy = self.algorithms.policy(self.sas)?;
        config.policy.exchanges = self.exchange.iter().map(|kind| kind.exchange()).collect();
        config.rekey_after = rekey;
        config.v1 = v1.map(V1Algorithms::policy);
        config.psks = Arc::new(psks);
        config.trust = trust;
        config.answer = Arc::new(AcceptPeer::new(peer.clone(), srtp, Arc::clone(&config.provider.random)));
        config.unix_time_at_zero = Some(clock.unix_time_at_zero());
        config.request_lifetime = lifetime;
        Ok(Prepared { config, identity: name, peer })
    }

    fn check(&self) -> Result {
        if self.sas {
            if !self.exchange.contains(&ExchangeKind::Cce) {
                return Err(Error::usage("a short authentication string needs --exchange cce"));
            }
            return Ok(());
        }
        let hint =
            "give --cert, --key and --ca, or --psk and --peer, made with 'mikey ca' or 'mikey psk', or --sas";
        if self.cert.is_none() && self.psk.is_none() && self.decrypt_cert.is_none() {
            return Err(Error::usage("no credential to authenticate with").hint(hint));
        }
        if self.ca.is_empty() && self.psk.is_none() {
            return Err(
                Error::usage("no certificate of the peer could be accepted").hint("name the CA with --ca")
            );
        }
        Ok(())
    }

    fn revocations(&self, trust: &mut Trust) -> Result {
        for path in &self.crl {
            for list in read_crls(path)? {
                trust.add_crl(&list).map_err(|_| {
                    Error::failed(format!(
                        "the revocation list in '{}' is broken or unsupported",
                        path.display()
                    ))
                    .hint("a version 2 list of one CA is needed, as 'mikey ca crl' writes it")
                })?;
            }
        }
        Ok(())
    }

    fn identity(&self, ui: Ui, provider: &CryptoProvider, name: &Name) -> Result<Identity> {
        let identity = self.signing_identity(ui, provider, name)?;
        let (Some(cert), Some(key)) = (&self.decrypt_cert, &self.decrypt_key) else { return Ok(identity) };
        let chain = read_certificates(cert)?.iter().map(|certificate| certificate.to_vec()).collect();
        let pkcs8 = read_private_key(ui, key)?;
        let key = DecryptionKey::load(provider, chain, pkcs8.secret_pkcs8_der()).map_err(|error| {
            Error::failed(format!("cannot use '{}' with '{}': {error}", cert.display(), key.display())).hint(
                "'mikey ca issue --usage decryption' makes a certificate that decrypts and does not sign",
            )
        })?;
        identity.with_decryption(key).map_err(|_| not_ours(cert, name))
    }

    fn signing_identity(&self, ui: Ui, provider: &CryptoProvider, name: &Name) -> Result<Identity> {
        let (Some(cert), Some(key)) = (&self.cert, &self.key) else { return Ok(Identity::new(name.clone())) };
        let chain = read_certificates(cert)?.iter().map(|certificate| certificate.to_vec()).collect();
        let pkcs8 = read_private_key(ui, key)?;
        let certified = CertifiedKey::load(provider, chain, pkcs8.secret_pkcs8_der()).map_err(|error| {
            Error::failed(format!("cannot use '{}' with '{}': {error}", cert.display(), key.display()))
        })?;
        Identity::with_certificate(name.clone(), certified).map_err(|_| not_ours(cert, name))
    }
}

fn not_ours(cert: &Path, name: &Name) -> Error {
    Error::failed(format!("the certificate in '{}' is not for '{name}'", cert.display()))
        .hint(format!("'mikey ca show {}' says for whom it is", cert.display()))
}

/// Accepts the streams of one peer alone, or of every one that was authenticated, and gives our streams their SSRCs.
pub(crate) struct AcceptPeer {
    only: Option<Name>,
    policies: AcceptStreams,
    random: Arc<dyn SecureRandom>,
}

impl AcceptPeer {
    /// `only`: nobody else, if there is a name.
    pub(crate) fn new(only: Option<Name>, policies: Vec<SrtpPolicy>, random: Arc<dyn SecureRandom>) -> Self {
        Self { only, policies: AcceptStreams { policies }, random }
    }
}

impl AnswerStreams for AcceptPeer {
    fn answer(
        &self,
        peer: &Peer,
        offered: &[OfferedStream],
    ) -> std::result::Result<Vec<StreamAnswer>, Mismatch> {
        if self.only.as_ref().is_some_and(|only| *only != peer.name) {
            return Err(Mismatch::Streams);
        }
        let mut answers = self.policies.answer(peer, offered)?;
        for (answer, stream) in answers.iter_mut().zip(offered) {
            if stream.sender == Side::Local {
                answer.ssrc = stream_start(&*self.random).map(|start| start.ssrc).ok();
            }
        }
        Ok(answers)
    }
}

/// Random values for a new stream.
///
/// # Errors
/// If there is no randomness.
pub(crate) fn stream_start(random: &dyn SecureRandom) -> Result<StreamStart> {
    let mut octets = [0; 10];
    random.fill(&mut octets).map_err(|error| Error::failed(error.to_string()))?;
    let [a, b, c, d, e, f, g, h, i, j] = octets;
    Ok(StreamStart {
        ssrc: u32::from_be_bytes([a, b, c, d]),
        // The upper half would wrap the sequence number before the first packet is known to the peer (RFC 3711 3.3.1).
        sequence: u16::from_be_bytes([e, f]) & 0x7fff,
        timestamp: u32::from_be_bytes([g, h, i, j]),
    })
}

/// A name as the protocol writes it.
///
/// # Errors
/// If it is neither a URI nor user@realm.
pub(crate) fn parse_name(text: &str) -> Result<Name> {
    Name::parse(text)
        .map_err(|error| Error::usage(format!("'{}' is not a name", printable(text))).hint(error.to_string()))
}

fn misuse(error: ApiMisuse) -> Error {
    Error::failed(error.to_string())
}
