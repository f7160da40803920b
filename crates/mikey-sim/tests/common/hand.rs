//! A caller and a callee written by hand, who can say what no endpoint would: any certificate, any name, any method.

use mikey_crypto::{CryptoProvider, GroupId, KxInitiator};
use mikey_proto::Role;
use mikey_sim::provider;
use mikey_wire::v2::{CceReq, InitReq, InitResp, Msp, MspEntry, Opened, ProtectedError, Sealed};
use mikey_wire::{
    Cert, CertType, CsMap, DataType, Dh, ErrorNo, Extension, GenericCs, Header, Id, IdType, Kv, MspParam,
    Payload, PayloadType, ProtType, Session, Sp, SpParam, T, Version, encode, encode_chain, encode_open,
    first_type,
};

use super::craft::leak;
use super::mallory::{Leg, id, join_auth};

/// What bends the streams and policies of a message.
pub type Bend = for<'a> fn(&mut Vec<GenericCs<'a>>, &mut Vec<Sp<'a>>);

/// How a side written by hand authenticates itself.
#[derive(Clone, Default)]
pub struct Shows {
    /// AUTH's method.
    pub method: u8,
    /// CERT payloads.
    pub certs: Vec<Vec<u8>>,
    /// The PKCS #8 key that signs; without it AUTH is a MAC.
    pub key: Option<Vec<u8>>,
    /// IDi of CCE_REQ or IDr of CCE_RESP.
    pub id: Option<&'static str>,
    /// The name that AUTH is over, if it is not the one in INIT or CCE.
    pub auth_name: Option<&'static str>,
    /// AUTH's data, if it is not what the key makes.
    pub auth: Option<Vec<u8>>,
    /// Whether payloads stand before KEMAC in the clear, whatever was negotiated.
    pub clear: bool,
    /// Bends the streams and policies of a CCE_RESP before they are sealed.
    pub bend: Option<Bend>,
}

impl Shows {
    /// A certificate and its Ed25519 key.
    pub fn certificate((der, key): (Vec<u8>, Vec<u8>)) -> Self {
        Self { method: 4, certs: vec![der], key: Some(key), ..Self::default() }
    }

    /// A pre-shared key, which the side was made with.
    pub fn psk() -> Self {
        Self { method: 5, ..Self::default() }
    }

    fn data(&self, provider: &CryptoProvider, leg: &Leg, role: Role, covered: &[u8]) -> Vec<u8> {
        match (&self.auth, &self.key) {
            (Some(auth), _) => auth.clone(),
            (None, Some(key)) => {
                let signer = (provider.load_signer)(key).unwrap();
                signer.sign(&*provider.random, covered).unwrap()
            }
            (None, None) => leg.psk_auth(role, covered),
        }
    }

    /// What stands before KEMAC and what in it, both up to AUTH.
    fn compose(
        &self,
        header: &Header<'_>,
        opening: &[Payload<'_>],
        body: Vec<Payload<'_>>,
    ) -> (Vec<u8>, Vec<u8>) {
        if self.clear {
            let payloads: Vec<_> = opening.iter().cloned().chain(body).collect();
            return (encode_open(header, &payloads, PayloadType::AUTH).unwrap(), Vec::new());
        }
        let head = encode_open(header, opening, PayloadType::KEMAC).unwrap();
        let mut plaintext = vec![first_type(&body, PayloadType::AUTH).0];
        encode_chain(&mut plaintext, &body, PayloadType::AUTH).unwrap();
        (head, plaintext)
    }

    /// The same with AUTH.
    fn with_auth(&self, head: Vec<u8>, plaintext: &[u8], data: &[u8]) -> (Vec<u8>, Vec<u8>) {
        if !self.clear {
            return (head, join_auth(plaintext, self.method, data));
        }
        let mut head = join_auth(&head, self.method, data);
        // AUTH is not the last payload here: KEMAC follows.
        let at = head.len() - data.len() - 4;
        head[at] = PayloadType::KEMAC.0;
        (head, vec![0])
    }

    fn certs(&self) -> impl Iterator<Item = Payload<'_>> {
        self.certs.iter().map(|data| Payload::Cert(Cert { ty: CertType::X509, data }))
    }
}

