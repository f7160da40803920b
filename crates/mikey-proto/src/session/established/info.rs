//! INFO: notifications, liveness, the peer's address, the end (docs/spec.md, "INFO", "A new address", "NOTIFY").

use std::net::SocketAddr;

use mikey_wire::v2::{Info, Opened as OpenedChain, Sealed};
use mikey_wire::{DataType, Extension, NotifyCode, Payload, ResumeTicket};

use super::{Effect, Established, Request, RequestKind};
use crate::auth::AuthLevel;
use crate::error::{ApiMisuse, DropReason, Error};
use crate::event::{CloseReason, Event};
use crate::limits::{MAX_ROUTES, TICKET_LIFETIME};
use crate::session::{Cx, delete};

/// How far two people are with comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SasState {
    /// There is none.
    None,
    /// It was shown.
    Shown,
    /// The person here has found it to be the same.
    Confirmed,
}

/// Codes below this are answered by UNSUPPORTED if they are unknown.
const MUST_BE_ANSWERED: u16 = 0x8000;

impl Established {
    /// Asks for a sign of life: an empty INFO. It also tells the peer our address, if that has changed.
    pub(crate) fn probe(&mut self, cx: &mut Cx<'_>) -> Result<(), Error> {
        self.send_info(cx, self.remote, &[], RequestKind::Info)
    }

    /// Tells the peer that the session is over.
    pub(crate) fn close(&mut self, cx: &mut Cx<'_>) -> Result<(), Error> {
        self.delete(cx, delete::NORMAL)
    }

    /// Tells the peer whether the person here has found the SAS to be the same. If not, that is the end.
    // R9.12
    pub(crate) fn confirm_sas(&mut self, cx: &mut Cx<'_>, same: bool) -> Result<(), Error> {
        if self.sas == SasState::None {
            return Err(ApiMisuse::State.into());
        }
        if !same {
            return self.delete(cx, delete::SAS_MISMATCH);
        }
        self.send_info(cx, self.remote, &[notify(NotifyCode::SAS_VERIFIED, &[1])], RequestKind::Info)?;
        self.sas = SasState::Confirmed;
        if self.peer.level == AuthLevel::SasUnverified {
            self.peer.level = AuthLevel::SasVerified;
        }
        Ok(())
    }

    fn delete(&mut self, cx: &mut Cx<'_>, reason: u8) -> Result<(), Error> {
        self.request = None;
        self.send_info(cx, self.remote, &[notify(NotifyCode::DELETE, &[reason])], RequestKind::Info)
    }

