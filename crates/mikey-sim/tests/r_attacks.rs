//! RFC 5479 section 5.2: the adversaries of its section 3, and floods (docs/requirements.md).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
mod common_r;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use common::craft::{kind, with_rand, with_session};
use common::mallory::{Leg, Middle, id, join_auth, split_auth};
use common::*;
use common_r::*;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{GroupId, KxSecret, SecretBytes};
use mikey_proto::{
    AuthLevel, Call, CertificateFault, Confidentiality, DropReason, Endpoint, EndpointConfig, Error, Event,
    PeerFault, Role, Sas, SessionId, Time,
};
use mikey_sim::{Ca, Datagram, KeyKind, Link, address, provider};
use mikey_wire::DataType;
use mikey_wire::v2::{InitReq, InitResp, Sealed};

const POLICY: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
const KEY: [u8; 32] = [7; 32];

fn psk_pair() -> Pair {
    Pair::new(Link::perfect(1), with_psk(ALICE, BOB, KEY, 1), with_psk(BOB, ALICE, KEY, 2))
}

fn first(pair: &Pair, data_type: DataType) -> Vec<u8> {
    pair.world.sent.iter().find(|d| kind(&d.bytes) == data_type).unwrap().bytes.clone()
}

/// Whether these keys open a message: the leg of [`common::mallory`] panics where they do not.
fn opens(leg: &Leg, message: &[u8]) -> bool {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| ()));
    let opened = catch_unwind(AssertUnwindSafe(|| leg.open(Role::Initiator, false, message))).is_ok();
    std::panic::set_hook(hook);
    opened
}

/// What somebody who recorded a call can try as its DH secret: what went over the wire, and a key exchange of their own with
/// either value.
fn guesses(m1: &[u8], m2: &[u8]) -> Vec<KxSecret> {
    let provider = provider(77);
    let (ours, theirs) = (InitReq::decode(m1).unwrap().dh.value, InitResp::decode(m2).unwrap().dh.value);
    let group = provider.group(GroupId::X25519).unwrap();
    let mut guesses = vec![
        KxSecret { kem: SecretBytes::empty(), dh: SecretBytes::empty() },
        KxSecret { kem: SecretBytes::empty(), dh: SecretBytes::zeroed(32) },
        KxSecret { kem: SecretBytes::empty(), dh: SecretBytes::copy_from(ours) },
        KxSecret { kem: SecretBytes::empty(), dh: SecretBytes::copy_from(theirs) },
    ];
    for value in [ours, theirs] {
        guesses.push(group.start(&*provider.random).unwrap().agree(value).unwrap());
    }
    guesses
}

/// The pre-shared key is out. Whoever was in the middle with it reads everything, which shows that the key is the right one;
/// whoever only recorded calls made before reads nothing; and each call has values of its own.
#[test]
fn r_pfs() {
    let middle: Rc<RefCell<Option<Middle>>> = Rc::default();
    let active = {
        let middle = Rc::clone(&middle);
        move |_: Time, mut datagram: Datagram| {
            let mut middle = middle.borrow_mut();
            match kind(&datagram.bytes) {
                DataType::INIT_REQ => {
                    let new = || Middle::new(provider(99), &datagram.bytes, &KEY);
                    datagram.bytes = middle.get_or_insert_with(new).init_req();
                }
                DataType::INIT_RESP => {
                    datagram.bytes = middle.as_mut().unwrap().init_resp(&datagram.bytes);
                }
                _ => (),
            }
            vec![datagram]
        }
    };
    let mut pair = psk_pair().with_adversary(active);
    pair.start(BOB).run(Time::from_millis(150));
    let middle = middle.borrow_mut().take().unwrap();
    assert!(opens(middle.alice.as_ref().unwrap(), &first(&pair, DataType::CCE_REQ)));

    let mut pair = psk_pair();
    pair.call(BOB).established();
    let second = pair.world.sent.len();
    pair.call_again();
    let mut values = Vec::new();
    let sent = std::mem::take(&mut pair.world.sent);
    for call in [&sent[..second], &sent[second..]] {
        let message = |ty| call.iter().find(|d| kind(&d.bytes) == ty).unwrap().bytes.clone();
        let (m1, m2, m3) =
            (message(DataType::INIT_REQ), message(DataType::INIT_RESP), message(DataType::CCE_REQ));
        for secret in guesses(&m1, &m2) {
            assert!(!opens(&Leg::new(&provider(0), &m1, &m2, &secret, &KEY), &m3), "read after the fact");
        }
        values.push(InitReq::decode(&m1).unwrap().dh.value.to_vec());
        values.push(InitResp::decode(&m2).unwrap().dh.value.to_vec());
    }
    values.sort();
    values.dedup();
    assert_eq!(values.len(), 4, "a key exchange value was used again");
}

