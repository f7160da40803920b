//! The key schedule (docs/spec.md, "Key schedule"), as a chain of types.
//!
//! [`Prk`] is what DH comes to, and protects nothing itself. [`InitKeys`] are derived from it, in CCE2 from PRKx instead: they
//! protect the second exchange, compute AUTH, V and the SAS, and nothing that leaves this crate.
//! [`SessionKeys`] exist once both AUTHs have verified: they protect later messages and lead to TGKs. PRK, and with it
//! everything that could lead back, is wiped at that step.

use mikey_crypto::{Digest, KxSecret, Prf, PrfKey, SecretBytes, Suite};

use super::Role;
use super::protect::{DirectionKeys, Protection};
use super::transcript::{Transcript, l};

/// RFC 3830 section 4.1.4.
pub(super) const ENCRYPTION: [u8; 4] = 0x1505_33E1_u32.to_be_bytes();
pub(super) const AUTHENTICATION: [u8; 4] = 0x2D22_AC75_u32.to_be_bytes();
pub(super) const SALT: [u8; 4] = 0x29B8_8916_u32.to_be_bytes();
/// RFC 3830 section 4.1.3.
pub(super) const TEK: [u8; 4] = 0x2AD0_1C64_u32.to_be_bytes();
pub(super) const TEK_SALT: [u8; 4] = 0x39A2_C14B_u32.to_be_bytes();
/// Version 2's own: "mv2" and a letter.
const IDENTITY: [u8; 4] = *b"mv2i";
const AUTH_BY_SECRET: [u8; 4] = *b"mv2p";
const SK_D: [u8; 4] = *b"mv2d";
const TGK: [u8; 4] = *b"mv2t";
const TGK_REKEYED: [u8; 4] = *b"mv2k";
const EXPORTER: [u8; 4] = *b"mv2e";
const RESUMPTION: [u8; 4] = *b"mv2r";
const CONTINUITY: [u8; 4] = *b"mv2c";
const EARLY: [u8; 4] = *b"mv2y";
const SAS: [u8; 4] = *b"mv2s";
const LEAF: [u8; 4] = *b"mv2l";
const IMPORTED: [u8; 4] = *b"mv2q";

/// What goes into PRK.
pub(crate) struct InitSecrets<'a> {
    pub(crate) rand_i: &'a [u8; 32],
    pub(crate) rand_r: &'a [u8; 32],
    pub(crate) shared: KxSecret,
    /// The imported PSK if PSK was chosen in a direction and EXCH is CCE, else empty; of RESUME the RPSK.
    pub(crate) psk: &'a [u8],
}

/// What a PSK is in this protocol and with this hash. The same secret in RFC 3830's methods, or anywhere else, leads to other
/// keys: version 2 takes no other octets from it.
// R9.20
pub(crate) fn import_psk(prf: Prf, psk: &SecretBytes) -> SecretBytes {
    prf.derive(psk.expose(), &[&IMPORTED], prf.hash_len())
}

/// PRK, or PRKx: all that is kept of a session whose second request has not come, so no key of it is derived ahead.
pub(crate) struct Prk {
    csb_id: u32,
    rands: [u8; 64],
    th2: Digest,
    key: SecretBytes,
}

impl Prk {
    // R8.2
    pub(crate) fn extract(prf: Prf, csb_id: u32, th2: Digest, secrets: InitSecrets<'_>) -> Self {
        let mut rands = [0; 64];
        for (to, from) in rands.iter_mut().zip(secrets.rand_i.iter().chain(secrets.rand_r)) {
            *to = *from;
        }
        let KxSecret { kem, dh } = secrets.shared;
        let (kem, dh, psk) = (kem.expose(), dh.expose(), secrets.psk);
        let key = prf.hash.hmac(&rands, &[&l(&[kem]), kem, &l(&[dh]), dh, &l(&[psk]), psk]);
        Self { csb_id, rands, th2, key }
    }

    /// PRKx of CCE2: `x` is the imported PSK or the envelope key.
    pub(crate) fn mix(&self, prf: Prf, x: &SecretBytes) -> Self {
        let x = x.expose();
        Self { key: prf.hash.hmac(self.key.expose(), &[&l(&[x]), x]), ..*self }
    }

