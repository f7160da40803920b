//! X25519 (RFC 7748 sections 5.2 and 6.1), P-256 and P-384 (RFC 5903 sections 8.1 and 8.2), and what holds for every
//! group: repeatable under a seed, failing without randomness, one length only.

use alloc::format;
use alloc::vec::Vec;

use super::{Constant, Report, Scripted, Seeded, flipped, hex};
use crate::{CryptoProvider, GroupId, KxError, KxGroup};

pub(super) fn run(checks: &mut Report, provider: &CryptoProvider) {
    for group in provider.groups {
        every(checks, provider, *group);
    }
    for answer in ANSWERS {
        if let Some(group) = provider.group(answer.group) {
            known(checks, group, answer);
        }
    }
    if let Some(group) = provider.group(GroupId::X25519) {
        x25519(checks, group);
    }
    for (id, other) in [(GroupId::P256, GroupId::P384), (GroupId::P384, GroupId::P256)] {
        if let Some(group) = provider.group(id) {
            nist(checks, group, id, other);
        }
    }
}

fn every(checks: &mut Report, provider: &CryptoProvider, group: &dyn KxGroup) {
    let id = group.id().0;
    let random = &*provider.random;
    let Ok(initiator) = group.start(random) else {
        return checks.that(format!("group {id} starts"), false);
    };
    let request = initiator.value();
    checks.that(format!("group {id} says how long a request is"), request.len() == group.request_len());
    let Ok(answer) = group.answer(random, request) else {
        return checks.that(format!("group {id} answers"), false);
    };
    checks.that(format!("group {id} says how long an answer is"), answer.value.len() == group.answer_len());
    for _ in 0..2 {
        let agreed = initiator.agree(&answer.value).is_ok_and(|secret| {
            secret.dh.expose() == answer.secret.dh.expose()
                && secret.kem.expose() == answer.secret.kem.expose()
        });
        checks.that(format!("group {id}: both sides agree, the initiator as often as it likes"), agreed);
    }
    let another = group.answer(random, request);
    let differs =
        another.is_ok_and(|a| a.value != answer.value && a.secret.dh.expose() != answer.secret.dh.expose());
    checks.that(format!("group {id}: each answer has its own secret"), differs);

    for value in lengths(request) {
        let refused = group.answer(random, &value).is_err_and(|e| e == KxError::BadValue);
        checks.that(format!("group {id} refuses a request of {} octets", value.len()), refused);
    }
    for value in lengths(&answer.value) {
        let refused = initiator.agree(&value).is_err_and(|e| e == KxError::BadValue);
        checks.that(format!("group {id} refuses an answer of {} octets", value.len()), refused);
    }
    checks.that(
        format!("group {id} does not start without randomness"),
        group.start(&Scripted::broken()).is_err(),
    );
    let failed = group.answer(&Scripted::broken(), request).is_err_and(|e| e == KxError::Random);
    checks.that(format!("group {id} does not answer without randomness"), failed);
    seeded(checks, provider, group);
}

/// The same seed gives the same exchange, another seed another one. ML-KEM may draw from elsewhere: only the
/// Diffie-Hellman part counts.
fn seeded(checks: &mut Report, provider: &CryptoProvider, group: &dyn KxGroup) {
    let run = |seed| -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        let random = Seeded::boxed(provider.sha256, seed);
        let initiator = group.start(&*random).ok()?;
        let answer = group.answer(&*random, initiator.value()).ok()?;
        let part = |value: &[u8], kem: usize| value.get(kem..).unwrap_or_default().to_vec();
        let (request_kem, answer_kem) =
            if group.id() == GroupId::X25519_MLKEM768 { (1184, 1088) } else { (0, 0) };
        Some((
            part(initiator.value(), request_kem),
            part(&answer.value, answer_kem),
            answer.secret.dh.expose().to_vec(),
        ))
    };
    let id = group.id().0;
    for seed in 1..=3 {
        let exchange = run(seed);
        checks.that(
            format!("group {id} repeats itself under seed {seed}"),
            exchange.is_some() && exchange == run(seed),
        );
        checks.that(format!("group {id} depends on its seed {seed}"), exchange != run(seed + 10));
    }
}

/// Wrong lengths made of a good value.
fn lengths(value: &[u8]) -> [Vec<u8>; 4] {
    let (_, all_but_first) = value.split_at(value.len().min(1));
    [Vec::new(), all_but_first.to_vec(), [value, &[0]].concat(), [value, value].concat()]
}

