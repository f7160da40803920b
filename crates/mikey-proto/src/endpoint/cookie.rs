//! Stateless cookies: proof that an address receives what is sent to it, before anything is kept for it (docs/spec.md, "Cookies").
//!
//! `COOKIE = version || HMAC(secret of that version, source address || H(M1 without COOKIE))`, cut to 16 octets. Two secrets
//! are live, so a cookie is good for 30 to 60 seconds.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use mikey_crypto::{CryptoProvider, Digest, RandomFailed, SecretBytes};

use crate::time::Time;

const ROTATION: Duration = Duration::from_secs(30);
const MAC_LEN: usize = 16;
const COOKIE_LEN: usize = 1 + MAC_LEN;

/// The rotating secrets.
pub(crate) struct Cookies {
    version: u8,
    current: SecretBytes,
    previous: Option<SecretBytes>,
    rotate_at: Time,
}

impl Cookies {
    pub(crate) fn new(provider: &CryptoProvider) -> Result<Self, RandomFailed> {
        Ok(Self { version: 0, current: secret(provider)?, previous: None, rotate_at: Time::ZERO + ROTATION })
    }

    /// The cookie for this address and first message.
    pub(crate) fn make(
        &mut self,
        provider: &CryptoProvider,
        now: Time,
        from: SocketAddr,
        m1: &Digest,
    ) -> Result<[u8; COOKIE_LEN], RandomFailed> {
        self.rotate(provider, now)?;
        Ok(cookie(provider, self.version, &self.current, from, m1))
    }

    /// Whether `shown` is a cookie that was made for this address and first message within the last minute.
    pub(crate) fn check(
        &mut self,
        provider: &CryptoProvider,
        now: Time,
        from: SocketAddr,
        m1: &Digest,
        shown: &[u8],
    ) -> Result<bool, RandomFailed> {
        self.rotate(provider, now)?;
        let (version, secret) = match (shown.first(), &self.previous) {
            (Some(version), _) if *version == self.version => (*version, &self.current),
            (Some(version), Some(previous)) if *version == self.version.wrapping_sub(1) => {
                (*version, previous)
            }
            _ => return Ok(false),
        };
        Ok(mikey_crypto::ct_eq(&cookie(provider, version, secret, from, m1), shown))
    }

    fn rotate(&mut self, provider: &CryptoProvider, now: Time) -> Result<(), RandomFailed> {
        if now < self.rotate_at {
            return Ok(());
        }
        let fresh = secret(provider)?;
        let old = std::mem::replace(&mut self.current, fresh);
        // After a long silence the old secret is too old as well.
        self.previous = (now < self.rotate_at + ROTATION).then_some(old);
        self.version = self.version.wrapping_add(1);
        // On a fixed grid, so that no secret lives longer than two periods.
        let periods = now.since(self.rotate_at).as_nanos() / ROTATION.as_nanos() + 1;
        self.rotate_at = self.rotate_at + ROTATION * u32::try_from(periods).unwrap_or(u32::MAX);
        Ok(())
    }
}

fn secret(provider: &CryptoProvider) -> Result<SecretBytes, RandomFailed> {
    let mut secret = SecretBytes::zeroed(32);
    provider.random.fill(secret.expose_mut())?;
    Ok(secret)
}

fn cookie(
    provider: &CryptoProvider,
    version: u8,
    secret: &SecretBytes,
    from: SocketAddr,
    m1: &Digest,
) -> [u8; COOKIE_LEN] {
    let address = match from.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    let port = from.port().to_be_bytes();
    let mut out = [0; COOKIE_LEN];
    let [first, mac @ ..] = &mut out;
    *first = version;
    provider.sha256.hmac_key(secret.expose()).mac(&[&address, &port, m1.as_ref()], mac);
    out
}
