//! Messages that were right once: sent again later, elsewhere, to somebody else, back to who sent them, or in a state that
//! they do not belong to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use common::craft::{self, kind, with_session};
use common::*;
use mikey_proto::{DropReason, Endpoint, Event, Time};
use mikey_sim::{Datagram, KeyKind, Link, World, address};
use mikey_wire::DataType;

const STRANGER: ([u8; 4], u16) = ([198, 51, 100, 9], 5060);

fn stranger() -> SocketAddr {
    SocketAddr::from(STRANGER)
}

/// The four datagrams of a call between these parties with other randomness.
fn recorded(parties: &Parties, mode: Mode, seed: u64) -> Vec<Datagram> {
    let mut pair = parties.pair(mode, Link::perfect(1), seed);
    pair.start(BOB).run(Time::from_secs(1)).established();
    assert_eq!(pair.world.sent.len(), 4);
    pair.world.sent.clone()
}

/// Puts `extra` in, from both ends and from a stranger, to both ends, right before the `at`th datagram is sent (from 0).
fn putting_in(pair: Pair, at: usize, extra: Vec<Datagram>) -> Pair {
    let mut count = 0;
    pair.with_adversary(move |_: Time, datagram: Datagram| {
        let mut out = Vec::new();
        if count == at {
            for from in [address(0), address(1), stranger()] {
                for to in [address(0), address(1)].into_iter().filter(|to| *to != from) {
                    out.extend(extra.iter().map(|d| Datagram { from, to, bytes: d.bytes.clone() }));
                }
            }
        }
        count += 1;
        out.push(datagram);
        out
    })
}

#[test]
fn messages_of_an_earlier_call_in_every_state() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let earlier = recorded(&parties, mode, 77);
        for at in 0..4 {
            let mut pair = putting_in(parties.pair(mode, Link::perfect(1), 1), at, earlier.clone());
            pair.start(BOB).run(Time::from_secs(40)).agreed();
            assert_eq!((pair.metrics(0).sessions, pair.metrics(1).sessions), (1, 1), "{mode:?}, state {at}");
            pair.call_again();
        }
    }
}

/// The endpoints themselves made the earlier call, so every number and SPI was once theirs.
#[test]
fn messages_of_the_same_endpoints_in_every_state() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let mut pair = parties.pair(mode, Link::perfect(1), 1);
        pair.call(BOB).established();
        let earlier = pair.world.sent.clone();
        for from in [address(0), address(1), stranger()] {
            for datagram in &earlier {
                for to in 0..2 {
                    pair.inject(from, to, &datagram.bytes);
                }
            }
        }
        let now = pair.world.now();
        pair.run(now + core::time::Duration::from_secs(60));
        assert_eq!((pair.metrics(0).sessions, pair.metrics(1).sessions), (1, 1), "{mode:?}");
        assert!(pair.events.iter().flatten().all(|e| !matches!(e, Event::Established { .. })), "{mode:?}");
        pair.call_again();
        assert_eq!((pair.metrics(0).sessions, pair.metrics(1).sessions), (2, 2), "{mode:?}");
    }
}

/// Every message of a call, in every later state of the same call, from both addresses and from a stranger's.
// R10.5
#[test]
fn messages_of_the_same_call_in_every_state() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        for at in 0..=4 {
            let seen: Arc<Mutex<Vec<Datagram>>> = Arc::default();
            let record = Arc::clone(&seen);
            let mut count = 0;
            let pair = parties.pair(mode, Link::perfect(1), 1);
            let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
                let mut seen = record.lock().unwrap();
                let mut out = Vec::new();
                if count == at {
                    for from in [address(0), address(1), stranger()] {
                        for to in [address(0), address(1)].into_iter().filter(|to| *to != from) {
                            out.extend(seen.iter().map(|d| Datagram { from, to, bytes: d.bytes.clone() }));
                        }
                    }
                }
                count += 1;
                seen.push(datagram.clone());
                out.push(datagram);
                out
            });
            pair.start(BOB).run(Time::from_secs(40)).agreed();
            let metrics = (pair.metrics(0), pair.metrics(1));
            assert_eq!((metrics.0.sessions, metrics.1.sessions), (1, 1), "{mode:?}, state {at}");
            assert_eq!((metrics.0.refused, metrics.1.refused), (0, 0), "{mode:?}, state {at}");
        }
    }
}

