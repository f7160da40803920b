//! Master keys as key management hands them over, and what a context makes of one (RFC 3711 section 3.2.1).

use alloc::boxed::Box;
use alloc::sync::Arc;

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::{
    SrtpCipher, SrtpCrypto, SrtpPolicy, SrtpTransform, TransformKeys, UnsupportedTransform,
};

use crate::error::InstallError;
use crate::extension::ExtensionIds;
use crate::index::PacketIndex;
use crate::iv::Salt;
use crate::kdf::{Master, Purpose, SessionKeys, ShortKeys};
use crate::limits::{MAX_MKI_LEN, MAX_SRTCP_PACKETS, MAX_SRTP_PACKETS, SOFT_LIMIT_FRACTION};
use crate::time::Time;

/// A master key, its salt, its name and its life. Secrets move in and are wiped when the last session key is derived.
///
/// ```
/// use mikey_crypto::SecretBytes;
/// use mikey_srtp::{MasterKey, Mki};
///
/// let key = MasterKey::new(SecretBytes::zeroed(16), SecretBytes::zeroed(14)).with_mki(Mki::new(&[0, 0, 0, 1]).unwrap());
/// ```
pub struct MasterKey {
    /// The master key: 16, 24 or 32 octets, at least as long as the policy's session key.
    pub key: SecretBytes,
    /// The master salt: 12 octets for an AEAD, at most 14 for the others.
    pub salt: SecretBytes,
    /// Its identifier in packets; empty if packets carry none.
    pub mki: Mki,
    /// For which packet indices it is valid.
    pub validity: Validity,
    /// How much it may protect, and until when.
    pub lifetime: Lifetime,
    /// Whether it serves several senders by policy; see [`MasterKey::shared`].
    pub shared: bool,
}

impl MasterKey {
    /// A key without MKI, valid for every index, with the lifetime of RFC 3711.
    #[must_use]
    pub fn new(key: SecretBytes, salt: SecretBytes) -> Self {
        Self {
            key,
            salt,
            mki: Mki::none(),
            validity: Validity::Always,
            lifetime: Lifetime::RFC3711,
            shared: false,
        }
    }

    /// The same key with an MKI.
    #[must_use]
    pub fn with_mki(mut self, mki: Mki) -> Self {
        self.mki = mki;
        self
    }

    /// The same key with a range of indices.
    #[must_use]
    pub fn with_validity(mut self, validity: Validity) -> Self {
        self.validity = validity;
        self
    }

    /// The same key as one that several senders share, in both directions. Whoever says so has made sure that no two of them
    /// have one SSRC: else they use one key stream twice. SRTP cannot tell them apart (RFC 3711 section 9.1).
    #[must_use]
    pub fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// The same key with another lifetime.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.lifetime = lifetime;
        self
    }
}

/// Master key identifier: 0 to 255 octets, 0 meaning that packets carry none. It is public.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Mki(Box<[u8]>);

impl Mki {
    /// No MKI in packets.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Copies an identifier.
    ///
    /// # Errors
    /// [`MkiTooLong`] above 255 octets.
    pub fn new(mki: &[u8]) -> Result<Self, MkiTooLong> {
        if mki.len() > MAX_MKI_LEN { Err(MkiTooLong) } else { Ok(Self(mki.into())) }
    }
}

impl AsRef<[u8]> for Mki {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// An MKI has at most 255 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MkiTooLong;

impl core::fmt::Display for MkiTooLong {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("an MKI has at most 255 octets")
    }
}

impl core::error::Error for MkiTooLong {}

/// For which SRTP packets a master key is valid (`From`, `To` of RFC 3711 section 8.1.1). SRTCP is not bound by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// From the first packet until another key replaces it.
    Always,
    /// For the indices of this range, ends included.
    Range {
        /// First index.
        from: PacketIndex,
        /// Last index.
        to: PacketIndex,
    },
}

impl Validity {
    pub(crate) fn holds(self, index: PacketIndex) -> bool {
        match self {
            Self::Always => true,
            Self::Range { from, to } => from <= index && index <= to,
        }
    }
}

/// How many packets a key may protect on one stream, and until when. A soft limit is reported when less than a
/// sixteenth is left; at the end packets are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// SRTP packets, at most 2^48.
    pub srtp_packets: u64,
    /// SRTCP packets, at most 2^31.
    pub srtcp_packets: u64,
    /// When it ends in any case.
    pub until: Time,
}

