//! The loop of a controller, without input or output: it gathers what members ask for, proposes it as records, and once a
//! record is stored lets members in, answers them, and has GROUP_REKEYs sent.
//!
//! ```text
//!   Endpoint's events -> handle_event -> queue --(a moment later, all of a group together)--> propose -> the store
//!     stored  -> apply -> Endpoint::release, answers, ServiceOutput::Send
//!     another has that number -> foreign: apply it; what was proposed is proposed again
//! ```
//!
//! Nothing is promised before it is stored: no member has a key of an epoch that could be lost.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use mikey_crypto::SecretBytes;
use mikey_proto::limits::MAX_NAME;
use mikey_proto::{Endpoint, Event, GroupAsk, Name, SessionId, Time};

use crate::access::Authorize;
use crate::controller::{Applied, Controller, MemberRef, Proposal};
use crate::error::{GroupError, TOO_MANY_CHANGES};
use crate::limits::{MAX_BATCH, RETRY};
use crate::queue::{Leaving, Queue, Waiting};

mod clock;
mod config;
mod ghosts;

use clock::GroupClock;
pub use config::ServiceConfig;

/// What a service wants done, or says.
pub enum ServiceOutput {
    /// Send these GROUP_REKEYs, in order, to every member of the group: by multicast, or to each contact.
    Send {
        /// The group's id.
        group: Vec<u8>,
        /// The messages.
        messages: Arc<[Vec<u8>]>,
    },
    /// A record has changed who is in a group.
    Changed {
        /// The group's id.
        group: Vec<u8>,
        /// Its epoch.
        epoch: u32,
        /// Who has joined.
        joined: Vec<Name>,
        /// Who is no member any more.
        left: Vec<Name>,
    },
    /// A request was refused.
    Refused {
        /// The group's id, as it was asked for.
        group: Vec<u8>,
        /// Whose request.
        name: Name,
    },
}

/// Controllers of any number of groups, behind one endpoint: the loop of a controller, without input or output.
///
/// It gathers what members ask for, proposes it as records, and once a record is stored lets members in, answers them, and
/// has GROUP_REKEYs sent. Nothing is promised before it is stored: no member has a key of an epoch that could be lost.
///
/// ```text
///   Endpoint's events -> handle_event -> (a moment later, all of a group together) -> propose -> the store appends
///     it has taken it         -> stored:  members are let in and answered, ServiceOutput::Send
///     another had that number -> foreign: applies it; what was proposed is proposed anew
/// ```
///
/// After each input, and at [`Self::wake`], the caller calls [`Self::handle_timeout`], then [`Self::propose`] until there is
/// nothing, then [`Self::poll_output`] until there is nothing.
///
/// ```
/// use mikey_group::{Append, GroupName, Service, Store, StoreError};
/// use mikey_proto::{Endpoint, Time};
///
/// /// Stores what is due, and takes what other controllers of the groups have stored meanwhile.
/// fn store_changes(
///     now: Time,
///     service: &mut Service,
///     endpoint: &mut Endpoint,
///     store: &mut dyn Store,
/// ) -> Result<(), Box<dyn std::error::Error>> {
///     while let Some((id, proposal)) = service.propose(now, endpoint) {
///         let group = GroupName::new(&id).ok_or("a group without an id")?;
///         let append = Append { group: &group, seq: proposal.seq, record: proposal.record.expose() };
///         loop {
///             match store.append(&[append]).pop() {
///                 Some(Ok(())) => service.stored(now, endpoint, &id)?,
///                 Some(Err(StoreError::Conflict { .. })) => {
///                     for record in store.read(&group, proposal.seq - 1, 1000)? {
///                         service.foreign(now, endpoint, &id, record.seq, record.octets.expose())?;
///                     }
///                 }
///                 // It may be stored: the same octets, until the store says so or has others. A caller that has more
///                 // to do waits a moment first.
///                 Some(Err(StoreError::Unavailable(_))) => continue,
///                 Some(Err(error)) => return Err(error.into()),
///                 None => (),
///             }
///             break;
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct Service {
    config: ServiceConfig,
    authorize: Arc<dyn Authorize>,
    groups: BTreeMap<Vec<u8>, Served>,
    /// Which group a member's session is of.
    sessions: HashMap<SessionId, (Vec<u8>, MemberRef)>,
    /// The session of a member.
    by_member: HashMap<(Vec<u8>, Name), SessionId>,
    probes: VecDeque<(Time, SessionId)>,
    recent: VecDeque<(Time, Name)>,
    recent_names: HashSet<Name>,
    home: u64,
    /// Other controllers that live, by their numbers.
    alive: BTreeSet<u64>,
    leading: bool,
    clock: Option<GroupClock>,
    out: VecDeque<ServiceOutput>,
}

