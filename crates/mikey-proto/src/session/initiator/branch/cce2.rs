//! The initiator's part of CCE2 (docs/spec.md, "CCE2: Option 2"): a TGK under keys that a PSK or an envelope is mixed into, and V.

use mikey_crypto::{MethodId, SecretBytes};
use mikey_wire::v2::{Cce2Resp, InitResp};
use mikey_wire::{
    Chash, CsMap, DataType, HashFunc, Header, KeyData, KeyType, Kv, Payload, PayloadType, Pke, PkeCache,
    Sign, SignAlg, Version, encode_chain, encode_open,
};
use zeroize::Zeroizing;

use super::{Branch, Shared, Shown, T_CCE};
use crate::auth::{AuthLevel, Certified, Peer, cce2, cert};
use crate::config::Signalled;
use crate::error::{CertificateFault, DropReason, Error, Fault, PeerFault};
use crate::keys::{InitKeys, MessageNonce, Role, Transcript};
use crate::limits::ENVELOPE_KEY;
use crate::name::Name;
use crate::session::message::Outline;
use crate::session::{Cx, SessionHeader, own_certificates};

/// What a CCE2_REQ leaves behind.
pub(super) struct Sent {
    pub(super) tgk: SecretBytes,
    /// Who is at the other end, if it can make V.
    peer: Peer,
}

/// A CCE2_REQ and its keys.
pub(super) struct Request {
    pub(super) datagram: Vec<u8>,
    pub(super) keys: InitKeys,
    pub(super) th3: Transcript,
    pub(super) sent: Box<Sent>,
}

/// CCE2_REQ under keys that a pre-shared key is mixed into.
pub(super) fn by_psk(
    cx: &Cx<'_>,
    shared: &Shared,
    keys: InitKeys,
    header: &SessionHeader,
    peer: &Name,
) -> Result<Request, Error> {
    let tgk = new_tgk(cx, &keys)?;
    let datagram = compose(cx, shared, &keys, header, &tgk, PayloadType::LAST)?;
    let peer = Peer { name: peer.clone(), level: AuthLevel::Psk, certificate: None };
    Ok(finish(datagram, keys, tgk, peer))
}

/// CCE2_REQ with an envelope for the certificate in INIT_RESP, signed. `derive` mixes the envelope key into the keys.
// R12.3
pub(super) fn by_rsa(
    cx: &Cx<'_>,
    shared: &Shared,
    derive: impl FnOnce(&SecretBytes) -> InitKeys,
    header: &SessionHeader,
    peer: &Name,
    answer: &InitResp<'_>,
    signalled: Option<&Signalled>,
) -> Result<Request, Error> {
    let provider = &cx.config.provider;
    let method = MethodId::RSA_OAEP;
    let certified = cx.check_certificates(&answer.certs, peer, method, signalled)?;
    let Certified { end_entity, public_key, level } = certified.ok_or(CertificateFault::Missing)?;
    let mut envelope_key = SecretBytes::zeroed(ENVELOPE_KEY);
    provider.random.fill(envelope_key.expose_mut())?;
    let envelope = provider.rsa_oaep.encrypt(&*provider.random, public_key, envelope_key.expose())?;
    let keys = derive(&envelope_key);
    let tgk = new_tgk(cx, &keys)?;
    let mut message = compose(cx, shared, &keys, header, &tgk, PayloadType::CHASH)?;
    let certificate = provider.sha256.digest(&[end_entity]);
    let bug = Error::Bug("a method without its key");
    let key = shared.identity.certified().filter(|key| key.method() == MethodId::RSA_PSS_SHA256);
    let key = key.ok_or(bug)?;
    let zeros = vec![0; cert::modulus_len(key.end_entity())?];
    let tail = [
        Payload::Chash(Chash { func: HashFunc::SHA_256, hash: certificate.as_ref() }),
        Payload::Pke(Pke { cache: PkeCache::NO_CACHE, data: &envelope }),
        Payload::Sign(Sign { alg: SignAlg::RSA_PSS, signature: &zeros }),
    ];
    encode_chain(&mut message, &tail, PayloadType::LAST)?;
    message.truncate(message.len().saturating_sub(zeros.len()));
    let covered = cce2::signed(keys.transcript(), peer, &message);
    let signature = key.signer().sign(&*provider.random, &covered)?;
    if signature.len() != zeros.len() {
        return Err(Error::Bug("a signature of another length than the modulus"));
    }
    message.extend_from_slice(&signature);
    let peer = Peer { name: peer.clone(), level, certificate: Some(end_entity.to_vec()) };
    Ok(finish(message, keys, tgk, peer))
}

