//! What the provider draws from a generator of its own, written down so that a run can be repeated: envelopes (RSAES-OAEP)
//! and signatures by RSASSA-PSS. All else that is drawn comes from the scripted source.

use std::cell::RefCell;
use std::collections::VecDeque;

use mikey_crypto::{
    CryptoProvider, EncryptFailed, EncryptionScheme, KeyRejected, MethodId, SecureRandom, SignFailed, Signer,
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
    TAPE.with_borrow(|tape| tape.noted.clone())
}

fn draw(kind: &'static str, make: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    TAPE.with_borrow_mut(|tape| {
        let drawn = tape.given.as_mut().and_then(VecDeque::pop_front).unwrap_or_else(make);
        tape.noted.push((kind, drawn.clone()));
        drawn
    })
}

/// The provider with the tape in it.
pub(crate) fn provider() -> CryptoProvider {
    let mut provider = mikey_crypto_aws_lc::provider();
    provider.rsa_oaep = &Envelopes;
    provider.load_signer = load;
    provider
}

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
    Ok(Box::new(Taped((mikey_crypto_aws_lc::provider().load_signer)(pkcs8)?)))
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

    fn sign_rsa_pkcs1(&self, message: &[u8]) -> Result<Vec<u8>, SignFailed> {
        self.0.sign_rsa_pkcs1(message)
    }
}
