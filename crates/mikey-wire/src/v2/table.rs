//! Section 4 as data: for each message its flags, its CS map and its payloads in order; and the checks of
//! HDR and of policies that all messages share (section 2).

use crate::error::{DecodeError, DecodeErrorKind};
use crate::header::{CsMap, GenericCs, Header, Version};
use crate::limits::{
    MAX_CERTS, MAX_CS_ID, MAX_GROUP_NODES, MAX_KEY_DATA, MAX_NOTIFIES, MAX_POLICIES, MSP_POLICY_NO,
    STUN_COOKIE,
};
use crate::payload::{Session, Sp};
use crate::reader::Result;
use crate::registry::{DataType, ExtType, PayloadType, PrfFunc, ProtType};
use crate::rules::{Rule, What, need};

/// What HDR's CS map may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Streams {
    /// #CS = 0.
    None,
    /// Each with at least one policy.
    Offer,
    /// Each with exactly one policy.
    Answer,
}

/// One message.
pub(super) struct MessageRule {
    pub(super) data_type: DataType,
    /// V flag.
    v: bool,
    /// PRF func is the chosen one; otherwise it is not looked at.
    prf: bool,
    /// SPIr is there; otherwise it is zero.
    spi_r: bool,
    pub(super) streams: Streams,
    /// Payloads in order: of the whole message if it is clear, of what stands between T and KEMAC and
    /// inside KEMAC if it is protected.
    pub(super) rows: &'static [Rule],
}

const fn payload(ty: PayloadType) -> What {
    What::Payload(ty)
}

const COOKIE: Rule = Rule::opt(What::Ext(ExtType::COOKIE), "COOKIE");
const SESSION: Rule = Rule::one(What::Ext(ExtType::SESSION), "SESSION");
const T: Rule = Rule::one(payload(PayloadType::T), "T");
const RAND: Rule = Rule::one(payload(PayloadType::RAND), "RAND");
const MSP: Rule = Rule::one(What::Msp, "M-SP");
const ID: Rule = Rule::one(payload(PayloadType::ID), "ID");
const OPT_ID: Rule = Rule::opt(payload(PayloadType::ID), "ID");
const CERTS: Rule = Rule::times(payload(PayloadType::CERT), 0, MAX_CERTS, "CERT");
const OPT_CERTREQ: Rule = Rule::opt(payload(PayloadType::CERTREQ), "CERTREQ");
const POLICIES: Rule = Rule::times(What::Policy, 1, MAX_POLICIES, "SRTP-SP");
const AUTH: Rule = Rule::one(payload(PayloadType::AUTH), "AUTH");
const KEMAC: Rule = Rule::one(payload(PayloadType::KEMAC), "KEMAC");
const KEYS: Rule = Rule::times(payload(PayloadType::KEY_DATA), 0, MAX_KEY_DATA, "key data").last();
const OPT_DH: Rule = Rule::opt(payload(PayloadType::DH), "DH");
const HASH: Rule = Rule::one(What::Ext(ExtType::HASH), "HASH");
const OPT_TICKET: Rule = Rule::opt(What::Ext(ExtType::RESUME_TICKET), "RESUME-TICKET");
const OPT_GROUP: Rule = Rule::opt(What::Ext(ExtType::GROUP), "GROUP");
const OPT_SENDERS: Rule = Rule::opt(What::Ext(ExtType::SENDERS), "SENDERS");
const NOTIFIES: Rule = Rule::times(What::Ext(ExtType::NOTIFY), 0, MAX_NOTIFIES, "NOTIFY");
const OPT_SAS_COMMIT: Rule = Rule::opt(What::Ext(ExtType::SAS_COMMIT), "SAS-COMMIT");
const OPT_SAS_REVEAL: Rule = Rule::opt(What::Ext(ExtType::SAS_REVEAL), "SAS-REVEAL");
const OPT_SDP_BINDING: Rule = Rule::opt(What::Ext(ExtType::SDP_BINDING), "SDP-BINDING");

const fn request(data_type: DataType, rows: &'static [Rule]) -> MessageRule {
    MessageRule { data_type, v: true, prf: true, spi_r: true, streams: Streams::Offer, rows }
}

