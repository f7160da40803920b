//! A provider that notes every secret which passes through it, under a mask.

use std::sync::Mutex;

use mikey_crypto::srtp::{
    BatchOpening, BatchSealing, Opening, Sealing, SrtpCrypto, SrtpTransform, Tag, TransformKeys,
    UnsupportedTransform,
};
use mikey_crypto::{
    Aead, AuthFailed, CryptoProvider, CtrCipher, Digest, GroupId, Hash, HmacKey, KxAnswer, KxError, KxGroup,
    KxInitiator, KxSecret, Prf, RandomFailed, SecureRandom, Suite, SuiteKind,
};

const MASK: u8 = 0xA5;

/// The secrets since they were last taken.
#[derive(Default)]
pub(crate) struct Watch(Mutex<Vec<(&'static str, Vec<u8>)>>);

impl Watch {
    /// Notes a secret. Only the mask's result is written to memory.
    pub(crate) fn note(&self, kind: &'static str, secret: &[u8]) {
        if secret.len() >= 16 {
            let masked = secret.iter().map(|octet| octet ^ MASK).collect();
            self.0.lock().unwrap().push((kind, masked));
        }
    }

    /// Kinds and masked octets, as text.
    pub(crate) fn take(&self) -> Vec<(&'static str, String)> {
        let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect();
        self.0.lock().unwrap().drain(..).map(|(kind, masked)| (kind, hex(&masked))).collect()
    }
}

pub(crate) fn unmask(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap() ^ MASK).collect()
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

pub(crate) fn watched(provider: CryptoProvider) -> (CryptoProvider, &'static Watch) {
    let watch: &'static Watch = leak(Watch::default());
    let prf = |prf: &Prf| Prf { hash: leak(Hashing { real: prf.hash, watch }), ..*prf };
    let group = |real: &&'static dyn KxGroup| leak(Group { real: *real, watch }) as &dyn KxGroup;
    let suite = |suite: &Suite| {
        let kind = match suite.kind {
            SuiteKind::Aead(real) => SuiteKind::Aead(leak(Sealer { real, watch })),
            SuiteKind::CtrHmac { cipher, hash } => SuiteKind::CtrHmac {
                cipher: leak(Counter { real: cipher, watch }),
                hash: leak(Hashing { real: hash, watch }),
            },
        };
        Suite { kind, ..*suite }
    };
    let watched = CryptoProvider {
        prfs: leak(provider.prfs.iter().map(prf).collect::<Vec<_>>()),
        groups: leak(provider.groups.iter().map(group).collect::<Vec<_>>()),
        suites: leak(provider.suites.iter().map(suite).collect::<Vec<_>>()),
        srtp: leak(Srtp { real: provider.srtp, watch }),
        ..provider
    };
    (watched, watch)
}

struct Hashing {
    real: &'static dyn Hash,
    watch: &'static Watch,
}

impl Hash for Hashing {
    fn output_len(&self) -> usize {
        self.real.output_len()
    }

    fn digest(&self, parts: &[&[u8]]) -> Digest {
        self.real.digest(parts)
    }

    fn hmac_key(&self, key: &[u8]) -> Box<dyn HmacKey> {
        // The key of 64 octets is RANDi || RANDr, which is public.
        if key.len() <= self.output_len() {
            self.watch.note("key of HMAC", key);
        }
        self.real.hmac_key(key)
    }
}

struct Sealer {
    real: &'static dyn Aead,
    watch: &'static Watch,
}

impl Aead for Sealer {
    fn seal(
        &self,
        key: &[u8],
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
    ) -> Result<[u8; 16], AuthFailed> {
        self.watch.note("key of KEMAC", key);
        self.real.seal(key, nonce, aad, data)
    }

    fn open(
        &self,
        key: &[u8],
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8],
    ) -> Result<(), AuthFailed> {
        self.watch.note("key of KEMAC", key);
        self.real.open(key, nonce, aad, data, tag)
    }
}

struct Counter {
    real: &'static dyn CtrCipher,
    watch: &'static Watch,
}

impl CtrCipher for Counter {
    fn apply(&self, key: &[u8], iv: &[u8; 16], data: &mut [u8]) -> Result<(), AuthFailed> {
        self.watch.note("key of KEMAC", key);
        self.real.apply(key, iv, data)
    }
}

/// The source of a group: what it delivers is a private value.
struct Private<'a> {
    real: &'a dyn SecureRandom,
    watch: &'static Watch,
}

impl SecureRandom for Private<'_> {
    fn fill(&self, out: &mut [u8]) -> Result<(), RandomFailed> {
        self.real.fill(out)?;
        self.watch.note("private value", out);
        Ok(())
    }
}

struct Group {
    real: &'static dyn KxGroup,
    watch: &'static Watch,
}

impl Group {
    fn secret(&self, secret: KxSecret) -> KxSecret {
        self.watch.note("secret of DH", secret.dh.expose());
        self.watch.note("secret of the KEM", secret.kem.expose());
        secret
    }
}

impl KxGroup for Group {
    fn id(&self) -> GroupId {
        self.real.id()
    }

    fn request_len(&self) -> usize {
        self.real.request_len()
    }

    fn answer_len(&self) -> usize {
        self.real.answer_len()
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KxInitiator>, RandomFailed> {
        let real = self.real.start(&Private { real: random, watch: self.watch })?;
        Ok(Box::new(Initiator { real, group: Group { real: self.real, watch: self.watch } }))
    }

    fn answer(&self, random: &dyn SecureRandom, peer: &[u8]) -> Result<KxAnswer, KxError> {
        let answer = self.real.answer(&Private { real: random, watch: self.watch }, peer)?;
        Ok(KxAnswer { secret: self.secret(answer.secret), value: answer.value })
    }
}

struct Initiator {
    real: Box<dyn KxInitiator>,
    group: Group,
}

impl KxInitiator for Initiator {
    fn value(&self) -> &[u8] {
        self.real.value()
    }

    fn agree(&self, peer: &[u8]) -> Result<KxSecret, KxError> {
        Ok(self.group.secret(self.real.agree(peer)?))
    }
}

struct Srtp {
    real: &'static dyn SrtpCrypto,
    watch: &'static Watch,
}

impl Srtp {
    fn note(&self, keys: &TransformKeys<'_>) {
        self.watch.note("SRTP session key", keys.encryption);
        self.watch.note("SRTP session key", keys.authentication.unwrap_or_default());
    }
}

impl SrtpCrypto for Srtp {
    fn aes_cm_prf(&self, key: &[u8], iv: &[u8; 16], out: &mut [u8]) -> Result<(), UnsupportedTransform> {
        self.watch.note("SRTP master key", key);
        self.real.aes_cm_prf(key, iv, out)
    }

    fn transform(&self, keys: &TransformKeys<'_>) -> Result<Box<dyn SrtpTransform>, UnsupportedTransform> {
        self.note(keys);
        self.real.transform(keys)
    }

    fn seal_once(&self, keys: &TransformKeys<'_>, job: Sealing<'_>) -> Result<Tag, AuthFailed> {
        self.note(keys);
        self.real.seal_once(keys, job)
    }

    fn open_once(&self, keys: &TransformKeys<'_>, job: Opening<'_>) -> Result<(), AuthFailed> {
        self.note(keys);
        self.real.open_once(keys, job)
    }

    fn seal_batch(&self, batch: &mut [Option<BatchSealing<'_>>]) {
        self.real.seal_batch(batch);
    }

    fn open_batch(&self, batch: &mut [Option<BatchOpening<'_>>]) {
        self.real.open_batch(batch);
    }
}
