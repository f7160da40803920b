//! Two drivers on real sockets: a call, media, and what a network does to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mikey::keying::{AuthLevel, Error, PskTable};
use mikey::{Agent, AgentEvent, Call, EndpointConfig, Identity, Kind, Name, SessionId, SrtpPolicy, Time};
use mikey_crypto::SecretBytes;
use mikey_net::{Clock, Direction, Driver, Happening, Protocol, Socket, Tap};

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn driver(own: &str, peer: &str, key: [u8; 32]) -> Driver {
    let clock = Clock::start();
    let mut config = EndpointConfig::new(mikey_crypto_aws_lc::provider(), Identity::new(name(own)));
    let mut psks = PskTable::new();
    psks.insert(name(own), name(peer), SecretBytes::copy_from(&key)).unwrap();
    config.psks = Arc::new(psks);
    config.unix_time_at_zero = Some(clock.unix_time_at_zero());
    config.request_lifetime = Duration::from_secs(2);
    let socket = Socket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let agent = Agent::new(config, socket.local_addr()).unwrap();
    Driver::new(socket, clock, agent)
}

fn pair(key_a: [u8; 32], key_b: [u8; 32]) -> (Driver, Driver) {
    let (a, b) = ("sip:alice@example.com", "sip:bob@example.com");
    (driver(a, b, key_a), driver(b, a, key_b))
}

/// Runs a driver until its streams are ready.
async fn ready(driver: &mut Driver) -> (SessionId, AuthLevel, Vec<Happening>) {
    let (mut level, mut others) = (AuthLevel::None, Vec::new());
    loop {
        match driver.next().await.unwrap() {
            Happening::Event(AgentEvent::Established { peer, .. }) => level = peer.level,
            Happening::Event(AgentEvent::MediaReady { session, streams }) => {
                assert_eq!(streams.len(), 2);
                return (session, level, others);
            }
            other => others.push(other),
        }
    }
}

fn both_ways() -> Call {
    Call::both_ways(name("sip:bob@example.com"), SrtpPolicy::AEAD_AES_128_GCM)
}

