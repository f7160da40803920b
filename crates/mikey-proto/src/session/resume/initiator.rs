//! The side that has a ticket.

use std::net::SocketAddr;

use mikey_crypto::{KxInitiator, KxSecret, SecretBytes};
use mikey_wire::v2::{ErrorMsg, Peek, ResumeResp};
use mikey_wire::{
    CsMap, DataType, Dh, ErrorNo, Extension, Header, Kv, Payload, PayloadType, ResumeTicket, Session, T,
    Version, encode_chain, encode_open, first_type,
};
use zeroize::Zeroizing;

use super::T_RESUME;
use crate::auth::Peer;
use crate::config::Call;
use crate::error::{ApiMisuse, DropReason, Error};
use crate::event::{CallId, SessionId};
use crate::keys::{EarlyKeys, InitSecrets, MessageNonce, Parts, Prk, Role, SessionKeys, l};
use crate::limits::{MAX_COOKIES, MAX_INIT, MAX_WAITING};
use crate::session::exchange::{Due, Outstanding};
use crate::session::message::Composed;
use crate::session::{Cx, SessionHeader};
use crate::streams::{self, Agreed, Offer, SrtpKeys};
use crate::ticket::Ticket;
use crate::time::Time;

/// A RESUME_REQ on its way.
pub(crate) struct Resuming {
    pub(crate) id: CallId,
    /// The session that it will be: its early media is sent already.
    pub(crate) session: SessionId,
    pub(crate) to: SocketAddr,
    spi_i: u64,
    csb_id: u32,
    rand_i: [u8; 32],
    ticket: Ticket,
    kx: Option<Box<dyn KxInitiator>>,
    offer: Offer,
    composed: Composed,
    sealed: Vec<u8>,
    outstanding: Outstanding,
    cookies: u8,
    /// Answers whose keys were computed.
    tried: usize,
    /// Whether somebody said that the ticket is refused. It may not be so.
    pub(crate) refused: bool,
}

/// What RESUME_RESP showed.
pub(crate) struct Resumed {
    pub(crate) peer: Peer,
    pub(crate) header: SessionHeader,
    pub(crate) keys: SessionKeys,
    pub(crate) agreed: Vec<Agreed>,
    /// Lifetime in seconds and opaque octets of a new ticket.
    pub(crate) ticket: Option<(u32, Vec<u8>)>,
}

impl Resuming {
    /// Sends RESUME_REQ. Returns the keys of early media.
    pub(crate) fn start(
        cx: &mut Cx<'_>,
        id: CallId,
        session: SessionId,
        to: SocketAddr,
        call: &Call,
        ticket: Ticket,
    ) -> Result<(Self, SrtpKeys), Error> {
        if ticket.expires <= cx.now || call.streams.iter().any(|s| s.policies.len() != 1) {
            return Err(ApiMisuse::Ticket.into());
        }
        let provider = &cx.config.provider;
        let choice = ticket.terms.choice;
        let bug = Error::Bug("a ticket of another provider");
        let prf = provider.prf(choice.prf).ok_or(bug.clone())?;
        let suite = provider.suite(choice.suite).ok_or(bug.clone())?;
        let kx = match cx.config.resume_with_dh {
            true => Some(provider.group(choice.group).ok_or(bug)?.start(&*provider.random)?),
            false => None,
        };
        let (spi_i, csb_id, rand_i) = (cx.random_spi()?, cx.random_csb_id()?, cx.random()?);
        let offer = Offer::new(&call.streams, Some(cx.random()?))?.for_resume();
        let header = Header {
            version: Version::V2,
            data_type: DataType::RESUME_REQ,
            v: true,
            prf: choice.prf.0,
            csb_id,
            cs_map: CsMap::Generic(offer.map()),
        };
        let opaque = ResumeTicket { lifetime: None, opaque: &ticket.opaque };
        let mut opening = vec![
            Payload::Ext(Extension::Session(Session { spi_i, spi_r: 0 })),
            Payload::T(T::Counter(T_RESUME)),
            Payload::Rand(&rand_i),
            Payload::Ext(Extension::ResumeTicket(opaque)),
        ];
        opening.extend(kx.as_ref().map(|kx| dh(choice.group.0, kx.value())));
        let head = encode_open(&header, &opening, PayloadType::KEMAC)?;
        let octets = offer.policies();
        let body: Vec<_> = (0..).zip(&octets).map(|(number, sp)| Payload::Sp(sp.sp(number))).collect();
        let mut plaintext = Zeroizing::new(vec![first_type(&body, PayloadType::LAST).0]);
        encode_chain(&mut plaintext, &body, PayloadType::LAST)?;
        let early = EarlyKeys::derive(prf, suite, csb_id, &rand_i, &ticket.psk, &head);
        cx.out.log_keys(Session { spi_i, spi_r: 0 }, early.protection());
        let nonce = MessageNonce { response: false, fragment: 0, t: T_RESUME };
        let sealed = early.protection().seal(Role::Initiator, nonce, &head, &plaintext)?;
        if sealed.len() > MAX_INIT {
            return Err(ApiMisuse::TooLong.into());
        }
        let composed = Composed { head, plaintext };
        let keys = streams::keys(Role::Initiator, 0, &offer.early(), &early.tgk(&composed.canon()));
        drop((opening, body, header));
        let outstanding = Outstanding::new(cx.now, cx.config.request_lifetime, vec![sealed.clone()]);
        cx.out.send(to, &outstanding.datagrams);
        let resuming = Self {
            id,
            session,
            to,
            spi_i,
            csb_id,
            rand_i,
            ticket,
            kx,
            offer,
            composed,
            sealed,
            outstanding,
            cookies: 0,
            tried: 0,
            refused: false,
        };
        Ok((resuming, keys))
    }

