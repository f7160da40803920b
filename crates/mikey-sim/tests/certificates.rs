//! Peers whose certificate, key, method or name is wrong. Each is refused and learns one thing, a protected ERROR 0, and an
//! honest call to the same endpoint completes afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use common::craft::kind;
use common::hand::{HandCallee, HandCaller, Shows, msp};
use common::*;
use mikey_proto::{
    Call, CertificateFault, CertifiedKey, Endpoint, EndpointConfig, Error, Event, Identity, PeerFault,
    Retarget, Time,
};
use mikey_sim::{Ca, Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::{DataType, ErrorNo};
use rcgen::{CertificateParams, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd};

const CAROL: &str = "sip:carol@example.com";

/// Node 0 is not what it should be, node 1 is the endpoint under test, node 2 is honest.
struct Trio {
    world: World<Endpoint>,
    events: Vec<Event>,
}

impl Trio {
    fn new(nodes: [EndpointConfig; 3]) -> Self {
        let nodes = nodes.map(|config| Endpoint::new(config).unwrap());
        Self { world: World::new(Link::perfect(1), nodes), events: Vec::new() }
    }

    fn call(&mut self, from: usize, at: usize, call: &Call) -> &mut Self {
        let to = address(u8::try_from(at).unwrap());
        self.world.act(from, |now, node| node.connect(now, to, call)).unwrap();
        let until = self.world.now() + core::time::Duration::from_secs(40);
        self.world.run_until(until);
        self.events = self.world.events(1);
        self
    }

    fn refusal(&self) -> Option<Error> {
        self.events.iter().find_map(|event| match event {
            Event::CallerRefused { why, .. } | Event::CallFailed { why, .. } => Some(why.clone()),
            _ => None,
        })
    }

    fn nobody_is_established(&mut self) -> &mut Self {
        let established = |event: &Event| matches!(event, Event::Established { .. });
        assert!(!self.events.iter().any(established), "the endpoint is established");
        assert_eq!(self.world.node(1).metrics().sessions, 0);
        self
    }

    /// An honest call from or to node 2 completes.
    fn honest_call(&mut self, from: usize, at: usize, to: &str) {
        let call = Call::both_ways(name(to), mikey_crypto::srtp::SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        self.call(from, at, &call);
        let peers: Vec<_> = self
            .events
            .iter()
            .filter_map(|e| {
                if let Event::Established { peer, .. } = e { Some(peer.name.to_string()) } else { None }
            })
            .collect();
        assert_eq!(peers, [CAROL]);
    }
}

fn to(peer: &str) -> Call {
    Call::both_ways(name(peer), mikey_crypto::srtp::SrtpPolicy::AES_CM_128_HMAC_SHA1_80)
}

/// An endpoint with this chain, whatever is in it, that trusts `ca`.
fn showing(ca: &Ca, own: &str, chain: Vec<Vec<u8>>, key: &[u8], seed: u64) -> EndpointConfig {
    let provider = provider(seed);
    let certified = CertifiedKey::load(&provider, chain, key).unwrap();
    let identity = Identity::with_certificate(name(own), certified).unwrap();
    let mut config = EndpointConfig::new(provider, identity);
    config.trust = ca.trust();
    config.unix_time_at_zero = Some(NOW);
    config
}

type Change = fn(&mut CertificateParams);

/// Certificates for the right name that must be refused, by what is wrong with them.
const WRONG: [(CertificateFault, Change); 5] = [
    (CertificateFault::Expired, |p| p.not_after = date_time_ymd(2026, 5, 31)),
    (CertificateFault::NotYetValid, |p| p.not_before = date_time_ymd(2026, 6, 2)),
    (CertificateFault::Usage, |p| p.key_usages = vec![KeyUsagePurpose::KeyEncipherment]),
    (CertificateFault::Usage, |p| {
        p.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::CodeSigning];
    }),
    (CertificateFault::Revoked, |p| p.serial_number = Some(SerialNumber::from(666_u64))),
];

/// The endpoint under test, with the CRLs that revoke number 666 if `fault` is about that.
fn judge(ca: &Ca, own: &str, fault: CertificateFault) -> EndpointConfig {
    let mut config = certified(ca, own, KeyKind::Ed25519, 1);
    if fault == CertificateFault::Revoked {
        config.trust.add_crl(&ca.crl(&[666])).unwrap();
    }
    config
}

// R9.3, R9.9, R15.4
#[test]
fn callers_with_wrong_certificates_are_refused() {
    let ca = Ca::new("ca");
    for (fault, change) in WRONG {
        let (der, key) = ca.issue(ALICE, KeyKind::Ed25519, change);
        let wrong = showing(&ca, ALICE, vec![der], &key, 3);
        let mut trio = Trio::new([wrong, judge(&ca, BOB, fault), certified(&ca, CAROL, KeyKind::Ed25519, 2)]);
        trio.call(0, 1, &to(BOB)).nobody_is_established();
        assert_eq!(trio.refusal(), Some(fault.into()));
        let told = trio.world.events(0);
        let refused =
            |e: &Event| matches!(e, Event::CallFailed { why: Error::Peer(PeerFault::RefusedUs), .. });
        assert!(told.iter().any(refused), "the caller is told no more than that: {fault:?}");
        trio.honest_call(2, 1, BOB);
    }
}

#[test]
fn callees_with_wrong_certificates_are_refused() {
    let ca = Ca::new("ca");
    for (fault, change) in WRONG {
        let (der, key) = ca.issue(BOB, KeyKind::Ed25519, change);
        let wrong = showing(&ca, BOB, vec![der], &key, 3);
        let mut trio =
            Trio::new([wrong, judge(&ca, ALICE, fault), certified(&ca, CAROL, KeyKind::Ed25519, 2)]);
        trio.call(1, 0, &to(BOB)).nobody_is_established();
        assert_eq!(trio.refusal(), Some(fault.into()));
        trio.honest_call(1, 2, CAROL);
    }
}

/// Another CA, a certificate that signed itself, an end entity that plays CA.
#[test]
fn certificates_that_lead_to_no_anchor_are_refused() {
    let (ca, other) = (Ca::new("ca"), Ca::new("ca"));
    let own_key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let self_signed = |own: &str| {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(own.try_into().unwrap())];
        (params.self_signed(&own_key).unwrap().der().to_vec(), own_key.serialize_der())
    };
    // The other CA has the same name, so its certificate can even come along.
    let chains = |own: &str| {
        let (of_other, key) = other.issue(own, KeyKind::Ed25519, |_| ());
        let (alone, own_key) = self_signed(own);
        [
            (vec![of_other.clone()], key.clone()),
            (vec![of_other, other.der().to_vec()], key),
            (vec![alone.clone()], own_key.clone()),
            (vec![alone, ca.der().to_vec()], own_key),
        ]
    };
    for (n, (chain, key)) in chains(ALICE).into_iter().enumerate() {
        let wrong = showing(&ca, ALICE, chain, &key, 3);
        let nodes =
            [wrong, certified(&ca, BOB, KeyKind::Ed25519, 1), certified(&ca, CAROL, KeyKind::Ed25519, 2)];
        let mut trio = Trio::new(nodes);
        trio.call(0, 1, &to(BOB)).nobody_is_established();
        assert_eq!(trio.refusal(), Some(CertificateFault::UnknownIssuer.into()), "caller {n}");
        trio.honest_call(2, 1, BOB);
    }
    for (n, (chain, key)) in chains(BOB).into_iter().enumerate() {
        let wrong = showing(&ca, BOB, chain, &key, 3);
        let nodes =
            [wrong, certified(&ca, ALICE, KeyKind::Ed25519, 1), certified(&ca, CAROL, KeyKind::Ed25519, 2)];
        let mut trio = Trio::new(nodes);
        trio.call(1, 0, &to(BOB)).nobody_is_established();
        assert_eq!(trio.refusal(), Some(CertificateFault::UnknownIssuer.into()), "callee {n}");
        trio.honest_call(1, 2, CAROL);
    }
}

