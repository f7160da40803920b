//! Crypto sessions of version 1: the CS ID map and the SP payloads.
//!
//! RFC 3830 does not say who sends a stream. Here, as its section 6.1.1 has it: the initiator fills in the SSRCs of its own
//! streams and leaves those of the responder zero for it to fill in. Where nothing comes back, all streams are the
//! initiator's, and zero is any SSRC.

use mikey_crypto::srtp::SrtpPolicy;
use mikey_wire::{CsMap, GenericCs, ProtType, Quirk, Quirks, Sp, SrtpCs, SrtpParam, SrtpSession};

use super::error::Error;
use super::offer::{KeyKind, Offer};
use crate::error::{ApiMisuse, Mismatch};
use crate::keys::Role;
use crate::limits::MAX_STREAMS;
use crate::srtp_params::{self, SpOctets};
use crate::streams::{OfferedStream, Side, Stream, StreamAnswer};

/// A crypto session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cs {
    pub(super) id: u8,
    pub(super) sender: Role,
    pub(super) ssrc: Option<u32>,
    pub(super) index: Option<(u32, u16)>,
    /// Those that would do; one of them once it is agreed.
    pub(super) policies: Vec<(u8, SrtpPolicy)>,
    /// Which keys are its own; empty if all are.
    pub(super) spi: Vec<u8>,
}

/// The crypto sessions of a bundle, in the form in which they are stated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sessions {
    pub(super) list: Vec<Cs>,
    pub(super) generic: bool,
}

/// A crypto session as an R_MESSAGE states it.
struct Filled {
    id: u8,
    ssrc: Option<u32>,
    index: Option<(u32, u16)>,
    policy_no: Option<u8>,
}

impl Filled {
    fn srtp_id((entry, id): (&SrtpCs, u8)) -> Self {
        let ssrc = Some(entry.ssrc).filter(|ssrc| *ssrc != 0);
        let index = ssrc.filter(|_| entry.roc != 0).map(|_| (entry.roc, 0));
        Self { id, ssrc, index, policy_no: Some(entry.policy_no) }
    }

    fn generic(block: &GenericCs<'_>) -> Self {
        let data = block.data.filter(|data| data.ssrc != 0);
        let policy_no = match block.policies.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        let (ssrc, index) = (data.map(|data| data.ssrc), data.and_then(|data| data.index));
        Self { id: block.cs_id, ssrc, index, policy_no }
    }
}

/// SP payloads and CS map, in a form that both can be borrowed from.
pub(super) struct Stated {
    params: Vec<(u8, SpOctets)>,
}

impl Sessions {
    /// The crypto sessions of an offer.
    pub(super) fn of(offer: &Offer) -> Result<Self, ApiMisuse> {
        let mut sessions = Self { list: Vec::new(), generic: offer.generic };
        sessions.add(&offer.streams, &offer.mki, offer.has_response())?;
        let one_sender = sessions.list.iter().all(|cs| cs.sender == Role::Initiator);
        if offer.key != KeyKind::Tgk && !one_sender {
            return Err(ApiMisuse::Streams);
        }
        Ok(sessions)
    }

    /// Adds streams, numbered from where the others end.
    pub(super) fn add(&mut self, streams: &[Stream], spi: &[u8], response: bool) -> Result<(), ApiMisuse> {
        for stream in streams {
            let policy = match stream.policies.as_slice() {
                [policy] => *policy,
                _ => return Err(ApiMisuse::Streams),
            };
            policy.check().map_err(|_| ApiMisuse::SrtpPolicy)?;
            let ours = stream.sender == Side::Local;
            let told = matches!(stream.ssrc, Some(ssrc) if ssrc != 0);
            let fits = if ours { told || !response } else { response && stream.ssrc.is_none() };
            let lost =
                stream.index.is_some_and(|(_, seq)| !self.generic && seq != 0) || stream.ssrc == Some(0);
            if !fits || lost || (stream.index.is_some() && !told) {
                return Err(ApiMisuse::Streams);
            }
            let number = self.number(&policy)?;
            self.list.push(Cs {
                id: u8::try_from(self.list.len() + 1).map_err(|_| ApiMisuse::Streams)?,
                sender: if ours { Role::Initiator } else { Role::Responder },
                ssrc: stream.ssrc,
                index: stream.index,
                policies: vec![(number, policy)],
                spi: if self.generic { spi.to_vec() } else { Vec::new() },
            });
        }
        let known: Vec<u32> = self.list.iter().filter_map(|cs| cs.ssrc).collect();
        let twice = known.iter().enumerate().any(|(i, ssrc)| known.iter().take(i).any(|other| other == ssrc));
        if self.list.is_empty() || self.list.len() > MAX_STREAMS || twice {
            return Err(ApiMisuse::Streams);
        }
        Ok(())
    }

