//! What the code hashes and derives is what docs/spec.md says, input by input.
//!
//! The formulas and the key table are read out of the document and computed over messages taken from the wire. Everything
//! that either end gave to the hash or to HMAC must be one of the results, and each result must have been asked for: so
//! neither the text nor the code can change alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
#[path = "common/joins.rs"]
mod joins;
#[path = "common/recorder.rs"]
mod recorder;
#[path = "common/spec.rs"]
mod spec;

use std::collections::BTreeSet;

use common::hostile::with_sas;
use common::*;
use mikey_crypto::{GroupId, PrfId};
use mikey_proto::{Confidentiality, Endpoint, EndpointConfig, Event, Exchange, Time};
use mikey_sim::{KeyKind, Link, address, provider};
use mikey_wire::v2::{Sealed, peek};
use mikey_wire::{DataType, Extension, Message, Payload};
use recorder::{Log, recorded};
use spec::{Values, formula, formulas, key_table, section};

const PSK: [u8; 32] = [7; 32];

/// What the specification would have hashed: names for messages, keys and inputs for comparison.
struct Expected {
    digests: Vec<(String, Vec<u8>)>,
    macs: Vec<(String, Vec<u8>, Vec<u8>)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Psk,
    Certificate,
    Sas,
    Hybrid,
    Cce2Psk,
    Cce2Rsa,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Psk, Self::Certificate, Self::Sas, Self::Hybrid, Self::Cce2Psk, Self::Cce2Rsa];

    fn mode(self) -> Mode {
        match self {
            Self::Certificate => Mode::Certificate,
            Self::Cce2Psk => Mode::Cce2Psk,
            Self::Cce2Rsa => Mode::Cce2Rsa,
            Self::Psk | Self::Sas | Self::Hybrid => Mode::Psk,
        }
    }
}

fn config(kind: Kind, parties: &Parties, alice: bool) -> EndpointConfig {
    let seed = if alice { 1 } else { 2 };
    let mode = kind.mode();
    let mut config = match (kind, alice) {
        (Kind::Sas, true) => with_sas(ALICE, seed),
        (Kind::Sas, false) => with_sas(BOB, seed),
        (_, true) => parties.alice(mode, seed),
        (_, false) => parties.bob(mode, seed),
    };
    // In the clear, so that canon can be read off the wire.
    config.policy.confidentiality = vec![Confidentiality::Clear];
    config.policy.groups =
        vec![if kind == Kind::Hybrid { GroupId::X25519_MLKEM768 } else { GroupId::X25519 }];
    config
}

/// Octets of a message that was sent in the clear, and its plaintext: nothing.
fn canon(raw: &[u8]) -> Vec<u8> {
    let sealed = Sealed::decode(raw).unwrap();
    assert_eq!(sealed.kemac.encr_data.len(), 1);
    [&sealed.canon_head()[..], &[0]].concat()
}

fn find<'a, T>(raw: &'a [u8], pick: impl Fn(&Payload<'a>) -> Option<T>) -> Option<T> {
    Message::decode(raw).unwrap().items.iter().find_map(|item| pick(&item.payload))
}

fn rand(raw: &[u8]) -> Vec<u8> {
    find(raw, |p| if let Payload::Rand(r) = p { Some(r.to_vec()) } else { None }).unwrap()
}

fn up_to_auth(raw: &[u8]) -> &[u8] {
    let message = Message::decode(raw).unwrap();
    let auth = message.items.iter().find(|item| matches!(item.payload, Payload::Auth(_))).unwrap();
    &raw[..auth.start]
}

fn credential(kind: Kind, raw: &[u8], idi: &[u8]) -> Vec<u8> {
    match kind {
        Kind::Certificate => {
            find(raw, |p| if let Payload::Cert(c) = p { Some(c.data.to_vec()) } else { None }).unwrap()
        }
        Kind::Psk | Kind::Hybrid => idi.to_vec(),
        _ => Vec::new(),
    }
}

