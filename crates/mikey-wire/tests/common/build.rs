//! Payloads and crypto sessions that the examples are made of.

#![allow(dead_code)]

use mikey_wire::*;

pub(crate) static RAND: [u8; 32] = [0x5a; 32];
pub(crate) static HASH: [u8; 32] = [0x77; 32];
pub(crate) static MAC_20: [u8; 20] = [0; 20];
pub(crate) static TAG: [u8; 16] = [0; 16];
pub(crate) static X25519: [u8; 32] = [9; 32];
pub(crate) static BIG: [u8; 1216] = [3; 1216];
pub(crate) static DER: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x07];

pub(crate) fn stream(cs_id: u8, policies: &[u8], data: Option<SrtpSession>) -> GenericCs<'static> {
    GenericCs { cs_id, prot: ProtType::SRTP, policies: policies.to_vec(), data, spi: &[0, 0, 0, 1] }
}

pub(crate) fn offered() -> Vec<GenericCs<'static>> {
    vec![stream(1, &[0, 1], Some(SrtpSession { ssrc: 7, index: Some((1, 2)) })), stream(2, &[0], None)]
}

pub(crate) fn chosen() -> Vec<GenericCs<'static>> {
    vec![
        stream(1, &[1], Some(SrtpSession { ssrc: 7, index: Some((1, 2)) })),
        stream(2, &[0], Some(SrtpSession { ssrc: 8, index: None })),
    ]
}

pub(crate) fn session(session: Session) -> Payload<'static> {
    Payload::Ext(Extension::Session(session))
}

pub(crate) fn cookie(octets: &'static [u8]) -> Payload<'static> {
    Payload::Ext(Extension::Cookie(octets))
}

pub(crate) fn policy(policy_no: u8) -> Payload<'static> {
    let params = vec![
        SpParam { ty: SrtpParam::ENCR_ALG.0, value: &[6] },
        SpParam { ty: SrtpParam::AEAD_TAG_LEN.0, value: &[16] },
    ];
    Payload::Sp(Sp { policy_no, prot: ProtType::SRTP, params })
}

pub(crate) fn tesla() -> Payload<'static> {
    let param = |ty: TeslaParam, value| SpParam { ty: ty.0, value };
    let params = vec![
        param(TeslaParam::MAC, &[0]),
        param(TeslaParam::START, &[0xe5, 0, 0, 0, 0, 0, 0, 0]),
        param(TeslaParam::INTERVAL, &[0, 0, 0, 100]),
        param(TeslaParam::DISCLOSURE_DELAY, &[0, 2]),
        param(TeslaParam::CHAIN_LEN, &[0, 0, 0x8c, 0xa0]),
        param(TeslaParam::ANSWER_TIME, &[0xe5, 0, 0, 9, 0, 0, 0, 0]),
    ];
    Payload::Sp(Sp { policy_no: 9, prot: ProtType::TESLA, params })
}

fn msp(params: &[(u8, &'static [u8])]) -> Payload<'static> {
    let params = params.iter().map(|&(ty, value)| SpParam { ty, value }).collect();
    Payload::Sp(Sp { policy_no: 255, prot: ProtType::M_SP, params })
}

pub(crate) fn offer() -> Payload<'static> {
    msp(&[
        (0, &[1]),
        (1, &[1, 2]),
        (2, &[31, 19, 236]),
        (3, &[3, 1]),
        (4, &[4, 6]),
        (5, &[4, 2]),
        (6, &[1]),
        (7, &[1, 0]),
        (8, &[0x20, 0]),
        (9, &[1]),
        (200, &[]),
    ])
}

pub(crate) fn answer(exch: &'static [u8]) -> Payload<'static> {
    msp(&[
        (0, exch),
        (1, &[1]),
        (2, &[31]),
        (3, &[3]),
        (4, &[4]),
        (5, &[4]),
        (6, &[1, 2]),
        (7, &[1]),
        (8, &[0x10, 0]),
        (9, &[1]),
    ])
}

pub(crate) fn id(data: &'static [u8]) -> Payload<'static> {
    Payload::Id(Id { ty: IdType::URI, data })
}

pub(crate) fn dh(group: u8, value: &'static [u8]) -> Payload<'static> {
    Payload::Dh(Dh { group, value, kv: Kv::Null })
}

pub(crate) fn x25519() -> Payload<'static> {
    dh(31, &X25519)
}

pub(crate) fn cert(ty: CertType) -> Payload<'static> {
    Payload::Cert(Cert { ty, data: DER })
}

pub(crate) fn auth() -> Payload<'static> {
    Payload::Auth(Auth { method: 4, data: &[0x41; 64] })
}

pub(crate) fn ticket(lifetime: Option<u32>) -> Payload<'static> {
    Payload::Ext(Extension::ResumeTicket(ResumeTicket { lifetime, opaque: b"ticket" }))
}

pub(crate) fn group() -> Payload<'static> {
    Payload::Ext(Extension::Group(Group {
        spi: 5,
        csb_id: 6,
        epoch: 3,
        next_t: 9,
        leaf: 12,
        prf: 1,
        suite: 3,
        auth_method: 4,
        rand: &RAND,
        spki: DER,
    }))
}

pub(crate) fn senders() -> Payload<'static> {
    let sender =
        Sender { cs_id: 1, yours: true, gone: false, shared: true, ssrc: 0x01020304, roc: 5, seq: 6 };
    Payload::Ext(Extension::Senders(vec![sender, Sender { yours: false, gone: true, ssrc: 9, ..sender }]))
}

pub(crate) fn kek() -> Payload<'static> {
    Payload::KeyData(KeyData {
        ty: KeyType::KEK,
        key: &[1; 32],
        salt: None,
        kv: Kv::Spi(&[0, 0, 0, 6, 0, 0, 0, 1]),
    })
}

pub(crate) fn gtgk() -> Payload<'static> {
    Payload::KeyData(KeyData { ty: KeyType::GTGK, key: &[2; 32], salt: None, kv: Kv::Spi(&[0, 0, 0, 3]) })
}

pub(crate) fn tgk() -> Payload<'static> {
    Payload::KeyData(KeyData { ty: KeyType::TGK, key: &[2; 32], salt: None, kv: Kv::Null })
}

pub(crate) fn hash() -> Payload<'static> {
    Payload::Ext(Extension::Hash(&HASH))
}

pub(crate) fn notify(code: NotifyCode, data: &'static [u8]) -> Payload<'static> {
    Payload::Ext(Extension::Notify { code, data })
}

pub(crate) fn counter(t: u32) -> Payload<'static> {
    Payload::T(T::Counter(t))
}

pub(crate) fn key_id(node: &'static [u8]) -> Payload<'static> {
    Payload::Ext(Extension::KeyId(vec![KeyId { ty: KeyIdType::TREE_NODE, id: node }]))
}

pub(crate) fn vendor() -> Payload<'static> {
    Payload::Ext(Extension::VendorId(b"vendor"))
}

pub(crate) fn unknown(ty: u8) -> Payload<'static> {
    Payload::Ext(Extension::Unknown { ty: ExtType(ty), body: b"?" })
}
