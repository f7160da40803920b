//! A client's keys and a server's session against each other: what must work, and what must be refused.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;
use std::time::Duration;

use mikey::keying::v1::Mode;
use mikey::srtp::UnprotectError;
use mikey::{Name, SrtpPolicy, Time};
use mikey_crypto::SecretBytes;
use mikey_rtsp::rtsp_types::{Method, Request, Response, Url, headers};
use mikey_rtsp::{
    Action, ClientKeys, Contexts, KeyError, Lower, Ports, Presentation, Published, Reply, Security,
    ServerSession, StreamInfo, Taken, key_mgmt, media, offered, request, streams,
};
use mikey_sdp::rtsp::{parse, parse_parameters};

const NOW: Time = Time::ZERO;
const URL: &str = "rtsps://cam:322/live";

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Null,
    Psk,
}

fn security(kind: Kind, server: bool) -> Security {
    let name = |text: &str| Name::parse(text).unwrap();
    let names = ["rtsp:server", "rtsp:player"].map(name);
    let [us, peer] = if server {
        names
    } else {
        let [a, b] = names;
        [b, a]
    };
    Security {
        secure_transport: kind == Kind::Null,
        psk: (kind == Kind::Psk).then(|| (us, peer, SecretBytes::copy_from(&[7; 32]))),
        legacy: false,
        unix_time_at_zero: Duration::from_secs(1_700_000_000),
    }
}

struct Pair(u16);

impl Ports for Pair {
    fn open(&mut self, media: usize) -> Option<(u16, u16)> {
        let port = self.0 + u16::try_from(media).unwrap() * 2;
        Some((port, port + 1))
    }
}

struct Client {
    keys: ClientKeys,
    contexts: Contexts,
    sequence: u32,
}

struct Line {
    client: Client,
    server: ServerSession,
    streams: Vec<StreamInfo>,
    sdp: mikey_sdp::sdp_types::Session,
}

fn published() -> Arc<Presentation> {
    let stream =
        |kind, payload_type, map: &str| Published { kind, payload_type, map: map.into(), parameters: None };
    let streams = vec![stream("audio", 0, "PCMU/8000"), stream("video", 96, "H264/90000")];
    Arc::new(Presentation { path: "live".into(), streams })
}

