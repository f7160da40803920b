//! Where received media goes: WAV for G.711 and L16, Annex B for H.264, rtpdump for everything else.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use mikey_rtsp::media::{H264Payload, Packet, Reorder};
use mikey_rtsp::{Codec, StreamInfo};

use crate::audio::g711::Law;
use crate::error::{Error, Result};

/// Longest silence that is put in for packets that did not come, in seconds. A longer gap is a new beginning, and so is one
/// by which the file would get so much longer than the time that has passed: timestamps are the sender's.
const MAX_SILENCE: u32 = 10;

/// The file of one stream.
pub(crate) struct Sink {
    pub(crate) path: PathBuf,
    reorder: Reorder,
    /// Milliseconds from the first packet of the session to the latest.
    elapsed: u32,
    kind: Kind,
}

enum Kind {
    Wav(Wav),
    H264 { file: BufWriter<File>, payload: H264Payload },
    Dump(BufWriter<File>),
}

struct Wav {
    writer: WavWriter<BufWriter<File>>,
    law: Option<Law>,
    channels: u16,
    rate: u32,
    next: Option<u32>,
    /// Samples of each channel so far.
    written: u64,
}

impl Sink {
    /// Makes the file of a stream, `out` with the number of its media and an ending. `dump`: whatever it is, as rtpdump.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn create(out: &Path, info: &StreamInfo, dump: bool) -> Result<Self> {
        let ending = match &info.codec {
            _ if dump => "rtpdump",
            Codec::Pcmu | Codec::Pcma | Codec::L16 => "wav",
            Codec::H264(_) => "h264",
            _ => "rtpdump",
        };
        let mut name = out.as_os_str().to_owned();
        name.push(format!("-{}.{ending}", info.media));
        let path = PathBuf::from(name);
        let failed = |error: std::io::Error| Error::file("write", &path, &error);
        let kind = match (ending, &info.codec) {
            ("wav", codec) => {
                let law = match codec {
                    Codec::Pcmu => Some(Law::Pcmu),
                    Codec::Pcma => Some(Law::Pcma),
                    _ => None,
                };
                let spec = WavSpec {
                    channels: info.channels,
                    sample_rate: info.clock_rate,
                    bits_per_sample: 16,
                    sample_format: SampleFormat::Int,
                };
                let writer = WavWriter::create(&path, spec).map_err(|error| wav_error(&path, error))?;
                let (channels, rate) = (info.channels, info.clock_rate);
                Kind::Wav(Wav { writer, law, channels, rate, next: None, written: 0 })
            }
            ("h264", Codec::H264(sets)) => {
                let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
                for set in sets {
                    file.write_all(&H264Payload::annex_b(set)).map_err(failed)?;
                }
                Kind::H264 { file, payload: H264Payload::new() }
            }
            _ => {
                let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
                // Where the packets came from is no matter: RTSP says it.
                file.write_all(b"#!rtpplay1.0 0.0.0.0/0\n")
                    .and_then(|()| file.write_all(&[0; 16]))
                    .map_err(failed)?;
                Kind::Dump(file)
            }
        };
        Ok(Self { path, reorder: Reorder::new(), elapsed: 0, kind })
    }

    /// Takes an authentic packet, `millis` after the first one of the session.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn push(&mut self, octets: &[u8], packet: Packet, millis: u32) -> Result {
        let Self { path, reorder, elapsed, kind } = self;
        *elapsed = millis;
        match kind {
            Kind::Dump(file) => {
                let (Ok(length), Ok(total)) = (u16::try_from(octets.len()), u16::try_from(octets.len() + 8))
                else {
                    return Ok(());
                };
                let head = [&total.to_be_bytes()[..], &length.to_be_bytes(), &millis.to_be_bytes()].concat();
                file.write_all(&head)
                    .and_then(|()| file.write_all(octets))
                    .map_err(|error| Error::file("write", path, &error))
            }
            kind => reorder.push(packet).iter().try_for_each(|packet| in_order(path, kind, packet, millis)),
        }
    }

    /// Writes what still waits, and ends the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn finish(mut self) -> Result<PathBuf> {
        for packet in self.reorder.finish() {
            in_order(&self.path, &mut self.kind, &packet, self.elapsed)?;
        }
        let path = self.path;
        match self.kind {
            Kind::Wav(wav) => wav.writer.finalize().map_err(|error| wav_error(&path, error))?,
            Kind::H264 { mut file, .. } | Kind::Dump(mut file) => {
                file.flush().map_err(|error| Error::file("write", &path, &error))?;
            }
        }
        Ok(path)
    }
}

