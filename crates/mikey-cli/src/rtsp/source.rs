//! What `mikey rtsp serve` reads: a WAV file as G.711 or L16, or a byte stream of H.264.

use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use data_encoding::BASE64;
use hound::{SampleFormat, WavReader};
use mikey_rtsp::media::{access_units, parameter_sets, payloads};
use mikey_rtsp::{Presentation, Published};

use crate::audio::g711::Law;
use crate::audio::resample::RATE;
use crate::audio::speech::{Side, Speech};
use crate::error::{Error, Result};
use crate::files::read_limited;

/// Largest video that is served.
const MAX_VIDEO: u64 = 1 << 30;

/// Longest L16 that is served, in samples: an hour of stereo.
const MAX_SAMPLES: usize = 48_000 * 2 * 3600;

/// How a WAV file is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AudioCodec {
    /// G.711 mu-law, 8000 Hz, mono
    Pcmu,
    /// G.711 A-law, 8000 Hz, mono
    Pcma,
    /// Samples of 16 bits as they are: rate and channels are those of the file
    L16,
}

/// A stream that is ready to be sent.
pub(crate) struct Media {
    /// Timestamps a second.
    pub(crate) clock_rate: u32,
    /// Timestamps of one frame.
    ticks: u32,
    /// Payloads of each frame.
    frames: Vec<Vec<Vec<u8>>>,
    /// Whether the last packet of a frame has the marker bit.
    is_video: bool,
}

/// One time of a stream.
pub(crate) struct Frame<'a> {
    /// Timestamps since the beginning.
    pub(crate) ticks: u32,
    /// Payload and marker bit of each packet.
    pub(crate) packets: Vec<(&'a [u8], bool)>,
}

impl Media {
    pub(crate) fn frames(&self) -> usize {
        self.frames.len()
    }

    /// The frame of this number, which goes on beyond the end from the beginning.
    pub(crate) fn frame(&self, number: usize) -> Option<Frame<'_>> {
        let payloads = self.frames.get(number.checked_rem(self.frames.len())?)?;
        let last = payloads.len().saturating_sub(1);
        let marked = |at: usize| if self.is_video { at == last } else { number == 0 && at == 0 };
        let packets =
            payloads.iter().enumerate().map(|(at, payload)| (payload.as_slice(), marked(at))).collect();
        Some(Frame { ticks: u32::try_from(number).unwrap_or(u32::MAX).wrapping_mul(self.ticks), packets })
    }

    /// When the frame of this number is due after the beginning.
    pub(crate) fn due(&self, number: usize) -> Duration {
        let ticks = u64::try_from(number).unwrap_or(u64::MAX).saturating_mul(self.ticks.into());
        Duration::from_micros(ticks.saturating_mul(1_000_000) / u64::from(self.clock_rate.max(1)))
    }
}

/// Reads a file by its first octets: RIFF is a WAV file, a start code begins a byte stream of H.264.
///
/// # Errors
/// If it is neither, or cannot be read.
pub(crate) fn open(
    path: &Path,
    name: &str,
    codec: AudioCodec,
    rate: f64,
) -> Result<(Presentation, Vec<Media>)> {
    let octets = read_limited(path, MAX_VIDEO)?;
    let (published, media) = if octets.starts_with(b"RIFF") {
        drop(octets);
        audio(path, codec)?
    } else if octets.starts_with(&[0, 0, 1]) || octets.starts_with(&[0, 0, 0, 1]) {
        video(path, &octets, rate)?
    } else {
        return Err(Error::failed(format!("'{}' is neither WAV nor a byte stream of H.264", path.display()))
            .hint("ffmpeg makes both: 'ffmpeg -i FILE out.wav', 'ffmpeg -i FILE -an -c:v copy -bsf:v h264_mp4toannexb out.h264'"));
    };
    Ok((Presentation { path: name.to_owned(), streams: vec![published] }, vec![media]))
}

