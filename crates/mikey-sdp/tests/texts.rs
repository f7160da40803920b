//! Real texts: RFC 4567's examples, cameras and GStreamer, read and written.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use mikey_sdp::rtsp::{self, Spec};
use mikey_sdp::{
    BiddingDown, Fault, Fingerprint, KeyMgmt, Level, Offered, SdpError, check_sdp_ids, fingerprints, parse,
    tls_id,
};
use mikey_wire::{CsMap, DataType, Extension, Header, Message, Payload, SrtpCs, T, Version, encode};
use serde_json::Value;

/// RFC 4567 section 5.1; `SESSION` and `AUDIO` are where a line goes.
const OFFER: &str = "v=0\r
o=alice 2891092738 2891092738 IN IP4 w-land.example.com\r
s=Cool stuff\r
e=alice@w-land.example.com\r
c=IN IP4 w-land.example.com\r
t=0 0\r
SESSIONm=audio 49000 RTP/SAVP 98\r
a=rtpmap:98 AMR/8000\r
AUDIOm=video 52230 RTP/SAVP 31\r
a=rtpmap:31 H261/90000\r
";

fn vectors(name: &str) -> Vec<(String, String)> {
    let path = format!("{}/../../vectors/external/{name}", env!("CARGO_MANIFEST_DIR"));
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |vector: &Value, field: &str| vector[field].as_str().unwrap().to_owned();
    let vectors = json["vectors"].as_array().unwrap();
    vectors.iter().map(|vector| (text(vector, "base64"), text(vector, "hex"))).collect()
}

