//! TESLA's policy (RFC 4442 section 4.2) and initial key (4.4) as version 2 has them: docs/spec.md, 14.5.
//!
//! Invariant: what decodes encodes to the same octets, but for the order of the parameters and those left at their
//! defaults.

use alloc::vec::Vec;

use crate::error::{DecodeError, DecodeErrorKind};
use crate::payload::{Sp, SpParam};
use crate::reader::{Reader, Result};
use crate::registry::{PayloadType, ProtType, TeslaMac, TeslaParam, TeslaPrf};

/// The parameters of an SP of Prot type TESLA. Numbers as they stand; whether a receiver can act on them is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeslaPolicy {
    /// PRF of the chain (1); HMAC-SHA-1 if it is left out.
    pub prf: TeslaPrf,
    /// Length of a MAC key in bits (2); 160 if it is left out.
    pub prf_bits: u8,
    /// The MAC (3); HMAC-SHA-1 if it is left out.
    pub mac: TeslaMac,
    /// Length of the MAC in bits (4); 80 if it is left out.
    pub mac_bits: u8,
    /// Start of the session, `T_0`, as NTP-UTC (5).
    pub start: u64,
    /// Interval in milliseconds (6).
    pub interval: u32,
    /// Key disclosure delay in intervals (7).
    pub delay: u16,
    /// Length of the chain in intervals (8).
    pub chain_len: u32,
    /// What the receiver's clock showed when it asked, `t_r`, as NTP-UTC (9).
    pub receiver_time: Option<u64>,
    /// What the controller's clock showed when it answered, `t_s`, as NTP-UTC (10; version 2 alone).
    pub answer_time: Option<u64>,
}

/// Octets of the parameters, which an SP borrows.
#[derive(Clone, Debug)]
pub struct TeslaPolicyOctets(Vec<(u8, Vec<u8>)>);

impl TeslaPolicy {
    /// Reads an SP of Prot type TESLA.
    ///
    /// # Errors
    /// [`DecodeError`]: another Prot type, a parameter that is missing, unknown or there twice, or of another length.
    pub fn decode(sp: &Sp<'_>) -> Result<Self> {
        if sp.prot != ProtType::TESLA {
            return Err(bad("Prot type", DecodeErrorKind::Value(u32::from(sp.prot.0))));
        }
        for (at, param) in sp.params.iter().enumerate() {
            let ty = u32::from(param.ty);
            if TeslaParam(param.ty).name().is_none() {
                return Err(bad("Policy param type", DecodeErrorKind::Value(ty)));
            }
            if sp.params.iter().take(at).any(|other| other.ty == param.ty) {
                return Err(bad("Policy param type", DecodeErrorKind::Duplicate(ty)));
            }
        }
        let octet =
            |ty, default| Ok::<u8, DecodeError>(optional::<1>(sp, ty)?.map_or(default, |[octet]| octet));
        Ok(Self {
            prf: TeslaPrf(octet(TeslaParam::PRF, TeslaPrf::HMAC_SHA_1.0)?),
            prf_bits: octet(TeslaParam::PRF_LEN, 160)?,
            mac: TeslaMac(octet(TeslaParam::MAC, TeslaMac::HMAC_SHA_1.0)?),
            mac_bits: octet(TeslaParam::MAC_LEN, 80)?,
            start: u64::from_be_bytes(required(sp, TeslaParam::START)?),
            interval: u32::from_be_bytes(required(sp, TeslaParam::INTERVAL)?),
            delay: u16::from_be_bytes(required(sp, TeslaParam::DISCLOSURE_DELAY)?),
            chain_len: u32::from_be_bytes(required(sp, TeslaParam::CHAIN_LEN)?),
            receiver_time: optional(sp, TeslaParam::RECEIVER_TIME)?.map(u64::from_be_bytes),
            answer_time: optional(sp, TeslaParam::ANSWER_TIME)?.map(u64::from_be_bytes),
        })
    }

