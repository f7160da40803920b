//! The packets of a session: in, through SRTP, and into files.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use mikey_rtsp::media::{Counters, Packet, is_goodbye, receiver_report};
use mikey_rtsp::{Agreed, Lower, StreamInfo, Transport};
use serde_json::json;
use tokio::time::Instant;

use super::Player;
use crate::error::Result;
use crate::rtsp::describe;
use crate::rtsp::ports::{Datagram, PortPair};
use crate::rtsp::sink::Sink;
use crate::ui::{Ui, printable};

/// How the packets of a stream come.
pub(super) enum Way {
    Interleaved { rtp: u8, rtcp: u8 },
    Udp { pair: PortPair, rtcp_to: Option<SocketAddr> },
}

impl Way {
    /// With what the server agreed to.
    pub(super) fn confirmed(self, transport: Transport, peer: IpAddr) -> Self {
        match (self, transport.lower) {
            (Self::Udp { pair, .. }, Lower::Udp { rtcp, .. }) => {
                let ip = transport.address.and_then(|address| address.parse().ok()).unwrap_or(peer);
                Self::Udp { pair, rtcp_to: (rtcp != 0).then(|| SocketAddr::new(ip, rtcp)) }
            }
            (_, Lower::Interleaved { rtp, rtcp }) => Self::Interleaved { rtp, rtcp },
            (way, _) => way,
        }
    }
}

/// A stream that plays.
pub(super) struct Playing {
    pub(super) info: StreamInfo,
    /// Whose contexts open its packets.
    pub(super) group: u32,
    report_group: u32,
    /// Our SSRC in reports.
    ssrc: u32,
    way: Way,
    sink: Sink,
    agreed: Option<Agreed>,
    pub(super) renewals: u32,
    counters: Counters,
    source: Option<u32>,
    /// Refused packets by why.
    refused: BTreeMap<String, u64>,
    ended: bool,
    /// What could not be written; it is told at the end.
    failed: Result,
}

impl Playing {
    pub(super) fn new(
        info: StreamInfo,
        group: u32,
        report_group: u32,
        ssrc: u32,
        way: Way,
        sink: Sink,
        agreed: Option<Agreed>,
    ) -> Self {
        let (counters, refused) = (Counters::default(), BTreeMap::new());
        let (renewals, source, ended, failed) = (0, None, false, Ok(()));
        Self {
            info,
            group,
            report_group,
            ssrc,
            way,
            sink,
            agreed,
            renewals,
            counters,
            source,
            refused,
            ended,
            failed,
        }
    }

    pub(super) fn received(&self) -> u64 {
        self.counters.received
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Why packets were refused, and how many.
    pub(super) fn refusals(&self) -> String {
        let each: Vec<String> =
            self.refused.iter().map(|(why, count)| format!("{count} because {why}")).collect();
        each.join(", ")
    }

    /// Ends the file and says what came.
    pub(super) fn finish(self, ui: Ui) -> Result {
        let refusals = self.refusals();
        let Self { info, sink, agreed, counters, refused, renewals, failed, .. } = self;
        failed?;
        let path = sink.finish()?;
        let refused: u64 = refused.values().sum();
        let (received, lost) = (counters.received, counters.lost());
        let keys = agreed.as_ref().map_or_else(|| "the session's keys".to_owned(), describe::agreed);
        let renewed = if renewals == 0 { String::new() } else { format!(", renewed {renewals} times") };
        let why = if refusals.is_empty() { String::new() } else { format!(" ({refusals})") };
        let (kind, codec) = (printable(&info.kind), printable(info.codec.name()));
        let text = format!(
            "media {} ({kind} {codec}): {received} packets received, {lost} lost, {refused} refused{why}\n  keys: {keys}{renewed}\n  file: {}",
            info.media,
            path.display()
        );
        ui.result(
            text,
            &json!({
                "event": "stream", "media": info.media, "kind": info.kind, "codec": info.codec.name(),
                "received": received, "lost": lost, "refused": refused, "file": path, "renewals": renewals,
                "keys": agreed.as_ref().map(describe::agreed_json),
            }),
        );
        Ok(())
    }
}

impl Player {
    /// A packet in the connection; what is on no channel of ours is left out.
    pub(super) fn frame(&mut self, channel: u8, octets: Vec<u8>) {
        let found = self.streams.iter().enumerate().find_map(|(at, stream)| match stream.way {
            Way::Interleaved { rtp, .. } if rtp == channel => Some((at, false)),
            Way::Interleaved { rtcp, .. } if rtcp == channel => Some((at, true)),
            _ => None,
        });
        if let Some((at, is_rtcp)) = found {
            self.packet(at, is_rtcp, octets);
        }
    }

    pub(super) fn datagram(&mut self, datagram: Datagram) {
        let found = self.streams.iter().position(|stream| stream.info.media == datagram.media);
        if let Some(at) = found {
            self.packet(at, datagram.is_rtcp, datagram.octets);
        }
    }

    fn packet(&mut self, at: usize, is_rtcp: bool, mut octets: Vec<u8>) {
        let now = self.clock.now();
        let Some(stream) = self.streams.get_mut(at) else { return };
        // RFC 5761: reports may come on the packets' own port.
        let is_rtcp = is_rtcp || octets.get(1).is_some_and(|ty| (192..=223).contains(ty));
        let opened = if is_rtcp {
            self.contexts.unprotect_rtcp(now, stream.group, &mut octets)
        } else {
            self.contexts.unprotect_rtp(now, stream.group, &mut octets)
        };
        if let Err(why) = opened {
            let count = stream.refused.entry(why.to_string()).or_default();
            *count = count.saturating_add(1);
            return;
        }
        self.latest_packet = Instant::now();
        if is_rtcp {
            stream.ended |= is_goodbye(&octets, stream.source);
            return;
        }
        let Some(packet) = Packet::parse(&octets) else { return };
        stream.counters.count(packet.sequence);
        stream.source = Some(packet.ssrc);
        // Comfort noise and the like: nothing for the file.
        if packet.payload_type != stream.info.payload_type {
            return;
        }
        let first = *self.first_packet.get_or_insert(self.latest_packet);
        let millis = u32::try_from((self.latest_packet - first).as_millis()).unwrap_or(u32::MAX);
        if stream.failed.is_ok() {
            stream.failed = stream.sink.push(&octets, packet, millis);
        }
    }

    /// Reports to the server what came. One that cannot be protected or sent is left out: the next one says more.
    pub(super) async fn report(&mut self) {
        let now = self.clock.now();
        for stream in &self.streams {
            let Some(source) = stream.source else { continue };
            let mut report = receiver_report(stream.ssrc, source, &stream.counters);
            if self.contexts.protect_rtcp(now, stream.report_group, &mut report).is_err() {
                continue;
            }
            match &stream.way {
                Way::Interleaved { rtcp, .. } => drop(self.connection.frame(*rtcp, &report).await),
                Way::Udp { pair, rtcp_to: Some(to) } => drop(pair.rtcp.send_to(&report, to).await),
                Way::Udp { .. } => {}
            }
        }
    }
}
