//! Ours, through the context database: what an application calls.

use std::hint::black_box;

use mikey_srtp::{ContextDb, DbConfig, Destination, Direction, Install, Owner, Ssrc, Ssrcs, Time};

use super::pool::{HEADER, Pool, SSRC, advance, count, packet};
use super::profile::Profile;
use crate::Result;
use crate::measure::{Contestant, Role};

const NAME: &str = "mikey-srtp";

pub(super) fn protect(profile: Profile, size: usize) -> Result<Contestant<'static>> {
    let mut db = sender(profile)?;
    let mut buffer = packet(0, size);
    buffer.resize(size + 64, 0);
    let mut seq = 0;
    Ok(Contestant::new(NAME, Role::Ours, move || {
        advance(&mut buffer, &mut seq);
        black_box(db.protect_rtp(Time::ZERO, here(), &mut buffer, size + HEADER)?);
        Ok(())
    }))
}

pub(super) fn unprotect(profile: Profile, size: usize) -> Result<Contestant<'static>> {
    let state = (Pool::new(profile, size)?, receiver(profile)?);
    let prepare = move |(pool, db): &mut (Pool, ContextDb)| {
        pool.renew();
        *db = receiver(profile)?;
        Ok(())
    };
    Ok(Contestant::rounds(NAME, Role::Ours, (count(size), 1), state, prepare, |(pool, db), at| {
        black_box(db.unprotect_rtp(Time::ZERO, here(), pool.copy(at))?);
        Ok(())
    }))
}

pub(super) fn sender(profile: Profile) -> Result<ContextDb> {
    with(profile, Direction::Outbound)
}

pub(super) fn receiver(profile: Profile) -> Result<ContextDb> {
    with(profile, Direction::Inbound)
}

pub(super) fn here() -> Destination {
    Destination::new([192, 0, 2, 1].into(), 5004)
}

fn with(profile: Profile, direction: Direction) -> Result<ContextDb> {
    let mut db = ContextDb::new(mikey_crypto_aws_lc::provider().srtp, DbConfig::new([5, 6]));
    let ssrcs = Ssrcs::one(Ssrc(SSRC));
    db.install(Install::new(direction, here(), Owner(1), ssrcs, profile.policy, profile.master()))?;
    Ok(db)
}
