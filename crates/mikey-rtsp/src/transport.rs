//! The `Transport` header (RFC 2326 section 12.39): one RTP stream over UDP, or in the connection itself.

use rtsp_types::headers::{
    RtpLowerTransport, RtpProfile, RtpTransport, RtpTransportParameters, Transport as Header, Transports,
};
use rtsp_types::{Request, Response};

/// How the packets of a stream travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lower {
    /// UDP, with ports of ours for RTP and RTCP.
    Udp {
        /// For RTP; even.
        rtp: u16,
        /// For RTCP.
        rtcp: u16,
    },
    /// Frames in the connection, with channels for RTP and RTCP.
    Interleaved {
        /// For RTP.
        rtp: u8,
        /// For RTCP.
        rtcp: u8,
    },
}

/// A transport that both agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transport {
    /// Its channels; for UDP the ports of the *other* side.
    pub lower: Lower,
    /// Where the server says that its packets come from, or go to, if it is not where the connection leads.
    pub address: Option<String>,
    /// The server's SSRC, if it says so.
    pub ssrc: Option<u32>,
}

/// What a client asks for in SETUP.
#[must_use]
pub fn offered(profile: &str, lower: Lower) -> Transports {
    header(profile, lower, |params, ports| params.client_port = ports)
}

/// What a server answers: ours, for what the client asked.
pub(crate) fn answered(profile: &str, asked: Lower, ours: Option<(u16, u16)>, ssrc: u32) -> Transports {
    let mut answer = header(profile, asked, |params, ports| params.client_port = ports);
    for transport in answer.iter_mut() {
        if let Header::Rtp(rtp) = transport {
            rtp.params.server_port = ours.map(|(rtp, rtcp)| (rtp, Some(rtcp)));
            rtp.params.ssrc = vec![ssrc];
        }
    }
    answer
}

fn header(
    profile: &str,
    lower: Lower,
    ports: impl Fn(&mut RtpTransportParameters, Option<(u16, Option<u16>)>),
) -> Transports {
    let mut params = RtpTransportParameters { unicast: true, ..Default::default() };
    let lower_transport = match lower {
        Lower::Udp { rtp, rtcp } => {
            ports(&mut params, Some((rtp, Some(rtcp))));
            None
        }
        Lower::Interleaved { rtp, rtcp } => {
            params.interleaved = Some((rtp, Some(rtcp)));
            Some(RtpLowerTransport::Tcp)
        }
    };
    let profile = RtpProfile::from(profile);
    vec![Header::Rtp(RtpTransport { profile, lower_transport, params })].into()
}

/// What a server agreed to; none if it is not what was asked for.
#[must_use]
pub fn confirmed(response: &Response<Vec<u8>>, asked: Lower) -> Option<Transport> {
    let transports = response.typed_header::<Transports>().ok()??;
    let Header::Rtp(rtp) = transports.first()? else { return None };
    let params = &rtp.params;
    let lower = match asked {
        Lower::Udp { .. } => {
            if is_tcp(rtp) || params.multicast {
                return None;
            }
            // Some servers send RTP alone, or do not tell their ports: then nothing is sent to them.
            let (rtp, rtcp) = params.server_port.unwrap_or((0, None));
            Lower::Udp { rtp, rtcp: rtcp.unwrap_or_else(|| rtp.saturating_add(u16::from(rtp != 0))) }
        }
        Lower::Interleaved { rtp, rtcp } => {
            let (rtp, other) = params.interleaved.unwrap_or((rtp, Some(rtcp)));
            Lower::Interleaved { rtp, rtcp: other.unwrap_or(rtp.wrapping_add(1)) }
        }
    };
    Some(Transport { lower, address: params.source.clone(), ssrc: params.ssrc.first().copied() })
}

/// The first of the transports a client would take that a server here can serve: unicast, protected, UDP or interleaved.
pub(crate) fn acceptable(request: &Request<Vec<u8>>, channel: u8) -> Option<(String, Lower)> {
    let transports = request.typed_header::<Transports>().ok()??;
    transports.iter().find_map(|transport| {
        let Header::Rtp(rtp) = transport else { return None };
        let protected = matches!(rtp.profile, RtpProfile::SAvp | RtpProfile::SAvpF);
        if !protected || rtp.params.multicast || !rtp.params.mode.iter().all(|mode| mode.as_str() == "PLAY") {
            return None;
        }
        let lower = if is_tcp(rtp) {
            let (rtp, rtcp) = rtp.params.interleaved.unwrap_or((channel, None));
            let rtcp = rtcp.or_else(|| rtp.checked_add(1))?;
            (rtp != rtcp).then_some(Lower::Interleaved { rtp, rtcp })?
        } else {
            let (rtp, rtcp) = rtp.params.client_port?;
            let rtcp = rtcp.or_else(|| rtp.checked_add(1))?;
            (rtp != 0 && rtcp != 0).then_some(Lower::Udp { rtp, rtcp })?
        };
        Some((rtp.profile.as_str().to_owned(), lower))
    })
}

fn is_tcp(rtp: &RtpTransport) -> bool {
    rtp.lower_transport == Some(RtpLowerTransport::Tcp) || rtp.params.interleaved.is_some()
}
