//! Certificates and signatures of peers.

use core::time::Duration;

use mikey_crypto::MethodId;
use mikey_wire::{PayloadType, Sign, SignAlg};

use super::error::Error;
use super::policy::{Policy, Profile};
use crate::auth::{AuthLevel, Peer, cert};
use crate::config::EndpointConfig;
use crate::credential::{CertifiedKey, Identity};
use crate::error::{ApiMisuse, CertificateFault};
use crate::name::Name;

/// Our key for signatures, which must be RSA: version 1 has nothing else.
pub(super) fn signing_key(identity: &Identity) -> Result<&CertifiedKey, Error> {
    let key = identity.certified().filter(|key| key.method() == MethodId::RSA_PSS_SHA256);
    key.map(|key| &**key).ok_or(Error::Misuse(ApiMisuse::NoCredential))
}

/// How we sign: old devices know PKCS #1 v1.5 alone.
pub(super) fn algorithm(policy: &Policy) -> SignAlg {
    match policy.profile {
        Profile::Modern => SignAlg::RSA_PSS,
        Profile::Legacy => SignAlg::RSA_PKCS1,
    }
}

/// Who may have signed: a name and the chain that must hold it, end entity first.
pub(super) struct Claimed<'a> {
    pub(super) name: Name,
    pub(super) chain: Vec<&'a [u8]>,
}

/// Verifies chain, name and signature.
pub(super) fn verify(
    config: &EndpointConfig,
    policy: &Policy,
    unix: Option<Duration>,
    claimed: &Claimed<'_>,
    sign: &Sign<'_>,
    octets: &[&[u8]],
) -> Result<Peer, Error> {
    let provider = &config.provider;
    let method = MethodId::RSA_PSS_SHA256;
    let spki = cert::verify(provider, &config.trust, &claimed.chain, unix, &claimed.name, method)?;
    let end_entity = *claimed.chain.first().ok_or(CertificateFault::Missing)?;
    let message = octets.concat();
    match sign.alg {
        SignAlg::RSA_PSS => {
            let scheme = provider.signature(method).ok_or(Error::Bug("a provider without RSA-PSS"))?;
            scheme.verify(spki, &message, sign.signature)?;
        }
        SignAlg::RSA_PKCS1 => {
            let sha256 = (provider.v1.verify_rsa_pkcs1_sha256)(spki, &message, sign.signature);
            if sha256.is_err() && policy.profile == Profile::Legacy {
                (provider.v1.verify_rsa_pkcs1_sha1)(spki, &message, sign.signature)?;
            } else {
                sha256?;
            }
        }
        other => {
            return Err(Error::Algorithm { payload: PayloadType::SIGN, field: "S type", value: other.0 });
        }
    }
    Ok(Peer {
        name: claimed.name.clone(),
        level: AuthLevel::Certificate,
        certificate: Some(end_entity.to_vec()),
    })
}

/// The end entity's key that keys are encrypted to, from a chain that holds `name`.
pub(super) fn encryption_key<'a>(
    config: &EndpointConfig,
    unix: Option<Duration>,
    name: &Name,
    chain: &[&'a [u8]],
) -> Result<&'a [u8], Error> {
    Ok(cert::verify(&config.provider, &config.trust, chain, unix, name, MethodId::RSA_OAEP)?)
}
