//! Example messages of both versions, as drafts that a test can spoil before they are encoded. Version 2's
//! are "sealed" with the identity cipher: Encr data is the plaintext, the tag is zero.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

pub(crate) mod spoil;

use mikey_wire::v2::{
    Cce2Req, Cce2Resp, Cce2Tail, CceReq, CceResp, ErrorMsg, GroupRekey, Info, InitReq, InitResp, Opened,
    ProtectedError, RekeyReq, RekeyResp, ResumeReq, ResumeResp, Sealed, decode_node_keys, peek,
};
use mikey_wire::*;

pub(crate) const CSB_ID: u32 = 0x0a0b_0c0d;
pub(crate) const SPIS: Session = Session { spi_i: 0x1111_1111_1111_1111, spi_r: 0x2222_2222_2222_2222 };
pub(crate) const HALF: Session = Session { spi_r: 0, ..SPIS };
pub(crate) static RAND: [u8; 32] = [0x5a; 32];
pub(crate) static HASH: [u8; 32] = [0x77; 32];
static MAC_20: [u8; 20] = [0; 20];
static TAG: [u8; 16] = [0; 16];
static X25519: [u8; 32] = [9; 32];
static BIG: [u8; 1216] = [3; 1216];
static DER: &[u8] = &[0x30, 0x03, 0x02, 0x01, 0x07];

/// A message before it is encoded.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) name: &'static str,
    pub(crate) header: Header<'static>,
    pub(crate) clear: Vec<Payload<'static>>,
    /// Payloads inside KEMAC, if the message has one behind `clear`.
    pub(crate) inner: Option<Vec<Payload<'static>>>,
    /// Payloads behind KEMAC.
    pub(crate) after: Vec<Payload<'static>>,
}

impl Draft {
    pub(crate) fn octets(&self) -> Vec<u8> {
        let Some(inner) = &self.inner else {
            return encode(&self.header, &self.clear).expect(self.name);
        };
        self.sealed(&plaintext(inner))
    }

    /// The message around any plaintext.
    pub(crate) fn sealed(&self, plaintext: &[u8]) -> Vec<u8> {
        let mut payloads = self.clear.clone();
        payloads.push(Payload::Kemac(kemac(plaintext)));
        payloads.extend(self.after.iter().cloned());
        encode(&self.header, &payloads).expect(self.name)
    }

    pub(crate) fn named(self, name: &'static str) -> Self {
        Self { name, ..self }
    }
}

pub(crate) fn kemac(plaintext: &[u8]) -> Kemac<'_> {
    Kemac { encr_alg: EncrAlg::AEAD_AES_128_GCM, encr_data: plaintext, mac_alg: MacAlg::AEAD_TAG, mac: &TAG }
}

pub(crate) fn plaintext(inner: &[Payload<'_>]) -> Vec<u8> {
    let mut out = vec![first_type(inner, PayloadType::LAST).0];
    encode_chain(&mut out, inner, PayloadType::LAST).unwrap();
    out
}

/// Decodes a message all the way to its typed form, whatever it is.
pub(crate) fn typed(raw: &[u8]) -> Result<String, DecodeError> {
    if raw.first() == Some(&1) {
        return Message::decode(raw).map(|message| format!("{message:?}"));
    }
    let data_type = peek(raw)?.data_type;
    match data_type {
        DataType::INIT_REQ => InitReq::decode(raw).map(|m| format!("{m:?}")),
        DataType::INIT_RESP => InitResp::decode(raw).map(|m| format!("{m:?}")),
        DataType::CCE2_RESP => Cce2Resp::decode(raw).map(|m| format!("{m:?}")),
        DataType::RESUME_REQ => {
            let req = ResumeReq::decode(raw)?;
            Ok(format!("{req:?} {:?}", req.inner(req.kemac.encr_data)?))
        }
        DataType::RESUME_RESP => {
            let resp = ResumeResp::decode(raw)?;
            Ok(format!("{resp:?} {:?}", resp.inner(resp.kemac.encr_data)?))
        }
        DataType::GROUP_REKEY => {
            let rekey = GroupRekey::decode(raw)?;
            for node in &rekey.nodes {
                decode_node_keys(node.kemac.encr_data)?;
            }
            Ok(format!("{rekey:?}"))
        }
        DataType::ERROR if peek(raw)?.session.spi_r == 0 => ErrorMsg::decode(raw).map(|m| format!("{m:?}")),
        _ => typed_sealed(raw),
    }
}

fn typed_sealed(raw: &[u8]) -> Result<String, DecodeError> {
    let sealed = Sealed::decode(raw)?;
    if sealed.fragment.is_some() {
        return Ok(format!("{sealed:?}"));
    }
    let opened = Opened::decode(&sealed, sealed.kemac.encr_data)?;
    Ok(match sealed.header.data_type {
        DataType::CCE_REQ => format!("{:?}", CceReq::parse(&sealed, &opened)?),
        DataType::CCE_RESP => format!("{:?}", CceResp::parse(&sealed, &opened)?),
        DataType::CCE2_REQ => {
            format!("{:?} {:?}", Cce2Tail::parse(&sealed)?, Cce2Req::parse(&sealed, &opened)?)
        }
        DataType::REKEY_REQ => format!("{:?}", RekeyReq::parse(&sealed, &opened)?),
        DataType::REKEY_RESP => format!("{:?}", RekeyResp::parse(&sealed, &opened)?),
        DataType::INFO_REQ | DataType::INFO_RESP => format!("{:?}", Info::parse(&sealed, &opened)?),
        _ => format!("{:?}", ProtectedError::parse(&sealed, &opened)?),
    })
}

pub(crate) fn header(data_type: DataType, v: bool, streams: Vec<GenericCs<'static>>) -> Header<'static> {
    let prf = if data_type == DataType::INIT_REQ { 0 } else { 1 };
    Header { version: Version::V2, data_type, v, prf, csb_id: CSB_ID, cs_map: CsMap::Generic(streams) }
}

pub(crate) fn stream(cs_id: u8, policies: &[u8], data: Option<SrtpSession>) -> GenericCs<'static> {
    GenericCs { cs_id, prot: ProtType::SRTP, policies: policies.to_vec(), data, spi: &[0, 0, 0, 1] }
}

fn offered() -> Vec<GenericCs<'static>> {
    vec![stream(1, &[0, 1], Some(SrtpSession { ssrc: 7, index: Some((1, 2)) })), stream(2, &[0], None)]
}

