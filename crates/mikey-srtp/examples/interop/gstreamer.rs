//! GStreamer's srtpenc and srtpdec over UDP on loopback. Its caps refuse a NULL cipher with HMAC, so that is not here.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mikey_crypto::srtp::SrtpPolicy;
use mikey_srtp::Ssrcs;

use crate::ends::{Ours, Peer, SSRC, free_ports, hex, octets, rtp, socket};

const PROFILES: [(&str, &str, &str, SrtpPolicy); 5] = [
    ("aes-128-icm", "hmac-sha1-80", "hmac-sha1-80", SrtpPolicy::AES_CM_128_HMAC_SHA1_80),
    ("aes-128-icm", "hmac-sha1-32", "hmac-sha1-80", SrtpPolicy::AES_CM_128_HMAC_SHA1_32),
    ("aes-256-icm", "hmac-sha1-80", "hmac-sha1-80", SrtpPolicy::AES_CM_256_HMAC_SHA1_80),
    ("aes-128-gcm", "null", "null", SrtpPolicy::AEAD_AES_128_GCM),
    ("aes-256-gcm", "null", "null", SrtpPolicy::AEAD_AES_256_GCM),
];

const COUNT: u16 = 40;

pub fn run() {
    for (cipher, auth, rtcp_auth, policy) in PROFILES {
        let secret = octets(3, usize::from(policy.key_len + policy.salt_len));
        decrypted_by_srtpdec(cipher, auth, rtcp_auth, policy, &secret);
        encrypted_by_srtpenc(cipher, auth, policy, &secret);
    }
    println!("GStreamer: {} profiles, {COUNT} packets to srtpdec and from srtpenc each", PROFILES.len());
}

fn decrypted_by_srtpdec(cipher: &str, auth: &str, rtcp_auth: &str, policy: SrtpPolicy, secret: &[u8]) {
    let (port, receiver) = (free_ports(), socket());
    let back = receiver.local_addr().unwrap().port();
    let ssrc = SSRC.0;
    let caps = format!(
        "application/x-srtp,media=audio,clock-rate=8000,payload=8,ssrc=(uint){ssrc},srtp-key=(buffer){key},\
         srtp-cipher=(string){cipher},srtp-auth=(string){auth},srtcp-cipher=(string){cipher},\
         srtcp-auth=(string){rtcp_auth},roc=(uint)0",
        key = hex(secret),
    );
    let _peer = launch(&[
        "udpsrc".into(),
        format!("address=127.0.0.1 port={port} caps={caps}"),
        "! srtpdec !".into(),
        format!("udpsink host=127.0.0.1 port={back} sync=false"),
    ]);
    let mut ours = Ours::new(policy, secret, &[], 0, None);
    let mut seq = 65_500u16;
    let mut sent = Vec::new();
    let mut send = |ours: &mut Ours, sent: &mut Vec<Vec<u8>>| {
        seq = seq.wrapping_add(1);
        let packet = rtp(seq, &octets(seq as u8, 160));
        let protected = ours.protect(&packet, false);
        receiver.send_to(&protected, (Ipv4Addr::LOCALHOST, port)).unwrap();
        sent.push(packet);
    };
    // The pipeline listens when its first packet comes out.
    receiver.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let start = Instant::now();
    let mut buffer = [0; 2000];
    let mut got = 0;
    while got == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "{cipher}: nothing came out of srtpdec");
        send(&mut ours, &mut sent);
        got = receiver.recv(&mut buffer).unwrap_or(0);
    }
    assert!(sent.iter().any(|packet| *packet == buffer[..got]), "{cipher}: another packet came out");
    receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    sent.clear();
    for _ in 0..COUNT {
        send(&mut ours, &mut sent);
        let len = receiver.recv(&mut buffer).expect("a packet out of srtpdec");
        assert_eq!(sent.last().map(Vec::as_slice), Some(&buffer[..len]), "{cipher} {auth}");
    }
}

fn encrypted_by_srtpenc(cipher: &str, auth: &str, policy: SrtpPolicy, secret: &[u8]) {
    let receiver = socket();
    let back = receiver.local_addr().unwrap().port();
    let _peer = launch(&[
        format!("audiotestsrc num-buffers={} samplesperbuffer=160", COUNT * 2),
        "! audio/x-raw,rate=8000,channels=1 ! alawenc ! rtppcmapay ssrc=3405691582 seqnum-offset=65520 !"
            .into(),
        format!("srtpenc key={} rtp-cipher={cipher} rtp-auth={auth}", hex(secret)),
        format!("rtcp-cipher={cipher} rtcp-auth={}", if auth == "null" { "null" } else { "hmac-sha1-80" }),
        format!("! udpsink host=127.0.0.1 port={back}"),
    ]);
    let mut ours = Ours::new(policy, secret, &[], 0, Some(Ssrcs::Any));
    let mut buffer = [0; 2000];
    for number in 0..COUNT {
        let len = receiver.recv(&mut buffer).expect("a packet out of srtpenc");
        let packet = ours.unprotect(&buffer[..len], false);
        let packet = packet.unwrap_or_else(|error| panic!("{cipher} {auth}: packet {number}: {error}"));
        assert_eq!((packet.len(), packet[1] & 0x7f), (172, 8), "{cipher} {auth}: G.711 of 20 ms");
    }
    assert_eq!(ours.rx.stream(ours.receiver, SSRC).map(|info| info.roc), Some(1), "SEQ has wrapped");
}

fn launch(pipeline: &[String]) -> Peer {
    let words = pipeline.iter().flat_map(|part| part.split(' ')).filter(|word| !word.is_empty());
    let mut command = Command::new("gst-launch-1.0");
    command.arg("-q").args(words).stdout(Stdio::null());
    Peer(command.spawn().expect("gst-launch-1.0"))
}
