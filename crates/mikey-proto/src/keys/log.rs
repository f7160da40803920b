//! Keys of messages for whoever analyses sessions of its own (docs/keylog.md), and what opens a captured message with them.

use mikey_crypto::{AuthFailed, CryptoProvider, SecretBytes, SuiteId};
use mikey_wire::v2::{ResumeReq, ResumeResp, Sealed, peek};
use mikey_wire::{DataType, Session};

use super::Role;
use super::protect::{DirectionKeys, MessageNonce, Parts, Protection, open};

/// What protects everything that one end of a session says to the other in MIKEY messages. Whoever has it reads them,
/// certificates and hidden names included, and can forge them while the session lives. SRTP keys do not follow from it.
pub struct MessageKeys {
    /// The SPI of the initiator.
    pub spi_i: u64,
    /// The SPI of the responder; 0 for the keys of RESUME_REQ.
    pub spi_r: u64,
    /// The CSB ID.
    pub csb_id: u32,
    /// Whose messages they protect.
    pub sender: Role,
    /// The suite that the keys are for.
    pub suite: SuiteId,
    /// The keys (docs/spec.md, "Key schedule").
    pub keys: DirectionKeys,
}

impl MessageKeys {
    pub(crate) fn new(session: Session, protection: &Protection, sender: Role) -> Self {
        let DirectionKeys { encryption, authentication, salt } = protection.direction(sender);
        let copy = |key: &SecretBytes| SecretBytes::copy_from(key.expose());
        Self {
            spi_i: session.spi_i,
            spi_r: session.spi_r,
            csb_id: protection.csb_id,
            sender,
            suite: protection.suite.id,
            keys: DirectionKeys {
                encryption: copy(encryption),
                authentication: copy(authentication),
                salt: copy(salt),
            },
        }
    }

    /// What is inside of a captured message: its type octet and its payloads, or the chunk that a fragment carries.
    ///
    /// # Errors
    /// [`AuthFailed`] if these are not the keys of the message, or it is none that has a KEMAC.
    pub fn open(&self, provider: &CryptoProvider, message: &[u8]) -> Result<SecretBytes, AuthFailed> {
        let peek = peek(message).map_err(|_| AuthFailed)?;
        let session = Session { spi_i: self.spi_i, spi_r: self.spi_r };
        if peek.csb_id != self.csb_id || peek.session != session {
            return Err(AuthFailed);
        }
        let suite = provider.suite(self.suite).ok_or(AuthFailed)?;
        let open = |nonce, parts: &Parts<'_>| open(suite, self.csb_id, &self.keys, nonce, parts);
        let mut plaintext = match peek.data_type {
            DataType::RESUME_REQ => {
                let request = ResumeReq::decode(message).map_err(|_| AuthFailed)?;
                let nonce = MessageNonce { response: false, fragment: 0, t: request.t };
                let (aad, covered) = (request.aad(), request.maced());
                open(nonce, &Parts { kemac: &request.kemac, aad: &aad, covered: &covered })?
            }
            DataType::RESUME_RESP => {
                let answer = ResumeResp::decode(message).map_err(|_| AuthFailed)?;
                let nonce = MessageNonce { response: true, fragment: 0, t: answer.t };
                open(nonce, &Parts { kemac: &answer.kemac, aad: answer.aad(), covered: answer.maced() })?
            }
            data_type => {
                let sealed = Sealed::decode(message).map_err(|_| AuthFailed)?;
                let fragment = sealed.fragment.map_or(0, |(number, _)| number);
                let nonce = MessageNonce { response: is_response(data_type), fragment, t: sealed.t };
                open(nonce, &Parts { kemac: &sealed.kemac, aad: sealed.aad(), covered: sealed.maced() })?
            }
        };
        Ok(SecretBytes::from(std::mem::take(&mut *plaintext)))
    }
}

/// Whether R is set in the nonce of such a message.
fn is_response(data_type: DataType) -> bool {
    matches!(data_type, DataType::CCE_RESP | DataType::REKEY_RESP | DataType::INFO_RESP | DataType::ERROR)
}
