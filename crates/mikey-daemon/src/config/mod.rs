//! The configuration file of `mikeyd`: TOML, every key known, every mistake shown at its place (docs/operator.md).

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mikey::keying::{GroupRoles, GroupStream};
use mikey_group::limits::MAX_SESSIONS;
use mikey_group::{AccessTable, GroupConfig, Rule, ServiceConfig};
use serde::Deserialize;
use toml::Spanned;

use crate::credentials::reason;

mod error;
mod values;

pub use error::ConfigError;
pub(crate) use error::Mistake;
pub use values::{Every, GroupId, Named, Node, Span, Srtp, Suite, Whom, srtp_name};

/// A configuration to begin with, as `mikeyd --example-config` prints it.
pub const EXAMPLE: &str = include_str!("example.toml");

/// Longest configuration file, in octets.
const MAX_FILE: usize = 1 << 20;

/// A configuration as it is written. Paths in it are relative to the directory of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Our name, as the certificate has it.
    pub identity: Spanned<Named>,
    /// Our certificate with those of its issuers, PEM.
    pub certificate: Spanned<PathBuf>,
    /// Its private key, PKCS #8 in PEM.
    pub key: Spanned<PathBuf>,
    /// CAs whose certificates members have, PEM.
    pub ca: Vec<Spanned<PathBuf>>,
    /// What these CAs have revoked, PEM or DER.
    #[serde(default)]
    pub crl: Vec<Spanned<PathBuf>>,
    /// Where members are served, over UDP.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The control socket.
    #[serde(default = "default_control")]
    pub control: PathBuf,
    /// What is logged.
    #[serde(default)]
    pub log: Level,
    /// Where groups are kept.
    pub store: Spanned<StoreTable>,
    /// What they are sealed under.
    pub kek: Spanned<KekTable>,
    /// How groups are run.
    #[serde(default)]
    pub service: ServiceTable,
    /// The groups.
    #[serde(default, rename = "group")]
    pub groups: Vec<Spanned<GroupTable>>,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// What stops the daemon.
    Error,
    /// And what keeps it from its work.
    Warn,
    /// And who comes and goes.
    #[default]
    Info,
    /// And every record.
    Debug,
}

/// `[store]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreTable {
    /// A file of this daemon alone.
    pub redb: Option<PathBuf>,
    /// Nodes of an etcd cluster that controllers share.
    pub etcd: Option<Vec<String>>,
    /// What all keys in etcd begin with.
    pub prefix: Option<String>,
    /// How long a call to etcd may take.
    pub timeout: Option<Span>,
    /// For `https`.
    pub tls: Option<Spanned<TlsTable>>,
    /// What this controller is called among those that share the cluster.
    pub node: Option<Node>,
    /// How long the controller that serves members of others may be silent before another takes over.
    pub lease: Option<Spanned<Span>>,
}

/// `[store.tls]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsTable {
    /// CAs of the cluster, PEM.
    pub ca: Spanned<PathBuf>,
    /// Our certificate for it, PEM.
    pub certificate: Option<Spanned<PathBuf>>,
    /// Its private key, PEM.
    pub key: Option<Spanned<PathBuf>>,
    /// The name in the cluster's certificates, if it is not that of the endpoints.
    pub name: Option<String>,
}

/// `[kek]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KekTable {
    /// A file with the key.
    pub file: Option<PathBuf>,
    /// A credential of systemd with the key.
    pub credential: Option<String>,
    /// Files with older keys, which still open what they have sealed.
    #[serde(default)]
    pub previous: Vec<PathBuf>,
}

/// `[service]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceTable {
    /// How long a change waits for others to go with it.
    pub gather: Span,
    /// When a rekey is sent again, after it was sent.
    pub repeats: Vec<Span>,
    /// How often the end of the last rekey is sent again.
    pub heartbeat: Span,
    /// How often a member is asked whether it is alive.
    pub probe: Span,
    /// The shortest time from one joining of a name to the next.
    pub rejoin: Span,
    /// Records after which the log is made into a snapshot.
    pub compact: u64,
}

