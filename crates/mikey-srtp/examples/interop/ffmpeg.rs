//! ffmpeg's srtp:// protocol: speech to it and from it, over UDP on loopback.

use std::io::Read;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::Ssrcs;

use crate::ends::{Ours, Peer, SSRC, free_ports, octets, rtp, socket};

const PROFILES: [(&str, SrtpPolicy); 2] = [
    ("AES_CM_128_HMAC_SHA1_80", SrtpPolicy::AES_CM_128_HMAC_SHA1_80),
    ("AES_CM_128_HMAC_SHA1_32", SrtpPolicy::AES_CM_128_HMAC_SHA1_32),
];

const COUNT: u16 = 100;

pub fn run() {
    for (suite, policy) in PROFILES {
        let secret = octets(5, 30);
        sent_by_ffmpeg(suite, policy, &secret);
        received_by_ffmpeg(suite, policy, &secret);
    }
    println!(
        "ffmpeg: {} profiles, {COUNT} packets from it and twelve seconds of octets to it each",
        PROFILES.len()
    );
}

fn sent_by_ffmpeg(suite: &str, policy: SrtpPolicy, secret: &[u8]) {
    let port = free_ports();
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    let _rtcp = UdpSocket::bind((Ipv4Addr::LOCALHOST, port + 1)).unwrap();
    let mut command = Command::new("ffmpeg");
    command.args([
        "-nostdin",
        "-loglevel",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "sine=frequency=440:duration=6",
    ]);
    command.args([
        "-ar",
        "8000",
        "-ac",
        "1",
        "-c:a",
        "pcm_alaw",
        "-f",
        "rtp",
        "-ssrc",
        "0x4d494b45",
        "-seq",
        "65500",
    ]);
    command.args(["-srtp_out_suite", suite, "-srtp_out_params", &base64(secret)]);
    command.arg(format!("srtp://127.0.0.1:{port}?pkt_size=200"));
    let _peer = Peer(command.stdout(Stdio::null()).spawn().expect("ffmpeg"));
    let mut ours = Ours::new(policy, secret, &[], 0, Some(Ssrcs::Any));
    let mut buffer = [0; 2000];
    let mut accepted = 0;
    while accepted < COUNT {
        let len = receiver.recv(&mut buffer).expect("a packet from ffmpeg");
        let rtcp = (192..=223).contains(&buffer[1]);
        let packet = ours.unprotect(&buffer[..len], rtcp);
        let packet = packet.unwrap_or_else(|error| panic!("{suite}: packet {accepted}: {error}"));
        if !rtcp {
            assert_eq!(packet[1] & 0x7f, 8, "{suite}: G.711");
            accepted += 1;
        }
    }
}

fn received_by_ffmpeg(suite: &str, policy: SrtpPolicy, secret: &[u8]) {
    let port = free_ports();
    let description = std::env::temp_dir().join(format!("mikey-interop-{port}.sdp"));
    let sdp = format!(
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/SAVP 8\n\
         a=rtpmap:8 PCMA/8000\na=crypto:1 {suite} inline:{}\n",
        base64(secret)
    );
    std::fs::write(&description, sdp).unwrap();
    let mut command = Command::new("ffmpeg");
    command.args([
        "-nostdin",
        "-loglevel",
        "error",
        "-protocol_whitelist",
        "file,udp,rtp,srtp,crypto",
        "-flags",
        "+low_delay",
    ]);
    command.args(["-analyzeduration", "0", "-probesize", "32", "-i"]).arg(&description);
    command.args(["-c:a", "copy", "-flush_packets", "1", "-f", "alaw", "-"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("ffmpeg");
    let mut output = child.stdout.take().unwrap();
    let peer = Peer(child);
    // What ffmpeg writes, read beside: so much that the sequence number wraps within it. Ffmpeg has 2.7 s to begin, since
    // whoever begins after the wrap does not know the ROC.
    let reader = std::thread::spawn(move || {
        let mut heard = vec![0; 96_000];
        output.read_exact(&mut heard).map(|()| heard)
    });
    let mut ours = Ours::new(policy, secret, &[], 0, None);
    let sender = socket();
    let mut sent = Vec::new();
    let start = Instant::now();
    let mut seq = 65_000u16;
    while !reader.is_finished() {
        assert!(start.elapsed() < Duration::from_secs(30), "{suite}: ffmpeg heard nothing");
        seq = seq.wrapping_add(1);
        let payload = octets(seq as u8, 160);
        let protected = ours.protect(&rtp(seq, &payload), false);
        sender.send_to(&protected, (Ipv4Addr::LOCALHOST, port)).unwrap();
        sent.extend(payload);
        std::thread::sleep(Duration::from_millis(5));
    }
    let heard = reader.join().unwrap().expect("ffmpeg's output");
    drop(peer);
    let _ = std::fs::remove_file(&description);
    assert!(sent.windows(heard.len()).any(|part| part == heard), "{suite}: ffmpeg heard something else");
    assert_eq!(ours.tx.stream(ours.sender, SSRC).map(|info| info.stats.refused), Some(0));
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = octets.chunks(3).flat_map(|three| {
        let value =
            three.iter().fold(0u32, |value, octet| value << 8 | u32::from(*octet)) << (8 * (3 - three.len()));
        (0..4).map(move |at| match at <= three.len() {
            true => char::from(DIGITS[(value >> (18 - 6 * at)) as usize & 63]),
            false => '=',
        })
    });
    digits.collect()
}
