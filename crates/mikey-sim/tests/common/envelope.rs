//! What CCE2 needs: RSA keys for signatures and for decryption, and a caller and a callee written by hand who can get every
//! part of it wrong.

use mikey_crypto::{CryptoProvider, PrfId};
use mikey_proto::{CertifiedKey, DecryptionKey, Identity, Role};
use mikey_sim::{Ca, provider};
use mikey_wire::v2::{InitResp, Msp, MspEntry};
use mikey_wire::{
    Cert, CertType, Chash, CsMap, DataType, Extension, GenericCs, HashFunc, Header, Id, IdType, KeyData,
    KeyType, Kv, MacAlg, MspParam, Payload, PayloadType, Pke, PkeCache, Session, Sign, SignAlg, T, Ver,
    Version, encode, encode_chain, encode_open,
};
use rcgen::KeyUsagePurpose;

use super::craft::leak;
use super::hand::{HandCallee, HandCaller, stream};
use super::mallory::{Leg, id, imported, l};
use super::{ALICE, BOB, name};

/// RSA keys of Alice and Bob, for signatures and for decryption: drawn once, since making one takes a second.
pub const KEYS: [[&[u8]; 2]; 2] = [
    [include_bytes!("../v1/keys/alice-sign.pkcs8"), include_bytes!("../v1/keys/alice-decrypt.pkcs8")],
    [include_bytes!("../v1/keys/bob-sign.pkcs8"), include_bytes!("../v1/keys/bob-decrypt.pkcs8")],
];

/// A certificate for the key that signs of Alice (0) or Bob (1).
pub fn signing(ca: &Ca, n: usize) -> Vec<u8> {
    ca.certify_key([ALICE, BOB][n], KEYS[n][0])
}

/// A certificate for the key that decrypts of Alice (0) or Bob (1).
pub fn decrypting(ca: &Ca, n: usize) -> Vec<u8> {
    decrypting_as(ca, [ALICE, BOB][n], n)
}

fn decrypting_as(ca: &Ca, name: &str, n: usize) -> Vec<u8> {
    ca.certify_key_with(name, KEYS[n][1], |params| {
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    })
}

/// Alice (0) or Bob (1) with both certificates.
pub fn identity(ca: &Ca, n: usize) -> Identity {
    identity_as(ca, [ALICE, BOB][n], n)
}

/// Somebody with the keys of Alice (0) or Bob (1), and certificates for them.
pub fn identity_as(ca: &Ca, text: &str, n: usize) -> Identity {
    let provider = provider(0);
    let signing = vec![ca.certify_key(text, KEYS[n][0])];
    let signing = CertifiedKey::load(&provider, signing, KEYS[n][0]).unwrap();
    let decryption = DecryptionKey::load(&provider, vec![decrypting_as(ca, text, n)], KEYS[n][1]).unwrap();
    Identity::with_certificate(name(text), signing).unwrap().with_decryption(decryption).unwrap()
}