/// `[[group]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupTable {
    /// Its id.
    pub id: Spanned<GroupId>,
    /// The private key that signs its rekeys, PKCS #8 in PEM.
    pub signing_key: Spanned<PathBuf>,
    /// Whether all senders of an RTP session share one TEK.
    #[serde(default)]
    pub shared_tek: bool,
    /// After how long there are new keys though nobody came or went.
    #[serde(default = "default_rekey")]
    pub rekey: Every,
    /// Protection of GROUP_REKEY.
    pub suite: Option<Suite>,
    /// Octets of UDP payload of a GROUP_REKEY.
    #[serde(default = "default_path")]
    pub path: Spanned<u16>,
    /// The RTP sessions.
    pub sessions: Spanned<Vec<SessionTable>>,
    /// Who may join: the first rule that is for a name decides.
    #[serde(default)]
    pub member: Vec<MemberTable>,
}

/// One of `sessions`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionTable {
    /// Its number: 1 to 254.
    pub id: Spanned<u8>,
    /// Its SRTP policy.
    pub srtp: Srtp,
}

/// `[[group.member]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberTable {
    /// Whom the rule is for.
    pub who: Whom,
    /// Whether it may send.
    #[serde(default)]
    pub send: bool,
    /// Whether it may receive.
    #[serde(default = "yes")]
    pub receive: bool,
    /// SSRCs that it may have in each RTP session; 1 for who may send, if it is not said.
    pub ssrcs: Option<Spanned<u8>>,
}

/// What is in the file, with the text that mistakes are shown in.
pub struct Source {
    /// The configuration.
    pub config: Config,
    name: String,
    text: String,
    directory: PathBuf,
}

impl Source {
    /// Reads and checks a configuration; the files that it names are not looked at.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let name = path.display().to_string();
        let unreadable = |error: &str| Mistake::nowhere(format!("cannot read '{name}': {error}"));
        let octets = std::fs::read(path).map_err(|error| unreadable(&reason(&error)).in_file(&name, ""))?;
        if octets.len() > MAX_FILE {
            return Err(unreadable("it is longer than a megabyte").in_file(&name, ""));
        }
        let text = String::from_utf8(octets).map_err(|_| unreadable("it is not UTF-8").in_file(&name, ""))?;
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        Self::parse(name, text, directory)
    }

    /// Checks a configuration's text.
    ///
    /// # Errors
    /// [`ConfigError`]
    pub fn parse(name: String, text: String, directory: PathBuf) -> Result<Self, ConfigError> {
        let parsed = toml::from_str(&text).map_err(Mistake::from);
        let checked = parsed.and_then(|config: Config| config.check().map(|()| config));
        match checked {
            Ok(config) => Ok(Self { config, name, text, directory }),
            Err(mistake) => Err(mistake.in_file(&name, &text)),
        }
    }

    /// A path of the file, seen from its directory.
    #[must_use]
    pub fn path(&self, path: &Path) -> PathBuf {
        self.directory.join(path)
    }

    pub(crate) fn error(&self, mistake: Mistake) -> ConfigError {
        mistake.in_file(&self.name, &self.text)
    }
}

impl Config {
    fn check(&self) -> Result<(), Mistake> {
        self.check_store()?;
        let kek = self.kek.as_ref();
        if kek.file.is_some() == kek.credential.is_some() {
            return Err(Mistake::at(self.kek.span(), "either 'file' or 'credential' says where the key is")
                .help(
                    "'mikey group new-kek FILE' makes one; docs/operator.md shows a credential of systemd",
                ));
        }
        let mut ids = HashSet::new();
        for group in &self.groups {
            let group = group.as_ref();
            if !ids.insert(group.id.as_ref().0.as_str()) {
                return Err(Mistake::at(group.id.span(), "another group has this id"));
            }
            group.check()?;
        }
        Ok(())
    }

    fn check_store(&self) -> Result<(), Mistake> {
        let store = self.store.as_ref();
        let at = || self.store.span();
        match (&store.redb, &store.etcd) {
            (Some(_), None) => {
                let shared = store.prefix.is_some() || store.timeout.is_some() || store.tls.is_some();
                if shared || store.node.is_some() || store.lease.is_some() {
                    return Err(Mistake::at(
                        at(),
                        "'prefix', 'timeout', 'tls', 'node' and 'lease' are for 'etcd'",
                    ));
                }
            }
            (None, Some(endpoints)) => {
                let known =
                    |endpoint: &String| endpoint.starts_with("http://") || endpoint.starts_with("https://");
                if endpoints.is_empty() || !endpoints.iter().all(known) {
                    return Err(Mistake::at(
                        at(),
                        "'etcd' is a list of http://host:port or https://host:port",
                    ));
                }
                if store.node.is_none() {
                    return Err(Mistake::at(
                        at(),
                        "'node' is missing: controllers on one cluster have different ones",
                    ));
                }
            }
            _ => return Err(Mistake::at(at(), "either 'redb' or 'etcd' says where groups are kept")),
        }
        if let Some(lease) = store.lease.as_ref().filter(|lease| lease.as_ref().0 < Duration::from_secs(1)) {
            return Err(Mistake::at(lease.span(), "a lease is a second at least"));
        }
        match store.tls.as_ref() {
            Some(tls) if tls.as_ref().certificate.is_some() != tls.as_ref().key.is_some() => {
                Err(Mistake::at(tls.span(), "'certificate' and 'key' go together"))
            }
            _ => Ok(()),
        }
    }
}

