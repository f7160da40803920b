//! What members do in a test, and what they have heard.

use core::time::Duration;
use std::net::SocketAddr;

use mikey::keying::GroupRoles;
use mikey_sim::{World, address};

use super::Party;

/// Lets members join, one after the other a moment later.
pub fn join_all(world: &mut World<Party>, members: impl IntoIterator<Item = usize>, roles: GroupRoles) {
    for n in members {
        world.act(n, |now, party| party.ear().join(now, 0, roles));
    }
    let end = world.now() + Duration::from_secs(4);
    world.run_until(end);
}

pub fn run(world: &mut World<Party>, time: Duration) {
    let end = world.now() + time;
    world.run_until(end);
}

/// Every node of these, by address.
pub fn addresses(nodes: impl IntoIterator<Item = usize>) -> Vec<SocketAddr> {
    nodes.into_iter().map(|n| address(u8::try_from(n).unwrap())).collect()
}

/// What a member has heard since.
pub fn heard(world: &mut World<Party>, n: usize) -> Vec<(u32, u16)> {
    world.act(n, |_, party| std::mem::take(&mut party.ear().heard))
}
