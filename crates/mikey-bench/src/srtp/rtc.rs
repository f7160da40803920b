//! The crate rtc-srtp.

use std::hint::black_box;

use mikey_crypto::srtp::{SrtpCipher, SrtpPolicy};
use rtc_srtp::context::Context;
use rtc_srtp::crypto::default_provider;
use rtc_srtp::protection_profile::ProtectionProfile;

use super::pool::{Pool, advance, count, packet};
use super::profile::Profile;
use crate::Result;
use crate::measure::{Contestant, Role};

const NAME: &str = "rtc-srtp 0.21";

pub(super) fn protect(profile: Profile, size: usize) -> Result<Option<Contestant<'static>>> {
    let Some(mut context) = context(profile)? else { return Ok(None) };
    let mut packet = packet(0, size);
    let mut seq = 0;
    Ok(Some(Contestant::new(NAME, Role::Peer, move || {
        advance(&mut packet, &mut seq);
        black_box(context.encrypt_rtp(&packet)?);
        Ok(())
    })))
}

pub(super) fn unprotect(profile: Profile, size: usize) -> Result<Option<Contestant<'static>>> {
    let Some(receiver) = context(profile)? else { return Ok(None) };
    let prepare = move |(pool, receiver): &mut (Pool, Context)| {
        pool.renew();
        *receiver = context(profile)?.ok_or("no such profile")?;
        Ok(())
    };
    let state = (Pool::new(profile, size)?, receiver);
    let operation = |(pool, receiver): &mut (Pool, Context), at| {
        black_box(receiver.decrypt_rtp(pool.copy(at))?);
        Ok(())
    };
    Ok(Some(Contestant::rounds(NAME, Role::Peer, (count(size), 1), state, prepare, operation)))
}

fn context(profile: Profile) -> Result<Option<Context>> {
    let theirs = match profile.policy {
        SrtpPolicy::AES_CM_128_HMAC_SHA1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        SrtpPolicy::AES_CM_128_HMAC_SHA1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        SrtpPolicy::AES_CM_256_HMAC_SHA1_80 => ProtectionProfile::Aes256CmHmacSha1_80,
        SrtpPolicy { cipher: SrtpCipher::AesGcm, key_len: 16, .. } => ProtectionProfile::AeadAes128Gcm,
        SrtpPolicy { cipher: SrtpCipher::AesGcm, .. } => ProtectionProfile::AeadAes256Gcm,
        _ => return Ok(None),
    };
    let provider = default_provider().map_err(|error| error.to_string())?;
    let (key, salt) = (profile.key(), profile.salt());
    Ok(Some(Context::new(&key, &salt, theirs, None, None, provider.crypto())?))
}
