//! AUTH: what it covers, how it is made, how it is verified (docs/spec.md, "AUTH").
//!
//! Both names, both offers, nonces and DH values are under both AUTHs; the responder's also covers M3.

pub(crate) mod cce2;
pub(crate) mod cert;

use mikey_crypto::{CryptoProvider, MethodId, SecretBytes};

use crate::credential::CertifiedKey;
use crate::error::{CertificateFault, Error, PeerFault};
use crate::keys::{InitKeys, Role, Transcript, l};
use crate::name::Name;

/// How well a peer is known. An application must look at it: they are not equal.
// R6.8
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthLevel {
    /// Not at all.
    None,
    /// The certificate is the one whose fingerprint the signalling named: as good as the signalling is.
    Fingerprint,
    /// A SAS that nobody has compared yet: anyone may be there.
    SasUnverified,
    /// A SAS that both people have compared.
    SasVerified,
    /// Knows the pre-shared key of the two names.
    Psk,
    /// A certificate chain leads from its name to a trust anchor, or its certificate is pinned to its name.
    Certificate,
}

/// Who is at the other end, and how that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The name that is under AUTH.
    pub name: Name,
    /// How it was authenticated.
    pub level: AuthLevel,
    /// Its end-entity certificate in DER, if it sent one.
    pub certificate: Option<Vec<u8>>,
}

/// A certificate that was found good for a name, before its AUTH has verified.
pub(crate) struct Certified<'a> {
    pub(crate) end_entity: &'a [u8],
    /// Its DER SubjectPublicKeyInfo.
    pub(crate) public_key: &'a [u8],
    /// What an AUTH by its key will show.
    pub(crate) level: AuthLevel,
}

/// Proof that AUTH of a peer has verified. Only [`verify`] makes one.
pub(crate) struct PeerAuthenticated {
    pub(crate) peer: Peer,
}

/// The octets that AUTH covers, but for the label.
pub(crate) struct Covered<'a> {
    pub(crate) keys: &'a InitKeys,
    /// Whose AUTH it is.
    pub(crate) sender: Role,
    /// th2 for the initiator, th3 for the responder.
    pub(crate) transcript: Transcript,
    /// The message up to AUTH, in parts.
    pub(crate) message: &'a [&'a [u8]],
    /// The true name of the sender.
    pub(crate) name: &'a Name,
    /// The other name; in the initiator's AUTH, IDr of INIT_RESP.
    pub(crate) peer: &'a Name,
    /// Certificate, PSK identity, or nothing.
    pub(crate) credential: &'a [u8],
}

impl Covered<'_> {
    fn octets(&self) -> Vec<u8> {
        let (label, id_label): (&[u8], &[u8]) = match self.sender {
            Role::Initiator => (b"MIKEYv2, initiator AUTH", b"IDi"),
            Role::Responder => (b"MIKEYv2, responder AUTH", b"IDr"),
        };
        let hash = self.keys.prf().hash;
        let name = id_octets(self.name);
        let peer = id_octets(self.peer);
        let identity = hash.hmac(
            self.keys.identity(self.sender).expose(),
            &[id_label, &l(&[&name]), &name, &l(&[&peer]), &peer, &l(&[self.credential]), self.credential],
        );
        let mut octets = vec![0x20; 64];
        octets.extend_from_slice(label);
        octets.push(0);
        octets.extend_from_slice(self.transcript.hash());
        octets.extend_from_slice(hash.digest(self.message).as_ref());
        octets.extend_from_slice(identity.expose());
        octets
    }

    fn mac(&self) -> SecretBytes {
        let key = self.keys.auth_by_secret(self.sender);
        self.keys.prf().hash.hmac(key.expose(), &[&self.octets()])
    }
}

/// An ID as it is hashed: its type octet and its data.
pub(crate) fn id_octets(name: &Name) -> Vec<u8> {
    let mut octets = vec![name.id_type()];
    octets.extend_from_slice(name.data());
    octets
}

/// Makes the data of an AUTH payload.
pub(crate) fn prove(
    provider: &CryptoProvider,
    method: MethodId,
    key: Option<&CertifiedKey>,
    covered: &Covered<'_>,
) -> Result<Vec<u8>, Error> {
    match method {
        MethodId::PSK | MethodId::SAS => Ok(covered.mac().expose().to_vec()),
        method => {
            let key = key.filter(|k| k.method() == method).ok_or(Error::Bug("a method without its key"))?;
            Ok(key.signer().sign(&*provider.random, &covered.octets())?)
        }
    }
}

/// Verifies the data of an AUTH payload made with the negotiated `method`. For a signature `certified` is the end entity
/// that was found good for the name.
// R9.1
pub(crate) fn verify(
    provider: &CryptoProvider,
    method: MethodId,
    certified: Option<&Certified<'_>>,
    covered: &Covered<'_>,
    data: &[u8],
) -> Result<PeerAuthenticated, Error> {
    let level = match method {
        MethodId::PSK | MethodId::SAS => {
            if !mikey_crypto::ct_eq(covered.mac().expose(), data) {
                return Err(PeerFault::AuthFailed.into());
            }
            if method == MethodId::PSK { AuthLevel::Psk } else { AuthLevel::SasUnverified }
        }
        method => {
            let certified = certified.ok_or(CertificateFault::Missing)?;
            let scheme = provider.signature(method).ok_or(Error::Bug("a method without its scheme"))?;
            scheme.verify(certified.public_key, &covered.octets(), data)?;
            certified.level
        }
    };
    let peer =
        Peer { name: covered.name.clone(), level, certificate: certified.map(|c| c.end_entity.to_vec()) };
    Ok(PeerAuthenticated { peer })
}
