//! Octets from anywhere on a connection of RTSP, to a server and to a client: no panic, the same messages however the octets
//! were cut, an answer to each request, and no keys of a client who has shown none.

#![no_main]

use std::sync::Arc;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mikey::{SrtpPolicy, Time};
use mikey_rtsp::rtsp_types::{Response, Url};
use mikey_rtsp::{
    Authenticator, ClientKeys, Credentials, Incoming, Lower, Ports, Presentation, Published, Security,
    ServerSession, Splitter, aggregate, confirmed, media, streams,
};

fuzz_target!(|input: &[u8]| {
    let Some((cut, octets)) = input.split_first() else { return };
    let whole = pulled(octets, octets.len().max(1));
    let parts = pulled(octets, usize::from(*cut % 64) + 1);
    assert_eq!(whole, parts, "what came depends on how it was cut");
    let mut server = server();
    for incoming in &whole.0 {
        match incoming {
            Incoming::Request(request) => {
                let reply = server.handle(Time::ZERO, request, &mut Pair);
                assert!(reply.agreed.is_empty() || reply.refused.is_none(), "refused and agreed");
                let mut out = Vec::new();
                reply.response.write(&mut out).expect("a response that can be written");
                let again = pulled(&out, 7);
                assert!(matches!(&again.0[..], [Incoming::Response(_)]), "a response that nobody can read");
            }
            Incoming::Response(response) => answered(response),
            Incoming::Frame { octets, .. } => packet(octets),
        }
    }
    packet(octets);
});

/// What comes out until the first mistake, and whether there was one.
fn pulled(octets: &[u8], step: usize) -> (Vec<Incoming>, bool) {
    let (mut splitter, mut found) = (Splitter::new(), Vec::new());
    for part in octets.chunks(step) {
        splitter.push(part);
        loop {
            match splitter.pull() {
                Ok(Some(incoming)) => found.push(incoming),
                Ok(None) => break,
                Err(_) => return (found, true),
            }
        }
    }
    (found, false)
}

struct Pair;

impl Ports for Pair {
    fn open(&mut self, media: usize) -> Option<(u16, u16)> {
        (media == 0).then_some((5000, 5001))
    }
}

fn security() -> Security {
    let unix_time_at_zero = Duration::from_secs(1_780_272_000);
    Security { secure_transport: true, psk: None, legacy: false, unix_time_at_zero }
}

fn server() -> ServerSession {
    let stream = |kind, payload_type, map: &str| Published { kind, payload_type, map: map.into(), parameters: None };
    let streams = vec![stream("audio", 0, "PCMU/8000"), stream("video", 96, "H264/90000")];
    let presentation = Arc::new(Presentation { path: "live".into(), streams });
    let policy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
    ServerSession::new(mikey_sim::provider(1), security(), policy, true, presentation).expect("a session")
}

/// What a client makes of a response to DESCRIBE, SETUP or anything that wants a password.
fn answered(response: &Response<Vec<u8>>) {
    let credentials = Credentials::new("user".into(), "password".into());
    let _ = Authenticator::new(credentials, true).challenged(response);
    for lower in [Lower::Udp { rtp: 5000, rtcp: 5001 }, Lower::Interleaved { rtp: 0, rtcp: 1 }] {
        let _ = confirmed(response, lower);
    }
    let Ok(sdp) = mikey_sdp::parse(response.body()) else { return };
    let base = Url::parse("rtsps://cam:322/live").expect("a URL");
    let _ = aggregate(&sdp, &base);
    let mut keys = ClientKeys::new(mikey_sim::provider(2), security()).expect("keys");
    for stream in streams(&sdp, &base).unwrap_or_default() {
        let _ = keys.describe(Time::ZERO, &sdp, stream.media);
    }
}

/// Packets as they are behind SRTP.
fn packet(octets: &[u8]) {
    let _ = media::is_goodbye(octets, Some(7));
    let mut video = media::H264Payload::new();
    let mut reorder = media::Reorder::new();
    let packets = octets.chunks(40).filter_map(media::Packet::parse);
    for packet in packets.flat_map(|packet| reorder.push(packet)).chain(media::Packet::parse(octets)) {
        let _ = video.push(packet.sequence, &packet.payload);
    }
    let _ = video.push(1, octets);
    for unit in media::access_units(octets) {
        for nal in unit {
            let _ = media::payloads(&nal);
        }
    }
    let _ = media::parameter_sets(octets);
}