/// A caller written by hand against Bob: what he makes of it, and that Carol can call afterwards.
fn bob_refuses(shows: impl Fn(&Ca) -> Shows, offer: u8, why: impl Fn(&Error) -> bool) {
    let ca = Ca::new("ca");
    let nodes = [
        with_psk("sip:nobody@example.com", BOB, [0; 32], 9),
        certified(&ca, BOB, KeyKind::Ed25519, 1),
        certified(&ca, CAROL, KeyKind::Ed25519, 2),
    ];
    let mut trio = Trio::new(nodes);
    let mut caller = HandCaller::new(5, ALICE, Some(BOB), &msp(offer), &[]);
    let from = address(77);
    trio.world.inject(Datagram { from, to: address(1), bytes: caller.m1.clone() });
    let m2 = trio.world.sent.pop().unwrap().bytes;
    let m3 = caller.cce_req(&m2, &shows(&ca));
    trio.world.inject(Datagram { from, to: address(1), bytes: m3.clone() });
    let refusal = trio.world.sent.pop().expect("no refusal was sent").bytes;
    assert_eq!(kind(&refusal), DataType::ERROR);
    assert_eq!(caller.error(&refusal), ErrorNo::AUTH_FAILURE, "one code for every failure");
    trio.events = trio.world.events(1);
    let refused = trio.refusal().expect("the application was not told");
    assert!(why(&refused), "{refused}");
    trio.nobody_is_established();
    // The same request again draws the same refusal; another one under the same number draws nothing.
    trio.world.inject(Datagram { from, to: address(1), bytes: m3 });
    assert_eq!(trio.world.sent.pop().map(|d| d.bytes), Some(refusal));
    let other = caller.cce_req(&m2, &Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ())));
    trio.world.inject(Datagram { from, to: address(1), bytes: other });
    assert!(
        trio.world.sent.is_empty() && trio.world.events(1).is_empty(),
        "a second try under the same keys"
    );
    trio.honest_call(2, 1, BOB);
}

