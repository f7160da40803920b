//! Who we are and whom we trust: certified keys, pre-shared keys, trust anchors.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use mikey_crypto::{CryptoProvider, Decryptor, MethodId, SecretBytes, Signer};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor};
use webpki::{CertRevocationList, OwnedCertRevocationList, anchor_from_trusted_cert};

use crate::auth::cert::{self, Pin};
use crate::error::ApiMisuse;
use crate::limits::{MAX_CHAIN, MIN_PSK};
use crate::name::Name;

/// One of our own names, with the certificate for it if there is one.
#[derive(Clone)]
pub struct Identity {
    name: Name,
    certified: Option<Arc<CertifiedKey>>,
    decryption: Option<Arc<DecryptionKey>>,
}

impl Identity {
    /// A name without a certificate: it authenticates by PSK or SAS.
    #[must_use]
    pub fn new(name: Name) -> Self {
        Self { name, certified: None, decryption: None }
    }

    /// A name with a certificate that holds it.
    ///
    /// # Errors
    /// [`ApiMisuse::CertificateName`] if no subject alternative name of the certificate is this name.
    pub fn with_certificate(name: Name, key: CertifiedKey) -> Result<Self, ApiMisuse> {
        let leaf = key.end_entity();
        cert::check_name(leaf, &name).map_err(|_| ApiMisuse::CertificateName)?;
        Ok(Self { name, certified: Some(Arc::new(key)), decryption: None })
    }

    /// A name with a certificate that peers know by its fingerprint; the certificate need not hold the name.
    #[must_use]
    pub fn with_fingerprint(name: Name, key: CertifiedKey) -> Self {
        Self { name, certified: Some(Arc::new(key)), decryption: None }
    }

    /// The same name with a certificate to which callers encrypt in CCE2.
    ///
    /// # Errors
    /// [`ApiMisuse::CertificateName`] if no subject alternative name of the certificate is this name.
    pub fn with_decryption(mut self, key: DecryptionKey) -> Result<Self, ApiMisuse> {
        cert::check_name(key.end_entity(), &self.name).map_err(|_| ApiMisuse::CertificateName)?;
        self.decryption = Some(Arc::new(key));
        Ok(self)
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The DER certificates that keys are encrypted to, end entity first, if it has a key for that.
    #[must_use]
    pub fn decryption_chain(&self) -> Option<&[Vec<u8>]> {
        self.decryption.as_deref().map(DecryptionKey::chain)
    }

    pub(crate) fn decryption(&self) -> Option<&Arc<DecryptionKey>> {
        self.decryption.as_ref()
    }

    pub(crate) fn certified(&self) -> Option<&Arc<CertifiedKey>> {
        self.certified.as_ref()
    }
}

/// A certificate chain and the private key of its end entity.
pub struct CertifiedKey {
    chain: Vec<Vec<u8>>,
    signer: Box<dyn Signer>,
}

impl CertifiedKey {
    /// Loads a chain of DER certificates, end entity first, and its PKCS #8 private key.
    ///
    /// # Errors
    /// [`ApiMisuse::Certificate`], [`ApiMisuse::Key`], or [`ApiMisuse::KeyMismatch`] if the key is not the certificate's.
    pub fn load(provider: &CryptoProvider, chain: Vec<Vec<u8>>, pkcs8: &[u8]) -> Result<Self, ApiMisuse> {
        let signer = (provider.load_signer)(pkcs8)?;
        check_chain(&chain, signer.public_key())?;
        Ok(Self { chain, signer })
    }

    /// The DER certificates, end entity first.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    /// SHA-256 of the end entity's certificate, for `a=fingerprint`.
    #[must_use]
    pub fn fingerprint(&self, provider: &CryptoProvider) -> [u8; 32] {
        let digest = provider.sha256.digest(&[self.end_entity()]);
        digest.as_ref().first_chunk().copied().unwrap_or_default()
    }

    pub(crate) fn end_entity(&self) -> &[u8] {
        self.chain.first().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn method(&self) -> MethodId {
        self.signer.method()
    }

    pub(crate) fn signer(&self) -> &dyn Signer {
        &*self.signer
    }
}

/// A certificate chain for decryption and the private key of its end entity: what callers encrypt to in CCE2 with RSA.
///
/// Its key usage allows key encipherment and nothing that signs: one key has one use.
pub struct DecryptionKey {
    chain: Vec<Vec<u8>>,
    decryptor: Box<dyn Decryptor>,
}

impl DecryptionKey {
    /// Loads a chain of DER certificates, end entity first, and its PKCS #8 private key.
    ///
    /// # Errors
    /// [`ApiMisuse::Certificate`], [`ApiMisuse::Key`], [`ApiMisuse::KeyMismatch`] if the key is not the certificate's, or
    /// [`ApiMisuse::CertificateUsage`] if the certificate may do something else, or not decrypt.
    pub fn load(provider: &CryptoProvider, chain: Vec<Vec<u8>>, pkcs8: &[u8]) -> Result<Self, ApiMisuse> {
        let decryptor = (provider.load_decryptor)(pkcs8)?;
        let end_entity = check_chain(&chain, decryptor.public_key())?;
        cert::check_key(end_entity, decryptor.method()).map_err(|_| ApiMisuse::CertificateUsage)?;
        Ok(Self { chain, decryptor })
    }

    /// The DER certificates, end entity first.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }

