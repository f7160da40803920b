//! What an endpoint allows in M-SP, most preferred first, as documented profiles (docs/spec.md, "Negotiation").

use mikey_crypto::{CryptoProvider, GroupId, MethodId, PrfId, SuiteId};
use mikey_wire::Exch;

use crate::error::ApiMisuse;
use crate::limits::{DEFAULT_REASSEMBLY, MIN_REASSEMBLY};

/// The exchange that follows INIT: how the two prove who they are, and where the keys come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exchange {
    /// CCE, the draft's Option 1: AUTH of both, by whatever was negotiated for each direction.
    Cce,
    /// CCE2 with a pre-shared key, the draft's Option 2: the initiator sends a key under the shared one.
    Cce2Psk,
    /// CCE2 with RSA: the initiator signs, and sends a key in an envelope that only the responder's RSA key opens.
    Cce2Rsa,
}

impl Exchange {
    /// The value of EXCH.
    pub(crate) const fn value(self) -> u8 {
        match self {
            Self::Cce => Exch::CCE.0,
            Self::Cce2Psk => Exch::CCE2_PSK.0,
            Self::Cce2Rsa => Exch::CCE2_RSA.0,
        }
    }

    pub(crate) fn from_value(value: u8) -> Option<Self> {
        [Self::Cce, Self::Cce2Psk, Self::Cce2Rsa].into_iter().find(|exchange| exchange.value() == value)
    }

    /// Whether the two can authenticate themselves like that in it.
    pub(crate) fn takes(self, initiator: MethodId, responder: MethodId) -> bool {
        match self {
            Self::Cce => initiator != MethodId::RSA_OAEP && responder != MethodId::RSA_OAEP,
            Self::Cce2Psk => (initiator, responder) == (MethodId::PSK, MethodId::PSK),
            Self::Cce2Rsa => (initiator, responder) == (MethodId::RSA_PSS_SHA256, MethodId::RSA_OAEP),
        }
    }
}

/// Algorithms and methods that an endpoint allows. Each list is in order of preference; what is not listed is not used.
///
/// The responder of a call decides by its own order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// What may follow INIT. Every profile has CCE alone; CCE2 is for those who want RFC 3830's exchanges. With
    /// [`Exchange::Cce2Rsa`], decrypting stands beside the methods below: it need not be listed there.
    pub exchanges: Vec<Exchange>,
    /// PRFs and transcript hashes.
    pub prfs: Vec<PrfId>,
    /// Key exchange groups. An initiator sends a value of the first one.
    pub groups: Vec<GroupId>,
    /// Protection suites of CCE and later messages.
    pub suites: Vec<SuiteId>,
    /// How we may authenticate ourselves, as far as there are credentials for it.
    pub local_methods: Vec<MethodId>,
    /// How a peer may authenticate itself to us.
    pub remote_methods: Vec<MethodId>,
    /// Whether CCE is encrypted.
    pub confidentiality: Vec<Confidentiality>,
    /// The longest message that we reassemble from fragments, in octets: 4096 to 65535.
    pub max_message: u16,
    /// Whether tickets for RESUME are given out and taken.
    pub resumption: bool,
}

/// Whether the content of CCE is encrypted, or only authenticated as in the draft's figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidentiality {
    /// Names, certificates and policies of CCE are encrypted.
    Encrypted,
    /// They are authenticated and readable for everyone on the path.
    Clear,
}

impl Confidentiality {
    pub(crate) const fn value(self) -> u8 {
        match self {
            Self::Clear => 0,
            Self::Encrypted => 1,
        }
    }
}

const SIGNATURES: [MethodId; 4] =
    [MethodId::ED25519, MethodId::ECDSA_P256_SHA256, MethodId::ECDSA_P384_SHA384, MethodId::RSA_PSS_SHA256];

