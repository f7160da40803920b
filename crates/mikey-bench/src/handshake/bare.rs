//! The limit: public-key operations of both sides, on AWS-LC directly, and nothing else.

use std::hint::black_box;

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey as PublicValue, X25519};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::kem::{DecapsulationKey, EncapsulationKey, ML_KEM_768};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};

use crate::Result;
use crate::measure::{Contestant, Role};

/// What both sides sign: about as long as what AUTH covers.
const SIGNED: [u8; 224] = [0x20; 224];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    X25519,
    X25519MlKem768,
}

/// Two key generations, two agreements, two signatures, two verifications; with the KEM its three operations.
pub(super) fn signatures(exchange: Exchange) -> Result<Contestant<'static>> {
    let keys = [Ed25519KeyPair::generate()?, Ed25519KeyPair::generate()?];
    let name = match exchange {
        Exchange::X25519 => "bare: 2 keys, 2 agreements, 2 signatures, 2 checks",
        Exchange::X25519MlKem768 => "bare: the same and ML-KEM's three",
    };
    Ok(Contestant::new(name, Role::Limit, move || {
        agree()?;
        if exchange == Exchange::X25519MlKem768 {
            encapsulate()?;
        }
        for key in &keys {
            let signature = key.try_sign(black_box(&SIGNED))?;
            UnparsedPublicKey::new(&ED25519, key.public_key().as_ref())
                .verify(black_box(&SIGNED), signature.as_ref())?;
        }
        Ok(())
    }))
}

/// Two key generations and two agreements.
pub(super) fn exchange() -> Result<Contestant<'static>> {
    Ok(Contestant::new("bare: 2 keys, 2 agreements", Role::Limit, || Ok(agree()?)))
}

fn agree() -> std::result::Result<(), Unspecified> {
    let ours = PrivateKey::generate(&X25519)?;
    let theirs = PrivateKey::generate(&X25519)?;
    for (private, public) in [(&ours, theirs.compute_public_key()?), (&theirs, ours.compute_public_key()?)] {
        agreement::agree(private, PublicValue::new(&X25519, public.as_ref()), Unspecified, |secret| {
            black_box(secret);
            Ok(())
        })?;
    }
    Ok(())
}

fn encapsulate() -> std::result::Result<(), Unspecified> {
    let private = DecapsulationKey::generate(&ML_KEM_768)?;
    let public = private.encapsulation_key()?.key_bytes()?;
    let (ciphertext, secret) =
        EncapsulationKey::new(&ML_KEM_768, public.as_ref()).map_err(|_| Unspecified)?.encapsulate()?;
    black_box(secret);
    black_box(private.decapsulate(ciphertext)?);
    Ok(())
}