// R10.4, R10.7
#[test]
fn every_datagram_twice_or_thrice_changes_nothing() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        for copies in [2, 3] {
            let pair = parties.pair(mode, Link::perfect(1), 1);
            let mut pair = pair.with_adversary(move |_: Time, d: Datagram| vec![d; copies]);
            let (alice, bob) = pair.call(BOB).established();
            same_keys(&alice, &bob);
            // A key exchange for each value sent, one for each value received: no branch was opened twice.
            assert_eq!((pair.metrics(0).key_exchanges, pair.metrics(1).key_exchanges), (2, 1), "{mode:?}");
        }
    }
}

/// Two contexts with one key would be a two-time pad: identical octets are one branch, from wherever they come.
// R10.3
#[test]
fn an_answer_that_comes_twice_is_one_branch() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| {
            if kind(&datagram.bytes) != DataType::INIT_RESP {
                return vec![datagram];
            }
            let elsewhere = Datagram { from: stranger(), ..datagram.clone() };
            vec![datagram.clone(), datagram.clone(), elsewhere, datagram]
        });
        let (alice, _) = pair.start(BOB).run(Time::from_secs(30)).agreed();
        assert_eq!(pair.metrics(0).drops(DropReason::Repeat), 3, "{mode:?}");
        // One branch computes one key exchange and seals one CCE_REQ, wherever that goes; it stays with the peer.
        assert_eq!(pair.metrics(0).key_exchanges, 2, "{mode:?}");
        let requests = pair.world.sent.iter().filter(|d| kind(&d.bytes) == mode.second()[0]);
        let different: std::collections::HashSet<_> = requests.map(|d| d.bytes.clone()).collect();
        assert_eq!(different.len(), 1, "{mode:?}");
        assert_eq!(pair.world.node(0).remote(alice.session), Some(address(1)), "{mode:?}");
    }
}

/// Whoever sees the true answer can send it first, from an address where nobody answers.
#[test]
fn the_true_answer_from_a_wrong_address_first_prevents_nothing() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| {
            if kind(&datagram.bytes) != DataType::INIT_RESP {
                return vec![datagram];
            }
            let elsewhere = Datagram { from: stranger(), ..datagram.clone() };
            vec![elsewhere, datagram]
        });
        pair.start(BOB).run(Time::from_secs(30)).agreed();
    }
}

/// A second CCE_REQ for the same INIT_RESP would be another text under the same key and nonce. Not even the end of its branch,
/// nor a flood of others that makes it forgotten, leads to one.
#[test]
fn the_answer_of_a_branch_that_ended_is_not_taken_up_again() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        for flood in [0, 3000] {
            let mut bob = parties.bob(mode, 2);
            bob.answer = Arc::new(mikey_proto::AcceptStreams { policies: Vec::new() });
            let mut pair = Pair::new(Link::perfect(1), parties.alice(mode, 1), bob);
            pair.long_request = mode == Mode::Cce2Rsa;
            pair.start(BOB).run(Time::from_millis(100));
            let ended = |e: &Event| matches!(e, Event::BranchFailed { .. });
            assert!(pair.events[0].iter().any(ended), "{mode:?}: Bob refuses, so the branch has ended");
            let m2 = pair.world.sent[1].bytes.clone();
            assert_eq!(kind(&m2), DataType::INIT_RESP);
            for n in 0..flood {
                let other = with_session(&m2, |session| session.spi_r ^= 0x100 + n);
                let from = SocketAddr::from(([10, 0, n.to_be_bytes()[6], n.to_be_bytes()[7]], 9));
                pair.inject(from, 0, &other);
                if n % 40 == 0 {
                    let later = pair.world.now() + core::time::Duration::from_millis(100);
                    pair.run(later);
                }
            }
            pair.inject(address(1), 0, &m2);
            let now = pair.world.now();
            pair.run(now + core::time::Duration::from_secs(1));
            let spis = craft::session(&m2);
            let of_the_branch =
                |d: &&Datagram| kind(&d.bytes) == mode.second()[0] && craft::session(&d.bytes) == spis;
            let requests = pair.world.sent.iter().filter(of_the_branch);
            let different: std::collections::HashSet<_> = requests.map(|d| d.bytes.clone()).collect();
            assert_eq!(different.len(), 1, "{mode:?}, {flood} others: two texts under one key and nonce");
        }
    }
}

