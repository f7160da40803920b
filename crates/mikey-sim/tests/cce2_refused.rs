//! Option 2 (docs/spec.md, chapter 12) with somebody who gets a part of it wrong, or wants to: each is refused as the chapter
//! says, and what nobody has proven changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/lone.rs"]
mod lone;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::craft::{bend, kind, leak};
use common::envelope::{Answers, KEYS, Sends, decrypting, envelope, msp, signing};
use common::hand::HandCallee;
use common::*;
use lone::{Bob, caller, dropped, judge, right};
use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{AuthFailed, Decryptor, MethodId, SecretBytes};
use mikey_proto::{
    Call, CertificateFault, DropReason, Endpoint, EndpointConfig, Error, Event, Identity, PeerFault,
    PskTable, Stage, Time,
};
use mikey_sim::{Ca, Datagram, KeyKind, Link, World, address, provider};
use mikey_wire::v2::ErrorMsg;
use mikey_wire::{Cert, CertType, DataType, ErrorNo, Kv, Payload};
use rcgen::KeyUsagePurpose;

const CAROL: &str = "sip:carol@example.com";
const EVE: &str = "sip:eve@example.com";

#[test]
fn a_caller_written_by_hand_is_accepted_if_all_is_right() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let (answer, bob) = judge(&parties, mode, &right(&parties, mode));
        assert_eq!((answer, bob.metrics().sessions), (Some(DataType::CCE2_RESP), 1), "{mode:?}");
        assert_eq!((bob.metrics().authenticated, bob.metrics().refused), (1, 0));
    }
}

/// Types and keys of key data.
type Keys = Vec<(u8, Vec<u8>)>;

/// What KEMAC brought is from whoever has the PSK or signed: it learns by a protected ERROR that it was refused.
// R12.6
#[test]
fn a_tgk_that_is_none_is_refused() {
    let parties = Parties::new(KeyKind::Ed25519);
    let tgk = |len: usize| (0, vec![0x5A; len]);
    let wrong: [(&str, Keys, Kv<'static>); 9] = [
        ("none", vec![], Kv::Null),
        ("two", vec![tgk(32), tgk(32)], Kv::Null),
        ("of no octets", vec![tgk(0)], Kv::Null),
        ("of 31 octets", vec![tgk(31)], Kv::Null),
        ("of 33 octets", vec![tgk(33)], Kv::Null),
        ("of 48 octets", vec![tgk(48)], Kv::Null),
        ("a TEK", vec![(2, vec![0x5A; 32])], Kv::Null),
        ("a GTGK", vec![(4, vec![0x5A; 32])], Kv::Spi(&[1, 2, 3, 4])),
        ("with an SPI", vec![tgk(32)], Kv::Spi(&[1, 2, 3, 4])),
    ];
    for mode in Mode::OPTION_2 {
        for (what, keys, kv) in &wrong {
            let sends = Sends { keys: keys.clone(), kv: *kv, ..right(&parties, mode) };
            let (answer, mut bob) = judge(&parties, mode, &sends);
            assert_eq!((answer, bob.metrics().sessions), (Some(DataType::ERROR), 0), "{mode:?}: {what}");
            assert_eq!((bob.metrics().refused, bob.refusals().len()), (1, 1), "{mode:?}: {what}");
        }
    }
}

#[test]
fn streams_that_are_refused_are_told() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::OPTION_2 {
        let mut bob = parties.bob(mode, 2);
        bob.answer = Arc::new(mikey_proto::AcceptStreams { policies: Vec::new() });
        let mut pair = Pair::new(Link::perfect(1), parties.alice(mode, 1), bob);
        pair.start(BOB).run(Time::from_secs(30));
        assert_eq!(pair.failure(), Some(PeerFault::RefusedUs.into()), "{mode:?}");
        assert!(!pair.is_established(0) && !pair.is_established(1));
    }
}

