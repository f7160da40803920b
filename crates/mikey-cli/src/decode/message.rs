//! A whole message as a tree: HDR, every payload, what real peers of version 1 do otherwise.

use mikey_wire::{CsMap, DecodeError, Header, Message, PrfFunc, Quirk, Version};

use crate::decode::payload::{View, node, registered, ssrc_node};
use crate::decode::tree::{Field, Node};

/// A decoded message.
#[derive(Debug)]
pub(crate) struct Decoded {
    /// `INIT_REQ, version 2, 350 octets`.
    pub(crate) title: String,
    /// HDR and the payloads.
    pub(crate) nodes: Vec<Node>,
    /// What is not as the RFCs say, yet understood.
    pub(crate) quirks: Vec<&'static str>,
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
    Ok(Decoded { title, nodes, quirks: quirks.iter().map(Quirk::describe).collect() })
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
