//! Memberships of an agent: rekeys go in, and the SRTP contexts of a group's senders follow (docs/spec.md, chapter 14).
//!
//! Each sender has a context of its own, with the ROC and SEQ that the controller tells: a late joiner hears the very next
//! packet. Receivers have a new key from when it comes and the old one for a while longer; our own senders switch when the
//! group's activation delay is over. An SSRC that SENDERS does not list has no context, so its packets find none.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mikey_group::{EpochKeys, Member, MemberError, MemberEvent, RekeyDrop, SenderKeys, Timing};
use mikey_proto::{
    ApiMisuse, Endpoint, Error, GroupAnswer, GroupAsk, GroupGrant, GroupRequest, SessionId, Time,
};
use mikey_srtp::{
    Destination, Direction, Install, MasterKey, Mki, Owner, PacketIndex, SenderId, Ssrc, Ssrcs, StartIndex,
};

use crate::media::MediaTable;
use crate::output::AgentEvent;

mod failover;
mod report;
mod tesla;

pub use failover::Failover;
use failover::{Rejoin, Watch};
use tesla::Tesla;
pub use tesla::TeslaSettings;

/// A group that this agent is a member of: its SPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupHandle(pub u64);

/// A sender reports where it stands when it has sent so many packets since: a receiver that knows an index of the last half
/// of the sequence numbers knows the ROC.
const REPORT_EVERY: u64 = 1 << 14;

/// Owners of contexts: those of groups have this bit, those of sessions have not.
const GROUP_OWNER: u64 = 1 << 63;

/// All memberships.
#[derive(Default)]
pub(crate) struct Groups {
    members: BTreeMap<u64, Membership>,
    owners: HashMap<Owner, u64>,
    next_owner: u64,
    /// How to change epochs, for groups whose controller has been called.
    timings: HashMap<Vec<u8>, Timing>,
    failovers: HashMap<Vec<u8>, Failover>,
    tesla: TeslaSettings,
    refused: BTreeMap<RekeyDrop, u64>,
}

struct Membership {
    session: SessionId,
    member: Member,
    owner: Owner,
    flow: Destination,
    receives: bool,
    installed: BTreeMap<(u8, u32), Installed>,
    /// Keys that our own senders switch to.
    switch: Option<Switch>,
    report: Report,
    leaving: bool,
    /// When the controller is asked to let us go.
    leave_at: Option<Time>,
    /// The controller's address, as it was when we joined.
    at: Option<std::net::SocketAddr>,
    watch: Option<Watch>,
    rejoin: Option<Rejoin>,
    /// If packets of the group say who has sent them.
    tesla: Option<Tesla>,
}

struct Installed {
    id: SenderId,
    yours: bool,
    epoch: u32,
    /// The newest TESLA chain that is in use or follows, by its number.
    chain: Option<u32>,
}

struct Switch {
    at: Time,
    epoch: u32,
    keys: Vec<(SenderId, MasterKey)>,
}

/// What the controller knows of our own senders.
#[derive(Default)]
struct Report {
    told: BTreeMap<(u8, u32), u64>,
    /// Not before this time again.
    not_before: Option<Time>,
}

impl Groups {
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether this is the SPI of a group of ours.
    pub(crate) fn has(&self, spi: u64) -> bool {
        self.members.contains_key(&spi)
    }

    pub(crate) fn set_timing(&mut self, group: &[u8], timing: Timing) {
        self.timings.insert(group.to_vec(), timing);
    }

    pub(crate) fn set_tesla(&mut self, settings: TeslaSettings) {
        self.tesla = settings;
    }

    pub(crate) fn set_failover(&mut self, group: &[u8], failover: Failover) {
        self.failovers.insert(group.to_vec(), failover);
    }

    pub(crate) fn member(&self, group: GroupHandle) -> Option<&Member> {
        self.members.get(&group.0).map(|membership| &membership.member)
    }

    pub(crate) fn refused(&self) -> impl Iterator<Item = (RekeyDrop, u64)> {
        self.refused.iter().map(|(why, count)| (*why, *count))
    }

