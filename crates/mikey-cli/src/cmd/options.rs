//! Options that `demo`, `listen` and `call` have in common, and what is made of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use mikey::KeyLog;
use mikey::keying::{Exchange, Policy};
use mikey_crypto::MethodId;
use mikey_net::Clock;

use crate::audio::g711::Law;
use crate::audio::speech::{Side, Speech};
use crate::call::keylog::KeyLogFile;
use crate::call::leg::Pace;
use crate::call::line::Voice;
use crate::call::record::Recorder;
use crate::error::{Error, Result};
use crate::ui::Ui;

/// A list of algorithms under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Every current algorithm, the fast ones first: X25519, X25519+ML-KEM-768, P-256, P-384; AES-GCM, ChaCha20, AES-CM
    Default,
    /// Key exchange by X25519+ML-KEM-768 alone, keys of 256 bits, SHA-384: safe against a later quantum computer
    PqRequired,
    /// NIST curves, MODP, AES and SHA-2 alone: no X25519, Ed25519 or ChaCha20
    Fips,
    /// The default, and the MODP groups of 3072 and 2048 bits for peers without elliptic curves
    Legacy,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::PqRequired => "pq-required",
            Self::Fips => "fips",
            Self::Legacy => "legacy",
        }
    }
}

/// What follows INIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExchangeKind {
    /// Both authenticate each other by what was negotiated for each: certificates, a pre-shared key, a SAS
    Cce,
    /// The draft's option 2 with a pre-shared key: the caller sends a key under it
    Cce2Psk,
    /// The draft's option 2 with RSA: the caller signs, and sends a key that only the callee decrypts
    Cce2Rsa,
}

impl ExchangeKind {
    /// The same for the library.
    pub(crate) fn exchange(self) -> Exchange {
        match self {
            Self::Cce => Exchange::Cce,
            Self::Cce2Psk => Exchange::Cce2Psk,
            Self::Cce2Rsa => Exchange::Cce2Rsa,
        }
    }
}

/// What the handshake may use.
#[derive(Debug, clap::Args)]
pub(crate) struct Algorithms {
    /// The algorithms that the handshake may use. The callee's order decides
    #[arg(long, value_name = "PROFILE", value_enum, default_value_t = Profile::Default, visible_alias = "profile")]
    pub(crate) policy: Profile,
}

impl Algorithms {
    /// The policy; `sas`: both ends authenticate by SAS alone.
    ///
    /// # Errors
    /// If the library does not know the profile.
    pub(crate) fn policy(&self, sas: bool) -> Result<Policy> {
        let name = self.policy.name();
        let mut policy =
            Policy::named(name).ok_or_else(|| Error::usage(format!("there is no policy '{name}'")))?;
        if sas {
            policy.local_methods = vec![MethodId::SAS];
            policy.remote_methods = vec![MethodId::SAS];
        }
        Ok(policy)
    }
}

/// Reads a number of seconds, with fractions.
///
/// # Errors
/// If it is no number, or less than a tenth of a second or more than a day.
pub(crate) fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if (0.1..=86_400.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("not between 0.1 and 86400 seconds".to_owned())
    }
}

/// What is said, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Speech")]
pub(crate) struct VoiceOptions {
    /// What is said: a WAV file. Without it a recording of Debian's alsa-utils, or a made signal
    #[arg(long, value_name = "FILE")]
    audio: Option<PathBuf>,
    /// The G.711 law
    #[arg(long, value_enum, default_value_t = Law::Pcma)]
    codec: Law,
    /// Do not wait 20 ms between packets
    #[arg(long)]
    fast: bool,
    /// The only SRTP policy to offer or accept, by its registered name (AES_CM_128_HMAC_SHA1_80 for one)
    #[arg(long, value_name = "POLICY")]
    pub(crate) srtp: Option<String>,
}

/// What is recorded.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Recording")]
pub(crate) struct RecordOptions {
    /// Write every datagram to a capture file for Wireshark
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Write the keys of SRTP and MIKEY to a file, for analysis: whoever reads it hears the call
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,
}

impl VoiceOptions {
    /// Reads the speech of one side; says where it is from.
    ///
    /// # Errors
    /// If the named file is of no use.
    pub(crate) fn voice(&self, side: Side) -> Result<(Voice, String)> {
        let speech = Speech::open(self.audio.as_deref(), side)?;
        let about = format!("{} ({:.1} s)", speech.origin, speech.seconds());
        let pace = if self.fast { Pace::Fast } else { Pace::Real };
        let octets: Arc<[u8]> = speech.encode(self.codec).into();
        Ok((Voice { law: self.codec, pace, speech: octets }, about))
    }
}

impl RecordOptions {
    /// Starts recording.
    ///
    /// # Errors
    /// If a file cannot be made.
    pub(crate) fn start(&self, ui: Ui, clock: Clock) -> Result<(Recorder, Option<KeyLogFile>)> {
        let recorder = Recorder::start(clock, self.pcap.as_deref())?;
        let key_log = self.keylog.as_deref().map(|path| KeyLogFile::create(ui, path)).transpose()?;
        Ok((recorder, key_log))
    }
}

/// A key log for one agent.
pub(crate) fn boxed(key_log: Option<&KeyLogFile>) -> Option<Box<dyn KeyLog>> {
    key_log.map(|log| Box::new(log.clone()) as Box<dyn KeyLog>)
}
