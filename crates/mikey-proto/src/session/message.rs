//! Protected messages as octets: composing, fragmenting, opening, reassembling (docs/spec.md, "Protection of messages").
//!
//! A message is composed once, sealed once and cut once; what is sent again is the same octets.

use mikey_crypto::{Digest, Hash};
use mikey_wire::v2::Sealed;
use mikey_wire::{
    Auth, CsMap, Extension, Header, Kemac, Payload, PayloadType, Session, T, encode_chain, encode_open,
    first_type,
};
use zeroize::Zeroizing;

use crate::error::{ApiMisuse, DropReason, Error};
use crate::keys::{MessageNonce, Protection, Role};
use crate::limits::MAX_FRAGMENTS;

/// What every protected message of a session begins with.
pub(crate) struct Outline<'a> {
    pub(crate) header: Header<'a>,
    pub(crate) session: Session,
    pub(crate) t: u32,
    /// Whether the payloads before KEMAC move into it.
    pub(crate) confidential: bool,
}

/// A message before it is sealed: `canon(M)` in two parts.
pub(crate) struct Composed {
    /// Everything before KEMAC.
    pub(crate) head: Vec<u8>,
    /// The plaintext of Encr data: a type octet, then payloads.
    pub(crate) plaintext: Zeroizing<Vec<u8>>,
}

impl Composed {
    /// The octets of `canon(M)`.
    pub(crate) fn canon(&self) -> [&[u8]; 2] {
        [&self.head, &self.plaintext]
    }
}