fn is(fault: CertificateFault) -> impl Fn(&Error) -> bool {
    move |why| *why == Error::from(fault)
}

/// So that the refusals below are for the reason that they name.
#[test]
fn a_caller_written_by_hand_is_accepted_if_all_is_right() {
    let ca = Ca::new("ca");
    let mut world =
        World::new(Link::perfect(1), [Endpoint::new(certified(&ca, BOB, KeyKind::Ed25519, 1)).unwrap()]);
    let mut caller = HandCaller::new(5, ALICE, Some(BOB), &msp(4), &[]);
    world.inject(Datagram { from: address(77), to: address(0), bytes: caller.m1.clone() });
    let m2 = world.sent.pop().unwrap().bytes;
    let shows = Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ()));
    let m3 = caller.cce_req(&m2, &shows);
    world.inject(Datagram { from: address(77), to: address(0), bytes: m3 });
    assert_eq!(kind(&world.sent.pop().unwrap().bytes), DataType::CCE_RESP);
    assert_eq!(world.node(0).metrics().sessions, 1);
}

// R9.14
#[test]
fn a_certificate_for_another_name_is_refused() {
    bob_refuses(
        |ca| Shows::certificate(ca.issue("sip:mallory@example.com", KeyKind::Ed25519, |_| ())),
        4,
        is(CertificateFault::Name),
    );
    // The common name says the right thing; nobody looks at it.
    bob_refuses(
        |ca| Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |p| p.subject_alt_names.clear())),
        4,
        is(CertificateFault::Name),
    );
    // A host speaks for its domain and for no user in it, a wildcard for nobody.
    for host in ["example.com", "*.example.com"] {
        let san = move |p: &mut CertificateParams| {
            p.subject_alt_names = vec![SanType::DnsName(host.try_into().unwrap())];
        };
        bob_refuses(
            move |ca| Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, san)),
            4,
            is(CertificateFault::Name),
        );
    }
}

#[test]
fn no_certificate_is_refused() {
    bob_refuses(
        |ca| Shows { certs: Vec::new(), ..Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ())) },
        4,
        is(CertificateFault::Missing),
    );
    bob_refuses(
        |ca| Shows {
            certs: vec![vec![0x30, 0]],
            ..Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ()))
        },
        4,
        is(CertificateFault::Malformed),
    );
}

// R9.1
#[test]
fn a_key_of_another_kind_is_refused() {
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        bob_refuses(
            move |ca| Shows { method: 4, ..Shows::certificate(ca.issue(ALICE, kind, |_| ())) },
            4,
            is(CertificateFault::KeyKind),
        );
    }
}

// R9.1
#[test]
fn an_auth_of_another_method_is_refused() {
    for method in [1, 2, 3, 5, 6, 7] {
        bob_refuses(
            move |ca| Shows { method, ..Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ())) },
            4,
            |why| matches!(why, Error::Peer(PeerFault::Negotiation(_))),
        );
    }
}

#[test]
fn an_auth_of_another_key_name_or_text_is_refused() {
    let failed = |why: &Error| *why == Error::Peer(PeerFault::AuthFailed);
    bob_refuses(
        |ca| {
            let (_, other) = ca.issue(ALICE, KeyKind::Ed25519, |_| ());
            Shows { key: Some(other), ..Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ())) }
        },
        4,
        failed,
    );
    bob_refuses(
        |ca| Shows {
            auth_name: Some(CAROL),
            ..Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ()))
        },
        4,
        failed,
    );
    for auth in [vec![], vec![0; 64], vec![0; 63], vec![0xFF; 256]] {
        bob_refuses(
            move |ca| Shows {
                auth: Some(auth.clone()),
                ..Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ()))
            },
            4,
            |why| matches!(why, Error::Peer(PeerFault::AuthFailed) | Error::Decode(_)),
        );
    }
}