    /// A controller has let us in.
    pub(crate) fn joined(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        media: &mut MediaTable,
        session: SessionId,
        (request, grant, asked): (GroupRequest, GroupGrant, Time),
        leaf_key: mikey_crypto::SecretBytes,
    ) -> Vec<AgentEvent> {
        let timing = self.timings.get(&request.group).copied().unwrap_or_default();
        let silence =
            self.failovers.get(&request.group).map_or(Failover::SILENCE, |failover| failover.silence);
        let watch = Some(Watch::new(now, silence));
        let at = endpoint.remote(session);
        let (receives, group) = (request.roles.receives, GroupHandle(grant.values.spi));
        let wanted = request.clone();
        let tesla = grant.tesla;
        let provider = endpoint.config().provider.clone();
        // The controller of one group must not take over the membership of another by naming its SPI, which everybody sees.
        let is_its_own = |known: &Membership| known.member.request().group == request.group;
        let member = match self.members.get(&group.0).is_none_or(is_its_own) {
            true => Member::join(&provider, now, request, grant, leaf_key, timing),
            false => Err(MemberError::Grant("the spi of another group")),
        };
        let member = match member {
            Ok(member) => member,
            Err(why) => {
                // A controller that cannot be followed is of no use; it is told that we are gone.
                let _ = endpoint.close(now, session);
                let mut events = vec![AgentEvent::GroupFailed { session, why }];
                events.extend(self.useless(now, endpoint, media, &wanted));
                return events;
            }
        };
        let tesla = tesla.map(|tesla| Tesla::new(&provider, &tesla, (asked, now), &self.tesla));
        match self.members.get_mut(&group.0) {
            // Joined anew, perhaps by another controller: what is installed goes on.
            Some(known) => {
                known.session = session;
                known.member = member;
                known.receives = receives;
                known.report = Report::default();
                known.leaving = false;
                known.leave_at = None;
                known.at = at;
                known.watch = watch;
                known.rejoin = None;
                known.tesla = tesla;
                // By the time that was asked for anew.
                known.installed.values_mut().for_each(|installed| installed.chain = None);
            }
            None => {
                self.next_owner += 1;
                let owner = Owner(GROUP_OWNER | self.next_owner);
                self.owners.insert(owner, group.0);
                let membership = Membership {
                    session,
                    member,
                    owner,
                    flow: media.new_flow(),
                    receives,
                    installed: BTreeMap::new(),
                    switch: None,
                    report: Report::default(),
                    leaving: false,
                    leave_at: None,
                    at,
                    watch,
                    rejoin: None,
                    tesla,
                };
                self.members.insert(group.0, membership);
            }
        }
        let mut events = vec![AgentEvent::GroupJoined { session, group }];
        self.drain(now, endpoint, media, group.0, &mut events);
        events
    }

    /// Takes a GROUP_REKEY of a group of ours.
    pub(crate) fn handle_rekey(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        media: &mut MediaTable,
        spi: u64,
        datagram: &[u8],
    ) -> Vec<AgentEvent> {
        let mut events = Vec::new();
        let Some(membership) = self.members.get_mut(&spi) else { return events };
        if let Err(why) = membership.member.handle_rekey(now, datagram) {
            *self.refused.entry(why).or_default() += 1;
        }
        self.drain(now, endpoint, media, spi, &mut events);
        events
    }

