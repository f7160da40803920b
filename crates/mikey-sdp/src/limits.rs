//! What a text from a stranger can make us hold.

/// Octets of a session description; a longer one is refused before it is parsed.
pub const MAX_SDP: usize = 64 * 1024;

/// Media descriptions in a session description.
pub const MAX_MEDIA: usize = 64;

/// `a=key-mgmt` lines at one level, and specifications in one `KeyMgmt` header.
pub const MAX_OFFERS: usize = 16;

/// Octets of one key management message, decoded: the longest datagram of version 2 and every message of version 1
/// that is known fit.
pub const MAX_DATA: usize = 16 * 1024;

/// Octets of a protocol identifier.
pub const MAX_PROTOCOL: usize = 32;

/// Octets of a URI in a `KeyMgmt` header.
pub const MAX_URI: usize = 2048;

/// `a=fingerprint` lines at one level.
pub const MAX_FINGERPRINTS: usize = 16;