/// M-SP of X25519, AES-128-GCM, SHA-256 and this one method for both directions.
pub fn msp(method: u8) -> Msp<'static> {
    let values: [&[u8]; 10] =
        [&[1], &[1], &[31], &[3], leak(&[method]), leak(&[method]), &[1], &[1], &[0x60, 0], &[0]];
    let entry = |(ty, values): (u8, &&'static [u8])| MspEntry { ty: MspParam(ty), values };
    Msp { params: (0..).zip(values.iter()).map(entry).collect() }
}

/// One stream that the initiator sends, with SRTP's default policy.
pub fn stream() -> (Vec<GenericCs<'static>>, Vec<Sp<'static>>) {
    let block = GenericCs { cs_id: 1, prot: ProtType::SRTP, policies: vec![0], data: None, spi: &[] };
    let sp = Sp { policy_no: 0, prot: ProtType::SRTP, params: vec![SpParam { ty: 0, value: &[1] }] };
    (vec![block], vec![sp])
}

fn header(data_type: DataType, csb_id: u32, prf: u8, v: bool, cs_map: CsMap<'_>) -> Header<'_> {
    Header { version: Version::V2, data_type, v, prf, csb_id, cs_map }
}

fn uri(name: &str) -> Payload<'_> {
    Payload::Id(Id { ty: IdType::URI, data: name.as_bytes() })
}

/// An initiator.
pub struct HandCaller {
    provider: CryptoProvider,
    from: &'static str,
    kx: Box<dyn KxInitiator>,
    psk: Vec<u8>,
    reveal: Option<[u8; 32]>,
    pub m1: Vec<u8>,
    pub leg: Option<Leg>,
}

impl HandCaller {
    /// Calls with a SAS: what it commits to, and what it reveals.
    pub fn with_sas(seed: u64, from: &'static str, commit: &[u8; 32], reveal: [u8; 32]) -> Self {
        let mut caller = Self::new(seed, from, None, &msp(6), &[]);
        let commit: &'static [u8; 32] = leak(commit).try_into().unwrap();
        caller.m1 = super::craft::bend(&caller.m1, |_, payloads| {
            let before_dh = payloads.len() - 1;
            payloads.insert(before_dh, Payload::Ext(Extension::SasCommit(commit)));
        });
        caller.reveal = Some(reveal);
        caller
    }

    /// Calls `to` as `from` with this offer.
    pub fn new(seed: u64, from: &'static str, to: Option<&str>, offer: &Msp<'_>, psk: &[u8]) -> Self {
        let provider = provider(seed);
        let kx = provider.group(GroupId::X25519).unwrap().start(&*provider.random).unwrap();
        let spi_i = 0xA11C_0000_0000_0000 | seed;
        let mut rand = [0; 32];
        provider.random.fill(&mut rand).unwrap();
        let mut payloads = vec![
            Payload::Ext(Extension::Session(Session { spi_i, spi_r: 0 })),
            Payload::Rand(&rand),
            Payload::Sp(offer.to_sp()),
            uri(from),
        ];
        payloads.extend(to.map(uri));
        payloads.push(Payload::Dh(Dh { group: 31, value: kx.value(), kv: Kv::Null }));
        let csb_id = 0x1000 + u32::try_from(seed).unwrap();
        let m1 = encode(&header(DataType::INIT_REQ, csb_id, 0, true, CsMap::NONE), &payloads).unwrap();
        Self { provider, from, kx, psk: psk.to_vec(), reveal: None, m1, leg: None }
    }

    /// What INIT leads to when no PSK is in PRK.
    pub fn leg_without_psk(&self, m2: &[u8]) -> Leg {
        let secret = self.kx.agree(InitResp::decode(m2).unwrap().dh.value).unwrap();
        Leg::new(&self.provider, &self.m1, m2, &secret, &[])
    }

    pub fn provider(&self) -> &CryptoProvider {
        &self.provider
    }

