//! MIKEY between an RTSP client and a server (RFC 4567 sections 3.2 and 4.2).

mod client;
mod server;

pub(crate) use client::group;
pub use client::{ClientKeys, Taken};
pub(crate) use server::Refusal;
pub use server::{ServerKeys, ServerStream};

use std::sync::Arc;
use std::time::Duration;

use mikey::keying::v1::{Agreement, KeyKind, Mode, Offer, Party, Policy, Quirk};
use mikey::keying::{ApiMisuse, PskTable};
use mikey::{EndpointConfig, Identity, Name, SrtpPolicy, Stream};
use mikey_crypto::{CryptoProvider, SecretBytes};

/// What protects the messages of MIKEY themselves.
pub struct Security {
    /// Whether the connection is encrypted and the peer's certificate was checked, or the user takes it unchecked: then NULL
    /// mode will do.
    pub secure_transport: bool,
    /// A key that both have: our name, the peer's, the key. With it, pre-shared key mode will do.
    pub psk: Option<(Name, Name, SecretBytes)>,
    /// Whether algorithms over SHA-1 will do (RFC 3830 as it was).
    pub legacy: bool,
    /// Unix time at [`mikey::Time::ZERO`].
    pub unix_time_at_zero: Duration,
}

impl Security {
    fn party(self, provider: CryptoProvider) -> Result<Party, ApiMisuse> {
        let mut policy = if self.legacy { Policy::legacy() } else { Policy::modern() };
        policy.modes = Vec::new();
        policy.modes.extend(self.secure_transport.then_some(Mode::Null));
        policy.modes.extend(self.psk.is_some().then_some(Mode::Psk));
        let mut psks = PskTable::new();
        let name = match self.psk {
            Some((us, peer, key)) => {
                psks.insert(us.clone(), peer, key)?;
                us
            }
            None => Name::parse("rtsp:anonymous")?,
        };
        let mut config = EndpointConfig::new(provider, Identity::new(name));
        config.psks = Arc::new(psks);
        config.unix_time_at_zero = Some(self.unix_time_at_zero);
        config.v1 = Some(policy);
        Party::new(config)
    }
}

/// Keys in the clear for a stream of ours, as players and cameras read them: with the salt after the key, where it can be told.
fn null_offer(stream: Stream, policy: SrtpPolicy) -> Offer {
    let mut offer = Offer::null(vec![stream]);
    if policy.salt_len == 14 {
        offer.key = KeyKind::JoinedTek;
    }
    offer
}

/// What was agreed on, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// How the keys came.
    pub mode: Mode,
    /// What protects the packets of the one who sends them, and its SSRC if it was told.
    pub streams: Vec<(Option<u32>, SrtpPolicy)>,
    /// Octets of MKI in each packet.
    pub mki: usize,
    /// Whether keys were there before.
    pub renewed: bool,
    /// What the peer does otherwise than RFC 3830.
    pub quirks: Vec<Quirk>,
}

impl Agreed {
    fn of(agreement: &Agreement, renewed: bool) -> Self {
        let streams = agreement.keys.streams.iter();
        Self {
            mode: agreement.mode,
            streams: streams.clone().map(|stream| (stream.ssrc, stream.policy)).collect(),
            mki: streams.map(|stream| stream.mki.len()).max().unwrap_or(0),
            renewed,
            quirks: agreement.quirks.iter().collect(),
        }
    }
}