/// A name that was not hidden in INIT_REQ is not another one in CCE_REQ.
// R9.15
#[test]
fn another_name_in_cce_is_refused() {
    for other in [CAROL, BOB] {
        bob_refuses(
            move |ca| Shows {
                id: Some(other),
                ..Shows::certificate(ca.issue(other, KeyKind::Ed25519, |_| ()))
            },
            4,
            |why| *why == Error::Peer(PeerFault::Name),
        );
    }
}

#[test]
fn a_chain_of_more_than_ten_is_refused() {
    bob_refuses(
        |ca| {
            let mut shows = Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ()));
            let filler = ca.intermediate("filler").der().to_vec();
            shows.certs.extend(std::iter::repeat_n(filler, 10));
            shows
        },
        4,
        |why| matches!(why, Error::Decode(_) | Error::Peer(PeerFault::Certificate(_))),
    );
}

/// Alice calls somebody who is written by hand and shows this.
fn alice_refuses(as_name: &'static str, call: &Call, shows: impl Fn(&Ca) -> Shows) -> Option<Error> {
    let ca = Ca::new("ca");
    let nodes = [
        with_psk("sip:nobody@example.com", BOB, [0; 32], 9),
        certified(&ca, ALICE, KeyKind::Ed25519, 1),
        certified(&ca, CAROL, KeyKind::Ed25519, 2),
    ];
    let mut trio = Trio::new(nodes);
    let from = address(77);
    trio.world.act(1, |now, node| node.connect(now, from, call)).unwrap();
    let m1 = trio.world.sent.pop().unwrap().bytes;
    let mut callee = HandCallee::new(6, as_name, &[]);
    let m2 = callee.init_resp(&m1, &msp(4));
    trio.world.inject(Datagram { from, to: address(1), bytes: m2 });
    if let Some(m3) = trio.world.sent.pop() {
        let m4 = callee.cce_resp(&m3.bytes, &shows(&ca));
        trio.world.inject(Datagram { from, to: address(1), bytes: m4 });
    }
    trio.world.run_until(Time::from_secs(40));
    trio.events = trio.world.events(1);
    let refusal = trio.refusal();
    if refusal.is_some() {
        trio.nobody_is_established().honest_call(1, 2, CAROL);
    } else {
        let peer = trio.events.iter().find_map(|e| match e {
            Event::Established { peer, .. } => Some(peer.name.to_string()),
            _ => None,
        });
        assert_eq!(peer.as_deref(), Some(as_name), "the true name is reported");
    }
    refusal
}

// R9.17
#[test]
fn callees_that_show_something_else_are_refused() {
    let good = |ca: &Ca| Shows::certificate(ca.issue(BOB, KeyKind::Ed25519, |_| ()));
    assert_eq!(alice_refuses(BOB, &to(BOB), good), None, "all is right");
    let refused = |shows: fn(&Ca) -> Shows| alice_refuses(BOB, &to(BOB), shows).expect("it was accepted");
    let certificate = |fault: CertificateFault| Error::from(fault);
    assert_eq!(
        refused(|ca| Shows::certificate(ca.issue(CAROL, KeyKind::Ed25519, |_| ()))),
        certificate(CertificateFault::Name)
    );
    assert_eq!(
        refused(|ca| Shows::certificate(ca.issue(BOB, KeyKind::Ed25519, |p| p.subject_alt_names.clear()))),
        certificate(CertificateFault::Name)
    );
    assert_eq!(
        refused(|ca| Shows { method: 4, ..Shows::certificate(ca.issue(BOB, KeyKind::P256, |_| ())) }),
        certificate(CertificateFault::KeyKind)
    );
    assert_eq!(
        refused(|ca| Shows {
            certs: Vec::new(),
            ..Shows::certificate(ca.issue(BOB, KeyKind::Ed25519, |_| ()))
        }),
        certificate(CertificateFault::Missing)
    );
    let (name_fault, auth_failed) = (Error::Peer(PeerFault::Name), Error::Peer(PeerFault::AuthFailed));
    let bobs = |ca: &Ca| Shows::certificate(ca.issue(BOB, KeyKind::Ed25519, |_| ()));
    assert_eq!(alice_refuses(BOB, &to(BOB), |ca| Shows { id: Some(CAROL), ..bobs(ca) }), Some(name_fault));
    assert_eq!(
        alice_refuses(BOB, &to(BOB), |ca| Shows { auth_name: Some(CAROL), ..bobs(ca) }),
        Some(auth_failed.clone())
    );
    assert_eq!(
        alice_refuses(BOB, &to(BOB), |ca| Shows { auth: Some(vec![1; 64]), ..bobs(ca) }),
        Some(auth_failed)
    );
    let method = alice_refuses(BOB, &to(BOB), |ca| Shows { method: 5, ..bobs(ca) });
    assert!(matches!(method, Some(Error::Peer(PeerFault::Negotiation(_)))), "{method:?}");
}