impl Outline<'_> {
    /// SESSION and T.
    pub(crate) fn opening(&self) -> [Payload<'static>; 2] {
        [Payload::Ext(Extension::Session(self.session)), Payload::T(T::Counter(self.t))]
    }

    /// A message that ends in AUTH, whose data `prove` makes from the message up to AUTH, and after it `keys`.
    pub(crate) fn with_auth(
        &self,
        body: Vec<Payload<'_>>,
        method: u8,
        keys: &[Payload<'_>],
        prove: impl FnOnce(&[&[u8]]) -> Result<Vec<u8>, Error>,
    ) -> Result<Composed, Error> {
        if self.confidential {
            let head = encode_open(&self.header, &self.opening(), PayloadType::KEMAC)?;
            let mut plaintext = Zeroizing::new(vec![first_type(&body, PayloadType::AUTH).0]);
            encode_chain(&mut plaintext, &body, PayloadType::AUTH)?;
            let data = prove(&[&head, &plaintext])?;
            let auth = [Payload::Auth(Auth { method, data: &data })];
            encode_chain(&mut plaintext, &auth, first_type(keys, PayloadType::LAST))?;
            plaintext.reserve(keys.len() * MAX_KEY_DATA);
            encode_chain(&mut plaintext, keys, PayloadType::LAST)?;
            Ok(Composed { head, plaintext })
        } else {
            let payloads: Vec<_> = self.opening().into_iter().chain(body).collect();
            let mut head = encode_open(&self.header, &payloads, PayloadType::AUTH)?;
            let data = prove(&[&head])?;
            encode_chain(&mut head, &[Payload::Auth(Auth { method, data: &data })], PayloadType::KEMAC)?;
            let mut plaintext = Zeroizing::new(Vec::with_capacity(1 + keys.len() * MAX_KEY_DATA));
            plaintext.push(first_type(keys, PayloadType::LAST).0);
            encode_chain(&mut plaintext, keys, PayloadType::LAST)?;
            Ok(Composed { head, plaintext })
        }
    }

    /// A message without AUTH.
    pub(crate) fn compose(&self, body: &[Payload<'_>]) -> Result<Composed, Error> {
        self.with_keys(body, &[])
    }

    /// A message without AUTH and with keys, which are encrypted whatever was chosen.
    pub(crate) fn with_keys(&self, body: &[Payload<'_>], keys: &[Payload<'_>]) -> Result<Composed, Error> {
        let first_key = first_type(keys, PayloadType::LAST);
        if self.confidential {
            let head = encode_open(&self.header, &self.opening(), PayloadType::KEMAC)?;
            let mut plaintext = Zeroizing::new(vec![first_type(body, first_key).0]);
            encode_chain(&mut plaintext, body, first_key)?;
            plaintext.reserve(keys.len() * MAX_KEY_DATA);
            encode_chain(&mut plaintext, keys, PayloadType::LAST)?;
            Ok(Composed { head, plaintext })
        } else {
            let payloads: Vec<_> = self.opening().into_iter().chain(body.iter().cloned()).collect();
            let head = encode_open(&self.header, &payloads, PayloadType::KEMAC)?;
            let mut plaintext = Zeroizing::new(Vec::with_capacity(1 + keys.len() * MAX_KEY_DATA));
            plaintext.push(first_key.0);
            encode_chain(&mut plaintext, keys, PayloadType::LAST)?;
            Ok(Composed { head, plaintext })
        }
    }

    /// Seals a message into one datagram, or into fragments if it is longer than the path takes.
    // R7.7
    pub(crate) fn seal(
        &self,
        composed: &Composed,
        protection: &Protection,
        sender: Role,
        response: bool,
        path: Path,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let nonce = |fragment| MessageNonce { response, fragment, t: self.t };
        let Composed { head, plaintext } = composed;
        // In the clear form the body stands outside KEMAC, where there is nothing to cut.
        if head.len() + protection.overhead() + plaintext.len() <= path.datagram || !self.confidential {
            return Ok(vec![protection.seal(sender, nonce(0), head, plaintext)?]);
        }
        let room = path.datagram.saturating_sub(head.len() + FRAGMENT_LEN + protection.overhead());
        if room == 0 || plaintext.len() > usize::from(path.reassembly) {
            return Err(ApiMisuse::TooLong.into());
        }
        let total = u16::try_from(plaintext.len().div_ceil(room)).map_err(|_| ApiMisuse::TooLong)?;
        if total > MAX_FRAGMENTS {
            return Err(ApiMisuse::TooLong.into());
        }
        let empty = Header { cs_map: CsMap::NONE, ..self.header.clone() };
        let cut = |(number, chunk): (u16, &[u8])| {
            let header = if number == 1 { &self.header } else { &empty };
            let [session, t] = self.opening();
            let payloads = [session, t, Payload::Ext(Extension::Fragment { number, total })];
            let head = encode_open(header, &payloads, PayloadType::KEMAC)?;
            protection.seal(sender, nonce(number), &head, chunk)
        };
        (1..=total).zip(plaintext.chunks(room)).map(cut).collect()
    }
}

/// Octets of a key data payload of a group at most. With room for all of them no copy of a key stays behind.
const MAX_KEY_DATA: usize = 96;

/// Octets of a FRAGMENT extension: next payload, type, length, number, total.
const FRAGMENT_LEN: usize = 8;

/// How long datagrams and messages to a peer may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) datagram: usize,
    pub(crate) reassembly: u16,
}

/// A message whose KEMAC has verified.
pub(crate) enum Opened {
    /// It came in one datagram: the plaintext of Encr data.
    Whole(Zeroizing<Vec<u8>>),
    /// It came in fragments. The octets before KEMAC stand as if it had not, followed by an empty KEMAC.
    Reassembled { raw: Vec<u8>, plaintext: Zeroizing<Vec<u8>> },
    /// A fragment; others are missing.
    Pending,
}

/// Opens messages of one direction and kind, and puts fragments together.
#[derive(Default)]
pub(crate) struct Opener {
    partial: Option<Box<Partial>>,
}

struct Partial {
    t: u32,
    head: Option<Vec<u8>>,
    chunks: Vec<Option<Zeroizing<Vec<u8>>>>,
    digests: Vec<Option<Digest>>,
}