fn offer(session: &str, audio: &str) -> String {
    OFFER.replace("SESSION", session).replace("AUDIO", audio)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A version 1 message that lists these protocols.
fn message(lists: &[&[u8]]) -> Vec<u8> {
    let cs_map = CsMap::SrtpId(vec![SrtpCs { policy_no: 0, ssrc: 7, roc: 0 }]);
    let (data_type, version) = (DataType::PSK_INIT, Version::V1);
    let header = Header { version, data_type, v: false, prf: 0, csb_id: 9, cs_map };
    let mut payloads = vec![Payload::T(T::Counter(1)), Payload::Rand(&[9; 16])];
    payloads.extend(lists.iter().map(|list| Payload::Ext(Extension::SdpIds(list))));
    encode(&header, &payloads).unwrap()
}

#[test]
fn the_example_of_rfc_4567_is_read_and_written() {
    let [(alice, alice_hex), (bob, bob_hex)] = &vectors("mikey_v1_messages_rfc4567.json")[..] else {
        panic!("two messages");
    };
    for (base64, octets) in [(alice, alice_hex), (bob, bob_hex)] {
        let sdp = parse(offer(&format!("a=key-mgmt:mikey {base64}\r\n"), "").as_bytes()).unwrap();
        let session = Offered::of_session(&sdp).unwrap();
        assert_eq!((session.level, session.protocols().as_str()), (Level::Session, "mikey"));
        let line = session.mikey().unwrap();
        assert_eq!(&hex(&line.data), octets);
        assert_eq!(Offered::of_media(&sdp, 1).unwrap(), session, "both media have that of the session");
        let mut written = sdp.clone();
        written.attributes = vec![line.attribute()];
        assert_eq!(written, sdp);
        let mut text = Vec::new();
        written.write(&mut text).unwrap();
        assert_eq!(parse(&text).unwrap(), sdp);
    }
    // Section 5.2: at media level it is about that media alone, and in its place the session's is ignored.
    let own = format!("a=key-mgmt:mikey {bob}\r\n");
    let sdp = parse(offer(&format!("a=key-mgmt:mikey {alice}\r\n"), &own).as_bytes()).unwrap();
    let octets = |media| hex(&Offered::of_media(&sdp, media).unwrap().mikey().unwrap().data);
    assert_eq!((octets(0), octets(1)), (bob_hex.clone(), alice_hex.clone()));
    assert_eq!(Offered::of_media(&sdp, 2), Err(SdpError::NoMedia(2)));
}

#[test]
fn what_cameras_and_players_send_is_read_and_written() {
    let mut seen = 0;
    for (base64, octets) in vectors("mikey_v1_messages_gortsplib.json") {
        let header = format!("prot=mikey;uri=\"rtsps://127.0.0.1:8322/cam/trackID=0\";data=\"{base64}\"");
        let specs = rtsp::parse(&header).unwrap();
        let [spec] = &specs[..] else { panic!("{header}") };
        assert_eq!(spec.uri.as_deref(), Some("rtsps://127.0.0.1:8322/cam/trackID=0"));
        assert_eq!(hex(&spec.message.data), octets);
        assert_eq!(spec.to_string(), header, "octet for octet what GStreamer and gortsplib write");
        let line: KeyMgmt = format!("mikey {base64}").parse().unwrap();
        assert_eq!(line, spec.message);
        seen += 1;
    }
    assert!(seen >= 3);
}

#[test]
fn other_spellings_of_the_header_are_read() {
    let expected = Spec { uri: None, message: KeyMgmt::mikey(vec![1, 0, 5]) };
    for text in [
        "prot=mikey;data=\"AQAF\"",
        "prot=mikey;uri=\"\";data=\"AQAF\"",
        "prot=mikey; data=AQAF",
        "Prot = mikey ;\r\n   DATA = \"AQAF\" ;",
        "data=\"AQAF\";prot=mikey;later=\"a;b,c\"",
    ] {
        assert_eq!(rtsp::parse(text), Ok(vec![expected.clone()]), "{text}");
    }
    // RFC 4567 section 5.3, with a line that is folded.
    let two =
        "prot=mikey; uri=\"rtsp://movie.example.com/action\";\r\n data=\"AQEF\",prot=keyp1;data=\"AAAA\"";
    let specs = rtsp::parse(two).unwrap();
    assert_eq!(specs[0], Spec::mikey("rtsp://movie.example.com/action", vec![1, 1, 5]).unwrap());
    assert_eq!((specs[1].message.is_mikey(), specs.len()), (false, 2));
}

#[test]
fn parameters_carry_the_same_text() {
    let spec = Spec::mikey("rtsps://h/stream=0", vec![1, 0, 5]).unwrap();
    let body = rtsp::parameter(&spec);
    assert_eq!(body, "KeyMgmt: prot=mikey;uri=\"rtsps://h/stream=0\";data=\"AQAF\"\r\n");
    assert_eq!(rtsp::parse_parameters(&body), Ok(vec![spec.clone()]));
    assert_eq!(rtsp::parse_parameters(&format!("jitter: 3\r\n\r\n{body}")), Ok(vec![spec]));
    assert_eq!(rtsp::parse_parameters("KeyMgmt\r\nKeyMgmt:\r\n"), Ok(vec![]), "GET_PARAMETER asks");
    assert_eq!(rtsp::parse_parameters("keymgmt: prot=mikey").unwrap_err().fault, Fault::Missing("data"));
    assert_eq!(Spec::mikey("rtsp://h/\"", vec![1]), None);
    assert_eq!(Spec::mikey("rtsp://h/\r\nX: y", vec![1]), None);
}

#[test]
fn a_bad_header_is_named_with_its_place() {
    let fault = |text: &str| {
        let error = rtsp::parse(text).unwrap_err();
        (error.at, error.fault)
    };
    assert_eq!(fault(""), (0, Fault::Missing("prot")));
    assert_eq!(fault("prot=mikey;uri=\"x\""), (18, Fault::Missing("data")));
    assert_eq!(fault("prot=mikey;data=\"AQ!F\""), (19, Fault::Base64));
    assert_eq!(fault("prot=mikey;data=\"AQAF"), (16, Fault::Unquoted));
    assert_eq!(fault("prot=mikey;data=\"AQAF\"x"), (22, Fault::Character("the end of a part")));
    assert_eq!(fault("prot=mikey;data=\"AQAF\";prot=mikey"), (23, Fault::Twice("prot")));
    assert_eq!(fault("prot=mi key;data=\"AQAF\""), (7, Fault::Character("a protocol")));
    assert_eq!(fault("prot=mikey;data=\"\""), (17, Fault::Missing("the data")));
    assert_eq!(fault("prot=mikey;data=\"AQAF\","), (23, Fault::Missing("prot")));
    // Found by the fuzz target `sdp`: it was read, and could not be written so that it is read again.
    assert_eq!(fault("prot=mikey;uri=/live\";data=\"AQAF\""), (20, Fault::Character("a uri")));
    let long = format!("prot=mikey;uri=\"{}\";data=\"AQAF\"", "u".repeat(2049));
    assert_eq!(fault(&long), (16, Fault::Length { what: "a uri", len: 2049 }));
    assert_eq!(fault(&"x".repeat(100_000)).1, Fault::Length { what: "a KeyMgmt", len: 100_000 });
    assert_eq!(fault(&["prot=m;data=AQAF"; 17].join(",")).1, Fault::TooMany(16));
}

#[test]
fn a_bad_description_is_named_with_level_and_attribute() {
    let why = |session: &str, audio: &str| {
        let sdp = parse(offer(session, audio).as_bytes()).unwrap();
        Offered::of_media(&sdp, 0).unwrap_err().to_string()
    };
    assert_eq!(
        why("", "a=key-mgmt:mikey AA?A\r\n"),
        "a=key-mgmt of media 1: data that is not base64 at octet 8"
    );
    assert_eq!(why("a=key-mgmt\r\n", ""), "a=key-mgmt of the session: the protocol is missing at octet 0");
    assert_eq!(why(&"a=key-mgmt:x AAAA\r\n".repeat(17), ""), "more than 16 a=key-mgmt lines");
    assert_eq!(parse(&[b' '; 65_537]).unwrap_err(), SdpError::TooLong { limit: 65_536 });
    let Err(SdpError::Syntax(line)) = parse(b"v=0\r\no=x\r\n") else { panic!("no SDP") };
    assert!(line.contains("line 2") || line.contains('2'), "{line}");
    let many = offer("", "") + &"m=audio 1 RTP/SAVP 0\r\n".repeat(63);
    assert_eq!(parse(many.as_bytes()), Err(SdpError::TooMany { what: "media descriptions", limit: 64 }));
}

#[test]
fn bidding_down_is_seen() {
    let offered = |lines: &str| Offered::of_session(&parse(offer(lines, "").as_bytes()).unwrap()).unwrap();
    let both = offered("a=key-mgmt:mikey AQAF\r\na=key-mgmt:keyp1 AAAA\r\n");
    let one = offered("a=key-mgmt:mikey AQAF\r\n");
    let check = |lists: &[&[u8]], offered: &Offered| {
        let octets = message(lists);
        check_sdp_ids(&Message::decode(&octets).unwrap(), offered)
    };
    assert_eq!(check(&[b"mikey;keyp1"], &both), Ok(()));
    assert_eq!(check(&[b"mikey"], &one), Ok(()));
    let changed = |listed: &str, offered: &str| {
        Err(BiddingDown::Changed { offered: offered.into(), listed: listed.into() })
    };
    assert_eq!(check(&[b"mikey;keyp1"], &one), changed("mikey;keyp1", "mikey"), "one was removed");
    assert_eq!(check(&[b"mikey"], &both), changed("mikey", "mikey;keyp1"), "one was added");
    assert_eq!(check(&[b"keyp1;mikey"], &both), changed("keyp1;mikey", "mikey;keyp1"), "another order");
    assert_eq!(check(&[b"mikey\n"], &one), changed("mikey?", "mikey"));
    assert_eq!(check(&[], &one), Err(BiddingDown::Absent));
    assert_eq!(check(&[b"mikey", b"mikey"], &one), Err(BiddingDown::Twice));
}

#[test]
fn fingerprints_and_tls_id_count_at_their_level() {
    let strong =
        |octet: u8| format!("a=fingerprint:SHA-256 {}\r\n", vec![format!("{octet:02X}"); 32].join(":"));
    let id = |c: char| format!("a=tls-id:{}\r\n", c.to_string().repeat(20));
    let weak = "a=fingerprint:sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB\r\n";
    let session = [weak, &strong(1), &id('s')].concat();
    let sdp = parse(offer(&session, &[strong(2), strong(3), id('m')].concat()).as_bytes()).unwrap();
    let values = |media| -> Vec<u8> {
        fingerprints(&sdp, media).unwrap().iter().map(|fingerprint| fingerprint.value()[0]).collect()
    };
    assert_eq!((values(0), values(1)), (vec![2, 3], vec![1]));
    let first = |media| tls_id(&sdp, media).unwrap().unwrap().as_str().chars().next();
    assert_eq!((first(0), first(1)), (Some('m'), Some('s')));
    // A weak one at media level does not fall back to the session's: it is what the media has.
    let sdp = parse(offer(&session, weak).as_bytes()).unwrap();
    assert_eq!(fingerprints(&sdp, 0), Ok(vec![]));
    let sdp = parse(offer(&(id('s') + &id('t')), "a=fingerprint:sha-256 00\r\n").as_bytes()).unwrap();
    assert_eq!(tls_id(&sdp, 0), Err(SdpError::Twice { attribute: "tls-id", level: Level::Session }));
    assert!(matches!(fingerprints(&sdp, 0), Err(SdpError::Attribute { level: Level::Media(0), .. })));
    let written: Fingerprint = strong(2).trim_start_matches("a=fingerprint:").trim().parse().unwrap();
    assert_eq!(written.attribute().value.unwrap().len(), 8 + 95);
}