/// Somebody else answers, with a good certificate for its own name.
// R9.7
#[test]
fn a_retargeted_call_is_refused_or_reported() {
    const DAVE: &str = "sip:dave@example.com";
    let daves = |ca: &Ca| Shows::certificate(ca.issue(DAVE, KeyKind::Ed25519, |_| ()));
    let mut call = to(BOB);
    assert_eq!(alice_refuses(DAVE, &call, daves), Some(Error::Peer(PeerFault::Name)));
    call.retarget = Retarget::Report;
    assert_eq!(alice_refuses(DAVE, &call, daves), None);
    call.to = None;
    assert_eq!(alice_refuses(DAVE, &call, daves), None);
    // Her own name is nobody that she can have called.
    assert!(
        alice_refuses(ALICE, &call, |ca| Shows::certificate(ca.issue(ALICE, KeyKind::Ed25519, |_| ())))
            .is_some()
    );
}

/// A certificate that no CA issued, whose dates are over, and which names nobody.
fn home_made(seed: u64) -> CertifiedKey {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let chain = vec![params.self_signed(&key).unwrap().der().to_vec()];
    CertifiedKey::load(&provider(seed), chain, &key.serialize_der()).unwrap()
}

/// An endpoint that has pinned these certificates to the name of its peer, with neither a CA nor a clock.
fn with_pins(own: &str, key: CertifiedKey, peer: &str, pins: &[Vec<u8>], seed: u64) -> EndpointConfig {
    let mut config = EndpointConfig::new(provider(seed), Identity::with_fingerprint(name(own), key));
    for pin in pins {
        config.trust.pin(name(peer), pin).unwrap();
    }
    config
}

#[test]
fn pinned_certificates_need_neither_a_ca_nor_a_clock() {
    let (alice, bob, next) = (home_made(1), home_made(2), home_made(3));
    let (of_alice, of_bob) = (alice.chain().to_vec(), [next.chain(), bob.chain()].concat());
    let alice = with_pins(ALICE, alice, BOB, &of_bob, 1);
    let bob = with_pins(BOB, bob, ALICE, &of_alice, 2);
    let (alice, bob) = Pair::new(Link::perfect(1), alice, bob).call(BOB).established();
    for end in [&alice, &bob] {
        assert_eq!(end.peer.level, mikey_proto::AuthLevel::Certificate);
    }
    assert_eq!(bob.peer.certificate.as_ref(), of_alice.first());
    same_keys(&alice, &bob);
}

/// With a pin, what a CA has issued for the name does not count; and a pin speaks for its own name alone.
#[test]
fn with_a_pin_another_certificate_is_refused() {
    let ca = Ca::new("ca");
    for wrong in ["issued", "home-made", "of another name"] {
        let (alice, bob) = (home_made(1), home_made(2));
        let of_bob = bob.chain().to_vec();
        let alices_own = alice.chain().to_vec();
        let mut caller = match wrong {
            "issued" => certified(&ca, ALICE, KeyKind::Ed25519, 1),
            _ => with_pins(ALICE, alice, BOB, &[], 1),
        };
        caller.trust.pin(name(BOB), &of_bob[0]).unwrap();
        let mut callee = with_pins(BOB, bob, ALICE, &[], 2);
        callee.trust.add_anchor(ca.der()).unwrap();
        callee.unix_time_at_zero = Some(NOW);
        let pin = home_made(4);
        match wrong {
            "of another name" => callee.trust.pin(name(CAROL), &alices_own[0]).unwrap(),
            _ => callee.trust.pin(name(ALICE), &pin.chain()[0]).unwrap(),
        }
        let mut pair = Pair::new(Link::perfect(1), caller, callee);
        pair.call(BOB);
        let why = pair.events[1].iter().find_map(|event| match event {
            Event::CallerRefused { why, .. } => Some(why.clone()),
            _ => None,
        });
        let fault = match why {
            Some(Error::Peer(PeerFault::Certificate(fault))) => fault,
            other => panic!("{wrong}: {other:?}"),
        };
        let expected = match wrong {
            // Without a pin of its own it is judged like any other.
            "of another name" => CertificateFault::Expired,
            _ => CertificateFault::NotPinned,
        };
        assert_eq!(fault, expected, "{wrong}");
        assert_eq!(pair.world.node(1).metrics().sessions, 0);
    }
}
