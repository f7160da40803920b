//! Registries print names, keep what nobody has assigned, and list each value once; errors say where and
//! why.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use mikey_wire::*;

#[test]
fn assigned_values_have_names_and_others_are_kept() {
    assert_eq!(format!("{:?} {}", DataType::INIT_REQ, DataType::INIT_REQ), "INIT_REQ INIT_REQ");
    assert_eq!(format!("{:?} {}", DataType(99), DataType(99)), "DataType(99) 99");
    assert_eq!(NotifyCode(0x9000).name(), None);
    assert_eq!(ErrorNo::INVALID_TICKET.0, 14);
}

/// Numbers from the RFCs' tables and from section 2, by a second hand.
#[test]
fn numbers_are_those_of_the_specifications() {
    let types = [(DataType::PSK_INIT, 0), (DataType::RSA_R_RESP, 10), (DataType::RESOLVE_RESP, 18)];
    assert!(types.iter().all(|(ty, number)| ty.0 == *number));
    let v2 = DataType::NAMES.iter().filter(|(_, ty)| ty.0 >= 40).map(|(_, ty)| ty.0).collect::<Vec<_>>();
    assert_eq!(v2, (40..=52).collect::<Vec<_>>());
    let extensions = ExtType::NAMES.iter().map(|(_, ty)| ty.0).collect::<Vec<_>>();
    assert_eq!(extensions, (0..=5).chain(64..=74).collect::<Vec<_>>());
    let errors = ErrorNo::NAMES.iter().map(|(_, no)| no.0).collect::<Vec<_>>();
    assert_eq!(errors, (0..=15).chain(64..=65).collect::<Vec<_>>());
    let msp = MspParam::NAMES.iter().map(|(_, ty)| ty.0).collect::<Vec<_>>();
    assert_eq!(msp, (0..=9).collect::<Vec<_>>());
    assert_eq!([PayloadType::AUTH, PayloadType::CERTREQ, PayloadType::GCC_REQ].map(|ty| ty.0), [40, 41, 42]);
    assert_eq!(MacAlg::HMAC_SHA_384_384.mac_len(), Some(48));
    assert_eq!(DhGroup::X25519_ML_KEM_768.value_len(false), Some(1216));
    assert_eq!(DhGroup::X25519_ML_KEM_768.value_len(true), Some(1120));
}

#[test]
fn errors_name_octet_payload_field_and_reason() {
    let shown = |raw: &[u8]| Message::decode(raw).unwrap_err().to_string();
    assert_eq!(shown(&[]), "octet 0: version: 1 octets wanted, 0 left");
    assert_eq!(shown(&[9]), "octet 0: version: version 9 is not read here");
    let head = [1, 0, 1, 0, 1, 2, 3, 4, 0, 0];
    let kemac = [&head[..], &[0, 1, 0, 40], &[7; 12]].concat();
    assert_eq!(shown(&kemac), "KEMAC at octet 14: Encr data: 40 octets wanted, 12 left");
    let unknown = [&head[..2], &[99], &head[3..], &[0]].concat();
    assert_eq!(shown(&unknown), "99 at octet 11: next payload: payload type 99 is not known");
    let trailing = [&head[..2], &[11], &head[3..], &[0, 0, 5, 6]].concat();
    assert_eq!(shown(&trailing), "octet 12: end of message: 2 octets after the end");
    assert_eq!(EncodeError::TooLong("RAND").to_string(), "RAND: too long");
}
