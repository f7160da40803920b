//! The speech of a call: a WAV file that the user names, else a recording of Debian's alsa-utils, else a made signal.

use std::path::Path;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

use crate::audio::g711::Law;
use crate::audio::resample::{RATE, to_telephony};
use crate::audio::rtp::FRAME;
use crate::error::{Error, Result};

/// Where Debian's package alsa-utils keeps its recorded voices.
const ALSA: &str = "/usr/share/sounds/alsa";

/// Longest speech that is read, in seconds: keeps memory bounded whatever file is named.
const MAX_SECONDS: u32 = 3600;

/// Mono, 16 bits, [`RATE`].
#[derive(Debug)]
pub(crate) struct Speech {
    /// The samples.
    pub(crate) samples: Vec<i16>,
    /// Where they are from, for people.
    pub(crate) origin: String,
}

/// Which side speaks, so that the two directions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who calls.
    Caller,
    /// Who is called.
    Callee,
}

impl Speech {
    /// The speech for one side of a call.
    ///
    /// # Errors
    /// If the named file cannot be read as WAV.
    pub(crate) fn open(named: Option<&Path>, side: Side) -> Result<Self> {
        if let Some(path) = named {
            let samples = read_wav(path)?;
            return Ok(Self { samples, origin: path.display().to_string() });
        }
        let recording = Path::new(ALSA).join(match side {
            Side::Caller => "Front_Center.wav",
            Side::Callee => "Rear_Center.wav",
        });
        match read_wav(&recording) {
            Ok(samples) => Ok(Self { samples, origin: recording.display().to_string() }),
            Err(_) => Ok(Self {
                samples: made(side),
                origin: "a made signal, as no recording is installed".to_owned(),
            }),
        }
    }

    /// The octets of G.711, whole frames of 20 ms, the last one filled with silence.
    pub(crate) fn encode(&self, law: Law) -> Vec<u8> {
        let mut octets: Vec<u8> = self.samples.iter().map(|sample| law.encode(*sample)).collect();
        octets.resize(octets.len().next_multiple_of(FRAME), law.silence());
        octets
    }

    /// How long it lasts.
    pub(crate) fn seconds(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)] // for display
        let samples = self.samples.len() as f64;
        samples / f64::from(RATE)
    }
}

/// Writes received octets as a WAV file of 16-bit samples.
///
/// # Errors
/// If the file cannot be written.
pub(crate) fn write_wav(path: &Path, law: Law, octets: &[u8]) -> Result {
    let spec =
        WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
    let mut writer = WavWriter::create(path, spec).map_err(|error| wav_error("write", path, error))?;
    for octet in octets {
        writer.write_sample(law.decode(*octet)).map_err(|error| wav_error("write", path, error))?;
    }
    writer.finalize().map_err(|error| wav_error("write", path, error))
}

fn read_wav(path: &Path) -> Result<Vec<i16>> {
    let mut reader = WavReader::open(path).map_err(|error| wav_error("read", path, error))?;
    let WavSpec { channels, sample_rate, bits_per_sample, sample_format } = reader.spec();
    if channels == 0 || !(1000..=768_000).contains(&sample_rate) {
        return Err(Error::failed(format!("'{}' has no usable sample rate or channels", path.display())));
    }
    if reader.duration() / sample_rate > MAX_SECONDS {
        return Err(Error::failed(format!("'{}' is longer than {MAX_SECONDS} seconds", path.display())));
    }
    let scale = 1.0 / 2f32.powi(i32::from(bits_per_sample.clamp(1, 32)) - 1);
    let interleaved: std::result::Result<Vec<f32>, hound::Error> = match sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect(),
        #[allow(clippy::cast_precision_loss)] // more bits than G.711 has
        SampleFormat::Int => {
            reader.samples::<i32>().map(|sample| sample.map(|value| value as f32 * scale)).collect()
        }
    };
    let interleaved = interleaved.map_err(|error| wav_error("read", path, error))?;
    let mono: Vec<f32> = interleaved
        .chunks_exact(usize::from(channels))
        .map(|frame| frame.iter().sum::<f32>() / f32::from(channels))
        .collect();
    let samples = to_telephony(&mono, sample_rate);
    if samples.is_empty() {
        return Err(Error::failed(format!("'{}' has no samples", path.display())));
    }
    Ok(samples)
}

/// Two seconds that sound like syllables: a buzz through three formants, swelling and fading. Same on every machine.
fn made(side: Side) -> Vec<i16> {
    let (pitch, formants) = match side {
        Side::Caller => (118.0, [620.0, 1180.0, 2480.0]),
        Side::Callee => (196.0, [840.0, 1420.0, 2780.0]),
    };
    let rate = f64::from(RATE);
    (0..2 * RATE)
        .map(|n| {
            let t = f64::from(n) / rate;
            let syllable = (std::f64::consts::PI * (t * 3.5).fract()).sin().max(0.0);
            let glide = pitch * (1.0 + 0.06 * (2.0 * std::f64::consts::PI * 0.7 * t).sin());
            let voice: f64 = (1..=24)
                .map(|harmonic| {
                    let frequency = glide * f64::from(harmonic);
                    let gain: f64 =
                        formants.iter().map(|f| 1.0 / (1.0 + ((frequency - f) / 110.0).powi(2))).sum();
                    gain * (2.0 * std::f64::consts::PI * frequency * t).sin()
                })
                .sum();
            #[allow(clippy::cast_possible_truncation)] // clamped
            let sample = (voice * syllable * 5200.0).clamp(-32_000.0, 32_000.0) as i16;
            sample
        })
        .collect()
}