/// The octets of `L(a) || L(b) ..`, taken apart.
fn fields(mut octets: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut out = Vec::new();
    while !octets.is_empty() {
        let (len, rest) = octets.split_first_chunk::<4>()?;
        let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*len)).ok()?)?;
        out.push(field.to_vec());
        octets = rest;
    }
    Some(out)
}

/// Adds the rows of the key table whose input key is known, with all that a row leaves open.
fn derive(values: &mut Values, expected: &mut Expected, prf: mikey_crypto::Prf) {
    let lens = |row: &spec::Row| match row.length {
        "4" => 4,
        "16" => 16,
        _ => prf.hash_len(),
    };
    for row in key_table() {
        let Some(input) = values.of.get(row.input).cloned() else { continue };
        for role in [0xFF, 0xFE] {
            for cs_id in [1, 2] {
                let open =
                    values.with("role", [role]).with("role of the issuer", [role]).with("CS ID", [cs_id]);
                if !open.knows(&row.label) {
                    continue;
                }
                let label = open.eval(&row.label);
                if role == 0xFF && !row.label.contains("role of the issuer")
                    || row.name == "RPSK" && role == 0xFE
                {
                    let key = prf.derive(&input, &[&label], lens(&row));
                    values.set(row.name, key.expose());
                }
                if row.label.contains("role") {
                    let key = prf.derive(&input, &[&label], lens(&row));
                    values.set(&format!("{} of {role:#X}", row.name), key.expose());
                }
                expected.macs.push((row.name.to_owned(), input.clone(), label));
            }
        }
    }
}

fn expect_hash(values: &mut Values, expected: &mut Expected, number: &str, name: &str, which: usize) {
    let formula = formulas(number, name).nth(which).unwrap();
    expected.digests.push((name.to_owned(), values.hashed(formula)));
    let value = values.eval(formula);
    values.set(name, value);
}

/// What INIT of one session hashes.
fn init(kind: Kind, [m1, m2]: [&[u8]; 2], log: &Log, prf: mikey_crypto::Prf) -> (Values, Expected) {
    let mut values = Values::new(prf.hash);
    let mut expected = Expected { digests: Vec::new(), macs: Vec::new() };
    let id = |text: &str| [&[1], text.as_bytes()].concat();
    values.set("M1", m1).set("M2", m2);
    values.set("RANDi", rand(m1)).set("RANDr", rand(m2)).set("IDi", id(ALICE)).set("IDr", id(BOB));
    values.set("CSB ID", peek(m1).unwrap().csb_id.to_be_bytes());
    expect_hash(&mut values, &mut expected, "8.1", "th2", 0);
    // The secrets are the provider's; what stands around them is the specification's.
    let rands = [rand(m1), rand(m2)].concat();
    let ikm = log.macs.iter().find(|(key, _)| *key == rands).expect("no PRK was computed");
    let [kem, dh, psk] = &fields(&ikm.1).expect("IKM")[..] else { panic!("IKM has three fields") };
    assert_eq!(kem.len(), if kind == Kind::Hybrid { 32 } else { 0 });
    if matches!(kind, Kind::Psk | Kind::Hybrid | Kind::Cce2Psk) {
        values.set("PSK", PSK);
        derive(&mut values, &mut expected, prf);
    }
    let in_ikm = matches!(kind, Kind::Psk | Kind::Hybrid);
    assert_eq!(&psk[..], if in_ikm { &values.of["imported PSK"][..] } else { &[] });
    values.set("KEM secret, or empty", kem).set("DH secret", dh).set("imported PSK, or empty", psk);
    let ikm = values.eval(formula("8.3", "IKM"));
    values.set("IKM", ikm);
    let (key, data) = values.arguments(formula("8.3", "PRK"));
    let prk = values.eval(formula("8.3", "PRK"));
    values.set("PRK", prk);
    expected.macs.push(("PRK".to_owned(), key, data));
    (values, expected)
}

/// What INIT and CCE of one session hash.
fn handshake(kind: Kind, messages: [&[u8]; 4], log: &Log, prf: mikey_crypto::Prf) -> (Values, Expected) {
    handshake_with(kind, messages, canon(messages[3]), log, prf)
}

