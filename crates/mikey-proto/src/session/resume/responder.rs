//! The side that issued the ticket.

use std::net::SocketAddr;

use mikey_crypto::{KxSecret, SecretBytes};
use mikey_wire::v2::ResumeReq;
use mikey_wire::{
    CsMap, DataType, Extension, Header, Payload, PayloadType, ResumeTicket, Session, T, Version,
    encode_chain, encode_open, first_type,
};
use zeroize::Zeroizing;

use super::T_RESUME;
use super::initiator::dh;
use crate::auth::Peer;
use crate::error::{DropReason, Error};
use crate::keys::{EarlyKeys, InitSecrets, MessageNonce, Parts, Prk, Role, SessionKeys, l};
use crate::limits::TICKET_LIFETIME;
use crate::session::{Cx, SessionHeader};
use crate::streams::{self, Agreed, ReceivedOffer, SrtpKeys, answer_map};
use crate::ticket::{IssuedTicket, OPAQUE_LEN};

/// A RESUME_REQ that was accepted. Its ticket is to be used up before anything of it is believed.
pub(crate) struct Answered {
    pub(crate) peer: Peer,
    pub(crate) header: SessionHeader,
    pub(crate) keys: SessionKeys,
    pub(crate) agreed: Vec<Agreed>,
    /// Keys of the early media that the initiator sends.
    pub(crate) early: SrtpKeys,
    pub(crate) response: Vec<u8>,
    pub(crate) ticket: [u8; OPAQUE_LEN],
}

/// Answers RESUME_REQ with the key of its ticket.
pub(crate) fn answer(
    cx: &mut Cx<'_>,
    from: SocketAddr,
    request: &ResumeReq<'_>,
    issued: &IssuedTicket,
) -> Result<Answered, DropReason> {
    let choice = issued.terms.choice;
    let provider = &cx.config.provider;
    let prf = provider.prf(choice.prf).ok_or(DropReason::BadTicket)?;
    let suite = provider.suite(choice.suite).ok_or(DropReason::BadTicket)?;
    if request.prf != choice.prf.0 {
        return Err(DropReason::WrongHeader);
    }
    let head = request.head();
    let early = EarlyKeys::derive(prf, suite, request.csb_id, request.rand, &issued.psk, &head);
    let (aad, covered) = (request.aad(), request.maced());
    let parts = Parts { kemac: &request.kemac, aad: &aad, covered: &covered };
    let nonce = MessageNonce { response: false, fragment: 0, t: T_RESUME };
    let plaintext = early.protection().open_parts(Role::Initiator, nonce, &parts);
    let plaintext = plaintext.map_err(|_| DropReason::Unauthenticated)?;
    cx.out.log_keys(Session { spi_i: request.spi_i, spi_r: 0 }, early.protection());
    let policies = request.inner(&plaintext).map_err(|_| DropReason::Malformed)?;
    let canon: [&[u8]; 2] = [&head, &plaintext];
    cx.out.metrics.authenticated += 1;

    let peer = Peer { name: issued.terms.remote.clone(), level: issued.terms.level, certificate: None };
    let finish = || -> Result<Answered, Error> {
        let shared = match &request.dh {
            None => None,
            Some(dh) => {
                let group = provider.group(choice.group).filter(|g| g.id().0 == dh.group);
                let group = group.ok_or(Error::Peer(crate::error::PeerFault::Negotiation("dh group")))?;
                let answer = group.answer(&*provider.random, dh.value);
                Some(answer.map_err(|_| Error::Peer(crate::error::PeerFault::Negotiation("dh value")))?)
            }
        };
        let offer = ReceivedOffer::new(Role::Responder, &request.streams, &policies)?;
        let early = streams::keys(Role::Responder, 0, &offer.early(), &early.tgk(&canon));
        let offer = offer.with_next_mki();
        let answers = cx.config.answer.answer(&peer, &offer.streams).map_err(Error::Mismatch)?;
        let (agreed, numbers) = offer.answer(&answers)?;
        let (rand_r, ticket): ([u8; 32], [u8; OPAQUE_LEN]) = (cx.random()?, cx.random()?);
        let session = Session { spi_i: request.spi_i, spi_r: cx.random_spi()? };
        let header = Header {
            version: Version::V2,
            data_type: DataType::RESUME_RESP,
            v: false,
            prf: choice.prf.0,
            csb_id: request.csb_id,
            cs_map: CsMap::Generic(answer_map(&agreed, &numbers)),
        };
        let mut opening = vec![
            Payload::Ext(Extension::Session(session)),
            Payload::T(T::Counter(T_RESUME)),
            Payload::Rand(&rand_r),
        ];
        opening.extend(shared.as_ref().map(|kx| dh(choice.group.0, &kx.value)));
        let head = encode_open(&header, &opening, PayloadType::KEMAC)?;
        let hash = prf.hash.digest(&canon);
        let lifetime = u32::try_from(TICKET_LIFETIME.as_secs()).ok();
        let mut body = vec![Payload::Ext(Extension::Hash(hash.as_ref()))];
        body.extend(policies.iter().filter(|sp| numbers.contains(&sp.policy_no)).cloned().map(Payload::Sp));
        body.push(Payload::Ext(Extension::ResumeTicket(ResumeTicket { lifetime, opaque: &ticket })));
        let mut plain = Zeroizing::new(vec![first_type(&body, PayloadType::LAST).0]);
        encode_chain(&mut plain, &body, PayloadType::LAST)?;
        let th2 = prf.hash.digest(&[b"MIKEYv2 th2", &l(&canon), canon[0], canon[1], &l(&[&head]), &head]);
        let none = || KxSecret { kem: SecretBytes::empty(), dh: SecretBytes::empty() };
        let secrets = InitSecrets {
            rand_i: request.rand,
            rand_r: &rand_r,
            shared: shared.map_or_else(none, |kx| kx.secret),
            psk: issued.psk.expose(),
        };
        let keys = Prk::extract(prf, request.csb_id, th2, secrets).keys(prf, suite);
        let nonce = MessageNonce { response: true, fragment: 0, t: T_RESUME };
        let response = keys.protection().seal(Role::Responder, nonce, &head, &plain)?;
        let th4 = keys.transcript().th4(&[&head, &plain]);
        let keys = keys.authenticated(th4, None);
        let header = SessionHeader { session, csb_id: request.csb_id, prf: choice.prf.0 };
        Ok(Answered { peer: peer.clone(), header, keys, agreed, early, response, ticket })
    };
    let answered = finish();
    if let Ok(Answered { header, keys, .. }) = &answered {
        cx.out.log_keys(header.session, keys.protection());
    }
    answered.map_err(|why| {
        cx.out.metrics.refused += 1;
        cx.out.event(crate::event::Event::CallerRefused { remote: from, why });
        DropReason::NoCommonGround
    })
}
