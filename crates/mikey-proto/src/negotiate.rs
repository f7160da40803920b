//! Negotiation by M-SP (docs/spec.md, "Negotiation"): the offer, the choice, and the check of the choice.
//!
//! The responder chooses by its own order of preference, and from nothing but the offer and its configuration: neither the
//! DH value that came nor the existence of an identity changes the choice.

use mikey_crypto::{GroupId, MethodId, PrfId, SuiteId};
use mikey_wire::v2::{Msp, MspEntry};
use mikey_wire::{MspParam, Sp};

use crate::error::{Mismatch, PeerFault};
use crate::keys::Role;
use crate::limits::MIN_REASSEMBLY;
use crate::policy::{Confidentiality, Exchange, Policy};

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
    /// What follows INIT.
    pub(crate) exchange: Exchange,
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

    /// Whether a PSK is needed: in CCE it goes into PRK, in CCE2 into PRKx.
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
    /// Our own lists in this role: exchanges for which there are methods, and methods for which there is an exchange.
    pub(crate) fn new(policy: &Policy, can: Abilities<'_>, role: Role) -> Result<Self, Mismatch> {
        let mine = usable(&policy.local_methods, can.local);
        let yours = usable(&policy.remote_methods, can.remote);
        let pairs = |exchange: Exchange| {
            let pairs = mine.iter().flat_map(|m| yours.iter().map(|y| (*m, *y)));
            pairs.filter(move |(m, y)| match role {
                Role::Initiator => exchange.takes(*m, *y),
                Role::Responder => exchange.takes(*y, *m),
            })
        };
        let exchanges = policy.exchanges.iter().copied().filter(|e| pairs(*e).next().is_some());
        let exchanges: Vec<_> = exchanges.collect();
        let all: Vec<_> = exchanges.iter().flat_map(|e| pairs(*e)).collect();
        if all.is_empty() {
            return Err(Mismatch::Parameter("authentication method"));
        }
        let listed = |list: &[MethodId], of: fn(&(MethodId, MethodId)) -> MethodId| -> Vec<u8> {
            list.iter().filter(|m| all.iter().any(|pair| of(pair) == **m)).map(|m| m.0).collect()
        };
        let (mine, yours) = (listed(&mine, |pair| pair.0), listed(&yours, |pair| pair.1));
        let kind = if can.fingerprint { KIND_FINGERPRINT } else { KIND_CHAIN };
        let kinds = if yours.iter().any(|&m| MethodId(m).is_certified()) { vec![kind] } else { vec![] };
        Ok(Self {
            lists: [
                exchanges.into_iter().map(Exchange::value).collect(),
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
    // R6.1
    pub(crate) fn choose_from(&self, offer: &Self) -> Result<Choice, Mismatch> {
        let pick = |ty: MspParam, theirs: MspParam, name: &'static str| {
            let theirs = offer.list(theirs);
            self.list(ty).iter().copied().find(|v| theirs.contains(v)).ok_or(Mismatch::Parameter(name))
        };
        pick(MspParam::EXCH, MspParam::EXCH, "exchange")?;
        let common = self.list(MspParam::EXCH).iter().filter(|e| offer.list(MspParam::EXCH).contains(e));
        let with_methods = |exchange| self.choose_methods(offer, exchange).map(|methods| (exchange, methods));
        let chosen = common.filter_map(|e| Exchange::from_value(*e)).find_map(with_methods);
        let (exchange, (initiator, responder)) =
            chosen.ok_or(Mismatch::Parameter("authentication method"))?;
        Ok(Choice {
            exchange,
            prf: PrfId(pick(MspParam::PRF, MspParam::PRF, "prf")?),
            group: GroupId(pick(MspParam::DH_GROUP, MspParam::DH_GROUP, "dh group")?),
            suite: SuiteId(pick(MspParam::SUITE, MspParam::SUITE, "protection suite")?),
            responder,
            initiator,
            confidential: pick(MspParam::CONFIDENTIALITY, MspParam::CONFIDENTIALITY, "confidentiality")?
                == Confidentiality::Encrypted.value(),
            resumption: self.list(MspParam::RESUMPTION).contains(&1)
                && offer.list(MspParam::RESUMPTION).contains(&1),
        })
    }

    /// How the two authenticate themselves in an exchange, by the order of the responder's lists.
    fn choose_methods(&self, offer: &Self, exchange: Exchange) -> Option<(MethodId, MethodId)> {
        let common = |mine: MspParam, theirs: MspParam, certificates: bool| {
            let methods = self.list(mine).iter().copied().filter(move |m| offer.list(theirs).contains(m));
            methods.map(MethodId).filter(move |m| certificates || !m.is_certified())
        };
        let responders = || common(MspParam::MY_AUTH, MspParam::PEER_AUTH, offer.accepts_certificates());
        let initiators = || common(MspParam::PEER_AUTH, MspParam::MY_AUTH, self.accepts_certificates());
        initiators()
            .flat_map(|initiator| responders().map(move |responder| (initiator, responder)))
            .find(|(initiator, responder)| exchange.takes(*initiator, *responder))
    }

    /// The SP payload of an answer: the choice, one value each, and what this side declares.
    // R6.2
    pub(crate) fn answer(&self, choice: &Choice) -> Self {
        let mut answer = self.clone();
        let one = [
            vec![choice.exchange.value()],
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
    // R6.2, R12.7
    pub(crate) fn check_answer(&self, answer: &Self) -> Result<Choice, PeerFault> {
        let one = |ty: MspParam, offered: MspParam, name: &'static str| match *answer.list(ty) {
            [value] if self.list(offered).contains(&value) => Ok(value),
            _ => Err(PeerFault::Negotiation(name)),
        };
        let exchange = Exchange::from_value(one(MspParam::EXCH, MspParam::EXCH, "exchange")?);
        let resumption = match answer.list(MspParam::RESUMPTION) {
            [] => 0,
            _ => one(MspParam::RESUMPTION, MspParam::RESUMPTION, "resumption")?,
        };
        let choice = Choice {
            exchange: exchange.ok_or(PeerFault::Negotiation("exchange"))?,
            prf: PrfId(one(MspParam::PRF, MspParam::PRF, "prf")?),
            group: GroupId(one(MspParam::DH_GROUP, MspParam::DH_GROUP, "dh group")?),
            suite: SuiteId(one(MspParam::SUITE, MspParam::SUITE, "protection suite")?),
            responder: MethodId(one(MspParam::MY_AUTH, MspParam::PEER_AUTH, "responder's method")?),
            initiator: MethodId(one(MspParam::PEER_AUTH, MspParam::MY_AUTH, "initiator's method")?),
            confidential: one(MspParam::CONFIDENTIALITY, MspParam::CONFIDENTIALITY, "confidentiality")? == 1,
            resumption: resumption == 1,
        };
        if !choice.exchange.takes(choice.initiator, choice.responder) {
            return Err(PeerFault::Negotiation("methods of another exchange"));
        }
        if choice.initiator.is_signature() && !answer.accepts_certificates() {
            return Err(PeerFault::Negotiation("credential kind"));
        }
        Ok(choice)
    }
}

/// Methods that are allowed and possible. Decryption is allowed by its exchange, which has no other method.
fn usable(allowed: &[MethodId], can: &[MethodId]) -> Vec<MethodId> {
    let decrypt = Some(&MethodId::RSA_OAEP).filter(|m| !allowed.contains(m));
    allowed.iter().chain(decrypt).copied().filter(|m| can.contains(m)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[MethodId] = &[MethodId::ED25519, MethodId::PSK];

    fn proposal(change: impl FnOnce(&mut Policy)) -> Proposal {
        let mut policy = Policy::default();
        change(&mut policy);
        Proposal::new(&policy, Abilities { local: ALL, remote: ALL, fingerprint: false }, Role::Initiator)
            .unwrap()
    }

    /// One who can do everything, in a role.
    fn able(role: Role, exchanges: &[Exchange]) -> Proposal {
        let all: Vec<_> = (1..=7).map(MethodId).collect();
        let mut policy = Policy { exchanges: exchanges.to_vec(), ..Policy::default() };
        policy.local_methods.push(MethodId::SAS);
        policy.remote_methods.push(MethodId::SAS);
        Proposal::new(&policy, Abilities { local: &all, remote: &all, fingerprint: false }, role).unwrap()
    }

    #[test]
    fn methods_are_listed_for_the_exchanges_that_have_them() {
        use Exchange::{Cce, Cce2Psk, Cce2Rsa};
        let lists = |role, exchanges: &[Exchange]| {
            let able = able(role, exchanges);
            (able.list(MspParam::MY_AUTH).to_vec(), able.list(MspParam::PEER_AUTH).to_vec())
        };
        let others = vec![4, 2, 3, 1, 5, 6];
        assert_eq!(lists(Role::Initiator, &[Cce]), (others.clone(), others.clone()));
        assert_eq!(lists(Role::Initiator, &[Cce2Psk]), (vec![5], vec![5]));
        assert_eq!(lists(Role::Initiator, &[Cce2Rsa]), (vec![1], vec![7]));
        assert_eq!(lists(Role::Responder, &[Cce2Rsa]), (vec![7], vec![1]));
        let with_oaep = [&others[..], &[7]].concat();
        assert_eq!(lists(Role::Initiator, &[Cce2Rsa, Cce]), (others, with_oaep));
    }

    #[test]
    fn the_responders_order_of_exchanges_decides_as_far_as_there_are_methods() {
        use Exchange::{Cce, Cce2Psk, Cce2Rsa};
        let offer = able(Role::Initiator, &[Cce, Cce2Psk, Cce2Rsa]);
        for (order, initiator, responder) in [
            ([Cce2Rsa, Cce2Psk, Cce], MethodId::RSA_PSS_SHA256, MethodId::RSA_OAEP),
            ([Cce2Psk, Cce, Cce2Rsa], MethodId::PSK, MethodId::PSK),
            ([Cce, Cce2Rsa, Cce2Psk], MethodId::ED25519, MethodId::ED25519),
        ] {
            let local = able(Role::Responder, &order);
            let choice = local.choose_from(&offer).unwrap();
            let got = (choice.exchange, choice.initiator, choice.responder);
            assert_eq!(got, (order[0], initiator, responder));
            assert_eq!(offer.check_answer(&local.answer(&choice)), Ok(choice));
        }
        // Who has no key to decrypt goes on with what comes next.
        let all: Vec<_> = (1..=6).map(MethodId).collect();
        let can = Abilities { local: &all, remote: &all, fingerprint: false };
        let policy = Policy { exchanges: vec![Cce2Rsa, Cce2Psk], ..Policy::default() };
        let local = Proposal::new(&policy, can, Role::Responder).unwrap();
        assert_eq!(local.choose_from(&offer).unwrap().exchange, Cce2Psk);
        let only = able(Role::Initiator, &[Cce2Rsa]);
        assert_eq!(local.choose_from(&only), Err(Mismatch::Parameter("exchange")));
    }

    #[test]
    fn an_answer_may_not_mix_exchanges_and_methods() {
        let all = [Exchange::Cce, Exchange::Cce2Psk, Exchange::Cce2Rsa];
        let offer = able(Role::Initiator, &all);
        let local = able(Role::Responder, &all);
        let choice = local.choose_from(&offer).unwrap();
        for exchange in all {
            for (initiator, responder) in (1..=6).flat_map(|i| (1..=7).map(move |r| (i, r))) {
                let (initiator, responder) = (MethodId(initiator), MethodId(responder));
                let mixed = Choice { exchange, initiator, responder, ..choice };
                let taken = offer.check_answer(&local.answer(&mixed)).is_ok();
                let fits = match exchange {
                    Exchange::Cce => responder.0 != 7,
                    Exchange::Cce2Psk => (initiator.0, responder.0) == (5, 5),
                    Exchange::Cce2Rsa => (initiator.0, responder.0) == (1, 7),
                };
                assert_eq!(taken, fits, "{exchange:?} {initiator:?} {responder:?}");
            }
        }
    }

    // R6.1
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

    // R6.2
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