#[test]
fn a_wrong_psk_and_an_unknown_name_end_in_the_same_silence() {
    let trace = |known: bool| {
        let mut table = PskTable::new();
        let peer = if known { ALICE } else { CAROL };
        table.insert(name(peer), name(BOB), SecretBytes::copy_from(&[2; 32])).unwrap();
        let mut bob = EndpointConfig::new(provider(2), Identity::new(name(BOB)));
        bob.psks = Arc::new(table);
        let mut alice = with_psk(ALICE, BOB, [1; 32], 1);
        for config in [&mut alice, &mut bob] {
            config.policy.exchanges = vec![mikey_proto::Exchange::Cce2Psk];
        }
        let mut pair = Pair::new(Link::perfect(1), alice, bob);
        pair.start(BOB).run(Time::from_secs(40));
        assert_eq!(pair.failure(), Some(Error::Timeout { stage: Stage::UnverifiedPsk, hint: None }));
        assert!(!pair.is_established(0) && !pair.is_established(1));
        let sent: Vec<_> = pair.world.sent.iter().map(|d| (d.from, kind(&d.bytes), d.bytes.len())).collect();
        (sent, pair.metrics(1))
    };
    let (wrong, unknown) = (trace(true), trace(false));
    assert_eq!(wrong, unknown);
    assert!(wrong.1.drops(DropReason::Unauthenticated) > 0);
}

/// How often a key has decrypted.
static DECRYPTIONS: AtomicUsize = AtomicUsize::new(0);

struct Counting(Box<dyn Decryptor>);

impl Decryptor for Counting {
    fn method(&self) -> MethodId {
        self.0.method()
    }

    fn public_key(&self) -> &[u8] {
        self.0.public_key()
    }

    fn decrypt(&self, ciphertext: &[u8]) -> Result<SecretBytes, AuthFailed> {
        DECRYPTIONS.fetch_add(1, Ordering::Relaxed);
        self.0.decrypt(ciphertext)
    }
}

/// Bob whose decryptions are counted. One test alone uses it.
fn counting_bob(parties: &Parties) -> Bob {
    let mut provider = provider(2);
    let load = |pkcs8: &[u8]| -> Result<Box<dyn Decryptor>, mikey_crypto::KeyRejected> {
        Ok(Box::new(Counting((mikey_crypto_aws_lc::provider().load_decryptor)(pkcs8)?)))
    };
    provider.load_decryptor = load;
    let key = mikey_proto::DecryptionKey::load(&provider, vec![decrypting(&parties.ca, 1)], KEYS[1][1]);
    let identity = Identity::new(name(BOB)).with_decryption(key.unwrap()).unwrap();
    let mut config = EndpointConfig::new(provider, identity);
    config.trust = parties.ca.trust();
    config.unix_time_at_zero = Some(NOW);
    config.policy.exchanges = vec![mikey_proto::Exchange::Cce2Rsa];
    Bob::with(config)
}

