//! Every bound of a group, with what happens when it is hit (docs/spec.md, "Timers and limits").

use core::time::Duration;

/// Most members of a group; a further one is refused.
pub const MAX_MEMBERS: u32 = 1 << 24;
/// Most members who join, and who leave, and senders who report, in one record; the others wait for the next.
pub const MAX_BATCH: usize = 4096;
/// Most RTP sessions of a group.
pub const MAX_SESSIONS: usize = 16;
/// Most SSRCs of one member: sixteen in each RTP session.
pub const MAX_SSRCS: usize = 256;
/// Most SSRCs of a group: SENDERS is one payload. A further sender is refused by the controller, and not heard by a member.
pub const MAX_SENDERS: usize = 5000;
/// Longest note of where a member is.
pub const MAX_CONTACT: usize = 64;
/// Most GROUP_REKEY messages of one rekey.
pub const MAX_MESSAGES: usize = 65_536;
/// Verified GROUP_REKEYs that a member keeps while an earlier one is missing.
pub const MAX_HELD: usize = 1024;
/// How long a member waits for a GROUP_REKEY that is missing before it goes on without.
pub const GAP: Duration = Duration::from_millis(400);
/// After how long a controller tries again to make somebody leave, if no record could be made of it.
pub const RETRY: Duration = Duration::from_secs(1);
/// Changes of senders that a member keeps until the group key that they come with; beyond it, it asks how the group stands.
pub const MAX_CHANGES: usize = 2 * MAX_SENDERS;
/// The shortest time from one pull to the next.
pub const PULL_INTERVAL: Duration = Duration::from_secs(1);
/// How long a member stays one whose session with its controller is gone, if the service's configuration does not say.
pub const GHOST: Duration = Duration::from_secs(180);
/// How long receivers accept the old epoch if the member's configuration does not say.
pub const DEACTIVATION: Duration = Duration::from_secs(5);
