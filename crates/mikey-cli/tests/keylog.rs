//! What a key log is good for: it alone, with a capture, opens the messages of the handshake.
//!
//! The first test follows docs/keylog.md and docs/spec.md with AWS-LC and nothing of this project.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use common::Place;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Types of messages and of payloads (docs/spec.md, chapter 4).
const CCE_REQ: u8 = 42;
const CCE_RESP: u8 = 43;
const RAND: u8 = 11;
const CERT: u8 = 7;

/// A call with certificates: Alice writes a capture and a log, Bob nothing.
fn call(place: &Place, more: &str) {
    let bob =
        place.listen("--identity sip:bob@example.com --cert bob.pem --key bob.key --ca ca/ca.pem --once");
    let alice = place.call(
        &bob,
        &format!("--cert alice.pem --key alice.key --ca ca/ca.pem --peer sip:bob@example.com --pcap alice.pcap {more}"),
    );
    let bob = bob.end();
    assert_eq!((alice.code, bob.code), (0, 0), "{alice:?} {bob:?}");
}

/// The lines of a log that begin with MIKEY, as words.
fn lines(place: &Place) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(place.path("alice.keys")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("MIKEY "));
    lines.map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

fn octets(hex: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
}

/// The payload of the first UDP datagram in a capture that begins like this message.
fn captured(capture: &[u8], data_type: u8, csb_id: &[u8]) -> Vec<u8> {
    let at = capture.windows(8).position(|w| w[..2] == [2, data_type] && w[4..] == *csb_id).unwrap();
    let udp_length = usize::from(u16::from_be_bytes([capture[at - 4], capture[at - 3]]));
    capture[at..at + udp_length - 8].to_vec()
}

/// Where KEMAC begins: it is the last payload, and its Encr data and a tag of 16 octets fill the rest.
fn kemac(message: &[u8]) -> usize {
    let fits = |at: &usize| {
        let encr_data = usize::from(u16::from_be_bytes([message[at + 2], message[at + 3]]));
        message[*at..at + 2] == [0, 64] && at + 4 + encr_data + 1 + 16 == message.len()
    };
    (10..message.len() - 21).find(fits).unwrap()
}

#[test]
fn the_log_alone_opens_the_handshake() {
    let place = Place::furnished();
    call(&place, "--keylog alice.keys");
    let capture = std::fs::read(place.path("alice.pcap")).unwrap();
    let lines = lines(&place);
    assert_eq!(lines.iter().map(|line| line[4].as_str()).collect::<Vec<_>>(), ["initiator", "responder"]);
    for (line, data_type, owner) in [(&lines[0], CCE_REQ, "alice.pem"), (&lines[1], CCE_RESP, "bob.pem")] {
        let [_, spi_i, spi_r, csb_id, _, suite, encryption, authentication, salt] = &line[..] else {
            panic!("{line:?}")
        };
        assert_eq!((suite.as_str(), authentication.as_str()), ("3", "-"), "AEAD-AES-128-GCM");
        let message = captured(&capture, data_type, &octets(csb_id));
        let both = [octets(spi_i), octets(spi_r)].concat();
        assert!(message.windows(16).any(|window| window == both), "the SPIs are those of the message");

        // 7.2: T is 0, and R is set in the response.
        let mut nonce: [u8; 12] = octets(salt).try_into().unwrap();
        nonce[0] ^= if data_type == CCE_RESP { 0x80 } else { 0 };
        let (aad, sealed) = message.split_at(kemac(&message) + 4);
        let (data, mac) = sealed.split_at(sealed.len() - 17);
        let mut inside = [data, &mac[1..]].concat();
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &octets(encryption)).unwrap());
        let opened = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut inside);
        let plaintext = opened.expect("the log opens the message");

        let first = if data_type == CCE_REQ { RAND } else { CERT };
        assert_eq!(plaintext[0], first, "the type of the first payload inside");
        let certificate = CertificateDer::from_pem_file(place.path(owner)).unwrap();
        let holds = |octets: &[u8]| octets.windows(certificate.len()).any(|window| window == &*certificate);
        assert!(holds(plaintext), "the certificate is inside");
        assert!(!holds(&capture), "and nowhere in the capture");
    }
}

#[test]
fn a_capture_is_shown_with_what_is_inside() {
    let place = Place::furnished();
    call(&place, "--keylog alice.keys");
    let inside = |arguments: &str| -> Vec<(String, serde_json::Value)> {
        let decoded = place.ok(&format!("--json decode alice.pcap {arguments}"));
        let messages = decoded.events("message");
        let inside = messages.iter().filter_map(|message| {
            let payloads = message["payloads"].as_array().unwrap();
            let last = payloads.iter().find(|payload| payload["name"] == "inside of KEMAC")?;
            let title = message["title"].as_str().unwrap().split(',').next().unwrap();
            Some((title.to_owned(), last.clone()))
        });
        let mut once = Vec::new();
        for message in inside {
            // On a busy machine messages are sent again.
            if !once.contains(&message) {
                once.push(message);
            }
        }
        once
    };
    assert_eq!(inside(""), [], "without keys nothing of the inside is shown");

    let opened = inside("--keylog alice.keys");
    let titles: Vec<_> = opened.iter().map(|(title, _)| title.as_str()).collect();
    assert_eq!(&titles[..2], ["CCE_REQ", "CCE_RESP"], "{titles:?}");
    assert!(titles.contains(&"INFO_REQ"), "the end of the call is opened too: {titles:?}");
    for ((_, inside), name) in opened.iter().zip(["sip:alice@example.com", "sip:bob@example.com"]) {
        assert!(inside.to_string().contains(name), "{inside}");
    }
    let capture = std::fs::read(place.path("alice.pcap")).unwrap();
    let first = &opened[0].1;
    let csb_id = octets(&lines(&place)[0][3]);
    let message = captured(&capture, CCE_REQ, &csb_id);
    assert_eq!(first["offset"], kemac(&message) + 4, "its place is where it is encrypted");

    // A log of another call.
    let text = std::fs::read_to_string(place.path("alice.keys")).unwrap();
    let other = text.replace(&lines(&place)[0][1], "0123456789abcdef");
    std::fs::write(place.path("other.keys"), other).unwrap();
    let closed = inside("--keylog other.keys");
    assert!(
        closed.iter().all(|(_, inside)| inside["value"] == "the log has no key that opens it"),
        "{closed:?}"
    );
    place.run("decode alice.pcap --keylog alice.pem").failed(1, "no keys of MIKEY messages in 'alice.pem'");
}