impl Lifetime {
    /// 2^48 SRTP and 2^31 SRTCP packets, no end in time.
    pub const RFC3711: Self =
        Self { srtp_packets: MAX_SRTP_PACKETS, srtcp_packets: MAX_SRTCP_PACKETS, until: Time::NEVER };

    pub(crate) fn check(&self) -> bool {
        (1..=MAX_SRTP_PACKETS).contains(&self.srtp_packets)
            && (1..=MAX_SRTCP_PACKETS).contains(&self.srtcp_packets)
    }
}

/// Whether `used` packets of `limit` leave so few that a new key is due.
pub(crate) const fn is_due(used: u64, limit: u64) -> bool {
    used >= limit - limit / SOFT_LIMIT_FRACTION
}

/// One master key with its policy, ready for packets. Shared by the streams of its sender; never changes.
///
/// A million contexts have a million of these, so the usual case has no octet too many and the others a box.
pub(crate) struct Context {
    /// SRTP keys; those of the first period if the policy has a key derivation rate.
    pub(crate) rtp: RtpKeys,
    pub(crate) policy: Arc<SrtpPolicy>,
    /// What few keys have.
    pub(crate) rare: Option<Box<Rare>>,
    mki: ShortMki,
    /// SRTCP's session keys, unless they are longer than these.
    rtcp: ShortKeys,
    /// Whether packets need nothing but transform, salt, MKI and tag.
    pub(crate) simple: bool,
}

/// An MKI of up to four octets, as nearly all are.
#[derive(Clone, Copy)]
struct ShortMki {
    len: u8,
    octets: [u8; 4],
}

impl ShortMki {
    const NONE: Self = Self { len: 0, octets: [0; 4] };

    fn new(mki: &[u8]) -> Option<Self> {
        let mut octets = [0; 4];
        octets.get_mut(..mki.len())?.copy_from_slice(mki);
        Some(Self { len: u8::try_from(mki.len()).ok()?, octets })
    }
}

/// What few keys have: session keys of more than 128 bits for SRTCP, a key derivation rate, encrypted header extensions,
/// a validity, a lifetime, a long MKI, the ROC in the tag.
pub(crate) struct Rare {
    rtcp: Option<SessionKeys>,
    pub(crate) master: Option<Master>,
    pub(crate) extensions: ExtensionIds,
    pub(crate) validity: Validity,
    pub(crate) lifetime: Lifetime,
    mki: Option<Mki>,
    rtp: RareRtpKeys,
}

impl Context {
    /// Checks the key against the policy and derives what does not depend on an index. Also returns a name of the key
    /// that tells nothing about it.
    pub(crate) fn new(
        crypto: &dyn SrtpCrypto,
        policy: Arc<SrtpPolicy>,
        extensions: ExtensionIds,
        tesla: bool,
        key: MasterKey,
    ) -> Result<(Arc<Self>, u64), InstallError> {
        policy.check()?;
        if tesla && !policy.may_carry_tesla() {
            return Err(InstallError::Tesla);
        }
        let MasterKey { key, salt, mki, validity, lifetime, shared: _ } = key;
        if !matches!(key.len(), 16 | 24 | 32) || key.len() < usize::from(policy.key_len) {
            return Err(InstallError::MasterKeyLen);
        }
        if salt.len() > 14 || (policy.cipher == SrtpCipher::AesGcm && salt.len() != 12) {
            return Err(InstallError::MasterSaltLen);
        }
        let backwards = matches!(validity, Validity::Range { from, to } if from > to);
        if backwards || !lifetime.check() {
            return Err(InstallError::Validity);
        }
        let master = Master { key, salt };
        let (rtp, mut rare_rtp) = RtpKeys::derive(crypto, &policy, &master, extensions, 0)?;
        if tesla {
            rare_rtp.split = Some(Box::new(Split::derive(crypto, &policy, &master)?));
        }
        let rtcp = master.derive(crypto, &policy, Purpose::Rtcp, 0)?;
        let fingerprint = master.fingerprint(crypto)?;
        let short = (ShortMki::new(mki.as_ref()), ShortKeys::new(&rtcp));
        let simple = policy.kdr == 0
            && rare_rtp.is_empty()
            && validity == Validity::Always
            && lifetime == Lifetime::RFC3711;
        let rare = match &short {
            (Some(_), Some(_)) if simple => None,
            (short_mki, short_rtcp) => Some(Box::new(Rare {
                rtcp: short_rtcp.is_none().then_some(rtcp),
                master: (policy.kdr != 0).then_some(master),
                extensions,
                validity,
                lifetime,
                mki: short_mki.is_none().then_some(mki),
                rtp: rare_rtp,
            })),
        };
        let mki = short.0.unwrap_or(ShortMki::NONE);
        let rtcp = short.1.unwrap_or(ShortKeys::NONE);
        Ok((Arc::new(Self { rtp, policy, rare, mki, rtcp, simple }), fingerprint))
    }

