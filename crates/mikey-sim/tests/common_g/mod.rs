//! What the tests of groups share: controllers with a store, and members with media, on the simulated link.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use core::time::Duration;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use mikey::group::{
    AccessTable, Append, Controller, GroupConfig, GroupName, MemoryStore, Presence, Rule, Service,
    ServiceConfig, ServiceOutput, Store, StoreError, Timing, Who,
};
use mikey::keying::{GroupRequest, GroupRoles, GroupStream, PskTable};
use mikey::{
    Agent, AgentEvent, AgentOutput, EndpointConfig, GroupHandle, Identity, MediaError, Name, Received,
    SessionId, SrtpPolicy, Time,
};
use mikey_crypto::tesla::GroupTime;
use mikey_crypto::{SecretBytes, Signer};
use mikey_proto::{Event, Output};
use mikey_sim::{Ca, KeyKind, Link, Node, World, address, provider};

pub mod act;
pub mod spy;

pub use act::*;

pub const GC: &str = "sip:gc@example.com";
pub const GC2: &str = "sip:gc2@example.com";
pub const NEWS: &[u8] = b"news";
/// What the controllers' clock shows when the world begins.
pub const CLOCK: GroupTime = GroupTime(3_989_000_000_123_456_789);
/// How long the leases of a controller are in force.
pub const LEASE: Duration = Duration::from_secs(15);

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub fn member_name(n: usize) -> Name {
    name(&format!("sip:{n}@example.com"))
}

pub const BOTH: GroupRoles = GroupRoles { sends: true, receives: true };
pub const LISTEN: GroupRoles = GroupRoles { sends: false, receives: true };

