//! ECDSA over the three NIST curves, with the hash apart from the curve as certificates have it.

use mikey_crypto::AuthFailed;
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use sha2::Digest;

/// A curve with its key and signature types.
pub(super) trait Curve {
    /// Octets of an uncompressed point.
    const POINT_LEN: usize;
    type Key: PrehashVerifier<Self::Signature>;
    type Signature;

    fn key(point: &[u8]) -> Option<Self::Key>;
    /// r || s.
    fn fixed(signature: &[u8]) -> Option<Self::Signature>;
    /// The ASN.1 structure of certificates.
    fn der(signature: &[u8]) -> Option<Self::Signature>;
}

macro_rules! curve {
    ($name:ident, $crate_name:ident, $point_len:literal) => {
        pub(super) struct $name;

        impl Curve for $name {
            const POINT_LEN: usize = $point_len;
            type Key = $crate_name::ecdsa::VerifyingKey;
            type Signature = $crate_name::ecdsa::Signature;

            fn key(point: &[u8]) -> Option<Self::Key> {
                Self::Key::from_sec1_bytes(point).ok()
            }

            fn fixed(signature: &[u8]) -> Option<Self::Signature> {
                Self::Signature::from_slice(signature).ok()
            }

            fn der(signature: &[u8]) -> Option<Self::Signature> {
                Self::Signature::from_der(signature).ok()
            }
        }
    };
}

curve!(P256, p256, 65);
curve!(P384, p384, 97);
curve!(P521, p521, 133);

/// Verifies r || s of fixed length.
pub(super) fn verify_fixed<C: Curve, D: Digest>(
    point: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), AuthFailed> {
    verify::<C, D>(point, message, C::fixed(signature))
}

/// Verifies a signature in DER.
pub(super) fn verify_der<C: Curve, D: Digest>(
    point: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), AuthFailed> {
    verify::<C, D>(point, message, C::der(signature))
}

fn verify<C: Curve, D: Digest>(
    point: &[u8],
    message: &[u8],
    signature: Option<C::Signature>,
) -> Result<(), AuthFailed> {
    if point.len() != C::POINT_LEN {
        return Err(AuthFailed); // a compressed point is another name for the same key
    }
    let key = C::key(point).ok_or(AuthFailed)?;
    key.verify_prehash(&D::digest(message), &signature.ok_or(AuthFailed)?).map_err(|_| AuthFailed)
}
