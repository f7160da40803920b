//! What is recorded of the wire: the timeline of the handshake, and a capture file if one was asked for.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mikey::{Class, Time, classify};
use mikey_net::{Clock, Direction, Tap};
use mikey_wire::DataType;

use crate::error::{Error, Result};
use crate::pcap::write::Writer;

/// Messages that a timeline keeps: a flood must not fill the memory.
const MAX_MESSAGES: usize = 1000;

/// Senders whose first packet of speech is kept.
const MAX_SPEAKERS: usize = 16;

/// How speech is called among the messages.
const SPEECH: &str = "SRTP";

/// A key management message on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Sighting {
    /// When, on the clock of the recorder.
    pub(crate) at: Duration,
    /// Which way, as the recording side saw it.
    pub(crate) direction: Direction,
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// To whom.
    pub(crate) to: SocketAddr,
    /// Its data type.
    pub(crate) name: String,
    /// Its length.
    pub(crate) octets: usize,
    /// Whether it is speech.
    pub(crate) speech: bool,
}

/// What taps write to. Several lines may share one.
#[derive(Clone)]
pub(crate) struct Recorder {
    shared: Arc<Mutex<Shared>>,
    clock: Clock,
}

struct Shared {
    sightings: Vec<Sighting>,
    /// Who has sent speech since speech is looked for.
    speakers: Option<Vec<SocketAddr>>,
    capture: Option<Writer>,
    failed: Option<Error>,
}

/// What a tap passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum See {
    /// Both directions.
    Everything,
    /// What is sent: for two lines of one process, so that nothing is there twice.
    Sent,
}

impl Recorder {
    /// Records from now on, also into a capture file if there is a path.
    ///
    /// # Errors
    /// If the file cannot be made.
    pub(crate) fn start(clock: Clock, capture: Option<&Path>) -> Result<Self> {
        let capture = capture.map(Writer::create).transpose()?;
        let shared = Shared { sightings: Vec::new(), speakers: None, capture, failed: None };
        Ok(Self { shared: Arc::new(Mutex::new(shared)), clock })
    }

    /// A tap for a driver with this clock.
    pub(crate) fn tap(&self, clock: Clock, see: See) -> Box<dyn Tap> {
        Box::new(RecorderTap { recorder: self.clone(), clock, see, local: None })
    }

    /// A message of signalling that leaves now.
    pub(crate) fn signalling(&self, from: SocketAddr, to: SocketAddr, name: String, octets: &[u8]) {
        let unix = self.clock.unix_time(self.clock.now());
        let Ok(mut shared) = self.shared.lock() else { return };
        shared.capture(unix, from, to, octets);
        shared.sighted(Sighting {
            at: unix.saturating_sub(self.clock.unix_time_at_zero()),
            direction: Direction::Outbound,
            from,
            to,
            name,
            octets: octets.len(),
            speech: false,
        });
    }

    /// The messages since the last call.
    pub(crate) fn take_sightings(&self) -> Vec<Sighting> {
        self.shared.lock().map(|mut shared| std::mem::take(&mut shared.sightings)).unwrap_or_default()
    }

    /// Looks for the first packet of speech of each sender as well, from now on.
    pub(crate) fn look_for_speech(&self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.speakers = Some(Vec::new());
        }
    }

    /// Ends the capture file.
    ///
    /// # Errors
    /// If it could not be written, now or before.
    pub(crate) fn finish(&self) -> Result {
        let Ok(mut shared) = self.shared.lock() else { return Ok(()) };
        if let Some(error) = shared.failed.take() {
            return Err(error);
        }
        shared.capture.take().map_or(Ok(()), Writer::finish)
    }

    fn record(&self, unix: Duration, direction: Direction, from: SocketAddr, to: SocketAddr, octets: &[u8]) {
        let Ok(mut shared) = self.shared.lock() else { return };
        shared.capture(unix, from, to, octets);
        let name = match (classify(octets), &mut shared.speakers) {
            (Class::Mikey { .. }, _) => {
                let data_type = DataType(octets.get(1).copied().unwrap_or_default());
                data_type.name().map_or_else(|| format!("data type {}", data_type.0), str::to_owned)
            }
            (Class::Rtp, Some(speakers)) if speakers.len() < MAX_SPEAKERS && !speakers.contains(&from) => {
                speakers.push(from);
                SPEECH.to_owned()
            }
            _ => return,
        };
        let at = unix.saturating_sub(self.clock.unix_time_at_zero());
        let speech = name == SPEECH;
        shared.sighted(Sighting { at, direction, from, to, name, octets: octets.len(), speech });
    }
}

impl Shared {
    fn capture(&mut self, unix: Duration, from: SocketAddr, to: SocketAddr, octets: &[u8]) {
        let micros = u64::try_from(unix.as_micros()).unwrap_or(u64::MAX);
        if let Some(capture) = &mut self.capture
            && let Err(error) = capture.datagram(micros, from, to, octets)
        {
            self.capture = None;
            self.failed = Some(error);
        }
    }

    fn sighted(&mut self, sighting: Sighting) {
        if self.sightings.len() < MAX_MESSAGES {
            self.sightings.push(sighting);
        }
    }
}

struct RecorderTap {
    recorder: Recorder,
    clock: Clock,
    see: See,
    /// Our address as datagrams to us name it: a socket may listen on all of them.
    local: Option<IpAddr>,
}

impl Tap for RecorderTap {
    fn datagram(
        &mut self,
        direction: Direction,
        at: Time,
        local: SocketAddr,
        remote: SocketAddr,
        octets: &[u8],
    ) {
        if direction == Direction::Inbound {
            self.local = Some(local.ip());
        }
        let local = match self.local {
            Some(ip) if local.ip().is_unspecified() => SocketAddr::new(ip, local.port()),
            _ => local,
        };
        let unix = self.clock.unix_time(at);
        match direction {
            Direction::Outbound => self.recorder.record(unix, direction, local, remote, octets),
            Direction::Inbound if self.see == See::Everything => {
                self.recorder.record(unix, direction, remote, local, octets);
            }
            Direction::Inbound => {}
        }
    }
}