/// The same, where M4 has something that only its ends can read.
fn handshake_with(
    kind: Kind,
    messages: [&[u8]; 4],
    canon_m4: Vec<u8>,
    log: &Log,
    prf: mikey_crypto::Prf,
) -> (Values, Expected) {
    let [m1, m2, m3, m4] = messages;
    let (mut values, mut expected) = init(kind, [m1, m2], log, prf);
    values.set("M3", canon(m3)).set("M4", canon_m4);
    for name in ["th3", "th4"] {
        expect_hash(&mut values, &mut expected, "8.1", name, 0);
    }
    if kind == Kind::Sas {
        let reveal = |raw: &[u8]| {
            find(raw, |p| if let Payload::Ext(Extension::SasReveal(s)) = p { Some(s.to_vec()) } else { None })
        };
        values.set("Ns", reveal(m3).unwrap()).set("Nr", reveal(m4).unwrap());
        let row = key_table().into_iter().find(|row| row.name == "SAS value").unwrap();
        let (_, context) = row.label.rsplit_once("CSB ID ||").unwrap();
        expected.digests.push(("SAS value".to_owned(), values.hashed(context.trim())));
    }
    exporting(&mut values);
    derive(&mut values, &mut expected, prf);
    for (side, transcript, message, role) in
        [("initiator", "th2", m3, "0xFF"), ("responder", "th3", m4, "0xFE")]
    {
        auth(&mut values, &mut expected, (side, transcript, message, role), kind);
    }
    (values, expected)
}

fn exporting(values: &mut Values) {
    values
        .set("label", b"EXPORTER-test")
        .set("context", b"context")
        .set("length (16 bits)", 80_u16.to_be_bytes());
}

/// What INIT and CCE2 of one session hash.
fn handshake_2(kind: Kind, messages: [&[u8]; 4], log: &Log, prf: mikey_crypto::Prf) -> (Values, Expected) {
    let [m1, m2, m3, m4] = messages;
    let (mut values, mut expected) = init(kind, [m1, m2], log, prf);
    // What is mixed in under a key is what was hashed with it as one field: the PSK, the envelope key, the TGK.
    let mixed = |key: &[u8], len: usize| -> Vec<u8> {
        let all = log.macs.iter().filter(|(k, _)| k == key).filter_map(|(_, data)| fields(data));
        all.filter(|f| f.len() == 1 && f[0].len() == len).map(|mut f| f.remove(0)).next().expect("mixed in")
    };
    let x = mixed(&values.of["PRK"], if kind == Kind::Cce2Psk { prf.hash_len() } else { 32 });
    assert_eq!(Some(&x) == values.of.get("imported PSK"), kind == Kind::Cce2Psk);
    let (key, data) = values.set("x", x).arguments(formula("12", "PRKx"));
    let prkx = values.eval(formula("12", "PRKx"));
    expected.macs.push(("PRKx".to_owned(), key, data));
    values.set("PRKx", &prkx).set("PRK", &prkx).set("CCE2_REQ", m3).set("CCE2_RESP", m4);
    derive(&mut values, &mut expected, prf);
    // K, and nothing else that comes from PRK with CCE.
    let of_cce = ["K identity", "SK_d"];
    expected.macs.retain(|(name, ..)| !of_cce.contains(&name.as_str()));
    values.of.retain(|name, _| name != "PRK" && !of_cce.contains(&name.as_str()));
    for name in ["th3", "th4"] {
        expect_hash(&mut values, &mut expected, "12", name, 0);
    }
    let tgk = mixed(&prkx, prf.hash_len());
    assert!(!m3.windows(tgk.len()).any(|w| w == tgk), "the TGK can be read");
    let (key, label) = values.set("TGK that was sent", tgk).arguments(formula("12", "SK_d"));
    let inner = formula("12", "SK_d").split_once('(').unwrap().1.split_once("),").unwrap().0.to_owned() + ")";
    let (root_key, root_data) = values.arguments(&inner);
    expected.macs.push(("SK_d's key in CCE2".to_owned(), root_key, root_data));
    let sk_d = prf.derive(&key, &[&label], prf.hash_len());
    expected.macs.push(("SK_d".to_owned(), key, label));
    values.set("SK_d", sk_d.expose());
    exporting(&mut values);
    derive(&mut values, &mut expected, prf);
    let ver = find(m4, |p| if let Payload::V(v) = p { Some(v.data.to_vec()) } else { None }).unwrap();
    let open = values
        .with("K AUTH", &values.of["K AUTH of 0xFE"])
        .with("CCE2_RESP up to Ver data", &m4[..m4.len() - ver.len()]);
    let (key, data) = open.arguments(formula("12", "V"));
    expected.digests.push(("CCE2_REQ".to_owned(), m3.to_vec()));
    expected.macs.push(("V".to_owned(), key, data));
    assert_eq!(ver, open.eval(formula("12", "V")));
    if kind == Kind::Cce2Rsa {
        let sign =
            find(m3, |p| if let Payload::Sign(s) = p { Some(s.signature.to_vec()) } else { None }).unwrap();
        let message = &m3[..m3.len() - sign.len()];
        expected.digests.push(("CCE2_REQ up to the signature".to_owned(), message.to_vec()));
        let signed = values.with("CCE2_REQ up to the signature", message).eval(formula("12", "signed"));
        let signer = (provider(0).load_signer)(envelope::KEYS[0][0]).unwrap();
        let scheme = provider(0).signature(mikey_crypto::MethodId::RSA_PSS_SHA256).unwrap();
        scheme.verify(signer.public_key(), &signed, &sign).expect("SIGNi is over something else");
    }
    (values, expected)
}

