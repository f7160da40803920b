//! The keys of a half-open session: derived when the second request comes, not before.
//!
//! Invariant: they are derived once, so that who sends many second requests of no worth makes us derive no more.

use mikey_crypto::Prf;
use mikey_wire::v2::Sealed;

use super::HalfOpen;
use crate::auth::Certified;
use crate::error::Error;
use crate::keys::{InitKeys, Prk, Transcript};
use crate::policy::Exchange;
use crate::session::Cx;

/// What protects the second exchange.
pub(super) enum Keys {
    /// PRK; in CCE2 with a PSK, PRKx. CCE2 with RSA mixes in what comes in an envelope.
    Later(Prk),
    Ready(Box<InitKeys>),
}

impl Keys {
    pub(super) fn transcript(&self, prf: Prf) -> Transcript {
        match self {
            Self::Later(prk) => prk.transcript(prf),
            Self::Ready(keys) => keys.transcript(),
        }
    }

    pub(super) fn ready(&self) -> Result<&InitKeys, Error> {
        match self {
            Self::Ready(keys) => Ok(keys),
            Self::Later(_) => Err(Error::Bug("keys are used that are not derived")),
        }
    }
}

impl HalfOpen {
    /// Makes the keys that open the second request, if that was not done before. In CCE2 with RSA they are made of what it
    /// carries, and only once its signature has verified: then that is the result.
    pub(super) fn derive_keys<'a>(
        &mut self,
        cx: &mut Cx<'_>,
        sealed: &Sealed<'a>,
    ) -> Result<Option<Certified<'a>>, Error> {
        let provider = &cx.config.provider;
        let bug = Error::Bug("a choice that the provider does not have");
        let prf = provider.prf(self.choice.prf).ok_or(bug.clone())?;
        let suite = provider.suite(self.choice.suite).ok_or(bug)?;
        let (signer, envelope_key) = match self.choice.exchange {
            Exchange::Cce2Rsa => self.open_envelope(cx, prf, sealed)?,
            Exchange::Cce | Exchange::Cce2Psk => (None, None),
        };
        if let Keys::Later(prk) = &self.keys {
            let keys = match envelope_key {
                Some(key) => prk.mix(prf, &key).keys(prf, suite),
                None => prk.keys(prf, suite),
            };
            cx.out.log_keys(self.header.session, keys.protection());
            self.keys = Keys::Ready(Box::new(keys));
        }
        Ok(signer)
    }
}
