//! An attempt: one INIT_REQ (and its copies with a cookie or another group), all answers to it, and the first peer among them.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;

use mikey_crypto::{Digest, GroupId, MethodId};
use mikey_wire::ErrorNo;
use mikey_wire::v2::{ErrorMsg, InitResp, Peek};

use super::answers::{Answers, Waiting};
use super::branch::{Branch, Verified};
use super::first::{First, Opening};
use crate::config::{Branches, Call, Retarget, Signalled};
use crate::credential::Identity;
use crate::endpoint::NOWHERE;
use crate::error::{ApiMisuse, DropReason, Error, Fault, Hint, PeerFault, Stage};
use crate::event::{CallId, Event};
use crate::group::GroupRequest;
use crate::keys::Role;
use crate::limits::{
    MAX_BRANCHES, MAX_COOKIES, MAX_COOKIES_KEPT, MAX_GROUP_RETRIES, MAX_YIELDED, SIGNALLED_LIFETIME,
};
use crate::name::Name;
use crate::negotiate::{Abilities, Proposal};
use crate::policy::{Confidentiality, Exchange};
use crate::sas::SasShare;
use crate::session::exchange::Due;
use crate::session::{Cx, delete, local_methods, remote_methods};
use crate::streams::Offer;
use crate::time::Time;

/// What every branch of an attempt has in common.
pub(crate) struct Shared {
    pub(crate) to: SocketAddr,
    pub(crate) csb_id: u32,
    pub(crate) spi_i: u64,
    pub(crate) rand_i: [u8; 32],
    pub(crate) proposal: Proposal,
    pub(crate) identity: Identity,
    /// IDi of INIT_REQ.
    pub(crate) init_name: Name,
    /// Whom we want, and whether somebody else may answer.
    pub(crate) asked: Option<Name>,
    pub(crate) retarget: Retarget,
    pub(crate) offer: Offer,
    /// The group that is to be joined, in place of an offer.
    pub(crate) group: Option<GroupRequest>,
    pub(crate) sas: Option<SasShare>,
    /// Whether a CCE_REQ has carried the share: from then on the set of branches with SAS is fixed.
    revealed: bool,
    pub(crate) signalled: Option<Signalled>,
    sdp_ids: Option<Vec<u8>>,
    /// Whether INIT goes over signalling: then answers come from there alone, each with the address of its media.
    pub(crate) in_signalling: bool,
}

/// A call until a peer has been authenticated or its time is up.
pub(crate) struct Attempt {
    pub(crate) id: CallId,
    shared: Shared,
    keep: Branches,
    firsts: Vec<First>,
    /// Cookies that came, and how many of them were followed at once.
    cookies: VecDeque<Vec<u8>>,
    followed: u8,
    /// Branches that hold a slot or have yielded it, oldest first.
    branches: Vec<Branch>,
    answers: Answers,
    hint: Option<Hint>,
    failure: Option<Error>,
    /// Until then answers are waited for.
    deadline: Time,
    /// Until then branches may be finished.
    last_moment: Time,
    succeeded: bool,
    /// The time of the last input.
    now: Time,
}

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is a branch, or waits to become one.
    Here,
    /// The SAS share of this attempt is out, so whoever sent it could choose its own by it: it needs another attempt.
    NeedsAnotherAttempt,
}

/// What became of an attempt.
pub(crate) enum Outcome {
    /// It goes on.
    Waiting,
    /// A branch is the peer; `last` says that the attempt ends with it.
    Established { verified: Box<Verified>, last: bool },
    /// Its time is up.
    Over,
}

