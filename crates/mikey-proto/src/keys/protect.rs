//! KEMAC as the seal of a message (docs/spec.md, "Protection of messages").
//!
//! Invariant: one key, one direction, and a nonce made of (response, fragment, T). The exchange layer never uses a T
//! twice and what is sent again is the same octets, so no nonce seals two texts.

use mikey_crypto::{AuthFailed, SecretBytes, Suite, SuiteKind};
use mikey_wire::v2::Sealed;
use mikey_wire::{EncrAlg, Kemac, MacAlg, PayloadType};
use zeroize::Zeroizing;

use super::Role;
use crate::error::{ApiMisuse, Error};

/// The keys of one direction, each as long as the suite says.
pub struct DirectionKeys {
    /// K encryption.
    pub encryption: SecretBytes,
    /// K authentication; empty for an AEAD.
    pub authentication: SecretBytes,
    /// K salt.
    pub salt: SecretBytes,
}

/// What makes a nonce unique under the key of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MessageNonce {
    /// R: a response, or a protected ERROR.
    pub(crate) response: bool,
    /// Number of the fragment; 0 for a whole message.
    pub(crate) fragment: u16,
    /// The number of the request.
    pub(crate) t: u32,
}

impl MessageNonce {
    /// `R(1) || FRAG(15)`.
    // R7.5
    fn flags(self) -> [u8; 2] {
        ((u16::from(self.response) << 15) | (self.fragment & 0x7FFF)).to_be_bytes()
    }

    fn t64(self) -> [u8; 8] {
        u64::from(self.t).to_be_bytes()
    }
}

/// Seals what we send and opens what the peer sends.
pub(crate) struct Protection {
    pub(super) suite: Suite,
    pub(super) csb_id: u32,
    pub(super) initiator: DirectionKeys,
    pub(super) responder: DirectionKeys,
}

/// What KEMAC stands for in a message.
pub(crate) struct Parts<'a> {
    pub(crate) kemac: &'a Kemac<'a>,
    /// Everything before Encr data.
    pub(crate) aad: &'a [u8],
    /// HDR up to and with Mac alg.
    pub(crate) covered: &'a [u8],
}

/// Next payload, Encr alg and Encr data len.
const KEMAC_FIXED: usize = 4;

impl Protection {
    /// How many octets KEMAC adds to the plaintext of Encr data.
    pub(crate) fn overhead(&self) -> usize {
        KEMAC_FIXED + 1 + self.suite.mac_len
    }

    /// Completes a message: `head` is everything before KEMAC, `plaintext` what Encr data will hold.
    pub(crate) fn seal(
        &self,
        sender: Role,
        nonce: MessageNonce,
        head: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        self.seal_before(PayloadType::LAST, sender, nonce, head, plaintext)
    }

    /// The same for a KEMAC behind which a payload of type `next` will stand.
    pub(crate) fn seal_before(
        &self,
        next: PayloadType,
        sender: Role,
        nonce: MessageNonce,
        head: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let keys = self.direction(sender);
        let len = u16::try_from(plaintext.len()).map_err(|_| ApiMisuse::TooLong)?.to_be_bytes();
        let mut message = Vec::with_capacity(head.len() + self.overhead() + plaintext.len());
        message.extend_from_slice(head);
        message.extend_from_slice(&[next.0, self.suite.encr_alg, len[0], len[1]]);
        let data_at = message.len();
        message.extend_from_slice(plaintext);
        let (aad, data) = message.split_at_mut(data_at);
        let bug = |AuthFailed| Error::Bug("a suite's key has the wrong length");
        match self.suite.kind {
            SuiteKind::Aead(aead) => {
                let nonce = aead_nonce(keys, nonce);
                let tag = aead.seal(keys.encryption.expose(), &nonce, aad, data).map_err(bug)?;
                message.push(self.suite.mac_alg);
                message.extend_from_slice(&tag);
            }
            SuiteKind::CtrHmac { cipher, hash } => {
                let iv = counter_iv(keys, self.csb_id, nonce);
                cipher.apply(keys.encryption.expose(), &iv, data).map_err(bug)?;
                message.push(self.suite.mac_alg);
                let mac = hash.hmac(keys.authentication.expose(), &[&message]);
                message.extend_from_slice(mac.expose());
            }
        }
        Ok(message)
    }

