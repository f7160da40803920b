//! Groups at an endpoint: who waits to join, and what members ask in their sessions (docs/spec.md, chapter 14).
//!
//! Everything here is asynchronous on purpose: a controller answers once its change is stored, so that nobody has a key of
//! an epoch that could be lost.

use std::net::SocketAddr;
use std::sync::Arc;

use mikey_crypto::SecretBytes;
use mikey_wire::Session;

use super::{Endpoint, Key};
use crate::auth::Peer;
use crate::error::{ApiMisuse, Error};
use crate::event::{CallId, Event, SessionId};
use crate::group::{GroupAsk, GroupGrant, GroupRequest, GroupValues};
use crate::keys::SessionKeys;
use crate::session::Cx;
use crate::time::Time;

impl Endpoint {
    /// Somebody who was authenticated waits to be let in.
    pub(super) fn join_requested(
        &mut self,
        key: Session,
        remote: SocketAddr,
        peer: Peer,
        request: GroupRequest,
    ) {
        if self.joining.len() > self.half_open.len() {
            // Half-open sessions whose time was over.
            self.joining.retain(|_, key| self.half_open.get_mut(key).is_some());
        }
        let session = SessionId(self.fresh_id());
        self.joining.insert(session, key);
        self.out.event(Event::JoinRequested { session, remote, peer, request });
    }

    /// A member has been let in: what the call was for leaves here.
    pub(super) fn joined(
        &mut self,
        session: SessionId,
        call: CallId,
        (grant, asked): (Option<Box<GroupGrant>>, Time),
        keys: &SessionKeys,
    ) {
        let request = self.calls.get(&call).and_then(|state| state.call.group.clone());
        if let Some((grant, request)) = grant.zip(request) {
            // Without that PRF the member has no use for the key either.
            let prf = self.config.provider.prf(grant.values.prf).unwrap_or(keys.prf());
            let leaf_key = keys.leaf_key(prf.hash_len());
            self.out.event(Event::GroupJoined { session, request, grant, leaf_key, asked });
        }
    }

    /// At a controller: composes the answer to a request to join, with the group as it will be. Nothing is sent: the caller
    /// stores the change, with the leaf key that this returns, and then calls [`Self::release`]. If the group has changed
    /// meanwhile, it is called again with another grant.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`] if nobody waits there any more; [`ApiMisuse::Group`] or [`ApiMisuse::TooLong`] for a
    /// grant that no message can hold.
    pub fn admit(&mut self, now: Time, session: SessionId, grant: &GroupGrant) -> Result<SecretBytes, Error> {
        self.now = now;
        let key = *self.joining.get(&session).ok_or(ApiMisuse::UnknownSession)?;
        let mut cx = Cx { now, config: &self.config, out: &mut self.out };
        self.half_open.get_mut(&key).ok_or(ApiMisuse::UnknownSession)?.admit(&mut cx, grant)
    }

    /// At a controller: sends the answer that [`Self::admit`] composed. The session is established.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`] if nobody waits there any more, [`ApiMisuse::State`] without an answer,
    /// [`ApiMisuse::TooLong`] if it is longer than the member takes.
    pub fn release(&mut self, now: Time, session: SessionId) -> Result<(), Error> {
        self.now = now;
        let key = self.joining.remove(&session).ok_or(ApiMisuse::UnknownSession)?;
        let mut cx = Cx { now, config: &self.config, out: &mut self.out };
        let half_open = self.half_open.get_mut(&key).ok_or(ApiMisuse::UnknownSession)?;
        let shown = half_open.release(&mut cx)?;
        self.accept(key, session, shown).map_err(|_| ApiMisuse::UnknownSession.into())
    }

    /// At a controller: refuses a request to join.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`] if nobody waits there any more.
    pub fn refuse(&mut self, now: Time, session: SessionId) -> Result<(), Error> {
        self.now = now;
        let key = self.joining.remove(&session).ok_or(ApiMisuse::UnknownSession)?;
        let mut cx = Cx { now, config: &self.config, out: &mut self.out };
        self.half_open.get_mut(&key).ok_or(ApiMisuse::UnknownSession)?.refuse(&mut cx)
    }

    /// At a member: asks the controller something about a group that was joined in this session. The answer is
    /// [`Event::GroupAnswered`].
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`]; [`ApiMisuse::State`] while another request waits for its response.
    pub fn ask_group(
        &mut self,
        now: Time,
        session: SessionId,
        group: &GroupValues,
        ask: &GroupAsk,
    ) -> Result<(), Error> {
        self.in_session(now, session, |established, cx| established.ask_group(cx, group, ask))
    }

    /// At a controller: answers [`Event::GroupAsked`]; a pull with the group as it stands.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`]; [`ApiMisuse::State`] if nothing waits for an answer.
    pub fn answer_group(
        &mut self,
        now: Time,
        session: SessionId,
        current: Option<&GroupGrant>,
    ) -> Result<(), Error> {
        self.in_session(now, session, |established, cx| established.answer_group(cx, current))
    }

    /// At a controller: refuses what [`Event::GroupAsked`] told of.
    ///
    /// # Errors
    /// [`ApiMisuse::UnknownSession`]; [`ApiMisuse::State`] if nothing waits for an answer.
    pub fn refuse_group(&mut self, now: Time, session: SessionId) -> Result<(), Error> {
        self.in_session(now, session, |established, cx| established.refuse_group(cx))
    }

    pub(super) fn in_session(
        &mut self,
        now: Time,
        session: SessionId,
        act: impl FnOnce(&mut crate::session::established::Established, &mut Cx<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.now = now;
        let key = self.ids.get(&session).copied().ok_or(ApiMisuse::UnknownSession)?;
        let config = Arc::clone(&self.config);
        let mut cx = Cx { now, config: &config, out: &mut self.out };
        act(self.sessions.get_mut(&key).ok_or(ApiMisuse::UnknownSession)?, &mut cx)?;
        self.reschedule(Key::Session(key));
        Ok(())
    }
}
