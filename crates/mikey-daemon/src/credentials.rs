//! Files that the configuration names, as what the endpoint and the store want. What is wrong with one is shown where the
//! configuration names it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mikey::keying::{CertifiedKey, Trust};
use mikey::{EndpointConfig, Identity};
use mikey_crypto::{CryptoProvider, SecretBytes, Signer};
use mikey_store::{EtcdConfig, EtcdTls, Keyring, read_credential, read_kek};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivatePkcs8KeyDer};
use toml::Spanned;
use zeroize::Zeroizing;

use crate::config::{ConfigError, GroupTable, Mistake, Source, TlsTable};

/// Longest file with a credential, in octets; lists of what a CA has revoked are long.
const MAX_FILE: u64 = 16 << 20;

/// Longest time that an etcd call takes if nothing else is said.
const ETCD_TIMEOUT: Duration = Duration::from_secs(3);

impl Source {
    /// What the endpoint is configured with.
    ///
    /// # Errors
    /// [`ConfigError`] at the file that is of no use.
    pub fn endpoint(&self, provider: &CryptoProvider) -> Result<EndpointConfig, ConfigError> {
        self.try_endpoint(provider).map_err(|mistake| self.error(mistake))
    }

    fn try_endpoint(&self, provider: &CryptoProvider) -> Result<EndpointConfig, Mistake> {
        let config = &self.config;
        let name = &config.identity.as_ref().0;
        let chain = self.certificates(&config.certificate)?;
        let pkcs8 = self.private_key(&config.key)?;
        let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
        let certified = CertifiedKey::load(provider, chain, pkcs8.secret_pkcs8_der()).map_err(|error| {
            Mistake::at(config.key.span(), format!("the key is not the certificate's: {error}"))
        })?;
        let identity = Identity::with_certificate(name.clone(), certified).map_err(|_| {
            Mistake::at(config.certificate.span(), format!("the certificate is not for '{name}'")).help(
                format!("'mikey ca show {}' says for whom it is", config.certificate.as_ref().display()),
            )
        })?;
        let mut trust = Trust::none();
        for path in &config.ca {
            for certificate in self.certificates(path)? {
                trust
                    .add_anchor(&certificate)
                    .map_err(|_| Mistake::at(path.span(), "a certificate in it cannot be a CA"))?;
            }
        }
        for path in &config.crl {
            for list in self.revoked(path)? {
                trust.add_crl(&list).map_err(|_| {
                    Mistake::at(path.span(), "the revocation list is broken or unsupported")
                        .help("a version 2 list of one CA is needed, as 'mikey ca crl' writes it")
                })?;
            }
        }
        let mut endpoint = EndpointConfig::new(provider.clone(), identity);
        endpoint.trust = trust;
        endpoint.serves_groups = true;
        Ok(endpoint)
    }

    /// The key that signs for a group.
    ///
    /// # Errors
    /// [`ConfigError`] at the key, or at the path of rekeys if it is too short for the key's signatures.
    pub fn signer(
        &self,
        provider: &CryptoProvider,
        group: &GroupTable,
    ) -> Result<Arc<dyn Signer>, ConfigError> {
        let load = || {
            let at = group.signing_key.span();
            let pkcs8 = self.private_key(&group.signing_key)?;
            let signer: Arc<dyn Signer> = (provider.load_signer)(pkcs8.secret_pkcs8_der())
                .map_err(|error| Mistake::at(at.clone(), format!("the key cannot sign: {error}")))?
                .into();
            // That the group can be made shows that the rest of it goes together.
            mikey_group::Controller::create(provider, &group.group(), &*signer)
                .map_err(|error| Mistake::at(at, error.to_string()))?;
            Ok(signer)
        };
        load().map_err(|mistake| self.error(mistake))
    }

    /// The key that the store is sealed under.
    ///
    /// # Errors
    /// [`ConfigError`] at `[kek]`.
    pub fn keyring(&self, provider: &CryptoProvider) -> Result<Keyring, ConfigError> {
        let table = self.config.kek.as_ref();
        let load = || {
            let current = match (&table.file, &table.credential) {
                (Some(file), _) => read_kek(&self.path(file))?,
                (_, Some(credential)) => read_credential(credential)?,
                // The configuration has been checked for this.
                (None, None) => return Err(mikey_store::KekError::NoCredentials),
            };
            let previous = table
                .previous
                .iter()
                .map(|file| read_kek(&self.path(file)))
                .collect::<Result<Vec<_>, _>>()?;
            Keyring::new(provider, &current, &previous)
        };
        load().map_err(|error| self.error(Mistake::at(self.config.kek.span(), error.to_string())))
    }