impl Opener {
    /// Octets of memory that fragments take while others are missing.
    pub(crate) fn held(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.held())
    }

    /// Forgets the fragments that came: they will be sent again.
    pub(crate) fn forget(&mut self) {
        self.partial = None;
    }

    /// Verifies one datagram. Nothing changes unless its KEMAC verifies.
    // R7.2, R7.3
    pub(crate) fn open(
        &mut self,
        protection: &Protection,
        sender: Role,
        response: bool,
        sealed: &Sealed<'_>,
        limits: (&dyn Hash, u16),
    ) -> Result<(Opened, Vec<Digest>), DropReason> {
        let (sha256, max_message) = limits;
        let number = sealed.fragment.map_or(0, |(number, _)| number);
        let nonce = MessageNonce { response, fragment: number, t: sealed.t };
        let plaintext = protection.open(sender, nonce, sealed).map_err(|_| DropReason::Unauthenticated)?;
        let digest = sha256.digest(&[sealed.raw]);
        let Some((number, total)) = sealed.fragment else {
            self.partial = None;
            return Ok((Opened::Whole(plaintext), vec![digest]));
        };
        let max_message = usize::from(max_message);
        let others = usize::from(total.saturating_sub(1));
        if plaintext.is_empty() || (number < total && plaintext.len().saturating_mul(others) >= max_message) {
            return Err(DropReason::BadFragment);
        }
        if self.partial.as_ref().is_none_or(|p| p.t != sealed.t || p.chunks.len() != usize::from(total)) {
            self.partial = Some(Box::new(Partial::new(sealed.t, total)));
        }
        let Some(partial) = &mut self.partial else { return Err(DropReason::BadFragment) };
        partial.insert(number, sealed, plaintext, digest)?;
        let Some(Whole { raw, plaintext, digests }) = partial.complete() else {
            return Ok((Opened::Pending, Vec::new()));
        };
        self.partial = None;
        if plaintext.len() > max_message {
            return Err(DropReason::BadFragment);
        }
        Ok((Opened::Reassembled { raw, plaintext }, digests))
    }
}

struct Whole {
    raw: Vec<u8>,
    plaintext: Zeroizing<Vec<u8>>,
    digests: Vec<Digest>,
}

impl Partial {
    fn new(t: u32, total: u16) -> Self {
        let total = usize::from(total);
        Self { t, head: None, chunks: (0..total).map(|_| None).collect(), digests: vec![None; total] }
    }

    // R7.8, R7.9
    fn insert(
        &mut self,
        number: u16,
        sealed: &Sealed<'_>,
        plaintext: Zeroizing<Vec<u8>>,
        digest: Digest,
    ) -> Result<(), DropReason> {
        let at = usize::from(number).checked_sub(1).ok_or(DropReason::BadFragment)?;
        let last = self.chunks.len().saturating_sub(1);
        // All but the last one are of one length, and the last one is not longer.
        for (i, chunk) in self.chunks.iter().enumerate() {
            let Some(chunk) = chunk else { continue };
            let fits = match (i == last, at == last) {
                (false, false) => chunk.len() == plaintext.len(),
                (true, false) => chunk.len() <= plaintext.len(),
                (false, true) => plaintext.len() <= chunk.len(),
                (true, true) => true,
            };
            if !fits {
                return Err(DropReason::BadFragment);
            }
        }
        if number == 1 {
            let mut head = sealed.canon_head().into_owned();
            let kemac = Kemac { encr_data: &[], ..sealed.kemac };
            encode_chain(&mut head, &[Payload::Kemac(kemac)], PayloadType::LAST)
                .map_err(|_| DropReason::BadFragment)?;
            self.head = Some(head);
        }
        let slot = self.chunks.get_mut(at).filter(|slot| slot.is_none()).ok_or(DropReason::Repeat)?;
        *slot = Some(plaintext);
        if let Some(slot) = self.digests.get_mut(at) {
            *slot = Some(digest);
        }
        Ok(())
    }

    fn held(&self) -> usize {
        let slots =
            self.chunks.len() * (size_of::<Option<Zeroizing<Vec<u8>>>>() + size_of::<Option<Digest>>());
        let octets: usize = self.chunks.iter().flatten().map(|chunk| chunk.len()).sum();
        slots + octets + self.head.as_ref().map_or(0, Vec::len)
    }

    fn complete(&mut self) -> Option<Whole> {
        if self.chunks.iter().any(Option::is_none) {
            return None;
        }
        let len = self.chunks.iter().flatten().map(|c| c.len()).sum();
        let mut plaintext = Zeroizing::new(Vec::with_capacity(len));
        for chunk in self.chunks.iter().flatten() {
            plaintext.extend_from_slice(chunk);
        }
        let digests = self.digests.iter().flatten().copied().collect();
        Some(Whole { raw: self.head.take()?, plaintext, digests })
    }
}