impl Attempt {
    /// Starts a call and sends its INIT_REQ.
    ///
    /// With `to` of `None` it is not sent: [`Self::first_message`] is for signalling.
    pub(crate) fn start(
        cx: &mut Cx<'_>,
        id: CallId,
        to: Option<SocketAddr>,
        call: &Call,
    ) -> Result<Self, Error> {
        let identity = match &call.from {
            Some(name) => cx.config.identity(name),
            None => cx.config.identities.first(),
        };
        let identity = identity.ok_or(ApiMisuse::NoCredential)?.clone();
        let mut methods = local_methods(cx.config, &identity);
        let fingerprint = call.signalled.is_some();
        let mut remote = remote_methods(cx.config, fingerprint);
        let init_name = present(call, &identity)?;
        if init_name.is_anonymous() {
            methods.retain(|m| *m != MethodId::PSK);
            remote.retain(|m| *m != MethodId::PSK);
        }
        if call.group.is_some() {
            // R14.10: a SAS names nobody, and a grant is taken before anybody could compare it.
            methods.retain(|m| *m != MethodId::SAS);
            remote.retain(|m| *m != MethodId::SAS);
        }
        if fingerprint && (call.to.is_none() || call.retarget == Retarget::Report) {
            // The names are a part of what is signalled.
            return Err(ApiMisuse::Signalled.into());
        }
        if let Some(peer) = &call.to {
            if *peer == *identity.name() {
                return Err(ApiMisuse::Name.into());
            }
            // Whoever names the only peer that will do knows whether there is a key for it.
            let only = call.retarget == Retarget::Refuse;
            if only && cx.config.psks.psk(&init_name, peer).is_none() {
                methods.retain(|m| *m != MethodId::PSK);
                remote.retain(|m| *m != MethodId::PSK);
            }
        }
        let mut policy = Cow::Borrowed(&cx.config.policy);
        if call.hidden_as.is_some() {
            // In a clear CCE the true name would be for everyone to read.
            policy.to_mut().confidentiality = vec![Confidentiality::Encrypted];
        }
        if call.hidden_as.is_some() || call.group.is_some() {
            // R12.5: CCE2 has no place for a true name, nor for a request to join.
            policy.to_mut().exchanges.retain(|exchange| *exchange == Exchange::Cce);
        }
        let can = Abilities { local: &methods, remote: &remote, fingerprint };
        let proposal = Proposal::new(&policy, can, Role::Initiator).map_err(|_| ApiMisuse::NoCredential)?;
        let sas = if proposal.has_sas() {
            Some(SasShare::draw(&cx.config.provider, Role::Initiator)?)
        } else {
            None
        };
        let mki = if call.mki { Some(cx.random()?) } else { None };
        let in_signalling = to.is_none();
        let lifetime = if in_signalling { SIGNALLED_LIFETIME } else { cx.config.request_lifetime };
        let shared = Shared {
            to: to.unwrap_or(NOWHERE),
            csb_id: cx.random_csb_id()?,
            spi_i: cx.random_spi()?,
            rand_i: cx.random()?,
            proposal,
            init_name,
            identity,
            asked: call.to.clone(),
            retarget: call.retarget,
            offer: offer(call, mki)?,
            group: call.group.clone(),
            sas,
            revealed: false,
            signalled: call.signalled.clone(),
            sdp_ids: call.sdp_ids.clone(),
            in_signalling,
        };
        let mut attempt = Self {
            id,
            shared,
            keep: call.branches,
            firsts: Vec::new(),
            cookies: VecDeque::new(),
            followed: 0,
            branches: Vec::new(),
            answers: Answers::default(),
            hint: None,
            failure: None,
            deadline: cx.now + lifetime,
            last_moment: cx.now + lifetime + cx.config.request_lifetime,
            succeeded: false,
            now: cx.now,
        };
        let group = *cx.config.policy.groups.first().ok_or(ApiMisuse::Policy("group"))?;
        attempt.add_first(cx, group)?;
        Ok(attempt)
    }

    /// INIT_REQ, for signalling.
    pub(crate) fn first_message(&self) -> Option<&[u8]> {
        self.firsts.first().map(|first| first.m1.as_slice())
    }

    /// Whether INIT goes over signalling.
    // R18.2
    pub(crate) fn is_in_signalling(&self) -> bool {
        self.shared.in_signalling
    }

    pub(crate) fn spi_i(&self) -> u64 {
        self.shared.spi_i
    }

    /// When something is due.
    pub(crate) fn wake(&self) -> Time {
        let firsts = self.sent_firsts().filter_map(|f| f.outstanding.wake());
        let branches = self.branches.iter().filter_map(|b| b.outstanding.wake());
        let slots = self.answers.wake(self.now);
        let end = if self.is_waiting() { self.last_moment } else { self.deadline };
        firsts.chain(branches).chain(slots).fold(end, Time::min)
    }

