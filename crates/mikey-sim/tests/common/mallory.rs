//! Somebody in the middle who knows the whole protocol: the key schedule, KEMAC and AUTH, written from docs/spec.md a second
//! time, so that an attack can go as far as the protocol lets it.

use mikey_crypto::{
    CryptoProvider, GroupId, KxInitiator, KxSecret, Prf, PrfId, SecretBytes, Suite, SuiteId, SuiteKind,
};
use mikey_proto::Role;
use mikey_wire::v2::{InitReq, InitResp, Opened, Sealed};
use mikey_wire::{Auth, MspParam, Payload, PayloadType};

use super::craft::{bend, leak, with_dh};

/// `L(x)`.
pub fn l(x: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(x.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(x);
    out
}

/// What goes into PRK, or PRKx, for a PSK.
pub fn imported(prf: Prf, psk: &[u8]) -> Vec<u8> {
    prf.derive(psk, &[&0x6D76_3271_u32.to_be_bytes()], prf.hash_len()).expose().to_vec()
}

/// What one INIT leads to for whoever knows the secret of its key exchange.
pub struct Leg {
    prf: Prf,
    suite: Suite,
    csb_id: u32,
    /// FRAG of what is sealed next.
    pub fragment: u8,
    pub th2: Vec<u8>,
    pub prk: SecretBytes,
}

impl Leg {
    /// The keys of these two messages.
    pub fn new(provider: &CryptoProvider, m1: &[u8], m2: &[u8], secret: &KxSecret, psk: &[u8]) -> Self {
        let (request, answer) = (InitReq::decode(m1).unwrap(), InitResp::decode(m2).unwrap());
        let prf = provider.prf(PrfId(answer.prf)).unwrap();
        let suite = provider.suite(SuiteId(answer.choice.first(MspParam::SUITE).unwrap())).unwrap();
        let th2 = prf.hash.digest(&[b"MIKEYv2 th2", &l(m1), &l(m2)]).as_ref().to_vec();
        let rands = [&request.rand[..], answer.rand].concat();
        let psk = if psk.is_empty() { Vec::new() } else { imported(prf, psk) };
        let ikm = [l(secret.kem.expose()), l(secret.dh.expose()), l(&psk)].concat();
        let prk = prf.hash.hmac(&rands, &[&ikm]);
        Self { prf, suite, csb_id: answer.csb_id, fragment: 0, th2, prk }
    }

    /// The same with PRKx for PRK: `x` is an imported PSK or an envelope key.
    pub fn mix(&self, x: &[u8]) -> Self {
        let prk = self.prf.hash.hmac(self.prk.expose(), &[&l(x)]);
        let th2 = self.th2.clone();
        Self { prf: self.prf, suite: self.suite, csb_id: self.csb_id, fragment: 0, th2, prk }
    }

    /// H of the PRF.
    pub fn hash(&self, octets: &[u8]) -> Vec<u8> {
        self.prf.hash.digest(&[octets]).as_ref().to_vec()
    }

    fn k(&self, constant: u32, role: Role, len: usize) -> SecretBytes {
        let role = [if role == Role::Initiator { 0xFF } else { 0xFE }];
        let label = [&constant.to_be_bytes()[..], &role, &self.csb_id.to_be_bytes(), &self.th2].concat();
        self.prf.derive(self.prk.expose(), &[&label], len)
    }

    fn context(&self, response: bool, t: u32) -> [u8; 14] {
        let mut out = [0; 14];
        out[0] = u8::from(response) << 7;
        out[1] = self.fragment;
        out[2..6].copy_from_slice(&self.csb_id.to_be_bytes());
        out[10..].copy_from_slice(&t.to_be_bytes());
        out
    }

    fn apply(&self, role: Role, response: bool, t: u32, data: &mut [u8]) {
        let key = self.k(0x1505_33E1, role, self.suite.key_len);
        let salt = self.k(0x29B8_8916, role, self.suite.salt_len);
        let SuiteKind::CtrHmac { cipher, .. } = self.suite.kind else { panic!("an aead") };
        let mut iv = [0; 16];
        for (i, octet) in self.context(response, t).into_iter().enumerate() {
            iv[i] = octet ^ salt.expose()[i];
        }
        cipher.apply(key.expose(), &iv, data).unwrap();
    }

    fn nonce(&self, role: Role, response: bool, t: u32) -> [u8; 12] {
        let mut nonce = [0; 12];
        let salt = self.k(0x29B8_8916, role, self.suite.salt_len);
        let context = self.context(response, t);
        for i in 0..12 {
            let octet = if i < 2 {
                context[i]
            } else if i < 4 {
                0
            } else {
                context[i + 2]
            };
            nonce[i] = octet ^ salt.expose()[i];
        }
        nonce
    }

    /// The plaintext of a message that was sealed for this leg.
    pub fn open(&self, sender: Role, response: bool, raw: &[u8]) -> Vec<u8> {
        self.try_open(sender, response, raw).unwrap()
    }

    /// The same, or `None` if an AEAD says that it was not.
    pub fn try_open(&self, sender: Role, response: bool, raw: &[u8]) -> Option<Vec<u8>> {
        let sealed = Sealed::decode(raw).unwrap();
        let mut data = sealed.kemac.encr_data.to_vec();
        match self.suite.kind {
            SuiteKind::Aead(aead) => {
                let key = self.k(0x1505_33E1, sender, self.suite.key_len);
                let aad = &raw[..sealed.before_kemac.len() + 4];
                let nonce = self.nonce(sender, response, sealed.t);
                aead.open(key.expose(), &nonce, aad, &mut data, sealed.kemac.mac).ok()?;
            }
            SuiteKind::CtrHmac { .. } => self.apply(sender, response, sealed.t, &mut data),
        }
        Some(data)
    }

    /// Seals `head` (HDR to the payload before KEMAC) and a plaintext.
    pub fn seal(&self, sender: Role, response: bool, t: u32, head: &[u8], plaintext: &[u8]) -> Vec<u8> {
        self.seal_before(PayloadType::LAST, sender, response, t, head, plaintext)
    }

    /// The same for a KEMAC that is not the last payload.
    pub fn seal_before(
        &self,
        next: PayloadType,
        sender: Role,
        response: bool,
        t: u32,
        head: &[u8],
        plaintext: &[u8],
    ) -> Vec<u8> {
        let len = u16::try_from(plaintext.len()).unwrap().to_be_bytes();
        let mut raw = [head, &[next.0, self.suite.encr_alg], &len].concat();
        let mut data = plaintext.to_vec();
        match self.suite.kind {
            SuiteKind::Aead(aead) => {
                let key = self.k(0x1505_33E1, sender, self.suite.key_len);
                let nonce = self.nonce(sender, response, t);
                let tag = aead.seal(key.expose(), &nonce, &raw, &mut data).unwrap();
                raw.extend([&data[..], &[self.suite.mac_alg], &tag].concat());
            }
            SuiteKind::CtrHmac { hash, .. } => {
                self.apply(sender, response, t, &mut data);
                raw.extend([&data[..], &[self.suite.mac_alg]].concat());
                let key = self.k(0x2D22_AC75, sender, self.suite.auth_key_len);
                let mac = hash.hmac(key.expose(), &[&raw]);
                raw.extend_from_slice(mac.expose());
            }
        }
        raw
    }

    /// Opens a message of another leg and seals the same plaintext for this one, with the SPIs of `head`.
    pub fn reseal(&self, other: &Self, sender: Role, response: bool, raw: &[u8]) -> Vec<u8> {
        let sealed = Sealed::decode(raw).unwrap();
        let plaintext = other.open(sender, response, raw);
        self.seal(sender, response, sealed.t, sealed.before_kemac, &plaintext)
    }

    /// H("MIKEYv2 th3" || th2 || L(M3)).
    pub fn th3(&self, m3: &[u8]) -> Vec<u8> {
        self.prf.hash.digest(&[b"MIKEYv2 th3", &self.th2, &l(m3)]).as_ref().to_vec()
    }

    /// What AUTH of a side covers: names are type octet and data.
    pub fn covered(
        &self,
        sender: Role,
        transcript: &[u8],
        up_to_auth: &[u8],
        ids: [&[u8]; 2],
        credential: &[u8],
    ) -> Vec<u8> {
        let (label, id): (&[u8], &[u8]) = match sender {
            Role::Initiator => (b"MIKEYv2, initiator AUTH", b"IDi"),
            Role::Responder => (b"MIKEYv2, responder AUTH", b"IDr"),
        };
        let key = self.k(0x6D76_3269, sender, self.prf.hash_len());
        let idb = self.prf.hash.hmac(key.expose(), &[id, &l(ids[0]), &l(ids[1]), &l(credential)]);
        let hash = self.prf.hash.digest(&[up_to_auth]);
        [&[0x20; 64][..], label, &[0], transcript, hash.as_ref(), idb.expose()].concat()
    }

    /// A plaintext of somebody else with an AUTH by SAS for this leg.
    fn auth_again(
        &self,
        raw: &[u8],
        plaintext: &[u8],
        sender: Role,
        transcript: &[u8],
        ids: [&[u8]; 2],
    ) -> Vec<u8> {
        let (up_to_auth, method, _) = split_auth(raw, plaintext);
        let head = Sealed::decode(raw).unwrap().before_kemac;
        let covered = self.covered(sender, transcript, &[head, &up_to_auth].concat(), ids, &[]);
        join_auth(&up_to_auth, method, &self.psk_auth(sender, &covered))
    }

    /// AUTH by PSK or SAS over these octets.
    pub fn psk_auth(&self, sender: Role, covered: &[u8]) -> Vec<u8> {
        let key = self.k(0x6D76_3270, sender, self.prf.hash_len());
        self.prf.hash.hmac(key.expose(), &[covered]).expose().to_vec()
    }
}

/// An opened plaintext, cut before AUTH: everything up to it with the type octet, and AUTH's method and data.
pub fn split_auth(raw: &[u8], plaintext: &[u8]) -> (Vec<u8>, u8, Vec<u8>) {
    let sealed = Sealed::decode(raw).unwrap();
    let opened = Opened::decode(&sealed, plaintext).unwrap();
    let item = opened.items.iter().find(|item| item.payload.ty() == PayloadType::AUTH).unwrap();
    let Payload::Auth(Auth { method, data }) = &item.payload else { panic!("no auth") };
    let start = item.start - sealed.before_kemac.len();
    (plaintext[..start].to_vec(), *method, data.to_vec())
}

/// A plaintext with an AUTH that ends it.
pub fn join_auth(up_to_auth: &[u8], method: u8, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).unwrap().to_be_bytes();
    [up_to_auth, &[0, method], &len, data].concat()
}

