//! Options that `demo`, `listen` and `call` have in common, and what is made of them.

use std::path::PathBuf;
use std::sync::Arc;

use mikey::KeyLog;
use mikey_net::Clock;

use crate::audio::g711::Law;
use crate::audio::speech::{Side, Speech};
use crate::call::keylog::KeyLogFile;
use crate::call::leg::Pace;
use crate::call::line::Voice;
use crate::call::record::Recorder;
use crate::error::Result;
use crate::ui::Ui;

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
    /// Write the SRTP master keys to a file, for analysis: whoever reads it hears the call
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