fn wav_error(verb: &str, path: &Path, error: hound::Error) -> Error {
    match error {
        // The operating system's errors have a number; hound's own, such as a file that ends too early, have none.
        hound::Error::IoError(error) if error.raw_os_error().is_some() => Error::file(verb, path, &error),
        _ => Error::failed(format!("'{}' is not a WAV file that can be used", path.display()))
            .hint("any sample rate, mono or stereo, 8 to 32 bits or float; convert others first"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn wav(dir: &Path, spec: WavSpec, samples: &[i32]) -> PathBuf {
        let path = dir.join("in.wav");
        let mut writer = WavWriter::create(&path, spec).unwrap();
        for sample in samples {
            match spec.sample_format {
                SampleFormat::Int => writer.write_sample(*sample).unwrap(),
                SampleFormat::Float => writer.write_sample(*sample as f32 / 32_768.0).unwrap(),
            }
        }
        writer.finalize().unwrap();
        path
    }

    #[test]
    fn channels_become_one_and_bits_become_sixteen() {
        let dir = tempfile::tempdir().unwrap();
        let spec =
            WavSpec { channels: 2, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let path = wav(dir.path(), spec, &[100, 300, -100, -300]);
        assert_eq!(Speech::open(Some(&path), Side::Caller).unwrap().samples, [200, -200]);
        let spec = WavSpec { channels: 1, bits_per_sample: 24, ..spec };
        let path = wav(dir.path(), spec, &[256, -512]);
        assert_eq!(Speech::open(Some(&path), Side::Caller).unwrap().samples, [1, -2]);
        let spec = WavSpec { bits_per_sample: 32, sample_format: SampleFormat::Float, ..spec };
        let path = wav(dir.path(), spec, &[1000, -1000]);
        assert_eq!(Speech::open(Some(&path), Side::Caller).unwrap().samples, [1000, -1000]);
    }

    #[test]
    fn what_is_no_wav_is_refused_with_advice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("in.wav");
        for contents in
            [&b""[..], b"RIFF", b"hello, this is text and no sound at all, whatever its name says"]
        {
            std::fs::write(&path, contents).unwrap();
            let error = Speech::open(Some(&path), Side::Caller).unwrap_err();
            assert!(error.message().contains("is not a WAV file"), "{}", error.message());
            assert!(error.hint_text().is_some());
        }
        let error = Speech::open(Some(&dir.path().join("none.wav")), Side::Caller).unwrap_err();
        assert!(error.message().contains("no such file"), "{}", error.message());
    }

    #[test]
    fn no_octet_of_a_header_can_do_harm() {
        let dir = tempfile::tempdir().unwrap();
        let spec =
            WavSpec { channels: 2, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let good = std::fs::read(wav(dir.path(), spec, &[100; 32])).unwrap();
        let path = dir.path().join("changed.wav");
        for at in 0..good.len().min(80) {
            for value in [0, 1, 3, 0x7f, 0x80, 0xff] {
                let mut changed = good.clone();
                changed[at] = value;
                std::fs::write(&path, &changed).unwrap();
                if let Ok(speech) = Speech::open(Some(&path), Side::Caller) {
                    assert!(speech.samples.len() <= 8 * changed.len(), "octet {at} as {value:#x}");
                }
            }
            std::fs::write(&path, &good[..at]).unwrap();
            assert!(Speech::open(Some(&path), Side::Caller).is_err() || at >= 44, "cut at {at}");
        }
    }

    #[test]
    fn frames_are_whole_and_the_rest_is_silence() {
        let speech = Speech { samples: vec![1000; FRAME + 1], origin: String::new() };
        let octets = speech.encode(Law::Pcma);
        assert_eq!(octets.len(), 2 * FRAME);
        assert_eq!(octets[FRAME], Law::Pcma.encode(1000));
        assert!(octets[FRAME + 1..].iter().all(|octet| *octet == Law::Pcma.silence()));
    }

    #[test]
    fn the_made_signal_is_loud_and_differs_by_side() {
        let (a, b) = (made(Side::Caller), made(Side::Callee));
        assert_eq!(a.len(), 16_000);
        assert_ne!(a, b);
        for signal in [a, b] {
            let peak = signal.iter().map(|s| s.unsigned_abs()).max().unwrap();
            assert!((6000..32_001).contains(&peak), "{peak}");
        }
    }

    #[test]
    fn what_is_recorded_can_be_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.wav");
        let octets: Vec<u8> = (0..=255).collect();
        write_wav(&path, Law::Pcma, &octets).unwrap();
        let speech = Speech::open(Some(&path), Side::Caller).unwrap();
        assert_eq!(speech.encode(Law::Pcma)[..256], octets);
    }
}
