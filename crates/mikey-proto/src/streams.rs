//! Crypto sessions of a unicast session: what is offered, what is answered, and the keys (docs/spec.md, "Crypto sessions").
//!
//! CS IDs are odd for streams that the initiator sends and even for the responder's. One key never serves two senders: each
//! crypto session has its own TEK, and an SSRC is bound to one crypto session.

use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_wire::{GenericCs, ProtType, Sp, SrtpSession};

use crate::error::{ApiMisuse, Error, Mismatch, PeerFault};
use crate::keys::{Role, Tgk};
use crate::limits::{MAX_POLICIES, MAX_STREAMS};
use crate::srtp_params::{self, SpOctets};

/// Who sends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This end.
    Local,
    /// The peer.
    Remote,
}

/// A stream of SRTP that an initiator wants keys for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Who sends it.
    pub sender: Side,
    /// The policies that would do, most preferred first. The responder chooses one.
    pub policies: Vec<SrtpPolicy>,
    /// The sender's SSRC, if it is known; else every SSRC of this sender (late binding).
    pub ssrc: Option<u32>,
    /// The sender's current ROC and sequence number, if the stream runs already.
    pub index: Option<(u32, u16)>,
}

impl Stream {
    /// A stream with one policy, whose SSRC is bound when its first packet has been authenticated.
    #[must_use]
    pub fn new(sender: Side, policy: SrtpPolicy) -> Self {
        Self { sender, policies: vec![policy], ssrc: None, index: None }
    }
}

/// A stream that a peer offers, as the responder's application sees it after the peer has been authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedStream {
    /// The crypto session.
    pub cs_id: u8,
    /// Who sends it.
    pub sender: Side,
    /// The policies that we can act on, in the peer's order.
    pub policies: Vec<SrtpPolicy>,
    /// The sender's SSRC; `None` for a stream that we send, until we fill it in.
    pub ssrc: Option<u32>,
    /// The sender's ROC and sequence number.
    pub index: Option<(u32, u16)>,
}

/// What the responder's application makes of an offered stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamAnswer {
    /// One of the offered policies.
    pub policy: SrtpPolicy,
    /// For a stream that we send: its SSRC, or `None` to bind it late. For one that the peer sends it is not looked at.
    pub ssrc: Option<u32>,
    /// For a stream that we send: its ROC and sequence number if it runs already; needs the SSRC.
    pub index: Option<(u32, u16)>,
}

/// The keys of one generation, for all streams of a session. They leave this crate once, here.
pub struct SrtpKeys {
    /// 0 for the keys of the handshake; one more with every rekey.
    pub generation: u32,
    /// The streams.
    pub streams: Vec<StreamKeys>,
}

/// The keys of one stream.
pub struct StreamKeys {
    /// The crypto session.
    pub cs_id: u8,
    /// Who sends it.
    pub sender: Side,
    /// The sender's SSRC; `None` means every SSRC of this sender.
    pub ssrc: Option<u32>,
    /// The sender's ROC and sequence number, if known.
    pub index: Option<(u32, u16)>,
    /// What both agreed on.
    pub policy: SrtpPolicy,
    /// SRTP master key.
    pub master_key: SecretBytes,
    /// SRTP master salt.
    pub master_salt: SecretBytes,
    /// MKI: empty, or four octets; in version 1 up to 255.
    pub mki: Vec<u8>,
    /// First and last index of the packets for which the key is valid, if not for all. Version 1 alone has it.
    pub valid: Option<(u64, u64)>,
}

/// A crypto session as both sides agreed on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) cs_id: u8,
    pub(crate) policy: SrtpPolicy,
    pub(crate) ssrc: Option<u32>,
    pub(crate) index: Option<(u32, u16)>,
    pub(crate) mki: Vec<u8>,
}

/// Derives the keys of all streams.
pub(crate) fn keys(local: Role, generation: u32, agreed: &[Agreed], tgk: &Tgk) -> SrtpKeys {
    let stream = |a: &Agreed| StreamKeys {
        cs_id: a.cs_id,
        sender: if sender_of(a.cs_id) == local { Side::Local } else { Side::Remote },
        ssrc: a.ssrc,
        index: a.index,
        policy: a.policy,
        master_key: tgk.tek(a.cs_id, usize::from(a.policy.key_len)),
        master_salt: tgk.salt(a.cs_id, usize::from(a.policy.salt_len)),
        mki: a.mki.clone(),
        valid: None,
    };
    SrtpKeys { generation, streams: agreed.iter().map(stream).collect() }
}

fn sender_of(cs_id: u8) -> Role {
    if cs_id % 2 == 1 { Role::Initiator } else { Role::Responder }
}

