//! REKEY: new keys for all streams in one round trip, with or without a new DH (docs/spec.md, "REKEY").
//!
//! Make before break: the answerer has the new receive keys before it answers, and sends under the new ones when it knows
//! that its answer has come, at the latest after two seconds. The requester has both when the answer comes.

use mikey_crypto::{Digest, KxInitiator, KxSecret};
use mikey_wire::v2::{Opened as OpenedChain, RekeyReq, RekeyResp, Sealed};
use mikey_wire::{DataType, Dh, Extension, Kv, Payload};

use super::{Established, Request, RequestKind};
use crate::error::{ApiMisuse, DropReason, Error, Mismatch, PeerFault};
use crate::event::Event;
use crate::group::GroupAnswer;
use crate::limits::SWITCH_AT_LATEST;
use crate::session::Cx;
use crate::session::message::Composed;
use crate::streams::{self, Agreed, Offer, ReceivedOffer, Side, SrtpKeys, StreamAnswer, answer_map};
use crate::time::Time;

/// A REKEY_REQ of ours.
pub(super) struct RekeySent {
    rand: [u8; 32],
    offer: Offer,
    kx: Option<Box<dyn KxInitiator>>,
    composed: Composed,
}

/// Keys of our own streams that wait for the peer to be ready.
pub(super) struct PendingKeys {
    pub(super) at: Time,
    keys: SrtpKeys,
}

/// What answering a REKEY_REQ changes, once the answer is made.
struct Answer {
    response: Vec<Vec<u8>>,
    composed: Composed,
    agreed: Vec<Agreed>,
    shared: Option<KxSecret>,
}

impl Established {
    /// Starts a REKEY of all streams, with a new DH if `with_dh`.
    // R11.1
    pub(crate) fn rekey(&mut self, cx: &mut Cx<'_>, with_dh: bool) -> Result<(), Error> {
        if self.agreed.is_empty() {
            return Err(ApiMisuse::State.into());
        }
        if self.unsettled_until.is_some_and(|until| cx.now < until) {
            // Whether the peer has our last answer is not known: a new REKEY could stand on another transcript than its own.
            return Err(ApiMisuse::State.into());
        }
        let t = self.take_t()?;
        let rand = cx.random()?;
        let kx = match cx.config.provider.group(self.choice.group).filter(|_| with_dh) {
            Some(group) => Some(group.start(&*cx.config.provider.random)?),
            None => None,
        };
        let offer = Offer::again(self.role, &self.agreed, self.next_mki())?;
        let outline = self.outline(DataType::REKEY_REQ, t, offer.map());
        let octets = offer.policies();
        let mut body = vec![Payload::Rand(&rand)];
        body.extend((0..).zip(&octets).map(|(number, sp)| Payload::Sp(sp.sp(number))));
        body.extend(kx.as_ref().map(|kx| self.dh(kx.value())));
        let composed = outline.compose(&body)?;
        let datagrams = self.seal(cx, &outline, &composed, false)?;
        drop((body, outline));
        let hash = self.keys.prf().hash.digest(&composed.canon());
        let kind = RequestKind::Rekey(Box::new(RekeySent { rand, offer, kx, composed }));
        self.send_request(cx, self.remote, t, datagrams, hash, kind);
        self.rekey_at = None;
        Ok(())
    }

    /// The MKI after the last one, if packets carry any: it was never used in this session.
    // R4.14
    fn next_mki(&self) -> Option<[u8; 4]> {
        let last: [u8; 4] = self.agreed.first()?.mki.as_slice().try_into().ok()?;
        let mut next = u32::from_be_bytes(last);
        loop {
            next = next.wrapping_add(1);
            let mki = next.to_be_bytes();
            if !self.used_mkis.iter().any(|used| *used == mki) {
                return Some(mki);
            }
        }
    }

