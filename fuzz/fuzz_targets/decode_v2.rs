//! Octets from anywhere as a message of version 2, and as the inside of its KEMAC: no panic, one encoding for whatever
//! decodes, and what the typed message accepts the first look accepts too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mikey_fuzz::{one_chain, one_encoding};
use mikey_wire::v2::{
    Cce2Req, Cce2Resp, Cce2Tail, CceReq, CceResp, ErrorMsg, GroupRekey, Info, InitReq, InitResp, Opened,
    ProtectedError, RekeyReq, RekeyResp, ResumeReq, ResumeResp, Sealed, decode_node_keys, peek,
};
use mikey_wire::{DataType, DecodeError, Message, PayloadType, Version};

fuzz_target!(|input: &[u8]| {
    let mut raw = input.to_vec();
    if let Some(version) = raw.first_mut() {
        *version = 2;
    }
    if let Ok(message) = Message::decode(&raw) {
        one_encoding(&message);
    }
    let peeked = peek(&raw);
    if typed(&raw).is_ok() {
        assert!(Message::decode(&raw).is_ok(), "typed, but not a message");
        assert_eq!(peeked.expect("typed, but not at first look").data_type, DataType(raw[1]));
    }
    let _ = decode_node_keys(input);
    if let [data_type, first, chain @ ..] = input {
        one_chain(Version::V2, DataType(40 + data_type % 16), PayloadType(*first), chain);
    }
});

fn typed(raw: &[u8]) -> Result<(), DecodeError> {
    let look = peek(raw)?;
    match look.data_type {
        DataType::INIT_REQ => drop(InitReq::decode(raw)?),
        DataType::INIT_RESP => drop(InitResp::decode(raw)?),
        DataType::CCE2_RESP => drop(Cce2Resp::decode(raw)?),
        DataType::RESUME_REQ => {
            let request = ResumeReq::decode(raw)?;
            drop(request.inner(request.kemac.encr_data)?);
        }
        DataType::RESUME_RESP => {
            let response = ResumeResp::decode(raw)?;
            drop(response.inner(response.kemac.encr_data)?);
        }
        DataType::GROUP_REKEY => {
            for node in &GroupRekey::decode(raw)?.nodes {
                decode_node_keys(node.kemac.encr_data)?;
            }
        }
        DataType::ERROR if look.session.spi_r == 0 => drop(ErrorMsg::decode(raw)?),
        _ => sealed(raw)?,
    }
    Ok(())
}

/// A protected message as if it were not encrypted: what stands inside comes from a peer that has authenticated itself.
fn sealed(raw: &[u8]) -> Result<(), DecodeError> {
    let sealed = Sealed::decode(raw)?;
    assert!(sealed.aad().len() < sealed.maced().len() && sealed.maced().len() < raw.len());
    if sealed.fragment.is_some() {
        return Ok(());
    }
    let plaintext = sealed.kemac.encr_data;
    let opened = Opened::decode(&sealed, plaintext)?;
    if let [first, chain @ ..] = plaintext {
        one_chain(Version::V2, sealed.header.data_type, PayloadType(*first), chain);
    }
    let canon = sealed.canon_head().len() + plaintext.len();
    assert!(opened.items.iter().all(|item| item.start < item.end && item.end <= canon));
    match sealed.header.data_type {
        DataType::CCE_REQ => drop(CceReq::parse(&sealed, &opened)?),
        DataType::CCE_RESP => drop(CceResp::parse(&sealed, &opened)?),
        DataType::CCE2_REQ => {
            let _ = Cce2Tail::parse(&sealed)?;
            drop(Cce2Req::parse(&sealed, &opened)?);
        }
        DataType::REKEY_REQ => drop(RekeyReq::parse(&sealed, &opened)?),
        DataType::REKEY_RESP => drop(RekeyResp::parse(&sealed, &opened)?),
        DataType::INFO_REQ | DataType::INFO_RESP => drop(Info::parse(&sealed, &opened)?),
        _ => drop(ProtectedError::parse(&sealed, &opened)?),
    }
    Ok(())
}