/// IDB and AUTH of a side.
fn auth(values: &mut Values, expected: &mut Expected, of: (&str, &str, &[u8], &str), kind: Kind) {
    let (side, transcript, message, role) = of;
    let row = |name: &str| -> &'static str {
        let line = section("9.1").lines().find(|line| line.starts_with(&format!("| {name} |"))).unwrap();
        let cell = if side == "initiator" { 2 } else { 3 };
        line.split('|').nth(cell).unwrap().trim()
    };
    assert_eq!(row("transcript"), transcript);
    let idb = row("IDB");
    let idi = values.of["IDi"].clone();
    values.set(&format!("credential of the {side}"), credential(kind, message, &idi));
    let (key, data) = values.arguments(formula("9.2", idb));
    expected.macs.push((idb.to_owned(), key, data));
    let value = values.eval(formula("9.2", idb));
    let up_to = up_to_auth(message);
    expected.digests.push((format!("canon up to AUTH, {side}"), up_to.to_vec()));
    let context = row("context").trim_matches('"').as_bytes().to_vec();
    let covered = values
        .with("IDB", value)
        .with("context", context)
        .with("transcript", values.of[transcript].clone())
        .with("canon(M) up to AUTH", up_to)
        .eval(formula("9.1", "octets"));
    if kind != Kind::Certificate {
        let key = values.of[&format!("K AUTH of {role}")].clone();
        expected.macs.push((format!("AUTH, {side}"), key, covered));
    }
}

/// What a REKEY hashes: its transcript, and the new SK_d if it had a DH.
fn rekey(
    values: &mut Values,
    expected: &mut Expected,
    messages: [&[u8]; 2],
    log: &Log,
    prf: mikey_crypto::Prf,
) {
    let [request, response] = messages.map(canon);
    values.set("canon(REKEY_REQ)", &request).set("canon(REKEY_RESP)", &response);
    let last = values.of.get("th_n").unwrap_or(&values.of["th4"]).clone();
    values.set("th_(n-1)", last);
    expected.digests.push(("HASH".to_owned(), request));
    expect_hash(values, expected, "11.1", "th_n", 0);
    let sk_d = values.of["SK_d"].clone();
    let shared =
        log.macs.iter().find_map(|(key, data)| fields(data).filter(|f| *key == sk_d && f.len() == 2));
    if let Some(shared) = shared {
        let line = section("11.1").lines().find(|l| l.contains("SK_d becomes")).unwrap();
        let line = line.split_once("becomes").unwrap().1.split_once(", once").unwrap().0.trim();
        let open = values.with("KEM secret, or empty", &shared[0]).with("DH secret", &shared[1]);
        let (key, data) = open.arguments(line);
        expected.macs.push(("SK_d after a REKEY with DH".to_owned(), key, data));
        let value = open.eval(line);
        values.set("SK_d", value);
    }
    let row = key_table().into_iter().find(|row| row.name == "TGK_n").unwrap();
    let (key, label) = (values.of[row.input].clone(), values.eval(&row.label));
    let tgk = prf.derive(&key, &[&label], prf.hash_len());
    expected.macs.push((row.name.to_owned(), key, label));
    let mut later = Values { hash: values.hash, of: values.of.clone() };
    later.of.retain(|name, _| !["PRK", "SK_d", "E", "R", "C"].contains(&name.as_str()));
    later.set("TGK", tgk.expose());
    derive(&mut later, expected, prf);
}