async fn connect(a: &mut Driver, b: &mut Driver) -> (SessionId, SessionId) {
    a.call(b.local_addr(), &both_ways()).unwrap();
    let both = async { tokio::join!(ready(a), ready(b)) };
    let ((sa, la, _), (sb, lb, _)) = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    assert_eq!((la, lb), (AuthLevel::Psk, AuthLevel::Psk));
    (sa, sb)
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

async fn media(driver: &mut Driver) -> Vec<u8> {
    loop {
        if let Happening::Media(media) = driver.next().await.unwrap() {
            return media.packet;
        }
    }
}

#[tokio::test]
async fn a_call_carries_media_both_ways() {
    let (mut a, mut b) = pair([7; 32], [7; 32]);
    let (sa, sb) = connect(&mut a, &mut b).await;
    for n in 0..50 {
        let there = rtp(1, n, b"from alice");
        a.send_media(sa, 1, Kind::Rtp, &there).unwrap();
        assert_eq!(media(&mut b).await, there);
        let back = rtp(2, n, b"from bob");
        b.send_media(sb, 2, Kind::Rtp, &back).unwrap();
        assert_eq!(media(&mut a).await, back);
    }
    let report = [0x80, 201, 0, 1, 0, 0, 0, 1];
    a.send_media(sa, 1, Kind::Rtcp, &report).unwrap();
    assert_eq!(media(&mut b).await, report);
    a.close(sa).unwrap();
    loop {
        if let Happening::Event(AgentEvent::Closed { session, .. }) = b.next().await.unwrap() {
            assert_eq!(session, sb);
            break;
        }
    }
    assert!(a.send_media(sa, 1, Kind::Rtp, &rtp(1, 51, b"too late")).is_err());
}

#[tokio::test]
async fn a_wrong_key_never_gives_a_session() {
    let (mut a, mut b) = pair([7; 32], [8; 32]);
    a.call(b.local_addr(), &both_ways()).unwrap();
    let other = tokio::spawn(async move {
        loop {
            match b.next().await.unwrap() {
                Happening::Event(AgentEvent::Established { .. }) => panic!("bob took a wrong key"),
                _ => continue,
            }
        }
    });
    loop {
        match a.next().await.unwrap() {
            Happening::Event(AgentEvent::Established { .. }) => panic!("alice took a wrong key"),
            Happening::Event(AgentEvent::CallFailed { .. }) => break,
            _ => {}
        }
    }
    assert!(!other.is_finished());
    other.abort();
}

#[tokio::test]
async fn nobody_at_the_port_fails_the_call_in_time() {
    let (mut a, b) = pair([7; 32], [7; 32]);
    let nobody = b.local_addr();
    drop(b);
    a.call(nobody, &both_ways()).unwrap();
    loop {
        if let Happening::Event(AgentEvent::CallFailed { why, .. }) = a.next().await.unwrap() {
            assert!(matches!(why, Error::Timeout { .. }), "{why}");
            break;
        }
    }
    assert!(a.clock().now() < Time::from_secs(4));
    assert!(a.agent().metrics().retransmissions >= 2);
}

#[tokio::test]
async fn noise_is_counted_and_the_call_goes_on() {
    let (mut a, mut b) = pair([7; 32], [7; 32]);
    let noise = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = b.local_addr();
    for octets in
        [&[2, 40][..], &[0xff; 100], &[2; 100], &[0x80; 40], &[], &[2, 41, 0, 0, 0, 0, 0, 0, 0, 2, 9]]
    {
        noise.send_to(octets, to).unwrap();
    }
    let mut stun = [0; 20];
    stun[1] = 1;
    stun[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
    noise.send_to(&stun, to).unwrap();
    a.call(to, &both_ways()).unwrap();
    let both = async { tokio::join!(ready(&mut a), ready(&mut b)) };
    let ((sa, ..), (.., others)) = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    assert!(others.iter().any(
        |h| matches!(h, Happening::Foreign { protocol: Protocol::Stun, octets, .. } if octets == &stun)
    ));
    assert!(others.iter().any(|h| matches!(h, Happening::Refused { .. })));
    assert!(b.agent().metrics().all_drops() >= 2, "{:?}", b.agent().metrics());

    noise.send_to(&rtp(9, 9, &[0; 40]), to).unwrap();
    let packet = rtp(1, 0, b"heard");
    a.send_media(sa, 1, Kind::Rtp, &packet).unwrap();
    assert_eq!(media(&mut b).await, packet);
    assert!(b.counters().datagrams_received >= 10);
}

fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let octet = |two: &[u8]| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.chunks(2).map(octet).collect()
}

/// One message of each protocol that shares a port, from its own documents.
fn of_each_protocol() -> [(Protocol, Vec<u8>); 4] {
    // RFC 5769 section 2.1: a Binding request.
    let stun = octets(
        "00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74 00240004 6e0001ff
         80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249
         c1b571a2 80280004 e57a3bcf",
    );
    // A ClientHello of DTLS 1.2 (RFC 6347) with use_srtp (RFC 5764): one suite, two profiles.
    let dtls = octets(
        "16feff 0000 000000000000 0042 01 000036 0000 000000 000036 fefd
         000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 00 00 0002 c02b 0100 000a 000e 0006 0004 0007
         0001 00",
    );
    // RFC 8656 section 12.4: ChannelData of channel 0x4001 with an RTP packet in it.
    let packet = rtp(9, 1, b"relayed");
    let turn = [&[0x40, 1, 0, u8::try_from(packet.len()).unwrap()], &packet[..]].concat();
    // RFC 4567's own example of version 1, as another implementation sends it.
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/external/mikey_v1_messages_rfc4567.json");
    let text = std::fs::read_to_string(file).unwrap();
    let hex = text.split("\"hex\": \"").nth(1).unwrap().split('"').next().unwrap();
    let v1 = octets(hex);
    assert_eq!(v1[0], 1);
    [(Protocol::Stun, stun), (Protocol::Dtls, dtls), (Protocol::Turn, turn), (Protocol::MikeyV1, v1)]
}

/// docs/spec.md, section 17: STUN, DTLS, TURN and both versions of MIKEY come to the port over which a call runs.
#[tokio::test]
async fn one_port_for_everything() {
    let (mut a, mut b) = pair([7; 32], [7; 32]);
    let other = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for (_, message) in of_each_protocol() {
        other.send_to(&message, b.local_addr()).unwrap();
    }
    a.call(b.local_addr(), &both_ways()).unwrap();
    let both = async { tokio::join!(ready(&mut a), ready(&mut b)) };
    let ((sa, ..), (_, _, before)) = tokio::time::timeout(Duration::from_secs(10), both).await.unwrap();
    let foreign = |happenings: &[Happening], protocol: Protocol, message: &[u8]| {
        let same = |h: &&Happening| matches!(h, Happening::Foreign { protocol: p, octets, .. } if *p == protocol && octets == message);
        happenings.iter().filter(same).count()
    };
    for (protocol, message) in of_each_protocol() {
        assert_eq!(foreign(&before, protocol, &message), 1, "{protocol:?} before the call");
    }
    // While media flows, each between two packets of RTP and RTCP.
    let report = [0x80, 201, 0, 1, 0, 0, 0, 1];
    for (n, (protocol, message)) in (0..).zip(of_each_protocol()) {
        let spoken = rtp(1, n, b"from alice");
        other.send_to(&message, b.local_addr()).unwrap();
        a.send_media(sa, 1, Kind::Rtp, &spoken).unwrap();
        a.send_media(sa, 1, Kind::Rtcp, &report).unwrap();
        let (mut heard, mut others) = (Vec::new(), Vec::new());
        while heard.len() < 2 || others.is_empty() {
            match tokio::time::timeout(Duration::from_secs(10), b.next()).await.unwrap().unwrap() {
                Happening::Media(media) => heard.push(media.packet),
                other => others.push(other),
            }
        }
        assert_eq!(heard, [spoken, report.to_vec()], "{protocol:?}");
        assert_eq!(foreign(&others, protocol, &message), 1, "{protocol:?} during the call");
    }
    // MIKEY of version 2 goes on beside them.
    a.close(sa).unwrap();
    loop {
        if let Happening::Event(AgentEvent::Closed { .. }) = b.next().await.unwrap() {
            break;
        }
    }
}

#[tokio::test]
async fn a_tap_sees_what_is_on_the_wire() {
    type Seen = (Direction, Vec<u8>);
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<Seen>>>);
    impl Tap for Log {
        fn datagram(&mut self, direction: Direction, _: Time, _: SocketAddr, _: SocketAddr, octets: &[u8]) {
            self.0.lock().unwrap().push((direction, octets.to_vec()));
        }
    }
    let (mut a, mut b) = pair([7; 32], [7; 32]);
    let log = Log::default();
    a.tap(Box::new(log.clone()));
    let (sa, _) = connect(&mut a, &mut b).await;
    let packet = rtp(1, 0, b"a secret word");
    a.send_media(sa, 1, Kind::Rtp, &packet).unwrap();
    assert_eq!(media(&mut b).await, packet);
    let log = log.0.lock().unwrap();
    let types: Vec<(Direction, u8)> = log.iter().map(|(direction, octets)| (*direction, octets[1])).collect();
    assert_eq!(types[..2], [(Direction::Outbound, 40), (Direction::Inbound, 41)]);
    assert_eq!(types[2..4], [(Direction::Outbound, 42), (Direction::Inbound, 43)]);
    let (_, media) = log.last().unwrap();
    assert_eq!(media[..12], packet[..12]);
    assert!(!media.windows(6).any(|part| part == b"secret"), "the tap saw plaintext");
}
