//! What is inside of sealed messages, for whoever has their keys (docs/keylog.md).

use std::collections::HashMap;
use std::path::Path;

use mikey::keying::MessageKeys;
use mikey_crypto::{CryptoProvider, SecretBytes};
use mikey_wire::v2::{Sealed, peek};
use mikey_wire::{Message, Payload, PayloadType};
use zeroize::Zeroizing;

use crate::call::keylog::read_message_line;
use crate::decode::payload::{View, node};
use crate::decode::tree::Node;
use crate::error::{Error, Result};
use crate::files::read_key_log;
use crate::ui::Ui;

/// Octets of KEMAC before Encr data.
const KEMAC_HEAD: usize = 4;

/// The keys of a log, and the fragments of messages that are not whole yet.
pub(crate) struct KeyRing {
    provider: CryptoProvider,
    /// By the SPIs of the initiator and of the responder.
    keys: HashMap<(u64, u64), Vec<MessageKeys>>,
    partial: HashMap<Fragmented, Vec<Option<SecretBytes>>>,
}

/// Which message fragments belong to: SPIs, which of their keys opens it, data type, T, and into how many it was cut.
type Fragmented = ((u64, u64), usize, u8, u32, u16);

impl KeyRing {
    /// Reads the keys of MIKEY messages in a log.
    ///
    /// # Errors
    /// If it cannot be read or has none.
    pub(crate) fn read(ui: Ui, path: &Path) -> Result<Self> {
        let text = read_key_log(ui, path)?;
        let mut keys: HashMap<_, Vec<_>> = HashMap::new();
        for line in text.lines().filter_map(read_message_line) {
            keys.entry((line.spi_i, line.spi_r)).or_default().push(line);
        }
        if keys.is_empty() {
            return Err(Error::failed(format!("no keys of MIKEY messages in '{}'", path.display()))
                .hint("'mikey call --keylog FILE' writes such a log; docs/keylog.md describes it"));
        }
        Ok(Self { provider: mikey_crypto_aws_lc::provider(), keys, partial: HashMap::new() })
    }

    /// What is inside of a message of version 2; `None` if nothing of it is sealed.
    pub(crate) fn inside(&mut self, octets: &[u8], view: View) -> Option<Node> {
        let message = Message::decode(octets).ok()?;
        let kemac = message.items.iter().find(|item| matches!(item.payload, Payload::Kemac(_)))?;
        let session = peek(octets).ok()?.session;
        let spis = (session.spi_i, session.spi_r);
        let mut keys = self.keys.get(&spis).into_iter().flatten().enumerate();
        let opened = keys.find_map(|(at, keys)| Some((at, keys.open(&self.provider, octets).ok()?)));
        let Some((at, plaintext)) = opened else {
            return Some(Node::text("inside of KEMAC", "the log has no key that opens it"));
        };
        let fragment = Sealed::decode(octets).ok().and_then(|sealed| Some((sealed.t, sealed.fragment?)));
        let Some((t, (number, total))) = fragment else {
            return Some(
                payloads("inside of KEMAC", plaintext.expose(), view).shifted(kemac.start + KEMAC_HEAD),
            );
        };
        let key = (spis, at, view.data_type.0, t, total);
        let chunk = format!("fragment {number} of {total}, {} octets", plaintext.len());
        let chunks = self.partial.entry(key).or_insert_with(|| (0..total).map(|_| None).collect());
        if let Some(slot) = usize::from(number).checked_sub(1).and_then(|at| chunks.get_mut(at)) {
            *slot = Some(plaintext);
        }
        let node = Node::text("inside of KEMAC", &chunk);
        if chunks.iter().any(Option::is_none) {
            return Some(node);
        }
        let chunks = self.partial.remove(&key).unwrap_or_default();
        let mut whole =
            Zeroizing::new(Vec::with_capacity(chunks.iter().flatten().map(SecretBytes::len).sum()));
        chunks.iter().flatten().for_each(|chunk| whole.extend_from_slice(chunk.expose()));
        Some(node.with([payloads("all fragments together", &whole, view)]))
    }
}

/// The type octet of a plaintext, and its payloads.
fn payloads(name: &str, plaintext: &[u8], view: View) -> Node {
    let Some((first, chain)) = plaintext.split_first() else { return Node::text(name, "nothing") };
    match mikey_wire::decode_chain(view.version, view.data_type, PayloadType(*first), chain) {
        Ok(items) if items.is_empty() => Node::text(name, "no payload"),
        Ok(items) => {
            let parts = items.iter().map(|item| node(item, view).shifted(1)).collect();
            Node::group(name, parts).at(0, plaintext.len())
        }
        Err(error) => Node::text(name, &format!("not readable: {error}")),
    }
}