    /// The parameters, defaults included, in the order of their types.
    #[must_use]
    pub fn octets(&self) -> TeslaPolicyOctets {
        let mut params = Vec::from([
            (TeslaParam::PRF.0, Vec::from([self.prf.0])),
            (TeslaParam::PRF_LEN.0, Vec::from([self.prf_bits])),
            (TeslaParam::MAC.0, Vec::from([self.mac.0])),
            (TeslaParam::MAC_LEN.0, Vec::from([self.mac_bits])),
            (TeslaParam::START.0, self.start.to_be_bytes().to_vec()),
            (TeslaParam::INTERVAL.0, self.interval.to_be_bytes().to_vec()),
            (TeslaParam::DISCLOSURE_DELAY.0, self.delay.to_be_bytes().to_vec()),
            (TeslaParam::CHAIN_LEN.0, self.chain_len.to_be_bytes().to_vec()),
        ]);
        let times =
            [(TeslaParam::RECEIVER_TIME, self.receiver_time), (TeslaParam::ANSWER_TIME, self.answer_time)];
        params.extend(times.into_iter().filter_map(|(ty, time)| Some((ty.0, time?.to_be_bytes().to_vec()))));
        TeslaPolicyOctets(params)
    }
}

impl TeslaPolicyOctets {
    /// The SP of that number.
    #[must_use]
    pub fn sp(&self, policy_no: u8) -> Sp<'_> {
        let params = self.0.iter().map(|(ty, value)| SpParam { ty: *ty, value }).collect();
        Sp { policy_no, prot: ProtType::TESLA, params }
    }
}

/// Keys in one TESLA I-Key extension: of the chain in use, and of the one that follows.
const MAX_IKEYS: usize = 2;

/// What a TESLA I-Key extension of version 2 holds: a key of a sender's chain, or of two. It is public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeslaIKey {
    /// Its interval, counted from `T_0` of the group's policy through all chains.
    pub interval: u32,
    /// The key.
    pub key: [u8; 20],
}

impl TeslaIKey {
    /// Reads the data of the extension; none if it is empty, which says that the chain is not known yet.
    ///
    /// # Errors
    /// [`DecodeError`] for any other length than 0, 24 and 48.
    pub fn decode_all(data: &[u8]) -> Result<Vec<Self>> {
        let mut r = Reader::new(data);
        let mut keys = Vec::new();
        while r.left() > 0 {
            if keys.len() == MAX_IKEYS {
                let octets = r.left();
                return Err(r.fail("TESLA I-Key", DecodeErrorKind::Trailing { octets }));
            }
            keys.push(Self { interval: r.u32("interval")?, key: *r.array_ref("K_i")? });
        }
        Ok(keys)
    }

    /// The keys of every extension, one for each of `senders` or none at all.
    pub(crate) fn decode_for(senders: usize, extensions: &[&[u8]]) -> Result<Vec<Vec<Self>>> {
        if extensions.len() != senders {
            let kind = DecodeErrorKind::Length(extensions.len());
            return Err(DecodeError::new(0, "TESLA I-Keys for SENDERS", kind).within(PayloadType::EXT));
        }
        extensions.iter().map(|data| Self::decode_all(data)).collect()
    }

    /// One key of an extension's data.
    #[must_use]
    pub fn encode(&self) -> [u8; 24] {
        let mut data = [0; 24];
        let octets = self.interval.to_be_bytes().into_iter().chain(self.key);
        data.iter_mut().zip(octets).for_each(|(to, from)| *to = from);
        data
    }
}

fn bad(field: &'static str, kind: DecodeErrorKind) -> DecodeError {
    DecodeError::new(0, field, kind).within(PayloadType::SP)
}

fn optional<const N: usize>(sp: &Sp<'_>, ty: TeslaParam) -> Result<Option<[u8; N]>> {
    let field = ty.name().unwrap_or("Policy param value");
    sp.param(ty.0)
        .map(|value| value.try_into().map_err(|_| bad(field, DecodeErrorKind::Length(value.len()))))
        .transpose()
}

fn required<const N: usize>(sp: &Sp<'_>, ty: TeslaParam) -> Result<[u8; N]> {
    optional(sp, ty)?.ok_or_else(|| bad(ty.name().unwrap_or("Policy param"), DecodeErrorKind::Missing))
}
