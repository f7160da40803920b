//! The loop of the daemon: members on the socket, records in the store, and what the operator asks.
//!
//! ```text
//!   Driver -> GroupNews::Propose -> Storage -> Reply::Appended -> Service::stored -> grants, GROUP_REKEYs
//!                                           -> conflict: Reply::Tail -> Service::foreign, and proposed anew
//!                                           -> no answer, or full: the same record again, and nobody is let in meanwhile
//! ```
//!
//! Invariant: nothing of a record leaves before the store has it; the driver sees to that as long as `stored` is called
//! for what is stored alone.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mikey::{AgentEvent, Time};
use mikey_crypto::CryptoProvider;
use mikey_group::{Controller, GroupError, Proposal, Record, Service, Snapshot, Store, StoreError};
use mikey_net::{Audience, Clock, Driver, GroupNews, Happening, Socket};
use tokio::sync::mpsc;
use tracing::{debug, error, info, warn};

use crate::config::Source;
use crate::control::Asked;
use crate::groups::{self, Gate, Group, GroupsError};
use crate::orders::Order;
use crate::shared::Shared;
use crate::storage::{Job, Log, PAGE, Reply, Storage};

/// How long the daemon waits until it gives the store a record again.
const RETRY: Duration = Duration::from_millis(500);

/// How often it looks for what is due.
const TICK: Duration = Duration::from_millis(100);

/// A daemon at work.
pub(crate) struct Daemon {
    pub(crate) driver: Driver,
    pub(crate) groups: BTreeMap<Vec<u8>, Group>,
    pub(crate) orders: Vec<Order>,
    pub(crate) shared: Option<Shared>,
    pub(crate) started: Time,
    storage: Storage,
    replies: mpsc::UnboundedReceiver<Reply>,
    provider: CryptoProvider,
    open: Arc<AtomicBool>,
    compact: u64,
}

/// Why the daemon ends.
#[derive(Debug)]
pub enum Stop {
    /// The operating system.
    Io(io::Error),
    /// What the store has cannot be used, or is sealed under another key.
    Groups(GroupsError),
}

impl Daemon {
    /// Reads the groups, and serves them on the address of the configuration from now on.
    ///
    /// # Errors
    /// [`Stop`]
    pub(crate) fn start(
        source: &Source,
        provider: CryptoProvider,
        mut store: Box<dyn Store>,
    ) -> Result<Self, Stop> {
        let loaded = groups::load(source, &provider, &mut *store).map_err(Stop::Groups)?;
        let mut endpoint =
            source.endpoint(&provider).map_err(|error| Stop::Groups(GroupsError::Config(error)))?;
        let clock = Clock::start();
        endpoint.unix_time_at_zero = Some(clock.unix_time_at_zero());
        let socket = Socket::bind(source.config.listen).map_err(Stop::Io)?;
        let agent = mikey::Agent::new(endpoint, socket.local_addr())
            .map_err(|error| Stop::Io(io::Error::other(error.to_string())))?;
        let mut driver = Driver::new(socket, clock, agent);
        let open = Arc::new(AtomicBool::new(true));
        let gate = Gate { table: groups::rules(source), open: Arc::clone(&open) };
        let mut service = Service::new(source.config.service.service(), Arc::new(gate));
        let (now, mut last, mut groups) = (clock.now(), Vec::new(), BTreeMap::new());
        for (id, read) in loaded {
            let mut group = read.group;
            group.renewed(now);
            service.add(now, read.controller);
            last.push((id.clone(), read.last));
            groups.insert(id, group);
        }
        let shared = Shared::new(source);
        // Of several controllers none knows yet which of the others' members have lost theirs: only one that is alone lets go.
        service.set_leading(shared.is_none());
        driver.serve(service, if shared.is_some() { Audience::Own } else { Audience::Everybody });
        let (storage, replies) = Storage::start(store).map_err(Stop::Io)?;
        let compact = source.config.service.compact.max(1);
        let mut daemon = Self {
            driver,
            groups,
            orders: Vec::new(),
            shared,
            started: now,
            storage,
            replies,
            provider,
            open,
            compact,
        };
        for (id, record) in last {
            daemon.begin(&id, record)?;
        }
        Ok(daemon)
    }

