//! Public keys of Ed25519 that no signature is accepted from (docs/security-rules.md, rule 9).

/// Whether a key has small order, so that one signature fits many messages, or its y is not reduced modulo
/// p = 2^255 - 19, so that one key has two names.
// R9.8
#[must_use]
pub fn is_weak(key: &[u8; 32]) -> bool {
    let mut y = *key;
    if let Some(top) = y.last_mut() {
        *top &= 0x7f; // the sign of x is no part of y
    }
    let at_least_p = y.iter().rev().cmp(P.iter().rev()).is_ge();
    at_least_p || SMALL_ORDER.contains(&y)
}

/// p, little endian.
const P: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

/// The y of all points of order 1, 2, 4 and 8; of those of order 8 there are two.
const SMALL_ORDER: [[u8; 32]; 5] = [
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = P;
        minus_one[0] = 0xec;
        minus_one
    },
    [0; 32],
    *b"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
    *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
];
