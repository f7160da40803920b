//! The client: takes the server's message, and answers it or sends one of its own.

use mikey::keying::v1::{Answer, Known, Party};
use mikey::keying::{ApiMisuse, SrtpKeys};
use mikey::{Name, Side, SrtpPolicy, Stream, Time};
use mikey_crypto::CryptoProvider;
use mikey_sdp::rtsp::{self, Spec};
use mikey_sdp::sdp_types::Session;
use mikey_sdp::{BiddingDown, KeyMgmt, Level, MIKEY, Offered};

use super::{Agreed, Security, null_offer};
use crate::error::KeyError;

/// Keys of all streams of one RTSP session, as the client gets them.
pub struct ClientKeys {
    party: Party,
    secure: bool,
    peer: Option<Name>,
    /// What session level gave: it is taken once, for all streams.
    session: Option<SrtpPolicy>,
}

/// A message of the server that was taken.
pub struct Taken {
    /// The contexts that it is for: 0 for those of the whole session, else the number of the media from 1.
    pub group: u32,
    /// The keys; none if they are there already.
    pub keys: Option<SrtpKeys>,
    /// What was agreed on, for people; with the keys.
    pub agreed: Option<Agreed>,
    /// What protects the server's packets.
    pub policy: SrtpPolicy,
    /// The R_MESSAGE, if the server awaits one.
    answer: Option<Vec<u8>>,
}

impl ClientKeys {
    /// One for a connection.
    ///
    /// # Errors
    /// [`ApiMisuse`] if the names or the key will not do.
    pub fn new(provider: CryptoProvider, security: Security) -> Result<Self, ApiMisuse> {
        let secure = security.secure_transport;
        let peer = security.psk.as_ref().map(|(_, peer, _)| peer.clone());
        Ok(Self { party: security.party(provider)?, secure, peer, session: None })
    }

    /// Takes what the description has for one media, from 0. None if it has nothing: then the keys may come with the
    /// response to SETUP.
    ///
    /// # Errors
    /// [`KeyError`] says which attribute, payload and octet will not do.
    pub fn describe(
        &mut self,
        now: Time,
        session: &Session,
        media: usize,
    ) -> Result<Option<Taken>, KeyError> {
        let offered = Offered::of_media(session, media)?;
        if offered.offers.is_empty() {
            return Ok(None);
        }
        let Some(message) = offered.mikey() else { return Err(KeyError::OtherProtocol(offered.protocols())) };
        let group = match offered.level {
            Level::Session => 0,
            Level::Media(_) => group(media),
        };
        if let Some(policy) = self.session.filter(|_| group == 0) {
            return Ok(Some(Taken { group, keys: None, agreed: None, policy, answer: None }));
        }
        let taken = self.take(now, group, &message.data, Some(&offered))?;
        if group == 0 {
            self.session = Some(taken.policy);
        }
        Ok(Some(taken))
    }

    /// Takes a message that came in `KeyMgmt`: with the response to SETUP, or to renew keys.
    ///
    /// # Errors
    /// As [`Self::describe`].
    pub fn receive(&mut self, now: Time, group: u32, message: &KeyMgmt) -> Result<Taken, KeyError> {
        if !message.is_mikey() {
            return Err(KeyError::OtherProtocol(message.protocol.clone()));
        }
        self.take(now, group, &message.data, None)
    }

    /// What goes into `KeyMgmt` of SETUP for one media, from 0: the answer to the server's message, else keys of our own for
    /// the RTCP that we send from `ssrc`. Those are in the second place.
    ///
    /// # Errors
    /// [`KeyError`] if there is nothing that may be sent.
    pub fn header(
        &mut self,
        now: Time,
        taken: Option<&mut Taken>,
        uri: &str,
        ssrc: u32,
    ) -> Result<(Option<String>, Option<SrtpKeys>), KeyError> {
        let policy = taken.as_ref().map_or(SrtpPolicy::AES_CM_128_HMAC_SHA1_80, |taken| taken.policy);
        let is_answered = taken.as_ref().is_some_and(|taken| !taken.is_null());
        if let Some(answer) = taken.and_then(|taken| taken.answer.take()) {
            return Ok((Some(header(uri, answer)?), None));
        }
        if !self.secure || is_answered {
            return Ok((None, None));
        }
        let offer = null_offer(Stream { ssrc: Some(ssrc), ..Stream::new(Side::Local, policy) }, policy);
        let offered = self.party.offer(now, &offer)?;
        Ok((Some(header(uri, offered.message)?), offered.agreement.map(|agreement| agreement.keys)))
    }

    fn take(
        &mut self,
        now: Time,
        group: u32,
        message: &[u8],
        offered: Option<&Offered>,
    ) -> Result<Taken, KeyError> {
        let known = Known { peer: self.peer.as_ref(), ..Known::default() };
        let answer = self.party.answer(now, message, &known).map_err(|refused| refused.why)?;
        let Answer { message: answer, agreement: Some(agreement) } = answer else {
            return Err(KeyError::Missing("the server's MIKEY message is one that was answered before"));
        };
        let listed = agreement.sdp_ids.as_deref();
        let expected = offered.map_or_else(|| MIKEY.to_owned(), Offered::protocols);
        if let Some(listed) = listed.filter(|listed| *listed != expected.as_bytes()) {
            let listed = String::from_utf8_lossy(listed).escape_default().to_string();
            return Err(KeyError::BiddingDown(BiddingDown::Changed { offered: expected, listed }));
        }
        let theirs = agreement.keys.streams.iter().find(|stream| stream.sender == Side::Remote);
        let policy = theirs.map(|stream| stream.policy);
        let policy =
            policy.ok_or(KeyError::Missing("the server's MIKEY message has no keys of its own streams"))?;
        let agreed = Some(Agreed::of(&agreement, agreement.update));
        Ok(Taken { group, keys: Some(agreement.keys), agreed, policy, answer })
    }
}

impl Taken {
    /// The R_MESSAGE that goes back; once.
    pub fn take_answer(&mut self) -> Option<Vec<u8>> {
        self.answer.take()
    }

    fn is_null(&self) -> bool {
        // Session level in another mode has its answer in the first SETUP, and then nothing.
        self.agreed.as_ref().is_none_or(|agreed| agreed.mode == mikey::keying::v1::Mode::Null)
    }
}

/// The contexts of one media, from 0.
pub(crate) fn group(media: usize) -> u32 {
    u32::try_from(media).unwrap_or(u32::MAX - 1).saturating_add(1)
}

pub(crate) fn header(uri: &str, message: Vec<u8>) -> Result<String, KeyError> {
    let spec =
        Spec::mikey(uri, message).ok_or(KeyError::Missing("the stream's URL cannot stand in KeyMgmt"))?;
    Ok(spec.to_string())
}

/// The messages of MIKEY in a `KeyMgmt`, checked to be there.
pub(crate) fn only_mikey(value: &str) -> Result<Spec, KeyError> {
    let specs = rtsp::parse(value)?;
    let others = specs.iter().map(|spec| spec.message.protocol.as_str()).collect::<Vec<_>>().join(", ");
    specs.into_iter().find(|spec| spec.message.is_mikey()).ok_or(KeyError::OtherProtocol(others))
}
