//! TESLA: which member of a group has sent a packet (RFC 4082, in SRTP by RFC 4383).
//!
//! Whoever has a group's key can make packets in any member's name. With TESLA each packet also carries a MAC under a
//! key that only its sender has yet, and that a later packet discloses; receivers keep the packet until then.
//!
//! ```text
//! SRTP   header | payload* | i | disclosed key | TESLA MAC | [MKI] | MAC
//! SRTCP  header | rest* | E index | i | disclosed key | TESLA MAC | [MKI] | MAC
//!
//! time       |  i - d   |   ...    |    i     |   ...    |  i + d   |
//! key chain   K_(i-d) <-- ... <--   K_i   <--  ...  <--   K_(i+d)          K_(j-1) = F(K_j)
//! MAC key                          F'(K_i)
//! disclosed                        K_(i-d)                K_i
//! ```
//!
//! Invariants: a packet is delivered only if its TESLA MAC is right under a key that its sender had not yet disclosed,
//! by an upper bound on the sender's clock, when the packet came; index, replay list and counters move only then.

mod budget;
mod buffer;
mod clock;
mod protect;
mod receiver;
mod sender;
mod unprotect;

pub use budget::TeslaLimits;
pub use clock::{ReceiverClock, SenderClock};
pub use mikey_crypto::tesla::{Commitment, GroupTime, KEY_LEN, KeyChain, TeslaError, TeslaParams};
pub use receiver::{TeslaReceiver, TeslaStats};
pub use sender::{TeslaSender, TeslaSenderInfo};
pub(crate) use unprotect::Ready;
pub use unprotect::{Verified, VerifiedIndex};

use mikey_crypto::tesla::{INTERVAL_LEN, MAX_MAC_LEN};

/// What a stream whose packets carry TESLA has: one of the two, by its direction.
pub(crate) enum Tesla {
    Sender(TeslaSender),
    Receiver(TeslaReceiver),
}

/// The TESLA authentication extension of a packet (RFC 4383 section 4.1).
struct Extension<'a> {
    interval: u32,
    disclosed: &'a [u8; KEY_LEN],
    mac: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Takes the extension off the end of what the outer tag covers.
    fn split(covered: &'a [u8], mac_len: usize) -> Option<(&'a [u8], Self)> {
        let (rest, mac) = covered.split_at_checked(covered.len().checked_sub(mac_len)?)?;
        let (rest, disclosed) = rest.split_last_chunk::<KEY_LEN>()?;
        let (rest, interval) = rest.split_last_chunk::<INTERVAL_LEN>()?;
        Some((rest, Self { interval: u32::from_be_bytes(*interval), disclosed, mac }))
    }

    /// Writes the extension to the start of `to`.
    fn write(&self, to: &mut [u8]) -> Option<()> {
        let (interval, rest) = to.split_first_chunk_mut::<INTERVAL_LEN>()?;
        let (disclosed, rest) = rest.split_first_chunk_mut::<KEY_LEN>()?;
        *interval = self.interval.to_be_bytes();
        *disclosed = *self.disclosed;
        rest.get_mut(..self.mac.len())?.copy_from_slice(self.mac);
        Some(())
    }
}

/// A MAC before it is truncated.
type FullMac = [u8; MAX_MAC_LEN];
