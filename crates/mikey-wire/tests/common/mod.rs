//! Example messages of both versions, as drafts that a test can spoil before they are encoded. Version 2's
//! are "sealed" with the identity cipher: Encr data is the plaintext, the tag is zero.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod build;
pub(crate) mod spoil;
mod v1;

use mikey_wire::v2::{
    Cce2Req, Cce2Resp, Cce2Tail, CceReq, CceResp, ErrorMsg, GroupRekey, Info, InitReq, InitResp, Opened,
    ProtectedError, RekeyReq, RekeyResp, ResumeReq, ResumeResp, Sealed, decode_node_keys, peek,
};
use mikey_wire::*;

pub(crate) use build::*;
pub(crate) use v1::v1_drafts;

pub(crate) const CSB_ID: u32 = 0x0a0b_0c0d;
pub(crate) const SPIS: Session = Session { spi_i: 0x1111_1111_1111_1111, spi_r: 0x2222_2222_2222_2222 };
pub(crate) const HALF: Session = Session { spi_r: 0, ..SPIS };
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
        Payload::Ext(Extension::TeslaKey(b"\x00\x00\x04\xd2twenty octets of key")),
        Payload::Ext(Extension::TeslaKey(b"")),
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

/// All examples.
pub(crate) fn drafts() -> Vec<Draft> {
    v2_drafts().into_iter().chain(v1_drafts()).collect()
}