/// A CCE_REQ belongs to one half-open session: its keys come from the answer that it answers.
#[test]
fn a_cce_req_for_another_half_open_session_is_dropped() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let earlier = recorded(&parties, mode, 77);
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
            if kind(&datagram.bytes) != DataType::INIT_RESP {
                return vec![datagram];
            }
            // The earlier CCE_REQ with the SPIs and the CSB ID of the new session.
            let session = craft::session(&datagram.bytes);
            let mut replayed = with_session(&earlier[2].bytes, |s| *s = session);
            replayed[4..8].copy_from_slice(&datagram.bytes[4..8]);
            let to_bob = |bytes| Datagram { from: address(0), to: address(1), bytes };
            vec![to_bob(earlier[2].bytes.clone()), to_bob(replayed), datagram]
        });
        pair.start(BOB).run(Time::from_secs(30)).agreed();
        // With RSA it is the signature over th2 that does not fit.
        let unproven = [DropReason::Unauthenticated, DropReason::BadSignature];
        assert_eq!(unproven.map(|why| pair.metrics(1).drops(why)).iter().sum::<u64>(), 1, "{mode:?}");
        assert_eq!(pair.metrics(1).drops(DropReason::UnknownSession), 1, "{mode:?}");
    }
}

/// What a side sent comes back to it. Roles and directions have keys and labels of their own.
#[test]
fn reflected_messages_are_refused() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| {
            let back = Datagram { from: datagram.to, to: datagram.from, bytes: datagram.bytes.clone() };
            vec![back, datagram]
        });
        pair.start(BOB).run(Time::from_secs(30)).agreed();
        assert_eq!((pair.metrics(0).sessions, pair.metrics(1).sessions), (1, 1), "{mode:?}");
        assert_eq!(pair.metrics(0).drops(DropReason::OwnName), 1, "{mode:?}: her own request");
    }
}

/// The same with the message turned into the one that the other side would send.
#[test]
fn reflected_messages_in_disguise_are_refused() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| {
            let mut back = Datagram { from: datagram.to, to: datagram.from, bytes: datagram.bytes.clone() };
            let turned = match kind(&datagram.bytes) {
                DataType::CCE_REQ => DataType::CCE_RESP,
                DataType::CCE_RESP => DataType::CCE_REQ,
                DataType::CCE2_REQ => DataType::CCE2_RESP,
                DataType::CCE2_RESP => DataType::CCE2_REQ,
                _ => return vec![datagram],
            };
            back.bytes[1] = turned.0;
            back.bytes[3] ^= 0x80;
            vec![back, datagram]
        });
        pair.start(BOB).run(Time::from_secs(30)).agreed();
        // CCE2_RESP is another form of message than CCE2_REQ, with V in place of KEMAC.
        let cce = mode.exchange() == mikey_proto::Exchange::Cce;
        let why = if cce { DropReason::Unauthenticated } else { DropReason::Malformed };
        assert_eq!(pair.metrics(0).drops(why), 1, "{mode:?}");
    }
}