    /// The etcd cluster, if groups are kept in one.
    ///
    /// # Errors
    /// [`ConfigError`] at a file of its TLS.
    pub fn etcd(&self) -> Result<Option<EtcdConfig>, ConfigError> {
        let store = self.config.store.as_ref();
        let Some(endpoints) = store.etcd.clone() else { return Ok(None) };
        let tls = store.tls.as_ref().map(|tls| self.tls(tls.as_ref())).transpose();
        Ok(Some(EtcdConfig {
            endpoints,
            prefix: store.prefix.clone().unwrap_or_else(|| "/mikey/".to_owned()),
            timeout: store.timeout.as_ref().map_or(ETCD_TIMEOUT, |span| span.0),
            tls: tls.map_err(|mistake| self.error(mistake))?,
        }))
    }

    fn tls(&self, table: &TlsTable) -> Result<EtcdTls, Mistake> {
        let identity = match (&table.certificate, &table.key) {
            (Some(certificate), Some(key)) => {
                Some((self.octets(certificate)?.to_vec(), SecretBytes::copy_from(&self.secret(key)?)))
            }
            _ => None,
        };
        Ok(EtcdTls { ca: self.octets(&table.ca)?.to_vec(), identity, server_name: table.name.clone() })
    }

    fn certificates(&self, path: &Spanned<PathBuf>) -> Result<Vec<CertificateDer<'static>>, Mistake> {
        let octets = self.octets(path)?;
        match CertificateDer::pem_slice_iter(&octets).collect::<Result<Vec<_>, _>>() {
            Ok(found) if !found.is_empty() => Ok(found),
            _ => Err(Mistake::at(path.span(), "there is no certificate in it")
                .help("a PEM file with 'BEGIN CERTIFICATE' is needed, as 'mikey ca issue' writes it")),
        }
    }

    fn private_key(&self, path: &Spanned<PathBuf>) -> Result<PrivatePkcs8KeyDer<'static>, Mistake> {
        PrivatePkcs8KeyDer::from_pem_slice(&self.secret(path)?).map_err(|_| {
            Mistake::at(path.span(), "there is no private key in it").help(
                "a PEM file with 'BEGIN PRIVATE KEY' (PKCS #8) is needed, as 'mikey ca issue' and 'mikey group new-key' write it",
            )
        })
    }

    fn revoked(
        &self,
        path: &Spanned<PathBuf>,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, Mistake> {
        let octets = self.octets(path)?;
        // ASN.1's SEQUENCE, with which DER begins and PEM does not.
        if octets.first() == Some(&0x30) {
            return Ok(vec![CertificateRevocationListDer::from(octets.to_vec())]);
        }
        match CertificateRevocationListDer::pem_slice_iter(&octets).collect::<Result<Vec<_>, _>>() {
            Ok(found) if !found.is_empty() => Ok(found),
            _ => Err(Mistake::at(path.span(), "there is no revocation list in it").help(
                "a file in DER, or in PEM with 'BEGIN X509 CRL', is needed, as 'mikey ca revoke' writes it",
            )),
        }
    }

    /// A file that only its owner may read.
    fn secret(&self, path: &Spanned<PathBuf>) -> Result<Zeroizing<Vec<u8>>, Mistake> {
        let place = self.path(path.as_ref());
        if let Ok(metadata) = std::fs::metadata(&place)
            && metadata.mode() & 0o077 != 0
        {
            let message = format!("others may read this private key (mode {:04o})", metadata.mode() & 0o7777);
            return Err(
                Mistake::at(path.span(), message).help(format!("run 'chmod 600 {}'", place.display()))
            );
        }
        self.octets(path)
    }

    fn octets(&self, path: &Spanned<PathBuf>) -> Result<Zeroizing<Vec<u8>>, Mistake> {
        read(&self.path(path.as_ref()))
            .map(Zeroizing::new)
            .map_err(|error| Mistake::at(path.span(), format!("cannot read it: {}", reason(&error))))
    }
}

/// The operating system's reason, without its number.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let file = std::fs::File::open(path)?;
    let len = file.metadata()?.len();
    if len > MAX_FILE {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it is too long"));
    }
    // Room for all of it at once, so that no copy of a key stays behind.
    let mut octets = Vec::with_capacity(usize::try_from(len).unwrap_or_default() + 1);
    file.take(MAX_FILE).read_to_end(&mut octets)?;
    Ok(octets)
}