/// M-SP of X25519, AES-128-GCM, SHA-256 and this exchange alone: 2 with PSK, 3 with RSA. `offers` says whose it is.
pub fn msp(exchange: u8, offers: bool) -> Msp<'static> {
    let (initiator, responder) = if exchange == 2 { (5, 5) } else { (1, 7) };
    let (mine, yours) = if offers { (initiator, responder) } else { (responder, initiator) };
    let values: [&'static [u8]; 10] =
        [leak(&[exchange]), &[1], &[31], &[3], leak(&[mine]), leak(&[yours]), &[1], &[1], &[0x60, 0], &[0]];
    let entry = |(ty, values): (u8, &&'static [u8])| MspEntry { ty: MspParam(ty), values };
    Msp { params: (0..).zip(values.iter()).map(entry).collect() }
}

/// What a caller puts into CCE2_REQ. What is `None` or empty is made as it should be, or left out.
pub struct Sends {
    /// Imported PSK or envelope key.
    pub x: Vec<u8>,
    /// Key data in KEMAC: type and key.
    pub keys: Vec<(u8, Vec<u8>)>,
    pub kv: Kv<'static>,
    /// CERTi.
    pub certs: Vec<Vec<u8>>,
    /// The key that signs; without it there is no envelope.
    pub signer: Option<&'static [u8]>,
    /// The certificate that CHASH is of.
    pub chash_of: Vec<u8>,
    /// PKE's data, if it is not `x` under Bob's key.
    pub envelope: Option<Vec<u8>>,
    /// Whom SIGNi is for.
    pub signed_for: &'static str,
    /// A bit of KEMAC's tag is wrong.
    pub breaks_kemac: bool,
    /// Streams of the call.
    pub streams: Vec<GenericCs<'static>>,
}

impl Sends {
    /// All that CCE2 with this PSK needs.
    pub fn psk(psk: &[u8]) -> Self {
        Self {
            x: imported(provider(0).prf(PrfId::HMAC_SHA_256).unwrap(), psk),
            keys: vec![(0, vec![0x5A; 32])],
            kv: Kv::Null,
            certs: Vec::new(),
            signer: None,
            chash_of: Vec::new(),
            envelope: None,
            signed_for: BOB,
            breaks_kemac: false,
            streams: stream().0,
        }
    }

    /// All that CCE2 with RSA from Alice to Bob needs.
    pub fn rsa(ca: &Ca) -> Self {
        Self {
            certs: vec![signing(ca, 0)],
            signer: Some(KEYS[0][0]),
            chash_of: decrypting(ca, 1),
            ..Self::psk(&[0xE0; 32])
        }
    }
}

fn header(data_type: DataType, csb_id: u32, v: bool, streams: Vec<GenericCs<'_>>) -> Header<'_> {
    Header { version: Version::V2, data_type, v, prf: 1, csb_id, cs_map: CsMap::Generic(streams) }
}

fn uri(text: &str) -> Payload<'_> {
    Payload::Id(Id { ty: IdType::URI, data: text.as_bytes() })
}

/// `x` encrypted to Bob.
pub fn envelope(provider: &CryptoProvider, x: &[u8]) -> Vec<u8> {
    let bob = (provider.load_decryptor)(KEYS[1][1]).unwrap();
    provider.rsa_oaep.encrypt(&*provider.random, bob.public_key(), x).unwrap()
}

/// The octets that SIGNi is over.
pub fn signed(provider: &CryptoProvider, th2: &[u8], responder: &str, message: &[u8]) -> Vec<u8> {
    let hash = provider.prf(PrfId(1)).unwrap().hash.digest(&[message]);
    [&[0x20; 64][..], b"MIKEYv2, initiator SIGN", &[0], th2, &l(&id(responder)), hash.as_ref()].concat()
}

impl HandCaller {
    /// CCE2_REQ for this INIT_RESP.
    pub fn cce2_req(&mut self, m2: &[u8], sends: &Sends) -> Vec<u8> {
        let answer = InitResp::decode(m2).unwrap();
        let leg = self.leg_without_psk(m2).mix(&sends.x);
        let header = header(DataType::CCE2_REQ, answer.csb_id, true, sends.streams.clone());
        let mut payloads = vec![
            Payload::Ext(Extension::Session(answer.session)),
            Payload::T(T::Counter(0)),
            Payload::Rand(&[0x33; 32]),
        ];
        payloads.extend(sends.certs.iter().map(|data| Payload::Cert(Cert { ty: CertType::X509, data })));
        payloads.extend(stream().1.into_iter().map(Payload::Sp));
        let head = encode_open(&header, &payloads, PayloadType::KEMAC).unwrap();
        let keys: Vec<_> = sends
            .keys
            .iter()
            .map(|(ty, key)| Payload::KeyData(KeyData { ty: KeyType(*ty), key, salt: None, kv: sends.kv }))
            .collect();
        let mut plaintext = vec![if keys.is_empty() { 0 } else { PayloadType::KEY_DATA.0 }];
        encode_chain(&mut plaintext, &keys, PayloadType::LAST).unwrap();
        let next = if sends.signer.is_some() { PayloadType::CHASH } else { PayloadType::LAST };
        let mut raw = leg.seal_before(next, Role::Initiator, false, 0, &head, &plaintext);
        if sends.breaks_kemac {
            *raw.last_mut().unwrap() ^= 1;
        }
        if let Some(signer) = sends.signer {
            let provider = self.provider();
            let envelope = sends.envelope.clone().unwrap_or_else(|| envelope(provider, &sends.x));
            let hash = provider.sha256.digest(&[&sends.chash_of]);
            let tail = [
                Payload::Chash(Chash { func: HashFunc::SHA_256, hash: hash.as_ref() }),
                Payload::Pke(Pke { cache: PkeCache::NO_CACHE, data: &envelope }),
                Payload::Sign(Sign { alg: SignAlg::RSA_PSS, signature: &[0; 256] }),
            ];
            encode_chain(&mut raw, &tail, PayloadType::LAST).unwrap();
            raw.truncate(raw.len() - 256);
            let covered = signed(provider, &leg.th2, sends.signed_for, &raw);
            let signer = (provider.load_signer)(signer).unwrap();
            raw.extend(signer.sign(&*provider.random, &covered).unwrap());
        }
        self.leg = Some(leg);
        raw
    }
}

/// What a callee gets wrong in CCE2_RESP.
#[derive(Clone, Copy, Default)]
pub struct Answers {
    pub id: Option<&'static str>,
    pub breaks_v: bool,
    /// T of the answer.
    pub t: u32,
    /// The policy that its CS map chooses.
    pub policy: Option<u8>,
    /// All of CCE2_REQ is under V but this octet.
    pub forgets_request: bool,
    pub forgets_caller: bool,
    pub no_v: bool,
}

impl HandCallee {
    /// CCE2_RESP for this CCE2_REQ, by who has `x`.
    pub fn cce2_resp(&self, m3: &[u8], x: &[u8], answers: Answers) -> Vec<u8> {
        let leg = self.leg_without_psk().mix(x);
        let message = mikey_wire::Message::decode(m3).unwrap();
        let session: Session = super::craft::session(m3);
        let blocks = message.header.cs_map.generic().to_vec();
        let streams: Vec<_> = blocks
            .into_iter()
            .map(|s| GenericCs { policies: vec![answers.policy.unwrap_or(s.policies[0])], ..s })
            .collect();
        let header = header(DataType::CCE2_RESP, message.header.csb_id, false, streams);
        let mut payloads = vec![
            Payload::Ext(Extension::Session(session)),
            Payload::T(T::Counter(answers.t)),
            uri(answers.id.unwrap_or(BOB)),
        ];
        if answers.no_v {
            return encode(&header, &payloads).unwrap();
        }
        payloads.push(Payload::V(Ver { auth_alg: MacAlg::HMAC_SHA_256_256, data: &[0; 32] }));
        let mut raw = encode(&header, &payloads).unwrap();
        raw.truncate(raw.len() - 32);
        let request: &[u8] = if answers.forgets_request { &m3[..m3.len() - 1] } else { m3 };
        let caller = if answers.forgets_caller { Vec::new() } else { id(ALICE) };
        let mut v = leg.ver(request, &raw, &caller);
        if answers.breaks_v {
            v[31] ^= 1;
        }
        raw.extend(v);
        raw
    }
}

impl Leg {
    /// V of the responder: `response` is CCE2_RESP up to Ver data.
    pub fn ver(&self, request: &[u8], response: &[u8], caller: &[u8]) -> Vec<u8> {
        let request = self.hash(request);
        let covered =
            [b"MIKEYv2, responder V", &[0][..], &self.th2, &request, &l(response), &l(caller)].concat();
        self.psk_auth(Role::Responder, &covered)
    }
}
