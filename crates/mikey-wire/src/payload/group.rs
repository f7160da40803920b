//! What a group controller tells its members: GROUP and SENDERS (version 2 section 6), bodies of General
//! Extensions 72 and 74.
//!
//! ```text
//!     GROUP:   group SPI (8) | group CSB ID (4) | epoch (4) | next T (4) | leaf node (4) |
//!              PRF (1) | suite (1) | AUTH method (1) | 0 (1) | RANDg (32) | length (2) | SPKI
//!     SENDERS: n x ( CS ID (1) | flags (1) | SSRC (4) | ROC (4) | SEQ (2) )
//! ```

use alloc::vec::Vec;

use crate::error::DecodeErrorKind;
use crate::limits::MAX_CS_ID;
use crate::reader::{Reader, Result};
use crate::writer;

/// GROUP: the values of a group, which never come from the member's own session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group<'a> {
    /// SPIi of the group's GROUP_REKEY messages, not zero.
    pub spi: u64,
    /// The group's CSB ID.
    pub csb_id: u32,
    /// Number of the current group key, from 1; its MKI.
    pub epoch: u32,
    /// The T of the next GROUP_REKEY.
    pub next_t: u32,
    /// The member's leaf in the key tree, from 1 (the root).
    pub leaf: u32,
    /// PRF of the group ([`crate::PrfFunc`]).
    pub prf: u8,
    /// Protection suite of the group.
    pub suite: u8,
    /// Method of AUTH in GROUP_REKEY ([`crate::AuthMethod`]).
    pub auth_method: u8,
    /// RANDg.
    pub rand: &'a [u8; 32],
    /// SubjectPublicKeyInfo of the controller's group signing key, DER.
    pub spki: &'a [u8],
}

/// One entry of SENDERS: who may send in the group, and where its packet index stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// RTP session of the group, 1 to 254.
    pub cs_id: u8,
    /// The receiver of this list was given the SSRC.
    pub yours: bool,
    /// In GROUP_REKEY: the SSRC sends no longer.
    pub gone: bool,
    /// Its TEK is the one that all senders of the RTP session share.
    pub shared: bool,
    /// SSRC.
    pub ssrc: u32,
    /// Rollover counter.
    pub roc: u32,
    /// Sequence number.
    pub seq: u16,
}

impl<'a> Group<'a> {
    pub(crate) fn decode(r: &mut Reader<'a>) -> Result<Self> {
        let at = *r;
        let spi = r.u64("group SPI")?;
        let csb_id = r.u32("group CSB ID")?;
        let epoch = r.u32("epoch")?;
        let next_t = r.u32("next T")?;
        let leaf = r.u32("leaf node")?;
        for (value, field) in [(u32::from(spi != 0), "group SPI"), (epoch, "epoch"), (leaf, "leaf node")] {
            if value == 0 {
                return Err(at.fail(field, DecodeErrorKind::Value(0)));
            }
        }
        let [prf, suite, auth_method, zero] = *r.array_ref("PRF, suite and AUTH method")?;
        r.reserved(zero, "reserved")?;
        Ok(Self {
            spi,
            csb_id,
            epoch,
            next_t,
            leaf,
            prf,
            suite,
            auth_method,
            rand: r.array_ref("RANDg")?,
            spki: r.vec16("SubjectPublicKeyInfo")?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(self.spi != 0, "group SPI")?;
        writer::require(self.epoch != 0, "epoch")?;
        writer::require(self.leaf != 0, "leaf node")?;
        out.extend_from_slice(&self.spi.to_be_bytes());
        for value in [self.csb_id, self.epoch, self.next_t, self.leaf] {
            out.extend_from_slice(&value.to_be_bytes());
        }
        out.extend_from_slice(&[self.prf, self.suite, self.auth_method, 0]);
        out.extend_from_slice(self.rand);
        writer::vec16(out, self.spki, "SubjectPublicKeyInfo")
    }
}

impl Sender {
    /// Flag: this SSRC is the receiver's own.
    const YOURS: u8 = 1;
    /// Flag: this SSRC sends no longer.
    const GONE: u8 = 2;
    /// Flag: this SSRC has the shared TEK.
    const SHARED: u8 = 4;

    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self> {
        let at = *r;
        let cs_id = r.u8("CS ID")?;
        if cs_id == 0 || cs_id > MAX_CS_ID {
            return Err(at.fail("CS ID", DecodeErrorKind::Value(u32::from(cs_id))));
        }
        let at = *r;
        let flags = r.u8("flags")?;
        at.reserved(flags & !(Self::YOURS | Self::GONE | Self::SHARED), "flags")?;
        Ok(Self {
            cs_id,
            yours: flags & Self::YOURS != 0,
            gone: flags & Self::GONE != 0,
            shared: flags & Self::SHARED != 0,
            ssrc: r.u32("SSRC")?,
            roc: r.u32("ROC")?,
            seq: r.u16("SEQ")?,
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) -> writer::Result<()> {
        writer::require(self.cs_id != 0 && self.cs_id <= MAX_CS_ID, "CS ID")?;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags =
            flag(self.yours, Self::YOURS) | flag(self.gone, Self::GONE) | flag(self.shared, Self::SHARED);
        out.extend_from_slice(&[self.cs_id, flags]);
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        out.extend_from_slice(&self.roc.to_be_bytes());
        out.extend_from_slice(&self.seq.to_be_bytes());
        Ok(())
    }
}
