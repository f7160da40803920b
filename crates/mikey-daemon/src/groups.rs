//! The groups of a daemon: read from the store at the start, and what the daemon knows of each beside its controller.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mikey::keying::GroupRequest;
use mikey::{Peer, Time};
use mikey_crypto::{CryptoProvider, Signer};
use mikey_group::{
    AccessTable, Authorize, Controller, GroupError, GroupName, Proposal, Record, Store, StoreError,
};

use crate::config::{ConfigError, Source};
use crate::storage::{self, Log};

/// Why the daemon cannot serve its groups.
#[derive(Debug)]
pub enum GroupsError {
    /// The configuration, or a file of it.
    Config(ConfigError),
    /// The store, at this group.
    Store(String, StoreError),
    /// What the store has of this group.
    Group(String, GroupError),
    /// The store has this group with other values than the configuration.
    Changed(String),
}

impl fmt::Display for GroupsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Store(group, error) => write!(f, "group '{group}': {error}"),
            Self::Group(group, error) => {
                write!(f, "what the store has of group '{group}' cannot be used: {error}")
            }
            Self::Changed(group) => write!(
                f,
                "group '{group}' was made with other RTP sessions, policies, suite, path or 'shared_tek' than the \
                 configuration has"
            ),
        }
    }
}

impl std::error::Error for GroupsError {}

impl GroupsError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Config(_) => None,
            Self::Store(_, StoreError::WrongKey) => {
                Some("give the key that it was sealed under, in 'file' or 'previous' of [kek]")
            }
            Self::Store(_, StoreError::Corrupt(_)) | Self::Group(..) => Some(
                "do not put back an older copy: docs/operator.md, \"The store is damaged\", says how to begin anew",
            ),
            Self::Store(..) => Some("see docs/operator.md, \"When something goes wrong\""),
            Self::Changed(_) => {
                Some("these never change in a group: undo the change, or give the group another id")
            }
        }
    }
}

/// A group beside its controller.
pub(crate) struct Group {
    pub(crate) name: GroupName,
    /// The key that signs for it, for when it has to be read anew.
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) rekey_every: Option<Duration>,
    /// The epoch when it last had new keys.
    pub(crate) epoch: u32,
    /// When it has new keys though nobody came or went.
    pub(crate) rekey_at: Option<Time>,
    /// The record that waits for the store.
    pub(crate) flight: Option<u64>,
    /// When that record is tried again, after the store has failed.
    pub(crate) retry: Option<(Time, Proposal)>,
    /// Whether records are being read.
    pub(crate) tailing: bool,
    /// Number of the last record that is in a snapshot, or will be.
    pub(crate) compacted: u64,
    /// What the store last said.
    pub(crate) trouble: Option<StoreError>,
    pub(crate) counts: Counts,
}

/// What has happened to a group since the daemon was started.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) joined: u64,
    pub(crate) left: u64,
    pub(crate) refused: u64,
    pub(crate) changes: u64,
    pub(crate) stored: u64,
    pub(crate) conflicts: u64,
    pub(crate) failures: u64,
    pub(crate) store_seconds: f64,
}

impl Group {
    /// Puts off the renewal that nobody asked for.
    pub(crate) fn renewed(&mut self, now: Time) {
        self.rekey_at = self.rekey_every.map(|every| now + every);
    }
}

/// Who may join, and nobody while the store does not take records.
pub(crate) struct Gate {
    pub(crate) table: AccessTable,
    pub(crate) open: Arc<AtomicBool>,
}

impl Authorize for Gate {
    fn authorize(&self, peer: &Peer, request: &GroupRequest) -> bool {
        self.open.load(Ordering::Relaxed) && self.table.authorize(peer, request)
    }
}

/// The rules of all groups.
pub(crate) fn rules(source: &Source) -> AccessTable {
    let mut table = AccessTable::new();
    source.config.groups.iter().for_each(|group| group.as_ref().allow(&mut table));
    table
}

/// A group that was read: its controller, and the last record if it has yet to be applied. It is applied when members can be
/// sent what is in it, for a daemon that was killed has perhaps not sent it.
pub(crate) struct Loaded {
    pub(crate) group: Group,
    pub(crate) controller: Controller,
    pub(crate) last: Option<Record>,
}

/// Reads the groups of the configuration, and makes those that are new.
///
/// # Errors
/// [`GroupsError`]
pub(crate) fn load(
    source: &Source,
    provider: &CryptoProvider,
    store: &mut dyn Store,
) -> Result<BTreeMap<Vec<u8>, Loaded>, GroupsError> {
    let mut groups = BTreeMap::new();
    for table in &source.config.groups {
        let table = table.as_ref();
        let id = &table.id.as_ref().0;
        let signer = source.signer(provider, table).map_err(GroupsError::Config)?;
        let stored = |error| GroupsError::Store(id.clone(), error);
        let broken = |error| GroupsError::Group(id.clone(), error);
        // The configuration has checked its length.
        let Some(name) = GroupName::new(id.as_bytes()) else { continue };
        let mut log = storage::load(store, &name).map_err(stored)?;
        if log.snapshot.is_none() && log.records.is_empty() {
            let first = Controller::create(provider, &table.group(), &*signer).map_err(broken)?;
            storage::begin(store, &name, &first.record).map_err(stored)?;
            log = storage::load(store, &name).map_err(stored)?;
        }
        let compacted = log.snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
        let (controller, last) = open(provider, log, Arc::clone(&signer)).map_err(broken)?;
        let (made, wanted) = (controller.config(), table.group());
        let same = made.sessions == wanted.sessions
            && made.suite == wanted.suite
            && made.path == wanted.path
            && made.shared_tek == wanted.shared_tek;
        if !same {
            return Err(GroupsError::Changed(id.clone()));
        }
        let group = Group {
            name,
            signer,
            rekey_every: table.rekey.0,
            epoch: controller.epoch(),
            rekey_at: None,
            flight: None,
            retry: None,
            tailing: false,
            compacted,
            trouble: None,
            counts: Counts::default(),
        };
        groups.insert(id.as_bytes().to_vec(), Loaded { group, controller, last });
    }
    Ok(groups)
}

/// The controller of a log without its last record, and that.
///
/// # Errors
/// [`GroupError`]
pub(crate) fn open(
    provider: &CryptoProvider,
    log: Log,
    signer: Arc<dyn Signer>,
) -> Result<(Controller, Option<Record>), GroupError> {
    let Log { snapshot, mut records } = log;
    // Record 1 makes the group and is nothing that members are sent.
    let last = records.pop_if(|record| record.seq > 1);
    let state = snapshot.as_ref().map(|snapshot| snapshot.state.expose());
    let known = records.iter().map(|record| (record.seq, record.octets.expose()));
    let controller = Controller::open(provider.clone(), state, known, |_| Some(signer))?;
    Ok((controller, last))
}