/// Two thousand first messages from made-up addresses, with an honest call among them. Work, memory and what is sent are
/// bounded, and the honest call completes.
#[test]
fn r_dos() {
    let mut bob = with_psk(BOB, ALICE, KEY, 2);
    (bob.cookie_threshold, bob.max_half_open) = (32, 64);
    let mut pair = Pair::new(Link::perfect(1), with_psk(ALICE, BOB, KEY, 1), bob);
    let model = {
        let mut other = psk_pair();
        other.start(BOB);
        first(&other, DataType::INIT_REQ)
    };
    let flood = |pair: &mut Pair, from: u32| {
        for n in from..from + 1000 {
            let spoofed = with_session(&model, |session| session.spi_i = u64::from(n) + 1);
            let mut rand = [0; 32];
            rand[..4].copy_from_slice(&n.to_be_bytes());
            let [_, _, high, low] = n.to_be_bytes();
            let source = std::net::SocketAddr::from(([10, 1, high, low], 4000));
            pair.inject(source, 1, &with_rand(&spoofed, rand));
        }
    };
    flood(&mut pair, 0);
    pair.start(BOB).run(Time::from_millis(5));
    flood(&mut pair, 1000);
    let metrics = pair.metrics(1);
    assert_eq!(metrics.datagrams_received, 2000, "all of them came");
    assert!(metrics.half_open <= 64, "{} half-open sessions", metrics.half_open);
    assert!(metrics.key_exchanges <= 32, "{} key exchanges for strangers", metrics.key_exchanges);
    assert!(metrics.drops(DropReason::CookieNeeded) >= 1900);
    assert!(metrics.octets_sent <= 3 * metrics.octets_received, "an amplifier");
    for datagram in pair.world.sent.iter().filter(|d| d.from == address(1)) {
        assert!(datagram.bytes.len() <= 3 * model.len());
    }
    pair.run(Time::from_secs(5));
    assert_eq!(pair.metrics(0).sessions, 1, "the honest call completes");
    assert!(pair.metrics(1).key_exchanges <= 33);

    // What does not verify costs a stranger's target nothing dear and ends nothing.
    let (exchanges, m3) = (pair.metrics(1).key_exchanges, first(&pair, DataType::CCE_REQ));
    for octet in 30..m3.len() {
        let mut spoiled = m3.clone();
        spoiled[octet] ^= 1;
        pair.inject(address(9), 1, &spoiled);
    }
    let metrics = pair.metrics(1);
    assert_eq!((metrics.key_exchanges, metrics.refused, metrics.sessions), (exchanges, 0, 1));
}

/// Everything that goes over the media path, in every way of protecting it: the keys are not in it, and do not come out of it.
#[test]
fn r_pass_media() {
    let parties = Parties::new(KeyKind::Ed25519);
    for confidentiality in [Confidentiality::Encrypted, Confidentiality::Clear] {
        let change = |mut config: EndpointConfig| {
            config.policy.confidentiality = vec![confidentiality];
            config
        };
        let ends = [parties.alice(Mode::Certificate, 1), parties.bob(Mode::Certificate, 2)].map(change);
        let [alice, bob] = ends;
        let mut pair = Pair::new(Link::perfect(1), alice, bob);
        pair.call(BOB);
        let readable = |pair: &Pair, octets: &[u8]| {
            pair.world.sent.iter().any(|d| d.bytes.windows(octets.len()).any(|w| w == octets))
        };
        // What is on the wire is found by this search.
        assert!(readable(&pair, BOB.as_bytes()));
        let (m1, m2, m3) = (
            first(&pair, DataType::INIT_REQ),
            first(&pair, DataType::INIT_RESP),
            first(&pair, DataType::CCE_REQ),
        );
        let (at_alice, _) = pair.established();
        pair.world.act(0, |now, alice| alice.rekey(now, at_alice.session, false)).unwrap();
        pair.run(Time::from_secs(70));
        let mut keys = at_alice.keys.streams;
        for event in pair.events[0].drain(..) {
            if let Event::SrtpKeysReady { keys: new, .. } = event {
                keys.extend(new.streams);
            }
        }
        assert_eq!(keys.len(), 4);
        for stream in &keys {
            assert!(!readable(&pair, stream.master_key.expose()), "a key is on the wire");
            assert!(!readable(&pair, stream.master_salt.expose()), "a salt is on the wire");
        }
        if confidentiality == Confidentiality::Encrypted {
            for secret in guesses(&m1, &m2) {
                assert!(!opens(&Leg::new(&provider(0), &m1, &m2, &secret, &[]), &m3));
            }
        }
    }
}

