//! Any text gives a value or an error; what was written is read as it was.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use mikey_sdp::rtsp::{self, Spec};
use mikey_sdp::{Fingerprint, FingerprintHash, KeyMgmt, Offered, TlsId, fingerprints, parse, tls_id};
use proptest::prelude::*;

/// Text that is mostly made of what means something.
fn text() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "prot",
        "=",
        "mikey",
        ";",
        ",",
        "\"",
        "uri",
        "data",
        " ",
        "AQAF",
        "A",
        "\r\n",
        "\t",
        "KeyMgmt",
        ":",
        "sha-256",
        "AB",
        "é",
        "\\",
        "a=",
        "key-mgmt",
        "fingerprint",
        "tls-id",
        "m=audio 1 RTP/SAVP 0",
        "v=0",
        "s=-",
        "t=0 0",
        "o=- 1 1 IN IP4 192.0.2.1",
    ]);
    prop::collection::vec(words, 0..60).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in text()) {
        if let Err(error) = rtsp::parse(&text) {
            prop_assert!(error.at <= text.len());
        }
        let _ = rtsp::parse_parameters(&text);
        for at in [text.parse::<KeyMgmt>().err(), text.parse::<Fingerprint>().err(), text.parse::<TlsId>().err()] {
            prop_assert!(at.is_none_or(|error| error.at <= text.len() + 1));
        }
        if let Ok(sdp) = parse(text.as_bytes()) {
            let _ = (Offered::of_session(&sdp), Offered::of_media(&sdp, 0), fingerprints(&sdp, 0), tls_id(&sdp, 0));
        }
    }

    #[test]
    fn any_octets_are_a_description_or_not(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&octets);
        let _ = parse(&[b"v=0\r\n", &octets[..]].concat());
    }

    #[test]
    fn what_is_written_is_read(
        protocol in "[a-zA-Z0-9]{1,32}",
        data in prop::collection::vec(any::<u8>(), 1..600),
        uri in prop::option::of("[!#-~]{1,80}"),
        value in prop::collection::vec(any::<u8>(), 48),
    ) {
        let message = KeyMgmt { protocol, data };
        prop_assert_eq!(message.to_string().parse(), Ok(message.clone()));
        let spec = Spec { uri, message };
        prop_assert_eq!(rtsp::parse(&spec.to_string()), Ok(vec![spec.clone()]));
        prop_assert_eq!(rtsp::parse(&format!("{spec},{spec}")), Ok(vec![spec.clone(), spec.clone()]));
        prop_assert_eq!(rtsp::parse_parameters(&rtsp::parameter(&spec)), Ok(vec![spec]));
        let fingerprint = Fingerprint::new(FingerprintHash::Sha384, &value).unwrap();
        prop_assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }

    /// A message that was spoilt on its way is refused or is another one; it never brings anything down.
    #[test]
    fn a_spoilt_header_is_read_or_refused(at in 0usize..200, with in any::<u8>(), cut in 0usize..200) {
        let spec = Spec::mikey("rtsps://camera.example:322/profile2/media.smp/trackID=v", vec![1, 0, 5, 0, 7]).unwrap();
        let mut text = spec.to_string().into_bytes();
        text.truncate(text.len().saturating_sub(cut % 40));
        let end = text.len();
        if let Some(octet) = text.get_mut(at % end.max(1)) {
            *octet = with & 0x7f;
        }
        let _ = rtsp::parse(&String::from_utf8(text).unwrap());
    }
}
