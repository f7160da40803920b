//! Randomness of the operating system, and a provider's as RustCrypto takes it.

use mikey_crypto::{RandomFailed, SecureRandom};

/// `getrandom` or what the platform has for it. No state in the process, so nothing repeats after a fork.
pub struct OsRandom;

impl SecureRandom for OsRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        getrandom::fill(out).map_err(|_| RandomFailed)
    }
}

#[cfg(feature = "provider")]
pub(crate) use draw::Draw;

#[cfg(feature = "provider")]
mod draw {
    use rsa::rand_core::{TryCryptoRng, TryRng};

    use super::{RandomFailed, SecureRandom};

    /// A source as RustCrypto's generators are. Its failure is theirs.
    pub(crate) struct Draw<'a>(pub(crate) &'a dyn SecureRandom);

    impl TryRng for Draw<'_> {
        type Error = RandomFailed;

        fn try_next_u32(&mut self) -> Result<u32, RandomFailed> {
            let mut octets = [0; 4];
            self.0.fill(&mut octets)?;
            Ok(u32::from_le_bytes(octets))
        }

        fn try_next_u64(&mut self) -> Result<u64, RandomFailed> {
            let mut octets = [0; 8];
            self.0.fill(&mut octets)?;
            Ok(u64::from_le_bytes(octets))
        }

        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), RandomFailed> {
            self.0.fill(out)
        }
    }

    impl TryCryptoRng for Draw<'_> {}
}
