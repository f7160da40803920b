//! Diffie-Hellman modulo the primes of RFC 3526, in constant time.
//!
//! The primes are safe (p = 2q + 1) and 2 generates the subgroup of order q, so a private value may be much shorter than
//! the prime: 256 bits for 1536 and 2048, 320 bits for 3072, more than twice the strength of the group each (RFC 7919
//! section 5.2 asks for 225 for 2048 and 275 for 3072). With 2 <= y <= p-2 a peer learns at most the lowest bit of it (RFC 6989 section 2.1).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::marker::PhantomData;

use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{U256, U320, U1536, U2048, U3072, Uint};
use mikey_crypto::{
    GroupId, KxAnswer, KxError, KxGroup, KxInitiator, KxSecret, RandomFailed, SecretBytes, SecureRandom,
};
use zeroize::{Zeroize, Zeroizing};

/// Group 5, OAKLEY 5 of version 1.
pub(crate) static MODP_1536: Modp<P1536, { U1536::LIMBS }, { U256::LIMBS }> =
    Modp { id: GroupId::MODP_1536, modulus: PhantomData };
/// Group 14.
pub(crate) static MODP_2048: Modp<P2048, { U2048::LIMBS }, { U256::LIMBS }> =
    Modp { id: GroupId::MODP_2048, modulus: PhantomData };
/// Group 15.
pub(crate) static MODP_3072: Modp<P3072, { U3072::LIMBS }, { U320::LIMBS }> =
    Modp { id: GroupId::MODP_3072, modulus: PhantomData };

/// Draws of a private value before the generator counts as broken. A sound one never gives 0 in practice.
const MAX_DRAWS: usize = 8;

/// A group with a prime of `LIMBS` limbs and private values of `EXPONENT` limbs.
pub(crate) struct Modp<P, const LIMBS: usize, const EXPONENT: usize> {
    id: GroupId,
    modulus: PhantomData<fn() -> P>,
}

impl<P, const LIMBS: usize, const EXPONENT: usize> KxGroup for Modp<P, LIMBS, EXPONENT>
where
    P: ConstMontyParams<LIMBS> + 'static,
{
    fn id(&self) -> GroupId {
        self.id
    }

    fn request_len(&self) -> usize {
        Uint::<LIMBS>::BYTES
    }

    fn answer_len(&self) -> usize {
        Uint::<LIMBS>::BYTES
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KxInitiator>, RandomFailed> {
        Ok(Box::new(Private::<P, LIMBS, EXPONENT>::draw(random)?))
    }

    fn answer(&self, random: &dyn SecureRandom, peer: &[u8]) -> Result<KxAnswer, KxError> {
        let peer = in_range::<P, LIMBS>(peer)?; // before the work of the own value
        let private = Private::<P, LIMBS, EXPONENT>::draw(random)?;
        let secret = private.power(&peer);
        Ok(KxAnswer { value: private.value, secret })
    }
}

struct Private<P, const LIMBS: usize, const EXPONENT: usize> {
    exponent: Zeroizing<Uint<EXPONENT>>,
    value: Vec<u8>,
    modulus: PhantomData<fn() -> P>,
}

impl<P: ConstMontyParams<LIMBS>, const LIMBS: usize, const EXPONENT: usize> Private<P, LIMBS, EXPONENT> {
    fn draw(random: &dyn SecureRandom) -> Result<Self, RandomFailed> {
        let generator = ConstMontyForm::<P, LIMBS>::new(&Uint::from_u8(2));
        for _ in 0..MAX_DRAWS {
            let mut octets = SecretBytes::zeroed(Uint::<EXPONENT>::BYTES);
            random.fill(octets.expose_mut())?;
            let exponent = Zeroizing::new(Uint::from_be_slice(octets.expose()));
            let value = encode(&generator.pow(&exponent).retrieve());
            if in_range::<P, LIMBS>(&value).is_ok() {
                return Ok(Self { exponent, value, modulus: PhantomData });
            }
        }
        Err(RandomFailed)
    }

    fn power(&self, peer: &Uint<LIMBS>) -> KxSecret {
        let mut power = ConstMontyForm::<P, LIMBS>::new(peer).pow(&self.exponent);
        let mut shared = power.retrieve();
        power.zeroize();
        let dh = SecretBytes::from(encode(&shared));
        shared.zeroize();
        KxSecret { kem: SecretBytes::empty(), dh }
    }
}

impl<P: ConstMontyParams<LIMBS>, const LIMBS: usize, const EXPONENT: usize> KxInitiator
    for Private<P, LIMBS, EXPONENT>
{
    fn value(&self) -> &[u8] {
        &self.value
    }

    fn agree(&self, peer: &[u8]) -> Result<KxSecret, KxError> {
        Ok(self.power(&in_range::<P, LIMBS>(peer)?))
    }
}

/// Big endian, as long as the prime.
fn encode<const LIMBS: usize>(value: &Uint<LIMBS>) -> Vec<u8> {
    let mut bytes = value.to_be_bytes();
    let vec = bytes.as_ref().to_vec();
    bytes.zeroize();
    vec
}

/// A peer's value: padded to the length of the prime, 2 <= y <= p-2.
// R4.15
fn in_range<P: ConstMontyParams<LIMBS>, const LIMBS: usize>(value: &[u8]) -> Result<Uint<LIMBS>, KxError> {
    if value.len() != Uint::<LIMBS>::BYTES {
        return Err(KxError::BadValue);
    }
    let value = Uint::from_be_slice(value);
    let two = Uint::from_u8(2);
    let highest = P::PARAMS.modulus().wrapping_sub(&two);
    if value < two || value > highest {
        return Err(KxError::BadValue);
    }
    Ok(value)
}

pub(crate) use primes::{P1536, P2048, P3072};

/// RFC 3526 sections 2 to 4. In a module of their own because the macro makes public types.
mod primes {
    #![allow(unreachable_pub)]

    crypto_bigint::const_monty_params!(
        P1536,
        crypto_bigint::U1536,
        concat!(
            "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD",
            "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
            "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F",
            "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF",
        ),
        "The 1536-bit prime."
    );
    crypto_bigint::const_monty_params!(
        P2048,
        crypto_bigint::U2048,
        concat!(
            "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD",
            "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
            "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F",
            "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B",
            "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510",
            "15728E5A8AACAA68FFFFFFFFFFFFFFFF",
        ),
        "The 2048-bit prime."
    );
    crypto_bigint::const_monty_params!(
        P3072,
        crypto_bigint::U3072,
        concat!(
            "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD",
            "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
            "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F",
            "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B",
            "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510",
            "15728E5A8AAAC42DAD33170D04507A33A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7",
            "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864D87602733EC86A64521F2B18177B200C",
            "BBE117577A615D6C770988C0BAD946E208E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
        ),
        "The 3072-bit prime."
    );
}