/// Rules 23 and 58: nothing is decrypted for somebody who has not signed, once for somebody who has, and what came out of it
/// shows nowhere: not in an answer, a counter or an event.
// R12.1, R12.2
#[test]
fn whatever_is_wrong_with_an_envelope_looks_like_a_wrong_kemac() {
    let parties = Parties::new(KeyKind::Ed25519);
    let good = envelope(&provider(9), &[0xE0; 32]);
    let with = |envelope: Vec<u8>| Sends { envelope: Some(envelope), ..Sends::rsa(&parties.ca) };
    let changed = |at: usize| {
        let mut bent = good.clone();
        bent[at] ^= 1;
        bent
    };
    let pkcs1 = {
        // Padded as PKCS #1 v1.5 is, and encrypted to nobody: what Bleichenbacher's attack sends.
        let mut block = vec![0x77; 256];
        (block[0], block[1], block[223]) = (0, 2, 0);
        block
    };
    let cases = [
        ("KEMAC", Sends { breaks_kemac: true, ..Sends::rsa(&parties.ca) }),
        (
            "another key than KEMAC's",
            Sends { envelope: Some(envelope(&provider(9), &[1; 32])), ..with(vec![]) },
        ),
        ("the first octet", with(changed(0))),
        ("the last octet", with(changed(255))),
        ("zeros", with(vec![0; 256])),
        ("ones", with(vec![0xFF; 256])),
        ("the padding of PKCS #1 v1.5", with(pkcs1)),
        ("one octet less", with(good[..255].to_vec())),
        ("one octet more", with([&good[..], &[0]].concat())),
        ("no octet", with(vec![])),
        ("31 octets inside", with(envelope(&provider(9), &[0xE0; 31]))),
        ("33 octets inside", with(envelope(&provider(9), &[0xE0; 33]))),
        ("nothing inside", with(envelope(&provider(9), &[]))),
        ("for another certificate", Sends { chash_of: vec![1], ..with(good.clone()) }),
    ];
    let mut outcomes = Vec::new();
    for (what, sends) in &cases {
        let mut bob = counting_bob(&parties);
        let mut caller = caller(Mode::Cce2Rsa, 1);
        let m2 = bob.init_resp(&caller);
        let m3 = caller.cce2_req(&m2, sends);
        DECRYPTIONS.store(0, Ordering::Relaxed);
        for _ in 0..3 {
            assert_eq!(bob.takes(&m3), None, "{what}: an answer");
        }
        assert_eq!(DECRYPTIONS.load(Ordering::Relaxed), 1, "{what}: one half-open session, one decryption");
        let events = bob.world.events(0).len();
        let mut metrics = bob.metrics();
        (metrics.octets_received, metrics.octets_sent) = (0, 0);
        outcomes.push((*what, metrics, events));
    }
    for (what, metrics, events) in &outcomes {
        assert_eq!(metrics, &outcomes[0].1, "{what}: counters tell it from a wrong KEMAC");
        assert_eq!(*events, 0, "{what}");
        assert_eq!(metrics.drops(DropReason::Unauthenticated), 3, "{what}");
    }
    // Who has not signed learns nothing, and costs no decryption.
    for sends in [
        Sends { signed_for: CAROL, ..Sends::rsa(&parties.ca) },
        Sends { signer: Some(KEYS[1][0]), ..Sends::rsa(&parties.ca) },
        Sends { certs: vec![signing(&parties.ca, 1)], ..Sends::rsa(&parties.ca) },
    ] {
        let mut bob = counting_bob(&parties);
        let mut caller = caller(Mode::Cce2Rsa, 1);
        let m2 = bob.init_resp(&caller);
        let before = bob.metrics();
        DECRYPTIONS.store(0, Ordering::Relaxed);
        let m3 = caller.cce2_req(&m2, &sends);
        assert_eq!(bob.takes(&m3), None);
        assert_eq!(dropped(&before, &bob.metrics()), [DropReason::BadSignature]);
        assert_eq!(DECRYPTIONS.load(Ordering::Relaxed), 0, "decrypted for a stranger");
        // It has changed nothing: the true request is answered.
        let m3 = caller.cce2_req(&m2, &Sends::rsa(&parties.ca));
        assert_eq!(bob.takes(&m3).map(|a| kind(&a)), Some(DataType::CCE2_RESP));
        assert_eq!(DECRYPTIONS.load(Ordering::Relaxed), 1);
    }
}

/// A signature is needed for an envelope, and an envelope beside a PSK is none.
#[test]
fn the_two_forms_are_not_mixed() {
    let parties = Parties::new(KeyKind::Ed25519);
    let (answer, bob) = judge(&parties, Mode::Cce2Rsa, &Sends::psk(&[0xE0; 32]));
    assert_eq!((answer, bob.metrics().drops(DropReason::BadSignature)), (None, 1));
    let beside = Sends { x: Sends::psk(&[7; 32]).x, certs: vec![], ..Sends::rsa(&parties.ca) };
    let (answer, mut bob) = judge(&parties, Mode::Cce2Psk, &beside);
    assert_eq!(answer, Some(DataType::ERROR));
    assert!(matches!(bob.refusals()[..], [Error::Peer(PeerFault::Negotiation(_))]));
}

