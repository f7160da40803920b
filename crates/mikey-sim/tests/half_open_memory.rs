//! What a first message leaves behind, that anyone can send: no more than 1,024 octets of resident memory.
//!
//! One test alone in its process, so that the memory is its own.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::net::{Ipv4Addr, SocketAddr};

use common::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{Call, Endpoint, Output, Time};
use mikey_sim::{KeyKind, address};

/// Of what tables allocate as they double, about the most for each.
const SESSIONS: u32 = 8_000;
/// What both have once is there before the count begins.
const WARM: u32 = 200;

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[test]
fn a_half_open_session_takes_a_kibibyte_at_most() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut bob = parties.bob(Mode::Certificate, 1);
    bob.cookie_threshold = usize::MAX;
    let mut bob = Endpoint::new(bob).unwrap();
    let mut alice = Endpoint::new(parties.alice(Mode::Certificate, 2)).unwrap();
    let call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    let mut before = 0;
    for number in 0..SESSIONS + WARM {
        if number == WARM {
            before = resident();
        }
        let id = alice.connect(Time::ZERO, address(1), &call).unwrap();
        let from = SocketAddr::from((Ipv4Addr::from(0x0A00_0000 | number), 2269));
        while let Output::Transmit { bytes, .. } = alice.poll_output() {
            bob.handle_datagram(Time::ZERO, from, &bytes);
        }
        alice.settle(id).unwrap();
        let answers = std::iter::from_fn(|| match bob.poll_output() {
            Output::Transmit { .. } => Some(()),
            _ => None,
        });
        assert_eq!(answers.count(), 1);
    }
    assert_eq!(bob.metrics().half_open, usize::try_from(SESSIONS + WARM).unwrap());
    let each = resident().saturating_sub(before) / usize::try_from(SESSIONS).unwrap();
    println!("{each} octets");
    assert!((400..=1024).contains(&each), "a half-open session takes {each} octets");
}
