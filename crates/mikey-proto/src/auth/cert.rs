//! Certificates of peers: the chain to an anchor, then the name, then the use of the key (docs/spec.md, "Certificates").
//!
//! Nothing of a certificate is believed before its chain has verified, and no name of it before AUTH has.

use core::ops::Range;
use core::time::Duration;

use mikey_crypto::{CryptoProvider, MethodId};
use mikey_wire::IdType;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::{
    EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeId, KeyPurposeIdIter, RevocationOptionsBuilder,
};
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::credential::Trust;
use crate::error::CertificateFault;
use crate::limits::MAX_CHAIN;
use crate::name::Name;

/// Verifies a chain, end entity first, at `now`, and that it belongs to `name` and to a key that `method` can use. Of a name
/// to which certificates are pinned, only whether the end entity is one of them and what its key can do is looked at.
/// Returns the DER SubjectPublicKeyInfo of the end entity.
pub(crate) fn verify<'c>(
    provider: &CryptoProvider,
    trust: &Trust,
    chain: &[&'c [u8]],
    now: Option<Duration>,
    name: &Name,
    method: MethodId,
) -> Result<&'c [u8], CertificateFault> {
    let [first, issuers @ ..] = chain else { return Err(CertificateFault::Missing) };
    if chain.len() > MAX_CHAIN {
        return Err(CertificateFault::Malformed);
    }
    if let Some(pins) = trust.pinned(name) {
        let pin = pins.iter().find(|pin| pin.der == *first).ok_or(CertificateFault::NotPinned)?;
        pin.use_of_key.fits(method)?;
        return first.get(pin.spki.clone()).ok_or(CertificateFault::Malformed);
    }
    let der = CertificateDer::from(*first);
    let leaf = EndEntityCert::try_from(&der).map_err(fault)?;
    let issuers: Vec<_> = issuers.iter().map(|c| CertificateDer::from(*c)).collect();
    // Without a wall clock no certificate can be judged: refuse rather than guess.
    let now = UnixTime::since_unix_epoch(now.ok_or(CertificateFault::NotYetValid)?);
    let crls: Vec<_> = trust.crls.iter().collect();
    let revocation = if crls.is_empty() {
        None
    } else {
        let options = RevocationOptionsBuilder::new(&crls).map_err(|_| CertificateFault::Malformed)?;
        Some(options.with_expiration_policy(webpki::ExpirationPolicy::Enforce).build())
    };
    let algorithms = provider.certificate_algorithms;
    leaf.verify_for_usage(algorithms, &trust.anchors, &issuers, now, CallUsage, revocation, None)
        .map_err(fault)?;
    let certificate = parse(first)?;
    holds_name(&certificate, name)?;
    UseOfKey::of(&certificate)?.fits(method)?;
    Ok(certificate.tbs_certificate.subject_pki.raw)
}

/// A certificate that was pinned, with what is looked at of it in every handshake.
pub(crate) struct Pin {
    der: Vec<u8>,
    /// Where the SubjectPublicKeyInfo stands in it.
    spki: Range<usize>,
    use_of_key: UseOfKey,
}

impl Pin {
    pub(crate) fn new(der: &[u8]) -> Result<Self, CertificateFault> {
        let certificate = parse(der)?;
        let spki = certificate.tbs_certificate.subject_pki.raw;
        let at = der.windows(spki.len().max(1)).position(|window| window == spki);
        let at = at.ok_or(CertificateFault::Malformed)?;
        let use_of_key = UseOfKey::of(&certificate)?;
        Ok(Self { der: der.to_vec(), spki: at..at + spki.len(), use_of_key })
    }
}

/// The DER SubjectPublicKeyInfo of a certificate.
pub(crate) fn public_key(certificate: &[u8]) -> Result<&[u8], CertificateFault> {
    Ok(parse(certificate)?.tbs_certificate.subject_pki.raw)
}

/// Octets of the modulus of a certificate's RSA key: the length of every signature that it makes.
pub(crate) fn modulus_len(certificate: &[u8]) -> Result<usize, CertificateFault> {
    let certificate = parse(certificate)?;
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Ok(key.modulus.iter().skip_while(|octet| **octet == 0).count()),
        _ => Err(CertificateFault::KeyKind),
    }
}

/// Checks that a subject alternative name is `name`. The common name is never looked at.
pub(crate) fn check_name(certificate: &[u8], name: &Name) -> Result<(), CertificateFault> {
    holds_name(&parse(certificate)?, name)
}

// R9.14
fn holds_name(certificate: &X509Certificate<'_>, name: &Name) -> Result<(), CertificateFault> {
    let names = certificate.subject_alternative_name().map_err(|_| CertificateFault::Malformed)?;
    let names = names.map_or(&[][..], |extension| &extension.value.general_names);
    names.iter().any(|san| is_name(san, name)).then_some(()).ok_or(CertificateFault::Name)
}

fn is_name(san: &GeneralName<'_>, name: &Name) -> bool {
    let same = |text: &str| Name::parse(text).is_ok_and(|san| san == *name);
    match (IdType(name.id_type()), san) {
        (IdType::URI, GeneralName::URI(uri)) => same(uri),
        // RFC 5922 section 7.1: a domain certificate speaks for sip:domain, and never for a user in it.
        (IdType::URI, GeneralName::DNSName(host)) => is_host(host) && same(&format!("sip:{host}")),
        (IdType::NAI, GeneralName::RFC822Name(address)) => same(address),
        _ => false,
    }
}