    /// CCE_REQ for this INIT_RESP.
    pub fn cce_req(&mut self, m2: &[u8], shows: &Shows) -> Vec<u8> {
        let (streams, policies) = stream();
        self.cce_req_with(m2, shows, streams, policies)
    }

    /// CCE_REQ with any streams and policies.
    pub fn cce_req_with(
        &mut self,
        m2: &[u8],
        shows: &Shows,
        streams: Vec<GenericCs<'_>>,
        policies: Vec<Sp<'_>>,
    ) -> Vec<u8> {
        let answer = InitResp::decode(m2).unwrap();
        let secret = self.kx.agree(answer.dh.value).unwrap();
        let leg = Leg::new(&self.provider, &self.m1, m2, &secret, &self.psk);
        let header = header(DataType::CCE_REQ, answer.csb_id, answer.prf, true, CsMap::Generic(streams));
        let opening = [Payload::Ext(Extension::Session(answer.session)), Payload::T(T::Counter(0))];
        let mut body = vec![Payload::Rand(&[0x33; 32])];
        body.extend(shows.id.map(uri));
        body.extend(shows.certs());
        body.extend(policies.into_iter().map(Payload::Sp));
        body.extend(self.reveal.as_ref().map(|ns| Payload::Ext(Extension::SasReveal(ns))));
        let (head, plaintext) = shows.compose(&header, &opening, body);
        let name = id(shows.auth_name.or(shows.id).unwrap_or(self.from));
        let peer = [&[answer.id_r.ty.0], answer.id_r.data].concat();
        let psk_id = id(self.from);
        let nothing = Vec::new();
        let credential = shows.certs.first().unwrap_or(if shows.method == 5 { &psk_id } else { &nothing });
        let up_to_auth = [&head[..], &plaintext].concat();
        let covered = leg.covered(Role::Initiator, &leg.th2, &up_to_auth, [&name, &peer], credential);
        let data = shows.data(&self.provider, &leg, Role::Initiator, &covered);
        let (head, plaintext) = shows.with_auth(head, &plaintext, &data);
        let raw = leg.seal(Role::Initiator, false, 0, &head, &plaintext);
        self.leg = Some(leg);
        raw
    }

    /// The number in a protected ERROR.
    pub fn error(&self, raw: &[u8]) -> ErrorNo {
        let plaintext = self.leg.as_ref().unwrap().open(Role::Responder, true, raw);
        let sealed = Sealed::decode(raw).unwrap();
        ProtectedError::parse(&sealed, &Opened::decode(&sealed, &plaintext).unwrap()).unwrap().error
    }
}

/// A responder.
pub struct HandCallee {
    provider: CryptoProvider,
    name: &'static str,
    psk: Vec<u8>,
    certs: Vec<Vec<u8>>,
    m1: Vec<u8>,
    leg: Option<Leg>,
}

impl HandCallee {
    /// Answers as `name`.
    pub fn new(seed: u64, name: &'static str, psk: &[u8]) -> Self {
        Self { provider: provider(seed), name, psk: psk.to_vec(), certs: vec![], m1: Vec::new(), leg: None }
    }

    /// INIT_RESP for this INIT_REQ, whose choice is `choice`.
    pub fn init_resp(&mut self, m1: &[u8], choice: &Msp<'_>) -> Vec<u8> {
        let request = InitReq::decode(m1).unwrap();
        let group = self.provider.group(GroupId::X25519).unwrap();
        let answer = group.answer(&*self.provider.random, request.dh.value).unwrap();
        let prf = choice.first(MspParam::PRF).unwrap();
        let session = Session { spi_i: request.spi_i, spi_r: 0xB0B };
        let mut payloads = vec![
            Payload::Ext(Extension::Session(session)),
            Payload::Rand(&[0x44; 32]),
            Payload::Sp(choice.to_sp()),
            uri(self.name),
        ];
        payloads.extend(self.certs.iter().map(|data| Payload::Cert(Cert { ty: CertType::X509, data })));
        payloads.push(Payload::Dh(Dh { group: 31, value: &answer.value, kv: Kv::Null }));
        let header = header(DataType::INIT_RESP, request.csb_id, prf, false, CsMap::NONE);
        let m2 = encode(&header, &payloads).unwrap();
        self.leg = Some(Leg::new(&self.provider, m1, &m2, &answer.secret, &self.psk));
        self.m1 = m1.to_vec();
        m2
    }