fn chosen() -> Vec<GenericCs<'static>> {
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
    let params = vec![SpParam { ty: TeslaParam::MAC.0, value: &[0] }];
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
    let sender = Sender { cs_id: 1, yours: true, ssrc: 0x01020304, roc: 5, seq: 6 };
    Payload::Ext(Extension::Senders(vec![sender, Sender { yours: false, ssrc: 9, ..sender }]))
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

fn draft(
    name: &'static str,
    header: Header<'static>,
    clear: Vec<Payload<'static>>,
    inner: Option<Vec<Payload<'static>>>,
) -> Draft {
    Draft { name, header, clear, inner, after: Vec::new() }
}

pub(crate) fn init_req() -> Draft {
    let clear = vec![
        session(HALF),
        Payload::Rand(&RAND),
        offer(),
        id(b"sip:a@example.org"),
        id(b"sip:b@example.org"),
        Payload::Ext(Extension::SdpIds(b"mikey")),
        Payload::Ext(Extension::SasCommit(&HASH)),
        Payload::Ext(Extension::SdpBinding(vec![(1, b"one"), (2, b"two"), (3, &HASH)])),
        x25519(),
    ];
    draft("INIT_REQ", header(DataType::INIT_REQ, true, Vec::new()), clear, None)
}

pub(crate) fn init_req_cookie() -> Draft {
    let mut req = init_req().named("INIT_REQ with COOKIE");
    req.clear.insert(0, cookie(b"cookie"));
    req
}

pub(crate) fn init_req_hybrid() -> Draft {
    let mut req = init_req().named("INIT_REQ with the hybrid group");
    req.clear.pop();
    req.clear.push(dh(236, &BIG));
    req
}

pub(crate) fn init_resp() -> Draft {
    let clear = vec![
        session(SPIS),
        Payload::Rand(&RAND),
        answer(&[1]),
        id(b"sip:b@example.org"),
        Payload::CertReq(CertReq { cert_type: CertType::X509, hashes: vec![&HASH, &RAND] }),
        Payload::Ext(Extension::SdpBinding(vec![(1, b"two")])),
        x25519(),
    ];
    draft("INIT_RESP", header(DataType::INIT_RESP, false, Vec::new()), clear, None)
}

pub(crate) fn init_resp_rsa() -> Draft {
    let mut resp = init_resp().named("INIT_RESP with CERTr");
    resp.clear[2] = answer(&[3]);
    resp.clear.splice(4..4, [cert(CertType::X509_ENCR), cert(CertType::X509)]);
    resp
}

fn cce_req_body() -> Vec<Payload<'static>> {
    vec![
        Payload::Rand(&RAND),
        id(b"sip:true@example.org"),
        cert(CertType::X509_SIGN),
        cert(CertType::X509),
        Payload::CertReq(CertReq { cert_type: CertType::X509, hashes: Vec::new() }),
        policy(0),
        policy(1),
        Payload::Ext(Extension::SasReveal(&HASH)),
        auth(),
    ]
}