    /// The first messages that we send again ourselves.
    fn sent_firsts(&self) -> impl Iterator<Item = &First> {
        self.firsts.iter().filter(|_| !self.shared.in_signalling)
    }

    /// Whether a branch that was taken up still waits for its answer.
    fn is_waiting(&self) -> bool {
        self.branches.iter().any(|b| b.outstanding.is_alive())
    }

    /// Handles INIT_RESP. `signalled` is what signalling says of who sent it, if the answer came with it.
    // R10.2, R10.3
    pub(crate) fn handle_answer(
        &mut self,
        cx: &mut Cx<'_>,
        from: SocketAddr,
        signalled: Option<&Signalled>,
        peek: &Peek,
        raw: &[u8],
    ) -> Result<Taken, Fault> {
        if peek.csb_id != self.shared.csb_id {
            return Err(DropReason::WrongHeader.into());
        }
        self.fill_slots(cx);
        let key = cx.config.provider.sha256.digest(&[raw]);
        if let Some(branch) = self.branches.iter_mut().find(|b| b.key == key) {
            // The same octets are the same branch: two would be two contexts with one key.
            branch.repeated(cx, &self.shared, from, raw.len());
            return Err(DropReason::Repeat.into());
        }
        if self.answers.has_seen(&key) {
            return Err(DropReason::Repeat.into());
        }
        let answer = InitResp::decode(raw).map_err(|_| DropReason::Malformed)?;
        let choice = match self.shared.check(&answer, signalled) {
            Ok((choice, _, _)) if self.firsts.iter().any(|f| f.group == choice.group) => choice,
            Err(PeerFault::Name) => {
                self.failure.get_or_insert(PeerFault::Name.into());
                return Err(DropReason::BadAnswer.into());
            }
            _ => return Err(DropReason::BadAnswer.into()),
        };
        if self.is_revealed() && choice.uses_sas() {
            self.answers.remember(key);
            return Ok(Taken::NeedsAnotherAttempt);
        }
        if self.answers.has_slot(cx.now, from) {
            return self.take_up(cx, (from, signalled), &answer, key).map(|()| Taken::Here);
        }
        let [dice] = cx.random()?;
        let waiting = Waiting { from, signalled: signalled.cloned(), raw: raw.to_vec(), key };
        if self.answers.wait(self.shared.to, dice, waiting) {
            cx.out.dropped(DropReason::Full);
        }
        Ok(Taken::Here)
    }

    // R6.3
    fn take_up(
        &mut self,
        cx: &mut Cx<'_>,
        (from, signalled): (SocketAddr, Option<&Signalled>),
        answer: &InitResp<'_>,
        key: Digest,
    ) -> Result<(), Fault> {
        self.answers.take_slot(cx.now, from, key);
        let first = self.firsts.iter().find(|f| f.group.0 == answer.dh.group).ok_or(DropReason::BadAnswer)?;
        let branch = match Branch::take_up(cx, &self.shared, first, (from, signalled), answer, key) {
            // Certificates of INIT_RESP that are refused: anyone may have sent them.
            Err(Fault::Fatal(Error::Peer(why))) => {
                self.failure.get_or_insert(why.into());
                return Err(DropReason::BadAnswer.into());
            }
            // Our own faults (randomness, a key that is missing) end the branch, like everything that a stranger can bring about.
            Err(Fault::Fatal(why)) => {
                self.failure = Some(why.clone());
                cx.out.event(Event::BranchFailed { call: self.id, remote: from, why });
                return Ok(());
            }
            branch => branch?,
        };
        self.shared.revealed |= branch.choice.uses_sas();
        if self.branches.len() >= MAX_BRANCHES + MAX_YIELDED {
            self.branches.remove(0);
        }
        self.branches.push(branch);
        Ok(())
    }