impl Line {
    fn new(kind: Kind, mki: bool) -> Self {
        let provider = mikey_crypto_aws_lc::provider;
        let policy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
        let server = ServerSession::new(provider(), security(kind, true), policy, mki, published()).unwrap();
        let keys = ClientKeys::new(provider(), security(kind, false)).unwrap();
        let client = Client { keys, contexts: Contexts::new(provider().srtp, [1, 2]), sequence: 0 };
        let sdp = mikey_sdp::parse(b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n").unwrap();
        let mut line = Self { client, server, streams: Vec::new(), sdp };
        let reply = line.ask(line.message(Method::Describe, URL, ""));
        assert_eq!(code(&reply), 200);
        line.sdp = mikey_sdp::parse(reply.response.body()).unwrap();
        let base = Url::parse(reply.response.header(&headers::CONTENT_BASE).unwrap().as_str()).unwrap();
        line.streams = streams(&line.sdp, &base).unwrap();
        line
    }

    fn message(&self, method: Method, uri: &str, body: &str) -> Request<Vec<u8>> {
        let uri = Url::parse(uri).unwrap();
        request(method, &uri, self.client.sequence + 1).build(body.as_bytes().to_vec())
    }

    fn ask(&mut self, request: Request<Vec<u8>>) -> Reply {
        self.client.sequence += 1;
        self.server.handle(NOW, &request, &mut Pair(5000))
    }

    fn take(&mut self, media: usize) -> Taken {
        let Client { keys, contexts, .. } = &mut self.client;
        let mut taken = keys.describe(NOW, &self.sdp, media).unwrap().unwrap();
        contexts.install(NOW, taken.group, taken.keys.take().unwrap()).unwrap();
        taken
    }

    fn setup_request(&self, media: usize, lower: Lower, value: Option<&str>) -> Request<Vec<u8>> {
        let uri = self.streams[media].control.to_string();
        let mut request = self.message(Method::Setup, &uri, "");
        request.insert_typed_header(&offered("SAVP", lower));
        if let Some(value) = value {
            request.insert_header(key_mgmt(), value);
        }
        request
    }

    fn set_up(&mut self, media: usize, lower: Lower) -> Reply {
        let mut taken = self.take(media);
        let uri = self.streams[media].control.to_string();
        let Client { keys, contexts, .. } = &mut self.client;
        let (value, own) = keys.header(NOW, Some(&mut taken), &uri, ssrc(media)).unwrap();
        if let Some(own) = own {
            contexts.install(NOW, taken.group, own).unwrap();
        }
        self.ask(self.setup_request(media, lower, value.as_deref()))
    }

    /// Packets both ways, and none of them twice.
    fn flows(&mut self, media: usize) {
        let group = u32::try_from(media).unwrap() + 1;
        let mut packet = self.server.packet(NOW, media, 160, false, b"speech").unwrap();
        let mut again = packet.clone();
        self.client.contexts.unprotect_rtp(NOW, group, &mut packet).unwrap();
        assert_eq!(media::Packet::parse(&packet).unwrap().payload, b"speech");
        assert!(self.client.contexts.unprotect_rtp(NOW, group, &mut again).is_err(), "a replay");
        let mut report = self.server.report(NOW, media, 0, false).unwrap();
        self.client.contexts.unprotect_rtcp(NOW, group, &mut report).unwrap();
        let mut report = media::receiver_report(ssrc(media), 9, &media::Counters::default());
        self.client.contexts.protect_rtcp(NOW, group, &mut report).unwrap();
        let mut forged = report.clone();
        forged[9] ^= 1;
        assert_eq!(self.server.receive_report(NOW, media, &mut forged), Err(UnprotectError::Unauthenticated));
        self.server.receive_report(NOW, media, &mut report).unwrap();
    }
}

fn ssrc(media: usize) -> u32 {
    0x1111_0000 + u32::try_from(media).unwrap()
}

fn code(reply: &Reply) -> u16 {
    reply.response.status().into()
}

const UDP: Lower = Lower::Udp { rtp: 6000, rtcp: 6001 };
const TCP: Lower = Lower::Interleaved { rtp: 2, rtcp: 3 };

#[test]
fn keys_come_in_both_modes_and_packets_flow_both_ways() {
    for (kind, mki) in [(Kind::Null, false), (Kind::Null, true), (Kind::Psk, false), (Kind::Psk, true)] {
        let mut line = Line::new(kind, mki);
        let reply = line.set_up(0, UDP);
        assert_eq!(code(&reply), 200, "{:?}", reply.refused);
        let mode = if kind == Kind::Null { Mode::Null } else { Mode::Psk };
        assert_eq!((reply.agreed[0].0, reply.agreed[0].1.mode), (0, mode));
        let transport = reply.response.header(&headers::TRANSPORT).unwrap().as_str();
        assert!(transport.starts_with("RTP/SAVP;unicast;"), "{transport}");
        assert!(transport.contains("client_port=6000-6001;server_port=5000-5001"), "{transport}");
        let reply = line.set_up(1, TCP);
        assert_eq!(code(&reply), 200);
        assert!(
            reply
                .response
                .header(&headers::TRANSPORT)
                .unwrap()
                .as_str()
                .contains("TCP;unicast;interleaved=2-3")
        );
        let reply = line.ask(line.message(Method::Play, URL, ""));
        assert_eq!((code(&reply), reply.action), (200, Some(Action::Play)));
        assert!(reply.response.header(&headers::RTP_INFO).unwrap().as_str().contains("/live/stream=1;seq="));
        line.flows(0);
        line.flows(1);
        let reply = line.ask(line.message(Method::Teardown, URL, ""));
        assert_eq!(reply.action, Some(Action::Close));
    }
}

#[test]
fn garbage_in_key_mgmt_is_named_and_nothing_is_lost() {
    for kind in [Kind::Null, Kind::Psk] {
        let mut line = Line::new(kind, false);
        let cases = [
            ("prot=mikey;data=\"AQ!F\"", "KeyMgmt: data that is not base64 at octet 19"),
            ("prot=mikey", "KeyMgmt: data is missing at octet 10"),
            ("garbage", "KeyMgmt: prot is missing at octet 7"),
            ("prot=other;data=\"AQAF\"", "KeyMgmt: no message of MIKEY, but of other"),
            (
                "prot=mikey;data=\"AQAF\"",
                "MIKEY: malformed message: octet 3: V and PRF func: 1 octets wanted, 0 left",
            ),
            ("prot=mikey;data=\"AgAFAAAAAAAAAA==\"", "MIKEY: malformed message: "),
        ];
        for (value, why) in cases {
            let reply = line.ask(line.setup_request(0, UDP, Some(value)));
            assert_eq!(code(&reply), 463, "{value}");
            assert_eq!(reply.response.reason_phrase(), "Key management failure");
            let refused = reply.refused.unwrap();
            assert!(refused.starts_with(why), "{value}: {refused}");
            assert_eq!(String::from_utf8_lossy(reply.response.body()).trim_end(), refused);
            assert_eq!(line.server.streams().count(), 0);
        }
        assert_eq!(code(&line.set_up(0, UDP)), 200, "the good one after all of them");
        line.ask(line.message(Method::Play, URL, ""));
        line.flows(0);
    }
}

#[test]
fn every_octet_of_an_answer_counts() {
    let mut line = Line::new(Kind::Psk, false);
    let mut taken = line.take(0);
    let uri = line.streams[0].control.to_string();
    let (value, _) = line.client.keys.header(NOW, Some(&mut taken), &uri, ssrc(0)).unwrap();
    let good = parse(value.as_deref().unwrap()).unwrap().remove(0);
    for at in 0..good.message.data.len() {
        let mut changed = good.clone();
        changed.message.data[at] ^= 0x41;
        let reply = line.ask(line.setup_request(0, UDP, Some(&changed.to_string())));
        assert_eq!(code(&reply), 463, "octet {at}");
        assert_eq!(line.server.streams().count(), 0);
    }
    let reply = line.ask(line.setup_request(0, UDP, None));
    assert!(reply.refused.unwrap().contains("KeyMgmt is missing"));
    assert_eq!(code(&line.ask(line.setup_request(0, UDP, value.as_deref()))), 200);
    line.flows(0);
}

#[test]
fn null_mode_needs_a_secure_connection_on_either_side() {
    let provider = mikey_crypto_aws_lc::provider;
    let plain = Security { secure_transport: false, ..security(Kind::Null, true) };
    assert!(
        ServerSession::new(provider(), plain, SrtpPolicy::AES_CM_128_HMAC_SHA1_80, false, published())
            .is_err()
    );
    let mut line = Line::new(Kind::Null, false);
    let plain = Security { secure_transport: false, ..security(Kind::Null, false) };
    let mut keys = ClientKeys::new(provider(), plain).unwrap();
    let Err(KeyError::Message(why)) = keys.describe(NOW, &line.sdp, 0) else { panic!("taken in the clear") };
    assert!(why.to_string().contains("is not taken here"), "{why}");
    assert_eq!(keys.header(NOW, None, URL, 1).unwrap().0, None, "no keys of ours in the clear");
    // The same from a server that is asked with keys in the clear where it has a pre-shared one.
    let mut psk = Line::new(Kind::Psk, false);
    let mut taken = line.take(0);
    let (null, _) = line.client.keys.header(NOW, Some(&mut taken), URL, 1).unwrap();
    let reply = psk.ask(psk.setup_request(0, UDP, null.as_deref()));
    assert_eq!(code(&reply), 463);
}

#[test]
fn keys_are_renewed_at_the_clients_wish_and_at_the_servers() {
    for (kind, mki) in [(Kind::Null, false), (Kind::Null, true), (Kind::Psk, false), (Kind::Psk, true)] {
        let mut line = Line::new(kind, mki);
        assert_eq!(code(&line.set_up(0, UDP)), 200);
        line.flows(0);
        // GET_PARAMETER, and SET_PARAMETER with the answer.
        let reply = line.ask(line.message(Method::GetParameter, URL, "KeyMgmt\r\n"));
        assert_eq!(code(&reply), 200, "{:?}", reply.refused);
        let old = line.server.packet(NOW, 0, 0, false, b"old").unwrap();
        let spec = parse_parameters(std::str::from_utf8(reply.response.body()).unwrap()).unwrap().remove(0);
        assert_eq!(spec.uri.as_deref(), Some("rtsps://cam:322/live/stream=0"));
        let mut taken = line.client.keys.receive(NOW, 1, &spec.message).unwrap();
        line.client.contexts.install(NOW, 1, taken.keys.take().unwrap()).unwrap();
        if kind == Kind::Psk {
            assert!(taken.agreed.as_ref().unwrap().renewed);
            let answer =
                mikey_sdp::rtsp::Spec::mikey("rtsps://cam:322/live/stream=0", taken.take_answer().unwrap());
            let body = mikey_sdp::rtsp::parameter(&answer.unwrap());
            // Garbage first: the answer is still awaited.
            let reply =
                line.ask(line.message(Method::SetParameter, URL, "KeyMgmt: prot=mikey;data=\"AAAA\"\r\n"));
            assert_eq!(code(&reply), 463);
            let reply = line.ask(line.message(Method::SetParameter, URL, &body));
            assert_eq!((code(&reply), reply.agreed[0].1.renewed), (200, true));
        }
        line.client
            .contexts
            .unprotect_rtp(NOW, 1, &mut old.clone())
            .expect("the old key, or the new one already");
        line.flows(0);
        // SET_PARAMETER of the server, with the answer in the response.
        let base = Url::parse(URL).unwrap();
        let renewal = line.server.renewal(NOW, 0, &base).unwrap();
        let spec = parse_parameters(std::str::from_utf8(renewal.body()).unwrap()).unwrap().remove(0);
        let mut taken = line.client.keys.receive(NOW, 1, &spec.message).unwrap();
        line.client.contexts.install(NOW, 1, taken.keys.take().unwrap()).unwrap();
        let answer = taken.take_answer().map(|answer| mikey_sdp::rtsp::Spec::mikey(URL, answer).unwrap());
        let body = answer.map(|answer| mikey_sdp::rtsp::parameter(&answer)).unwrap_or_default();
        let response = Response::builder(renewal.version(), 200.into())
            .header(headers::CSEQ, renewal.header(&headers::CSEQ).unwrap().as_str())
            .build(body.into_bytes());
        line.server.renewed(NOW, &response).unwrap().unwrap();
        assert!(line.server.renewed(NOW, &response).is_none(), "once");
        line.flows(0);
    }
}

#[test]
fn a_client_that_does_not_know_renewal_keeps_its_keys() {
    let mut line = Line::new(Kind::Psk, false);
    assert_eq!(code(&line.set_up(0, UDP)), 200);
    let renewal = line.server.renewal(NOW, 0, &Url::parse(URL).unwrap()).unwrap();
    let response = Response::builder(renewal.version(), 501.into())
        .header(headers::CSEQ, renewal.header(&headers::CSEQ).unwrap().as_str())
        .build(Vec::new());
    assert!(line.server.renewed(NOW, &response).unwrap().is_err());
    line.flows(0);
}

#[test]
fn requests_out_of_order_and_of_strangers_are_refused() {
    let mut line = Line::new(Kind::Null, false);
    let get = |line: &mut Line, method: Method, uri: &str| {
        let request = line.message(method, uri, "");
        code(&line.ask(request))
    };
    assert_eq!(get(&mut line, Method::Play, URL), 455);
    assert_eq!(get(&mut line, Method::Teardown, URL), 455);
    assert_eq!(get(&mut line, Method::Describe, "rtsps://cam:322/other"), 404);
    assert_eq!(get(&mut line, Method::Describe, "rtsps://cam:322/live/stream=0"), 404);
    assert_eq!(get(&mut line, Method::Announce, URL), 501);
    assert_eq!(get(&mut line, Method::Setup, "rtsps://cam:322/live/stream=7"), 404);
    assert_eq!(get(&mut line, Method::Setup, URL), 459);
    let setup = |line: &Line, transport: &str| {
        let mut request = line.message(Method::Setup, line.streams[0].control.as_str(), "");
        request.insert_header(headers::TRANSPORT, transport);
        request
    };
    for transport in [
        "RTP/AVP;unicast;client_port=6000-6001",
        "RTP/SAVP;multicast",
        "RTP/SAVP;unicast",
        "RTP/SAVP;unicast;client_port=0-1",
        "RTP/SAVP/TCP;unicast;interleaved=1-1",
        "RTP/SAVP/TCP;unicast;interleaved=255",
        "RTP/SAVP;unicast;client_port=1-2;mode=record",
        "garbage",
        "",
    ] {
        assert_eq!(code(&line.ask(setup(&line, transport))), 461, "{transport}");
    }
    assert_eq!(line.server.streams().count(), 0);
    // The first that will do is taken.
    let several = "RTP/AVP;unicast;client_port=1-2,RTP/SAVP/TCP;unicast;interleaved=4-5";
    assert_eq!(code(&line.ask(setup(&line, several))), 200);
    assert_eq!(code(&line.ask(setup(&line, several))), 455, "it is set up");
    let clash = Lower::Interleaved { rtp: 5, rtcp: 6 };
    assert_eq!(code(&line.ask(line.setup_request(1, clash, None))), 461, "the other stream's channel");
    let mut wrong = line.message(Method::Play, URL, "");
    wrong.insert_header(headers::SESSION, "0123");
    assert_eq!(code(&line.ask(wrong)), 454);
    let mut needs = line.message(Method::Options, URL, "");
    needs.insert_header(headers::REQUIRE, "play.scale");
    assert_eq!(code(&line.ask(needs)), 551);
    let mut unnumbered = line.message(Method::Options, URL, "");
    unnumbered.remove_header(&headers::CSEQ);
    assert_eq!(code(&line.ask(unnumbered)), 400);
    assert_eq!(code(&line.ask(line.message(Method::GetParameter, URL, "jitter\r\n"))), 451);
    assert_eq!(code(&line.ask(line.message(Method::GetParameter, URL, ""))), 200, "a sign of life");
}

#[test]
fn a_server_without_mikey_is_told_from_one_with_garbage() {
    let provider = mikey_crypto_aws_lc::provider;
    let mut keys = ClientKeys::new(provider(), security(Kind::Null, false)).unwrap();
    let sdp = |lines: &str| {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\n{lines}"
        );
        mikey_sdp::parse(text.as_bytes()).unwrap()
    };
    assert!(keys.describe(NOW, &sdp(""), 0).unwrap().is_none());
    let mut why = |line: &str| keys.describe(NOW, &sdp(line), 0).err().unwrap().to_string();
    assert_eq!(why("a=key-mgmt:mikey AQ!F\r\n"), "a=key-mgmt of media 1: data that is not base64 at octet 8");
    assert_eq!(why("a=key-mgmt:other AQAF\r\n"), "KeyMgmt: no message of MIKEY, but of other");
    assert!(why("a=key-mgmt:mikey AQAFAA==\r\n").starts_with("MIKEY: malformed message: "));
}