/// In the middle of one INIT with a key exchange of its own on both sides; everything else of the messages is as it was.
pub struct Middle {
    provider: CryptoProvider,
    m1: Vec<u8>,
    kx: Box<dyn KxInitiator>,
    to_bob: Vec<u8>,
    pub alice: Option<Leg>,
    pub bob: Option<Leg>,
    psk: Vec<u8>,
    m3: Vec<u8>,
}

impl Middle {
    /// Takes Alice's INIT_REQ (of X25519) and has one for Bob ready.
    pub fn new(provider: CryptoProvider, m1: &[u8], psk: &[u8]) -> Self {
        let kx = provider.group(GroupId::X25519).unwrap().start(&*provider.random).unwrap();
        let to_bob = with_dh(m1, kx.value());
        Self {
            provider,
            m1: m1.to_vec(),
            kx,
            to_bob,
            alice: None,
            bob: None,
            psk: psk.to_vec(),
            m3: Vec::new(),
        }
    }

    /// The same with other names in what Bob gets.
    pub fn named(provider: CryptoProvider, m1: &[u8], rename: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let mut middle = Self::new(provider, m1, &[]);
        middle.to_bob = rename(&middle.to_bob);
        middle
    }

    /// INIT_REQ for Bob.
    pub fn init_req(&self) -> Vec<u8> {
        self.to_bob.clone()
    }