fn new_tgk(cx: &Cx<'_>, keys: &InitKeys) -> Result<SecretBytes, Error> {
    let mut tgk = SecretBytes::zeroed(keys.prf().hash_len());
    cx.config.provider.random.fill(tgk.expose_mut())?;
    Ok(tgk)
}

/// The message up to KEMAC, behind which a payload of type `next` will stand.
fn compose(
    cx: &Cx<'_>,
    shared: &Shared,
    keys: &InitKeys,
    header: &SessionHeader,
    tgk: &SecretBytes,
    next: PayloadType,
) -> Result<Vec<u8>, Error> {
    let outline = Outline {
        header: Header {
            version: Version::V2,
            data_type: DataType::CCE2_REQ,
            v: true,
            prf: header.prf,
            csb_id: header.csb_id,
            cs_map: CsMap::Generic(shared.offer.map()),
        },
        session: header.session,
        t: T_CCE,
        confidential: false,
    };
    let rand: [u8; 32] = cx.random()?;
    let octets = shared.offer.policies();
    let mut payloads = outline.opening().to_vec();
    payloads.push(Payload::Rand(&rand));
    if next != PayloadType::LAST {
        let (certs, _) = own_certificates(&shared.identity, MethodId::RSA_PSS_SHA256);
        payloads.extend(certs.into_iter().map(Payload::Cert));
    }
    payloads.extend((0..).zip(&octets).map(|(number, sp)| Payload::Sp(sp.sp(number))));
    let head = encode_open(&outline.header, &payloads, PayloadType::KEMAC)?;
    let mut plaintext = Zeroizing::new(vec![PayloadType::KEY_DATA.0]);
    let key = KeyData { ty: KeyType::TGK, key: tgk.expose(), salt: None, kv: Kv::Null };
    encode_chain(&mut plaintext, &[Payload::KeyData(key)], PayloadType::LAST)?;
    let nonce = MessageNonce { response: false, fragment: 0, t: T_CCE };
    keys.protection().seal_before(next, Role::Initiator, nonce, &head, &plaintext)
}

fn finish(datagram: Vec<u8>, keys: InitKeys, tgk: SecretBytes, peer: Peer) -> Request {
    let th3 = keys.transcript().th3(&[&datagram]);
    Request { datagram, keys, th3, sent: Box::new(Sent { tgk, peer }) }
}

impl Branch {
    /// Handles CCE2_RESP. Until V has verified, anyone may have sent it.
    // R12.4
    pub(super) fn verify_cce2(&self, shared: &Shared, sent: &Sent, raw: &[u8]) -> Result<Shown, Fault> {
        let response = Cce2Resp::decode(raw).map_err(|_| DropReason::Malformed)?;
        if response.t != T_CCE {
            return Err(DropReason::Replayed.into());
        }
        let [request] = self.outstanding.datagrams.as_slice() else {
            return Err(Error::Bug("a CCE2_REQ in parts").into());
        };
        let covered = raw.get(..response.ver_data_start).unwrap_or_default();
        let ver = cce2::ver(&self.keys, request, covered, shared.identity.name());
        if !mikey_crypto::ct_eq(ver.expose(), response.ver.data) {
            return Err(DropReason::Unauthenticated.into());
        }
        if Name::from_wire(&response.id_r) != self.peer_name {
            return Err(PeerFault::Name.into());
        }
        let agreed = shared.offer.check_map(&response.streams)?;
        let th4 = self.th3.th4(&[raw]);
        Ok(Shown { peer: sent.peer.clone(), agreed, th4, ticket: None, joined: None, sas: None })
    }
}
