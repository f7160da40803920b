//! A hash that remembers everything it was asked to hash, for comparing the code with the specification.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};

use mikey_crypto::{CryptoProvider, Digest, Hash, HmacKey, Prf, PrfId};

/// What one endpoint hashed with the hash of its PRF.
#[derive(Default)]
pub struct Log {
    /// Inputs of the hash.
    pub digests: Vec<Vec<u8>>,
    /// Keys and inputs of HMAC, without those that the PRF makes of its own outputs: of `P(s, x)` only `A_1 = HMAC(s, x)`.
    pub macs: Vec<(Vec<u8>, Vec<u8>)>,
}

pub struct Recorder {
    real: &'static dyn Hash,
    log: Arc<Mutex<Log>>,
}

impl Recorder {
    /// What was hashed so far; forgets it.
    pub fn take(&self) -> Log {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

/// The provider with PRF `id` alone, over a hash that is recorded. It lives as long as the test.
pub fn recorded(mut provider: CryptoProvider, id: PrfId) -> (CryptoProvider, &'static Recorder) {
    let prf = provider.prf(id).unwrap();
    let recorder: &'static Recorder = Box::leak(Box::new(Recorder { real: prf.hash, log: Arc::default() }));
    provider.prfs = Box::leak(Box::new([Prf { hash: recorder, ..prf }]));
    (provider, recorder)
}

impl Hash for Recorder {
    fn output_len(&self) -> usize {
        self.real.output_len()
    }

    fn digest(&self, parts: &[&[u8]]) -> Digest {
        self.log.lock().unwrap().digests.push(parts.concat());
        self.real.digest(parts)
    }

    fn hmac_key(&self, key: &[u8]) -> Box<dyn HmacKey> {
        Box::new(Recorded {
            real: self.real.hmac_key(key),
            len: self.real.output_len(),
            key: key.to_vec(),
            outputs: Mutex::default(),
            log: Arc::clone(&self.log),
        })
    }
}

struct Recorded {
    real: Box<dyn HmacKey>,
    len: usize,
    key: Vec<u8>,
    outputs: Mutex<Vec<Vec<u8>>>,
    log: Arc<Mutex<Log>>,
}

impl HmacKey for Recorded {
    fn mac(&self, parts: &[&[u8]], out: &mut [u8]) {
        let input = parts.concat();
        let mut outputs = self.outputs.lock().unwrap();
        if !outputs.iter().any(|output| input.starts_with(output)) {
            self.log.lock().unwrap().macs.push((self.key.clone(), input));
        }
        let mut whole = vec![0; self.len];
        self.real.mac(parts, &mut whole);
        out.copy_from_slice(&whole[..out.len()]);
        outputs.push(whole);
    }
}
