//! Messages of version 1 that others made (`vectors/external/`): read as their own decoders read them,
//! encoded to the same octets, and their quirks named.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use mikey_wire::*;
use serde_json::Value;

struct Captured {
    name: String,
    octets: Vec<u8>,
    decoded: Value,
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |octet: u8| u8::try_from(char::from(octet).to_digit(16).expect("hex")).unwrap();
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn captured(file: &str) -> Vec<Captured> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/external").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let json: Value = serde_json::from_str(&text).unwrap();
    let vectors = json["vectors"].as_array().expect("vectors");
    assert!(!vectors.is_empty(), "{file} has vectors");
    vectors
        .iter()
        .map(|vector| Captured {
            name: format!("{file}: {}", vector["name"].as_str().unwrap()),
            octets: hex(vector["hex"].as_str().unwrap()),
            decoded: vector["decoded"].clone(),
        })
        .collect()
}

fn all() -> Vec<Captured> {
    ["gortsplib", "mcptt", "rfc4567"]
        .iter()
        .flat_map(|name| captured(&format!("mikey_v1_messages_{name}.json")))
        .collect()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn octets(value: &Value) -> Vec<u8> {
    hex(value.as_str().expect("hex"))
}

/// IDs that are text are given as text.
fn id_octets(value: &Value, id: &Id<'_>) -> Vec<u8> {
    let text = value.as_str().expect("an ID");
    if text.as_bytes() == id.data { text.as_bytes().to_vec() } else { hex(text) }
}

#[test]
fn every_message_decodes_and_encodes_to_the_same_octets() {
    for vector in all() {
        let message =
            Message::decode(&vector.octets).unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        let payloads: Vec<Payload<'_>> = message.items.iter().map(|item| item.payload.clone()).collect();
        assert_eq!(encode(&message.header, &payloads).unwrap(), vector.octets, "{}", vector.name);
        let (lenient, quirks) = Message::decode_lenient(&vector.octets).unwrap();
        assert_eq!(lenient.items.len(), message.items.len());
        assert!(!quirks.contains(Quirk::TrailingZero), "{}", vector.name);
    }
}

#[test]
fn headers_are_what_others_read() {
    for vector in all() {
        let Header { version, data_type, v, prf, csb_id, cs_map } =
            Message::decode(&vector.octets).unwrap().header;
        let (name, want) = (&vector.name, &vector.decoded);
        assert_eq!(version, Version::V1, "{name}");
        assert_eq!(u64::from(data_type.0), number(&want["data_type"]), "{name}");
        assert_eq!(u64::from(v), number(&want["V"]), "{name}");
        assert_eq!(u64::from(prf), number(&want["prf"]), "{name}");
        assert_eq!(csb_id.to_be_bytes().to_vec(), octets(&want["csb_id"]), "{name}");
        assert_eq!(u64::from(cs_map.ty().0), number(&want["cs_id_map_type"]), "{name}");
        match cs_map {
            CsMap::SrtpId(entries) => {
                let wanted = want["cs"].as_array().unwrap();
                assert_eq!(entries.len(), wanted.len(), "{name}");
                for (entry, want) in entries.iter().zip(wanted) {
                    assert_eq!(u64::from(entry.policy_no), number(&want["policy"]), "{name}");
                    assert_eq!(entry.ssrc.to_be_bytes().to_vec(), octets(&want["ssrc"]), "{name}");
                    assert_eq!(u64::from(entry.roc), number(&want["roc"]), "{name}");
                }
            }
            CsMap::Generic(blocks) => {
                let wanted = want["generic"].as_array().unwrap();
                assert_eq!(blocks.len(), wanted.len(), "{name}");
                for (block, want) in blocks.iter().zip(wanted) {
                    assert_eq!(u64::from(block.cs_id), number(&want["cs_id"]), "{name}");
                    let policies: Vec<u64> = want["P"].as_array().unwrap().iter().map(number).collect();
                    assert_eq!(block.policies.iter().map(|no| u64::from(*no)).collect::<Vec<_>>(), policies);
                    assert_eq!(block.spi, octets(&want["spi"]), "{name}");
                    assert_eq!(block.data.is_none(), want["sess"].as_str() == Some(""), "{name}");
                }
            }
            CsMap::Empty(count) => assert_eq!(u64::from(count), number(&want["n_cs"]), "{name}"),
        }
    }
}

#[test]
fn payloads_are_what_others_read() {
    for vector in all() {
        let message = Message::decode(&vector.octets).unwrap();
        let wanted = vector.decoded["payloads"].as_array().unwrap();
        assert_eq!(message.items.len(), wanted.len(), "{}", vector.name);
        for (item, want) in message.items.iter().zip(wanted) {
            assert_eq!(u64::from(item.payload.ty().0), number(&want["pt"]), "{}", vector.name);
            compare(&item.payload, want, message.header.data_type, &vector.name);
        }
    }
}

fn compare(payload: &Payload<'_>, want: &Value, data_type: DataType, name: &str) {
    match payload {
        Payload::T(t) => {
            assert_eq!(u64::from(t.ty().0), number(&want["ts_type"]), "{name}");
            assert_eq!(t.to_u64().to_be_bytes().to_vec(), octets(&want["ts"]), "{name}");
        }
        Payload::Rand(rand) => assert_eq!(rand.to_vec(), octets(&want["rand"]), "{name}"),
        Payload::Id(id) => {
            assert_eq!(u64::from(id.ty.0), number(&want["id_type"]), "{name}");
            assert_eq!(id.data, id_octets(&want["id"], id), "{name}");
        }
        Payload::Idr(idr) => {
            assert_eq!(u64::from(idr.role.0), number(&want["role"]), "{name}");
            assert_eq!(u64::from(idr.id.ty.0), number(&want["id_type"]), "{name}");
            assert_eq!(idr.id.data, id_octets(&want["id"], &idr.id), "{name}");
        }
        Payload::Sp(sp) => {
            assert_eq!(u64::from(sp.policy_no), number(&want["policy"]), "{name}");
            assert_eq!(u64::from(sp.prot.0), number(&want["prot"]), "{name}");
            let params = want["params"].as_object().unwrap();
            assert_eq!(sp.params.len(), params.len(), "{name}");
            for param in &sp.params {
                assert_eq!(param.value, octets(&params[&param.ty.to_string()]), "{name}");
            }
        }
        Payload::Kemac(kemac) => compare_kemac(kemac, want, data_type, name),
        Payload::V(ver) => {
            assert_eq!(u64::from(ver.auth_alg.0), number(&want["auth_alg"]), "{name}");
            assert_eq!(ver.data, octets(&want["ver"]), "{name}");
        }
        Payload::Sakke(sakke) => {
            assert_eq!(u64::from(sakke.params), number(&want["params"]), "{name}");
            assert_eq!(u64::from(sakke.id_scheme), number(&want["scheme"]), "{name}");
            assert_eq!(sakke.data, octets(&want["sakke"]), "{name}");
        }
        Payload::Ext(Extension::Unknown { ty, body }) => {
            assert_eq!(u64::from(ty.0), number(&want["ext_type"]), "{name}");
            assert_eq!(*body, octets(&want["ext"]), "{name}");
        }
        Payload::Sign(sign) => {
            assert_eq!(u64::from(sign.alg.0), number(&want["stype"]), "{name}");
            assert_eq!(sign.signature, octets(&want["sig"]), "{name}");
        }
        other => panic!("{name}: {:?} is not compared", other.ty()),
    }
}

fn compare_kemac(kemac: &Kemac<'_>, want: &Value, data_type: DataType, name: &str) {
    assert_eq!(u64::from(kemac.encr_alg.0), number(&want["enc_alg"]), "{name}");
    assert_eq!(kemac.encr_data, octets(&want["enc_data"]), "{name}");
    assert_eq!(u64::from(kemac.mac_alg.0), number(&want["mac_alg"]), "{name}");
    assert_eq!(kemac.mac, octets(&want["mac"]), "{name}");
    let Some(keys) = want["key_data"].as_array() else { return };
    let items = decode_chain(Version::V1, data_type, PayloadType::KEY_DATA, kemac.encr_data).unwrap();
    assert_eq!(items.len(), keys.len(), "{name}");
    for (item, want) in items.iter().zip(keys) {
        let Payload::KeyData(key) = &item.payload else { panic!("{name}: key data") };
        assert_eq!(key.ty.name(), want["type"].as_str(), "{name}");
        assert_eq!(u64::from(key.kv.ty().0), number(&want["kv"]), "{name}");
        assert_eq!(key.key, octets(&want["key"]), "{name}");
        if let Kv::Spi(spi) = key.kv {
            assert_eq!(spi, octets(&want["spi_mki"]), "{name}");
        }
    }
    let payloads: Vec<Payload<'_>> = items.into_iter().map(|item| item.payload).collect();
    let mut out = Vec::new();
    encode_chain(&mut out, &payloads, PayloadType::LAST).unwrap();
    assert_eq!(out, kemac.encr_data, "{name}");
}

#[test]
fn no_cut_message_is_accepted() {
    for vector in all() {
        for cut in 0..vector.octets.len() {
            assert!(Message::decode_lenient(&vector.octets[..cut]).is_err(), "{} cut at {cut}", vector.name);
        }
    }
}

#[test]
fn cameras_send_one_zero_octet_more() {
    let vector = &captured("mikey_v1_messages_gortsplib.json")[0];
    let padded = [&vector.octets[..], &[0]].concat();
    let error = Message::decode(&padded).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::Trailing { octets: 1 });
    let (message, quirks) = Message::decode_lenient(&padded).unwrap();
    assert!(quirks.contains(Quirk::TrailingZero));
    assert_eq!(message.items.len(), 4);
    for more in [&[1][..], &[0, 0], &[0, 1]] {
        let bad = [&vector.octets[..], more].concat();
        assert!(Message::decode_lenient(&bad).is_err(), "{more:?}");
    }
}