    pub(crate) fn end_entity(&self) -> &[u8] {
        self.chain.first().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn decryptor(&self) -> &dyn Decryptor {
        &*self.decryptor
    }
}

/// The end entity of a chain, whose public key must be `spki`.
fn check_chain<'a>(chain: &'a [Vec<u8>], spki: &[u8]) -> Result<&'a [u8], ApiMisuse> {
    let first = chain.first().filter(|_| chain.len() <= MAX_CHAIN).ok_or(ApiMisuse::Certificate)?;
    let certified = cert::public_key(first).map_err(|_| ApiMisuse::Certificate)?;
    if certified == spki { Ok(first) } else { Err(ApiMisuse::KeyMismatch) }
}

/// Which certificates of peers are accepted: those that lead to an anchor and are not revoked, and those that are pinned.
#[derive(Default)]
pub struct Trust {
    pub(crate) anchors: Vec<TrustAnchor<'static>>,
    pub(crate) crls: Vec<CertRevocationList<'static>>,
    pins: HashMap<Name, Vec<Pin>>,
}

impl Trust {
    /// Nothing: no certificate is accepted.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a DER certificate as an anchor.
    ///
    /// # Errors
    /// [`ApiMisuse::Certificate`] if it cannot be one.
    pub fn add_anchor(&mut self, der: &[u8]) -> Result<(), ApiMisuse> {
        let der = CertificateDer::from(der);
        let anchor = anchor_from_trusted_cert(&der).map_err(|_| ApiMisuse::Certificate)?;
        self.anchors.push(anchor.to_owned());
        Ok(())
    }

    /// Adds a DER certificate revocation list. From the first one on, every certificate of a chain must be covered by one.
    ///
    /// # Errors
    /// [`ApiMisuse::Certificate`] if it is malformed.
    pub fn add_crl(&mut self, der: &[u8]) -> Result<(), ApiMisuse> {
        let der = CertificateRevocationListDer::from(der);
        let crl = OwnedCertRevocationList::from_der(&der).map_err(|_| ApiMisuse::Certificate)?;
        self.crls.push(CertRevocationList::Owned(crl));
        Ok(())
    }

    /// Pins a DER certificate to a name: from then on `name` is accepted with this certificate or with another one that is
    /// pinned to it, and with no other. Who issued it, its dates and its names do not matter, so that neither a CA nor a
    /// clock is needed; whoever pins it vouches for all that.
    ///
    /// # Errors
    /// [`ApiMisuse::Certificate`] if it is malformed.
    pub fn pin(&mut self, name: Name, der: &[u8]) -> Result<(), ApiMisuse> {
        let pin = Pin::new(der).map_err(|_| ApiMisuse::Certificate)?;
        self.pins.entry(name).or_default().push(pin);
        Ok(())
    }

    /// The certificates that are pinned to a name, if any are.
    pub(crate) fn pinned(&self, name: &Name) -> Option<&[Pin]> {
        self.pins.get(name).map(Vec::as_slice)
    }

    /// Whether no certificate can be accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty() && self.pins.is_empty()
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (anchors, crls, pins) = (self.anchors.len(), self.crls.len(), self.pins.len());
        write!(f, "Trust({anchors} anchors, {crls} CRLs, {pins} names with pins)")
    }
}

/// Where pre-shared keys are. A key belongs to one pair of names.
pub trait PskStore: Send + Sync {
    /// The key that `initiator` and `responder` share, as they stand in INIT.
    ///
    /// It is asked for in the middle of a handshake: it answers at once, and takes as long for a name that it does not know.
    fn psk(&self, initiator: &Name, responder: &Name) -> Option<SecretBytes>;

    /// Whether there is none at all, so that the method is not even negotiated. It must not depend on who asks.
    fn is_empty(&self) -> bool;

    /// Whose pseudonym this is, if its key was found by one: the only true name that its holder may call under.
    fn holder(&self, pseudonym: &Name) -> Option<Name> {
        let _ = pseudonym;
        None
    }
}

/// Pre-shared keys in memory.
#[derive(Default)]
pub struct PskTable {
    keys: HashMap<(Name, Name), SecretBytes>,
    holders: HashMap<Name, Name>,
}

impl PskTable {
    /// No keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the key of two names, whoever of them calls.
    ///
    /// # Errors
    /// [`ApiMisuse::ShortPsk`] for fewer than 16 octets: a PSK is random key material, never a password.
    // R9.4
    pub fn insert(&mut self, a: Name, b: Name, key: SecretBytes) -> Result<(), ApiMisuse> {
        if key.len() < MIN_PSK {
            return Err(ApiMisuse::ShortPsk);
        }
        self.keys.insert(pair(a, b), key);
        Ok(())
    }

    /// Adds the key of a pseudonym and a name, and who the pseudonym is.
    ///
    /// # Errors
    /// As [`Self::insert`]; [`ApiMisuse::Name`] if `pseudonym` is none.
    pub fn insert_pseudonym(
        &mut self,
        pseudonym: Name,
        holder: Name,
        peer: Name,
        key: SecretBytes,
    ) -> Result<(), ApiMisuse> {
        if !pseudonym.is_pseudonym() {
            return Err(ApiMisuse::Name);
        }
        self.insert(pseudonym.clone(), peer, key)?;
        self.holders.insert(pseudonym, holder);
        Ok(())
    }
}

impl PskStore for PskTable {
    fn psk(&self, initiator: &Name, responder: &Name) -> Option<SecretBytes> {
        let key = self.keys.get(&pair(initiator.clone(), responder.clone()))?;
        Some(SecretBytes::copy_from(key.expose()))
    }

    fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn holder(&self, pseudonym: &Name) -> Option<Name> {
        self.holders.get(pseudonym).cloned()
    }
}

fn pair(a: Name, b: Name) -> (Name, Name) {
    if a <= b { (a, b) } else { (b, a) }
}
