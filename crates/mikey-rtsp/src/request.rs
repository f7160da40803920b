//! Requests of a client, and the header that has the keys.

use mikey_sdp::rtsp;
use rtsp_types::{HeaderName, Method, Request, RequestBuilder, Url, Version, headers};

/// The name of the header, as it is written.
pub const KEY_MGMT: &str = rtsp::KEY_MGMT;

/// Who sends.
pub(crate) const AGENT: &str = concat!("mikey/", env!("CARGO_PKG_VERSION"));

/// A request of RTSP 1.0 with its number.
#[must_use]
pub fn request(method: Method, uri: &Url, sequence: u32) -> RequestBuilder {
    Request::builder(method, Version::V1_0)
        .request_uri(uri.clone())
        .header(headers::CSEQ, sequence.to_string())
        .header(headers::USER_AGENT, AGENT)
}

/// `KeyMgmt` as a header's name.
#[must_use]
pub fn key_mgmt() -> HeaderName {
    HeaderName::from_static_str(KEY_MGMT).unwrap_or_else(|_| unreachable!("the name is ASCII"))
}