    #[inline]
    pub(crate) fn mki(&self) -> &[u8] {
        match self.rare.as_ref().and_then(|rare| rare.mki.as_ref()) {
            Some(mki) => mki.as_ref(),
            None => self.mki.octets.get(..usize::from(self.mki.len)).unwrap_or(&[]),
        }
    }

    /// The transforms that few policies need, of the first period.
    pub(crate) fn rare_rtp(&self) -> &RareRtpKeys {
        self.rare.as_ref().map_or(&RareRtpKeys::NONE, |rare| &rare.rtp)
    }

    /// Whether packets carry TESLA.
    #[inline]
    pub(crate) fn is_tesla(&self) -> bool {
        self.rare_rtp().split.is_some()
    }

    #[inline]
    pub(crate) fn validity(&self) -> Validity {
        self.rare.as_ref().map_or(Validity::Always, |rare| rare.validity)
    }

    // R11.6
    #[inline]
    pub(crate) fn lifetime(&self) -> Lifetime {
        self.rare.as_ref().map_or(Lifetime::RFC3711, |rare| rare.lifetime)
    }

    /// SRTCP's keys of an index.
    pub(crate) fn rtcp_keys(
        &self,
        crypto: &dyn SrtpCrypto,
        index: u32,
    ) -> Result<SessionKeys, UnsupportedTransform> {
        let Some(rare) = &self.rare else { return Ok(self.rtcp.whole(&self.policy)) };
        match (&rare.master, &rare.rtcp) {
            (Some(master), _) => {
                let period = u64::from(index) >> self.policy.kdr.trailing_zeros();
                master.derive(crypto, &self.policy, Purpose::Rtcp, period)
            }
            (None, Some(keys)) => Ok(keys.copy()),
            (None, None) => Ok(self.rtcp.whole(&self.policy)),
        }
    }

    #[inline]
    pub(crate) fn extensions(&self) -> ExtensionIds {
        self.rare.as_ref().map_or(ExtensionIds::NONE, |rare| rare.extensions)
    }
}

/// The keys of SRTP for one period of the key derivation rate, and what each packet asks about the policy.
pub(crate) struct RtpKeys {
    pub(crate) transform: Box<dyn SrtpTransform>,
    pub(crate) salt: Salt,
    pub(crate) cipher: SrtpCipher,
    /// Octets of every packet's MAC or AEAD tag, except where the ROC is carried.
    pub(crate) mac_len: u8,
}

/// Transforms that few policies need.
pub(crate) struct RareRtpKeys {
    /// The keystream of header extensions (RFC 6904), and its salt.
    pub(crate) extension: Option<(Box<dyn SrtpTransform>, Salt)>,
    /// RFC 4771 modes 1 and 3: the packets that carry no MAC.
    pub(crate) untagged: Option<Box<dyn SrtpTransform>>,
    /// TESLA: its MAC stands between encryption and tag.
    pub(crate) split: Option<Box<Split>>,
}

/// The two halves of the transform, each by itself.
pub(crate) struct Split {
    /// Encrypts, and makes no tag.
    pub(crate) cipher: Box<dyn SrtpTransform>,
    /// Makes the tag, and encrypts nothing.
    pub(crate) mac: Box<dyn SrtpTransform>,
}

impl Split {
    fn derive(
        crypto: &dyn SrtpCrypto,
        policy: &SrtpPolicy,
        master: &Master,
    ) -> Result<Self, UnsupportedTransform> {
        let keys = master.derive(crypto, policy, Purpose::Rtp, 0)?;
        let whole = rtp_keys(policy, &keys);
        let (cipher, mac) =
            (crypto.transform(&without_mac(whole))?, crypto.transform(&without_cipher(whole))?);
        Ok(Self { cipher, mac })
    }
}

impl RareRtpKeys {
    const NONE: Self = Self { extension: None, untagged: None, split: None };