const fn response(data_type: DataType, rows: &'static [Rule]) -> MessageRule {
    MessageRule { data_type, v: false, prf: true, spi_r: true, streams: Streams::Answer, rows }
}

pub(super) const INIT_REQ: MessageRule = MessageRule {
    prf: false,
    spi_r: false,
    streams: Streams::None,
    ..request(
        DataType::INIT_REQ,
        &[
            COOKIE,
            SESSION,
            RAND,
            MSP,
            Rule::times(payload(PayloadType::ID), 1, 2, "ID"),
            Rule::opt(What::Ext(ExtType::SDP_IDS), "SDP IDs"),
            OPT_SAS_COMMIT,
            OPT_SDP_BINDING,
            Rule::one(payload(PayloadType::DH), "DH").last(),
        ],
    )
};

pub(super) const INIT_RESP: MessageRule = MessageRule {
    streams: Streams::None,
    ..response(
        DataType::INIT_RESP,
        &[
            SESSION,
            RAND,
            MSP,
            ID,
            CERTS,
            OPT_CERTREQ,
            OPT_SAS_COMMIT,
            OPT_SDP_BINDING,
            Rule::one(payload(PayloadType::DH), "DH").last(),
        ],
    )
};

/// Which of the policies and GCC-REQ is there is checked with the message.
pub(super) const CCE_REQ: MessageRule = request(
    DataType::CCE_REQ,
    &[
        RAND,
        OPT_ID,
        CERTS,
        OPT_CERTREQ,
        Rule::times(What::Policy, 0, MAX_POLICIES, "SRTP-SP"),
        Rule::opt(payload(PayloadType::GCC_REQ), "GCC-REQ"),
        OPT_SAS_REVEAL,
        AUTH.last(),
    ],
);

pub(super) const CCE_RESP: MessageRule = response(
    DataType::CCE_RESP,
    &[OPT_ID, CERTS, POLICIES, OPT_TICKET, OPT_GROUP, OPT_SENDERS, OPT_SAS_REVEAL, AUTH.last(), KEYS],
);

pub(super) const CCE2_REQ: MessageRule = request(
    DataType::CCE2_REQ,
    &[RAND, CERTS, POLICIES, Rule::one(payload(PayloadType::KEY_DATA), "key data").last()],
);

/// What stands behind CCE2_REQ's KEMAC in RSA mode.
pub(super) const CCE2_TAIL: &[Rule] = &[
    Rule::one(payload(PayloadType::CHASH), "CHASH"),
    Rule::one(payload(PayloadType::PKE), "PKE"),
    Rule::one(payload(PayloadType::SIGN), "SIGN").last(),
];

pub(super) const CCE2_RESP: MessageRule =
    response(DataType::CCE2_RESP, &[SESSION, T, ID, Rule::one(payload(PayloadType::V), "V").last()]);

pub(super) const REKEY_REQ: MessageRule = request(DataType::REKEY_REQ, &[RAND, POLICIES, OPT_DH]);

pub(super) const REKEY_RESP: MessageRule = response(DataType::REKEY_RESP, &[RAND, HASH, POLICIES, OPT_DH]);

pub(super) const INFO_REQ: MessageRule = MessageRule {
    streams: Streams::None,
    ..request(DataType::INFO_REQ, &[NOTIFIES, OPT_TICKET, OPT_SENDERS, OPT_GROUP])
};

pub(super) const INFO_RESP: MessageRule = MessageRule {
    streams: Streams::None,
    ..response(DataType::INFO_RESP, &[HASH, NOTIFIES, OPT_TICKET, OPT_SENDERS, OPT_GROUP, KEYS])
};

pub(super) const RESUME_REQ: MessageRule = MessageRule {
    spi_r: false,
    ..request(
        DataType::RESUME_REQ,
        &[
            COOKIE,
            SESSION,
            T,
            RAND,
            Rule::one(What::Ext(ExtType::RESUME_TICKET), "RESUME-TICKET"),
            OPT_DH,
            KEMAC.last(),
        ],
    )
};