/// Alice and Bob, who know each other by fingerprint, and somebody with an own certificate who may be in between.
///
/// `replaced`: the signalling names her certificates instead. `on_path`: she is on the media path.
fn fingerprints(replaced: bool, on_path: bool) -> (Pair, Option<Loot>) {
    let ((alice, alices), (bob, bobs)) = (by_fingerprint(ALICE, 1), by_fingerprint(BOB, 2));
    let ((as_bob, to_alice), (as_alice, to_bob)) = (by_fingerprint(BOB, 3), by_fingerprint(ALICE, 4));
    let (mut at_alice, mut at_bob) = (bobs, alices);
    if replaced {
        (at_alice, at_bob) = (to_alice, to_bob);
    }
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    let mut call = Call::both_ways(name(BOB), POLICY);
    let mut loot = None;
    if on_path {
        let mut towards_bob = call.clone();
        towards_bob.signalled = Some(told_alice(bobs));
        let mut towards_alice = Endpoint::new(as_bob).unwrap();
        towards_alice.expect(told_bob(alices)).unwrap();
        let as_alice = Endpoint::new(as_alice).unwrap();
        let (mallory, taken) = InTheMiddle::with(towards_alice, as_alice, towards_bob);
        pair = pair.with_adversary(mallory);
        loot = Some(taken);
    }
    pair.world.act(1, |_, bob| bob.expect(told_bob(at_bob))).unwrap();
    call.signalled = Some(told_alice(at_alice));
    pair.world.act(0, |now, alice| alice.connect(now, address(1), &call)).unwrap();
    pair.run(Time::from_secs(60));
    (pair, loot)
}

fn fault(pair: &mut Pair) -> Option<PeerFault> {
    match pair.failure() {
        Some(Error::Peer(fault)) => Some(fault),
        _ => None,
    }
}

/// All that signalling carries is known to somebody: names, fingerprints, tls-ids. With all of it, and in the middle of the
/// media path, she gets no keys: not even of one leg.
#[test]
fn r_pass_sig() {
    let (mut pair, loot) = fingerprints(false, true);
    assert!(!pair.is_established(0) && !pair.is_established(1));
    assert_eq!(fault(&mut pair), Some(PeerFault::Certificate(CertificateFault::Fingerprint)));
    let loot = loot.unwrap();
    assert!(!loot.borrow().iter().any(|e| matches!(e, Event::Established { call: Some(_), .. })));
    assert!(!pair.events.iter().flatten().any(|e| matches!(e, Event::SrtpKeysReady { .. })));
}

/// On one of the two paths alone nobody gets anything; on both, with nothing else to go by, she does: what is shown is that the
/// fingerprints are what stops her, and how far this level goes.
#[test]
fn r_sig_media() {
    let (honest, _) = fingerprints(false, false);
    assert!(honest.is_established(0) && honest.is_established(1));

    let (media, _) = fingerprints(false, true);
    assert!(!media.is_established(0) && !media.is_established(1), "on the media path alone");

    let (signalling, _) = fingerprints(true, false);
    assert!(!signalling.is_established(0) && !signalling.is_established(1), "in the signalling alone");
    let why = Error::from(CertificateFault::Fingerprint);
    let refused = |e: &Event| matches!(e, Event::CallerRefused { why: w, .. } if *w == why);
    assert!(signalling.events[1].iter().any(refused));

    let (both, _) = fingerprints(true, true);
    assert!(both.is_established(0), "in both: the level says that it is as good as the signalling is");
    let level =
        |e: &Event| matches!(e, Event::Established { peer, .. } if peer.level == AuthLevel::Fingerprint);
    assert!(both.events[0].iter().any(level));
}

fn shown(events: &[Event]) -> Option<(SessionId, Sas)> {
    events
        .iter()
        .find_map(|e| if let Event::SasReady { session, sas } = e { Some((*session, *sas)) } else { None })
}