/// What RESUME hashes, with RPSK from the session that issued the ticket.
fn resume(before: &Values, log: &Log, messages: [&[u8]; 2], prf: mikey_crypto::Prf) -> Expected {
    let [request, response] = messages;
    let mut expected = Expected { digests: Vec::new(), macs: Vec::new() };
    let mut values = Values::new(prf.hash);
    values.set("RPSK", &before.of["RPSK of 0xFE"]).set("RANDi", rand(request)).set("RANDr", rand(response));
    values.set("CSB ID", peek(request).unwrap().csb_id.to_be_bytes());
    let head =
        |raw: &[u8]| Sealed::decode(raw).map_or_else(|_| before_kemac(raw), |s| s.before_kemac.to_vec());
    values.set("octets of RESUME_REQ before KEMAC, without COOKIE", head(request));
    values.set("octets of RESUME_RESP before KEMAC", head(response));
    expect_hash(&mut values, &mut expected, "13", "th1", 0);
    // The insides are encrypted: they are taken from what was hashed, and must continue what stands on the wire.
    let hashed = |label: &str, n: usize| -> Vec<u8> {
        let input = log.digests.iter().find(|d| d.starts_with(label.as_bytes())).expect(label);
        let parts = if n == 0 { &input[label.len()..] } else { &input[label.len() + prf.hash_len()..] };
        fields(parts).unwrap().remove(0)
    };
    let (inner_request, inner_response) = (hashed("MIKEYv2 th2", 0), hashed("MIKEYv2 th4", 1));
    assert!(inner_request.starts_with(&head(request)) && inner_response.starts_with(&head(response)));
    expected.digests.push(("HASH".to_owned(), inner_request.clone()));
    values.set("canon(RESUME_REQ)", inner_request).set("canon(RESUME_RESP)", inner_response);
    let (key, data) = values.arguments(formula("13", "PRKe"));
    expected.macs.push(("PRKe".to_owned(), key, data));
    let prke = values.eval(formula("13", "PRKe"));
    values.set("PRKe", &prke);
    let early = formula("13", "early TGK");
    let (key, label) = values.arguments(early);
    let inner = early[early.find("H(").unwrap()..].strip_suffix(" )").unwrap();
    expected.digests.push(("early TGK".to_owned(), values.hashed(inner)));
    let tgk = prf.derive(&key, &[&label], prf.hash_len());
    expected.macs.push(("early TGK".to_owned(), key, label));
    // K of RESUME_REQ: PRKe for PRK, th1 for th2. Early TEKs: a label that ends in RANDi.
    let mut request_keys = values.with("PRK", &prke).with("th2", values.of["th1"].clone());
    derive(&mut request_keys, &mut expected, prf);
    let mut early_keys = values.with("TGK", tgk.expose()).with("RANDr", []);
    derive(&mut early_keys, &mut expected, prf);
    expect_hash(&mut values, &mut expected, "13", "th2", 0);
    expect_hash(&mut values, &mut expected, "13", "th4", 0);
    let rands = [rand(request), rand(response)].concat();
    let ikm = log.macs.iter().find(|(key, _)| *key == rands).expect("no PRK was computed");
    let ikm = fields(&ikm.1).expect("IKM");
    values.set("KEM secret, or empty", &ikm[0]).set("DH secret, or empty", &ikm[1]);
    let (key, data) = values.arguments(formula("13", "PRK"));
    expected.macs.push(("PRK of RESUME".to_owned(), key, data));
    let prk = values.eval(formula("13", "PRK"));
    values.set("PRK", prk);
    with_ticket(&mut values, response, log);
    derive(&mut values, &mut expected, prf);
    expected
}

