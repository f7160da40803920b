//! Named limits. What is beyond one is refused with [`crate::DecodeErrorKind::Limit`] before anything is
//! allocated for it; the encoder refuses it too.

/// Longest message, octets: what a UDP datagram can hold. Version 2 negotiates less (M-SP type 8).
pub const MAX_MESSAGE: usize = 65_535;
/// Longest INIT_REQ of version 2, octets (section 4): a stranger's first packet stays small.
pub const MAX_INIT_REQ: usize = 2_048;
/// Payloads in one message or one KEMAC: bounds what a stranger makes us allocate. A group rekey along a
/// path of a full 32-level tree fits.
pub const MAX_PAYLOADS: usize = 256;
/// Policies (SP) in one message.
pub const MAX_POLICIES: usize = 32;
/// Parameters in one SP: types are one octet, each at most once.
pub const MAX_SP_PARAMS: usize = 256;
/// Certificates in one message: end entity and issuers.
pub const MAX_CERTS: usize = 10;
/// Accepted anchors that one CERTREQ names.
pub const MAX_ANCHORS: usize = 256;
/// NOTIFY extensions in one INFO.
pub const MAX_NOTIFIES: usize = 16;
/// Key data in one KEMAC: a path of 32 nodes, the group key and a spare.
pub const MAX_KEY_DATA: usize = 64;
/// Nodes in one GROUP_REKEY: two for every level of a 32-level tree.
pub const MAX_GROUP_NODES: usize = 64;
/// Items in one SDP-BINDING.
pub const MAX_SDP_BINDINGS: usize = 16;
/// Key IDs in one Key ID extension.
pub const MAX_KEY_IDS: usize = 16;
/// Highest CS ID in version 2; 0 and 255 are refused (section 2).
pub const MAX_CS_ID: u8 = 254;
/// Longest COOKIE, octets (section 7).
pub const MAX_COOKIE: usize = 32;
/// Most fragments of one message (section 4). The fewest are two.
pub const MAX_FRAGMENTS: u16 = 64;
/// Longest opaque part of RESUME-TICKET, octets (section 5).
pub const MAX_TICKET: usize = 512;
/// Longest lifetime of a ticket, seconds: seven days (section 5).
pub const MAX_TICKET_LIFETIME: u32 = 604_800;
/// Longest group ID in GCC-REQ, octets (section 2).
pub const MAX_GROUP_ID: usize = 64;
/// Most SSRCs that one GCC-REQ may ask for (section 2).
pub const MAX_GROUP_SSRCS: u8 = 16;
/// Octets of RAND in version 2 (section 4).
pub const RAND_LEN: usize = 32;
/// The value of T that is never used (section 4).
pub const T_NEVER: u32 = u32::MAX;
/// Smallest value of M-SP type 8, the longest reassembled message, octets (section 3).
pub const MIN_LONGEST: u16 = 4_096;
/// The CSB ID that is never used: STUN's magic cookie (section 2).
pub const STUN_COOKIE: u32 = 0x2112_A442;
/// Policy number of M-SP; no SRTP policy may have it (section 3).
pub const MSP_POLICY_NO: u8 = 255;