    /// The controller has answered something. What was asked before we joined anew is of no account any more.
    pub(crate) fn answered(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        media: &mut MediaTable,
        (session, spi): (SessionId, u64),
        (ask, answer): (&GroupAsk, GroupAnswer),
    ) -> Vec<AgentEvent> {
        let mut events = Vec::new();
        let membership = self.members.get_mut(&spi).filter(|membership| membership.session == session);
        let Some(membership) = membership else { return events };
        match (answer, ask) {
            (GroupAnswer::Current(grant), _) => {
                if membership.member.handle_grant(now, *grant).is_err() {
                    membership.member.pull_failed(now);
                }
            }
            (GroupAnswer::Refused, GroupAsk::Report(senders)) => {
                if senders.iter().any(|sender| sender.chains[0].is_some()) {
                    events.push(AgentEvent::GroupChainRefused { group: GroupHandle(spi) });
                }
                membership.member.pull_failed(now);
            }
            (GroupAnswer::Done, GroupAsk::Report(senders)) => membership.chains_stored(media, senders),
            (GroupAnswer::Refused, GroupAsk::Pull { .. }) => membership.member.handle_refused(),
            (_, GroupAsk::Leave) => {
                self.remove(media, spi);
                return vec![AgentEvent::GroupLeft { group: GroupHandle(spi), expelled: false }];
            }
            (GroupAnswer::Done, _) => (),
        }
        self.drain(now, endpoint, media, spi, &mut events);
        events
    }

    /// The session with a controller is over. If it fell silent, media goes on until the next rekey: we join anew at another
    /// controller of those that are configured, or the application does.
    pub(crate) fn closed(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        media: &mut MediaTable,
        (session, silent): (SessionId, bool),
    ) -> Vec<AgentEvent> {
        let of = |(spi, membership): (&u64, &Membership)| (membership.session == session).then_some(*spi);
        let spis: Vec<u64> = self.members.iter().filter_map(of).collect();
        let mut events = Vec::new();
        for spi in spis {
            let Some(membership) = self.members.get_mut(&spi) else { continue };
            let leaving = membership.leaving;
            let group = GroupHandle(spi);
            if silent && !leaving {
                let failover = self.failovers.get(&membership.member.request().group);
                membership.watch = None;
                membership.rejoin = failover.map(|failover| Rejoin::new(now, failover, membership.at));
                events.push(AgentEvent::ControllerLost { group });
                self.rejoin(now, endpoint, media, spi, &mut events);
            } else {
                self.remove(media, spi);
                events.push(AgentEvent::GroupLeft { group, expelled: !leaving });
            }
        }
        events
    }

    /// Leaves a group: the controller is asked, and media goes on until it has answered.
    pub(crate) fn leave(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        media: &mut MediaTable,
        group: GroupHandle,
    ) -> Result<Vec<AgentEvent>, Error> {
        let membership = self.members.get_mut(&group.0).ok_or(ApiMisuse::UnknownSession)?;
        if let Some(rejoin) = &membership.rejoin {
            // No controller is there to be told; it finds out by itself.
            let _ = rejoin.call().map(|call| endpoint.settle(call));
            self.remove(media, group.0);
            return Ok(vec![AgentEvent::GroupLeft { group, expelled: false }]);
        }
        endpoint.remote(membership.session).ok_or(ApiMisuse::UnknownSession)?;
        membership.leaving = true;
        membership.leave_at = Some(now);
        membership.try_leave(now, endpoint);
        Ok(Vec::new())
    }

    fn remove(&mut self, media: &mut MediaTable, spi: u64) {
        if let Some(membership) = self.members.remove(&spi) {
            self.owners.remove(&membership.owner);
            media.db.remove_owner(membership.owner);
        }
    }

    /// When something is due.
    pub(crate) fn wake(&self) -> Option<Time> {
        let wakes = |membership: &Membership| {
            let switch = membership.switch.as_ref().map(|switch| switch.at);
            let watch = membership.watch.as_ref().map(Watch::wake);
            let rejoin = membership.rejoin.as_ref().and_then(Rejoin::wake);
            let report = membership.tesla.as_ref().and_then(|tesla| tesla.report_at);
            [membership.member.wake(), switch, membership.leave_at, watch, rejoin, report]
        };
        self.members.values().flat_map(wakes).flatten().min()
    }

