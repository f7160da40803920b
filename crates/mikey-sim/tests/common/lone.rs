//! Bob alone, with callers of CCE2 written by hand.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use mikey_proto::{DropReason, Endpoint, EndpointConfig, Error, Event, Metrics};
use mikey_sim::{Datagram, Link, World, address};
use mikey_wire::v2::ErrorMsg;
use mikey_wire::{DataType, ErrorNo};

use super::common::craft::{kind, with_cookie};
use super::common::envelope::{Sends, msp};
use super::common::hand::HandCaller;
use super::common::{ALICE, BOB, Mode, Parties};

/// Bob alone, and what comes in from a caller written by hand.
pub struct Bob {
    pub world: World<Endpoint>,
}

impl Bob {
    pub fn new(parties: &Parties, mode: Mode) -> Self {
        Self::with(parties.bob(mode, 2))
    }

    pub fn with(config: EndpointConfig) -> Self {
        Self { world: World::new(Link::perfect(1), [Endpoint::new(config).unwrap()]) }
    }

    pub fn metrics(&self) -> Metrics {
        self.world.node(0).metrics()
    }

    /// What this datagram draws.
    pub fn takes(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.world.inject(Datagram { from: address(77), to: address(0), bytes: bytes.to_vec() });
        self.world.sent.pop().map(|d| d.bytes)
    }

    /// INIT_RESP, after the cookie that it may need.
    pub fn init_resp(&mut self, caller: &HandCaller) -> Vec<u8> {
        let answer = self.takes(&caller.m1).expect("an answer");
        if kind(&answer) != DataType::ERROR {
            return answer;
        }
        let error = ErrorMsg::decode(&answer).unwrap();
        assert_eq!(error.error, ErrorNo::COOKIE_REQUIRED);
        self.takes(&with_cookie(&caller.m1, error.cookie.unwrap())).expect("an answer")
    }

    pub fn refusals(&mut self) -> Vec<Error> {
        let why = |event| if let Event::CallerRefused { why, .. } = event { Some(why) } else { None };
        self.world.events(0).into_iter().filter_map(why).collect()
    }
}

pub fn caller(mode: Mode, seed: u64) -> HandCaller {
    HandCaller::new(seed, ALICE, Some(BOB), &offer(mode), &[])
}

pub fn offer(mode: Mode) -> mikey_wire::v2::Msp<'static> {
    msp(if mode == Mode::Cce2Psk { 2 } else { 3 }, true)
}

pub fn right(parties: &Parties, mode: Mode) -> Sends {
    if mode == Mode::Cce2Psk { Sends::psk(&[7; 32]) } else { Sends::rsa(&parties.ca) }
}

/// What Bob makes of a request by hand: the answer, what was dropped or refused, and whether there is a session.
pub fn judge(parties: &Parties, mode: Mode, sends: &Sends) -> (Option<DataType>, Bob) {
    let mut bob = Bob::new(parties, mode);
    let mut caller = caller(mode, 1);
    let m2 = bob.init_resp(&caller);
    let m3 = caller.cce2_req(&m2, sends);
    let answer = bob.takes(&m3);
    (answer.map(|a| kind(&a)), bob)
}

/// The reason for which something was dropped since the counters stood at `before`.
pub fn dropped(before: &Metrics, after: &Metrics) -> Vec<DropReason> {
    DropReason::ALL.iter().copied().filter(|why| after.drops(*why) > before.drops(*why)).collect()
}