struct Served {
    controller: Controller,
    queue: Queue,
    /// When what is queued is proposed.
    due: Option<Time>,
    rekey_at: Option<Time>,
    flight: Option<Flight>,
    repeats: VecDeque<Time>,
    heartbeat_at: Option<Time>,
    last: Arc<[Vec<u8>]>,
    /// Homes whose controller is gone, and since when.
    lost: BTreeMap<u64, Time>,
}

/// What a proposal holds.
struct Flight {
    seq: u64,
    record: SecretBytes,
    content: Queue,
}

impl Service {
    /// A service without groups.
    #[must_use]
    pub fn new(config: ServiceConfig, authorize: Arc<dyn Authorize>) -> Self {
        Self {
            config,
            authorize,
            groups: BTreeMap::new(),
            sessions: HashMap::new(),
            by_member: HashMap::new(),
            probes: VecDeque::new(),
            recent: VecDeque::new(),
            recent_names: HashSet::new(),
            home: 0,
            alive: BTreeSet::new(),
            leading: true,
            clock: None,
            out: VecDeque::new(),
        }
    }

    /// Serves another group.
    pub fn add(&mut self, now: Time, mut controller: Controller) {
        controller.set_home(self.home);
        let mut served = Served {
            queue: Queue::default(),
            due: None,
            rekey_at: self.config.rekey_every.map(|every| now + every),
            flight: None,
            repeats: VecDeque::new(),
            heartbeat_at: None,
            last: Arc::new([]),
            lost: BTreeMap::new(),
            controller,
        };
        served.note_homes(now, None, &self.alive);
        self.groups.insert(served.controller.id().to_vec(), served);
    }

    /// Changes who may join. Members stay.
    pub fn set_authorize(&mut self, authorize: Arc<dyn Authorize>) {
        self.authorize = authorize;
    }

    /// The controller of a group.
    #[must_use]
    pub fn controller(&self, group: &[u8]) -> Option<&Controller> {
        self.groups.get(group).map(|served| &served.controller)
    }

    /// All groups.
    pub fn controllers(&self) -> impl Iterator<Item = &Controller> {
        self.groups.values().map(|served| &served.controller)
    }

    /// Whose a session is.
    #[must_use]
    pub fn session(&self, session: SessionId) -> Option<(&[u8], &MemberRef)> {
        self.sessions.get(&session).map(|(group, member)| (group.as_slice(), member))
    }

    /// The session of a member that has joined here.
    #[must_use]
    pub fn session_of(&self, group: &[u8], name: &Name) -> Option<SessionId> {
        self.by_member.get(&(group.to_vec(), name.clone())).copied()
    }

    /// Takes an event of the endpoint, if it is about a group; gives back any other.
    pub fn handle_event(&mut self, now: Time, endpoint: &mut Endpoint, event: Event) -> Option<Event> {
        match event {
            Event::JoinRequested { session, remote, peer, request } => {
                let untimed = |served: &Served| served.controller.tesla().is_some() && self.clock.is_none();
                let wanted = self.groups.get(&request.group).is_some_and(|served| !untimed(served))
                    && (1..=MAX_NAME).contains(&peer.name.data().len())
                    && self.authorize.authorize(&peer, &request)
                    && !self.recent_names.contains(&peer.name);
                if !wanted {
                    self.refuse(now, endpoint, session, request.group, peer.name);
                    return None;
                }
                let contact = remote.to_string().into_bytes();
                self.join(now, endpoint, Waiting { session, name: peer.name, request, contact });
                None
            }
            Event::GroupAsked { session, group, ask } => {
                if self.asked(now, session, group, ask, endpoint).is_none() {
                    // Whoever has no session of this group, or is no member of it any more.
                    let _ = endpoint.refuse_group(now, session);
                }
                None
            }
            Event::Closed { session, why } => {
                if let Some((group, member)) = self.sessions.remove(&session) {
                    self.by_member.remove(&(group.clone(), member.name.clone()));
                    // That it is there says that its member has not joined anew in another session.
                    self.leave(now, &group, member);
                }
                Some(Event::Closed { session, why })
            }
            event => Some(event),
        }
    }