pub(crate) fn cce_req() -> Draft {
    let clear = vec![session(SPIS), counter(0)];
    draft("CCE_REQ", header(DataType::CCE_REQ, true, offered()), clear, Some(cce_req_body()))
}

pub(crate) fn cce_req_clear() -> Draft {
    let mut req = cce_req().named("CCE_REQ in clear");
    req.clear.extend(cce_req_body());
    req.inner = Some(Vec::new());
    req
}

pub(crate) fn cce_req_group() -> Draft {
    let gcc = Payload::GccReq(GccReq { roles: 3, ssrcs: 2, group_id: b"conference" });
    let inner = vec![Payload::Rand(&RAND), cert(CertType::X509), gcc, auth()];
    let clear = vec![session(SPIS), counter(0)];
    draft("CCE_REQ for a group", header(DataType::CCE_REQ, true, Vec::new()), clear, Some(inner))
}

pub(crate) fn cce_resp() -> Draft {
    let inner = vec![
        id(b"sip:b@example.org"),
        cert(CertType::X509),
        policy(0),
        policy(1),
        ticket(Some(3600)),
        auth(),
    ];
    let clear = vec![session(SPIS), counter(0)];
    draft("CCE_RESP", header(DataType::CCE_RESP, false, chosen()), clear, Some(inner))
}

pub(crate) fn cce_resp_group() -> Draft {
    let inner = vec![
        cert(CertType::X509),
        policy(0),
        tesla(),
        group(),
        senders(),
        Payload::Ext(Extension::TeslaKey(b"initial key")),
        auth(),
        kek(),
        gtgk(),
    ];
    let clear = vec![session(SPIS), counter(0)];
    let streams = vec![stream(1, &[0], None)];
    draft("CCE_RESP of a group", header(DataType::CCE_RESP, false, streams), clear, Some(inner))
}

pub(crate) fn cce2_req() -> Draft {
    let clear = vec![session(SPIS), counter(0), Payload::Rand(&RAND), policy(0), policy(1)];
    draft("CCE2_REQ", header(DataType::CCE2_REQ, true, offered()), clear, Some(vec![tgk()]))
}

pub(crate) fn cce2_req_rsa() -> Draft {
    let mut req = cce2_req().named("CCE2_REQ with RSA");
    req.clear.insert(3, cert(CertType::X509_SIGN));
    req.after = vec![
        Payload::Chash(Chash { func: HashFunc::SHA_256, hash: &HASH }),
        Payload::Pke(Pke { cache: PkeCache::NO_CACHE, data: &[0x99; 256] }),
        Payload::Sign(Sign { alg: SignAlg::RSA_PSS, signature: &[0x55; 256] }),
    ];
    req
}

pub(crate) fn cce2_resp() -> Draft {
    let ver = Payload::V(Ver { auth_alg: MacAlg::HMAC_SHA_256_256, data: &HASH });
    let clear = vec![session(SPIS), counter(0), id(b"sip:b@example.org"), ver];
    draft("CCE2_RESP", header(DataType::CCE2_RESP, false, chosen()), clear, None)
}

pub(crate) fn rekey_req() -> Draft {
    let clear = vec![session(SPIS), counter(1)];
    let inner = vec![Payload::Rand(&RAND), policy(0), policy(1), x25519()];
    draft("REKEY_REQ", header(DataType::REKEY_REQ, true, offered()), clear, Some(inner))
}

pub(crate) fn rekey_resp() -> Draft {
    let clear = vec![session(SPIS), counter(1)];
    let inner = vec![Payload::Rand(&RAND), hash(), policy(0), policy(1), x25519()];
    draft("REKEY_RESP", header(DataType::REKEY_RESP, false, chosen()), clear, Some(inner))
}

pub(crate) fn info_req() -> Draft {
    let clear = vec![session(SPIS), counter(2)];
    let inner = vec![
        notify(NotifyCode::PATH_CHECK, b"12345678"),
        notify(NotifyCode::TICKET_REQUEST, b""),
        notify(NotifyCode(0x9000), b"anything"),
        ticket(Some(60)),
        senders(),
        group(),
    ];
    draft("INFO_REQ", header(DataType::INFO_REQ, true, Vec::new()), clear, Some(inner))
}

pub(crate) fn info_empty() -> Draft {
    Draft { inner: Some(Vec::new()), ..info_req().named("INFO_REQ, empty") }
}

