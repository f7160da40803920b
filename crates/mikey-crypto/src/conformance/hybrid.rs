//! X25519 with ML-KEM-768: FIPS 203 sections 7.2 and 7.3.

use super::{Report, flipped};
use crate::{CryptoProvider, GroupId, KxError, KxGroup};

const KEM_KEY: usize = 1184;
const KEM_CIPHERTEXT: usize = 1088;

pub(super) fn run(checks: &mut Report, provider: &CryptoProvider) {
    if let Some(group) = provider.group(GroupId::X25519_MLKEM768) {
        hybrid(checks, provider, group);
    }
}

fn hybrid(checks: &mut Report, provider: &CryptoProvider, group: &dyn KxGroup) {
    let random = &*provider.random;
    checks.that("lengths of group 236", group.request_len() == 1216 && group.answer_len() == 1120);
    let Ok(initiator) = group.start(random) else { return };
    let request = initiator.value();
    let Ok(answer) = group.answer(random, request) else { return };
    let (kem, dh) = (&answer.secret.kem, &answer.secret.dh);
    checks.that("group 236 has two secrets of 32 octets", kem.len() == 32 && dh.len() == 32);
    checks.that("the two secrets of group 236 differ", kem.expose() != dh.expose());

    // 3329 and 4095 in the first coefficient, 3329 in the last: twelve bits each, little endian.
    let (first, last) = (0, KEM_KEY - 32 - 3);
    for (name, at, octets) in [
        ("the modulus as first coefficient", first, [0x01, 0x0d, 0x00]),
        ("a first coefficient of 4095", first, [0xff, 0x0f, 0x00]),
        ("the modulus as last coefficient", last, [0x00, 0x10, 0xd0]),
    ] {
        let mut bad = request.to_vec();
        for (to, from) in bad.iter_mut().skip(at).zip(octets) {
            *to = from;
        }
        let refused = group.answer(random, &bad).is_err_and(|e| e == KxError::BadValue);
        checks.that(alloc::format!("group 236 refuses {name}"), refused);
    }
    let mut reduced = request.to_vec();
    for (to, from) in reduced.iter_mut().zip([0x00, 0x0d, 0x00]) {
        *to = from; // 3328 is the highest coefficient there is
    }
    checks.that("group 236 takes a coefficient below the modulus", group.answer(random, &reduced).is_ok());

    // Implicit rejection: a changed ciphertext gives a secret that the other side does not have.
    for bit in [0, 8 * KEM_CIPHERTEXT - 1] {
        let other = initiator.agree(&flipped(&answer.value, bit));
        let differs = other.is_ok_and(|s| s.kem.expose() != kem.expose() && s.dh.expose() == dh.expose());
        checks.that("group 236: a changed ciphertext gives another secret", differs);
    }
    for (value, kem_len, side) in [(request, KEM_KEY, "request"), (&*answer.value, KEM_CIPHERTEXT, "answer")]
    {
        let zeroed = [value.get(..kem_len).unwrap_or_default(), &[0; 32]].concat();
        let refused = match side {
            "request" => group.answer(random, &zeroed).is_err_and(|e| e == KxError::BadValue),
            _ => initiator.agree(&zeroed).is_err_and(|e| e == KxError::BadValue),
        };
        checks.that(alloc::format!("group 236 refuses an X25519 value of zero in a {side}"), refused);
    }
}
