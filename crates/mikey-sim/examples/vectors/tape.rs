//! What the provider draws from a generator of its own, written down so that a run can be repeated.
//!
//! AWS-LC takes no outside randomness for ML-KEM, ECDSA, RSA-PSS and RSA-OAEP. The first run notes what it made: the
//! decapsulation key, the ciphertext with its secret, each signature, each envelope. A repeated run gets the same in the same order. Everything that is computed
//! from them (decapsulation, verification) is computed anew by the provider in both.

use std::cell::RefCell;
use std::collections::VecDeque;

use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, ML_KEM_768};
use mikey_crypto::{
    CryptoProvider, EncryptFailed, EncryptionScheme, GroupId, KeyRejected, KxAnswer, KxError, KxGroup,
    KxInitiator, KxSecret, MethodId, RandomFailed, SecretBytes, SecureRandom, SignFailed, Signer,
};

thread_local! {
    static TAPE: RefCell<Tape> = RefCell::default();
}

#[derive(Default)]
struct Tape {
    /// What comes next, if this is a repetition.
    given: Option<VecDeque<Vec<u8>>>,
    noted: Vec<(&'static str, Vec<u8>)>,
}

/// Starts a run: a first one, or the repetition of one in which these were noted.
pub(crate) fn rewind(given: Option<Vec<Vec<u8>>>) {
    TAPE.with_borrow_mut(|tape| *tape = Tape { given: given.map(VecDeque::from), noted: Vec::new() });
}

/// What was drawn since, with its kind.
pub(crate) fn noted() -> Vec<(&'static str, Vec<u8>)> {
    TAPE.with_borrow_mut(|tape| std::mem::take(&mut tape.noted))
}

fn draw(kind: &'static str, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    TAPE.with_borrow_mut(|tape| {
        // Past what was recorded only a datagram leads that was not in the record: any value will do.
        let drawn = tape.given.as_mut().and_then(VecDeque::pop_front).unwrap_or_else(make);
        tape.noted.push((kind, drawn.clone()));
        drawn
    })
}

/// The provider with the tape in it.
pub(crate) fn provider() -> CryptoProvider {
    let mut provider = mikey_crypto_aws_lc::provider();
    let taped = |group: &&'static dyn KxGroup| match group.id() {
        GroupId::X25519_MLKEM768 => &Hybrid as &'static dyn KxGroup,
        _ => *group,
    };
    provider.groups = Box::leak(provider.groups.iter().map(taped).collect());
    provider.load_signer = load;
    provider.rsa_oaep = &Envelopes;
    provider
}

/// RSAES-OAEP, whose seed is the library's.
struct Envelopes;

impl EncryptionScheme for Envelopes {
    fn method(&self) -> MethodId {
        MethodId::RSA_OAEP
    }

    fn encrypt(
        &self,
        random: &dyn SecureRandom,
        spki: &[u8],
        secret: &[u8],
    ) -> Result<Vec<u8>, EncryptFailed> {
        let real = mikey_crypto_aws_lc::provider().rsa_oaep;
        Ok(draw("envelope", || real.encrypt(random, spki, secret).unwrap()))
    }
}

fn load(pkcs8: &[u8]) -> Result<Box<dyn Signer>, KeyRejected> {
    let key = (mikey_crypto_aws_lc::provider().load_signer)(pkcs8)?;
    // Ed25519 draws nothing.
    if key.method() == MethodId::ED25519 { Ok(key) } else { Ok(Box::new(Taped(key))) }
}

struct Taped(Box<dyn Signer>);

impl Signer for Taped {
    fn method(&self) -> MethodId {
        self.0.method()
    }

    fn public_key(&self) -> &[u8] {
        self.0.public_key()
    }

    fn sign(&self, random: &dyn SecureRandom, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        Ok(draw("signature", || self.0.sign(random, message).unwrap()))
    }
}

/// Octets of an ML-KEM-768 ciphertext.
const CIPHERTEXT: usize = 1088;
/// Where the encapsulation key stands in a decapsulation key (FIPS 203, algorithm 16), after K-PKE's.
const ENCAPSULATION_KEY: core::ops::Range<usize> = 1152..2336;

/// Group 236. A responder's value is made by the provider.
struct Hybrid;

fn real(id: GroupId) -> &'static dyn KxGroup {
    mikey_crypto_aws_lc::provider().group(id).unwrap()
}

impl KxGroup for Hybrid {
    fn id(&self) -> GroupId {
        GroupId::X25519_MLKEM768
    }

    fn request_len(&self) -> usize {
        real(self.id()).request_len()
    }

    fn answer_len(&self) -> usize {
        real(self.id()).answer_len()
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KxInitiator>, RandomFailed> {
        let x25519 = real(GroupId::X25519).start(random)?;
        let key = draw("decapsulation key", || {
            let key = DecapsulationKey::generate(&ML_KEM_768).unwrap();
            key.key_bytes().unwrap().as_ref().to_vec()
        });
        let value = [&key[ENCAPSULATION_KEY], x25519.value()].concat();
        let kem = DecapsulationKey::new(&ML_KEM_768, &key).map_err(|_| RandomFailed)?;
        Ok(Box::new(Started { kem, x25519, value }))
    }

    fn answer(&self, random: &dyn SecureRandom, peer: &[u8]) -> Result<KxAnswer, KxError> {
        // The X25519 part is drawn from `random` and once only: by the provider, or here if the KEM's part is given.
        let x25519 = core::cell::Cell::new(None);
        let kem = draw("ciphertext and secret", || {
            let answer = real(self.id()).answer(random, peer).unwrap();
            let kem = [&answer.value[..CIPHERTEXT], answer.secret.kem.expose()].concat();
            x25519.set(Some((answer.value[CIPHERTEXT..].to_vec(), answer.secret.dh)));
            kem
        });
        let (value, dh) = match x25519.take() {
            Some(made) => made,
            None => {
                let at = peer.len().checked_sub(32).ok_or(KxError::BadValue)?;
                let answer = real(GroupId::X25519).answer(random, &peer[at..])?;
                (answer.value, answer.secret.dh)
            }
        };
        let (ciphertext, secret) = kem.split_at(CIPHERTEXT);
        let secret = KxSecret { kem: SecretBytes::copy_from(secret), dh };
        Ok(KxAnswer { value: [ciphertext, &value].concat(), secret })
    }
}

struct Started {
    kem: DecapsulationKey,
    x25519: Box<dyn KxInitiator>,
    value: Vec<u8>,
}

impl KxInitiator for Started {
    fn value(&self) -> &[u8] {
        &self.value
    }

    fn agree(&self, peer: &[u8]) -> Result<KxSecret, KxError> {
        let (ciphertext, x25519) = peer.split_at_checked(CIPHERTEXT).ok_or(KxError::BadValue)?;
        let KxSecret { dh, .. } = self.x25519.agree(x25519)?;
        let kem = self.kem.decapsulate(Ciphertext::from(ciphertext)).map_err(|_| KxError::BadValue)?;
        Ok(KxSecret { kem: SecretBytes::copy_from(kem.as_ref()), dh })
    }
}