/// Inside RESUME_REQ's KEMAC.
pub(super) const RESUME_REQ_INNER: &[Rule] = &[POLICIES];

pub(super) const RESUME_RESP: MessageRule =
    response(DataType::RESUME_RESP, &[SESSION, T, RAND, OPT_DH, KEMAC.last()]);

/// Inside RESUME_RESP's KEMAC.
pub(super) const RESUME_RESP_INNER: &[Rule] = &[HASH, POLICIES, OPT_TICKET];

pub(super) const GROUP_REKEY: MessageRule = MessageRule {
    spi_r: false,
    streams: Streams::None,
    ..response(
        DataType::GROUP_REKEY,
        &[
            SESSION,
            T,
            OPT_SENDERS,
            Rule::times(What::Node, 2, MAX_GROUP_NODES * 2, "KEY-ID and KEMAC"),
            AUTH.last(),
        ],
    )
};

/// Inside each KEMAC of GROUP_REKEY.
pub(super) const GROUP_NODE_INNER: &[Rule] =
    &[Rule::times(payload(PayloadType::KEY_DATA), 1, MAX_KEY_DATA, "key data").last()];

/// The unprotected ERROR.
pub(super) const ERROR_CLEAR: MessageRule = MessageRule {
    prf: false,
    spi_r: false,
    streams: Streams::None,
    ..response(
        DataType::ERROR,
        &[COOKIE, SESSION, Rule::one(payload(PayloadType::ERR), "ERR"), Rule::opt(What::Msp, "M-SP").last()],
    )
};

/// The protected ERROR.
pub(super) const ERROR_SEALED: MessageRule = MessageRule {
    streams: Streams::None,
    ..response(DataType::ERROR, &[Rule::one(payload(PayloadType::ERR), "ERR")])
};

/// The rule of a message that [`super::Sealed`] reads.
pub(super) fn sealed(data_type: DataType) -> Option<&'static MessageRule> {
    match data_type {
        DataType::CCE_REQ => Some(&CCE_REQ),
        DataType::CCE_RESP => Some(&CCE_RESP),
        DataType::CCE2_REQ => Some(&CCE2_REQ),
        DataType::REKEY_REQ => Some(&REKEY_REQ),
        DataType::REKEY_RESP => Some(&REKEY_RESP),
        DataType::INFO_REQ => Some(&INFO_REQ),
        DataType::INFO_RESP => Some(&INFO_RESP),
        DataType::ERROR => Some(&ERROR_SEALED),
        _ => None,
    }
}

impl MessageRule {
    /// Checks HDR and SESSION against this rule (section 2).
    // R4.9
    pub(super) fn check_head(&self, header: &Header<'_>, session: Session) -> Result<()> {
        check_version(header)?;
        if header.data_type != self.data_type {
            return Err(DecodeError::new(1, "data type", DecodeErrorKind::DataType(header.data_type.0)));
        }
        if header.v != self.v {
            return Err(DecodeError::new(3, "V", DecodeErrorKind::Value(u32::from(header.v))));
        }
        let known = matches!(PrfFunc(header.prf), PrfFunc::HMAC_SHA_256 | PrfFunc::HMAC_SHA_384);
        if self.prf && !known {
            return Err(DecodeError::new(3, "PRF func", DecodeErrorKind::Value(u32::from(header.prf))));
        }
        if header.csb_id == STUN_COOKIE {
            return Err(DecodeError::new(4, "CSB ID", DecodeErrorKind::Value(STUN_COOKIE)));
        }
        if self.spi_r != (session.spi_r != 0) {
            return Err(DecodeError {
                payload: Some(PayloadType::EXT),
                ..DecodeError::new(0, "SPIr", DecodeErrorKind::Value(u32::from(session.spi_r != 0)))
            });
        }
        check_map(&header.cs_map, self.streams)
    }
}

/// Whether this is version 2 at all.
pub(super) fn check_version(header: &Header<'_>) -> Result<()> {
    match header.version {
        Version::V2 => Ok(()),
        Version::V1 => Err(DecodeError::new(0, "version", DecodeErrorKind::Version(1))),
    }
}

const MAP_AT: usize = 9;