    /// The number of a policy; the same one for the same policy.
    fn number(&self, policy: &SrtpPolicy) -> Result<u8, ApiMisuse> {
        let used = || self.list.iter().flat_map(|cs| &cs.policies);
        if let Some((number, _)) = used().find(|(_, other)| other == policy) {
            return Ok(*number);
        }
        u8::try_from(used().map(|(number, _)| usize::from(*number) + 1).max().unwrap_or(0))
            .map_err(|_| ApiMisuse::Streams)
    }

    /// Reads the map and the policies of an I_MESSAGE.
    pub(super) fn read(
        map: &CsMap<'_>,
        sps: &[Sp<'_>],
        response: bool,
        quirks: Quirks,
    ) -> Result<Self, Error> {
        let bad = Error::Streams;
        let sender = |told: bool| if told || !response { Role::Initiator } else { Role::Responder };
        let usable = |numbers: &[u8]| -> Result<Vec<(u8, SrtpPolicy)>, Error> {
            let mut usable = Vec::new();
            for number in numbers {
                let policy = match sps.iter().find(|sp| sp.policy_no == *number) {
                    Some(sp) => read_policy(sp, quirks),
                    // RFC 3830 section 6.10.1: what is not stated has its default.
                    None if sps.is_empty() => Some(SrtpPolicy::AES_CM_128_HMAC_SHA1_80),
                    None => return Err(bad("a policy number without a policy")),
                };
                usable.extend(policy.map(|policy| (*number, policy)));
            }
            if usable.is_empty() { Err(Error::Mismatch(Mismatch::SrtpPolicy)) } else { Ok(usable) }
        };
        let mut list: Vec<Cs> = Vec::new();
        match map {
            CsMap::SrtpId(entries) => {
                for (entry, id) in entries.iter().zip(1_u8..) {
                    let ssrc = Some(entry.ssrc).filter(|ssrc| *ssrc != 0);
                    list.push(Cs {
                        id,
                        sender: sender(ssrc.is_some()),
                        ssrc,
                        index: ssrc.filter(|_| entry.roc != 0).map(|_| (entry.roc, 0)),
                        policies: usable(&[entry.policy_no])?,
                        spi: Vec::new(),
                    });
                }
            }
            CsMap::Generic(blocks) => {
                for block in blocks {
                    if block.prot != ProtType::SRTP {
                        return Err(bad("a crypto session that is not srtp"));
                    }
                    if list.iter().any(|other| other.id == block.cs_id) {
                        return Err(bad("a cs id twice"));
                    }
                    let ssrc = block.data.map(|data| data.ssrc).filter(|ssrc| *ssrc != 0);
                    list.push(Cs {
                        id: block.cs_id,
                        sender: sender(ssrc.is_some()),
                        ssrc,
                        index: block.data.and_then(|data| data.index).filter(|_| ssrc.is_some()),
                        policies: usable(&block.policies)?,
                        spi: block.spi.to_vec(),
                    });
                }
            }
            CsMap::Empty(_) => return Err(bad("a map that names no stream")),
        }
        if list.is_empty() || list.len() > MAX_STREAMS {
            return Err(bad("no crypto session, or too many"));
        }
        let sessions = Self { list, generic: matches!(map, CsMap::Generic(_)) };
        sessions.check_ssrcs()?;
        Ok(sessions)
    }

    fn check_ssrcs(&self) -> Result<(), Error> {
        let known: Vec<u32> = self.list.iter().filter_map(|cs| cs.ssrc).collect();
        let twice = known.iter().enumerate().any(|(i, ssrc)| known.iter().take(i).any(|other| other == ssrc));
        if twice { Err(Error::Streams("one ssrc for two streams")) } else { Ok(()) }
    }

    /// Takes over what an R_MESSAGE fills in. A map without entries says nothing.
    pub(super) fn filled_in(&self, map: &CsMap<'_>) -> Result<Self, Error> {
        let mut sessions = self.clone();
        let changed = Error::Streams("another set of crypto sessions");
        let entries: Vec<Filled> = match map {
            CsMap::SrtpId(entries) => entries.iter().zip(1_u8..).map(Filled::srtp_id).collect(),
            CsMap::Generic(blocks) => blocks.iter().map(Filled::generic).collect(),
            CsMap::Empty(_) => Vec::new(),
        };
        if entries.is_empty() {
            return Ok(sessions);
        }
        if entries.len() != sessions.list.len() {
            return Err(changed);
        }
        for (cs, filled) in sessions.list.iter_mut().zip(entries) {
            if filled.id != cs.id {
                return Err(changed);
            }
            cs.policies.retain(|(number, _)| Some(*number) == filled.policy_no);
            if cs.policies.is_empty() {
                return Err(Error::Streams("a policy that was not offered"));
            }
            match cs.sender {
                Role::Initiator if filled.ssrc != cs.ssrc => {
                    return Err(Error::Streams("another ssrc for a stream of ours"));
                }
                Role::Initiator => {}
                Role::Responder => (cs.ssrc, cs.index) = (filled.ssrc, filled.index),
            }
        }
        sessions.check_ssrcs()?;
        Ok(sessions)
    }

    /// As the responder's application sees them.
    pub(super) fn offered(&self) -> Vec<OfferedStream> {
        let offered = |cs: &Cs| OfferedStream {
            cs_id: cs.id,
            sender: if cs.sender == Role::Responder { Side::Local } else { Side::Remote },
            policies: cs.policies.iter().map(|(_, policy)| *policy).collect(),
            ssrc: cs.ssrc,
            index: cs.index,
        };
        self.list.iter().map(offered).collect()
    }

    /// Takes over what the responder's application answers.
    pub(super) fn answered(&self, answers: &[StreamAnswer]) -> Result<Self, Error> {
        if answers.len() != self.list.len() {
            return Err(ApiMisuse::Streams.into());
        }
        let mut sessions = self.clone();
        for (cs, answer) in sessions.list.iter_mut().zip(answers) {
            cs.policies.retain(|(_, policy)| *policy == answer.policy);
            cs.policies.truncate(1);
            if cs.policies.is_empty() {
                return Err(ApiMisuse::SrtpPolicy.into());
            }
            if cs.sender == Role::Responder {
                let ssrc = answer.ssrc.filter(|ssrc| *ssrc != 0);
                let lost = answer.index.is_some_and(|(_, seq)| ssrc.is_none() || (!self.generic && seq != 0));
                if lost {
                    return Err(ApiMisuse::Streams.into());
                }
                (cs.ssrc, cs.index) = (ssrc, answer.index);
            }
        }
        sessions.check_ssrcs()?;
        Ok(sessions)
    }

    /// The CS map that states them.
    pub(super) fn map(&self) -> CsMap<'_> {
        if self.generic {
            let block = |cs: &'_ Cs| GenericCs {
                cs_id: cs.id,
                prot: ProtType::SRTP,
                policies: cs.policies.iter().map(|(number, _)| *number).collect(),
                data: cs.ssrc.map(|ssrc| SrtpSession { ssrc, index: cs.index }),
                spi: &[],
            };
            let blocks = self.list.iter().map(|cs| GenericCs { spi: &cs.spi, ..block(cs) });
            return CsMap::Generic(blocks.collect());
        }
        let entry = |cs: &Cs| SrtpCs {
            policy_no: cs.policies.first().map_or(0, |(number, _)| *number),
            ssrc: cs.ssrc.unwrap_or(0),
            roc: cs.index.map_or(0, |(roc, _)| roc),
        };
        CsMap::SrtpId(self.list.iter().map(entry).collect())
    }

    /// The policies that they use, each once.
    pub(super) fn stated(&self) -> Stated {
        let mut params: Vec<(u8, SpOctets)> = Vec::new();
        for (number, policy) in self.list.iter().flat_map(|cs| &cs.policies) {
            if !params.iter().any(|(other, _)| other == number) {
                params.push((*number, SpOctets::new(policy)));
            }
        }
        Stated { params }
    }
}

impl Stated {
    pub(super) fn policies(&self) -> Vec<Sp<'_>> {
        self.params.iter().map(|(number, octets)| octets.sp(*number)).collect()
    }
}

/// The policies that a peer says would do, those of them that we know.
pub(super) fn read_policies(sps: &[Sp<'_>]) -> Vec<SrtpPolicy> {
    sps.iter().filter_map(|sp| read_policy(sp, Quirks::default())).collect()
}

fn read_policy(sp: &Sp<'_>, quirks: Quirks) -> Option<SrtpPolicy> {
    if !quirks.contains(Quirk::TagLengthAsAuthKeyLength) {
        return srtp_params::policy(sp);
    }
    let mut meant = sp.clone();
    for param in meant.params.iter_mut().filter(|param| param.ty == SrtpParam::AUTH_KEY_LEN.0) {
        if matches!(param.value, [4 | 10]) {
            param.ty = SrtpParam::AUTH_TAG_LEN.0;
        }
    }
    srtp_params::policy(&meant)
}