    pub(super) fn send_info(
        &mut self,
        cx: &mut Cx<'_>,
        to: SocketAddr,
        body: &[Payload<'_>],
        kind: RequestKind,
    ) -> Result<(), Error> {
        let t = self.take_t()?;
        let outline = self.outline(DataType::INFO_REQ, t, Vec::new());
        let composed = outline.compose(body)?;
        let datagrams = self.seal(cx, &outline, &composed, false)?;
        let hash = self.keys.prf().hash.digest(&composed.canon());
        self.send_request(cx, to, outline.t, datagrams, hash, kind);
        Ok(())
    }

    /// A request came from another address, which may still get `left` octets. It becomes the peer's only after a check that
    /// nobody else can answer. While one is under way, the same octets go to further addresses: a copy does not displace the
    /// true one.
    // R11.7
    pub(super) fn check_path(&mut self, cx: &mut Cx<'_>, from: SocketAddr, left: usize) {
        if let Some(Request { kind: RequestKind::PathCheck(check), outstanding, .. }) = &mut self.request {
            check.add(cx, from, left, &outstanding.datagrams);
            return;
        }
        // With another request outstanding, the peer's next request or a repeat brings us here again.
        let _ = self.send_path_check(cx, from, left);
    }

    fn send_path_check(&mut self, cx: &mut Cx<'_>, from: SocketAddr, left: usize) -> Result<(), Error> {
        let token = cx.random()?;
        let t = self.take_t()?;
        let outline = self.outline(DataType::INFO_REQ, t, Vec::new());
        let composed = outline.compose(&[notify(NotifyCode::PATH_CHECK, &token)])?;
        let datagrams = self.seal(cx, &outline, &composed, false)?;
        let hash = self.keys.prf().hash.digest(&composed.canon());
        let mut check = PathCheck { token, candidates: Vec::new() };
        if check.add(cx, from, left, &datagrams) {
            self.wait_for(cx, from, t, datagrams, hash, RequestKind::PathCheck(check));
        }
        Ok(())
    }

    /// Answers INFO_REQ.
    pub(super) fn answer_info(
        &mut self,
        cx: &mut Cx<'_>,
        sealed: &Sealed<'_>,
        chain: &OpenedChain<'_>,
        canon: [&[u8]; 2],
    ) -> Result<(Vec<Vec<u8>>, Effect), DropReason> {
        let info = Info::parse(sealed, chain).map_err(|_| DropReason::Malformed)?;
        let hash = self.keys.prf().hash.digest(&canon);
        let mut effect = Effect::default();
        if let Some(ask) = super::group::asked(cx, &info) {
            let (group, ask) = ask?;
            self.defer(cx, sealed.t, hash, group, ask);
            return Ok((Vec::new(), effect));
        }
        let mut answers: Vec<(NotifyCode, Vec<u8>)> = Vec::new();
        let mut ticket = None;
        for notify in &info.notifies {
            match (notify.code, notify.data) {
                (NotifyCode::DELETE, [reason]) => {
                    if matches!(*reason, delete::COMPROMISED | delete::SAS_MISMATCH | delete::REFUSED) {
                        cx.out.revoke();
                    }
                    effect.end = Some(CloseReason::Remote(*reason));
                }
                (NotifyCode::PATH_CHECK, token) => answers.push((NotifyCode::PATH_OK, token.to_vec())),
                (NotifyCode::SAS_VERIFIED, [value]) if self.sas != SasState::None => {
                    if *value == 0 {
                        cx.out.revoke();
                        self.sas = SasState::Shown;
                        self.peer.level = AuthLevel::SasUnverified;
                    }
                    cx.out.event(Event::SasComparedByPeer { session: self.id, verified: *value == 1 });
                }
                (NotifyCode::TICKET_REQUEST, []) if ticket.is_some() => (),
                (NotifyCode::TICKET_REQUEST, []) => {
                    ticket = self.give_ticket(cx);
                    if ticket.is_none() {
                        answers.push((NotifyCode::UNSUPPORTED, notify.code.0.to_be_bytes().to_vec()));
                    }
                }
                (NotifyCode::UNSUPPORTED | NotifyCode::PATH_OK, _) => (),
                (code, _) if code.0 < MUST_BE_ANSWERED => {
                    answers.push((NotifyCode::UNSUPPORTED, code.0.to_be_bytes().to_vec()));
                }
                _ => (),
            }
        }
        let outline = self.outline(DataType::INFO_RESP, sealed.t, Vec::new());
        let mut body = vec![Payload::Ext(Extension::Hash(hash.as_ref()))];
        body.extend(answers.iter().map(|(code, data)| notify(*code, data)));
        let lifetime = u32::try_from(TICKET_LIFETIME.as_secs()).ok();
        body.extend(
            ticket
                .as_ref()
                .map(|opaque| ResumeTicket { lifetime, opaque })
                .map(Extension::ResumeTicket)
                .map(Payload::Ext),
        );
        let response = outline.compose(&body).and_then(|composed| self.seal(cx, &outline, &composed, true));
        response.map(|response| (response, effect)).map_err(|_| DropReason::Full)
    }

    /// Handles INFO_RESP.
    // R11.2
    pub(super) fn finish_info(
        &mut self,
        cx: &mut Cx<'_>,
        from: SocketAddr,
        request: &Request,
        sealed: &Sealed<'_>,
        chain: &OpenedChain<'_>,
    ) -> Result<(), DropReason> {
        let info = Info::parse(sealed, chain).map_err(|_| DropReason::Malformed)?;
        if info.hash != Some(request.hash.as_ref()) {
            return Err(DropReason::BadAnswer);
        }
        if let RequestKind::Ticket = &request.kind {
            self.received_ticket(cx, &info);
            return Ok(());
        }
        if let RequestKind::Group(group, ask) = &request.kind {
            return self.answered_group(cx, *group, ask, &info);
        }
        if let RequestKind::PathCheck(PathCheck { token, candidates }) = &request.kind {
            let proven = |n: &mikey_wire::v2::Notify<'_>| {
                n.code == NotifyCode::PATH_OK && mikey_crypto::ct_eq(n.data, token)
            };
            if candidates.iter().any(|c| c.to == from) && info.notifies.iter().any(proven) {
                self.remote = from;
                cx.out.event(Event::PeerMoved { session: self.id, remote: from });
            }
        }
        Ok(())
    }
}

/// A PATH-CHECK under way.
pub(super) struct PathCheck {
    token: [u8; 8],
    candidates: Vec<Candidate>,
}

/// An address that may be the peer's, and how many octets it may still get before it has proven anything.
struct Candidate {
    to: SocketAddr,
    left: usize,
}

impl PathCheck {
    /// Sends the check to another address, if it may have it. Says whether it does.
    fn add(&mut self, cx: &mut Cx<'_>, to: SocketAddr, left: usize, datagrams: &[Vec<u8>]) -> bool {
        let known = self.candidates.iter().any(|c| c.to == to);
        if known || self.candidates.len() >= MAX_ROUTES {
            return known;
        }
        let Some(left) = left.checked_sub(octets(datagrams)) else { return false };
        self.candidates.push(Candidate { to, left });
        cx.out.send(to, datagrams);
        true
    }

    /// Sends the check again, as far as each address may have it.
    pub(super) fn resend(&mut self, cx: &mut Cx<'_>, datagrams: &[Vec<u8>]) {
        for candidate in &mut self.candidates {
            if let Some(left) = candidate.left.checked_sub(octets(datagrams)) {
                candidate.left = left;
                cx.out.metrics.retransmissions += 1;
                cx.out.send(candidate.to, datagrams);
            }
        }
    }
}

fn octets(datagrams: &[Vec<u8>]) -> usize {
    datagrams.iter().map(Vec::len).sum()
}

pub(super) fn notify<'a>(code: NotifyCode, data: &'a [u8]) -> Payload<'a> {
    Payload::Ext(Extension::Notify { code, data })
}