/// The certificate of the caller: whose, for what, until when, from whom.
#[test]
fn callers_with_wrong_certificates_are_dropped() {
    let parties = Parties::new(KeyKind::Ed25519);
    let of = |ca: &Ca, name: &str, change: fn(&mut rcgen::CertificateParams)| {
        ca.certify_key_with(name, KEYS[0][0], change)
    };
    let other = Ca::new("ca");
    let cases = [
        ("another CA", of(&other, ALICE, |_| ())),
        ("another name", of(&parties.ca, EVE, |_| ())),
        ("expired", of(&parties.ca, ALICE, |p| p.not_after = rcgen::date_time_ymd(2026, 1, 1))),
        ("not yet valid", of(&parties.ca, ALICE, |p| p.not_before = rcgen::date_time_ymd(2027, 1, 1))),
        ("only decrypts", of(&parties.ca, ALICE, |p| p.key_usages = vec![KeyUsagePurpose::KeyEncipherment])),
        ("another kind of key", parties.ca.issue(ALICE, KeyKind::Ed25519, |_| ()).0),
        ("not DER", vec![1, 2, 3]),
    ];
    for (what, certificate) in cases {
        let sends = Sends { certs: vec![certificate], ..Sends::rsa(&parties.ca) };
        let (answer, bob) = judge(&parties, Mode::Cce2Rsa, &sends);
        assert_eq!((answer, bob.metrics().sessions), (None, 0), "{what}");
        assert_eq!(bob.metrics().drops(DropReason::BadSignature), 1, "{what}");
    }
    let sends = Sends { certs: vec![], ..Sends::rsa(&parties.ca) };
    assert_eq!(judge(&parties, Mode::Cce2Rsa, &sends).0, None);
}

/// What Alice makes of a callee by hand: why it failed, and whether she encrypted anything to it.
fn calls(
    alice: EndpointConfig,
    mode: Mode,
    certs: &[Vec<u8>],
    x: &[u8],
    answers: Answers,
) -> (World<Endpoint>, Option<DataType>) {
    let mut world = World::new(Link::perfect(1), [Endpoint::new(alice).unwrap()]);
    let call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    world.act(0, |now, alice| alice.connect(now, address(77), &call)).unwrap();
    let mut callee = HandCallee::new(6, BOB, &[]);
    let exchange = if mode == Mode::Cce2Psk { 2 } else { 3 };
    let m1 = world.sent.pop().unwrap().bytes;
    let m2 = callee.init_resp_with(&m1, &msp(exchange, false), certs);
    world.inject(Datagram { from: address(77), to: address(0), bytes: m2 });
    let sent = world.sent.pop().map(|d| d.bytes);
    if let Some(m3) = &sent {
        let m4 = callee.cce2_resp(m3, x, answers);
        world.inject(Datagram { from: address(77), to: address(0), bytes: m4 });
    }
    (world, sent.map(|m3| kind(&m3)))
}

fn failures(world: &mut World<Endpoint>) -> Vec<Error> {
    let why = |event| if let Event::BranchFailed { why, .. } = event { Some(why) } else { None };
    world.events(0).into_iter().filter_map(why).collect()
}