/// An offer: the CS map and the SP payloads, in a form that both can be borrowed from.
#[derive(Debug)]
pub(crate) struct Offer {
    local: Role,
    sessions: Vec<OfferedSession>,
    policies: Vec<SrtpPolicy>,
    mki: Option<[u8; 4]>,
    /// What the answer's SPI must be: the same, but in RESUME.
    answer_mki: Option<[u8; 4]>,
}

#[derive(Debug)]
struct OfferedSession {
    cs_id: u8,
    numbers: Vec<u8>,
    ssrc: Option<u32>,
    index: Option<(u32, u16)>,
}

impl Offer {
    /// What an initiator offers.
    pub(crate) fn new(streams: &[Stream], mki: Option<[u8; 4]>) -> Result<Self, ApiMisuse> {
        if streams.is_empty() || streams.len() > MAX_STREAMS {
            return Err(ApiMisuse::Streams);
        }
        let local = Role::Initiator;
        let mut offer = Self { local, sessions: Vec::new(), policies: Vec::new(), mki, answer_mki: mki };
        let mut next = [1_u8, 2];
        for stream in streams {
            if stream.policies.is_empty() || stream.policies.len() > MAX_POLICIES {
                return Err(ApiMisuse::Streams);
            }
            if stream.index.is_some() && stream.ssrc.is_none() {
                return Err(ApiMisuse::Streams);
            }
            let mine = stream.sender == Side::Local;
            let [odd, even] = &mut next;
            let counter = if mine { odd } else { even };
            let cs_id = *counter;
            *counter = cs_id.saturating_add(2);
            let numbers = stream.policies.iter().map(|p| offer.number(p)).collect::<Result<_, _>>()?;
            // The other side fills in what it sends.
            let (ssrc, index) = if mine { (stream.ssrc, stream.index) } else { (None, None) };
            offer.sessions.push(OfferedSession { cs_id, numbers, ssrc, index });
        }
        let known: Vec<u32> = offer.sessions.iter().filter_map(|s| s.ssrc).collect();
        if (1..known.len()).any(|i| known.get(i).is_some_and(|s| known.iter().take(i).any(|k| k == s))) {
            return Err(ApiMisuse::Streams);
        }
        Ok(offer)
    }

    /// What a member of a group to be offers: nothing.
    pub(crate) fn none() -> Self {
        let (sessions, policies) = (Vec::new(), Vec::new());
        Self { local: Role::Initiator, sessions, policies, mki: None, answer_mki: None }
    }

    /// The same offer for a RESUME: the keys of the answer have the MKI after that of the early ones.
    pub(crate) fn for_resume(mut self) -> Self {
        self.answer_mki = self.mki.map(|mki| u32::from_be_bytes(mki).wrapping_add(1).to_be_bytes());
        self
    }

    /// The streams that we send, as early media: under the first policy that is offered for each.
    // R13.2
    pub(crate) fn early(&self) -> Vec<Agreed> {
        let ours = self.sessions.iter().filter(|s| sender_of(s.cs_id) == self.local);
        let agreed = |s: &OfferedSession| {
            let policy = *self.policies.get(usize::from(*s.numbers.first()?))?;
            let mki = self.mki.map(|mki| mki.to_vec()).unwrap_or_default();
            Some(Agreed { cs_id: s.cs_id, policy, ssrc: s.ssrc, index: s.index, mki })
        };
        ours.filter_map(agreed).collect()
    }

    /// What is offered again in a REKEY: the same crypto sessions with the policies that they have.
    pub(crate) fn again(local: Role, agreed: &[Agreed], mki: Option<[u8; 4]>) -> Result<Self, ApiMisuse> {
        let mut offer = Self { local, sessions: Vec::new(), policies: Vec::new(), mki, answer_mki: mki };
        for a in agreed {
            let numbers = vec![offer.number(&a.policy)?];
            let ssrc = a.ssrc.filter(|_| sender_of(a.cs_id) == local);
            offer.sessions.push(OfferedSession { cs_id: a.cs_id, numbers, ssrc, index: None });
        }
        Ok(offer)
    }

    /// The number of a policy: the same policy has one number however many streams offer it.
    fn number(&mut self, policy: &SrtpPolicy) -> Result<u8, ApiMisuse> {
        policy.check().map_err(|_| ApiMisuse::SrtpPolicy)?;
        let at = self.policies.iter().position(|p| p == policy).unwrap_or_else(|| {
            self.policies.push(*policy);
            self.policies.len() - 1
        });
        u8::try_from(at).ok().filter(|n| *n < u8::MAX).ok_or(ApiMisuse::Streams)
    }

    /// The octets of the SP payloads, in the order of their numbers.
    pub(crate) fn policies(&self) -> Vec<SpOctets> {
        self.policies.iter().map(SpOctets::new).collect()
    }

