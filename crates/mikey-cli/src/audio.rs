//! Speech: where it comes from, and its way through G.711 and RTP.

pub(crate) mod g711;
pub(crate) mod resample;
pub(crate) mod rtp;
pub(crate) mod speech;
