//! Protecting and unprotecting packets, next to other SRTP implementations and to the bare primitives.
//!
//! Packets have 12 octets of header and 20, 160 or 1200 of payload: a comfort noise packet, 20 ms of G.711, video. All
//! contestants of a case do the same: protect a packet with the next sequence number, or unprotect packets that were
//! protected beforehand, each once.

mod batch;
mod contexts;
mod libsrtp;
mod limit;
mod ours;
mod pool;
mod profile;
mod rtc;
mod webrtc;

use crate::Result;
use crate::measure::Case;

pub(crate) use contexts::{CONTEXTS_SIZE, contexts, contexts_cases, contexts_name};
use profile::PROFILES;

/// All cases of the bench but those with many contexts.
pub(crate) fn cases() -> Result<Vec<Case<'static>>> {
    let mut cases = Vec::new();
    for profile in PROFILES {
        for size in [20, 160, 1200] {
            let mut protect = vec![ours::protect(profile, size)?];
            let mut unprotect = vec![ours::unprotect(profile, size)?];
            protect.extend(limit::protect(profile, size)?);
            unprotect.extend(limit::unprotect(profile, size)?);
            protect.extend(webrtc::protect(profile, size)?);
            unprotect.extend(webrtc::unprotect(profile, size)?);
            protect.extend(rtc::protect(profile, size)?);
            unprotect.extend(rtc::unprotect(profile, size)?);
            protect.extend(libsrtp::protect(profile, size)?);
            unprotect.extend(libsrtp::unprotect(profile, size)?);
            for (verb, contestants) in [("protect", protect), ("unprotect", unprotect)] {
                cases.push(Case { name: format!("{} {verb}", profile.name), size, contestants });
            }
        }
    }
    for profile in PROFILES.into_iter().take(1).chain(PROFILES.into_iter().skip(4).take(1)) {
        for size in [20, 160, 1200] {
            cases.extend(batch::cases(profile, size)?);
        }
    }
    Ok(cases)
}
