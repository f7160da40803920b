//! As much DER as it takes to tell what kind of key a SubjectPublicKeyInfo or a PKCS #8 structure holds.
//!
//! Invariant: only minimal definite lengths are read, and callers refuse octets that are left over.

use mikey_crypto::KeyRejected;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

// AlgorithmIdentifier contents (RFC 3279, RFC 5480, RFC 8410): OID and parameters.

/// RSA, whatever it is used for.
pub const RSA_ENCRYPTION: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// P-256.
pub const EC_P256: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
/// P-384.
pub const EC_P384: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22";
/// Ed25519.
pub const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";

/// Bits that an RSA modulus may have.
// R9.8
pub const RSA_BITS: core::ops::RangeInclusive<usize> = 2048..=4096;

/// What a private key that should be RSA is refused with.
pub const RSA_REJECTED: KeyRejected = KeyRejected("it is not an RSA key of 2048 to 4096 bits");

/// Splits off the contents of the element of type `tag` that `input` begins with.
fn take<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (&found, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&[len], rest) = rest.split_first_chunk()?;
            (usize::from(len), rest)
        }
        0x82 => {
            let (&len, rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(len)), rest)
        }
        _ => return None,
    };
    let minimal = match first {
        0x81 => len >= 0x80,
        0x82 => len >= 0x100,
        _ => true,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    if found != tag || !minimal {
        return None;
    }
    *input = rest;
    Some(content)
}

/// `take`, and nothing may follow.
fn only(mut input: &[u8], tag: u8) -> Option<&[u8]> {
    let content = take(&mut input, tag)?;
    input.is_empty().then_some(content)
}

/// The public key octets of a SubjectPublicKeyInfo (RFC 5280 section 4.1) with exactly this algorithm.
#[must_use]
pub fn public_key<'a>(spki: &'a [u8], algorithm: &[u8]) -> Option<&'a [u8]> {
    let mut spki = only(spki, SEQUENCE)?;
    if take(&mut spki, SEQUENCE)? != algorithm {
        return None;
    }
    match only(spki, BIT_STRING)?.split_first()? {
        (0, key) => Some(key),
        _ => None,
    }
}

/// The AlgorithmIdentifier contents of a PKCS #8 private key (RFC 5958).
#[must_use]
pub fn private_key_algorithm(pkcs8: &[u8]) -> Option<&[u8]> {
    let mut key = only(pkcs8, SEQUENCE)?;
    let _version = take(&mut key, INTEGER)?;
    let algorithm = take(&mut key, SEQUENCE)?;
    take(&mut key, OCTET_STRING)?;
    Some(algorithm)
}

/// The RSAPublicKey (RFC 8017 appendix A.1.1) of a SubjectPublicKeyInfo, if its modulus has a size that is taken.
#[must_use]
pub fn rsa_public_key(spki: &[u8]) -> Option<&[u8]> {
    let key = public_key(spki, RSA_ENCRYPTION)?;
    RSA_BITS.contains(&rsa_modulus_bits(key)?).then_some(key)
}

/// Bits of the modulus of an RSAPublicKey (RFC 8017 appendix A.1.1).
fn rsa_modulus_bits(key: &[u8]) -> Option<usize> {
    let mut key = only(key, SEQUENCE)?;
    let modulus = take(&mut key, INTEGER)?;
    only(key, INTEGER)?;
    let magnitude = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let (top, rest) = magnitude.split_first()?;
    let bits = usize::try_from(u8::BITS - top.leading_zeros()).ok()?;
    rest.len().checked_mul(8)?.checked_add(bits)
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn lengths_must_be_minimal_and_whole() {
        assert_eq!(only(&[2, 1, 5], INTEGER), Some(&[5][..]));
        for bad in
            [&[2, 0x81, 1, 5][..], &[2, 2, 5], &[2, 1, 5, 0], &[3, 1, 5], &[2, 0x80, 5, 0, 0], &[2], &[]]
        {
            assert_eq!(only(bad, INTEGER), None, "{bad:02x?}");
        }
        let mut long = vec![4, 0x81, 0x80];
        long.extend([7; 128]);
        assert_eq!(only(&long, OCTET_STRING).map(<[u8]>::len), Some(128));
        let mut longer = vec![4, 0x82, 0x01, 0x00];
        longer.extend([7; 256]);
        assert_eq!(only(&longer, OCTET_STRING).map(<[u8]>::len), Some(256));
        longer[2] = 0;
        assert_eq!(only(&longer, OCTET_STRING), None);
    }

    #[test]
    fn modulus_bits_are_counted_from_the_top_bit() {
        assert_eq!(rsa_modulus_bits(&[0x30, 7, 2, 2, 0, 0x80, 2, 1, 3]), Some(8));
        assert_eq!(rsa_modulus_bits(&[0x30, 6, 2, 1, 0x01, 2, 1, 3]), Some(1));
        assert_eq!(rsa_modulus_bits(&[0x30, 3, 2, 1, 1]), None);
    }
}
