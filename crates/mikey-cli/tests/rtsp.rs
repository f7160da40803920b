//! `mikey rtsp` against itself, and against servers and clients that misbehave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use common::{Ended, Place, samples};

/// The octets that a server answers each request with, in turn; then it closes, or waits for the client to go.
fn server(answers: Vec<Vec<u8>>, silent: bool) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtsp://{}/live", listener.local_addr().unwrap());
    let task = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut requests = BufReader::new(stream.try_clone().unwrap());
        let mut seen = Vec::new();
        for answer in answers {
            let Some(request) = request(&mut requests) else { return seen };
            seen.push(request);
            if stream.write_all(&answer).is_err() {
                return seen;
            }
        }
        if silent {
            let _ = requests.read_to_end(&mut Vec::new());
        }
        seen
    });
    (url, task)
}

/// The lines of a request; none at the end. Requests of these tests have no body.
fn request(requests: &mut impl BufRead) -> Option<String> {
    let mut text = String::new();
    loop {
        let before = text.len();
        if requests.read_line(&mut text).ok()? == 0 {
            return None;
        }
        if text[before..].trim().is_empty() {
            return Some(text);
        }
    }
}

fn answer(number: u32, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

fn options() -> Vec<u8> {
    answer(1, "Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n", "")
}

fn described(line: &str) -> Vec<u8> {
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/SAVP 0\r\n{line}a=control:stream=0\r\n"
    );
    answer(2, "Content-Type: application/sdp\r\n", &sdp)
}

/// A player with a key, since these servers have no TLS.
fn play(place: &Place, url: &str) -> Ended {
    place.run(&format!("rtsp play {url} --psk ab.psk --timeout 1 --out got"))
}

fn with_psk() -> Place {
    let place = Place::new();
    place.ok("psk new --out ab.psk");
    place
}

#[test]
fn a_file_is_played_bit_for_bit_in_every_way() {
    let place = with_psk();
    place.wav("speech.wav", 440.0, 4000);
    for (serve, play) in [
        ("--codec l16", "--transport tcp"),
        ("--codec l16 --mki --rekey 0.2", "--transport udp"),
        ("--codec l16 --srtp AEAD_AES_256_GCM", "--transport tcp --rekey 0.2"),
        ("--codec l16 --psk ab.psk", "--psk ab.psk --transport udp --rekey 0.2"),
        ("--codec l16 --psk ab.psk --no-tls --mki --rekey 0.2", "--psk ab.psk"),
        ("--codec l16 --psk ab.psk --legacy", "--psk ab.psk --legacy"),
    ] {
        let server = place.listen_to(&format!("--json rtsp serve speech.wav --bind 127.0.0.1:0 {serve}"));
        let listening = server.first_event();
        let url = listening["url"].as_str().unwrap();
        let pin = listening["pin"].as_str().map(|pin| format!("--pin {pin}")).unwrap_or_default();
        let ended = place.ok(&format!("--json rtsp play {url} {pin} --out got {play}"));
        let stream = ended.event("stream");
        assert_eq!((&stream["lost"], &stream["refused"]), (&0.into(), &0.into()), "{serve}: {ended:?}");
        if serve.contains("rekey") || play.contains("rekey") {
            assert!(stream["renewals"].as_u64().unwrap() >= 1, "{serve}: {ended:?}");
        }
        let mode = if play.contains("psk") { "PSK" } else { "NULL" };
        assert_eq!(stream["keys"]["mode"], mode);
        assert_eq!(samples(&place.path("got-0.wav")), samples(&place.path("speech.wav")), "{serve}");
    }
}

#[test]
fn a_wrong_certificate_and_a_wrong_key_are_told_apart() {
    let place = with_psk();
    place.wav("speech.wav", 440.0, 800);
    place.ok("psk new --out other.psk");
    let server = place.listen_to("--json rtsp serve speech.wav --bind 127.0.0.1:0 --psk ab.psk");
    let listening = server.first_event();
    let (url, pin) = (listening["url"].as_str().unwrap(), listening["pin"].as_str().unwrap());
    let wrong = "0".repeat(64);
    place
        .run(&format!("rtsp play {url} --pin {wrong}"))
        .failed(3, &format!("another one, with SHA-256 {pin}"));
    let ended = place.run(&format!("rtsp play {url} --pin {pin} --psk other.psk"));
    ended.failed(3, "MIKEY: the peer did not prove its identity");
    let ended = place.run(&format!("rtsp play {url} --pin {pin} --psk ab.psk --peer rtsp:other"));
    ended.failed(1, "MIKEY: the peer is not the one that was expected");
    place.run(&format!("rtsp play {url} --pin {pin}")).failed(1, "MIKEY: a message of type");
    place
        .run("rtsp play rtsp://127.0.0.1:9/live")
        .failed(2, "over rtsp:// the keys would be readable for everybody");
}

