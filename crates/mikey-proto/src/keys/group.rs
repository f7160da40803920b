//! Keys of groups (docs/spec.md, "Groups"): SRTP keys of a group's senders, and the protection of GROUP_REKEY.
//!
//! Invariant: a node's keys seal once for each T, and T is never used twice, so no nonce seals two texts.

use mikey_crypto::{AuthFailed, CryptoProvider, Prf, PrfId, SecretBytes, Suite, SuiteId, SuiteKind};
use mikey_wire::v2::GroupNode;
use mikey_wire::{EncrAlg, MacAlg, PayloadType, encode_kemac_head};
use zeroize::Zeroizing;

use super::protect::{DirectionKeys, MessageNonce, aead_nonce, counter_iv};
use super::schedule::{AUTHENTICATION, ENCRYPTION, SALT, TEK, TEK_SALT};
use crate::error::{ApiMisuse, Error};

/// The role octet of a group's controller in labels.
const CONTROLLER: u8 = 0xFD;

/// What AUTH of GROUP_REKEY covers before the hash of the message.
const AUTH_LABEL: &[u8] = b"MIKEYv2, group rekey\0";

/// The algorithms of a group and its CSB ID: everything in it that is not secret and goes into its keys.
#[derive(Clone, Copy)]
pub struct GroupCipher {
    prf: Prf,
    suite: Suite,
    csb_id: u32,
}

impl GroupCipher {
    /// The algorithms of these numbers; `None` if the provider lacks one.
    #[must_use]
    pub fn new(provider: &CryptoProvider, prf: PrfId, suite: SuiteId, csb_id: u32) -> Option<Self> {
        Some(Self { prf: provider.prf(prf)?, suite: provider.suite(suite)?, csb_id })
    }

    /// Octets of GTGK and of every node key.
    #[must_use]
    pub fn key_len(&self) -> usize {
        self.prf.hash_len()
    }

    /// Octets that a KEMAC adds to its plaintext.
    #[must_use]
    pub fn overhead(&self) -> usize {
        4 + 1 + self.suite.mac_len
    }

    /// The SRTP master key, `len` octets, of a sender in an RTP session. A shared key has SSRC 0.
    #[must_use]
    pub fn tek(&self, gtgk: &SecretBytes, rand: &[u8; 32], cs_id: u8, ssrc: u32, len: usize) -> SecretBytes {
        self.srtp(TEK, gtgk, rand, cs_id, ssrc, len)
    }

    /// The SRTP master salt, `len` octets, of a sender in an RTP session.
    #[must_use]
    pub fn salt(&self, gtgk: &SecretBytes, rand: &[u8; 32], cs_id: u8, ssrc: u32, len: usize) -> SecretBytes {
        self.srtp(TEK_SALT, gtgk, rand, cs_id, ssrc, len)
    }

    fn srtp(
        &self,
        constant: [u8; 4],
        gtgk: &SecretBytes,
        rand: &[u8; 32],
        cs_id: u8,
        ssrc: u32,
        len: usize,
    ) -> SecretBytes {
        let (csb_id, ssrc) = (self.csb_id.to_be_bytes(), ssrc.to_be_bytes());
        self.prf.derive(gtgk.expose(), &[&constant, &[cs_id], &csb_id, rand, &ssrc], len)
    }

    /// What AUTH of a GROUP_REKEY covers; `message` is everything up to AUTH.
    #[must_use]
    pub fn covered(&self, message: &[u8]) -> Vec<u8> {
        let mut octets = vec![0x20; 64];
        octets.extend_from_slice(AUTH_LABEL);
        octets.extend_from_slice(self.prf.hash.digest(&[message]).as_ref());
        octets
    }