    /// Verifies and decrypts Encr data. Nothing of the message was looked at before, but what routes it.
    pub(crate) fn open(
        &self,
        sender: Role,
        nonce: MessageNonce,
        sealed: &Sealed<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, AuthFailed> {
        let aad_len = sealed.before_kemac.len() + KEMAC_FIXED;
        let covered_len = aad_len + sealed.kemac.encr_data.len() + 1;
        let aad = sealed.raw.get(..aad_len).ok_or(AuthFailed)?;
        let covered = sealed.raw.get(..covered_len).ok_or(AuthFailed)?;
        self.open_parts(sender, nonce, &Parts { kemac: &sealed.kemac, aad, covered })
    }

    /// [`Self::open`] for a message whose covered octets are not those on the wire: COOKIE is cut out.
    pub(crate) fn open_parts(
        &self,
        sender: Role,
        nonce: MessageNonce,
        parts: &Parts<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, AuthFailed> {
        open(self.suite, self.csb_id, self.direction(sender), nonce, parts)
    }

    pub(super) fn direction(&self, sender: Role) -> &DirectionKeys {
        match sender {
            Role::Initiator => &self.initiator,
            Role::Responder => &self.responder,
        }
    }
}

/// Verifies and decrypts Encr data with the keys of its sender.
// R7.1
pub(super) fn open(
    suite: Suite,
    csb_id: u32,
    keys: &DirectionKeys,
    nonce: MessageNonce,
    parts: &Parts<'_>,
) -> Result<Zeroizing<Vec<u8>>, AuthFailed> {
    let Parts { kemac, aad, covered } = parts;
    let algorithms = kemac.encr_alg == EncrAlg(suite.encr_alg) && kemac.mac_alg == MacAlg(suite.mac_alg);
    if !algorithms || kemac.mac.len() != suite.mac_len {
        return Err(AuthFailed);
    }
    let mut data = Zeroizing::new(kemac.encr_data.to_vec());
    match suite.kind {
        SuiteKind::Aead(aead) => {
            let nonce = aead_nonce(keys, nonce);
            aead.open(keys.encryption.expose(), &nonce, aad, &mut data, kemac.mac)?;
        }
        SuiteKind::CtrHmac { cipher, hash } => {
            hash.hmac_verify(keys.authentication.expose(), &[covered], kemac.mac)?;
            cipher.apply(keys.encryption.expose(), &counter_iv(keys, csb_id, nonce), &mut data)?;
        }
    }
    Ok(data)
}

/// `(S(112) XOR (R || FRAG || CSB ID || T)) || 0x0000`.
pub(super) fn counter_iv(keys: &DirectionKeys, csb_id: u32, nonce: MessageNonce) -> [u8; 16] {
    let mut iv = [0; 16];
    let context = [&nonce.flags()[..], &csb_id.to_be_bytes(), &nonce.t64()];
    xor_into(&mut iv, keys.salt.expose(), &context);
    iv
}

/// `S(96) XOR (R || FRAG || 0 || T)`.
pub(super) fn aead_nonce(keys: &DirectionKeys, nonce: MessageNonce) -> [u8; 12] {
    let mut out = [0; 12];
    xor_into(&mut out, keys.salt.expose(), &[&nonce.flags(), &[0; 2], &nonce.t64()]);
    out
}

pub(crate) fn xor_into(out: &mut [u8], salt: &[u8], context: &[&[u8]]) {
    let context = context.iter().flat_map(|part| part.iter());
    for ((to, s), c) in out.iter_mut().zip(salt).zip(context) {
        *to = s ^ c;
    }
}
