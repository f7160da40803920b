//! Negotiation by M-SP (docs/spec.md, "Negotiation"): the offer, the choice, and the check of the choice.
//!
//! The responder chooses by its own order of preference, and from nothing but the offer and its configuration: neither the
//! DH value that came nor the existence of an identity changes the choice.

use mikey_crypto::{GroupId, MethodId, PrfId, SuiteId};
use mikey_wire::v2::{Msp, MspEntry};
use mikey_wire::{MspParam, Sp};

use crate::error::{Mismatch, PeerFault};
use crate::limits::MIN_REASSEMBLY;
use crate::policy::{Confidentiality, Policy};

/// EXCH: the second exchange.
const EXCH_CCE: u8 = 1;
/// Credential kinds: a chain of X.509 certificates to an anchor; a certificate that signalling named by its fingerprint.
const KIND_CHAIN: u8 = 1;
const KIND_FINGERPRINT: u8 = 2;

/// One side's lists, as they stand in M-SP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposal {
    lists: [Vec<u8>; 10],
}

/// What both sides use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) prf: PrfId,
    pub(crate) group: GroupId,
    pub(crate) suite: SuiteId,
    /// How the initiator authenticates itself.
    pub(crate) initiator: MethodId,
    /// How the responder authenticates itself.
    pub(crate) responder: MethodId,
    pub(crate) confidential: bool,
    pub(crate) resumption: bool,
}

impl Choice {
    /// Whether a SAS is shown, and its share revealed in CCE_REQ.
    pub(crate) fn uses_sas(&self) -> bool {
        self.initiator == MethodId::SAS || self.responder == MethodId::SAS
    }

    /// Whether the PSK goes into PRK.
    pub(crate) fn uses_psk(&self) -> bool {
        self.initiator == MethodId::PSK || self.responder == MethodId::PSK
    }
}

/// What one side can do beside its policy: credentials, and what the attempt allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Abilities<'a> {
    /// Methods for which we hold a credential.
    pub(crate) local: &'a [MethodId],
    /// Methods that we could verify: there are anchors, or pre-shared keys.
    pub(crate) remote: &'a [MethodId],
    /// Whether certificates are matched by fingerprint instead of by a chain.
    pub(crate) fingerprint: bool,
}

impl Proposal {
    /// Our own lists.
    pub(crate) fn new(policy: &Policy, can: Abilities<'_>) -> Result<Self, Mismatch> {
        let mine = usable(&policy.local_methods, can.local);
        let yours = usable(&policy.remote_methods, can.remote);
        if mine.is_empty() || yours.is_empty() {
            return Err(Mismatch::Parameter("authentication method"));
        }
        let kind = if can.fingerprint { KIND_FINGERPRINT } else { KIND_CHAIN };
        let kinds = if yours.iter().any(|&m| MethodId(m).is_signature()) { vec![kind] } else { vec![] };
        Ok(Self {
            lists: [
                vec![EXCH_CCE],
                policy.prfs.iter().map(|p| p.0).collect(),
                policy.groups.iter().map(|g| g.0).collect(),
                policy.suites.iter().map(|s| s.0).collect(),
                mine,
                yours,
                kinds,
                policy.confidentiality.iter().map(|c| c.value()).collect(),
                policy.max_message.to_be_bytes().to_vec(),
                if policy.resumption { vec![1, 0] } else { vec![0] },
            ],
        })
    }

    /// The lists of a received M-SP.
    pub(crate) fn from_wire(msp: &Msp<'_>) -> Self {
        let mut lists: [Vec<u8>; 10] = Default::default();
        for (ty, list) in (0_u8..).zip(lists.iter_mut()) {
            *list = msp.values(MspParam(ty)).unwrap_or_default().to_vec();
        }
        Self { lists }
    }