#[test]
fn garbage_from_a_server_is_named_with_its_place() {
    let place = with_psk();
    for (line, why) in [
        ("a=key-mgmt:mikey AQ!F\r\n", "a=key-mgmt of media 1: data that is not base64 at octet 8"),
        (
            "a=key-mgmt:mikey AQAF\r\n",
            "MIKEY: malformed message: octet 3: V and PRF func: 1 octets wanted, 0 left",
        ),
        ("a=key-mgmt:mikey AgAFAAAAAAAAAA==\r\n", "MIKEY: malformed message:"),
        ("a=key-mgmt:sdes AQAF\r\n", "no message of MIKEY, but of sdes"),
    ] {
        let (url, task) = server(vec![options(), described(line)], true);
        play(&place, &url).failed(1, why);
        assert_eq!(task.join().unwrap().len(), 2, "nothing is set up");
    }
    let (url, _task) = server(
        vec![
            options(),
            described(""),
            answer(3, "Session: 1\r\nKeyMgmt: prot=mikey\r\nTransport: RTP/SAVP/TCP;interleaved=0-1\r\n", ""),
        ],
        true,
    );
    play(&place, &url).failed(1, "media 0 (audio PCMU): KeyMgmt: data is missing at octet 10");
    let (url, _task) = server(
        vec![
            options(),
            described(""),
            answer(3, "Session: 1\r\nTransport: RTP/SAVP/TCP;interleaved=0-1\r\n", ""),
        ],
        true,
    );
    play(&place, &url).failed(1, "the server sent no keys");
    let (url, _task) = server(vec![options(), answer(2, "", "m=what\r\n")], true);
    play(&place, &url).failed(1, "the server's description: not a session description");
    let refused =
        b"RTSP/1.0 463 Key management failure\r\nCSeq: 3\r\nContent-Length: 9\r\n\r\nbad \x1b[2J\n".to_vec();
    let (url, _task) = server(vec![options(), described(""), refused], true);
    play(&place, &url).failed(1, "the server refused SETUP: 463 Key management failure");
}

#[test]
fn a_server_that_is_silent_cut_or_no_rtsp_is_told() {
    let place = with_psk();
    let long = format!("RTSP/1.0 200 OK\r\nX: {}", "x".repeat(60_000)).into_bytes();
    let huge = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n".to_vec();
    for (first, silent, why) in [
        (Vec::new(), true, "no answer to OPTIONS after 1s"),
        (Vec::new(), false, "the connection was closed (after OPTIONS)"),
        (
            b"$\x00\x10\x00only a part".to_vec(),
            false,
            "the connection was closed within a message (after OPTIONS)",
        ),
        (b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n".to_vec(), false, "closed within a message"),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            true,
            "not an RTSP message: \"HTTP/1.1 400 Bad Request\"",
        ),
        (long, true, "a message whose headers are longer than 49152 octets"),
        (huge, true, "a message with a body of 99999999 octets; 65536 are read"),
    ] {
        let (url, _task) = server(vec![first], silent);
        play(&place, &url).failed(1, why);
    }
}

#[test]
fn a_client_that_sends_garbage_gets_463_and_may_go_on() {
    let place = with_psk();
    place.wav("speech.wav", 440.0, 800);
    let mut server = place
        .listen_to("--json rtsp serve speech.wav --bind 127.0.0.1:0 --no-tls --psk ab.psk --max-clients 1");
    let listening = server.first_event();
    let url = listening["url"].as_str().unwrap().to_owned();
    let mut stream = TcpStream::connect(listening["local"].as_str().unwrap()).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut ask = |text: String| {
        stream.write_all(text.as_bytes()).unwrap();
        let head = request(&mut answers).unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        answers.read_exact(&mut body).unwrap();
        (head, String::from_utf8(body).unwrap())
    };
    let (_, sdp) = ask(format!("DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n"));
    assert!(sdp.contains("a=key-mgmt:mikey AQA"), "{sdp}");
    let setup = |number: u32, value: &str| {
        format!(
            "SETUP {url}/stream=0 RTSP/1.0\r\nCSeq: {number}\r\nTransport: RTP/SAVP/TCP;unicast;interleaved=0-1\r\nKeyMgmt: {value}\r\n\r\n"
        )
    };
    for (number, value, why) in [
        (2, "prot=mikey;data=\"AQ!F\"", "KeyMgmt: data that is not base64 at octet 19"),
        (
            3,
            "prot=mikey;data=\"AQAF\"",
            "MIKEY: malformed message: octet 3: V and PRF func: 1 octets wanted, 0 left",
        ),
    ] {
        let (head, body) = ask(setup(number, value));
        assert!(head.starts_with("RTSP/1.0 463 Key management failure\r\n"), "{head}");
        assert_eq!(body.trim(), why);
        server.wait_for("refused");
    }
    let (head, _) = ask(format!("OPTIONS {url} RTSP/1.0\r\nCSeq: 4\r\n\r\n"));
    assert!(head.starts_with("RTSP/1.0 200 OK\r\n"), "the connection goes on: {head}");
    // The one place is taken.
    let mut second = TcpStream::connect(listening["local"].as_str().unwrap()).unwrap();
    assert_eq!(second.read(&mut [0; 1]).unwrap_or(0), 0);
    server.wait_for("turned_away");
    // What is no RTSP ends that connection alone.
    let _ = stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
    server.wait_for("gone");
    place.ok(&format!("rtsp play {url} --psk ab.psk --out got"));
}

#[test]
fn what_cannot_be_served_is_told() {
    let place = with_psk();
    std::fs::write(place.path("text"), "no media").unwrap();
    place.run("rtsp serve text").failed(1, "'text' is neither WAV nor a byte stream of H.264");
    place.run("rtsp serve none").failed(1, "no such file");
    std::fs::write(place.path("empty.h264"), [0, 0, 0, 1, 9, 16]).unwrap();
    place.run("rtsp serve empty.h264").failed(1, "has no picture of H.264");
    place.wav("speech.wav", 440.0, 800);
    place.run("rtsp serve speech.wav --no-tls").failed(2, "");
    place.run("rtsp serve speech.wav --srtp none").failed(2, "there is no SRTP policy 'none'");
    place.run("rtsp play http://cam/").failed(2, "that is no URL of RTSP");
}
