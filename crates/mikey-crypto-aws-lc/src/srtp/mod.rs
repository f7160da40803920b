//! The transforms of SRTP.

use mikey_crypto::srtp::SrtpCrypto;

/// The provider's SRTP transforms.
pub(crate) struct Srtp;

impl SrtpCrypto for Srtp {}