/// An RTP packet.
pub fn rtp(ssrc: u32, seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend_from_slice(&seq.to_be_bytes());
    packet.extend_from_slice(&(u32::from(seq) * 160).to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

pub struct Settings {
    pub seed: u64,
    pub members: usize,
    pub controllers: usize,
    /// Whether the last node is a spy.
    pub spy: bool,
    pub link: Link,
    pub group: GroupConfig,
    pub service: ServiceConfig,
}

impl Settings {
    pub fn new(seed: u64, members: usize) -> Self {
        let sessions = vec![GroupStream { cs_id: 1, policy: SrtpPolicy::AEAD_AES_128_GCM }];
        Self {
            seed,
            members,
            controllers: 1,
            spy: false,
            link: Link::perfect(seed),
            group: GroupConfig::new(NEWS, sessions),
            service: ServiceConfig { rekey_every: None, ..ServiceConfig::default() },
        }
    }

    /// Controllers are the first nodes, members those behind them.
    pub fn world(self) -> World<Party> {
        let signer: Arc<dyn Signer> = {
            let (_, pkcs8) = Ca::new("ca").issue(GC, KeyKind::Ed25519, |_| ());
            (provider(self.seed).load_signer)(&pkcs8).unwrap().into()
        };
        let proposal = Controller::create(&provider(self.seed), &self.group, &*signer).unwrap();
        let mut store = MemoryStore::new();
        let group = GroupName::new(NEWS).unwrap();
        let append = Append { group: &group, seq: proposal.seq, record: proposal.record.expose() };
        store.append(&[append]).pop().unwrap().unwrap();
        let mut parties = Vec::new();
        for n in 0..self.controllers {
            let desk = Desk::new(n, &self, Arc::clone(&signer), store.clone());
            parties.push(Party::Controller(Box::new(desk)));
        }
        for n in self.controllers..self.controllers + self.members {
            parties.push(Party::Member(Box::new(Ear::new(n, self.seed))));
        }
        if self.spy {
            parties.push(Party::Spy(Box::new(spy::Spy::new(parties.len(), self.seed))));
        }
        World::new(self.link, parties)
    }
}

fn controller_name(n: usize) -> Name {
    name([GC, GC2][n])
}

pub fn key_of(member: &Name) -> [u8; 32] {
    let mut key = [9; 32];
    key.iter_mut().zip(member.data()).for_each(|(to, from)| *to ^= from);
    key
}

/// The table of all who may join: members of example.com, all of them as senders too, but for number 99, who listens.
pub fn access() -> AccessTable {
    let mut table = AccessTable::new();
    table.allow(NEWS, Rule { who: Who::Name(member_name(99)), roles: LISTEN, ssrcs: 0 });
    table.allow(NEWS, Rule { who: Who::Realm("example.com".into()), roles: BOTH, ssrcs: 2 });
    table
}

/// A controller with its store.
pub struct Desk {
    pub agent: Agent,
    pub service: Service,
    pub store: MemoryStore,
    pub signer: Arc<dyn Signer>,
    pub told: Vec<ServiceOutput>,
    pub events: Vec<AgentEvent>,
    /// Whether the machine is off.
    pub dead: bool,
    pub presence: Presence,
    out: VecDeque<(SocketAddr, Vec<u8>)>,
    n: usize,
    seed: u64,
    /// How often it has started.
    starts: u64,
    config: ServiceConfig,
    /// Whether the store answers.
    pub store_is_up: bool,
    now: Time,
}

impl Desk {
    fn new(n: usize, settings: &Settings, signer: Arc<dyn Signer>, store: MemoryStore) -> Self {
        let service = Service::new(settings.service.clone(), Arc::new(access()));
        let mut desk = Self {
            agent: Self::agent(n, settings.seed),
            dead: false,
            presence: Presence::new(&service, "", LEASE),
            starts: 0,
            service,
            store,
            signer,
            told: Vec::new(),
            events: Vec::new(),
            out: VecDeque::new(),
            n,
            seed: settings.seed,
            config: settings.service.clone(),
            store_is_up: true,
            now: Time::ZERO,
        };
        desk.start(Time::ZERO);
        desk
    }

    fn agent(n: usize, seed: u64) -> Agent {
        let own = controller_name(n);
        let mut psks = PskTable::new();
        for member in 0..250 {
            let member = member_name(member);
            psks.insert(own.clone(), member.clone(), SecretBytes::copy_from(&key_of(&member))).unwrap();
        }
        let mut config = EndpointConfig::new(provider(seed * 1000 + n as u64), Identity::new(own));
        config.psks = Arc::new(psks);
        config.serves_groups = true;
        Agent::new(config, address(u8::try_from(n).unwrap())).unwrap()
    }

    /// Reads the group from the store.
    fn load(&mut self, now: Time) {
        let group = GroupName::new(NEWS).unwrap();
        let snapshot = self.store.snapshot(&group).unwrap();
        let after = snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
        let records = self.store.read(&group, after, usize::MAX).unwrap();
        let records = records.iter().map(|record| (record.seq, record.octets.expose()));
        let signer = Arc::clone(&self.signer);
        let state = snapshot.as_ref().map(|snapshot| snapshot.state.expose());
        let controller =
            Controller::open(provider(self.seed + 77), state, records, |_| Some(signer)).unwrap();
        self.service.add(now, controller);
    }

    /// Loses everything but the store, and starts anew.
    pub fn crash(&mut self, now: Time) {
        self.agent = Self::agent(self.n, self.seed + 1);
        self.out.clear();
        self.start(now);
    }

    /// A service under a number that it never had.
    fn start(&mut self, now: Time) {
        self.starts += 1;
        self.service = Service::new(self.config.clone(), Arc::new(access()));
        self.service.set_home(1000 * (self.n as u64 + 1) + self.starts);
        self.presence = Presence::new(&self.service, "", LEASE);
        self.service.set_clock(now, GroupTime(CLOCK.0 + now.as_nanos()));
        self.load(now);
        self.keep(now);
    }

    /// Says that it lives, and hears who else does.
    fn keep(&mut self, now: Time) {
        if self.store_is_up {
            self.presence.keep(now, &mut self.store, &mut self.service).unwrap();
        }
    }

    /// Goes on without knowing what time it is.
    pub fn stop_clock(&mut self) {
        self.service = Service::new(self.config.clone(), Arc::new(access()));
        self.load(self.now);
    }

    pub fn controller(&self) -> &Controller {
        self.service.controller(NEWS).unwrap()
    }

    /// Takes what others have stored, and stores what is to be stored.
    fn work(&mut self) {
        let now = self.now;
        if !self.store_is_up {
            return;
        }
        self.tail();
        while let Some((id, proposal)) = self.service.propose(now, self.agent.endpoint()) {
            let group = GroupName::new(&id).unwrap();
            let append = Append { group: &group, seq: proposal.seq, record: proposal.record.expose() };
            match self.store.append(&[append]).pop().unwrap() {
                Ok(()) => self.service.stored(now, self.agent.endpoint(), &id).unwrap(),
                Err(StoreError::Conflict { .. }) => self.tail(),
                Err(e) => panic!("{e}"),
            }
        }
    }

    fn tail(&mut self) {
        let group = GroupName::new(NEWS).unwrap();
        let seq = self.controller().seq();
        for record in self.store.read(&group, seq, usize::MAX).unwrap() {
            let octets = record.octets.expose();
            self.service.foreign(self.now, self.agent.endpoint(), NEWS, record.seq, octets).unwrap();
        }
    }

    fn drain_service(&mut self) {
        while let Some(output) = self.service.poll_output() {
            if let ServiceOutput::Send { group, messages } = &output {
                let to =
                    |contact: &[u8]| std::str::from_utf8(contact).unwrap().parse::<SocketAddr>().unwrap();
                let contacts: Vec<SocketAddr> = self
                    .service
                    .controller(group)
                    .unwrap()
                    .members()
                    .map(|member| to(member.contact))
                    .collect();
                for contact in contacts {
                    self.out.extend(messages.iter().map(|message| (contact, message.clone())));
                }
            }
            self.told.push(output);
        }
    }
}

/// A member with media.
pub struct Ear {
    pub agent: Agent,
    pub me: Name,
    pub group: Option<GroupHandle>,
    /// The session with its controller.
    pub session: Option<SessionId>,
    pub heard: Vec<(u32, u16)>,
    pub held: usize,
    pub refused: usize,
    pub events: Vec<AgentEvent>,
    pub seq: u16,
    pub sent: Vec<(u32, u16)>,
    /// Packets that it sent, as they went out.
    pub packets: Vec<Vec<u8>>,
    out: VecDeque<(SocketAddr, Vec<u8>)>,
    now: Time,
    n: usize,
    seed: u64,
}

impl Ear {
    fn new(n: usize, seed: u64) -> Self {
        let me = member_name(n);
        Self {
            agent: Self::agent_with(n, seed, &me, &[GC, GC2], None),
            n,
            seed,
            me,
            group: None,
            session: None,
            heard: Vec::new(),
            held: 0,
            refused: 0,
            events: Vec::new(),
            seq: 1,
            sent: Vec::new(),
            packets: Vec::new(),
            out: VecDeque::new(),
            now: Time::ZERO,
        }
    }

    fn agent_with(n: usize, seed: u64, me: &Name, accepted: &[&str], peer: Option<Name>) -> Agent {
        let mut config = Self::config_of(n, seed, me);
        let accepted = accepted.iter().map(|text| name(text)).chain(peer);
        config.controllers = accepted.map(|name| (NEWS.to_vec(), name)).collect();
        Agent::new(config, address(u8::try_from(n).unwrap())).unwrap()
    }

    fn config_of(n: usize, seed: u64, me: &Name) -> EndpointConfig {
        let mut psks = PskTable::new();
        for controller in [GC, GC2] {
            psks.insert(name(controller), me.clone(), SecretBytes::copy_from(&key_of(me))).unwrap();
        }
        // Members know each other too; that makes nobody a controller.
        for other in (0..10).map(member_name).filter(|other| other != me) {
            psks.insert(me.clone(), other, SecretBytes::copy_from(&[8; 32])).unwrap();
        }
        let mut config =
            EndpointConfig::new(provider(seed * 1000 + 500 + n as u64), Identity::new(me.clone()));
        config.psks = Arc::new(psks);
        config
    }

    pub fn join(&mut self, now: Time, controller: usize, roles: GroupRoles) {
        self.join_with(now, controller, roles, Timing::default());
    }

    pub fn join_with(&mut self, now: Time, controller: usize, roles: GroupRoles, timing: Timing) {
        let request = GroupRequest { group: NEWS.to_vec(), roles, ssrcs: u8::from(roles.sends) };
        let to = address(u8::try_from(controller).unwrap());
        self.agent.join(now, to, controller_name(controller), request, timing).unwrap();
    }

    /// Begins anew, with another configuration.
    pub fn change(&mut self, change: impl FnOnce(&mut EndpointConfig)) {
        let mut config = Self::config_of(self.n, self.seed, &self.me);
        config.controllers = vec![(NEWS.to_vec(), name(GC))];
        change(&mut config);
        self.agent = Agent::new(config, address(u8::try_from(self.n).unwrap())).unwrap();
    }

    /// Accepts this controller alone.
    pub fn only_from(&mut self, controller: &str) {
        self.agent = Self::agent_with(self.n, self.seed, &self.me, &[controller], None);
    }

    /// Takes another member for a controller, which does not know better.
    pub fn join_at(&mut self, now: Time, other: usize) {
        let peer = member_name(other);
        self.agent = Self::agent_with(self.n, self.seed, &self.me, &[], Some(peer.clone()));
        let request = GroupRequest { group: NEWS.to_vec(), roles: BOTH, ssrcs: 1 };
        let to = address(u8::try_from(other).unwrap());
        self.agent.join(now, to, peer, request, Timing::default()).unwrap();
    }

    /// The SSRC that the controller gave us.
    pub fn ssrc(&self) -> Option<u32> {
        let member = self.agent.member(self.group?)?;
        member.senders().find(|sender| sender.yours).map(|sender| sender.ssrc)
    }

    pub fn epoch(&self) -> u32 {
        self.group.and_then(|group| self.agent.member(group)).map_or(0, |member| member.epoch())
    }

    /// Sends a packet to everybody in `to`.
    pub fn speak(&mut self, now: Time, to: &[SocketAddr]) -> Result<(), MediaError> {
        let (group, ssrc) =
            (self.group.ok_or(MediaError::NotYours)?, self.ssrc().ok_or(MediaError::NotYours)?);
        self.speak_as(now, group, ssrc, to)
    }

    pub fn speak_as(
        &mut self,
        now: Time,
        group: GroupHandle,
        ssrc: u32,
        to: &[SocketAddr],
    ) -> Result<(), MediaError> {
        self.speak_octets(now, (group, ssrc), &[0x55; 80], to)
    }

    pub fn speak_octets(
        &mut self,
        now: Time,
        (group, ssrc): (GroupHandle, u32),
        payload: &[u8],
        to: &[SocketAddr],
    ) -> Result<(), MediaError> {
        let mut buffer = rtp(ssrc, self.seq, payload);
        let len = buffer.len();
        buffer.resize(len + 64, 0);
        let len = self.agent.protect_group_rtp(now, group, 1, &mut buffer, len)?;
        buffer.truncate(len);
        self.sent.push((ssrc, self.seq));
        self.seq = self.seq.wrapping_add(1);
        self.packets.push(buffer.clone());
        self.out.extend(to.iter().map(|to| (*to, buffer.clone())));
        Ok(())
    }

    fn hear(&mut self, packet: &[u8]) {
        let (seq, ssrc) = (packet[2..4].try_into().unwrap(), packet[8..12].try_into().unwrap());
        self.heard.push((u32::from_be_bytes(ssrc), u16::from_be_bytes(seq)));
    }

    pub fn has(&self, wanted: impl Fn(&AgentEvent) -> bool) -> bool {
        self.events.iter().any(wanted)
    }
}

/// A node.
pub enum Party {
    Controller(Box<Desk>),
    Member(Box<Ear>),
    /// A member without an agent, that has the keys themselves.
    Spy(Box<spy::Spy>),
}

impl Party {
    pub fn desk(&mut self) -> &mut Desk {
        let Self::Controller(desk) = self else { panic!("no controller") };
        desk
    }

    pub fn spy(&mut self) -> &mut spy::Spy {
        let Self::Spy(spy) = self else { panic!("no spy") };
        spy
    }

    pub fn ear(&mut self) -> &mut Ear {
        let Self::Member(ear) = self else { panic!("no member") };
        ear
    }
}

impl Node for Party {
    fn handle_datagram(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        let mut octets = datagram.to_vec();
        match self {
            Self::Controller(desk) if desk.dead => (),
            Self::Spy(spy) => spy.endpoint.handle_datagram(now, from, &octets),
            Self::Controller(desk) => {
                desk.now = now;
                let _ = desk.agent.handle_datagram(now, from, &mut octets);
            }
            Self::Member(ear) => {
                ear.now = now;
                let packet = match ear.agent.handle_datagram(now, from, &mut octets) {
                    Received::Media(media) => media.packet.to_vec(),
                    Received::Held => {
                        ear.held += 1;
                        return;
                    }
                    Received::Refused(_) => {
                        ear.refused += 1;
                        return;
                    }
                    _ => return,
                };
                ear.hear(&packet);
            }
        }
    }

    fn handle_timeout(&mut self, now: Time) {
        match self {
            Self::Controller(desk) if desk.dead => (),
            Self::Spy(spy) => spy.endpoint.handle_timeout(now),
            Self::Controller(desk) => {
                desk.now = now;
                desk.agent.handle_timeout(now);
                desk.keep(now);
                desk.service.handle_timeout(now, desk.agent.endpoint());
            }
            Self::Member(ear) => {
                ear.now = now;
                ear.agent.handle_timeout(now);
            }
        }
    }

    fn poll_output(&mut self) -> Output {
        match self {
            Self::Controller(desk) if desk.dead => Output::Timeout(None),
            Self::Spy(spy) => spy.poll_output(),
            Self::Controller(desk) => loop {
                desk.work();
                desk.drain_service();
                if let Some((to, bytes)) = desk.out.pop_front() {
                    return Output::Transmit { to, bytes };
                }
                match desk.agent.poll_output() {
                    AgentOutput::Transmit { to, bytes } => return Output::Transmit { to, bytes },
                    AgentOutput::Event(AgentEvent::Other(event)) => {
                        let now = desk.now;
                        let rest: Option<Event> =
                            desk.service.handle_event(now, desk.agent.endpoint(), event);
                        assert!(rest.is_none(), "an event that nobody wants");
                    }
                    AgentOutput::Event(event) => {
                        if let AgentEvent::Closed { session, why } = &event {
                            let closed = Event::Closed { session: *session, why: why.clone() };
                            desk.service.handle_event(desk.now, desk.agent.endpoint(), closed);
                        }
                        desk.events.push(event);
                    }
                    AgentOutput::Timeout(at) => {
                        let wakes = [at, desk.service.wake(), Some(desk.presence.wake())];
                        let wake = wakes.into_iter().flatten().min();
                        // A store that is down is tried again a little later.
                        let later = desk.now + Duration::from_millis(50);
                        let wake = wake.map(|at| if desk.store_is_up { at } else { at.max(later) });
                        return Output::Timeout(wake);
                    }
                    _ => (),
                }
            },
            Self::Member(ear) => loop {
                if let Some((to, bytes)) = ear.out.pop_front() {
                    return Output::Transmit { to, bytes };
                }
                match ear.agent.poll_output() {
                    AgentOutput::Transmit { to, bytes } => return Output::Transmit { to, bytes },
                    AgentOutput::Event(event) => {
                        if let AgentEvent::GroupJoined { session, group } = &event {
                            (ear.session, ear.group) = (Some(*session), Some(*group));
                        }
                        ear.events.push(event);
                    }
                    AgentOutput::Media { packet, .. } => ear.hear(&packet),
                    AgentOutput::Timeout(at) => return Output::Timeout(at),
                    _ => (),
                }
            },
        }
    }
}