struct Answer {
    group: GroupId,
    private: [&'static str; 2],
    public: [&'static str; 2],
    shared: &'static str,
}

fn known(checks: &mut Report, group: &dyn KxGroup, answer: &Answer) {
    let id = group.id().0;
    let [ours, theirs] = answer.private;
    for (private, public, peer) in [
        (ours, answer.public.first(), answer.public.last()),
        (theirs, answer.public.last(), answer.public.first()),
    ] {
        let (Some(public), Some(peer)) = (public, peer) else { continue };
        let Ok(initiator) = group.start(&Scripted::new(private)) else {
            checks.that(format!("group {id} starts with the private value of an RFC"), false);
            continue;
        };
        checks.equal(format!("group {id}: public value of an RFC"), initiator.value(), public);
        let secret = initiator.agree(&hex(peer));
        let agreed = secret.is_ok_and(|s| s.dh.expose() == hex(answer.shared) && s.kem.is_empty());
        checks.that(format!("group {id}: secret of an RFC, initiator"), agreed);
        let made = group.answer(&Scripted::new(private), &hex(peer));
        let made = made.is_ok_and(|a| a.value == hex(public) && a.secret.dh.expose() == hex(answer.shared));
        checks.that(format!("group {id}: secret of an RFC, responder"), made);
    }
}

fn x25519(checks: &mut Report, group: &dyn KxGroup) {
    // RFC 7748 section 5.2: the second u-coordinate has the top bit set, which must be ignored.
    for (scalar, u, wanted) in [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ] {
        let answer = group.answer(&Scripted::new(scalar), &hex(u));
        checks.that("X25519 of RFC 7748", answer.is_ok_and(|a| a.secret.dh.expose() == hex(wanted)));
    }
    let base = [&[9][..], &[0; 31]].concat();
    let spki = [&*hex("302a300506032b656e032100"), &*base].concat();
    for (name, value, good) in [("its base point", base, true), ("a SubjectPublicKeyInfo", spki, false)] {
        let answered = group.answer(&Scripted::new(&"77".repeat(32)), &value).is_ok();
        checks.that(format!("X25519 answers {name} only if it may"), answered == good);
    }
    for low in LOW_ORDER {
        for value in [hex(low), flipped(&hex(low), 255)] {
            let random = Scripted::new(&"77".repeat(32));
            let refused = group.answer(&random, &value).is_err_and(|e| e == KxError::BadValue);
            checks.that(format!("X25519 refuses to answer {value:02x?}"), refused);
            let initiator = group.start(&Scripted::new(&"77".repeat(32)));
            let refused = initiator.is_ok_and(|i| i.agree(&value).is_err_and(|e| e == KxError::BadValue));
            checks.that(format!("X25519 refuses to agree with {value:02x?}"), refused);
        }
    }
}

fn nist(checks: &mut Report, group: &dyn KxGroup, id: GroupId, other: GroupId) {
    let (Some(own), Some(foreign)) =
        (ANSWERS.iter().find(|a| a.group == id), ANSWERS.iter().find(|a| a.group == other))
    else {
        return;
    };
    let [private, _] = own.private;
    let [_, peer] = own.public;
    let [_, foreign] = foreign.public;
    let point = hex(peer);
    let len = point.len() / 2;
    let (x, y) = point.split_at(len);
    let (ones, zeros) = (Vec::from([0xff]).repeat(len), Vec::from([0]).repeat(len));
    let foreign = hex(foreign);
    let mut resized = foreign.clone();
    resized.resize(2 * len, 0);
    let bad: [(&str, Vec<u8>); 9] = [
        ("a point off the curve, last bit of y flipped", flipped(&point, 8 * point.len() - 8)),
        ("a point off the curve, first bit of x flipped", flipped(&point, 7)),
        ("x and y exchanged", [y, x].concat()),
        ("a point of zeros", [&*zeros, &*zeros].concat()),
        ("an x above the prime", [&*ones, y].concat()),
        ("a y above the prime", [x, &*ones].concat()),
        ("an uncompressed point with its mark", [&[4], &*point].concat()),
        ("a compressed point", [&[2], x].concat()),
        ("a point of another curve", resized),
    ];
    for (what, value) in bad {
        let random = Scripted::new(private);
        let refused = group.answer(&random, &value).is_err_and(|e| e == KxError::BadValue);
        checks.that(format!("group {} refuses to answer {what}", id.0), refused);
        let initiator = group.start(&Scripted::new(private));
        let refused = initiator.is_ok_and(|i| i.agree(&value).is_err_and(|e| e == KxError::BadValue));
        checks.that(format!("group {} refuses to agree with {what}", id.0), refused);
    }
    let redrawn = group.start(&Scripted::new(&["ff".repeat(len), "00".repeat(len), private.into()].concat()));
    let [public, _] = own.public;
    let redrawn = redrawn.is_ok_and(|i| i.value() == hex(public));
    checks.that(format!("group {} draws again what is out of range", id.0), redrawn);
    for octet in [0x00, 0xff] {
        let failed = group.start(&Constant(octet)).is_err();
        checks.that(format!("group {} gives up on a broken generator", id.0), failed);
    }
}

const ANSWERS: &[Answer] = &[
    Answer {
        group: GroupId::X25519,
        private: [
            "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
            "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        ],
        public: [
            "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
            "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        ],
        shared: "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    },
    Answer {
        group: GroupId::P256,
        private: [
            "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433",
            "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53",
        ],
        public: [
            "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180
             5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
            "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63
             56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
        ],
        shared: "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de",
    },
    Answer {
        group: GroupId::P384,
        private: [
            "099f3c7034d4a2c699884d73a375a67f7624ef7c6b3c0f160647b67414dce655
             e35b538041e649ee3faef896783ab194",
            "41cb0779b4bdb85d47846725fbec3c9430fab46cc8dc5060855cc9bda0aa2942
             e0308312916b8ed2960e4bd55a7448fc",
        ],
        public: [
            "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6
             de3ac808acb4bdb4c88732aee95f41aa9482ed1fc0eeb9cafc4984625ccfc23f
             65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
            "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d
             0d1ac43a0336def96fda41d0774a3571dcfbec7aacf3196472169e838430367f
             66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
        ],
        shared: "11187331c279962d93d604243fd592cb9d0a926f422e47187521287e7156c5c4
                 d603135569b9e9d09cf5d4a270f59746",
    },
];

/// The u-coordinates below 2^255 that lead to zero: 0, 1, two of order 8, and p-1, p, p+1.
const LOW_ORDER: [&str; 7] = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];