    /// Handles CCE_RESP, CCE2_RESP or a protected ERROR for one of the branches.
    // R10.12
    pub(crate) fn handle_protected(
        &mut self,
        cx: &mut Cx<'_>,
        from: SocketAddr,
        peek: &Peek,
        raw: &[u8],
    ) -> Result<Outcome, DropReason> {
        let mut why = DropReason::UnknownSession;
        for at in 0..self.branches.len() {
            // Forged answers may repeat the SPIs of the true one, so the keys decide.
            let Some(branch) = self.branches.get_mut(at).filter(|b| b.session() == peek.session) else {
                continue;
            };
            match branch.handle(cx, &self.shared, peek, raw) {
                Ok(None) => return Ok(Outcome::Waiting),
                Ok(Some(shown)) => {
                    cx.out.metrics.authenticated += 1;
                    let branch = self.branches.remove(at);
                    self.succeeded = true;
                    self.fill_slots(cx);
                    let verified = Box::new(branch.into_verified(&self.shared, from, shown));
                    return Ok(Outcome::Established { verified, last: self.keep == Branches::First });
                }
                Err(Fault::Discard(reason)) => why = reason,
                Err(Fault::Fatal(error)) => {
                    cx.out.metrics.refused += 1;
                    let branch = self.branches.remove(at);
                    self.failure = Some(error.clone());
                    let remote = branch.remote(&self.shared);
                    // Who refused us has no session.
                    if error != PeerFault::RefusedUs.into() {
                        branch.dismiss(cx, delete::REFUSED);
                    }
                    cx.out.event(Event::BranchFailed { call: self.id, remote, why: error });
                    self.fill_slots(cx);
                    return Ok(Outcome::Waiting);
                }
            }
        }
        Err(why)
    }

    /// Handles an unprotected ERROR: a hint, and at most another INIT_REQ.
    // R6.5, R10.11, R15.2
    pub(crate) fn handle_error(&mut self, cx: &mut Cx<'_>, raw: &[u8]) -> Result<(), DropReason> {
        let error = ErrorMsg::decode(raw).map_err(|_| DropReason::Malformed)?;
        if error.csb_id != self.shared.csb_id || self.succeeded || self.shared.in_signalling {
            return Err(DropReason::BadError);
        }
        match (error.error, error.cookie) {
            (ErrorNo::COOKIE_REQUIRED, Some(cookie)) => {
                // Anyone can send one, so none displaces the others: they take turns when the request is sent again.
                if let Some(at) = self.cookies.iter().position(|known| known == cookie) {
                    // Forgeries are new each time; the true one comes again and again. Its turn is next.
                    let again = self.cookies.remove(at);
                    self.cookies.extend(again);
                    self.cookies.rotate_right(usize::from(!self.cookies.is_empty()));
                    return Err(DropReason::Repeat);
                }
                if self.cookies.len() >= MAX_COOKIES_KEPT {
                    self.cookies.pop_front();
                }
                self.cookies.push_back(cookie.to_vec());
                if self.followed < MAX_COOKIES {
                    self.followed += 1;
                    self.set_cookie(cookie)?;
                    if let Some(first) = self.firsts.last() {
                        cx.out.send(self.shared.to, &first.outstanding.datagrams);
                    }
                }
            }
            (ErrorNo::INVALID_DH, None) => {
                self.hint = Some(Hint::InvalidDh);
                let wanted = error.msp.as_ref().map(Proposal::from_wire).ok_or(DropReason::BadError)?;
                let choice = self.shared.proposal.check_answer(&wanted).map_err(|_| DropReason::BadError)?;
                let tried = self.firsts.iter().any(|f| f.group == choice.group);
                if tried || self.firsts.len() > MAX_GROUP_RETRIES {
                    return Err(DropReason::BadError);
                }
                self.add_first(cx, choice.group).map_err(|_| DropReason::BadError)?;
            }
            (ErrorNo::INVALID_SP_PAR, None) => self.hint = Some(Hint::InvalidSpPar),
            (ErrorNo::VERSION_NOT_SUPPORTED, None) => self.hint = Some(Hint::VersionNotSupported),
            _ => return Err(DropReason::BadError),
        }
        Ok(())
    }

    fn set_cookie(&mut self, cookie: &[u8]) -> Result<(), DropReason> {
        let opening = opening(&self.shared);
        let first = self.firsts.last_mut().ok_or(DropReason::BadError)?;
        first.set_cookie(&opening, cookie).map_err(|_| DropReason::BadError)
    }