#[test]
fn what_cameras_send_gives_keys() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/external/mikey_v1_messages_gortsplib.json");
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut seen = 0;
    for vector in json["vectors"].as_array().unwrap() {
        let base64 = vector["base64"].as_str().unwrap();
        for level in ["session", "media"] {
            let line = format!("a=key-mgmt:mikey {base64}\r\n");
            let (session, media) = if level == "session" { (line.as_str(), "") } else { ("", line.as_str()) };
            let text = format!(
                "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\n{session}m=video 0 RTP/SAVP 96\r\n{media}m=audio 0 RTP/SAVP 0\r\n"
            );
            let sdp = mikey_sdp::parse(text.as_bytes()).unwrap();
            let mut keys =
                ClientKeys::new(mikey_crypto_aws_lc::provider(), security(Kind::Null, false)).unwrap();
            let mut contexts = Contexts::new(mikey_crypto_aws_lc::provider().srtp, [3, 4]);
            let has_time = vector["decoded"]["payloads"].as_array().unwrap().iter().any(|p| p["name"] == "T");
            if !has_time {
                let why = keys.describe(NOW, &sdp, 0).err().unwrap().to_string();
                assert_eq!(why, "MIKEY: malformed message: T: T: is missing", "{vector}");
                continue;
            }
            let taken = keys.describe(NOW, &sdp, 0).unwrap().unwrap();
            let agreed = taken.agreed.clone().unwrap();
            assert_eq!(agreed.mode, Mode::Null, "{vector}");
            assert_eq!(taken.group, if level == "session" { 0 } else { 1 });
            contexts.install(NOW, taken.group, taken.keys.unwrap()).unwrap();
            let second = keys.describe(NOW, &sdp, 1).unwrap();
            assert_eq!(
                second.is_some(),
                level == "session",
                "session level is for all media, and taken once"
            );
            assert!(second.is_none_or(|second| second.keys.is_none()));
        }
        seen += 1;
    }
    assert!(seen >= 3);
}
