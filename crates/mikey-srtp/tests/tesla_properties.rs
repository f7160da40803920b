//! TESLA under any loss, delay, order and repetition, against a model that knows when each packet came: delivered is what
//! was safe and was disclosed, once, with its own content; nothing that anybody else has made.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod common;

use std::collections::BTreeSet;

use common::tesla::{CM, Group, chain, ms, params, receiver, receiver_clock, rtp};
use common::{Pair, here};
use mikey_srtp::tesla::{TeslaLimits, VerifiedIndex};
use mikey_srtp::{Install, StartIndex, UnprotectError};
use proptest::prelude::*;

/// One packet of a run: how long after the one before it is sent, and after what times copies of it come.
#[derive(Clone, Debug)]
struct Sent {
    after: u64,
    arrivals: Vec<u64>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let after = prop_oneof![4 => 1u64..80, 1 => 80u64..1500];
    let delay = prop_oneof![6 => 0u64..60, 2 => 60u64..250, 1 => 250u64..900];
    (after, prop::collection::vec(delay, 0..3)).prop_map(|(after, arrivals)| Sent { after, arrivals })
}

/// What somebody with the group's key does with a packet that it has seen.
#[derive(Clone, Copy, Debug)]
enum Forgery {
    /// Makes it anew with a chain of its own.
    OwnChain,
    /// Changes the content and leaves TESLA's extension.
    Content(usize),
}

/// Who has made a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Maker {
    Sender,
    /// A forger whose disclosed keys are its own.
    OwnChain,
    /// A forger whose disclosed key is the sender's.
    Copied,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn delivered_is_what_was_safe_and_disclosed(
        packets in prop::collection::vec(sent(), 1..60),
        round_trip in 0u64..150,
        forgeries in prop::collection::vec(prop::option::weighted(0.4, prop_oneof![
            Just(Forgery::OwnChain),
            (0usize..50).prop_map(Forgery::Content),
        ]), 60),
    ) {
        let params = params(2000);
        let mut group = Group::installed(CM, |install| Install { window: 1024, ..install });
        let keys = chain(1, 2000);
        let commitment = keys.commitment();
        group.set_sender(mikey_srtp::tesla::TeslaSender::new(common::tesla::sender_clock(0), params, keys).unwrap());
        // The receiver's clock shows 5 s at the group's 0, and it thinks that it may be `round_trip` later.
        group.set_receiver(receiver(receiver_clock(5000 - round_trip, 0), params, commitment));
        group.set_forger(params, chain(9, 2000));

        let mut now = 100;
        let mut arrivals = Vec::new();
        for (seq, sent) in (0u16..).zip(&packets) {
            now += sent.after;
            let packet = group.send(now, seq);
            for delay in &sent.arrivals {
                arrivals.push((now + delay, seq, now / 100, packet.clone(), Maker::Sender));
            }
            match forgeries[usize::from(seq)] {
                Some(Forgery::OwnChain) => {
                    let forged = group.forge(now, &rtp(seq));
                    arrivals.push((now + 1, seq, now / 100, forged, Maker::OwnChain));
                }
                Some(Forgery::Content(at)) => {
                    arrivals.push((now, seq, now / 100, retagged(&packet, at), Maker::Copied));
                }
                None => {}
            }
        }
        arrivals.sort_by_key(|(at, seq, ..)| (*at, *seq));

        // The model.
        let (mut known, mut waiting, mut expected) = (0, BTreeSet::new(), BTreeSet::new());
        for (at, seq, interval, packet, maker) in arrivals {
            let outcome = group.receive(at + 5000, &packet);
            if maker == Maker::OwnChain {
                continue;
            }
            let latest = (at + round_trip) / 100;
            let safe = latest < interval + 2 && interval > known;
            let genuine = maker == Maker::Sender;
            if expected.contains(&seq) || genuine && safe && waiting.contains(&(interval, seq)) {
                prop_assert_eq!(outcome, UnprotectError::Replayed);
                continue;
            }
            prop_assert_eq!(outcome == UnprotectError::Held, safe, "{} at {}: {:?}", seq, at, outcome);
            // The key that it discloses is the sender's, whoever has made the packet.
            known = known.max(interval.saturating_sub(2));
            waiting.retain(|(interval, seq)| {
                let decided = *interval <= known;
                if decided {
                    expected.insert(*seq);
                }
                !decided
            });
            if safe && genuine {
                waiting.insert((interval, seq));
            }
        }
        let mut delivered = BTreeSet::new();
        for verified in group.take() {
            let VerifiedIndex::Rtp(index) = verified.index else { panic!("no RTCP was sent") };
            prop_assert_eq!(&verified.packet, &rtp(index.seq()));
            prop_assert!(delivered.insert(index.seq()), "{} twice", index.seq());
        }
        prop_assert_eq!(delivered, expected);
    }

    /// Octets from anywhere, and a clock that jumps anywhere, come to nothing.
    #[test]
    fn any_octets_at_any_time(
        steps in prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), 0..120)), 1..40),
    ) {
        let mut group = Group::with(CM, params(100), TeslaLimits { packets: 8, ..TeslaLimits::DEFAULT });
        for (at, octets) in steps {
            let mut packet = group.send(150, 1);
            for (to, from) in packet.iter_mut().zip(&octets).skip(12) {
                *to ^= from;
            }
            let changed = octets.iter().skip(12).any(|octet| *octet != 0);
            let outcome = group.receive(at.into(), &packet);
            prop_assert!(!changed || outcome == UnprotectError::Unauthenticated, "{:?}", outcome);
            let _ = group.pair.rx.unprotect_rtcp(ms(at.into()), here(), &mut packet);
            group = Group::with(CM, params(100), TeslaLimits { packets: 8, ..TeslaLimits::DEFAULT });
        }
        prop_assert!(group.verified().is_empty());
    }
}

/// The packet with another content under the same TESLA extension, and a right outer tag.
fn retagged(packet: &[u8], at: usize) -> Vec<u8> {
    // A plain receiver decrypts the extension with the payload, and a plain sender encrypts it back.
    let mut pair = Pair::with(CM, StartIndex::Roc(3), |install| install);
    let mut plain = pair.unprotect(packet).unwrap();
    let content = plain.len() - 12 - 34;
    plain[12 + at % content] ^= 1;
    pair.protect_packet(&plain)
}