/// In the middle of one call with a SAS: the same SPIs, CSB ID, nonces, names, offers, commitment and reveal on both sides. Only the
/// key exchange is hers, and the AUTHs that follow from it.
fn own_key_exchange() -> impl FnMut(Time, Datagram) -> Vec<Datagram> {
    let mut middle: Option<Middle> = None;
    let mut m3 = (Vec::new(), Vec::new());
    let empty: &[u8] = &[];
    let again = |from: &Leg, to: &Leg, sender: Role, raw: &[u8], transcript: &dyn Fn(&Leg) -> Vec<u8>| {
        let response = sender == Role::Responder;
        let plaintext = from.open(sender, response, raw);
        let sealed = Sealed::decode(raw).unwrap();
        let (up_to, method, _) = split_auth(raw, &plaintext);
        let names = if response { [id(BOB), id(ALICE)] } else { [id(ALICE), id(BOB)] };
        let message = [sealed.before_kemac, &up_to].concat();
        let covered = to.covered(sender, &transcript(to), &message, [&names[0], &names[1]], empty);
        let changed = join_auth(&up_to, method, &to.psk_auth(sender, &covered));
        let canon = |plaintext: &[u8]| [sealed.before_kemac, plaintext].concat();
        let bytes = to.seal(sender, response, sealed.t, sealed.before_kemac, &changed);
        (bytes, canon(&plaintext), canon(&changed))
    };
    move |_, mut datagram| {
        let ty = kind(&datagram.bytes);
        match (ty, &mut middle) {
            (DataType::INIT_REQ, middle) => {
                let new = || Middle::new(provider(99), &datagram.bytes, empty);
                datagram.bytes = middle.get_or_insert_with(new).init_req();
            }
            (DataType::INIT_RESP, Some(middle)) if middle.alice.is_none() => {
                datagram.bytes = middle.init_resp(&datagram.bytes);
            }
            (DataType::CCE_REQ, Some(Middle { alice: Some(alice), bob: Some(bob), .. })) => {
                let (bytes, sent, got) =
                    again(alice, bob, Role::Initiator, &datagram.bytes, &|leg| leg.th2.clone());
                m3 = (sent, got);
                datagram.bytes = bytes;
            }
            (DataType::CCE_RESP, Some(Middle { alice: Some(alice), bob: Some(bob), .. })) => {
                let transcript = |leg: &Leg| leg.th3(&m3.0);
                datagram.bytes = again(bob, alice, Role::Responder, &datagram.bytes, &transcript).0;
            }
            _ => return Vec::new(),
        }
        vec![datagram]
    }
}

/// Somebody who has all of the signalling and all of the media path in hand holds a whole call towards each side. The two people
/// read different strings, and certificates stop her by themselves.
#[test]
fn r_act_act() {
    let call = Call::both_ways(name(BOB), POLICY);
    for seed in 0..20 {
        let (mallory, loot) =
            InTheMiddle::new(with_sas(BOB, 100 + seed), with_sas(ALICE, 200 + seed), call.clone());
        let mut pair = Pair::new(Link::perfect(1), with_sas(ALICE, seed), with_sas(BOB, 300 + seed));
        pair = pair.with_adversary(mallory);
        pair.call(BOB);
        let (alice, bob) = (shown(&pair.events[0]).unwrap(), shown(&pair.events[1]).unwrap());
        let legs = loot.borrow().iter().filter(|e| matches!(e, Event::SasReady { .. })).count();
        assert_eq!(legs, 2, "she has both legs");
        assert_ne!(alice.1, bob.1, "the strings are the same");
        pair.world.act(0, |now, e| e.confirm_sas(now, alice.0, false)).unwrap();
        assert_eq!(pair.metrics(0).sessions, 0, "and then there is no session");
    }

    for seed in 0..20 {
        let mut pair = Pair::new(Link::perfect(1), with_sas(ALICE, seed), with_sas(BOB, 300 + seed));
        pair = pair.with_adversary(own_key_exchange());
        pair.call(BOB);
        let (alice, bob) = (shown(&pair.events[0]), shown(&pair.events[1]));
        let (alice, bob) = (alice.expect("alice was stopped").1, bob.expect("bob was stopped").1);
        assert_ne!(alice, bob, "the strings are the same although the key exchanges are not");
    }

    let (ca, hers) = (Ca::new("ca"), Ca::new("hers"));
    let kind = KeyKind::Ed25519;
    let (mallory, loot) = InTheMiddle::new(
        // She looks at nobody's certificate: she trusts the CA of Alice and Bob, whose certificates she cannot have.
        trusting(&ca, certified(&hers, BOB, kind, 3)),
        trusting(&ca, certified(&hers, ALICE, kind, 4)),
        call,
    );
    let mut pair = Pair::new(Link::perfect(1), certified(&ca, ALICE, kind, 1), certified(&ca, BOB, kind, 2));
    pair = pair.with_adversary(mallory);
    pair.call(BOB);
    assert!(!pair.is_established(0) && !pair.is_established(1));
    assert_eq!(fault(&mut pair), Some(PeerFault::Certificate(CertificateFault::UnknownIssuer)), "detected");
    let refused = |e: &Event| matches!(e, Event::CallerRefused { .. });
    assert!(pair.events[1].iter().any(refused), "on both sides");
    // She has taken Alice's AUTH, who does not take hers.
    assert!(!loot.borrow().iter().any(|e| matches!(e, Event::Established { call: Some(_), .. })));
}

fn trusting(ca: &Ca, mut config: EndpointConfig) -> EndpointConfig {
    config.trust = ca.trust();
    config
}