impl Default for Policy {
    /// The profile `default`: every current algorithm but the MODP groups, the fast ones first.
    fn default() -> Self {
        let mut methods = SIGNATURES.to_vec();
        methods.push(MethodId::PSK);
        Self {
            exchanges: vec![Exchange::Cce],
            prfs: vec![PrfId::HMAC_SHA_256, PrfId::HMAC_SHA_384],
            groups: vec![GroupId::X25519, GroupId::X25519_MLKEM768, GroupId::P256, GroupId::P384],
            suites: vec![
                SuiteId::AES_128_GCM,
                SuiteId::AES_256_GCM,
                SuiteId::CHACHA20_POLY1305,
                SuiteId::AES_CM_256_HMAC_SHA_256,
                SuiteId::AES_CM_128_HMAC_SHA_256,
            ],
            local_methods: methods.clone(),
            remote_methods: methods,
            confidentiality: vec![Confidentiality::Encrypted],
            max_message: DEFAULT_REASSEMBLY,
            resumption: true,
        }
    }
}

impl Policy {
    /// The profile `pq-required`: only the hybrid group, keys of 256 bits, the longer hash.
    ///
    /// An initiator with this policy does not fall back: answers without the hybrid are bad branches.
    #[must_use]
    pub fn pq_required() -> Self {
        Self {
            prfs: vec![PrfId::HMAC_SHA_384],
            groups: vec![GroupId::X25519_MLKEM768],
            suites: vec![SuiteId::AES_256_GCM, SuiteId::CHACHA20_POLY1305],
            ..Self::default()
        }
    }

    /// The profile `fips`: NIST curves, AES and SHA-2 alone; no X25519, Ed25519 or ChaCha20.
    ///
    /// It lists approved algorithms. Whether a module is validated is the provider's matter.
    #[must_use]
    pub fn fips() -> Self {
        let methods = vec![
            MethodId::ECDSA_P256_SHA256,
            MethodId::ECDSA_P384_SHA384,
            MethodId::RSA_PSS_SHA256,
            MethodId::PSK,
        ];
        Self {
            groups: vec![GroupId::P256, GroupId::P384, GroupId::MODP_3072, GroupId::MODP_2048],
            suites: vec![
                SuiteId::AES_128_GCM,
                SuiteId::AES_256_GCM,
                SuiteId::AES_CM_256_HMAC_SHA_256,
                SuiteId::AES_CM_128_HMAC_SHA_256,
            ],
            local_methods: methods.clone(),
            remote_methods: methods,
            ..Self::default()
        }
    }

    /// The profile `legacy`: `default`, and the MODP groups for peers without elliptic curves.
    #[must_use]
    pub fn legacy() -> Self {
        let mut policy = Self::default();
        policy.groups.extend([GroupId::MODP_3072, GroupId::MODP_2048]);
        policy
    }

    /// The profile of that name: `default`, `pq-required`, `fips` or `legacy`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "default" => Some(Self::default()),
            "pq-required" => Some(Self::pq_required()),
            "fips" => Some(Self::fips()),
            "legacy" => Some(Self::legacy()),
            _ => None,
        }
    }

    /// Checks that the provider has everything that is listed, and that no list is empty.
    // R6.6
    pub(crate) fn check(&self, provider: &CryptoProvider) -> Result<(), ApiMisuse> {
        let all = |what, ok: bool| if ok { Ok(()) } else { Err(ApiMisuse::Policy(what)) };
        let listed = |n: usize| n > 0;
        all("exchange", listed(self.exchanges.len()))?;
        all("prf", listed(self.prfs.len()) && self.prfs.iter().all(|&p| provider.prf(p).is_some()))?;
        all("group", listed(self.groups.len()) && self.groups.iter().all(|&g| provider.group(g).is_some()))?;
        all("suite", listed(self.suites.len()) && self.suites.iter().all(|&s| provider.suite(s).is_some()))?;
        all("confidentiality", listed(self.confidentiality.len()))?;
        for methods in [&self.local_methods, &self.remote_methods] {
            let known = |m: &MethodId| !m.is_signature() || provider.signature(*m).is_some();
            all("authentication method", listed(methods.len()) && methods.iter().all(known))?;
        }
        if self.max_message < MIN_REASSEMBLY {
            return Err(ApiMisuse::Bounds("the longest reassembled message"));
        }
        Ok(())
    }
}
