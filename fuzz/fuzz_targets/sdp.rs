//! Text from anywhere as a description, as `a=key-mgmt`, `a=fingerprint`, `a=tls-id` and RTSP's `KeyMgmt`: no panic, and what
//! was read is written as text that is read as the same.

#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use libfuzzer_sys::fuzz_target;
use mikey_sdp::rtsp::{self, Spec};
use mikey_sdp::{
    Fingerprint, KeyMgmt, Offered, TextError, TlsId, check_sdp_ids, fingerprints, media_address, parse, tls_id,
};
use mikey_wire::Message;

fuzz_target!(|octets: &[u8]| {
    if let Ok(sdp) = parse(octets) {
        described(&sdp);
    }
    let Ok(text) = std::str::from_utf8(octets) else { return };
    again::<KeyMgmt>(text);
    again::<Fingerprint>(text);
    again::<TlsId>(text);
    match rtsp::parse(text) {
        Ok(specs) => {
            let written: Vec<_> = specs.iter().map(Spec::to_string).collect();
            assert_eq!(rtsp::parse(&written.join(",")).as_ref(), Ok(&specs), "another KeyMgmt");
        }
        Err(error) => assert!(error.at <= text.len(), "an error behind the text"),
    }
    let _ = rtsp::parse_parameters(text);
});

fn described(sdp: &mikey_sdp::sdp_types::Session) {
    let mut offers = vec![Offered::of_session(sdp)];
    for media in 0..sdp.medias.len() {
        let _ = (fingerprints(sdp, media), tls_id(sdp, media), media_address(sdp, media));
        offers.push(Offered::of_media(sdp, media));
    }
    for offered in offers.into_iter().flatten() {
        if let Some(Ok(message)) = offered.mikey().map(|mikey| Message::decode(&mikey.data)) {
            let _ = check_sdp_ids(&message, &offered);
        }
    }
}

fn again<T: FromStr<Err = TextError> + Display + Debug + PartialEq>(text: &str) {
    match text.parse::<T>() {
        Ok(value) => {
            let written = value.to_string();
            let read = written.parse::<T>();
            assert!(read.as_ref().is_ok_and(|read| *read == value), "{value:?} is written as {written:?}");
        }
        Err(error) => assert!(error.at <= text.len() + 1, "an error behind the text"),
    }
}