    fn keys(&self, key: &[u8], node: u32, version: u32) -> DirectionKeys {
        let (csb_id, node, version) = (self.csb_id.to_be_bytes(), node.to_be_bytes(), version.to_be_bytes());
        let nk = self.prf.key(key);
        let k = |constant: [u8; 4], len: usize| match len {
            0 => SecretBytes::empty(),
            len => nk.derive(&[&constant, &[CONTROLLER], &csb_id, &node, &version], len),
        };
        DirectionKeys {
            encryption: k(ENCRYPTION, self.suite.key_len),
            authentication: k(AUTHENTICATION, self.suite.auth_key_len),
            salt: k(SALT, self.suite.salt_len),
        }
    }

    /// Appends the KEMAC payload that holds `plaintext` under a node's key. `covered` is HDR up to T, and the KEY-ID.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the plaintext is too long.
    pub fn seal(
        &self,
        (key, node, version): (&[u8], u32, u32),
        t: u32,
        covered: &[&[u8]],
        next: PayloadType,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let keys = self.keys(key, node, version);
        let nonce = MessageNonce { response: false, fragment: 0, t };
        let bug = |AuthFailed| Error::Bug("a suite's key has the wrong length");
        let mut kemac = Vec::with_capacity(plaintext.len() + self.overhead());
        encode_kemac_head(&mut kemac, next, EncrAlg(self.suite.encr_alg), plaintext.len())
            .map_err(|_| ApiMisuse::TooLong)?;
        let mut data = Zeroizing::new(plaintext.to_vec());
        match self.suite.kind {
            SuiteKind::Aead(aead) => {
                let aad = [&covered.concat()[..], &kemac].concat();
                let nonce = aead_nonce(&keys, nonce);
                let tag = aead.seal(keys.encryption.expose(), &nonce, &aad, &mut data).map_err(bug)?;
                kemac.extend_from_slice(&data);
                kemac.push(self.suite.mac_alg);
                kemac.extend_from_slice(&tag);
            }
            SuiteKind::CtrHmac { cipher, hash } => {
                let iv = counter_iv(&keys, self.csb_id, nonce);
                cipher.apply(keys.encryption.expose(), &iv, &mut data).map_err(bug)?;
                kemac.extend_from_slice(&data);
                kemac.push(self.suite.mac_alg);
                let parts: Vec<&[u8]> = covered.iter().copied().chain([&kemac[..]]).collect();
                let mac = hash.hmac(keys.authentication.expose(), &parts);
                kemac.extend_from_slice(mac.expose());
            }
        }
        out.extend_from_slice(&kemac);
        Ok(())
    }

    /// Verifies and decrypts one KEMAC of a GROUP_REKEY whose AUTH has verified.
    ///
    /// # Errors
    /// [`AuthFailed`] if it is not under this key.
    pub fn open(
        &self,
        key: &SecretBytes,
        t: u32,
        head: &[u8],
        node: &GroupNode<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, AuthFailed> {
        let kemac = &node.kemac;
        let algorithms =
            kemac.encr_alg == EncrAlg(self.suite.encr_alg) && kemac.mac_alg == MacAlg(self.suite.mac_alg);
        if !algorithms || kemac.mac.len() != self.suite.mac_len {
            return Err(AuthFailed);
        }
        let keys = self.keys(key.expose(), node.node, node.version);
        let nonce = MessageNonce { response: false, fragment: 0, t };
        let mut data = Zeroizing::new(kemac.encr_data.to_vec());
        match self.suite.kind {
            SuiteKind::Aead(aead) => {
                let nonce = aead_nonce(&keys, nonce);
                aead.open(keys.encryption.expose(), &nonce, &node.aad(head), &mut data, kemac.mac)?;
            }
            SuiteKind::CtrHmac { cipher, hash } => {
                hash.hmac_verify(keys.authentication.expose(), &[&node.maced(head)], kemac.mac)?;
                let iv = counter_iv(&keys, self.csb_id, nonce);
                cipher.apply(keys.encryption.expose(), &iv, &mut data)?;
            }
        }
        Ok(data)
    }
}