    /// The transcript as it stands after INIT.
    pub(crate) fn transcript(&self, prf: Prf) -> Transcript {
        Transcript::new(prf, self.th2)
    }

    /// The keys of the exchange that follows.
    pub(crate) fn keys(&self, prf: Prf, suite: Suite) -> InitKeys {
        let Self { csb_id, rands, th2, ref key } = *self;
        let prk = prf.key(key.expose());
        let protection = protection(suite, csb_id, &prk, th2);
        let octets = SecretBytes::copy_from(key.expose());
        InitKeys { prf, csb_id, rands, octets, prk, th2, protection }
    }
}

/// Keys between INIT and the verification of both AUTHs, or of SIGN, KEMAC and V.
pub(crate) struct InitKeys {
    prf: Prf,
    csb_id: u32,
    rands: [u8; 64],
    /// PRK or PRKx.
    octets: SecretBytes,
    prk: PrfKey,
    th2: Digest,
    protection: Protection,
}

impl InitKeys {
    /// Seals and opens the second exchange; cannot derive SRTP keys.
    pub(crate) fn protection(&self) -> &Protection {
        &self.protection
    }

    pub(crate) fn prf(&self) -> Prf {
        self.prf
    }

    /// The transcript as it stands after INIT.
    pub(crate) fn transcript(&self) -> Transcript {
        Transcript::new(self.prf, self.th2)
    }

    /// The key of the identity MAC of a direction.
    pub(crate) fn identity(&self, sender: Role) -> SecretBytes {
        self.k(IDENTITY, sender)
    }

    /// The key of AUTH by PSK or SAS of a direction; of the responder's V in CCE2.
    pub(crate) fn auth_by_secret(&self, sender: Role) -> SecretBytes {
        self.k(AUTH_BY_SECRET, sender)
    }

    /// The four octets that both people compare, from the shares of the initiator and of the responder.
    pub(crate) fn sas_value(&self, ns: &[u8; 32], nr: &[u8; 32]) -> [u8; 4] {
        let context = self.prf.hash.digest(&[self.th2.as_ref(), &l(&[ns]), ns, &l(&[nr]), nr]);
        let csb_id = self.csb_id.to_be_bytes();
        let value = self.prk.derive(&[&SAS, &[0xFF], &csb_id, context.as_ref()], 4);
        value.expose().first_chunk().copied().unwrap_or_default()
    }

    fn k(&self, constant: [u8; 4], sender: Role) -> SecretBytes {
        let csb_id = self.csb_id.to_be_bytes();
        let label: [&[u8]; 4] = [&constant, &[sender.octet()], &csb_id, self.th2.as_ref()];
        self.prk.derive(&label, self.prf.hash_len())
    }

    /// The key of a member's leaf in the key tree of a group, as long as the group's keys. At the controller it is needed before CCE_RESP leaves.
    pub(crate) fn leaf_key(&self, th4: &Transcript, len: usize) -> SecretBytes {
        let sk_d = self.k(SK_D, Role::Initiator);
        let csb_id = self.csb_id.to_be_bytes();
        self.prf.derive(sk_d.expose(), &[&LEAF, &[0xFF], &csb_id, th4.hash()], len)
    }

    /// Both sides are authenticated and `th4` is the whole transcript: PRK goes, SK_d comes. `sent` is the TGK that CCE2_REQ
    /// carried, if that was the exchange.
    // R8.3
    pub(crate) fn authenticated(self, th4: Transcript, sent: Option<&SecretBytes>) -> SessionKeys {
        let sk_d = match sent.map(SecretBytes::expose) {
            None => self.k(SK_D, Role::Initiator),
            Some(tgk) => {
                let root = self.prf.hash.hmac(self.octets.expose(), &[&l(&[tgk]), tgk]);
                let csb_id = self.csb_id.to_be_bytes();
                let label: [&[u8]; 4] = [&SK_D, &[Role::Initiator.octet()], &csb_id, self.th2.as_ref()];
                self.prf.derive(root.expose(), &label, self.prf.hash_len())
            }
        };
        SessionKeys {
            prf: self.prf,
            csb_id: self.csb_id,
            rands: self.rands,
            sk_d,
            masters: None,
            th4: th4.digest(),
            th_n: th4,
            protection: self.protection,
        }
    }
}