    /// As the SP payload of an offer, or of an ERROR Invalid SPpar.
    pub(crate) fn to_wire(&self) -> Sp<'_> {
        let params = (0_u8..).zip(&self.lists).filter(|(_, values)| !values.is_empty());
        Msp { params: params.map(|(ty, values)| MspEntry { ty: MspParam(ty), values }).collect() }.to_sp()
    }

    fn list(&self, ty: MspParam) -> &[u8] {
        self.lists.get(usize::from(ty.0)).map_or(&[], Vec::as_slice)
    }

    /// The peer's longest reassembled message.
    pub(crate) fn max_message(&self) -> u16 {
        match *self.list(MspParam::LONGEST) {
            [high, low] => u16::from_be_bytes([high, low]).max(MIN_REASSEMBLY),
            _ => MIN_REASSEMBLY,
        }
    }

    /// Whether SAS stands for either direction.
    pub(crate) fn has_sas(&self) -> bool {
        [MspParam::MY_AUTH, MspParam::PEER_AUTH].iter().any(|ty| self.list(*ty).contains(&MethodId::SAS.0))
    }

    /// Whether the sender takes certificates. Which kind they are judged as is its own matter.
    fn accepts_certificates(&self) -> bool {
        let kinds = self.list(MspParam::CREDENTIALS);
        kinds.contains(&KIND_CHAIN) || kinds.contains(&KIND_FINGERPRINT)
    }

    /// The responder's choice from an offer, by the order of its own lists.
    pub(crate) fn choose_from(&self, offer: &Self) -> Result<Choice, Mismatch> {
        let pick = |ty: MspParam, theirs: MspParam, name: &'static str| {
            let theirs = offer.list(theirs);
            self.list(ty).iter().copied().find(|v| theirs.contains(v)).ok_or(Mismatch::Parameter(name))
        };
        let method = |mine: MspParam, theirs: MspParam, kinds: bool| {
            let theirs = offer.list(theirs);
            let fits = |m: &u8| theirs.contains(m) && (kinds || !MethodId(*m).is_signature());
            let found = self.list(mine).iter().copied().find(fits);
            found.map(MethodId).ok_or(Mismatch::Parameter("authentication method"))
        };
        pick(MspParam::EXCH, MspParam::EXCH, "exchange")?;
        Ok(Choice {
            prf: PrfId(pick(MspParam::PRF, MspParam::PRF, "prf")?),
            group: GroupId(pick(MspParam::DH_GROUP, MspParam::DH_GROUP, "dh group")?),
            suite: SuiteId(pick(MspParam::SUITE, MspParam::SUITE, "protection suite")?),
            responder: method(MspParam::MY_AUTH, MspParam::PEER_AUTH, offer.accepts_certificates())?,
            initiator: method(MspParam::PEER_AUTH, MspParam::MY_AUTH, self.accepts_certificates())?,
            confidential: pick(MspParam::CONFIDENTIALITY, MspParam::CONFIDENTIALITY, "confidentiality")?
                == Confidentiality::Encrypted.value(),
            resumption: self.list(MspParam::RESUMPTION).contains(&1)
                && offer.list(MspParam::RESUMPTION).contains(&1),
        })
    }

    /// The SP payload of an answer: the choice, one value each, and what this side declares.
    pub(crate) fn answer(&self, choice: &Choice) -> Self {
        let mut answer = self.clone();
        let one = [
            vec![EXCH_CCE],
            vec![choice.prf.0],
            vec![choice.group.0],
            vec![choice.suite.0],
            vec![choice.responder.0],
            vec![choice.initiator.0],
        ];
        for (to, from) in answer.lists.iter_mut().zip(one) {
            *to = from;
        }
        let [.., conf, _, resumption] = &mut answer.lists;
        *conf = vec![u8::from(choice.confidential)];
        *resumption = vec![u8::from(choice.resumption)];
        answer
    }

    /// Checks an answer against our own offer: exactly one value each, and each of them offered.
    pub(crate) fn check_answer(&self, answer: &Self) -> Result<Choice, PeerFault> {
        let one = |ty: MspParam, offered: MspParam, name: &'static str| match *answer.list(ty) {
            [value] if self.list(offered).contains(&value) => Ok(value),
            _ => Err(PeerFault::Negotiation(name)),
        };
        one(MspParam::EXCH, MspParam::EXCH, "exchange")?;
        let resumption = match answer.list(MspParam::RESUMPTION) {
            [] => 0,
            _ => one(MspParam::RESUMPTION, MspParam::RESUMPTION, "resumption")?,
        };
        let choice = Choice {
            prf: PrfId(one(MspParam::PRF, MspParam::PRF, "prf")?),
            group: GroupId(one(MspParam::DH_GROUP, MspParam::DH_GROUP, "dh group")?),
            suite: SuiteId(one(MspParam::SUITE, MspParam::SUITE, "protection suite")?),
            responder: MethodId(one(MspParam::MY_AUTH, MspParam::PEER_AUTH, "responder's method")?),
            initiator: MethodId(one(MspParam::PEER_AUTH, MspParam::MY_AUTH, "initiator's method")?),
            confidential: one(MspParam::CONFIDENTIALITY, MspParam::CONFIDENTIALITY, "confidentiality")? == 1,
            resumption: resumption == 1,
        };
        if choice.initiator.is_signature() && !answer.accepts_certificates() {
            return Err(PeerFault::Negotiation("credential kind"));
        }
        Ok(choice)
    }
}