/// The cameras' messages show three quirks at once; the message from RFC 4567 shows none.
#[test]
fn quirks_are_named() {
    let camera = &captured("mikey_v1_messages_gortsplib.json")[0];
    let (message, quirks) = Message::decode_lenient(&camera.octets).unwrap();
    let seen: Vec<Quirk> = quirks.iter().collect();
    assert_eq!(seen, [Quirk::TagLengthAsAuthKeyLength, Quirk::SaltInTek]);
    let Payload::Kemac(kemac) = &message.items[3].payload else { panic!("KEMAC") };
    let items =
        decode_chain(Version::V1, DataType::PSK_INIT, PayloadType::KEY_DATA, kemac.encr_data).unwrap();
    let Payload::KeyData(key) = &items[0].payload else { panic!("key data") };
    let (master, salt) = Quirk::split_tek(key.key).unwrap();
    assert_eq!((master.len(), salt.len()), (16, 14));
    assert_eq!([master, salt].concat(), key.key);

    for vector in captured("mikey_v1_messages_rfc4567.json") {
        let (_, quirks) = Message::decode_lenient(&vector.octets).unwrap();
        assert!(quirks.is_empty(), "{}: {quirks:?}", vector.name);
    }
    // A KEMAC alone, without RAND.
    let bare =
        captured("mikey_v1_messages_gortsplib.json").into_iter().find(|v| v.name.contains("SPI")).unwrap();
    let (_, quirks) = Message::decode_lenient(&bare.octets).unwrap();
    assert_eq!(quirks.iter().collect::<Vec<_>>(), [Quirk::NoRand]);
}