    /// Takes Bob's INIT_RESP and gives Alice's.
    pub fn init_resp(&mut self, m2: &[u8]) -> Vec<u8> {
        self.init_resp_as(m2, <[u8]>::to_vec)
    }

    /// The same with other names in what Alice gets.
    pub fn init_resp_as(&mut self, m2: &[u8], rename: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
        let value = InitResp::decode(m2).unwrap().dh.value;
        let secret = self.kx.agree(value).unwrap();
        self.bob = Some(Leg::new(&self.provider, &self.to_bob, m2, &secret, &self.psk));
        let alice = InitReq::decode(&self.m1).unwrap().dh.value;
        let group = self.provider.group(GroupId::X25519).unwrap();
        let answer = group.answer(&*self.provider.random, alice).unwrap();
        let to_alice = rename(&with_dh(m2, &answer.value));
        self.alice = Some(Leg::new(&self.provider, &self.m1, &to_alice, &answer.secret, &self.psk));
        to_alice
    }

    /// CCE_REQ of Alice under the keys that Mallory shares with Bob.
    pub fn cce_req(&self, m3: &[u8]) -> Vec<u8> {
        let (alice, bob) = (self.alice.as_ref().unwrap(), self.bob.as_ref().unwrap());
        bob.reseal(alice, Role::Initiator, false, m3)
    }