    fn refuse(&mut self, now: Time, endpoint: &mut Endpoint, session: SessionId, group: Vec<u8>, name: Name) {
        // It may have given up meanwhile.
        let _ = endpoint.refuse(now, session);
        self.out.push_back(ServiceOutput::Refused { group, name });
    }

    fn join(&mut self, now: Time, endpoint: &mut Endpoint, waiting: Waiting) {
        let gather = now + self.config.gather;
        let group = waiting.request.group.clone();
        let Some(served) = self.groups.get_mut(&group) else { return };
        if let Some(at) = served.queue.joins.iter().position(|other| other.name == waiting.name) {
            // The later one counts; who asked before has another session now.
            let earlier = served.queue.joins.swap_remove(at);
            let _ = endpoint.refuse(now, earlier.session);
        }
        let busy = served
            .flight
            .as_ref()
            .is_some_and(|flight| flight.content.joins.iter().any(|other| other.name == waiting.name));
        if busy || served.queue.joins.len() >= MAX_BATCH {
            self.refuse(now, endpoint, waiting.session, group, waiting.name);
            return;
        }
        served.queue.joins.push(waiting);
        served.due.get_or_insert(gather);
    }

    /// What a member asks in its session. `None` if it is not its to ask.
    fn asked(
        &mut self,
        now: Time,
        session: SessionId,
        spi: u64,
        ask: GroupAsk,
        endpoint: &mut Endpoint,
    ) -> Option<()> {
        let (group, member) = self.sessions.get(&session)?;
        let (group, member) = (group.clone(), member.clone());
        let served = self.groups.get_mut(&group).filter(|served| served.controller.spi() == spi)?;
        let gather = now + self.config.gather;
        match ask {
            GroupAsk::Pull { .. } => {
                let grant = served.controller.pull(&member).ok()?;
                endpoint.answer_group(now, session, Some(&grant)).ok()
            }
            GroupAsk::Leave => {
                served.controller.find(&member).ok()?;
                served.queue.leave(member, Some(session));
                served.due.get_or_insert(gather);
                Some(())
            }
            GroupAsk::Report(senders) => {
                served.controller.check_report(&member, &senders).ok()?;
                served.queue.report(member, senders, session);
                served.due.get_or_insert(gather);
                Some(())
            }
        }
    }

    /// A member has left, or fallen silent.
    fn leave(&mut self, now: Time, group: &[u8], member: MemberRef) {
        let gather = now + self.config.gather;
        if let Some(served) = self.groups.get_mut(group) {
            served.queue.leave(member, None);
            served.due.get_or_insert(gather);
        }
    }

    /// Expels a member: with the next record, which is proposed at once, it is none.
    ///
    /// # Errors
    /// [`GroupError::NotMember`].
    pub fn expel(&mut self, now: Time, group: &[u8], name: &Name) -> Result<(), GroupError> {
        let served = self.groups.get_mut(group).ok_or(GroupError::NotMember)?;
        let since = served.controller.member(name).ok_or(GroupError::NotMember)?.since;
        served.queue.leave(MemberRef { name: name.clone(), since: Some(since) }, None);
        served.due = Some(now);
        Ok(())
    }

    /// Renews a group's keys.
    ///
    /// # Errors
    /// [`GroupError::Config`] if there is no such group.
    pub fn rekey(&mut self, now: Time, group: &[u8]) -> Result<(), GroupError> {
        let served = self.groups.get_mut(group).ok_or(GroupError::Config("no such group"))?;
        served.queue.rekey = true;
        served.due = Some(now);
        Ok(())
    }