    fn dh<'a>(&self, value: &'a [u8]) -> Payload<'a> {
        Payload::Dh(Dh { group: self.choice.group.0, value, kv: Kv::Null })
    }

    /// Answers REKEY_REQ.
    // R11.3
    pub(super) fn answer_rekey(
        &mut self,
        cx: &mut Cx<'_>,
        sealed: &Sealed<'_>,
        chain: &OpenedChain<'_>,
        canon: [&[u8]; 2],
    ) -> Result<Vec<Vec<u8>>, DropReason> {
        let request = RekeyReq::parse(sealed, chain).map_err(|_| DropReason::Malformed)?;
        if let Some(Request { kind: RequestKind::Rekey(ours), .. }) = &self.request {
            if ours.rand >= *request.rand {
                // The peer's is the lower one: it abandons it and answers ours.
                return Err(DropReason::Crossing);
            }
            self.request = None;
        }
        match self.try_answer(cx, sealed.t, &request, canon) {
            Ok(Answer { response, composed, agreed, shared }) => {
                let tgk = self.keys.rekey(&canon, &composed.canon(), shared);
                self.install(cx, agreed, &tgk, Some(cx.now + SWITCH_AT_LATEST));
                self.unsettled_until = Some(cx.now + cx.config.answers_kept());
                Ok(response)
            }
            Err(why) => {
                self.rekey_at = self.next_rekey(cx);
                let number = why.error_no().ok_or(DropReason::Full)?;
                let outline = self.outline(DataType::ERROR, sealed.t, Vec::new());
                let composed = outline.compose(&[Payload::Err(number)]).map_err(|_| DropReason::Full)?;
                self.seal(cx, &outline, &composed, true).map_err(|_| DropReason::Full)
            }
        }
    }

    // R11.1
    fn try_answer(
        &self,
        cx: &mut Cx<'_>,
        t: u32,
        request: &RekeyReq<'_>,
        canon: [&[u8]; 2],
    ) -> Result<Answer, Error> {
        if self.agreed.is_empty() {
            return Err(PeerFault::Negotiation("streams in the session of a group").into());
        }
        let provider = &cx.config.provider;
        let kx = match &request.dh {
            None => None,
            Some(dh) if dh.group == self.choice.group.0 => {
                let group = provider.group(self.choice.group).ok_or(Error::Bug("the group is gone"))?;
                let answer = group.answer(&*provider.random, dh.value);
                Some(answer.map_err(|_| PeerFault::Negotiation("a dh value that is refused"))?)
            }
            Some(_) => return Err(PeerFault::Negotiation("another dh group").into()),
        };
        let offer = ReceivedOffer::new(self.role, &request.streams, &request.policies)?;
        let mki = offer.mki();
        let same_len = self.used_mkis.iter().all(|used| used.len() == mki.len());
        if !same_len || (!mki.is_empty() && self.used_mkis.iter().any(|used| used == mki)) {
            return Err(PeerFault::Negotiation("an mki that was used before").into());
        }
        let answers = self.answer_streams(cx, &offer)?;
        let (agreed, numbers) = offer.answer(&answers)?;
        let rand: [u8; 32] = cx.random()?;
        let hash = self.keys.prf().hash.digest(&canon);
        let outline = self.outline(DataType::REKEY_RESP, t, answer_map(&agreed, &numbers));
        let mut body = vec![Payload::Rand(&rand), Payload::Ext(Extension::Hash(hash.as_ref()))];
        let chosen = request.policies.iter().filter(|sp| numbers.contains(&sp.policy_no));
        body.extend(chosen.cloned().map(Payload::Sp));
        body.extend(kx.as_ref().map(|kx| self.dh(&kx.value)));
        let composed = outline.compose(&body)?;
        let response = self.seal(cx, &outline, &composed, true)?;
        drop((body, outline));
        Ok(Answer { response, composed, agreed, shared: kx.map(|kx| kx.secret) })
    }

    /// A stream that exists keeps its policy and its SSRC; the application decides on new ones.
    fn answer_streams(&self, cx: &Cx<'_>, offer: &ReceivedOffer) -> Result<Vec<StreamAnswer>, Error> {
        let mut answers = Vec::with_capacity(offer.streams.len());
        for stream in &offer.streams {
            let answer = match self.agreed.iter().find(|a| a.cs_id == stream.cs_id) {
                Some(a) if stream.policies.contains(&a.policy) => {
                    let ssrc = a.ssrc.filter(|_| stream.sender == Side::Local);
                    StreamAnswer { policy: a.policy, ssrc, index: None }
                }
                Some(_) => return Err(Error::Mismatch(Mismatch::SrtpPolicy)),
                None => {
                    let one = cx.config.answer.answer(&self.peer, std::slice::from_ref(stream));
                    let one = one.map_err(Error::Mismatch)?;
                    *one.first().ok_or(ApiMisuse::Streams)?
                }
            };
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Handles REKEY_RESP.
    // R11.2
    pub(super) fn finish_rekey(
        &mut self,
        cx: &mut Cx<'_>,
        sent: &RekeySent,
        hash: Digest,
        sealed: &Sealed<'_>,
        chain: &OpenedChain<'_>,
        plaintext: &[u8],
    ) -> Result<(), DropReason> {
        let response = RekeyResp::parse(sealed, chain).map_err(|_| DropReason::Malformed)?;
        if response.hash != hash.as_ref() || !chain.fits(self.choice.confidential) {
            return Err(DropReason::BadAnswer);
        }
        let shared = match (&sent.kx, &response.dh) {
            (None, None) => None,
            (Some(kx), Some(dh)) if dh.group == self.choice.group.0 => {
                Some(kx.agree(dh.value).map_err(|_| DropReason::BadKeyExchange)?)
            }
            _ => return Err(DropReason::BadAnswer),
        };
        let agreed = sent.offer.check_answer(&response.streams, &response.policies);
        let agreed = agreed.map_err(|_| DropReason::BadAnswer)?;
        let canon = [sealed.before_kemac, plaintext];
        let tgk = self.keys.rekey(&sent.composed.canon(), &canon, shared);
        self.install(cx, agreed, &tgk, None);
        Ok(())
    }

    /// Hands out the keys of a new generation: ours at once, or when `later` has come.
    // R11.4
    fn install(&mut self, cx: &mut Cx<'_>, agreed: Vec<Agreed>, tgk: &crate::keys::Tgk, later: Option<Time>) {
        self.generation = self.generation.saturating_add(1);
        self.used_mkis.extend(agreed.first().map(|a| a.mki.clone()));
        let gone =
            self.agreed.iter().map(|a| a.cs_id).filter(|id| agreed.iter().all(|a| a.cs_id != *id)).collect();
        let mut keys = streams::keys(self.role, self.generation, &agreed, tgk);
        self.agreed = agreed;
        let session = self.id;
        if let Some(at) = later {
            let (local, remote) = keys.streams.into_iter().partition(|s| s.sender == Side::Local);
            self.pending =
                Some(PendingKeys { at, keys: SrtpKeys { generation: self.generation, streams: local } });
            keys = SrtpKeys { generation: self.generation, streams: remote };
        }
        self.rekey_at = self.next_rekey(cx);
        cx.out.metrics.rekeys += 1;
        cx.out.event(Event::SrtpKeysReady { session, keys });
        cx.out.event(Event::StreamsRemoved { session, cs_ids: gone });
    }

    fn next_rekey(&self, cx: &Cx<'_>) -> Option<Time> {
        let by_us = self.role == crate::keys::Role::Initiator;
        cx.config.rekey_after.filter(|_| by_us).map(|after| cx.now + after)
    }

    /// Sends under the new keys from now on, if some were waiting.
    pub(super) fn switch(&mut self, cx: &mut Cx<'_>) {
        if let Some(PendingKeys { keys, .. }) = self.pending.take() {
            cx.out.event(Event::SrtpKeysReady { session: self.id, keys });
        }
    }

    /// The peer refused a request: the session stays as it was.
    pub(super) fn refused(&mut self, cx: &mut Cx<'_>, request: &Request) {
        if let RequestKind::Group(group, ask) = &request.kind {
            let (session, group, ask) = (self.id, *group, ask.clone());
            let answer = GroupAnswer::Refused;
            cx.out.event(Event::GroupAnswered { session, group, ask, answer });
        }
        if let RequestKind::Ticket = &request.kind {
            cx.out.event(Event::TicketRefused { session: self.id });
        }
        if matches!(request.kind, RequestKind::Rekey(_)) {
            self.rekey_at = self.next_rekey(cx);
            cx.out.event(Event::RekeyRefused { session: self.id });
        }
    }
}