/// A renewal that comes back to who asked for it, as a request and turned into an answer. One key for both directions would
/// make it a request of the peer.
#[test]
fn reflected_renewals_are_refused() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let pair = parties.pair(mode, Link::perfect(1), 1);
        let mut pair = pair.with_adversary(|_: Time, datagram: Datagram| {
            let mut back = Datagram { from: datagram.to, to: datagram.from, bytes: datagram.bytes.clone() };
            let turned = match kind(&datagram.bytes) {
                DataType::REKEY_REQ => DataType::REKEY_RESP,
                DataType::REKEY_RESP => DataType::REKEY_REQ,
                DataType::INFO_REQ => DataType::INFO_RESP,
                DataType::INFO_RESP => DataType::INFO_REQ,
                _ => return vec![datagram],
            };
            let plain = back.clone();
            back.bytes[1] = turned.0;
            back.bytes[3] ^= 0x80;
            vec![plain, back, datagram]
        });
        pair.start(BOB).run(Time::from_secs(5));
        let (alice, _) = pair.established();
        pair.world.act(0, |now, e| e.rekey(now, alice.session, true)).unwrap();
        pair.run(Time::from_secs(20));
        pair.world.act(0, |now, e| e.probe(now, alice.session)).unwrap();
        pair.run(Time::from_secs(40));
        let refused = pair.metrics(0).drops(DropReason::Unauthenticated);
        assert_eq!(refused, 4, "{mode:?}: her two requests, as they were and as answers");
        for n in 0..2 {
            assert_eq!((pair.metrics(n).rekeys, pair.metrics(n).sessions), (1, 1), "{mode:?}");
        }
    }
}

// R4.8
#[test]
fn wrong_spis_and_wrong_csb_ids_find_nothing() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        for message in [DataType::INIT_RESP, mode.second()[0], mode.second()[1]] {
            let pair = parties.pair(mode, Link::perfect(1), 1);
            let mut pair = pair.with_adversary(move |_: Time, datagram: Datagram| {
                if kind(&datagram.bytes) != message {
                    return vec![datagram];
                }
                let bytes = &datagram.bytes;
                let mut other_csb = bytes.clone();
                other_csb[7] ^= 1;
                let mut stun = bytes.clone();
                stun[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
                let mut other_prf = bytes.clone();
                other_prf[3] ^= 3;
                let mut v_flag = bytes.clone();
                v_flag[3] ^= 0x80;
                let wrong = [
                    with_session(bytes, |s| s.spi_i ^= 1),
                    with_session(bytes, |s| (s.spi_i, s.spi_r) = (s.spi_r, s.spi_i)),
                    other_csb,
                    stun,
                    other_prf,
                    v_flag,
                ];
                let mut out: Vec<_> =
                    wrong.into_iter().map(|bytes| Datagram { bytes, ..datagram.clone() }).collect();
                out.push(datagram);
                out
            });
            pair.start(BOB).run(Time::from_secs(30)).agreed();
            let receiver = usize::from(message == mode.second()[0]);
            let metrics = pair.metrics(receiver);
            assert_eq!(metrics.all_drops(), 6, "{mode:?}, {message:?}");
            // It is seen without a key that they do not belong together.
            assert_eq!(metrics.drops(DropReason::Unauthenticated), 0, "{mode:?}, {message:?}");
        }
    }
}

/// Messages without a session, and of types that are not spoken, at endpoints that are at rest.
#[test]
fn messages_of_no_session_are_counted_and_answered_by_nothing() {
    let parties = Parties::new(KeyKind::Ed25519);
    let earlier = recorded(&parties, Mode::Certificate, 77);
    let nodes = [parties.alice(Mode::Certificate, 5), parties.bob(Mode::Certificate, 6)];
    let mut world = World::new(Link::perfect(1), nodes.map(|config| Endpoint::new(config).unwrap()));
    let mut expected = 0;
    for data_type in (0..=255).filter(|ty| *ty != DataType::INIT_REQ.0) {
        for datagram in &earlier[1..] {
            let mut bytes = datagram.bytes.clone();
            bytes[1] = data_type;
            for to in [address(0), address(1)] {
                world.inject(Datagram { from: stranger(), to, bytes: bytes.clone() });
            }
            expected += 1;
        }
    }
    for n in 0..2 {
        assert_eq!(world.node(n).metrics().all_drops(), expected);
        assert_eq!(world.node(n).metrics().half_open, 0);
    }
    assert!(world.sent.is_empty(), "{} were answered", world.sent.len());
}