/// R12.3: nothing is encrypted to a key that may also sign, or that is not the callee's.
// R12.3
#[test]
fn nothing_is_encrypted_to_a_wrong_certificate() {
    let parties = Parties::new(KeyKind::Ed25519);
    let of = |ca: &Ca, name: &str, usages: &[KeyUsagePurpose], change: fn(&mut rcgen::CertificateParams)| {
        ca.certify_key_with(name, KEYS[1][1], |params| {
            params.key_usages = usages.to_vec();
            change(params);
        })
    };
    use KeyUsagePurpose as U;
    let encipher = [U::KeyEncipherment];
    let other = Ca::new("ca");
    let ca = &parties.ca;
    let cases: [(&str, Vec<u8>, CertificateFault); 11] = [
        (
            "may sign too",
            of(ca, BOB, &[U::KeyEncipherment, U::DigitalSignature], |_| ()),
            CertificateFault::Usage,
        ),
        (
            "may commit too",
            of(ca, BOB, &[U::KeyEncipherment, U::ContentCommitment], |_| ()),
            CertificateFault::Usage,
        ),
        (
            "may certify too",
            of(ca, BOB, &[U::KeyEncipherment, U::KeyCertSign], |_| ()),
            CertificateFault::Usage,
        ),
        (
            "may sign lists too",
            of(ca, BOB, &[U::KeyEncipherment, U::CrlSign], |_| ()),
            CertificateFault::Usage,
        ),
        ("only signs", of(ca, BOB, &[U::DigitalSignature], |_| ()), CertificateFault::Usage),
        ("any use", of(ca, BOB, &[], |_| ()), CertificateFault::Usage),
        ("another name", of(ca, EVE, &encipher, |_| ()), CertificateFault::Name),
        ("another CA", of(&other, BOB, &encipher, |_| ()), CertificateFault::UnknownIssuer),
        (
            "expired",
            of(ca, BOB, &encipher, |p| p.not_after = rcgen::date_time_ymd(2026, 1, 1)),
            CertificateFault::Expired,
        ),
        (
            "another kind of key",
            ca.issue(BOB, KeyKind::P256, |p| p.key_usages = vec![U::KeyEncipherment]).0,
            CertificateFault::KeyKind,
        ),
        ("not DER", vec![1, 2, 3], CertificateFault::Malformed),
    ];
    let judge = |what: &str, certs: &[Vec<u8>], fault: CertificateFault| {
        let alice = parties.alice(Mode::Cce2Rsa, 1);
        let (mut world, sent) = calls(alice, Mode::Cce2Rsa, certs, &[0; 32], Answers::default());
        assert_eq!(sent, None, "{what}: something was encrypted to it");
        assert_eq!(failures(&mut world), [], "{what}: anyone may have sent it");
        let metrics = world.node(0).metrics();
        assert_eq!((metrics.attempts, metrics.drops(DropReason::BadAnswer)), (1, 1), "{what}");
        world.run_until(Time::from_secs(30));
        let why = |event| if let Event::CallFailed { why, .. } = event { Some(why) } else { None };
        let why: Vec<_> = world.events(0).into_iter().filter_map(why).collect();
        assert_eq!(why, [Error::from(fault)], "{what}: what the person sees when the time is up");
    };
    for (what, certificate, fault) in cases {
        judge(what, &[certificate], fault);
    }
    judge("none", &[], CertificateFault::Missing);
    // A key that may sign cannot even be configured for this.
    let both = of(ca, BOB, &[U::KeyEncipherment, U::DigitalSignature], |_| ());
    assert!(mikey_proto::DecryptionKey::load(&provider(1), vec![both], KEYS[1][1]).is_err());
}

/// R12.4: V is what proves the callee, and covers both names, the request and the answer.
// R12.4
#[test]
fn a_callee_that_cannot_make_v_is_nobody() {
    let parties = Parties::new(KeyKind::Ed25519);
    let psk = |x: [u8; 32], answers| {
        let (world, sent) =
            calls(parties.alice(Mode::Cce2Psk, 1), Mode::Cce2Psk, &[], &Sends::psk(&x).x, answers);
        assert_eq!(sent, Some(DataType::CCE2_REQ));
        world
    };
    let right = psk([7; 32], Answers::default());
    assert_eq!(right.node(0).metrics().sessions, 1, "all is right");
    let dropped_as = |mut world: World<Endpoint>, why: DropReason, what: &str| {
        let metrics = world.node(0).metrics();
        assert_eq!((metrics.sessions, metrics.attempts, metrics.drops(why)), (0, 1, 1), "{what}");
        assert_eq!(failures(&mut world), [], "{what}: anyone may have sent it");
    };
    let unproven = DropReason::Unauthenticated;
    dropped_as(psk([8; 32], Answers::default()), unproven, "another psk");
    dropped_as(psk([7; 32], Answers { breaks_v: true, ..Answers::default() }), unproven, "a bit of V");
    let forgets = Answers { forgets_request: true, ..Answers::default() };
    dropped_as(psk([7; 32], forgets), unproven, "V of another request");
    let forgets = Answers { forgets_caller: true, ..Answers::default() };
    dropped_as(psk([7; 32], forgets), unproven, "V without the caller's name");
    dropped_as(psk([7; 32], Answers { no_v: true, ..Answers::default() }), DropReason::Malformed, "no V");
    dropped_as(psk([7; 32], Answers { t: 1, ..Answers::default() }), DropReason::Replayed, "another T");
    // Who makes V and says something else than before ends its branch.
    for (what, answers) in [
        ("another name", Answers { id: Some(EVE), ..Answers::default() }),
        ("a policy that was not offered", Answers { policy: Some(9), ..Answers::default() }),
    ] {
        let mut world = psk([7; 32], answers);
        assert_eq!((world.node(0).metrics().sessions, failures(&mut world).len()), (0, 1), "{what}");
    }
    // With RSA the envelope is what has to be opened.
    let certs = [decrypting(&parties.ca, 1)];
    let alice = parties.alice(Mode::Cce2Rsa, 1);
    let (world, sent) = calls(alice, Mode::Cce2Rsa, &certs, &[0; 32], Answers::default());
    assert_eq!(sent, Some(DataType::CCE2_REQ));
    dropped_as(world, unproven, "who has not opened the envelope");
}