pub(crate) fn info_resp() -> Draft {
    let clear = vec![session(SPIS), counter(2)];
    let inner =
        vec![hash(), notify(NotifyCode::DELETE, &[0]), unknown(130), senders(), group(), kek(), gtgk()];
    draft("INFO_RESP", header(DataType::INFO_RESP, false, Vec::new()), clear, Some(inner))
}

pub(crate) fn resume_req() -> Draft {
    let clear = vec![session(HALF), counter(0), Payload::Rand(&RAND), ticket(None), x25519()];
    let inner = vec![policy(0), policy(1)];
    draft("RESUME_REQ", header(DataType::RESUME_REQ, true, offered()), clear, Some(inner))
}

pub(crate) fn resume_req_cookie() -> Draft {
    let mut req = resume_req().named("RESUME_REQ with COOKIE");
    req.clear.insert(0, cookie(b"cookie"));
    req
}

pub(crate) fn resume_resp() -> Draft {
    let clear = vec![session(SPIS), counter(0), Payload::Rand(&RAND), x25519()];
    let inner = vec![hash(), policy(0), policy(1), ticket(Some(604_800))];
    draft("RESUME_RESP", header(DataType::RESUME_RESP, false, chosen()), clear, Some(inner))
}

pub(crate) fn group_rekey() -> Draft {
    // Type Key data; next 0, KEK with SPI, 4 octets of key, SPI of 8 octets.
    static UNDER_LEAF: &[u8] = &[20, 0, 0x71, 0, 4, 1, 2, 3, 4, 8, 0, 0, 0, 6, 0, 0, 0, 2];
    // The same, then GTGK with SPI, 4 octets of key, SPI of 4 octets.
    static UNDER_ROOT: &[u8] = &[20, 0, 0x41, 0, 4, 1, 2, 3, 4, 4, 0, 0, 0, 4];
    let clear = vec![
        session(HALF),
        counter(9),
        senders(),
        key_id(&[0, 0, 0, 12, 0, 0, 0, 1]),
        Payload::Kemac(kemac(UNDER_LEAF)),
        key_id(&[0, 0, 0, 1, 0, 0, 0, 2]),
        Payload::Kemac(kemac(UNDER_ROOT)),
        auth(),
    ];
    draft("GROUP_REKEY", header(DataType::GROUP_REKEY, false, Vec::new()), clear, None)
}

pub(crate) fn error_clear(error: ErrorNo, extra: Option<Payload<'static>>) -> Draft {
    let mut clear = vec![session(HALF), Payload::Err(error)];
    match extra {
        Some(first @ Payload::Ext(_)) => clear.insert(0, first),
        Some(last) => clear.push(last),
        None => {}
    }
    draft("ERROR", Header { prf: 0, ..header(DataType::ERROR, false, Vec::new()) }, clear, None)
}

pub(crate) fn error_sealed() -> Draft {
    let clear = vec![session(SPIS), counter(0)];
    let inner = vec![Payload::Err(ErrorNo::AUTH_FAILURE)];
    draft("ERROR, protected", header(DataType::ERROR, false, Vec::new()), clear, Some(inner))
}

pub(crate) fn fragment(number: u16) -> Draft {
    let streams = if number == 1 { offered() } else { Vec::new() };
    let fragment = Payload::Ext(Extension::Fragment { number, total: 2 });
    let clear = vec![session(SPIS), counter(0), fragment];
    draft("a fragment", header(DataType::CCE_REQ, true, streams), clear, Some(vec![policy(0)]))
}

/// Every message of version 2 in each of its forms.
pub(crate) fn v2_drafts() -> Vec<Draft> {
    vec![
        init_req(),
        init_req_cookie(),
        init_req_hybrid(),
        init_resp(),
        init_resp_rsa(),
        cce_req(),
        cce_req_clear(),
        cce_req_group(),
        cce_resp(),
        cce_resp_group(),
        cce2_req(),
        cce2_req_rsa(),
        cce2_resp(),
        rekey_req(),
        rekey_resp(),
        info_req(),
        info_empty(),
        info_resp(),
        resume_req(),
        resume_req_cookie(),
        resume_resp(),
        group_rekey(),
        error_clear(ErrorNo::INVALID_DH, Some(answer(&[1]))),
        error_clear(ErrorNo::INVALID_SP_PAR, Some(offer())),
        error_clear(ErrorNo::INVALID_TICKET, None),
        error_clear(ErrorNo::COOKIE_REQUIRED, Some(cookie(&[7; 32]))),
        error_clear(ErrorNo::VERSION_NOT_SUPPORTED, None),
        error_sealed(),
        fragment(1),
        fragment(2),
    ]
}

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

/// All examples.
pub(crate) fn drafts() -> Vec<Draft> {
    v2_drafts().into_iter().chain(v1_drafts()).collect()
}