    pub(crate) fn spi_i(&self) -> u64 {
        self.spi_i
    }

    pub(crate) fn wake(&self) -> Option<Time> {
        self.outstanding.wake()
    }

    /// Whether it goes on.
    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> bool {
        match self.outstanding.due(cx.now) {
            Due::Nothing => true,
            Due::Resend => {
                cx.out.metrics.retransmissions += 1;
                cx.out.send(self.to, &self.outstanding.datagrams);
                true
            }
            Due::GiveUp => false,
        }
    }

    /// Handles an unprotected ERROR: a cookie, or the hint that the ticket is refused.
    pub(crate) fn handle_error(&mut self, cx: &mut Cx<'_>, raw: &[u8]) -> Result<(), DropReason> {
        let error = ErrorMsg::decode(raw).map_err(|_| DropReason::Malformed)?;
        if error.csb_id != self.csb_id {
            return Err(DropReason::BadError);
        }
        match (error.error, error.cookie) {
            (ErrorNo::COOKIE_REQUIRED, Some(cookie)) if self.cookies < MAX_COOKIES => {
                self.cookies += 1;
                // The first message plus COOKIE: never sealed again.
                let with_cookie = insert_cookie(&self.sealed, cookie).ok_or(DropReason::BadError)?;
                self.outstanding.replace(vec![with_cookie]);
                cx.out.send(self.to, &self.outstanding.datagrams);
                Ok(())
            }
            (ErrorNo::INVALID_TICKET, None) => {
                self.refused = true;
                Ok(())
            }
            _ => Err(DropReason::BadError),
        }
    }

    /// Handles RESUME_RESP. A failure changes nothing: the true one may still come.
    // R13.3
    pub(crate) fn handle_response(
        &mut self,
        cx: &mut Cx<'_>,
        peek: &Peek,
        raw: &[u8],
    ) -> Result<Resumed, DropReason> {
        let choice = self.ticket.terms.choice;
        if peek.csb_id != self.csb_id || peek.prf != choice.prf.0 {
            return Err(DropReason::WrongHeader);
        }
        let response = ResumeResp::decode(raw).map_err(|_| DropReason::Malformed)?;
        if response.t != T_RESUME {
            return Err(DropReason::Replayed);
        }
        if self.tried >= MAX_WAITING {
            return Err(DropReason::Full);
        }
        self.tried += 1;
        let shared = match (&self.kx, &response.dh) {
            (None, None) => KxSecret { kem: SecretBytes::empty(), dh: SecretBytes::empty() },
            (Some(kx), Some(dh)) if dh.group == choice.group.0 => {
                kx.agree(dh.value).map_err(|_| DropReason::BadKeyExchange)?
            }
            // Who sent a value refuses an answer without one.
            _ => return Err(DropReason::BadAnswer),
        };
        let provider = &cx.config.provider;
        let prf = provider.prf(choice.prf).ok_or(DropReason::BadAnswer)?;
        let suite = provider.suite(choice.suite).ok_or(DropReason::BadAnswer)?;
        let canon = self.composed.canon();
        let th2 = prf.hash.digest(&[
            b"MIKEYv2 th2",
            &l(&canon),
            &self.composed.head,
            &self.composed.plaintext,
            &l(&[response.before_kemac]),
            response.before_kemac,
        ]);
        let secrets = InitSecrets {
            rand_i: &self.rand_i,
            rand_r: response.rand,
            shared,
            psk: self.ticket.psk.expose(),
        };
        let keys = Prk::extract(prf, self.csb_id, th2, secrets).keys(prf, suite);
        let parts = Parts { kemac: &response.kemac, aad: response.aad(), covered: response.maced() };
        let nonce = MessageNonce { response: true, fragment: 0, t: T_RESUME };
        let plaintext = keys.protection().open_parts(Role::Responder, nonce, &parts);
        let plaintext = plaintext.map_err(|_| DropReason::Unauthenticated)?;
        cx.out.log_keys(response.session, keys.protection());
        let inner = response.inner(&plaintext).map_err(|_| DropReason::Malformed)?;
        if inner.hash != prf.hash.digest(&canon).as_ref() {
            return Err(DropReason::BadAnswer);
        }
        let agreed = self.offer.check_answer(&response.streams, &inner.policies);
        let agreed = agreed.map_err(|_| DropReason::BadAnswer)?;
        let th4 = keys.transcript().th4(&[response.before_kemac, &plaintext]);
        let terms = &self.ticket.terms;
        Ok(Resumed {
            peer: Peer { name: terms.remote.clone(), level: terms.level, certificate: None },
            header: SessionHeader { session: response.session, csb_id: self.csb_id, prf: choice.prf.0 },
            ticket: inner.ticket.and_then(|t| Some((t.lifetime?, t.opaque.to_vec()))),
            keys: keys.authenticated(th4, None),
            agreed,
        })
    }

    /// The terms that the resumed session takes over.
    pub(crate) fn terms(&self) -> &crate::ticket::Terms {
        &self.ticket.terms
    }
}

pub(super) fn dh(group: u8, value: &[u8]) -> Payload<'_> {
    Payload::Dh(Dh { group, value, kv: Kv::Null })
}

/// Puts COOKIE between HDR and SESSION. HDR's octets but for next payload stay, and so do all others.
fn insert_cookie(message: &[u8], cookie: &[u8]) -> Option<Vec<u8>> {
    let decoded = mikey_wire::Message::decode(message).ok()?;
    let session_at = decoded.items.first()?.start;
    let mut out =
        encode_open(&decoded.header, &[Payload::Ext(Extension::Cookie(cookie))], PayloadType::EXT).ok()?;
    out.extend_from_slice(message.get(session_at..)?);
    Some(out)
}
