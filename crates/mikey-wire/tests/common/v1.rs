//! Example messages of version 1.

#![allow(dead_code)]

use mikey_wire::*;

use super::build::*;
use super::{CSB_ID, Draft, draft};

fn v1(
    name: &'static str,
    data_type: DataType,
    cs_map: CsMap<'static>,
    clear: Vec<Payload<'static>>,
) -> Draft {
    let header = Header { version: Version::V1, data_type, v: true, prf: 0, csb_id: CSB_ID, cs_map };
    draft(name, header, clear, None)
}

fn v1_kemac(encr_data: &'static [u8]) -> Payload<'static> {
    Payload::Kemac(Kemac {
        encr_alg: EncrAlg::AES_CM_128,
        encr_data,
        mac_alg: MacAlg::HMAC_SHA_1_160,
        mac: &MAC_20,
    })
}

/// Messages of version 1 that between them have every payload and map of it.
pub(crate) fn v1_drafts() -> Vec<Draft> {
    let map = || {
        CsMap::SrtpId(vec![
            SrtpCs { policy_no: 0, ssrc: 1, roc: 2 },
            SrtpCs { policy_no: 1, ssrc: 3, roc: 4 },
        ])
    };
    let time = || Payload::T(T::NtpUtc(0xec89_8da8_0000_0000));
    let rand = || Payload::Rand(&[0xee; 16]);
    let sign = || Payload::Sign(Sign { alg: SignAlg::RSA_PKCS1, signature: &[0x11; 128] });
    vec![
        v1("PSK", DataType::PSK_INIT, map(), vec![time(), rand(), id(b"a"), policy(0), v1_kemac(b"secret")]),
        v1(
            "PSK verification",
            DataType::PSK_VERIFY,
            CsMap::Empty(2),
            vec![Payload::T(T::Ntp(1)), Payload::V(Ver { auth_alg: MacAlg::HMAC_SHA_1_160, data: &MAC_20 })],
        ),
        v1(
            "PK",
            DataType::PK_INIT,
            CsMap::Generic(offered()),
            vec![
                Payload::T(T::NtpUtc32(5)),
                rand(),
                cert(CertType::X509_URL),
                v1_kemac(b""),
                Payload::Chash(Chash { func: HashFunc::SHA_1, hash: &MAC_20 }),
                Payload::Pke(Pke { cache: PkeCache::CACHE_FOR_CSB, data: &[0xab; 300] }),
                sign(),
            ],
        ),
        v1(
            "DH",
            DataType::DH_INIT,
            map(),
            vec![
                Payload::T(T::Counter(1)),
                rand(),
                Payload::Dh(Dh { group: 0, value: &BIG[..192], kv: Kv::Null }),
                Payload::Dh(Dh { group: 1, value: &BIG[..96], kv: Kv::Spi(b"mki") }),
                Payload::Dh(Dh {
                    group: 2,
                    value: &BIG[..128],
                    kv: Kv::Interval { from: b"from", to: b"to" },
                }),
                sign(),
            ],
        ),
        v1(
            "error",
            DataType::ERROR,
            CsMap::SrtpId(Vec::new()),
            vec![time(), Payload::Err(ErrorNo::INVALID_TS)],
        ),
        v1(
            "RSA-R in group mode, extensions",
            DataType::RSA_R_RESP,
            map(),
            vec![
                Payload::Ext(Extension::CsbId(77)),
                vendor(),
                Payload::Ext(Extension::SdpIds(b"mikey")),
                Payload::Ext(Extension::TeslaKey(b"key")),
                Payload::Ext(Extension::KeyId(vec![
                    KeyId { ty: KeyIdType::MBMS_DOMAIN, id: b"abc" },
                    KeyId { ty: KeyIdType::MBMS_SERVICE, id: b"" },
                ])),
                Payload::Ext(Extension::Unknown { ty: ExtType::OMA_BCAST, body: b"oma" }),
                tesla(),
                time(),
            ],
        ),
        v1(
            "TICKET and SAKKE payloads",
            DataType::SAKKE,
            CsMap::Generic(Vec::new()),
            vec![
                Payload::Tr(Tr { role: TsRole::START, t: T::NtpUtc32(9) }),
                Payload::Idr(Idr { role: IdRole::KMS, id: Id { ty: IdType::BYTES, data: b"kms" } }),
                Payload::RandR(RandR { role: RandRole::KMS, rand: b"random" }),
                Payload::Sakke(Sakke { params: 1, id_scheme: 1, data: b"encapsulated" }),
            ],
        ),
    ]
}