    fn add_first(&mut self, cx: &mut Cx<'_>, group: GroupId) -> Result<(), Error> {
        cx.out.metrics.key_exchanges += 1;
        let first = First::new(cx, group, &opening(&self.shared))?;
        cx.out.send(self.shared.to, &first.outstanding.datagrams);
        self.firsts.push(first);
        Ok(())
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Cx<'_>) -> Outcome {
        let again = |first: &First| first.outstanding.wake().is_some_and(|at| at <= cx.now);
        if self.firsts.last().is_some_and(again)
            && let Some(cookie) = self.cookies.pop_front()
        {
            let _ = self.set_cookie(&cookie);
            self.cookies.push_back(cookie);
        }
        // The first messages go on whatever answers came: one that was lost may be the true one's.
        for first in self.firsts.iter_mut().filter(|_| !self.shared.in_signalling) {
            if first.outstanding.due(cx.now) == Due::Resend {
                cx.out.metrics.retransmissions += 1;
                cx.out.send(self.shared.to, &first.outstanding.datagrams);
            }
        }
        for branch in &mut self.branches {
            branch.handle_timeout(cx);
        }
        if cx.now >= self.last_moment || (cx.now >= self.deadline && !self.is_waiting()) {
            return Outcome::Over;
        }
        self.fill_slots(cx);
        Outcome::Waiting
    }

    /// The attempt is over: whoever still answers is not wanted any more.
    pub(crate) fn dismiss(&self, cx: &mut Cx<'_>) {
        for branch in &self.branches {
            branch.dismiss(cx, delete::NORMAL);
        }
    }

    /// Why no peer was authenticated; `None` if one was.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        if self.succeeded {
            return None;
        }
        let stage = match self.branches.as_slice() {
            [] => Stage::NoAnswer,
            branches if branches.iter().any(|b| b.choice.uses_psk()) => Stage::UnverifiedPsk,
            _ => Stage::Unverified,
        };
        Some(self.failure.take().unwrap_or(Error::Timeout { stage, hint: self.hint }))
    }

    /// Whether the SAS share has left: from then on the set of branches is fixed.
    // R9.11
    fn is_revealed(&self) -> bool {
        self.shared.revealed
    }

    fn fill_slots(&mut self, cx: &mut Cx<'_>) {
        self.now = cx.now;
        while let Some(next) = self.answers.next(cx.now) {
            // It was decoded when it came.
            let Ok(answer) = InitResp::decode(&next.raw) else { continue };
            let signalled = next.signalled.as_ref();
            let sas = self.shared.check(&answer, signalled).is_ok_and(|(choice, _, _)| choice.uses_sas());
            if sas && self.is_revealed() {
                // The share is out: who has waited gets an attempt of its own when it answers again.
                self.answers.forget(&next.key);
                continue;
            }
            if let Err(Fault::Discard(why)) = self.take_up(cx, (next.from, signalled), &answer, next.key) {
                cx.out.dropped(why);
            }
        }
    }
}

fn opening(shared: &Shared) -> Opening<'_> {
    Opening {
        csb_id: shared.csb_id,
        spi_i: shared.spi_i,
        rand_i: &shared.rand_i,
        proposal: &shared.proposal,
        id_i: shared.init_name.as_wire(),
        id_r: shared.asked.as_ref().map(Name::as_wire),
        sas_commit: shared.sas.as_ref().map(|share| &share.commit),
        signalled: shared.signalled.as_ref(),
        sdp_ids: shared.sdp_ids.as_deref(),
        in_signalling: shared.in_signalling,
    }
}

/// The streams of a call; a group has none.
fn offer(call: &Call, mki: Option<[u8; 4]>) -> Result<Offer, ApiMisuse> {
    match &call.group {
        None => Offer::new(&call.streams, mki),
        Some(request) if call.streams.is_empty() => request.check().map(|()| Offer::none()),
        Some(_) => Err(ApiMisuse::Group),
    }
}

/// The name for INIT_REQ.
fn present(call: &Call, identity: &Identity) -> Result<Name, ApiMisuse> {
    match &call.hidden_as {
        None => Ok(identity.name().clone()),
        Some(name) if name.is_anonymous() || name.is_pseudonym() => Ok(name.clone()),
        Some(_) => Err(ApiMisuse::Name),
    }
}