    /// INIT_RESP with CERTr, for CCE2 with RSA.
    pub fn init_resp_with(&mut self, m1: &[u8], choice: &Msp<'_>, certs: &[Vec<u8>]) -> Vec<u8> {
        self.certs = certs.to_vec();
        self.init_resp(m1, choice)
    }

    /// What INIT led to, if this callee has no PSK.
    pub fn leg_without_psk(&self) -> &Leg {
        assert!(self.psk.is_empty());
        self.leg.as_ref().unwrap()
    }

    /// CCE_RESP for this CCE_REQ: each stream with its first policy.
    pub fn cce_resp(&self, m3: &[u8], shows: &Shows) -> Vec<u8> {
        let leg = self.leg.as_ref().unwrap();
        let plaintext = leg.open(Role::Initiator, false, m3);
        let sealed = Sealed::decode(m3).unwrap();
        let opened = Opened::decode(&sealed, &plaintext).unwrap();
        let request = CceReq::parse(&sealed, &opened).unwrap();
        let th3 = leg.th3(&[sealed.before_kemac, &plaintext].concat());
        let mut streams: Vec<_> = request
            .streams
            .iter()
            .map(|s| GenericCs { policies: s.policies[..1].to_vec(), ..s.clone() })
            .collect();
        let chosen: Vec<u8> = streams.iter().flat_map(|s| s.policies.clone()).collect();
        let mut policies: Vec<_> =
            request.policies.iter().filter(|sp| chosen.contains(&sp.policy_no)).cloned().collect();
        if let Some(bend) = shows.bend {
            bend(&mut streams, &mut policies);
        }
        let csb_id = sealed.header.csb_id;
        let header = header(DataType::CCE_RESP, csb_id, sealed.header.prf, false, CsMap::Generic(streams));
        let opening = [Payload::Ext(Extension::Session(sealed.session)), Payload::T(T::Counter(0))];
        let mut body: Vec<_> = shows.id.map(uri).into_iter().collect();
        body.extend(shows.certs());
        body.extend(policies.into_iter().map(Payload::Sp));
        let (head, plaintext) = shows.compose(&header, &opening, body);
        let first = InitReq::decode(&self.m1).unwrap();
        let caller = [&[first.id_i.ty.0], first.id_i.data].concat();
        let name = id(shows.auth_name.unwrap_or(self.name));
        let credential = shows.certs.first().unwrap_or(&caller);
        let up_to_auth = [&head[..], &plaintext].concat();
        let covered = leg.covered(Role::Responder, &th3, &up_to_auth, [&name, &caller], credential);
        let data = shows.data(&self.provider, leg, Role::Responder, &covered);
        let (head, plaintext) = shows.with_auth(head, &plaintext, &data);
        leg.seal(Role::Responder, true, 0, &head, &plaintext)
    }

    /// INFO_RESP for this INFO_REQ, with the hash of it or another one.
    pub fn info_resp(&self, request: &[u8], hash: Option<&[u8]>) -> Vec<u8> {
        let leg = self.leg.as_ref().unwrap();
        let plaintext = leg.open(Role::Initiator, false, request);
        let sealed = Sealed::decode(request).unwrap();
        let own = leg.hash(&[sealed.before_kemac, &plaintext].concat());
        let header = header(DataType::INFO_RESP, sealed.header.csb_id, sealed.header.prf, false, CsMap::NONE);
        let opening = [Payload::Ext(Extension::Session(sealed.session)), Payload::T(T::Counter(sealed.t))];
        let head = encode_open(&header, &opening, PayloadType::KEMAC).unwrap();
        let body = [Payload::Ext(Extension::Hash(hash.unwrap_or(&own)))];
        let mut plaintext = vec![first_type(&body, PayloadType::LAST).0];
        encode_chain(&mut plaintext, &body, PayloadType::LAST).unwrap();
        leg.seal(Role::Responder, true, sealed.t, &head, &plaintext)
    }
}
