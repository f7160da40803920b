//! How the refusal tests spoil a draft, and how they look at the refusal.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use mikey_wire::v2::{Opened, Sealed};
use mikey_wire::{DecodeErrorKind, Message, Payload};

use super::{Draft, typed};

/// Octets of the message's payload number `index`, counted from the first behind HDR.
pub(crate) fn span(octets: &[u8], index: usize) -> std::ops::Range<usize> {
    let message = Message::decode(octets).unwrap();
    message.items[index].start..message.items[index].end
}

#[track_caller]
pub(crate) fn refused(octets: &[u8], field: &str, kind: DecodeErrorKind) {
    let error = typed(octets).expect_err(field);
    assert_eq!((error.field, error.kind), (field, kind), "{error}");
}

#[track_caller]
pub(crate) fn refused_draft(draft: &Draft, field: &str, kind: DecodeErrorKind) {
    refused(&draft.octets(), field, kind);
}

/// A draft after `change`.
pub(crate) fn with(mut draft: Draft, change: impl FnOnce(&mut Draft)) -> Draft {
    change(&mut draft);
    draft
}

/// The draft's octets after `change`.
pub(crate) fn patched(draft: &Draft, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut octets = draft.octets();
    change(&mut octets);
    octets
}

/// The list that holds the payloads of interest: inside KEMAC if it is not empty there.
pub(crate) fn list(draft: &mut Draft) -> &mut Vec<Payload<'static>> {
    match &mut draft.inner {
        Some(inner) if inner.len() > 1 => inner,
        _ => &mut draft.clear,
    }
}

pub(crate) fn leak(octets: &[u8]) -> &'static [u8] {
    Box::leak(octets.to_vec().into_boxed_slice())
}

/// The draft's octets with octet `at` of inner payload `index` set.
pub(crate) fn patched_inner(draft: &Draft, index: usize, at: usize, value: u8) -> Vec<u8> {
    let mut octets = draft.octets();
    let start = {
        let sealed = Sealed::decode(&octets).unwrap();
        let opened = Opened::decode(&sealed, sealed.kemac.encr_data).unwrap();
        // KEMAC has four octets before the plaintext, which canon has not.
        opened.items[index].start + 4
    };
    octets[start + at] = value;
    octets
}
