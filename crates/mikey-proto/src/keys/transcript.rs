//! Transcript hashes th2, th3, th4 and th_n (docs/spec.md, "Transcript").
//!
//! Received octets are hashed, never a re-encoding; every variable part is preceded by its length.

use mikey_crypto::{Digest, Hash, Prf};

/// The four-octet length of the parts together, which precedes them: `L(x)` is `[&l(&[x]), x]`.
pub(crate) fn l(parts: &[&[u8]]) -> [u8; 4] {
    let len: usize = parts.iter().map(|p| p.len()).sum();
    u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes()
}

/// `H("MIKEYv2 th2" || L(M1) || L(M2))`.
pub(crate) fn th2(hash: &dyn Hash, m1: &[u8], m2: &[u8]) -> Digest {
    hash.digest(&[b"MIKEYv2 th2", &l(&[m1]), m1, &l(&[m2]), m2])
}

/// The transcript after th2, with the PRF whose hash it uses.
#[derive(Clone, Copy)]
pub(crate) struct Transcript {
    prf: Prf,
    th: Digest,
}

impl Transcript {
    pub(crate) fn new(prf: Prf, th2: Digest) -> Self {
        Self { prf, th: th2 }
    }

    /// The PRF, whose hash this is.
    pub(crate) fn prf(&self) -> Prf {
        self.prf
    }

    /// The current hash.
    pub(crate) fn hash(&self) -> &[u8] {
        self.th.as_ref()
    }

    /// The current hash, to be kept.
    pub(crate) fn digest(&self) -> Digest {
        self.th
    }

    /// th3, over canon(CCE_REQ), whose octets are the parts together.
    pub(crate) fn th3(self, m3: &[&[u8]]) -> Self {
        self.extend(b"MIKEYv2 th3", m3)
    }

    /// th4, over canon(CCE_RESP).
    pub(crate) fn th4(self, m4: &[&[u8]]) -> Self {
        self.extend(b"MIKEYv2 th4", m4)
    }

    /// th_n, over canon(REKEY_REQ) and canon(REKEY_RESP), each in two parts.
    pub(crate) fn thn(self, request: &[&[u8]], response: &[&[u8]]) -> Self {
        let (request_len, response_len) = (l(request), l(response));
        let mut parts: Vec<&[u8]> = vec![b"MIKEYv2 thn", self.th.as_ref(), &request_len];
        parts.extend(request);
        parts.push(&response_len);
        parts.extend(response);
        Self { prf: self.prf, th: self.prf.hash.digest(&parts) }
    }

    fn extend(self, label: &[u8], message: &[&[u8]]) -> Self {
        let len = l(message);
        let mut parts: [&[u8]; 6] = [&[]; 6];
        let fixed = [label, self.th.as_ref(), &len];
        for (to, from) in parts.iter_mut().zip(fixed.into_iter().chain(message.iter().copied())) {
            *to = from;
        }
        debug_assert!(message.len() <= 3, "a message in {} parts", message.len());
        Self { prf: self.prf, th: self.prf.hash.digest(&parts) }
    }
}