impl GroupTable {
    fn check(&self) -> Result<(), Mistake> {
        let sessions = self.sessions.as_ref();
        if sessions.is_empty() || sessions.len() > MAX_SESSIONS {
            let message = format!("a group has 1 to {MAX_SESSIONS} RTP sessions");
            return Err(Mistake::at(self.sessions.span(), message));
        }
        let mut ids = HashSet::new();
        for session in sessions {
            let id = *session.id.as_ref();
            if !(1..=254).contains(&id) || !ids.insert(id) {
                return Err(Mistake::at(
                    session.id.span(),
                    "RTP sessions have numbers from 1 to 254, each once",
                ));
            }
        }
        if !(548..=65_507).contains(self.path.as_ref()) {
            return Err(Mistake::at(self.path.span(), "a path is 548 to 65507 octets of UDP payload"));
        }
        for rule in &self.member {
            let most = mikey_group::limits::MAX_SSRCS / sessions.len();
            if let Some(ssrcs) = &rule.ssrcs
                && (usize::from(*ssrcs.as_ref()) > most || rule.send == (*ssrcs.as_ref() == 0))
            {
                let message = if rule.send {
                    format!("who may send has 1 to {most} SSRCs in each RTP session")
                } else {
                    "who may not send has no SSRC".to_owned()
                };
                return Err(Mistake::at(ssrcs.span(), message).help("say 'send = true' for who may send"));
            }
        }
        Ok(())
    }

    /// The group as a controller makes it.
    #[must_use]
    pub fn group(&self) -> GroupConfig {
        let stream = |table: &SessionTable| GroupStream { cs_id: *table.id.as_ref(), policy: table.srtp.0 };
        let sessions = self.sessions.as_ref().iter().map(stream).collect();
        let mut config = GroupConfig::new(self.id.as_ref().0.as_bytes(), sessions);
        if let Some(suite) = &self.suite {
            config.suite = suite.0;
        }
        config.path = *self.path.as_ref();
        config.shared_tek = self.shared_tek;
        config
    }

    /// Adds the rules of the group to a table.
    pub fn allow(&self, table: &mut AccessTable) {
        for rule in &self.member {
            let roles = GroupRoles { sends: rule.send, receives: rule.receive };
            let ssrcs = rule.ssrcs.as_ref().map_or(u8::from(rule.send), |ssrcs| *ssrcs.as_ref());
            table.allow(self.id.as_ref().0.as_bytes(), Rule { who: rule.who.0.clone(), roles, ssrcs });
        }
    }
}

impl ServiceTable {
    /// The same for the library. Renewal without cause is the daemon's, a group at a time.
    #[must_use]
    pub fn service(&self) -> ServiceConfig {
        ServiceConfig {
            gather: self.gather.0,
            rekey_every: None,
            repeats: self.repeats.iter().map(|span| span.0).collect(),
            heartbeat: self.heartbeat.0,
            probe_every: self.probe.0,
            rejoin: self.rejoin.0,
            ..ServiceConfig::default()
        }
    }
}

impl Default for ServiceTable {
    fn default() -> Self {
        let ServiceConfig { gather, repeats, heartbeat, probe_every, rejoin, .. } = ServiceConfig::default();
        Self {
            gather: Span(gather),
            repeats: repeats.into_iter().map(Span).collect(),
            heartbeat: Span(heartbeat),
            probe: Span(probe_every),
            rejoin: Span(rejoin),
            compact: 256,
        }
    }
}

fn default_listen() -> SocketAddr {
    /// The port of MIKEY (RFC 3830).
    const MIKEY_PORT: u16 = 2269;
    SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), MIKEY_PORT)
}

fn default_control() -> PathBuf {
    crate::control::DEFAULT_SOCKET.into()
}

fn default_rekey() -> Every {
    Every(Some(Duration::from_secs(3600)))
}

fn default_path() -> Spanned<u16> {
    Spanned::new(0..0, 1200)
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests;