fn audio(path: &Path, codec: AudioCodec) -> Result<(Published, Media)> {
    let (payload_type, law, name) = match codec {
        AudioCodec::Pcmu => (0, Law::Pcmu, "PCMU"),
        AudioCodec::Pcma => (8, Law::Pcma, "PCMA"),
        AudioCodec::L16 => return l16(path),
    };
    let octets = Speech::open(Some(path), Side::Caller)?.encode(law);
    let ticks = RATE / 50;
    let published =
        Published { kind: "audio", payload_type, map: format!("{name}/{RATE}"), parameters: None };
    let frames =
        octets.chunks(usize::try_from(ticks).unwrap_or(160)).map(|frame| vec![frame.to_vec()]).collect();
    Ok((published, Media { clock_rate: RATE, ticks, frames, is_video: false }))
}

fn l16(path: &Path) -> Result<(Published, Media)> {
    let unusable = |_| Error::failed(format!("'{}' is not a WAV file that can be used", path.display()));
    let mut reader = WavReader::open(path).map_err(unusable)?;
    let spec = reader.spec();
    if spec.bits_per_sample != 16 || spec.sample_format != SampleFormat::Int || spec.channels == 0 {
        return Err(Error::failed(format!("'{}' does not have samples of 16 bits", path.display()))
            .hint("serve it as PCMU or PCMA, or convert it"));
    }
    let samples: Vec<i16> =
        reader.samples::<i16>().take(MAX_SAMPLES).collect::<std::result::Result<_, _>>().map_err(unusable)?;
    let rate = spec.sample_rate.max(50);
    let channels = usize::from(spec.channels);
    // As many samples as fit into a packet, 20 ms at most.
    let fit = mikey_rtsp::limits::MAX_PAYLOAD / 2 / channels;
    let per_frame = usize::try_from(rate / 50).unwrap_or(160).min(fit).max(1);
    let frames = samples.chunks(per_frame * channels);
    let frames: Vec<_> =
        frames.map(|frame| vec![frame.iter().flat_map(|sample| sample.to_be_bytes()).collect()]).collect();
    if frames.is_empty() {
        return Err(Error::failed(format!("'{}' has no samples", path.display())));
    }
    let map = if channels == 1 { format!("L16/{rate}") } else { format!("L16/{rate}/{channels}") };
    let published = Published { kind: "audio", payload_type: 96, map, parameters: None };
    let ticks = u32::try_from(per_frame).unwrap_or(u32::MAX);
    Ok((published, Media { clock_rate: rate, ticks, frames, is_video: false }))
}

fn video(path: &Path, octets: &[u8], rate: f64) -> Result<(Published, Media)> {
    const CLOCK: u32 = 90_000;
    let units = access_units(octets);
    if units.is_empty() {
        return Err(Error::failed(format!("'{}' has no picture of H.264", path.display())));
    }
    let sets = parameter_sets(octets);
    let mut parameters = "packetization-mode=1".to_owned();
    if let Some([_, profile, constraints, level, ..]) = sets.first().map(Vec::as_slice) {
        let sets: Vec<String> = sets.iter().map(|set| BASE64.encode(set)).collect();
        let sets = sets.join(",");
        parameters.push_str(&format!(
            ";profile-level-id={profile:02x}{constraints:02x}{level:02x};sprop-parameter-sets={sets}"
        ));
    }
    let map = format!("H264/{CLOCK}");
    let published = Published { kind: "video", payload_type: 96, map, parameters: Some(parameters) };
    let frames = units.iter().map(|unit| unit.iter().flat_map(|nal| payloads(nal)).collect()).collect();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 1 to 240 pictures a second
    let ticks = (f64::from(CLOCK) / rate).round() as u32;
    Ok((published, Media { clock_rate: CLOCK, ticks, frames, is_video: true }))
}

/// Pictures a second.
///
/// # Errors
/// If it is no number from 1 to 240.
pub(crate) fn frame_rate(text: &str) -> std::result::Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number of pictures a second".to_owned())?;
    if (1.0..=240.0).contains(&rate) {
        Ok(rate)
    } else {
        Err("not between 1 and 240 pictures a second".to_owned())
    }
}
