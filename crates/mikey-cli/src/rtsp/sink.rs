//! Where received media goes: WAV for G.711 and L16, Annex B for H.264, rtpdump for everything else.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use mikey_rtsp::media::{H264Payload, Packet, Reorder};
use mikey_rtsp::{Codec, StreamInfo};

use crate::audio::g711::Law;
use crate::error::{Error, Result};

/// Longest silence that is put in for packets that did not come, in seconds. A longer gap is a new beginning.
const MAX_SILENCE: u32 = 10;

/// The file of one stream.
pub(crate) struct Sink {
    pub(crate) path: PathBuf,
    reorder: Reorder,
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
                Kind::Wav(Wav { writer, law, channels: info.channels, rate: info.clock_rate, next: None })
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
        Ok(Self { path, reorder: Reorder::new(), kind })
    }

    /// Takes an authentic packet, `millis` after the first one of the session.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn push(&mut self, octets: &[u8], packet: Packet, millis: u32) -> Result {
        let Self { path, reorder, kind } = self;
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
            kind => reorder.push(packet).iter().try_for_each(|packet| in_order(path, kind, packet)),
        }
    }

    /// Writes what still waits, and ends the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn finish(mut self) -> Result<PathBuf> {
        for packet in self.reorder.finish() {
            in_order(&self.path, &mut self.kind, &packet)?;
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

fn in_order(path: &Path, kind: &mut Kind, packet: &Packet) -> Result {
    match kind {
        Kind::Wav(wav) => wav.push(packet).map_err(|error| wav_error(path, error)),
        Kind::H264 { file, payload } => {
            let units = payload.push(packet.sequence, &packet.payload);
            file.write_all(&units).map_err(|error| Error::file("write", path, &error))
        }
        Kind::Dump(_) => Ok(()),
    }
}

impl Wav {
    fn push(&mut self, packet: &Packet) -> std::result::Result<(), hound::Error> {
        let channels = u32::from(self.channels.max(1));
        if let Some(next) = self.next {
            let missing = packet.timestamp.wrapping_sub(next);
            if missing <= MAX_SILENCE.saturating_mul(self.rate) {
                for _ in 0..missing.saturating_mul(channels) {
                    self.writer.write_sample(0_i16)?;
                }
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
        Ok(())
    }
}

fn wav_error(path: &Path, error: hound::Error) -> Error {
    match error {
        hound::Error::IoError(error) => Error::file("write", path, &error),
        other => Error::failed(format!("cannot write '{}': {other}", path.display())),
    }
}
