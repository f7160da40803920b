//! Certificates for tests: a CA, end entities for names, chains of any length.

use mikey_crypto::CryptoProvider;
use mikey_proto::{CertifiedKey, Identity, Name, Trust};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, SignatureAlgorithm,
};

/// The kinds of key that end entities may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519.
    Ed25519,
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with 2048 bits.
    Rsa2048,
}

impl KeyKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ed25519, Self::P256, Self::P384, Self::Rsa2048];

    fn algorithm(self) -> &'static SignatureAlgorithm {
        match self {
            Self::Ed25519 => &rcgen::PKCS_ED25519,
            Self::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Self::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Self::Rsa2048 => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

/// A certificate authority.
pub struct Ca {
    der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
}

/// The errors of a test set-up end the test.
#[allow(clippy::expect_used)]
impl Ca {
    /// A new CA with an Ed25519 key.
    ///
    /// # Panics
    /// If there is no randomness.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::with_key(name, KeyKind::Ed25519)
    }

    /// A new CA with a key of this kind.
    ///
    /// # Panics
    /// If there is no randomness.
    #[must_use]
    pub fn with_key(name: &str, kind: KeyKind) -> Self {
        let key = KeyPair::generate_for(kind.algorithm()).expect("a key");
        let params = ca_params(name);
        let certificate = params.self_signed(&key).expect("a certificate");
        Self { der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
    }

    /// Its certificate in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// An intermediate CA under this one.
    ///
    /// # Panics
    /// If there is no randomness.
    #[must_use]
    pub fn intermediate(&self, name: &str) -> Self {
        self.intermediate_with(name, KeyKind::Ed25519, |_| ())
    }

    /// An intermediate CA under this one, with a key of this kind and parameters that `change` may bend.
    ///
    /// # Panics
    /// If `change` makes them impossible.
    #[must_use]
    pub fn intermediate_with(
        &self,
        name: &str,
        kind: KeyKind,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Self {
        let key = KeyPair::generate_for(kind.algorithm()).expect("a key");
        let mut params = ca_params(name);
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Self { der: certificate.der().to_vec(), issuer: Issuer::new(params, key) }
    }

    /// What trusts this CA alone.
    ///
    /// # Panics
    /// Never: its own certificate can be an anchor.
    #[must_use]
    pub fn trust(&self) -> Trust {
        let mut trust = Trust::none();
        trust.add_anchor(&self.der).expect("an anchor");
        trust
    }

    /// The chain and the PKCS #8 key of an end entity, with parameters that `change` may bend.
    ///
    /// # Panics
    /// If `change` makes them impossible.
    #[must_use]
    pub fn issue(
        &self,
        name: &str,
        kind: KeyKind,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (Vec<u8>, Vec<u8>) {
        let key = KeyPair::generate_for(kind.algorithm()).expect("a key");
        (self.certify(name, &key, change), key.serialize_der())
    }

    /// A certificate for a key that somebody brings along, and whose possession nobody proves.
    ///
    /// # Panics
    /// If `pkcs8` is no private key.
    #[must_use]
    pub fn certify_key(&self, name: &str, pkcs8: &[u8]) -> Vec<u8> {
        self.certify_key_with(name, pkcs8, |_| ())
    }

    /// The same with parameters that `change` may bend.
    ///
    /// # Panics
    /// If `pkcs8` is no private key, or `change` makes the parameters impossible.
    #[must_use]
    pub fn certify_key_with(
        &self,
        name: &str,
        pkcs8: &[u8],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Vec<u8> {
        self.certify(name, &KeyPair::try_from(pkcs8).expect("a key"), change)
    }

    fn certify(&self, name: &str, key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.subject_alt_names = vec![san(name)];
        change(&mut params);
        params.signed_by(key, &self.issuer).expect("a certificate").der().to_vec()
    }

    /// An identity with a certificate of this CA.
    ///
    /// # Panics
    /// If `name` is not one.
    #[must_use]
    pub fn identity(&self, provider: &CryptoProvider, name: &str, kind: KeyKind) -> Identity {
        let (der, key) = self.issue(name, kind, |_| ());
        let certified = CertifiedKey::load(provider, vec![der], &key).expect("a certified key");
        Identity::with_certificate(Name::parse(name).expect("a name"), certified).expect("an identity")
    }

    /// A CRL of this CA that revokes these serial numbers.
    ///
    /// # Panics
    /// If it cannot be signed.
    #[must_use]
    pub fn crl(&self, revoked: &[u64]) -> Vec<u8> {
        let entry = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: rcgen::date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let params = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2026, 1, 1),
            next_update: rcgen::date_time_ymd(2036, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(entry).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).expect("a crl").der().to_vec()
    }
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

#[allow(clippy::expect_used)]
fn san(name: &str) -> SanType {
    let text = name.try_into().expect("an ascii name");
    match (name.contains(':'), name.contains('@')) {
        (true, _) => SanType::URI(text),
        (_, true) => SanType::Rfc822Name(text),
        _ => SanType::DnsName(text),
    }
}