/// A host name and nothing else: no wildcard, no user, no port.
fn is_host(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// The key of the end entity must be able to do what is negotiated, and be allowed to. Returns the DER SubjectPublicKeyInfo.
pub(crate) fn check_key(certificate: &[u8], method: MethodId) -> Result<&[u8], CertificateFault> {
    let certificate = parse(certificate)?;
    UseOfKey::of(&certificate)?.fits(method)?;
    Ok(certificate.tbs_certificate.subject_pki.raw)
}

/// What a certificate's key can do, and may be used for.
struct UseOfKey {
    algorithm: Option<Algorithm>,
    /// Its key usage may be missing.
    usage: Option<Usage>,
}

#[derive(PartialEq)]
enum Algorithm {
    Ed25519,
    P256,
    P384,
    Rsa,
}

struct Usage {
    /// Digital signatures.
    signs: bool,
    /// Key encipherment and nothing that signs.
    deciphers_only: bool,
}

impl UseOfKey {
    fn of(certificate: &X509Certificate<'_>) -> Result<Self, CertificateFault> {
        let usage = certificate.key_usage().map_err(|_| CertificateFault::Malformed)?;
        let usage = usage.map(|usage| usage.value).map(|u| {
            let signs = u.digital_signature() || u.non_repudiation() || u.key_cert_sign() || u.crl_sign();
            Usage { signs: u.digital_signature(), deciphers_only: u.key_encipherment() && !signs }
        });
        let algorithm = &certificate.tbs_certificate.subject_pki.algorithm;
        let curve = || algorithm.parameters.as_ref().and_then(|p| Oid::try_from(p.clone()).ok());
        let algorithm = match &algorithm.algorithm {
            oid if *oid == ED25519 => Some(Algorithm::Ed25519),
            oid if *oid == RSA => Some(Algorithm::Rsa),
            oid if *oid == EC && curve() == Some(P256) => Some(Algorithm::P256),
            oid if *oid == EC && curve() == Some(P384) => Some(Algorithm::P384),
            _ => None,
        };
        Ok(Self { algorithm, usage })
    }

    // R9.1
    fn fits(&self, method: MethodId) -> Result<(), CertificateFault> {
        let allowed = match method {
            // One key, one use: what may sign as well is refused, and without a key usage it may.
            MethodId::RSA_OAEP => self.usage.as_ref().is_some_and(|usage| usage.deciphers_only),
            _ => self.usage.as_ref().is_none_or(|usage| usage.signs),
        };
        if !allowed {
            return Err(CertificateFault::Usage);
        }
        let needed = match method {
            MethodId::ED25519 => Algorithm::Ed25519,
            MethodId::ECDSA_P256_SHA256 => Algorithm::P256,
            MethodId::ECDSA_P384_SHA384 => Algorithm::P384,
            MethodId::RSA_PSS_SHA256 | MethodId::RSA_OAEP => Algorithm::Rsa,
            _ => return Err(CertificateFault::KeyKind),
        };
        (self.algorithm == Some(needed)).then_some(()).ok_or(CertificateFault::KeyKind)
    }
}

const ED25519: Oid<'static> = x509_parser::der_parser::oid!(1.3.101.112);
const EC: Oid<'static> = x509_parser::der_parser::oid!(1.2.840.10045.2.1);
const P256: Oid<'static> = x509_parser::der_parser::oid!(1.2.840.10045.3.1.7);
const P384: Oid<'static> = x509_parser::der_parser::oid!(1.3.132.0.34);
const RSA: Oid<'static> = x509_parser::der_parser::oid!(1.2.840.113549.1.1.1);

fn parse(certificate: &[u8]) -> Result<X509Certificate<'_>, CertificateFault> {
    match X509Certificate::from_der(certificate) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateFault::Malformed),
    }
}

/// An extended key usage that is present must allow one of: any use, TLS client or server (certificates that SIP devices
/// have), or a SIP domain (RFC 5924).
struct CallUsage;

const USES: [KeyPurposeId<'static>; 4] = [
    KeyPurposeId::new(&[0x55, 0x1D, 0x25, 0x00]),
    KeyPurposeId::new(&[0x2B, 6, 1, 5, 5, 7, 3, 1]),
    KeyPurposeId::new(&[0x2B, 6, 1, 5, 5, 7, 3, 2]),
    KeyPurposeId::new(&[0x2B, 6, 1, 5, 5, 7, 3, 20]),
];

impl ExtendedKeyUsageValidator for CallUsage {
    fn validate(&self, present: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
        let mut none = true;
        for id in present {
            none = false;
            if USES.contains(&id?) {
                return Ok(());
            }
        }
        if none { Ok(()) } else { Err(webpki::Error::EmptyEkuExtension) }
    }
}

fn fault(e: webpki::Error) -> CertificateFault {
    use webpki::Error as E;
    match e {
        E::CertExpired { .. } => CertificateFault::Expired,
        E::CertNotValidYet { .. } => CertificateFault::NotYetValid,
        E::CertRevoked => CertificateFault::Revoked,
        E::EmptyEkuExtension | E::EndEntityUsedAsCa | E::CaUsedAsEndEntity => CertificateFault::Usage,
        // Two CAs may have one name: then a list of the other one is found, and does not verify.
        E::UnknownRevocationStatus | E::InvalidCrlSignatureForPublicKey => {
            CertificateFault::RevocationUnknown
        }
        E::CrlExpired { .. } => CertificateFault::CrlExpired,
        E::UnknownIssuer | E::InvalidSignatureForPublicKey => CertificateFault::UnknownIssuer,
        _ => CertificateFault::Malformed,
    }
}