    /// Sends the last rekey of every group again: to whom another controller sent it, and who may have missed it.
    pub fn send_again(&mut self) {
        for (group, served) in self.groups.iter().filter(|(_, served)| !served.last.is_empty()) {
            let messages = Arc::clone(&served.last);
            self.out.push_back(ServiceOutput::Send { group: group.clone(), messages });
        }
    }

    /// The next record for the store, of any group that has a change due and none on its way. [`Self::stored`] or
    /// [`Self::foreign`] follows. While the store cannot be reached, the caller keeps the proposal and appends the same octets
    /// again: whether they were stored is open, and nothing else may take their number meanwhile.
    pub fn propose(&mut self, now: Time, endpoint: &mut Endpoint) -> Option<(Vec<u8>, Proposal)> {
        let ready = |served: &Served| served.flight.is_none() && served.due.is_some_and(|due| due <= now);
        let groups: Vec<Vec<u8>> =
            self.groups.iter().filter(|(_, served)| ready(served)).map(|(id, _)| id.clone()).collect();
        groups.into_iter().find_map(|group| self.propose_for(now, &group, endpoint).map(|p| (group, p)))
    }

    fn propose_for(&mut self, now: Time, group: &[u8], endpoint: &mut Endpoint) -> Option<Proposal> {
        let mut most = MAX_BATCH;
        loop {
            let served = self.groups.get_mut(group)?;
            served.due = None;
            served.clean(now, endpoint);
            if served.queue.is_empty() {
                return None;
            }
            let content = served.queue.split(most);
            let (refused, failed) = match compose((now, self.clock), &served.controller, endpoint, content) {
                Composed::Ready(record, seq, content) => {
                    let copy = SecretBytes::copy_from(record.expose());
                    served.flight = Some(Flight { seq, record, content });
                    return Some(Proposal { seq, record: copy });
                }
                Composed::Without(content, gone) => {
                    served.queue.put_back(content);
                    (gone, false)
                }
                // Half of it goes now, the rest with the next record.
                Composed::TooMuch(content) if content.len() > 1 => {
                    most = content.len() / 2;
                    served.queue.put_back(content);
                    continue;
                }
                Composed::TooMuch(content) | Composed::Failed(content) => {
                    let Queue { joins, leaves, reports, rekey } = content;
                    // Who asks is told, and may ask again. Whoever is to leave must not stay in for it: that is tried again.
                    served.queue.put_back(Queue { leaves, rekey, ..Queue::default() });
                    served.due = Some(now + RETRY);
                    reports.iter().for_each(|report| drop(endpoint.refuse_group(now, report.asked)));
                    (joins, true)
                }
            };
            for waiting in refused {
                self.refuse(now, endpoint, waiting.session, group.to_vec(), waiting.name);
            }
            if failed {
                return None;
            }
        }
    }

    // R14.2: whatever has an epoch or a T of the record leaves behind this.
    /// The record that was proposed last for a group is stored.
    ///
    /// # Errors
    /// [`GroupError`] if nothing was proposed, or it does not follow from the state any more.
    pub fn stored(&mut self, now: Time, endpoint: &mut Endpoint, group: &[u8]) -> Result<(), GroupError> {
        let served = self.groups.get_mut(group).ok_or(GroupError::Config("no such group"))?;
        let Flight { seq, record, content } = served.flight.take().ok_or(GroupError::Nothing)?;
        let applied = served.controller.apply(seq, record.expose())?;
        content.askers().for_each(|session| done(now, endpoint, session));
        for waiting in content.joins {
            self.recent.push_back((now + self.config.rejoin, waiting.name.clone()));
            self.recent_names.insert(waiting.name.clone());
            self.end_session(now, endpoint, group, &waiting.name);
            let member = MemberRef { name: waiting.name, since: Some(seq) };
            if endpoint.release(now, waiting.session).is_ok() {
                self.by_member.insert((group.to_vec(), member.name.clone()), waiting.session);
                self.sessions.insert(waiting.session, (group.to_vec(), member));
                self.probes.push_back((now + self.config.probe_every, waiting.session));
            } else {
                // It is a member, and nobody is there: it leaves with the next record.
                self.leave(now, group, member);
            }
        }
        self.applied(now, endpoint, group, applied);
        Ok(())
    }