    pub(crate) fn handle_timeout(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        media: &mut MediaTable,
    ) -> Vec<AgentEvent> {
        let mut events = Vec::new();
        let spis: Vec<u64> = self.members.keys().copied().collect();
        for spi in spis {
            let Some(membership) = self.members.get_mut(&spi) else { continue };
            membership.switch(now, media);
            membership.try_leave(now, endpoint);
            membership.member.handle_timeout(now);
            let silence = self
                .failovers
                .get(&membership.member.request().group)
                .map_or(Failover::SILENCE, |f| f.silence);
            if let Some(watch) = &mut membership.watch {
                watch.act(now, endpoint, membership.session, silence);
            }
            self.rejoin(now, endpoint, media, spi, &mut events);
            if let Some(membership) = self.members.get_mut(&spi) {
                membership.report_chains(now, endpoint, media);
            }
            self.drain(now, endpoint, media, spi, &mut events);
        }
        events
    }

    /// Does what a membership wants done.
    fn drain(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        media: &mut MediaTable,
        spi: u64,
        events: &mut Vec<AgentEvent>,
    ) {
        let group = GroupHandle(spi);
        while let Some(membership) = self.members.get_mut(&spi) {
            match membership.member.poll_event() {
                None => return,
                Some(MemberEvent::Epoch(keys)) => {
                    let epoch = keys.epoch;
                    membership.install(now, media, keys, group, events);
                    membership.report_chains(now, endpoint, media);
                    events.push(AgentEvent::GroupEpoch { group, epoch });
                }
                Some(MemberEvent::Pull(ask)) => {
                    let asked = endpoint.ask_group(now, membership.session, membership.member.values(), &ask);
                    if asked.is_err() {
                        membership.member.pull_failed(now);
                    }
                }
                Some(MemberEvent::Removed) => {
                    self.remove(media, spi);
                    events.push(AgentEvent::GroupLeft { group, expelled: true });
                }
            }
        }
    }

    /// Whose a context is: the session with the controller, the group, and the RTP session.
    pub(crate) fn whose(&self, owner: Owner, id: SenderId) -> Option<(SessionId, GroupHandle, u8)> {
        let spi = self.owners.get(&owner)?;
        let membership = self.members.get(spi)?;
        let (key, _) = membership.installed.iter().find(|(_, installed)| installed.id == id)?;
        Some((membership.session, GroupHandle(*spi), key.0))
    }

    /// The flow of our own packets in a group, if that SSRC is ours there.
    pub(crate) fn flow(&self, group: GroupHandle, cs_id: u8, ssrc: Ssrc) -> Option<Destination> {
        let membership = self.members.get(&group.0)?;
        let installed = membership.installed.get(&(cs_id, ssrc.0))?;
        installed.yours.then_some(membership.flow)
    }

    /// The context of a sender, ours or another's.
    pub(crate) fn context(&self, group: GroupHandle, cs_id: u8, ssrc: Ssrc) -> Option<SenderId> {
        self.members.get(&group.0)?.installed.get(&(cs_id, ssrc.0)).map(|installed| installed.id)
    }

    /// A packet of ours was sent: the controller is told where we stand, now and then. `chain_due` says that little of its
    /// sender's TESLA chain is left.
    pub(crate) fn sent(
        &mut self,
        now: Time,
        endpoint: &mut Endpoint,
        media: &MediaTable,
        group: GroupHandle,
        chain_due: Option<(u8, Ssrc)>,
    ) {
        let Some(membership) = self.members.get_mut(&group.0) else { return };
        if let Some((tesla, (cs_id, ssrc))) = membership.tesla.as_mut().zip(chain_due) {
            let has = membership.installed.get(&(cs_id, ssrc.0)).and_then(|installed| installed.chain);
            tesla.prepare(now, (cs_id, ssrc.0), has);
        }
        membership.report(now, endpoint, media);
    }
}

