//! What bounds memory and work for each connection.

/// Octets of the lines of a message: a `KeyMgmt` at its longest, and more headers than anybody sends.
pub const MAX_HEAD: usize = 48 << 10;

/// Octets of a body: as long as a session description may be.
pub const MAX_BODY: usize = mikey_sdp::limits::MAX_SDP;

/// Media of a presentation that are set up.
pub const MAX_STREAMS: usize = 16;

/// Timestamps a second of a stream; a description with more of them is not believed.
pub const MAX_CLOCK_RATE: u32 = 1_000_000;

/// Channels of audio; a description with more of them is not believed.
pub const MAX_CHANNELS: u16 = 32;

/// Packets that wait for one that was overtaken.
pub const MAX_REORDERED: usize = 64;

/// Octets of an access unit of H.264, the largest picture there is.
pub const MAX_ACCESS_UNIT: usize = 8 << 20;

/// Octets of one RTP payload that is sent: what fits into an Ethernet frame with SRTP's tag and MKI.
pub const MAX_PAYLOAD: usize = 1200;

/// Octets that SRTP and SRTCP may add to a packet: tag, MKI, index.
pub const MAX_PROTECTION: usize = 16 + 255 + 4;
