//! Every limit of the crate, with its source and what happens when it is hit.

/// RFC 3711 section 9.2: SRTP packets of one SSRC under one master key, also where several SSRCs share it; the key then
/// refuses ([`crate::ProtectError::KeyExhausted`]).
pub const MAX_SRTP_PACKETS: u64 = 1 << 48;

/// RFC 3711 section 9.2: SRTCP packets of one SSRC under one master key; the key then refuses.
pub const MAX_SRTCP_PACKETS: u64 = 1 << 31;

/// Longest MKI in octets, from the one-octet SPI length of RFC 3830 section 6.14; a longer one cannot be made.
pub const MAX_MKI_LEN: usize = 255;

/// Keys that one stream holds at once; the oldest goes when another comes.
pub const MAX_KEYS: usize = 4;

/// Smallest replay window (RFC 3711 section 3.3.2 requires 64).
pub const MIN_WINDOW: u32 = 64;

/// Largest replay window: half the sequence number space, beyond which indices are ambiguous.
pub const MAX_WINDOW: u32 = 1 << 15;

/// Late-bound SSRCs of one wildcard sender; another one is refused ([`crate::UnprotectError::TooManySsrcs`]).
pub const MAX_SSRCS_PER_WILDCARD: u32 = 64;

/// Wildcard senders whose keys are tried for one packet of an unknown SSRC; those installed first come first.
pub const MAX_WILDCARD_TRIALS: usize = 8;

/// Longest header extension that f8 encrypts, since its keystream cannot be made in pieces; a longer one is refused.
pub const MAX_F8_EXTENSION: usize = 1024;

/// A key is reported as due for a rekey when less than this fraction of its packets is left.
pub const SOFT_LIMIT_FRACTION: u64 = 16;

/// Senders of one owner in the other direction that are asked whether they have a new SSRC too; an owner with more of
/// them has to tell its SSRCs apart itself.
pub const MAX_SENDERS_COMPARED: usize = 64;

/// TESLA: the sender says that a chain is due when less than this fraction of it is left.
pub const CHAIN_DUE_FRACTION: u32 = 16;

/// TESLA: packets of one sender that may wait, at most: a quarter of the sequence numbers, so that no index is ambiguous
/// because those before it wait.
pub const MAX_HELD_PACKETS: usize = 1 << 14;

/// TESLA: octets that a receiver allows for one sender's packets, at least: any packet fits.
pub const MIN_HELD_OCTETS: usize = 1 << 16;

/// TESLA: octets that a receiver allows for one sender's packets, at most.
pub const MAX_HELD_OCTETS: usize = 1 << 26;

/// TESLA: steps along the chain that any packet is worth: keys may be lost in so many intervals one after the other.
pub const FREE_STEPS: u64 = 16;

/// TESLA: steps that every passing interval adds for longer walks. What goes beyond is refused
/// ([`crate::UnprotectError::FarKey`]).
pub const STEPS_PER_INTERVAL: u64 = 4;

/// TESLA: chains of one sender at a receiver: the one in use, and the one before or the one after.
pub const MAX_CHAINS: usize = 2;

/// TESLA: the largest bound on the drift of two clocks that can be set, in parts per million.
pub const MAX_DRIFT_PPM: u32 = 100_000;
