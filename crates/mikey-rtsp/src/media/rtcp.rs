//! The few reports that RTSP wants (RFC 3550 section 6), by the crate rtcp-types.

use rtcp_types::{
    Bye, Compound, CompoundBuilder, Packet, ReceiverReport, ReportBlock, RtcpPacketWriterExt, Sdes,
    SdesChunk, SdesItem, SenderReport,
};

use super::rtp::{Counters, Source};

/// Seconds from 1900, where NTP counts from, to 1970.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// A report of a source of ours: what time it is for its latest packet.
#[must_use]
pub fn sender_report(source: &Source, unix_micros: u64) -> Vec<u8> {
    let seconds = (unix_micros / 1_000_000).wrapping_add(NTP_TO_UNIX);
    let ntp = (seconds << 32) | ((unix_micros % 1_000_000) * (1 << 32) / 1_000_000);
    let report = SenderReport::builder(source.ssrc)
        .ntp_timestamp(ntp)
        .rtp_timestamp(source.timestamp)
        .packet_count(source.packets)
        .octet_count(source.octets);
    write(Compound::builder().add_packet(report), source.ssrc)
}

/// The end of a source of ours, after a report.
#[must_use]
pub fn goodbye(source: &Source, unix_micros: u64) -> Vec<u8> {
    let mut compound = sender_report(source, unix_micros);
    let mut bye = vec![0; 8];
    if Bye::builder().add_source(source.ssrc).write_into(&mut bye).is_ok() {
        compound.extend(bye);
    }
    compound
}

/// What we received of a source, as `ssrc`.
#[must_use]
pub fn receiver_report(ssrc: u32, source: u32, counters: &Counters) -> Vec<u8> {
    let lost = u32::try_from(counters.lost()).unwrap_or(u32::MAX).min(0x7F_FFFF);
    let block = ReportBlock::builder(source)
        .cumulative_lost(lost)
        .extended_sequence_number(counters.extended_highest());
    let report = ReceiverReport::builder(ssrc).add_report_block(block);
    write(Compound::builder().add_packet(report), ssrc)
}

/// Whether a compound packet says that this source has ended.
#[must_use]
pub fn is_goodbye(compound: &[u8], ssrc: Option<u32>) -> bool {
    let Ok(packets) = Compound::parse(compound) else { return false };
    packets.flatten().any(|packet| match packet {
        Packet::Bye(bye) => ssrc.is_none_or(|ssrc| bye.ssrcs().any(|gone| gone == ssrc)),
        _ => false,
    })
}

/// Adds the source's name, which is nobody's address (RFC 7022), and writes.
fn write(compound: CompoundBuilder<'_>, ssrc: u32) -> Vec<u8> {
    let name = format!("{ssrc:08x}");
    let item = SdesItem::builder(SdesItem::CNAME, &name);
    let compound = compound.add_packet(Sdes::builder().add_chunk(SdesChunk::builder(ssrc).add_item(item)));
    let mut octets = vec![0; 256];
    let length = compound.write_into(&mut octets).unwrap_or(0);
    octets.truncate(length);
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_by_their_own_crate() {
        let mut source = Source::new(0x0102_0304, 0, 1, 100);
        let _ = source.packet(160, false, &[0; 160]);
        let report = sender_report(&source, 1_700_000_000_500_000);
        assert_eq!(report[..8], [0x80, 200, 0, 6, 1, 2, 3, 4]);
        assert_eq!(report[8..16], [0xe8, 0xfe, 0x6f, 0x80, 0x80, 0, 0, 0]);
        assert!(!is_goodbye(&report, None));
        let end = goodbye(&source, 0);
        assert!(is_goodbye(&end, Some(0x0102_0304)) && is_goodbye(&end, None));
        assert!(!is_goodbye(&end, Some(9)));
        assert!(!is_goodbye(&end[..end.len() - 4], None), "cut");
        let mut counters = Counters::default();
        counters.count(5);
        counters.count(7);
        let report = receiver_report(9, 0x0102_0304, &counters);
        let packets: Vec<_> = Compound::parse(&report).unwrap().map(Result::unwrap).collect();
        let Packet::Rr(rr) = &packets[0] else { panic!("no receiver report") };
        let block = rr.report_blocks().next().unwrap();
        assert_eq!(
            (block.ssrc(), block.cumulative_lost(), block.extended_sequence_number()),
            (0x0102_0304, 1, 7)
        );
    }
}