fn usable(allowed: &[MethodId], can: &[MethodId]) -> Vec<u8> {
    allowed.iter().filter(|m| can.contains(m)).map(|m| m.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[MethodId] = &[MethodId::ED25519, MethodId::PSK];

    fn proposal(change: impl FnOnce(&mut Policy)) -> Proposal {
        let mut policy = Policy::default();
        change(&mut policy);
        Proposal::new(&policy, Abilities { local: ALL, remote: ALL, fingerprint: false }).unwrap()
    }

    #[test]
    fn the_responders_order_decides() {
        let offer = proposal(|p| p.suites = vec![SuiteId(3), SuiteId(4), SuiteId(5)]);
        let local = proposal(|p| p.suites = vec![SuiteId(5), SuiteId(4)]);
        let choice = local.choose_from(&offer).unwrap();
        assert_eq!(choice.suite, SuiteId(5));
        assert_eq!(offer.check_answer(&local.answer(&choice)), Ok(choice));
    }

    #[test]
    fn nothing_in_common_names_the_parameter() {
        let offer = proposal(|p| p.groups = vec![GroupId::P256]);
        let local = proposal(|p| p.groups = vec![GroupId::X25519]);
        assert_eq!(local.choose_from(&offer), Err(Mismatch::Parameter("dh group")));
    }

    #[test]
    fn methods_are_negotiated_for_each_direction() {
        let offer = proposal(|p| p.local_methods = vec![MethodId::PSK]);
        let local = proposal(|_| ());
        let choice = local.choose_from(&offer).unwrap();
        assert_eq!((choice.initiator, choice.responder), (MethodId::PSK, MethodId::ED25519));
        assert!(choice.uses_psk());
    }

    #[test]
    fn an_answer_must_choose_one_offered_value_each() {
        let offer = proposal(|p| p.prfs = vec![PrfId(1)]);
        let local = proposal(|_| ());
        let choice = local.choose_from(&offer).unwrap();
        let good = local.answer(&choice);
        assert!(offer.check_answer(&good).is_ok());
        for ty in [0_usize, 1, 2, 3, 4, 5, 7] {
            let mut none = good.clone();
            none.lists[ty].clear();
            assert!(offer.check_answer(&none).is_err(), "no value of type {ty}");
            let mut two = good.clone();
            let first = two.lists[ty][0];
            two.lists[ty].push(first);
            assert!(offer.check_answer(&two).is_err(), "two values of type {ty}");
            let mut other = good.clone();
            other.lists[ty] = vec![200];
            assert!(offer.check_answer(&other).is_err(), "a value of type {ty} that was not offered");
        }
    }

    #[test]
    fn a_signature_needs_a_credential_kind() {
        let mut offer = proposal(|p| p.remote_methods = vec![MethodId::ED25519]);
        offer.lists[6].clear();
        let local = proposal(|p| p.local_methods = vec![MethodId::ED25519]);
        assert_eq!(local.choose_from(&offer), Err(Mismatch::Parameter("authentication method")));
    }
}