    const fn is_empty(&self) -> bool {
        self.extension.is_none() && self.untagged.is_none() && self.split.is_none()
    }
}

impl RtpKeys {
    pub(crate) fn derive(
        crypto: &dyn SrtpCrypto,
        policy: &SrtpPolicy,
        master: &Master,
        extensions: ExtensionIds,
        period: u64,
    ) -> Result<(Self, RareRtpKeys), UnsupportedTransform> {
        let keys = master.derive(crypto, policy, Purpose::Rtp, period)?;
        let transform = crypto.transform(&rtp_keys(policy, &keys))?;
        let untagged = match policy.auth.carries_roc() {
            true => Some(crypto.transform(&without_mac(rtp_keys(policy, &keys)))?),
            false => None,
        };
        let extension = match extensions.is_empty() {
            true => None,
            false => {
                let keys = master.derive(crypto, policy, Purpose::Header, period)?;
                Some((crypto.transform(&extension_keys(policy, &keys))?, *keys.salt()))
            }
        };
        let mac_len = if policy.srtp_auth { policy.tag_len } else { 0 };
        let this = Self { transform, salt: *keys.salt(), cipher: policy.cipher, mac_len };
        Ok((this, RareRtpKeys { extension, untagged, split: None }))
    }

    /// Moves on to another period without allocating.
    pub(crate) fn rederive(
        &mut self,
        rare: &mut RareRtpKeys,
        crypto: &dyn SrtpCrypto,
        policy: &SrtpPolicy,
        master: &Master,
        period: u64,
    ) -> Result<(), UnsupportedTransform> {
        let keys = master.derive(crypto, policy, Purpose::Rtp, period)?;
        self.transform.rekey(&rtp_keys(policy, &keys))?;
        self.salt = *keys.salt();
        if let Some(untagged) = &mut rare.untagged {
            untagged.rekey(&without_mac(rtp_keys(policy, &keys)))?;
        }
        if let Some((transform, salt)) = &mut rare.extension {
            let keys = master.derive(crypto, policy, Purpose::Header, period)?;
            transform.rekey(&extension_keys(policy, &keys))?;
            *salt = *keys.salt();
        }
        Ok(())
    }
}

fn rtp_keys<'a>(policy: &SrtpPolicy, keys: &'a SessionKeys) -> TransformKeys<'a> {
    // An AEAD cannot be off (checked); another cipher that is off is the NULL cipher.
    let cipher = if policy.srtp_encryption { policy.cipher } else { SrtpCipher::Null };
    transform_keys(policy, keys, cipher, policy.srtp_auth)
}

/// The same keys for encryption alone.
pub(crate) fn without_mac(keys: TransformKeys<'_>) -> TransformKeys<'_> {
    TransformKeys { authentication: None, ..keys }
}

/// The same keys for the tag alone.
pub(crate) fn without_cipher(keys: TransformKeys<'_>) -> TransformKeys<'_> {
    TransformKeys { cipher: SrtpCipher::Null, prefix_len: 0, ..keys }
}

/// The keys of SRTCP. An AEAD authenticates whether it encrypts or not.
pub(crate) fn rtcp_keys<'a>(
    policy: &SrtpPolicy,
    keys: &'a SessionKeys,
    encrypted: bool,
) -> TransformKeys<'a> {
    let off = !encrypted && policy.cipher != SrtpCipher::AesGcm;
    let cipher = if off { SrtpCipher::Null } else { policy.cipher };
    transform_keys(policy, keys, cipher, policy.srtcp_auth)
}

/// RFC 7714 section 8.3: with an AEAD the keystream of header extensions is that of AES-CM.
fn extension_keys<'a>(policy: &SrtpPolicy, keys: &'a SessionKeys) -> TransformKeys<'a> {
    let cipher = if policy.cipher == SrtpCipher::AesGcm { SrtpCipher::AesCm } else { policy.cipher };
    transform_keys(policy, keys, cipher, false)
}

fn transform_keys<'a>(
    policy: &SrtpPolicy,
    keys: &'a SessionKeys,
    cipher: SrtpCipher,
    authenticated: bool,
) -> TransformKeys<'a> {
    let hmac = authenticated && policy.cipher != SrtpCipher::AesGcm;
    TransformKeys {
        cipher,
        encryption: keys.encryption(),
        salt: keys.salt_octets(policy.salt_len),
        authentication: hmac.then(|| keys.authentication()),
        prefix_len: policy.prefix_len,
    }
}
