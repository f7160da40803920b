//! The control socket: JSON, one request a line and one answer a line (docs/operator.md, "The control socket").
//!
//! ```text
//!   {"do":"expel","group":"news","member":"sip:mallory@example.com"}
//!   {"ok":{"done":{"group":"news","epoch":7,"record":12}}}
//!   {"error":{"kind":"unknown_member","message":"..","hint":".."}}
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

mod client;
mod server;

pub use client::{Client, ClientError};
pub(crate) use server::{Asked, listen};

/// Where the control socket is if nothing else is said.
pub const DEFAULT_SOCKET: &str = "/run/mikeyd/control.sock";

/// Longest request, in octets without the end of the line; a longer one ends the connection.
pub const MAX_REQUEST: usize = 4096;

/// Longest answer that a client takes, in octets.
pub const MAX_ANSWER: u64 = 1 << 28;

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What to do.
    #[serde(rename = "do")]
    pub verb: Verb,
    /// Of which group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// With which member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member: Option<String>,
}

/// What can be done.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// All groups.
    List,
    /// One group.
    Show,
    /// The members of a group.
    Members,
    /// Expel a member of a group.
    Expel,
    /// Give a group new keys.
    Rekey,
    /// Counters.
    Stats,
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done, and this came of it.
    Ok(Body),
    /// It was not done.
    Error(Refusal),
}

/// What an answer holds.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Body {
    /// To `list`.
    Groups(Vec<GroupInfo>),
    /// To `show`.
    Group(Box<GroupInfo>),
    /// To `members`.
    Members(Vec<Member>),
    /// To `expel` and `rekey`: the change is stored, and its messages have left.
    Done {
        /// The group.
        group: String,
        /// Its epoch since.
        epoch: u32,
        /// The number of its last record since.
        record: u64,
    },
    /// To `stats`.
    Stats(Vec<Counter>),
}

/// A group as this controller has it.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its id.
    pub group: String,
    /// Its epoch; 0 before anybody has joined.
    pub epoch: u32,
    /// T of the next GROUP_REKEY.
    pub next_t: u32,
    /// The number of its last record.
    pub record: u64,
    /// How many members it has.
    pub members: usize,
    /// How many of them have joined at this controller.
    pub here: usize,
    /// Its SPI, in hexadecimal.
    pub spi: String,
    /// Its RTP sessions.
    pub sessions: Vec<Session>,
    /// Whether senders of an RTP session share one TEK.
    pub shared_tek: bool,
    /// After how many seconds it has new keys though nobody came or went.
    pub rekey_seconds: Option<u64>,
    /// What the store last said to this group: "ok", or why a change waits.
    pub store: String,
    /// Whether this controller serves members of others, and renews keys.
    pub leads: bool,
}

/// An RTP session.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Session {
    /// Its number.
    pub id: u8,
    /// Its SRTP policy.
    pub srtp: String,
}

/// A member of a group.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Whether it may send.
    pub sends: bool,
    /// Whether it may receive.
    pub receives: bool,
    /// Its SSRCs.
    pub ssrcs: Vec<OwnSsrc>,
    /// Where it was when it joined.
    pub contact: String,
    /// Its leaf in the key tree.
    pub leaf: u32,
    /// The record with which it joined.
    pub since: u64,
    /// Whether it has a session with this controller.
    pub here: bool,
}

/// An SSRC of a member.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct OwnSsrc {
    /// The RTP session.
    pub session: u8,
    /// The SSRC.
    pub ssrc: u32,
}

/// A value for monitoring.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Counter {
    /// Its name, as Prometheus has it.
    pub name: String,
    /// What it counts.
    pub help: String,
    /// Whether it only grows.
    pub grows: bool,
    /// The group, if it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The value.
    pub value: f64,
}

/// Why something was not done.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Refusal {
    /// For machines.
    pub kind: Kind,
    /// For people.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The request is none.
    BadRequest,
    /// The request is too long.
    TooLong,
    /// The daemon serves no such group.
    UnknownGroup,
    /// The group has no such member.
    UnknownMember,
    /// The store has not said yes in time. The change is made when it does.
    Store,
    /// The daemon has too much to do, or ends.
    Busy,
}

impl Refusal {
    /// Without advice.
    #[must_use]
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Counters in the text format of Prometheus.
#[must_use]
pub fn prometheus(counters: &[Counter]) -> String {
    use fmt::Write;
    let mut text = String::new();
    let mut last = None;
    for counter in counters {
        if last != Some(&counter.name) {
            let kind = if counter.grows { "counter" } else { "gauge" };
            let _ = writeln!(text, "# HELP {0} {1}\n# TYPE {0} {kind}", counter.name, counter.help);
            last = Some(&counter.name);
        }
        let _ = match &counter.group {
            Some(group) => {
                let group = group.replace('\\', "\\\\").replace('"', "\\\"");
                writeln!(text, "{}{{group=\"{group}\"}} {}", counter.name, counter.value)
            }
            None => writeln!(text, "{} {}", counter.name, counter.value),
        };
    }
    text
}
