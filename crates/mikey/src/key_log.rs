//! Keys for whoever analyses calls of its own (docs/keylog.md). Nobody sees any unless an application asks.

use mikey_proto::{MessageKeys, SessionId, SrtpKeys, StreamKeys};

/// Sees keys, for analysis of one's own calls: SRTP master keys before they are installed, and the keys of MIKEY messages.
/// Whoever has the former hears the call, whoever has the latter reads its keying.
pub trait KeyLog: Send {
    /// Keys of one stream of a session: of early media, of the handshake, or of a renewal. Their MKI tells them apart.
    fn srtp_keys(&mut self, session: SessionId, keys: &StreamKeys);

    /// Keys of the MIKEY messages of one end of a session that is, or may still be. Who wants to hear and no more leaves
    /// this out.
    fn message_keys(&mut self, keys: &MessageKeys) {
        let _ = keys;
    }
}

/// Where keys are shown, if anywhere.
#[derive(Default)]
pub(crate) struct Logged(Option<Box<dyn KeyLog>>);

impl Logged {
    pub(crate) fn to(&mut self, log: Box<dyn KeyLog>) {
        self.0 = Some(log);
    }

    pub(crate) fn srtp(&mut self, session: SessionId, keys: &SrtpKeys) {
        if let Some(log) = &mut self.0 {
            keys.streams.iter().for_each(|stream| log.srtp_keys(session, stream));
        }
    }

    pub(crate) fn message(&mut self, keys: &MessageKeys) {
        if let Some(log) = &mut self.0 {
            log.message_keys(keys);
        }
    }
}
