//! The responder's part of CCE2 (docs/spec.md, "CCE2: Option 2"): SIGNi, then the envelope, then KEMAC, and V in the answer.
//!
//! Invariant: the private key is used once for a half-open session, after a signature of its initiator has verified, and
//! whether that went well is never seen: what fails is KEMAC.

use mikey_crypto::{MethodId, Prf, SecretBytes};
use mikey_wire::v2::{Cce2Req, Cce2Tail, Opened as OpenedChain, Sealed};
use mikey_wire::{DataType, MacAlg, Payload, Ver, encode};

use super::{HalfOpen, Keys, Shown, Verdict};
use crate::auth::{AuthLevel, Certified, Peer, cce2};
use crate::error::{CertificateFault, Error, PeerFault};
use crate::keys::Role;
use crate::limits::ENVELOPE_KEY;
use crate::negotiate::Choice;
use crate::policy::Exchange;
use crate::session::Cx;
use crate::streams::{ReceivedOffer, answer_map};

impl HalfOpen {
    /// Verifies SIGNi and the certificate that it is by, and opens the envelope if that was not done before: who signed, and
    /// the envelope key.
    // R12.1, R12.2
    pub(super) fn open_envelope<'a>(
        &self,
        cx: &Cx<'_>,
        prf: Prf,
        sealed: &Sealed<'a>,
    ) -> Result<(Option<Certified<'a>>, Option<SecretBytes>), Error> {
        let tail = Cce2Tail::parse(sealed)?.ok_or(PeerFault::AuthFailed)?;
        let certs: Vec<_> = sealed
            .clear
            .iter()
            .filter_map(|item| if let Payload::Cert(cert) = &item.payload { Some(*cert) } else { None })
            .collect();
        let method = MethodId::RSA_PSS_SHA256;
        let signer = cx.check_certificates(&certs, &self.init_name, method, self.signalled.as_deref())?;
        let signer = signer.ok_or(CertificateFault::Missing)?;
        let up_to_signature = sealed.raw.len().checked_sub(tail.sign.signature.len());
        let message = up_to_signature.and_then(|len| sealed.raw.get(..len)).unwrap_or_default();
        let covered = cce2::signed(self.keys.transcript(prf), self.identity.name(), message);
        let scheme = cx.config.provider.signature(method).ok_or(Error::Bug("a method without its scheme"))?;
        scheme.verify(signer.public_key, &covered, tail.sign.signature)?;
        if let Keys::Ready(_) = &self.keys {
            return Ok((Some(signer), None));
        }
        let decryption = self.identity.decryption().ok_or(Error::Bug("a method without its key"))?;
        let substitute = SecretBytes::from(cx.random::<ENVELOPE_KEY>()?.to_vec());
        let ours = cx.config.provider.sha256.digest(&[decryption.end_entity()]);
        // An envelope for another certificate fails like one that is broken.
        let envelope = if ours.as_ref() == tail.chash.hash { tail.pke.data } else { &[] };
        let key = decryption.decryptor().decrypt_or(envelope, substitute);
        Ok((Some(signer), Some(key)))
    }

    /// Reads a CCE2_REQ whose KEMAC has verified, and answers it.
    // R12.4
    pub(super) fn answer_cce2(
        &self,
        cx: &mut Cx<'_>,
        sealed: &Sealed<'_>,
        plaintext: &[u8],
        signer: Option<&Certified<'_>>,
    ) -> Result<Verdict, Error> {
        let keys = self.keys.ready()?;
        let chain = OpenedChain::decode(sealed, plaintext)?;
        let request = Cce2Req::parse(sealed, &chain)?;
        if signer.is_none() && !sealed.after.is_empty() {
            return Err(PeerFault::Negotiation("an envelope beside a psk").into());
        }
        if request.tgk.key.len() != keys.prf().hash_len() {
            return Err(PeerFault::Negotiation("a tgk of another length than the hash").into());
        }
        let peer = Peer {
            name: self.init_name.clone(),
            level: signer.map_or(AuthLevel::Psk, |signer| signer.level),
            certificate: signer.map(|signer| signer.end_entity.to_vec()),
        };
        let offer = ReceivedOffer::new(Role::Responder, &request.streams, &request.policies)?;
        let answers = cx.config.answer.answer(&peer, &offer.streams).map_err(Error::Mismatch)?;
        let (agreed, numbers) = offer.answer(&answers)?;
        let outline = self.outline(DataType::CCE2_RESP, answer_map(&agreed, &numbers));
        let [session, t] = outline.opening();
        let auth_alg = match keys.prf().hash_len() {
            32 => MacAlg::HMAC_SHA_256_256,
            _ => MacAlg::HMAC_SHA_384_384,
        };
        let zeros = vec![0; keys.prf().hash_len()];
        let v = Payload::V(Ver { auth_alg, data: &zeros });
        let mut response =
            encode(&outline.header, &[session, t, Payload::Id(self.identity.name().as_wire()), v])?;
        drop(outline);
        response.truncate(response.len().saturating_sub(zeros.len()));
        let ver = cce2::ver(keys, sealed.raw, &response, &self.init_name);
        response.extend_from_slice(ver.expose());
        let th4 = keys.transcript().th3(&[sealed.raw]).th4(&[&response]);
        let sent = Some(SecretBytes::copy_from(request.tgk.key));
        let shown = Shown { peer, agreed, th4, sas: None, ticket: None, sent };
        Ok(Verdict::Answered(Box::new(shown), vec![response]))
    }
}

/// What the exchange that was chosen begins with.
pub(super) fn request_type(choice: &Choice) -> DataType {
    match choice.exchange {
        Exchange::Cce => DataType::CCE_REQ,
        Exchange::Cce2Psk | Exchange::Cce2Rsa => DataType::CCE2_REQ,
    }
}
