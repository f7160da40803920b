//! SIGNi and V of CCE2: what they cover (docs/spec.md, "CCE2: Option 2").
//!
//! RFC 3830's signature and verification message, bound to INIT: th2 is under both, and both names.

use mikey_crypto::SecretBytes;

use super::id_octets;
use crate::keys::{InitKeys, Role, Transcript, l};
use crate::name::Name;

/// What SIGNi is over. `message` is CCE2_REQ up to the signature.
pub(crate) fn signed(th2: Transcript, responder: &Name, message: &[u8]) -> Vec<u8> {
    let id_r = id_octets(responder);
    let mut octets = vec![0x20; 64];
    octets.extend_from_slice(b"MIKEYv2, initiator SIGN");
    octets.push(0);
    octets.extend_from_slice(th2.hash());
    octets.extend_from_slice(&l(&[&id_r]));
    octets.extend_from_slice(&id_r);
    octets.extend_from_slice(th2.prf().hash.digest(&[message]).as_ref());
    octets
}

/// Ver data. `request` is CCE2_REQ, `response` is CCE2_RESP up to Ver data.
pub(crate) fn ver(keys: &InitKeys, request: &[u8], response: &[u8], initiator: &Name) -> SecretBytes {
    let th2 = keys.transcript();
    let hash = th2.prf().hash;
    let id_i = id_octets(initiator);
    let key = keys.auth_by_secret(Role::Responder);
    let request = hash.digest(&[request]);
    hash.hmac(
        key.expose(),
        &[
            b"MIKEYv2, responder V",
            &[0],
            th2.hash(),
            request.as_ref(),
            &l(&[response]),
            response,
            &l(&[&id_i]),
            &id_i,
        ],
    )
}