fn before_kemac(raw: &[u8]) -> Vec<u8> {
    let message = Message::decode(raw).unwrap();
    let kemac = message.items.iter().find(|item| matches!(item.payload, Payload::Kemac(_))).unwrap();
    raw[..kemac.start].to_vec()
}

/// The ticket that this message brought: in the clear, or as it was put into RPSK's label.
fn with_ticket(values: &mut Values, raw: &[u8], log: &Log) {
    let clear = find(raw, |p| match p {
        Payload::Ext(Extension::ResumeTicket(t)) => Some(t.opaque.to_vec()),
        _ => None,
    });
    let label = [b"mv2r\xFE", &values.of["CSB ID"][..]].concat();
    let derived =
        log.macs.iter().find_map(|(_, data)| fields(data.strip_prefix(&label[..])?).filter(|f| f.len() == 1));
    if let Some(ticket) = clear.or_else(|| derived.map(|mut f| f.remove(0))) {
        values.set("ticket", ticket);
    }
}

/// Everything in the log is expected. Returns what of the expected was there.
fn compare(who: &str, log: &Log, expected: &[&Expected]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for digest in &log.digests {
        let mut all = expected.iter().flat_map(|e| &e.digests);
        let found = all.find(|(_, input)| input == digest);
        let found =
            found.unwrap_or_else(|| panic!("{who} hashed what no formula says: {}", digest.escape_ascii()));
        seen.insert(format!("H: {}", found.0));
    }
    for (key, data) in &log.macs {
        let mut all = expected.iter().flat_map(|e| &e.macs);
        let found = all.find(|(_, k, d)| k == key && d == data);
        let found =
            found.unwrap_or_else(|| panic!("{who} used HMAC as no formula says: {}", data.escape_ascii()));
        seen.insert(found.0.clone());
    }
    seen
}

fn message(pair: &Pair, ty: DataType, n: usize) -> Vec<u8> {
    pair.world.sent.iter().filter(|d| DataType(d.bytes[1]) == ty).nth(n).unwrap().bytes.clone()
}