fn map_error(field: &'static str, kind: DecodeErrorKind) -> DecodeError {
    DecodeError::new(MAP_AT, field, kind)
}

/// Section 2, "Crypto sessions": map type 2, CS IDs 1 to 254 each once, SRTP, policies, one SPI for all.
// R4.14
fn check_map(map: &CsMap<'_>, streams: Streams) -> Result<()> {
    let CsMap::Generic(blocks) = map else {
        return Err(map_error("CS ID map type", DecodeErrorKind::Value(u32::from(map.ty().0))));
    };
    if streams == Streams::None && !blocks.is_empty() {
        return Err(map_error("#CS", DecodeErrorKind::Length(blocks.len())));
    }
    for (index, block) in blocks.iter().enumerate() {
        check_block(block, streams)?;
        let mut earlier = blocks.iter().take(index);
        if earlier.any(|other| other.cs_id == block.cs_id) {
            return Err(map_error("CS ID", DecodeErrorKind::Duplicate(u32::from(block.cs_id))));
        }
        if blocks.first().is_some_and(|first| first.spi != block.spi) {
            return Err(map_error("SPI", DecodeErrorKind::Value(u32::from(block.cs_id))));
        }
    }
    Ok(())
}

fn check_block(block: &GenericCs<'_>, streams: Streams) -> Result<()> {
    if block.cs_id == 0 || block.cs_id > MAX_CS_ID {
        return Err(map_error("CS ID", DecodeErrorKind::Value(u32::from(block.cs_id))));
    }
    if block.prot != ProtType::SRTP {
        return Err(map_error("Prot type", DecodeErrorKind::Value(u32::from(block.prot.0))));
    }
    let count = block.policies.len();
    if count == 0 || streams == Streams::Answer && count != 1 {
        return Err(map_error("#P", DecodeErrorKind::Length(count)));
    }
    if !matches!(block.spi.len(), 0 | 4) {
        return Err(map_error("SPI", DecodeErrorKind::Length(block.spi.len())));
    }
    for (index, no) in block.policies.iter().enumerate() {
        if block.policies.iter().take(index).any(|other| other == no) {
            return Err(map_error("Policy_no", DecodeErrorKind::Duplicate(u32::from(*no))));
        }
    }
    Ok(())
}

/// HASH is there and as long as the PRF's hash.
pub(super) fn need_hash(hash: Option<&[u8]>, prf: u8) -> Result<&[u8]> {
    let hash = need(hash, "HASH")?;
    if PrfFunc(prf).hash_len() == Some(hash.len()) {
        Ok(hash)
    } else {
        let error = DecodeError::new(0, "HASH", DecodeErrorKind::Length(hash.len()));
        Err(error.within(PayloadType::EXT))
    }
}

/// Checks that policies have distinct numbers and known protocols, and that the CS map names no other.
/// `tesla` says that TESLA policies may be among them.
// R4.10
pub(super) fn check_policies(policies: &[Sp<'_>], streams: &[GenericCs<'_>], tesla: bool) -> Result<()> {
    let fail =
        |field, kind| DecodeError { payload: Some(PayloadType::SP), ..DecodeError::new(0, field, kind) };
    for (index, policy) in policies.iter().enumerate() {
        let no = u32::from(policy.policy_no);
        if policy.policy_no == MSP_POLICY_NO {
            return Err(fail("Policy no", DecodeErrorKind::Value(no)));
        }
        if policies.iter().take(index).any(|other| other.policy_no == policy.policy_no) {
            return Err(fail("Policy no", DecodeErrorKind::Duplicate(no)));
        }
        if policy.prot != ProtType::SRTP && !(tesla && policy.prot == ProtType::TESLA) {
            return Err(fail("Prot type", DecodeErrorKind::Value(u32::from(policy.prot.0))));
        }
    }
    for no in streams.iter().flat_map(|block| &block.policies) {
        let named = |policy: &Sp<'_>| policy.policy_no == *no && policy.prot == ProtType::SRTP;
        if !policies.iter().any(named) {
            return Err(map_error("Policy_no", DecodeErrorKind::Value(u32::from(*no))));
        }
    }
    Ok(())
}