    /// Brings a group that was read to its last record, and members to it.
    fn begin(&mut self, id: &[u8], last: Option<Record>) -> Result<(), Stop> {
        if let Some(record) = last {
            return self.foreign(id, vec![record]);
        }
        let rekey = |now, service: &mut Service| match service.controller(id) {
            Some(controller) if !controller.is_empty() => service.rekey(now, id),
            _ => Ok(()),
        };
        // What went out last is in the snapshot alone: there is something new instead.
        let begun = self.driver.with_service(|now, service, _| rekey(now, service));
        begun.unwrap_or(Ok(())).map_err(|error| self.broken(id, error))
    }

    pub(crate) fn controller(&self, id: &[u8]) -> Option<&Controller> {
        self.driver.service()?.controller(id)
    }

    /// Changes who may join.
    pub(crate) fn reload(&mut self, source: &Source) {
        let gate = Gate { table: groups::rules(source), open: Arc::clone(&self.open) };
        self.driver.with_service(|_, service, _| service.set_authorize(Arc::new(gate)));
    }

    /// Works until the operator, the operating system or the store ends it.
    ///
    /// # Errors
    /// [`Stop`]
    pub(crate) async fn run(&mut self, asked: &mut mpsc::Receiver<Asked>) -> Result<(), Stop> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                happening = self.driver.next() => self.happened(happening.map_err(Stop::Io)?),
                reply = self.replies.recv() => match reply {
                    Some(reply) => self.replied(reply)?,
                    None => return Err(Stop::Io(io::Error::other("the thread of the store has ended"))),
                },
                // The listener ends with the daemon.
                Some(asked) = asked.recv() => self.asked(asked),
                _ = tick.tick() => self.tick(),
            }
        }
    }

    /// Gives back what others would wait for, and lets what was sent leave.
    pub(crate) async fn end(&mut self) {
        if let Some(job) = self.shared.as_ref().and_then(Shared::release) {
            self.storage.ask(job);
        }
        self.driver.flush().await;
    }

    fn happened(&mut self, happening: Happening) {
        match happening {
            Happening::Group(GroupNews::Propose { group: id, proposal }) => {
                let Some(group) = self.groups.get_mut(&id) else { return };
                group.flight = Some(proposal.seq);
                debug!(group = %group.name, record = proposal.seq, "a record goes to the store");
                self.storage.ask(Job::Append { group: group.name.clone(), proposal });
            }
            Happening::Group(GroupNews::Changed { group: id, epoch, joined, left }) => {
                let now = self.driver.clock().now();
                let Some(group) = self.groups.get_mut(&id) else { return };
                for name in &joined {
                    info!(group = %group.name, epoch, member = %name, "joined");
                }
                for name in &left {
                    info!(group = %group.name, epoch, member = %name, "left");
                }
                group.counts.joined += joined.len() as u64;
                group.counts.left += left.len() as u64;
                group.counts.changes += 1;
                // A report of a sender is a change as well, and renews nothing.
                if group.epoch != epoch {
                    group.epoch = epoch;
                    group.renewed(now);
                }
            }
            Happening::Group(GroupNews::Refused { group: id, name }) => {
                let open = self.open.load(Ordering::Relaxed);
                let why = if open { "it may not, or came too soon" } else { "the store takes no records" };
                let shown = String::from_utf8_lossy(&id);
                warn!(group = %shown.escape_debug(), member = %name, why, "a request was refused");
                if let Some(group) = self.groups.get_mut(&id) {
                    group.counts.refused += 1;
                }
            }
            Happening::Event(AgentEvent::CallerRefused { remote, why }) => {
                warn!(%remote, %why, "a caller was refused");
            }
            // Media has no business here, and the agent counts what it refused.
            _ => {}
        }
    }

    fn replied(&mut self, reply: Reply) -> Result<(), Stop> {
        match reply {
            Reply::Appended { group, proposal, result, took } => {
                self.appended(group.as_bytes(), proposal, result, took)?;
            }
            Reply::Tail { group, result } => {
                let id = group.as_bytes();
                if let Some(group) = self.groups.get_mut(id) {
                    group.tailing = false;
                }
                match result {
                    Ok(records) => {
                        let more = records.len() >= PAGE;
                        self.foreign(id, records)?;
                        if more {
                            self.tail(id, None);
                        }
                    }
                    Err(error) => {
                        if let Some(shared) = &mut self.shared {
                            shared.forget();
                        }
                        self.failed(id, error)?;
                    }
                }
            }
            Reply::Anew { group, log } => self.anew(group.as_bytes(), log)?,
            Reply::Compacted { group, result } => {
                if let Err(error) = result {
                    // The records are still there: it is tried again with the next.
                    warn!(%group, %error, "no snapshot could be written");
                    if let Some(group) = self.groups.get_mut(group.as_bytes()) {
                        group.compacted = group.compacted.saturating_sub(self.compact);
                    }
                }
            }
            Reply::Changes(result) => match (result, &mut self.shared) {
                (Ok(changes), Some(shared)) => {
                    shared.changed(&changes);
                    // What reads may yet not write: a record that waits says when it does.
                    self.groups
                        .values_mut()
                        .filter(|group| group.flight.is_none())
                        .for_each(|group| group.trouble = None);
                    self.gate(self.groups.values().all(|group| group.trouble.is_none()));
                    for (group, head) in changes.heads {
                        self.tail(group.as_bytes(), Some(head));
                    }
                }
                (Err(error), Some(shared)) => {
                    shared.unanswered();
                    self.gate(false);
                    let ids: Vec<_> = self.groups.keys().cloned().collect();
                    ids.iter().try_for_each(|id| self.failed(id, error.clone()))?;
                }
                _ => {}
            },
            Reply::Lease(result) => {
                let now = self.driver.clock().now();
                let Some(shared) = &mut self.shared else { return Ok(()) };
                if let Some(leads) = shared.leased(now, result) {
                    self.lead(leads);
                }
            }
        }
        self.settle();
        Ok(())
    }

    /// What the store said of a record.
    fn appended(
        &mut self,
        id: &[u8],
        proposal: Proposal,
        result: Result<(), StoreError>,
        took: Duration,
    ) -> Result<(), Stop> {
        let now = self.driver.clock().now();
        let Some(group) = self.groups.get_mut(id) else { return Ok(()) };
        group.counts.store_seconds += took.as_secs_f64();
        if group.flight != Some(proposal.seq) {
            // Another controller's record came in between: what was proposed is proposed again by now.
            return Ok(());
        }
        match result {
            Ok(()) => {
                group.flight = None;
                group.counts.stored += 1;
                if group.trouble.take().is_some() {
                    info!(group = %group.name, "the store takes records again");
                }
                self.gate(true);
                let stored =
                    self.driver.with_service(|now, service, endpoint| service.stored(now, endpoint, id));
                stored.unwrap_or(Ok(())).map_err(|error| self.broken(id, error))?;
                self.compact(id);
                Ok(())
            }
            Err(StoreError::Conflict { head }) => {
                group.counts.conflicts += 1;
                debug!(group = %group.name, record = proposal.seq, head, "another controller was first");
                // If nothing comes of the reading, the record is tried once more.
                group.retry = Some((now + RETRY, proposal));
                self.tail(id, None);
                Ok(())
            }
            Err(error) => {
                group.counts.failures += 1;
                group.retry = Some((now + RETRY, proposal));
                self.gate(false);
                self.failed(id, error)
            }
        }
    }

    /// The store did not do it: an operator is told once, and again when it is another reason.
    fn failed(&mut self, id: &[u8], error: StoreError) -> Result<(), Stop> {
        self.fatal(id, &error)?;
        let Some(group) = self.groups.get_mut(id) else { return Ok(()) };
        if group.trouble.as_ref() != Some(&error) {
            warn!(group = %group.name, %error, "changes wait for the store, and nobody is let in");
        }
        group.trouble = Some(error);
        Ok(())
    }

    /// What no waiting mends.
    fn fatal(&self, id: &[u8], error: &StoreError) -> Result<(), Stop> {
        match error {
            StoreError::Corrupt(_) | StoreError::WrongKey => {
                let group = String::from_utf8_lossy(id).into_owned();
                Err(Stop::Groups(GroupsError::Store(group, error.clone())))
            }
            _ => Ok(()),
        }
    }

    fn broken(&self, id: &[u8], error: GroupError) -> Stop {
        Stop::Groups(GroupsError::Group(String::from_utf8_lossy(id).into_owned(), error))
    }

    /// Opens or closes the gate for those who want to join.
    fn gate(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }

    /// Reads what is stored of a group after what is known, unless that goes as far as `head` already.
    fn tail(&mut self, id: &[u8], head: Option<u64>) {
        let Some(after) = self.controller(id).map(Controller::seq) else { return };
        let Some(group) = self.groups.get_mut(id) else { return };
        if group.tailing || head.is_some_and(|head| head <= after) {
            return;
        }
        group.tailing = true;
        self.storage.ask(Job::Tail { group: group.name.clone(), after });
    }

    /// Applies records that the store has.
    fn foreign(&mut self, id: &[u8], records: Vec<Record>) -> Result<(), Stop> {
        for record in records {
            let known = self.controller(id).map(Controller::seq);
            if known.is_none_or(|known| record.seq <= known) {
                continue;
            }
            let applied = self.driver.with_service(|now, service, endpoint| {
                service.foreign(now, endpoint, id, record.seq, record.octets.expose())
            });
            applied.unwrap_or(Ok(())).map_err(|error| self.broken(id, error))?;
            if let Some(group) = self.groups.get_mut(id).filter(|group| group.flight <= Some(record.seq)) {
                // Whatever was proposed under this number is stored, or proposed again under the next.
                group.flight = None;
                group.retry = None;
            }
        }
        Ok(())
    }

    /// Takes a group from a snapshot: so many records were missed that they are not there any more.
    fn anew(&mut self, id: &[u8], log: Log) -> Result<(), Stop> {
        let Some(group) = self.groups.get_mut(id) else { return Ok(()) };
        let through = log.snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
        (group.tailing, group.flight, group.retry, group.compacted) = (false, None, None, through);
        warn!(group = %group.name, record = through, "read anew from a snapshot");
        let signer = Arc::clone(&group.signer);
        let (controller, last) =
            groups::open(&self.provider, log, signer).map_err(|error| self.broken(id, error))?;
        self.driver.with_service(|now, service, _| service.add(now, controller));
        self.foreign(id, last.into_iter().collect())
    }

    /// Makes a snapshot when there are enough records.
    fn compact(&mut self, id: &[u8]) {
        let leads = self.shared.as_ref().is_none_or(Shared::leads);
        let Some(controller) = self.driver.service().and_then(|service| service.controller(id)) else {
            return;
        };
        let Some(group) = self.groups.get_mut(id) else { return };
        let through = controller.seq();
        if leads && through.saturating_sub(group.compacted) >= self.compact {
            group.compacted = through;
            let snapshot = Snapshot { through, state: controller.snapshot() };
            self.storage.ask(Job::Compact { group: group.name.clone(), snapshot });
        }
    }

    /// This controller serves members of others from now on, or does not any more.
    fn lead(&mut self, leads: bool) {
        if !leads {
            warn!("another controller serves members of controllers that are gone");
            return self.driver.set_audience(Audience::Own);
        }
        info!("this controller serves members of controllers that are gone");
        self.driver.set_audience(Audience::Everybody);
        // Whoever had this before has perhaps not sent it.
        self.driver.with_service(|_, service, _| service.send_again());
    }

    fn tick(&mut self) {
        let now = self.driver.clock().now();
        let leads = self.shared.as_ref().is_none_or(Shared::leads);
        let mut rekeys = Vec::new();
        for (id, group) in &mut self.groups {
            if let Some((_, proposal)) = group.retry.take_if(|(at, _)| *at <= now) {
                self.storage.ask(Job::Append { group: group.name.clone(), proposal });
            }
            if group.rekey_at.is_some_and(|at| at <= now) {
                group.renewed(now);
                rekeys.push(id.clone());
            }
        }
        let wanted =
            |service: &Service, id: &[u8]| service.controller(id).is_some_and(|group| !group.is_empty());
        for id in rekeys.iter().filter(|_| leads) {
            let due = self.driver.with_service(|now, service, _| match wanted(service, id) {
                true => service.rekey(now, id),
                false => Ok(()),
            });
            if let Some(Err(error)) = due {
                error!(%error, "keys could not be renewed");
            }
        }
        if let Some(shared) = &mut self.shared {
            let jobs = shared.tick(now);
            let lost = shared.lost(now);
            for job in jobs {
                self.storage.ask(job);
            }
            if lost {
                self.lead(false);
            }
        }
        self.settle();
    }
}

/// Opens the store of a configuration, sealed.
///
/// # Errors
/// [`GroupsError`]
pub(crate) fn open_store(source: &Source, provider: &CryptoProvider) -> Result<Box<dyn Store>, GroupsError> {
    let keyring = Arc::new(source.keyring(provider).map_err(GroupsError::Config)?);
    let at_store = |error| GroupsError::Store("*".to_owned(), error);
    if let Some(config) = source.etcd().map_err(GroupsError::Config)? {
        let store = mikey_store::EtcdStore::new(&config).map_err(at_store)?;
        return Ok(Box::new(mikey_store::Sealed::new(store, keyring)));
    }
    let path = source.config.store.as_ref().redb.clone().unwrap_or_default();
    let store = mikey_store::RedbStore::open(&source.path(&path)).map_err(at_store)?;
    Ok(Box::new(mikey_store::Sealed::new(store, keyring)))
}