    /// The session of whoever is no member any more, or has another one, is over: it is told.
    fn end_session(&mut self, now: Time, endpoint: &mut Endpoint, group: &[u8], name: &Name) {
        let Some(session) = self.by_member.remove(&(group.to_vec(), name.clone())) else { return };
        if self.sessions.remove(&session).is_some() {
            // It may be over already.
            let _ = endpoint.close(now, session);
        }
    }

    /// A record of another controller: the store had it under the number that was proposed, or it is new there.
    ///
    /// # Errors
    /// [`GroupError::Gap`] if one before it is missing; others for damaged records.
    pub fn foreign(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        group: &[u8],
        seq: u64,
        record: &[u8],
    ) -> Result<(), GroupError> {
        let served = self.groups.get_mut(group).ok_or(GroupError::Config("no such group"))?;
        let next = served.flight.as_ref().filter(|flight| flight.seq == seq);
        if next.is_some_and(|flight| mikey_crypto::ct_eq(flight.record.expose(), record)) {
            // It was stored after all.
            return self.stored(now, endpoint, group);
        }
        let applied = served.controller.apply(seq, record)?;
        if let Some(flight) = served.flight.take() {
            served.queue.put_back(flight.content);
            served.due = Some(now);
        }
        for name in &applied.joined {
            // At another controller.
            self.end_session(now, endpoint, group, name);
        }
        self.applied(now, endpoint, group, applied);
        Ok(())
    }

    fn applied(&mut self, now: Time, endpoint: &mut Endpoint, group: &[u8], applied: Applied) {
        for name in &applied.left {
            self.end_session(now, endpoint, group, name);
        }
        let Some(served) = self.groups.get_mut(group) else { return };
        served.note_homes(now, Some(self.home), &self.alive);
        if !applied.messages.is_empty() {
            served.last = applied.messages.into();
            served.repeats = self.config.repeats.iter().map(|after| now + *after).collect();
            served.heartbeat_at = Some(now + self.config.heartbeat);
            served.rekey_at = self.config.rekey_every.map(|every| now + every);
            self.out
                .push_back(ServiceOutput::Send { group: group.to_vec(), messages: Arc::clone(&served.last) });
        }
        if !served.queue.is_empty() {
            served.due.get_or_insert(now + self.config.gather);
        }
        let Applied { epoch, joined, left, .. } = applied;
        self.out.push_back(ServiceOutput::Changed { group: group.to_vec(), epoch, joined, left });
    }

    /// Does what is due at `now`; then there may be something to propose.
    pub fn handle_timeout(&mut self, now: Time, endpoint: &mut Endpoint) {
        while self.recent.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, name)) = self.recent.pop_front() {
                self.recent_names.remove(&name);
            }
        }
        while self.probes.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, session)) = self.probes.pop_front() else { break };
            if self.sessions.contains_key(&session) {
                // With another request on its way it shows its life by that.
                let _ = endpoint.probe(now, session);
                self.probes.push_back((now + self.config.probe_every, session));
            }
        }
        self.expire_ghosts(now);
        for (group, served) in &mut self.groups {
            if self.leading && served.rekey_at.is_some_and(|at| at <= now) {
                served.rekey_at = self.config.rekey_every.map(|every| now + every);
                if !served.controller.is_empty() {
                    served.queue.rekey = true;
                    served.due.get_or_insert(now);
                }
            }
            let mut again = false;
            while served.repeats.front().is_some_and(|at| *at <= now) {
                served.repeats.pop_front();
                again = true;
            }
            let beat = served.heartbeat_at.is_some_and(|at| at <= now);
            if again || beat {
                served.heartbeat_at = Some(now + self.config.heartbeat);
            }
            let messages = match again {
                true => Arc::clone(&served.last),
                false if beat => served.last.last().cloned().into_iter().collect(),
                false => continue,
            };
            self.out.push_back(ServiceOutput::Send { group: group.clone(), messages });
        }
    }

    /// When something is due.
    #[must_use]
    pub fn wake(&self) -> Option<Time> {
        let groups = self.groups.values().flat_map(|served| {
            let due = served.due.filter(|_| served.flight.is_none());
            let rekey = served.rekey_at.filter(|_| self.leading);
            [due, rekey, served.repeats.front().copied(), served.heartbeat_at]
        });
        let probe = self.probes.front().map(|(at, _)| *at);
        let recent = self.recent.front().map(|(at, _)| *at);
        groups.chain([probe, recent, self.next_ghosts()]).flatten().min()
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<ServiceOutput> {
        self.out.pop_front()
    }
}