impl Membership {
    /// Gives the senders of an epoch their contexts and keys.
    fn install(
        &mut self,
        now: Time,
        media: &mut MediaTable,
        keys: EpochKeys,
        group: GroupHandle,
        events: &mut Vec<AgentEvent>,
    ) {
        let EpochKeys { epoch, activate, retire, senders, .. } = keys;
        // R14.5
        let listed: BTreeSet<(u8, u32)> = senders.iter().map(|sender| (sender.cs_id, sender.ssrc)).collect();
        self.installed.retain(|key, installed| {
            let stays = listed.contains(key);
            if !stays {
                media.db.remove(installed.id);
            }
            stays
        });
        let mut switch = Switch { at: activate, epoch, keys: Vec::new() };
        for sender in senders {
            let (key, chains) = ((sender.cs_id, sender.ssrc), sender.chains);
            if !self.installed.contains_key(&key) {
                if let Err(why) = self.install_sender(media, epoch, sender) {
                    events.push(AgentEvent::GroupSenderFailed { group, cs_id: key.0, ssrc: key.1, why });
                }
                self.learn_chains(now, media, key, &chains);
                continue;
            }
            self.learn_chains(now, media, key, &chains);
            let Some(known) = self.installed.get_mut(&key) else { continue };
            if known.epoch >= epoch {
                continue;
            }
            let Ok(key) = master_key(sender, epoch) else { continue };
            if known.yours {
                switch.keys.push((known.id, key));
            } else if media.db.rekey(known.id, key, srtp(retire)).is_ok() {
                known.epoch = epoch;
            }
        }
        if !switch.keys.is_empty() {
            self.switch = Some(switch);
        }
        self.switch(now, media);
    }

    fn install_sender(
        &mut self,
        media: &mut MediaTable,
        epoch: u32,
        sender: SenderKeys,
    ) -> Result<(), mikey_srtp::InstallError> {
        let SenderKeys { cs_id, ssrc, yours, index, policy, .. } = sender;
        if !yours && !self.receives {
            return Ok(());
        }
        let start = index.map_or(StartIndex::BEGIN, |(roc, seq)| StartIndex::At(PacketIndex::new(roc, seq)));
        let ssrcs = Ssrcs::These(vec![(Ssrc(ssrc), start)]);
        let (direction, destination) =
            if yours { (Direction::Outbound, self.flow) } else { (Direction::Inbound, media.inbound()) };
        let key = master_key(sender, epoch)?;
        let mut install = Install::new(direction, destination, self.owner, ssrcs, policy, key);
        install.tesla = self.tesla.is_some();
        let id = media.db.install(install)?;
        self.installed.insert((cs_id, ssrc), Installed { id, yours, epoch, chain: None });
        Ok(())
    }

    /// Our own senders go on under the new keys, if it is time.
    fn switch(&mut self, now: Time, media: &mut MediaTable) {
        let Some(Switch { epoch, keys, .. }) = self.switch.take_if(|switch| switch.at <= now) else { return };
        for (id, key) in keys {
            if media.db.rekey(id, key, srtp(now)).is_ok()
                && let Some(installed) = self.installed.values_mut().find(|installed| installed.id == id)
            {
                installed.epoch = epoch;
            }
        }
    }

    /// Asks the controller to let us go, if that is due: a moment later if another request is on its way.
    fn try_leave(&mut self, now: Time, endpoint: &mut Endpoint) {
        if self.leave_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        let asked = endpoint.ask_group(now, self.session, self.member.values(), &GroupAsk::Leave);
        if asked.is_err() && endpoint.remote(self.session).is_some() {
            self.leave_at = Some(now + REPORT_INTERVAL);
        }
    }
}

/// The shortest time from one report to the next.
const REPORT_INTERVAL: core::time::Duration = core::time::Duration::from_millis(100);

fn master_key(sender: SenderKeys, epoch: u32) -> Result<MasterKey, mikey_srtp::InstallError> {
    let mki = Mki::new(&epoch.to_be_bytes()).map_err(|_| mikey_srtp::InstallError::MkiLen)?;
    let shared = sender.shared;
    let key = MasterKey::new(sender.master_key, sender.master_salt).with_mki(mki);
    Ok(if shared { key.shared() } else { key })
}

fn srtp(time: Time) -> mikey_srtp::Time {
    mikey_srtp::Time(time.as_nanos())
}
