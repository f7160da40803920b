//! The provider: a plain list of algorithms, passed in configuration. There is no global one.

use alloc::boxed::Box;
use alloc::sync::Arc;

use rustls_pki_types::SignatureVerificationAlgorithm;

use crate::srtp::SrtpCrypto;
use crate::{
    Decryptor, EncryptionScheme, GroupId, Hash, KeyRejected, KxGroup, MethodId, Prf, PrfId, SecureRandom,
    SignatureScheme, Signer, Suite, SuiteId, V1Algorithms,
};

/// Makes a signer of a private key in PKCS #8 DER (RFC 5958): Ed25519, P-256, P-384, or RSA of 2048 to 4096 bits.
pub type LoadSigner = fn(&[u8]) -> Result<Box<dyn Signer>, KeyRejected>;

/// Makes a decryptor of a private key in PKCS #8 DER (RFC 5958): RSA of 2048 to 4096 bits.
pub type LoadDecryptor = fn(&[u8]) -> Result<Box<dyn Decryptor>, KeyRejected>;

/// Every algorithm that an endpoint may use. Lists are in no order of preference; policy has that.
#[derive(Clone)]
pub struct CryptoProvider {
    /// A name for logs and benches.
    pub name: &'static str,
    /// PRFs with the hash of the transcript.
    pub prfs: &'static [Prf],
    /// Key exchange groups.
    pub groups: &'static [&'static dyn KxGroup],
    /// Protection suites.
    pub suites: &'static [Suite],
    /// Signature schemes of AUTH.
    pub signatures: &'static [&'static dyn SignatureScheme],
    /// RSAES-OAEP with SHA-256 and MGF1-SHA-256, without a label.
    pub rsa_oaep: &'static dyn EncryptionScheme,
    /// Signature algorithms of certificates and CRLs: none with MD5 or SHA-1.
    pub certificate_algorithms: &'static [&'static dyn SignatureVerificationAlgorithm],
    /// SHA-256, for commitments, branch keys and cookies whatever PRF is chosen.
    pub sha256: &'static dyn Hash,
    /// SHA-1, for MIKEY version 1 and [`tesla`](crate::tesla) alone.
    pub sha1: &'static dyn Hash,
    /// What else MIKEY version 1 alone has; version 2 never negotiates it.
    pub v1: V1Algorithms,
    /// The transforms of SRTP.
    pub srtp: &'static dyn SrtpCrypto,
    /// Loads a private key that signs from PKCS #8 DER.
    pub load_signer: LoadSigner,
    /// Loads a private key for [`Self::rsa_oaep`] from PKCS #8 DER.
    pub load_decryptor: LoadDecryptor,
    /// The source of all randomness.
    pub random: Arc<dyn SecureRandom>,
}

impl CryptoProvider {
    /// Checks that no list is empty and that each algorithm is there once.
    ///
    /// # Errors
    /// [`IncompleteProvider`] names the list.
    pub fn check(&self) -> Result<(), IncompleteProvider> {
        unique("prfs", self.prfs.iter().map(|p| p.id.0))?;
        unique("groups", self.groups.iter().map(|g| g.id().0))?;
        unique("suites", self.suites.iter().map(|s| s.id.0))?;
        unique("signatures", self.signatures.iter().map(|s| s.method().0))
    }

    /// The same algorithms with another source of randomness.
    #[must_use]
    pub fn with_random(mut self, random: Arc<dyn SecureRandom>) -> Self {
        self.random = random;
        self
    }

    /// The PRF of that number.
    #[must_use]
    pub fn prf(&self, id: PrfId) -> Option<Prf> {
        self.prfs.iter().find(|p| p.id == id).copied()
    }

    /// The group of that number.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&'static dyn KxGroup> {
        self.groups.iter().find(|g| g.id() == id).copied()
    }

    /// The suite of that number.
    #[must_use]
    pub fn suite(&self, id: SuiteId) -> Option<Suite> {
        self.suites.iter().find(|s| s.id == id).copied()
    }

    /// The signature scheme of that number.
    #[must_use]
    pub fn signature(&self, method: MethodId) -> Option<&'static dyn SignatureScheme> {
        self.signatures.iter().find(|s| s.method() == method).copied()
    }
}

fn unique(list: &'static str, ids: impl Iterator<Item = u8>) -> Result<(), IncompleteProvider> {
    let mut seen = [false; 256];
    let mut any = false;
    for id in ids {
        any = true;
        match seen.get_mut(usize::from(id)) {
            Some(slot) if !*slot => *slot = true,
            _ => return Err(IncompleteProvider(list)),
        }
    }
    if any { Ok(()) } else { Err(IncompleteProvider(list)) }
}

/// A list of the provider is empty or names an algorithm twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncompleteProvider(pub &'static str);

impl core::fmt::Display for IncompleteProvider {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the provider's list of {} is empty or names an algorithm twice", self.0)
    }
}

impl core::error::Error for IncompleteProvider {}