impl Served {
    /// Takes out what has come to nothing: who wants to leave and is none, and who wants to twice.
    fn clean(&mut self, now: Time, endpoint: &mut Endpoint) {
        let Self { controller, queue, .. } = self;
        let mut kept: Vec<Leaving> = Vec::with_capacity(queue.leaves.len());
        let mut at: HashMap<Name, usize> = HashMap::with_capacity(queue.leaves.len());
        for leaving in std::mem::take(&mut queue.leaves) {
            if controller.find(&leaving.member).is_err() {
                leaving.asked.into_iter().for_each(|session| done(now, endpoint, session));
                continue;
            }
            match at.entry(leaving.member.name.clone()) {
                Entry::Vacant(entry) => {
                    entry.insert(kept.len());
                    kept.push(leaving);
                }
                Entry::Occupied(entry) => {
                    if let Some(same) = kept.get_mut(*entry.get()) {
                        same.asked = same.asked.or(leaving.asked);
                    }
                }
            }
        }
        queue.leaves = kept;
        queue.reports.retain(|report| {
            let is_member = controller.find(&report.member).is_ok();
            if !is_member {
                let _ = endpoint.refuse_group(now, report.asked);
            }
            is_member
        });
    }
}

/// What became of a batch.
enum Composed {
    Ready(SecretBytes, u64, Queue),
    /// Some who wanted to join are not there any more, or there is no room for them.
    Without(Queue, Vec<Waiting>),
    /// More than one record takes.
    TooMuch(Queue),
    Failed(Queue),
}

/// Chooses keys for what is queued, and composes an answer for each who joins.
fn compose(
    (now, clock): (Time, Option<GroupClock>),
    controller: &Controller,
    endpoint: &mut Endpoint,
    mut content: Queue,
) -> Composed {
    let draft = match controller.draft(&content.batch()) {
        Ok(draft) => draft,
        // All reports were overtaken: there is nothing to store, and nothing wrong.
        Err(GroupError::Nothing) => {
            content.reports.drain(..).for_each(|report| done(now, endpoint, report.asked));
            return Composed::Without(content, Vec::new());
        }
        Err(TOO_MANY_CHANGES) => return Composed::TooMuch(content),
        Err(GroupError::Full(_)) if !content.joins.is_empty() => {
            // Leaves make room; the last who came waits in vain.
            let last = content.joins.pop();
            return Composed::Without(content, last.into_iter().collect());
        }
        Err(_) => return Composed::Failed(content),
    };
    let mut leaf_keys = Vec::with_capacity(content.joins.len());
    let mut gone = Vec::new();
    for (at, waiting) in content.joins.iter().enumerate() {
        let mut grant = draft.grant(at);
        // Repeats of CCE_REQ get the stored answer: its time is when it was made.
        if let Some((tesla, clock)) = grant.as_mut().and_then(|grant| grant.tesla.as_mut()).zip(clock) {
            tesla.shown = clock.at(now);
        }
        let admitted = grant.map(|grant| endpoint.admit(now, waiting.session, &grant));
        match admitted {
            Some(Ok(key)) => leaf_keys.push(key),
            _ => gone.push(at),
        }
    }
    if !gone.is_empty() {
        let mut lost = Vec::new();
        for at in gone.into_iter().rev() {
            lost.push(content.joins.remove(at));
        }
        return Composed::Without(content, lost);
    }
    let seq = draft.seq();
    match draft.finish(leaf_keys) {
        Ok(proposal) => Composed::Ready(proposal.record, seq, content),
        Err(TOO_MANY_CHANGES) => Composed::TooMuch(content),
        Err(_) => Composed::Failed(content),
    }
}

/// What was asked for in a session is done.
fn done(now: Time, endpoint: &mut Endpoint, session: SessionId) {
    // The session may be over, or have asked something else since.
    let _ = endpoint.answer_group(now, session, None);
}