fn in_order(path: &Path, kind: &mut Kind, packet: &Packet, millis: u32) -> Result {
    match kind {
        Kind::Wav(wav) => wav.push(packet, millis).map_err(|error| wav_error(path, error)),
        Kind::H264 { file, payload } => {
            let units = payload.push(packet.sequence, &packet.payload);
            file.write_all(&units).map_err(|error| Error::file("write", path, &error))
        }
        Kind::Dump(_) => Ok(()),
    }
}

impl Wav {
    fn push(&mut self, packet: &Packet, millis: u32) -> std::result::Result<(), hound::Error> {
        let channels = u32::from(self.channels.max(1));
        if let Some(next) = self.next {
            let missing = packet.timestamp.wrapping_sub(next);
            let silence = u64::from(MAX_SILENCE) * u64::from(self.rate);
            let passed = u64::from(millis) * u64::from(self.rate) / 1000;
            if u64::from(missing) <= silence.min((passed + silence).saturating_sub(self.written)) {
                for _ in 0..missing.saturating_mul(channels) {
                    self.writer.write_sample(0_i16)?;
                }
                self.written = self.written.saturating_add(missing.into());
            }
        }
        let mut samples = 0_u32;
        match self.law {
            Some(law) => {
                for octet in &packet.payload {
                    self.writer.write_sample(law.decode(*octet))?;
                    samples = samples.saturating_add(1);
                }
            }
            None => {
                let (pairs, _) = packet.payload.as_chunks::<2>();
                for pair in pairs {
                    self.writer.write_sample(i16::from_be_bytes(*pair))?;
                    samples = samples.saturating_add(1);
                }
            }
        }
        self.next = Some(packet.timestamp.wrapping_add(samples / channels));
        self.written = self.written.saturating_add((samples / channels).into());
        Ok(())
    }
}

fn wav_error(path: &Path, error: hound::Error) -> Error {
    match error {
        hound::Error::IoError(error) => Error::file("write", path, &error),
        other => Error::failed(format!("cannot write '{}': {other}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use mikey_rtsp::rtsp_types::Url;

    use super::*;

    fn packet(timestamp: u32) -> Packet {
        let (payload_type, sequence, ssrc, marker) = (0, 1, 1, false);
        Packet { payload_type, sequence, timestamp, ssrc, marker, payload: vec![0xFF; 160] }
    }

    /// Samples of a file of a stream whose packets have these timestamps, each so many milliseconds after the one before.
    fn samples(timestamps: impl IntoIterator<Item = u32>, step: u32) -> u32 {
        let directory = tempfile::tempdir().unwrap();
        let info = StreamInfo {
            media: 0,
            kind: "audio".into(),
            profile: "SAVP".into(),
            payload_type: 0,
            codec: Codec::Pcmu,
            clock_rate: 8000,
            channels: 1,
            control: Url::parse("rtsp://cam/").unwrap(),
        };
        let mut sink = Sink::create(&directory.path().join("x"), &info, false).unwrap();
        for ((n, timestamp), sequence) in (0..).zip(timestamps).zip(1..) {
            sink.push(&[], Packet { sequence, ..packet(timestamp) }, n * step).unwrap();
        }
        hound::WavReader::open(sink.finish().unwrap()).unwrap().duration()
    }

    #[test]
    fn a_gap_is_silent_and_no_stream_is_longer_than_its_time() {
        assert_eq!(samples([0, 160, 480], 20), 640, "one packet is missing");
        assert_eq!(samples([0, 80_160], 20), 80_320, "ten seconds");
        assert_eq!(samples([0, 80_161], 20), 320, "a new beginning");
        // Packets that each claim to be five seconds after the one before.
        let long = samples((0..100).map(|n| n * 40_000), 20);
        assert!(long <= 12 * 8000 + 100 * 160, "{long} samples of two seconds");
        assert_eq!(samples((0..10).map(|n| n * 40_000), 5000), 9 * 40_000 + 160, "as long as it took");
    }
}