fn protection(suite: Suite, csb_id: u32, prk: &PrfKey, th2: Digest) -> Protection {
    let octets = csb_id.to_be_bytes();
    let k = |constant: [u8; 4], role: Role, len: usize| match len {
        0 => SecretBytes::empty(),
        len => prk.derive(&[&constant, &[role.octet()], &octets, th2.as_ref()], len),
    };
    let direction = |role| DirectionKeys {
        encryption: k(ENCRYPTION, role, suite.key_len),
        authentication: k(AUTHENTICATION, role, suite.auth_key_len),
        salt: k(SALT, role, suite.salt_len),
    };
    Protection { suite, csb_id, initiator: direction(Role::Initiator), responder: direction(Role::Responder) }
}

/// Keys of a session whose two ends have authenticated each other.
pub(crate) struct SessionKeys {
    prf: Prf,
    csb_id: u32,
    rands: [u8; 64],
    sk_d: SecretBytes,
    /// What was derived from the first SK_d before a REKEY replaced it.
    masters: Option<Box<Masters>>,
    th4: Digest,
    /// The transcript of the last REKEY; th4 before the first.
    th_n: Transcript,
    protection: Protection,
}

/// E, R and C: they do not change with a REKEY.
struct Masters {
    exporter: SecretBytes,
    resumption: SecretBytes,
    continuity: SecretBytes,
}

impl SessionKeys {
    /// Seals and opens every later message of the session.
    pub(crate) fn protection(&self) -> &Protection {
        &self.protection
    }

    pub(crate) fn prf(&self) -> Prf {
        self.prf
    }

    /// The TGK of the handshake.
    pub(crate) fn tgk(&self) -> Tgk {
        Tgk {
            csb_id: self.csb_id,
            rands: self.rands.to_vec(),
            key: self.prf.key(self.derive_th4(TGK).expose()),
        }
    }

    /// The key of this member's leaf in the key tree of the group that the handshake has joined.
    pub(crate) fn leaf_key(&self, len: usize) -> SecretBytes {
        let csb_id = self.csb_id.to_be_bytes();
        self.prf.derive(self.sk_d.expose(), &[&LEAF, &[0xFF], &csb_id, self.th4.as_ref()], len)
    }

    /// A REKEY is complete: `shared` is the secret of its DH, if it had one. Returns TGK_n.
    pub(crate) fn rekey(&mut self, request: &[&[u8]], response: &[&[u8]], shared: Option<KxSecret>) -> Tgk {
        if let Some(KxSecret { kem, dh }) = shared {
            let masters = Masters {
                exporter: self.master(EXPORTER),
                resumption: self.master(RESUMPTION),
                continuity: self.master(CONTINUITY),
            };
            self.masters.get_or_insert(Box::new(masters));
            let (kem, dh) = (kem.expose(), dh.expose());
            self.sk_d = self.prf.hash.hmac(self.sk_d.expose(), &[&l(&[kem]), kem, &l(&[dh]), dh]);
        }
        self.th_n = self.th_n.thn(request, response);
        let csb_id = self.csb_id.to_be_bytes();
        let label: [&[u8]; 4] = [&TGK_REKEYED, &[0xFF], &csb_id, self.th_n.hash()];
        let key = self.prf.derive(self.sk_d.expose(), &label, self.prf.hash_len());
        Tgk { csb_id: self.csb_id, rands: self.rands.to_vec(), key: self.prf.key(key.expose()) }
    }

    /// The key that a ticket stands for; `issuer` is the role of who issued it.
    pub(crate) fn resumption_psk(&self, issuer: Role, ticket: &[u8]) -> SecretBytes {
        let r = self.master(RESUMPTION);
        let csb_id = self.csb_id.to_be_bytes();
        let label: [&[u8]; 5] = [&RESUMPTION, &[issuer.octet()], &csb_id, &l(&[ticket]), ticket];
        self.prf.derive(r.expose(), &label, self.prf.hash_len())
    }

    /// The exporter: `PRF(E, L(label) || L(context) || length)`.
    pub(crate) fn export(&self, label: &[u8], context: &[u8], len: u16) -> SecretBytes {
        let e = self.master(EXPORTER);
        let parts: [&[u8]; 5] = [&l(&[label]), label, &l(&[context]), context, &len.to_be_bytes()];
        self.prf.derive(e.expose(), &parts, usize::from(len))
    }

