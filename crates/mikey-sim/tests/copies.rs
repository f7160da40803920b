//! Copies of true messages under other addresses: nothing moves for good, and nobody is flooded.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::craft::kind;
use common::hostile::*;
use common::*;
use mikey_proto::{Endpoint, Time};
use mikey_sim::{Datagram, KeyKind, Link, address};
use mikey_wire::DataType;

/// Two parties; the first message of that kind also arrives from other addresses, before and after the true one.
fn with_copies(wanted: DataType, before: &'static [u8], after: &'static [u8]) -> Pair {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut done = false;
    parties.pair(Mode::Psk, Link::perfect(1), 1).with_adversary(move |_: Time, d: Datagram| {
        if done || kind(&d.bytes) != wanted {
            return vec![d];
        }
        done = true;
        let copy = |n: &u8| Datagram { from: elsewhere(*n), ..d.clone() };
        let mut all: Vec<_> = before.iter().map(copy).collect();
        all.push(d.clone());
        all.extend(after.iter().map(copy));
        all
    })
}

fn bob_still_sends_to_alice(pair: &mut Pair) {
    let (_, bob) = pair.agreed();
    assert_eq!(
        pair.world.node(1).remote(bob.session),
        Some(address(0)),
        "bob's session is gone, or his media goes to a victim"
    );
}

/// The true INIT_RESP, copied from another address before it arrives.
#[test]
fn a_copy_of_the_answer_from_elsewhere_does_not_take_its_place() {
    let mut pair = with_copies(DataType::INIT_RESP, &[7], &[]);
    pair.start(BOB).run(Time::from_secs(30));
    assert!(pair.is_established(0), "one copied datagram ended the call: {:?}", pair.failure());
}

/// A copy of CCE_RESP from elsewhere, before the true one.
#[test]
fn a_copy_of_cce_resp_does_not_send_media_elsewhere() {
    let mut pair = with_copies(DataType::CCE_RESP, &[7], &[]);
    pair.start(BOB).run(Time::from_secs(5));
    let (alice, _) = pair.agreed();
    assert_eq!(
        pair.world.node(0).remote(alice.session),
        Some(address(1)),
        "alice sends her media to a victim"
    );
}

/// A copy of CCE_REQ from somebody else's address, before the true one.
#[test]
fn a_copy_of_cce_req_does_not_send_media_elsewhere_for_good() {
    let mut pair = with_copies(DataType::CCE_REQ, &[7], &[]);
    pair.start(BOB).run(Time::from_secs(30));
    bob_still_sends_to_alice(&mut pair);
}

/// A second copy from a third address takes the path check.
#[test]
fn two_copies_of_cce_req_do_no_more_than_one() {
    let mut pair = with_copies(DataType::CCE_REQ, &[7, 8], &[]);
    pair.start(BOB).run(Time::from_secs(40));
    bob_still_sends_to_alice(&mut pair);
}

/// The second copy comes after the true one, while the path check is under way.
#[test]
fn a_later_copy_does_not_take_the_place_of_a_path_check() {
    let mut pair = with_copies(DataType::CCE_REQ, &[7], &[8]);
    pair.start(BOB).run(Time::from_secs(40));
    bob_still_sends_to_alice(&mut pair);
}

/// Octets to an address that never answered.
#[test]
fn a_path_check_is_no_amplifier() {
    let (mut pair, alice, _) = session_pair(true);
    let mut first = true;
    pair = pair.with_adversary(move |_: Time, mut d: Datagram| {
        if first && d.from == address(0) {
            first = false;
            d.from = elsewhere(9);
        }
        vec![d]
    });
    pair.world.sent.clear();
    pair.world.act(0, |now, e: &mut Endpoint| e.probe(now, alice)).unwrap();
    let request = pair.world.sent[0].bytes.len();
    pair.run(Time::from_secs(90));
    let to_victim: usize =
        pair.world.sent.iter().filter(|d| d.to == elsewhere(9)).map(|d| d.bytes.len()).sum();
    assert!(to_victim <= 3 * request, "{to_victim} octets for {request}");
}

/// A request of the peer under a borrowed address keeps us from our own requests.
#[test]
fn a_path_check_does_not_block_our_own_requests() {
    let (mut pair, alice, bob) = session_pair(true);
    let mut first = true;
    pair = pair.with_adversary(move |_: Time, mut d: Datagram| {
        if first && d.from == address(0) {
            first = false;
            d.from = elsewhere(9);
        }
        vec![d]
    });
    pair.world.act(0, |now, e: &mut Endpoint| e.probe(now, alice)).unwrap();
    pair.run(Time::from_secs(65));
    let rekeyed = pair.world.act(1, |now, e: &mut Endpoint| e.rekey(now, bob, false));
    assert!(rekeyed.is_ok(), "five seconds later still {rekeyed:?}");
}