/// 2024-06-01 12:00 UTC as FILETIME is noticed; the same moment as NTP is not.
#[test]
fn filetime_is_told_from_ntp() {
    let camera = &captured("mikey_v1_messages_gortsplib.json")[0];
    let message = Message::decode(&camera.octets).unwrap();
    for (value, filetime) in [(133_617_168_000_000_000u64, true), (0xea05_0ac0_0000_0000, false), (0, false)]
    {
        for t in [T::NtpUtc(value), T::Ntp(value)] {
            let mut payloads: Vec<Payload<'_>> =
                message.items.iter().map(|item| item.payload.clone()).collect();
            payloads[0] = Payload::T(t);
            let octets = encode(&message.header, &payloads).unwrap();
            let (_, quirks) = Message::decode_lenient(&octets).unwrap();
            assert_eq!(quirks.contains(Quirk::FiletimeAsNtp), filetime, "{t:?}");
        }
    }
}

#[test]
fn a_right_policy_has_no_quirk() {
    let camera = &captured("mikey_v1_messages_gortsplib.json")[0];
    let message = Message::decode(&camera.octets).unwrap();
    let with = |change: &dyn Fn(&mut Vec<SpParam<'static>>)| {
        let mut params = vec![
            SpParam { ty: SrtpParam::AUTH_ALG.0, value: &[1] },
            SpParam { ty: SrtpParam::AUTH_KEY_LEN.0, value: &[10] },
        ];
        change(&mut params);
        let sp = Payload::Sp(Sp { policy_no: 0, prot: ProtType::SRTP, params });
        let octets = encode(&message.header, &[sp]).unwrap();
        Message::decode_lenient(&octets).unwrap().1.contains(Quirk::TagLengthAsAuthKeyLength)
    };
    assert!(with(&|_| {}));
    assert!(with(&|params| params[1].value = &[4]));
    assert!(!with(&|params| params[1].value = &[20]));
    assert!(!with(&|params| params[0].value = &[0]));
    assert!(!with(&|params| params.push(SpParam { ty: SrtpParam::AUTH_TAG_LEN.0, value: &[10] })));
}