fn run(kind: Kind, prf: PrfId, parties: &Parties) -> BTreeSet<String> {
    let (mut alice, mut bob) = (config(kind, parties, true), config(kind, parties, false));
    let (a, b);
    (alice.provider, a) = recorded(alice.provider, prf);
    (bob.provider, b) = recorded(bob.provider, prf);
    alice.policy.prfs = vec![prf];
    bob.policy.prfs = vec![prf];
    let real = provider(0).prf(prf).unwrap();
    let mut pair = Pair::new(Link::perfect(1), alice, bob);
    pair.long_request = kind == Kind::Cce2Rsa;
    pair.start(BOB).run(Time::from_secs(5));
    let at = pair.events[0].iter().position(|e| matches!(e, Event::TicketReady { .. }));
    let ticket = at.map(|at| match pair.events[0].remove(at) {
        Event::TicketReady { ticket, .. } => ticket,
        _ => unreachable!(),
    });
    let (end, other) = pair.established();
    for (n, session) in [(0, end.session), (1, other.session)] {
        pair.world
            .act(n, |_, node: &mut Endpoint| node.export(session, b"EXPORTER-test", b"context", 80))
            .unwrap();
        if kind == Kind::Sas {
            pair.world.act(n, |now, node: &mut Endpoint| node.confirm_sas(now, session, true)).unwrap();
            pair.run(Time::from_secs(if n == 0 { 7 } else { 9 }));
            pair.world.node(n).continuity(session).unwrap();
        }
    }
    let logs = [a.take(), b.take()];
    let [m1, m2, m3, m4] = kind.mode().messages().map(|ty| message(&pair, ty, 0));
    let handshake = if kind.mode().exchange() == Exchange::Cce { handshake } else { handshake_2 };
    let (mut values, mut expected) = handshake(kind, [&m1, &m2, &m3, &m4], &logs[0], real);
    with_ticket(&mut values, &m4, &logs[1]);
    derive(&mut values, &mut expected, real);
    if kind == Kind::Sas {
        let info: Vec<_> =
            pair.world.sent.iter().filter(|d| DataType(d.bytes[1]) == DataType::INFO_REQ).collect();
        expected.digests.extend(info.iter().map(|d| ("HASH".to_owned(), canon(&d.bytes))));
    }
    let mut seen = compare("alice", &logs[0], &[&expected]);
    assert_eq!(compare("bob", &logs[1], &[&expected]), seen, "the two ends do not compute the same");

    for (n, with_dh) in [true, false].into_iter().enumerate() {
        let (node, session) = if n == 0 { (0, end.session) } else { (1, other.session) };
        let (log, other_log) = if n == 0 { (a, b) } else { (b, a) };
        pair.world.act(node, |now, e: &mut Endpoint| e.rekey(now, session, with_dh)).unwrap();
        let until = pair.world.now() + core::time::Duration::from_secs(20);
        pair.run(until);
        let (request, response) =
            (message(&pair, DataType::REKEY_REQ, n), message(&pair, DataType::REKEY_RESP, n));
        let (log, other_log) = (log.take(), other_log.take());
        let mut expected = Expected { digests: Vec::new(), macs: Vec::new() };
        // E, R and C are derived before SK_d changes.
        derive(&mut values.clone(), &mut expected, real);
        for d in pair.world.sent.iter().filter(|d| DataType(d.bytes[1]) == DataType::INFO_REQ) {
            expected.digests.push(("HASH".to_owned(), canon(&d.bytes)));
        }
        rekey(&mut values, &mut expected, [&request, &response], &log, real);
        seen.extend(compare("who rekeys", &log, &[&expected]));
        compare("who answers", &other_log, &[&expected]);
    }

    if let Some(ticket) = ticket {
        let call =
            mikey_proto::Call::both_ways(name(BOB), mikey_crypto::srtp::SrtpPolicy::AES_CM_128_HMAC_SHA1_80);
        pair.world.act(0, |now, e: &mut Endpoint| e.resume(now, address(1), ticket, &call)).unwrap();
        let until = pair.world.now() + core::time::Duration::from_secs(2);
        pair.run(until);
        let messages = [message(&pair, DataType::RESUME_REQ, 0), message(&pair, DataType::RESUME_RESP, 0)];
        for (who, log) in [("who resumes", a.take()), ("who takes the ticket", b.take())] {
            let expected = resume(&values, &log, [&messages[0], &messages[1]], real);
            seen.extend(compare(who, &log, &[&expected]));
        }
    }
    seen
}

// R8.2, R11.1
#[test]
fn every_hash_and_every_key_is_the_specifications() {
    let parties = Parties::new(KeyKind::Ed25519);
    for prf in [PrfId::HMAC_SHA_256, PrfId::HMAC_SHA_384] {
        let mut seen = BTreeSet::new();
        for kind in Kind::ALL {
            seen.extend(run(kind, prf, &parties));
        }
        seen.extend(joins::joins(prf, &parties));
        // Only suites with a MAC have that key.
        let elsewhere = ["K authentication"];
        for row in key_table().iter().filter(|row| !elsewhere.contains(&row.name)) {
            assert!(seen.contains(row.name), "{} stands in the table, and nobody derived it", row.name);
        }
        let macs = ["PRK", "PRKe", "early TGK", "IDBi", "IDBr", "AUTH, initiator", "AUTH, responder", "PRKx"];
        for name in macs.into_iter().chain(["SK_d's key in CCE2", "V"]) {
            assert!(seen.contains(name), "{name}: {seen:?}");
        }
        let hashes = ["th1", "th2", "th3", "th4", "th_n", "HASH", "SAS value", "early TGK", "CCE2_REQ"];
        for name in hashes.into_iter().chain(["CCE2_REQ up to the signature"]) {
            assert!(seen.contains(&format!("H: {name}")), "{name}: {seen:?}");
        }
    }
}
