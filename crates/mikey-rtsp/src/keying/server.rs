//! The server: sends keys in the description, and takes what SETUP brings.

use mikey::keying::v1::{BundleId, Known, Mode, Offer, Party, Pending, Update};
use mikey::keying::{ApiMisuse, SrtpKeys};
use mikey::{Name, Side, SrtpPolicy, Stream, Time};
use mikey_crypto::CryptoProvider;
use mikey_sdp::rtsp::Spec;
use mikey_sdp::{KeyMgmt, MIKEY};

use super::client::only_mikey;
use super::{Agreed, Security, null_offer};
use crate::error::KeyError;

/// Keys for the clients of one connection.
pub struct ServerKeys {
    party: Party,
    peer: Option<Name>,
    policy: SrtpPolicy,
    /// Whether packets carry an MKI.
    mki: bool,
}

/// The keys of one stream for one client.
pub struct ServerStream {
    ssrc: u32,
    message: Vec<u8>,
    /// Keys of NULL mode, which nobody has to answer.
    keys: Option<SrtpKeys>,
    pending: Option<Pending>,
    bundle: Option<BundleId>,
    generation: u32,
}

/// Why SETUP gets a 463, and what goes into its `KeyMgmt`.
pub(crate) struct Refusal {
    pub(crate) why: KeyError,
    pub(crate) answer: Option<Vec<u8>>,
}

impl<E: Into<KeyError>> From<E> for Refusal {
    fn from(why: E) -> Self {
        Self { why: why.into(), answer: None }
    }
}

impl ServerKeys {
    /// Keys by pre-shared key if there is one, else in NULL mode.
    ///
    /// # Errors
    /// [`ApiMisuse`] if the names or the key will not do, or there is neither TLS nor a key.
    pub fn new(
        provider: CryptoProvider,
        security: Security,
        policy: SrtpPolicy,
        mki: bool,
    ) -> Result<Self, ApiMisuse> {
        let peer = security.psk.as_ref().map(|(_, peer, _)| peer.clone());
        if peer.is_none() && !security.secure_transport {
            return Err(ApiMisuse::Policy("what protects the keys: TLS or a pre-shared key"));
        }
        Ok(Self { party: security.party(provider)?, peer, policy, mki })
    }

    /// New keys for a stream that will be sent from `ssrc`.
    ///
    /// # Errors
    /// [`KeyError`] if there is no randomness.
    pub fn offer(&mut self, now: Time, ssrc: u32) -> Result<ServerStream, KeyError> {
        let mut stream = ServerStream {
            ssrc,
            message: Vec::new(),
            keys: None,
            pending: None,
            bundle: None,
            generation: 0,
        };
        self.first(now, &mut stream, None)?;
        Ok(stream)
    }

    fn first(&mut self, now: Time, stream: &mut ServerStream, roc: Option<u32>) -> Result<(), KeyError> {
        let index = roc.filter(|roc| *roc != 0).map(|roc| (roc, 0));
        let ours = Stream { ssrc: Some(stream.ssrc), index, ..Stream::new(Side::Local, self.policy) };
        let mut offer = match &self.peer {
            Some(peer) => {
                let theirs = Stream::new(Side::Remote, self.policy);
                Offer::new(Mode::Psk, peer.clone(), vec![ours, theirs])
            }
            None => null_offer(ours, self.policy),
        };
        // Known players loop for ever on a General Extension in NULL mode, where it proves nothing.
        offer.sdp_ids = self.peer.as_ref().map(|_| MIKEY.as_bytes().to_vec());
        offer.mki = self.mki_of(stream.generation);
        let offered = self.party.offer(now, &offer)?;
        stream.message = offered.message;
        stream.pending = offered.pending;
        stream.keys = offered.agreement.map(|agreement| agreement.keys);
        Ok(())
    }

    fn mki_of(&self, generation: u32) -> Vec<u8> {
        if self.mki { generation.wrapping_add(1).to_be_bytes().to_vec() } else { Vec::new() }
    }

    /// Makes new keys for a stream that has some, whose ROC is `roc`. What goes to the client is [`ServerStream::message`].
    ///
    /// # Errors
    /// [`KeyError`]; the old keys stay.
    pub fn renew(&mut self, now: Time, stream: &mut ServerStream, roc: Option<u32>) -> Result<(), KeyError> {
        let generation = stream.generation.wrapping_add(1);
        match &stream.bundle {
            Some(bundle) => {
                let update = Update::rekey(bundle.clone(), self.mki_of(generation));
                let offered = self.party.update(now, &update)?;
                (stream.message, stream.pending) = (offered.message, offered.pending);
                stream.generation = generation;
                Ok(())
            }
            None if self.peer.is_some() => {
                Err(KeyError::Missing("the client has not answered the first keys yet"))
            }
            None => {
                let before = std::mem::replace(&mut stream.generation, generation);
                self.first(now, stream, roc).inspect_err(|_| stream.generation = before)
            }
        }
    }

    /// Takes what SETUP has in `KeyMgmt`; the keys of this stream, and of what the client sends.
    pub(crate) fn accept(
        &mut self,
        now: Time,
        stream: &mut ServerStream,
        value: Option<&str>,
    ) -> Result<(Vec<SrtpKeys>, Agreed), Refusal> {
        let spec = value.map(only_mikey).transpose()?;
        self.take(now, stream, spec.as_ref())
    }

    /// Takes a message that came in `KeyMgmt` of a request or a response: the answer to keys of ours, or keys for what the
    /// client sends.
    pub(crate) fn take(
        &mut self,
        now: Time,
        stream: &mut ServerStream,
        spec: Option<&Spec>,
    ) -> Result<(Vec<SrtpKeys>, Agreed), Refusal> {
        if let Some(pending) = &mut stream.pending {
            let missing = KeyError::Missing("KeyMgmt is missing: the client has to answer the MIKEY message");
            let agreement = self
                .party
                .finish(now, pending, &spec.ok_or(missing)?.message.data)
                .map_err(KeyError::from)?;
            let agreed = Agreed::of(&agreement, stream.generation > 0);
            (stream.pending, stream.bundle) = (None, Some(agreement.bundle));
            return Ok((vec![agreement.keys], agreed));
        }
        let mut agreed = Agreed {
            mode: Mode::Null,
            streams: vec![(Some(stream.ssrc), self.policy)],
            mki: self.mki_of(0).len(),
            renewed: stream.generation > 0,
            quirks: Vec::new(),
        };
        let mut keys = Vec::new();
        if let Some(spec) = spec {
            let answer = self.party.answer(now, &spec.message.data, &Known::default());
            let answer = answer.map_err(|no| Refusal { why: no.why.into(), answer: no.answer })?;
            let theirs =
                answer.agreement.ok_or(KeyError::Missing("the client's MIKEY message came twice"))?;
            agreed.quirks = theirs.quirks.iter().collect();
            keys.push(theirs.keys);
        }
        // What was refused before leaves ours in place for a better SETUP.
        keys.extend(stream.keys.take());
        Ok((keys, agreed))
    }
}

impl ServerStream {
    /// The I_MESSAGE for the client.
    #[must_use]
    pub fn message(&self) -> KeyMgmt {
        KeyMgmt::mikey(self.message.clone())
    }

    /// Whom its packets are from.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Keys that are used as soon as the client has the message; none in a mode in which it has to answer.
    pub(crate) fn take_keys(&mut self) -> Option<SrtpKeys> {
        self.keys.take()
    }
}