    /// CCE_REQ of Alice with an AUTH by SAS of Mallory's own.
    pub fn cce_req_by_mac(&mut self, m3: &[u8], names: [&str; 2]) -> Vec<u8> {
        let (alice, bob) = (self.alice.as_ref().unwrap(), self.bob.as_ref().unwrap());
        let plaintext = alice.open(Role::Initiator, false, m3);
        let sealed = Sealed::decode(m3).unwrap();
        self.m3 = [sealed.before_kemac, &plaintext].concat();
        let ids = names.map(id);
        let plaintext = bob.auth_again(m3, &plaintext, Role::Initiator, &bob.th2, [&ids[0], &ids[1]]);
        bob.seal(Role::Initiator, false, 0, sealed.before_kemac, &plaintext)
    }

    /// CCE_RESP of Bob with an AUTH by SAS of Mallory's own.
    pub fn cce_resp_by_mac(&self, m4: &[u8], names: [&str; 2]) -> Vec<u8> {
        let (alice, bob) = (self.alice.as_ref().unwrap(), self.bob.as_ref().unwrap());
        let plaintext = bob.open(Role::Responder, true, m4);
        let sealed = Sealed::decode(m4).unwrap();
        let ids = names.map(id);
        let th3 = alice.th3(&self.m3);
        let plaintext = alice.auth_again(m4, &plaintext, Role::Responder, &th3, [&ids[1], &ids[0]]);
        alice.seal(Role::Responder, true, 0, sealed.before_kemac, &plaintext)
    }

    /// A response of Bob under the keys that Mallory shares with Alice.
    pub fn cce_resp(&self, m4: &[u8]) -> Vec<u8> {
        let (alice, bob) = (self.alice.as_ref().unwrap(), self.bob.as_ref().unwrap());
        alice.reseal(bob, Role::Responder, true, m4)
    }
}

/// An ID payload's type and data as they are hashed.
pub fn id(text: &str) -> Vec<u8> {
    [&[1], text.as_bytes()].concat()
}

/// The message with another IDi in it, the first ID payload.
pub fn with_first_id(raw: &[u8], text: &str) -> Vec<u8> {
    let text = leak(text.as_bytes());
    bend(raw, |_, payloads| {
        if let Some(Payload::Id(id)) = payloads.iter_mut().find(|p| p.ty() == PayloadType::ID) {
            id.data = text;
        }
    })
}