/// CERTr comes with EXCH 3 and with nothing else, and an answer may not mix exchanges and methods.
// R12.7
#[test]
fn answers_that_mix_the_options_open_no_branch() {
    let parties = Parties::new(KeyKind::Ed25519);
    let certificate = leak(&decrypting(&parties.ca, 1));
    let mut first = true;
    let mut pair =
        parties.pair(Mode::Cce2Psk, Link::perfect(1), 1).with_adversary(move |_: Time, d: Datagram| {
            if kind(&d.bytes) != DataType::INIT_RESP || !std::mem::take(&mut first) {
                return vec![d];
            }
            let bytes = bend(&d.bytes, |_, payloads| {
                let cert = Cert { ty: CertType::X509, data: certificate };
                payloads.insert(payloads.len() - 1, Payload::Cert(cert));
            });
            vec![Datagram { bytes, ..d }]
        });
    pair.start(BOB).run(Time::from_secs(20)).agreed();
    assert_eq!(pair.metrics(0).drops(DropReason::Malformed), 1);
    let mut alice = parties.alice(Mode::Cce2Psk, 1);
    alice.policy.exchanges = vec![mikey_proto::Exchange::Cce];
    let (world, sent) = calls(alice, Mode::Cce2Psk, &[], &[7; 32], Answers::default());
    assert_eq!((sent, world.node(0).metrics().drops(DropReason::BadAnswer)), (None, 1), "not offered");
}

/// A branch of one option does not take the other one's answer, though its keys may be right.
#[test]
fn messages_of_the_other_option_are_dropped() {
    let parties = Parties::new(KeyKind::Ed25519);
    for mode in Mode::EVERY {
        let mut pair = parties.pair(mode, Link::perfect(1), 1).with_adversary(move |_: Time, d: Datagram| {
            let [request, response] = mode.second();
            let [other_request, other_response] =
                if mode.exchange() == mikey_proto::Exchange::Cce { Mode::Cce2Psk } else { Mode::Psk }
                    .second();
            let mut retyped = d.clone();
            match kind(&d.bytes) {
                ty if ty == request => retyped.bytes[1] = other_request.0,
                ty if ty == response => retyped.bytes[1] = other_response.0,
                _ => return vec![d],
            }
            vec![retyped, d]
        });
        pair.start(BOB).run(Time::from_secs(20)).agreed();
        let wrong = |n: usize| {
            let metrics = pair.metrics(n);
            metrics.drops(DropReason::WrongState) + metrics.drops(DropReason::Malformed)
        };
        assert!(wrong(0) > 0 && wrong(1) > 0, "{mode:?}");
    }
}

/// A caller whose key signs by another scheme cannot use RSA, and says so before anything is sent.
#[test]
fn without_the_keys_nothing_is_offered() {
    let parties = Parties::new(KeyKind::Ed25519);
    let mut alice = parties.alice(Mode::Certificate, 1);
    alice.policy.exchanges = vec![mikey_proto::Exchange::Cce2Rsa];
    let mut endpoint = Endpoint::new(alice).unwrap();
    let call = Call::both_ways(name(BOB), SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
    let why = endpoint.connect(Time::ZERO, address(1), &call).unwrap_err();
    assert_eq!(why, mikey_proto::ApiMisuse::NoCredential.into());
    // And a callee without a key to decrypt has nothing in common with who wants only that.
    let mut bob = parties.bob(Mode::Certificate, 2);
    bob.policy.exchanges = vec![mikey_proto::Exchange::Cce2Rsa];
    let mut bob = Bob::with(bob);
    let answer = bob.takes(&caller(Mode::Cce2Rsa, 1).m1).unwrap();
    assert_eq!(ErrorMsg::decode(&answer).unwrap().error, ErrorNo::INVALID_SP_PAR);
}
