//! Branches, tags and Call-IDs: random, so that no two are the same (RFC 3261 sections 8.1.1.7 and 19.3).

use std::sync::Arc;

use mikey_crypto::SecureRandom;

use crate::error::{Error, Result};

/// What makes a branch one of RFC 3261.
const MAGIC: &str = "z9hG4bK";

/// Makes identifiers.
#[derive(Clone)]
pub(crate) struct Ids {
    random: Arc<dyn SecureRandom>,
}

impl Ids {
    pub(crate) fn new(random: Arc<dyn SecureRandom>) -> Self {
        Self { random }
    }

    /// A tag or a part of a Call-ID.
    ///
    /// # Errors
    /// If there is no randomness.
    pub(crate) fn token(&self) -> Result<String> {
        let mut octets = [0; 8];
        self.random.fill(&mut octets).map_err(|error| Error::failed(error.to_string()))?;
        Ok(data_encoding::HEXLOWER.encode(&octets))
    }

    /// A branch.
    ///
    /// # Errors
    /// If there is no randomness.
    pub(crate) fn branch(&self) -> Result<String> {
        Ok(format!("{MAGIC}{}", self.token()?))
    }
}
