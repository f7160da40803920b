//! A whole message as a tree: HDR, every payload, what real peers of version 1 do otherwise.

use mikey_wire::v2::{
    Cce2Resp, Cce2Tail, ErrorMsg, GroupRekey, InitReq, InitResp, ResumeReq, ResumeResp, Sealed,
};
use mikey_wire::{CsMap, DataType, DecodeError, Header, Message, Payload, PrfFunc, Quirk, Version};

use crate::decode::payload::{View, node, registered, ssrc_node};
use crate::decode::tree::{Field, Node};

/// A decoded message.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// `INIT_REQ, version 2, 350 octets`.
    pub(crate) title: String,
    /// HDR and the payloads.
    pub(crate) nodes: Vec<Node>,
    /// How its payloads were read.
    pub(crate) view: View,
    /// What is not as the RFCs say, yet understood.
    pub(crate) quirks: Vec<&'static str>,
    /// Of version 2: the rule of the message that it breaks. Every receiver drops it.
    pub(crate) broken_rule: Option<DecodeError>,
}

/// Decodes one message.
///
/// # Errors
/// The codec's, which names octet, payload, field and cause.
pub(crate) fn decode(octets: &[u8], show_keys: bool) -> Result<Decoded, DecodeError> {
    let (message, quirks) = Message::decode_lenient(octets)?;
    let header = &message.header;
    let view = View { keys: show_keys, version: header.version, data_type: header.data_type };
    let end = message.items.first().map_or(octets.len(), |item| item.start);
    let mut nodes = vec![header_node(header).at(0, end)];
    nodes.extend(message.items.iter().map(|item| node(item, view)));
    let name =
        header.data_type.name().map_or_else(|| format!("data type {}", header.data_type.0), str::to_owned);
    let title = format!("{name}, version {}, {} octets", header.version.octet(), octets.len());
    let broken_rule = (header.version == Version::V2).then(|| check(&message).err()).flatten();
    Ok(Decoded { title, nodes, view, quirks: quirks.iter().map(Quirk::describe).collect(), broken_rule })
}

/// The rules of version 2: which payloads in which order, which header fields. What is inside of KEMAC is not seen.
fn check(message: &Message<'_>) -> Result<(), DecodeError> {
    let raw = message.raw;
    let has_kemac = message.items.iter().any(|item| matches!(item.payload, Payload::Kemac(_)));
    match message.header.data_type {
        DataType::INIT_REQ => InitReq::decode(raw).map(drop),
        DataType::INIT_RESP => InitResp::decode(raw).map(drop),
        DataType::CCE2_REQ => Sealed::decode(raw).and_then(|sealed| Cce2Tail::parse(&sealed)).map(drop),
        DataType::CCE2_RESP => Cce2Resp::decode(raw).map(drop),
        DataType::RESUME_REQ => ResumeReq::decode(raw).map(drop),
        DataType::RESUME_RESP => ResumeResp::decode(raw).map(drop),
        DataType::GROUP_REKEY => GroupRekey::decode(raw).map(drop),
        DataType::ERROR if !has_kemac => ErrorMsg::decode(raw).map(drop),
        _ => Sealed::decode(raw).map(drop),
    }
}

fn header_node(header: &Header<'_>) -> Node {
    let not_used = header.version == Version::V2 && header.prf == 0;
    let prf = if not_used {
        Node::text("PRF func", "0 (not chosen yet)")
    } else {
        registered("PRF func", header.prf, PrfFunc(header.prf).name())
    };
    Node::group(
        "HDR",
        vec![
            Node::number("version", header.version.octet()),
            registered("data type", header.data_type.0, header.data_type.name()),
            Node::text("answer wanted (V)", if header.v { "yes" } else { "no" }),
            prf,
            Node::text("CSB ID", &format!("0x{:08x}", header.csb_id)),
            registered("CS ID map type", header.cs_map.ty().0, header.cs_map.ty().name()),
        ],
    )
    .with(crypto_sessions(&header.cs_map))
}

fn crypto_sessions(map: &CsMap<'_>) -> Vec<Node> {
    match map {
        CsMap::SrtpId(entries) => (1u64..)
            .zip(entries)
            .map(|(id, entry)| {
                Node::new("crypto session", Field::Number(id)).with([
                    Node::number("policy", entry.policy_no),
                    ssrc_node(entry.ssrc),
                    Node::number("ROC", entry.roc),
                ])
            })
            .collect(),
        CsMap::Empty(count) => vec![Node::number("crypto sessions", *count)],
        CsMap::Generic(blocks) => blocks
            .iter()
            .map(|block| {
                let policies: Vec<String> = block.policies.iter().map(u8::to_string).collect();
                let mut parts = vec![
                    registered("protocol", block.prot.0, block.prot.name()),
                    Node::text(
                        "policies",
                        if policies.is_empty() { "none".into() } else { policies.join(", ") }.as_str(),
                    ),
                ];
                match block.data {
                    Some(data) => {
                        parts.push(ssrc_node(data.ssrc));
                        if let Some((roc, seq)) = data.index {
                            parts.extend([Node::number("ROC", roc), Node::number("SEQ", seq)]);
                        }
                    }
                    None => parts.push(Node::text("SSRC", "any")),
                }
                if block.spi.is_empty() {
                    parts.push(Node::text("SPI (MKI)", "none"));
                } else {
                    parts.push(Node::octets("SPI (MKI)", block.spi));
                }
                Node::number("crypto session", block.cs_id).with(parts)
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of several senders, from the vectors beside the crates.
    fn messages() -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        for file in ["gortsplib", "mcptt", "rfc4567"] {
            let path = format!(
                "{}/../../vectors/external/mikey_v1_messages_{file}.json",
                env!("CARGO_MANIFEST_DIR")
            );
            let value: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            for vector in value["vectors"].as_array().unwrap() {
                let base64 = vector["base64"].as_str().unwrap();
                messages.push(data_encoding::BASE64.decode(base64.as_bytes()).unwrap());
            }
        }
        messages
    }

    #[test]
    fn a_message_of_version_2_that_breaks_a_rule_is_shown_with_the_rule() {
        use mikey_wire::{Extension, Id, IdType, Session, encode};
        let header = Header {
            version: Version::V2,
            data_type: DataType::INIT_REQ,
            v: true,
            prf: 0,
            csb_id: 7,
            cs_map: CsMap::NONE,
        };
        let session = Payload::Ext(Extension::Session(Session { spi_i: 1, spi_r: 0 }));
        let id = Payload::Id(Id { ty: IdType::URI, data: b"sip:alice@example.com" });
        let octets = encode(&header, &[session, id, Payload::Rand(&[9; 32])]).unwrap();
        let decoded = decode(&octets, false).unwrap();
        assert_eq!(decoded.nodes.len(), 4);
        let broken = decoded.broken_rule.unwrap();
        assert_eq!(broken.payload, Some(mikey_wire::PayloadType::ID), "{broken}");
    }

    #[test]
    fn no_octet_of_a_message_can_do_harm() {
        for message in messages() {
            let whole = decode(&message, false).unwrap();
            assert!(whole.nodes.len() > 1);
            for at in 0..message.len() {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut changed = message.clone();
                    changed[at] = value;
                    if let Ok(decoded) = decode(&changed, true) {
                        // Showing it must be as safe as reading it.
                        let shown: usize = decoded.nodes.iter().map(|node| node.lines(true).len()).sum();
                        assert!(shown > 0);
                    }
                }
                assert!(decode(&message[..at], false).is_err(), "cut at {at} of {}", message.len());
            }
        }
    }
}