    /// The CS map.
    pub(crate) fn map(&self) -> Vec<GenericCs<'_>> {
        let block = |s: &'_ OfferedSession| GenericCs {
            cs_id: s.cs_id,
            prot: ProtType::SRTP,
            policies: s.numbers.clone(),
            data: s.ssrc.map(|ssrc| SrtpSession { ssrc, index: s.index }),
            spi: self.mki.as_ref().map_or(&[], |m| m.as_slice()),
        };
        self.sessions.iter().map(block).collect()
    }

    /// Checks an answer: its CS map, and for each chosen policy that its SP came back octet for octet.
    // R4.10, R4.11, R4.12
    pub(crate) fn check_answer(
        &self,
        map: &[GenericCs<'_>],
        sps: &[Sp<'_>],
    ) -> Result<Vec<Agreed>, PeerFault> {
        let bad = PeerFault::Negotiation;
        let agreed = self.check_map(map)?;
        let octets = self.policies();
        for number in map.iter().flat_map(|cs| cs.policies.iter().copied()) {
            let offered = octets.get(usize::from(number)).map(|offered| offered.sp(number));
            let once = sps.iter().filter(|sp| sp.policy_no == number).count() == 1;
            if !once || !offered.is_some_and(|offered| sps.contains(&offered)) {
                return Err(bad("an srtp policy that was changed"));
            }
        }
        if sps.len() != sps.iter().filter(|sp| agreed_number(map, sp.policy_no)).count() {
            return Err(bad("an srtp policy that no crypto session uses"));
        }
        Ok(agreed)
    }

    /// Checks the CS map of an answer, which in CCE2 is all: the same crypto sessions, for each one offered policy.
    pub(crate) fn check_map(&self, map: &[GenericCs<'_>]) -> Result<Vec<Agreed>, PeerFault> {
        let bad = PeerFault::Negotiation;
        if map.len() != self.sessions.len() {
            return Err(bad("another set of crypto sessions"));
        }
        let mut agreed = Vec::with_capacity(map.len());
        for (asked, got) in self.sessions.iter().zip(map) {
            if got.cs_id != asked.cs_id || got.prot != ProtType::SRTP {
                return Err(bad("another set of crypto sessions"));
            }
            let [number] = *got.policies else {
                return Err(bad("more or less than one policy for a crypto session"));
            };
            if !asked.numbers.contains(&number) {
                return Err(bad("an srtp policy that was not offered"));
            }
            let Some(policy) = self.policies.get(usize::from(number)) else {
                return Err(bad("an srtp policy that was not offered"));
            };
            if got.spi != self.answer_mki.as_ref().map_or(&[][..], |m| m) {
                return Err(bad("another mki"));
            }
            let data = got.data.as_ref().map(|d| (d.ssrc, d.index));
            let ours = sender_of(got.cs_id) == self.local;
            if ours && data.is_some() && data != asked.ssrc.map(|s| (s, asked.index)) {
                return Err(bad("another ssrc for a stream of ours"));
            }
            let (ssrc, index) =
                if ours { (asked.ssrc, asked.index) } else { (data.map(|d| d.0), data.and_then(|d| d.1)) };
            agreed.push(Agreed { cs_id: got.cs_id, policy: *policy, ssrc, index, mki: got.spi.to_vec() });
        }
        unique_ssrcs(&agreed).map_err(bad)?;
        Ok(agreed)
    }
}

fn agreed_number(map: &[GenericCs<'_>], number: u8) -> bool {
    map.iter().any(|cs| cs.policies.contains(&number))
}

fn unique_ssrcs(agreed: &[Agreed]) -> Result<(), &'static str> {
    for (i, a) in agreed.iter().enumerate() {
        let same =
            |b: &Agreed| b.ssrc.is_some() && b.ssrc == a.ssrc && sender_of(b.cs_id) == sender_of(a.cs_id);
        if agreed.iter().take(i).any(same) {
            return Err("one ssrc for two streams of a sender");
        }
    }
    Ok(())
}

/// An offer as the responder received it.
pub(crate) struct ReceivedOffer {
    pub(crate) streams: Vec<OfferedStream>,
    numbers: Vec<Vec<(u8, SrtpPolicy)>>,
    mki: Vec<u8>,
}

impl ReceivedOffer {
    pub(crate) fn new(local: Role, map: &[GenericCs<'_>], sps: &[Sp<'_>]) -> Result<Self, Error> {
        let bad = |what| Error::Peer(PeerFault::Negotiation(what));
        if map.is_empty() || map.len() > MAX_STREAMS {
            return Err(bad("no crypto session, or too many"));
        }
        for (i, sp) in sps.iter().enumerate() {
            if sps.iter().take(i).any(|other| other.policy_no == sp.policy_no) {
                return Err(bad("one policy number twice"));
            }
        }
        let mki = map.first().map_or(&[][..], |cs| cs.spi).to_vec();
        if !matches!(mki.len(), 0 | 4) || map.iter().any(|cs| cs.spi != mki) {
            return Err(bad("an mki that is not one value of four octets"));
        }
        let mut offer = Self { streams: Vec::new(), numbers: Vec::new(), mki };
        for cs in map {
            let sender = if sender_of(cs.cs_id) == local { Side::Local } else { Side::Remote };
            if cs.prot != ProtType::SRTP || cs.policies.is_empty() || cs.policies.len() > MAX_POLICIES {
                return Err(bad("a crypto session that is not srtp, or without policies"));
            }
            let mut usable = Vec::new();
            for number in &cs.policies {
                let sp = sps
                    .iter()
                    .find(|sp| sp.policy_no == *number)
                    .ok_or(bad("a policy number without a policy"))?;
                usable.extend(srtp_params::policy(sp).map(|p| (*number, p)));
            }
            if usable.is_empty() {
                return Err(Error::Mismatch(Mismatch::SrtpPolicy));
            }
            let data = cs.data.as_ref().filter(|_| sender == Side::Remote);
            offer.streams.push(OfferedStream {
                cs_id: cs.cs_id,
                sender,
                policies: usable.iter().map(|(_, p)| *p).collect(),
                ssrc: data.map(|d| d.ssrc),
                index: data.and_then(|d| d.index),
            });
            offer.numbers.push(usable);
        }
        Ok(offer)
    }

    /// The streams of the peer, as early media: under the first policy that it offers for each, if we can act on it.
    pub(crate) fn early(&self) -> Vec<Agreed> {
        let theirs = self.streams.iter().zip(&self.numbers).filter(|(s, _)| s.sender == Side::Remote);
        let agreed = |(s, usable): (&OfferedStream, &Vec<(u8, SrtpPolicy)>)| {
            let (_, policy) = *usable.first()?;
            Some(Agreed { cs_id: s.cs_id, policy, ssrc: s.ssrc, index: s.index, mki: self.mki.clone() })
        };
        theirs.filter_map(agreed).collect()
    }

    /// The same offer for the answer of a RESUME: under the MKI after the early one's.
    pub(crate) fn with_next_mki(mut self) -> Self {
        if let Ok(mki) = <[u8; 4]>::try_from(self.mki.as_slice()) {
            self.mki = u32::from_be_bytes(mki).wrapping_add(1).to_be_bytes().to_vec();
        }
        self
    }

    /// The MKI of all offered crypto sessions: empty, or four octets.
    pub(crate) fn mki(&self) -> &[u8] {
        &self.mki
    }

    /// Fixes the answer: which policies are repeated in SRTP-SPr, and what both agreed on.
    pub(crate) fn answer(&self, answers: &[StreamAnswer]) -> Result<(Vec<Agreed>, Vec<u8>), Error> {
        if answers.len() != self.streams.len() {
            return Err(ApiMisuse::Streams.into());
        }
        let mut agreed = Vec::new();
        let mut numbers = Vec::new();
        for ((stream, usable), answer) in self.streams.iter().zip(&self.numbers).zip(answers) {
            let chosen = usable.iter().find(|(_, p)| *p == answer.policy).ok_or(ApiMisuse::SrtpPolicy)?;
            numbers.push(chosen.0);
            let (ssrc, index) = match stream.sender {
                Side::Local if answer.ssrc.is_none() && answer.index.is_some() => {
                    return Err(ApiMisuse::Streams.into());
                }
                Side::Local => (answer.ssrc, answer.index),
                Side::Remote => (stream.ssrc, stream.index),
            };
            agreed.push(Agreed {
                cs_id: stream.cs_id,
                policy: answer.policy,
                ssrc,
                index,
                mki: self.mki.clone(),
            });
        }
        unique_ssrcs(&agreed).map_err(|what| Error::Peer(PeerFault::Negotiation(what)))?;
        Ok((agreed, numbers))
    }
}

/// The CS map of an answer. `numbers` are the chosen policies in the order of `agreed`.
pub(crate) fn answer_map<'a>(agreed: &'a [Agreed], numbers: &[u8]) -> Vec<GenericCs<'a>> {
    let block = |(a, number): (&'a Agreed, &u8)| GenericCs {
        cs_id: a.cs_id,
        prot: ProtType::SRTP,
        policies: vec![*number],
        data: a.ssrc.map(|ssrc| SrtpSession { ssrc, index: a.index }),
        spi: &a.mki,
    };
    agreed.iter().zip(numbers).map(block).collect()
}