    /// Key continuity after a verified SAS: the PSK of the next call and the pseudonym that it is found by.
    pub(crate) fn continuity(&self) -> ([u8; 16], SecretBytes) {
        let psk = self.master(CONTINUITY);
        let csb_id = self.csb_id.to_be_bytes();
        let label: [&[u8]; 4] = [&IDENTITY, &[0xFF], &csb_id, self.th4.as_ref()];
        let id = self.prf.derive(psk.expose(), &label, 16);
        (id.expose().first_chunk().copied().unwrap_or_default(), psk)
    }

    /// E, R or C.
    fn master(&self, constant: [u8; 4]) -> SecretBytes {
        match (&self.masters, constant) {
            (Some(m), EXPORTER) => SecretBytes::copy_from(m.exporter.expose()),
            (Some(m), RESUMPTION) => SecretBytes::copy_from(m.resumption.expose()),
            (Some(m), _) => SecretBytes::copy_from(m.continuity.expose()),
            (None, constant) => self.derive_th4(constant),
        }
    }

    fn derive_th4(&self, constant: [u8; 4]) -> SecretBytes {
        let csb_id = self.csb_id.to_be_bytes();
        let label: [&[u8]; 4] = [&constant, &[0xFF], &csb_id, self.th4.as_ref()];
        self.prf.derive(self.sk_d.expose(), &label, self.prf.hash_len())
    }
}

/// Keys of RESUME_REQ: they protect it, and lead to early media.
pub(crate) struct EarlyKeys {
    prf: Prf,
    csb_id: u32,
    rand_i: [u8; 32],
    prk: PrfKey,
    th1: Digest,
    protection: Protection,
}

impl EarlyKeys {
    /// `head` is RESUME_REQ before KEMAC, without COOKIE.
    pub(crate) fn derive(
        prf: Prf,
        suite: Suite,
        csb_id: u32,
        rand_i: &[u8; 32],
        psk: &SecretBytes,
        head: &[u8],
    ) -> Self {
        let th1 = prf.hash.digest(&[b"MIKEYv2 th1", &l(&[head]), head]);
        let (none, psk) = (l(&[]), psk.expose());
        let prk = prf.hash.hmac(rand_i, &[&none, &none, &l(&[psk]), psk]);
        let prk = prf.key(prk.expose());
        let protection = protection(suite, csb_id, &prk, th1);
        Self { prf, csb_id, rand_i: *rand_i, prk, th1, protection }
    }

    /// Seals and opens RESUME_REQ, in the initiator's direction only.
    pub(crate) fn protection(&self) -> &Protection {
        &self.protection
    }

    /// The TGK of early media, for streams that the initiator sends.
    pub(crate) fn tgk(&self, canon: &[&[u8]]) -> Tgk {
        let len = l(canon);
        let mut parts: Vec<&[u8]> = vec![b"MIKEYv2 th1'", self.th1.as_ref(), &len];
        parts.extend(canon);
        let context = self.prf.hash.digest(&parts);
        let csb_id = self.csb_id.to_be_bytes();
        let label: [&[u8]; 4] = [&EARLY, &[0xFF], &csb_id, context.as_ref()];
        let key = self.prk.derive(&label, self.prf.hash_len());
        Tgk { csb_id: self.csb_id, rands: self.rand_i.to_vec(), key: self.prf.key(key.expose()) }
    }
}

/// A TEK generation key: the root of the SRTP keys of one generation.
pub(crate) struct Tgk {
    csb_id: u32,
    /// `RANDi || RANDr`; RANDi alone for early media.
    rands: Vec<u8>,
    key: PrfKey,
}

impl Tgk {
    /// The TEK (SRTP master key) of a crypto session, `len` octets.
    pub(crate) fn tek(&self, cs_id: u8, len: usize) -> SecretBytes {
        self.derive(TEK, cs_id, len)
    }

    /// The SRTP master salt of a crypto session, `len` octets.
    pub(crate) fn salt(&self, cs_id: u8, len: usize) -> SecretBytes {
        self.derive(TEK_SALT, cs_id, len)
    }

    fn derive(&self, constant: [u8; 4], cs_id: u8, len: usize) -> SecretBytes {
        let csb_id = self.csb_id.to_be_bytes();
        self.key.derive(&[&constant, &[cs_id], &csb_id, &self.rands], len)
    }
}
