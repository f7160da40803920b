//! How a service runs its groups.

use core::time::Duration;

use crate::limits::GHOST;

/// How a service runs its groups.
#[derive(Clone, Debug)]
pub struct ServiceConfig {
    /// How long a change waits for others to go with it. It bounds how often a group has a new epoch.
    pub gather: Duration,
    /// After how long a group has new keys though nobody came or went: see [`Service::set_leading`](crate::Service::set_leading).
    pub rekey_every: Option<Duration>,
    /// When a rekey is sent again, after it was sent.
    pub repeats: Vec<Duration>,
    /// How often the last message of the last rekey is sent again, so that whoever missed all of it learns that.
    pub heartbeat: Duration,
    /// How often a member is asked whether it is alive. One that does not answer leaves.
    pub probe_every: Duration,
    /// The shortest time from one joining of a name to the next.
    pub rejoin: Duration,
    /// How long a member stays one whose session has ended with the controller that it joined at. Meanwhile it may join
    /// anew, here or at another controller; so it is longer than members take to notice.
    pub ghost_after: Duration,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            gather: Duration::from_millis(100),
            rekey_every: Some(Duration::from_secs(3600)),
            repeats: vec![Duration::from_millis(200), Duration::from_millis(1000)],
            heartbeat: Duration::from_secs(10),
            probe_every: Duration::from_secs(60),
            rejoin: Duration::from_secs(1),
            ghost_after: GHOST,
        }
    }
}
