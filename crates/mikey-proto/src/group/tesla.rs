//! TESLA of a group: its schedule in the SP of CCE_RESP, and the I-Keys behind SENDERS (docs/spec.md, 14.5).

use core::time::Duration;

use mikey_crypto::tesla::{Commitment, GroupTime, KEY_LEN, TeslaParams};
use mikey_wire::{TeslaIKey, TeslaMac, TeslaPolicy, TeslaPolicyOctets, TeslaPrf};

use crate::error::PeerFault;

/// Keys of a sender's chains: of the one in use, then of the one that follows. Their intervals count from `T_0` of the group
/// through all chains: with chains of `N` intervals, interval `v` is key `v mod N` of chain `v / N`.
pub type ChainKeys = [Option<Commitment>; 2];

/// A group's TESLA, as its controller says it to one who joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTesla {
    /// The schedule of the first chain; each that follows begins `N` intervals after the one before.
    pub params: TeslaParams,
    /// `t_s`: what the controller's clock showed when it made the answer. Who composes an answer fills it in.
    pub shown: GroupTime,
}

/// Bits of a key of HMAC-SHA-1.
#[expect(clippy::cast_possible_truncation, reason = "160")]
const KEY_BITS: u8 = 8 * KEY_LEN as u8;

impl GroupTesla {
    /// The octets of the SP.
    pub(crate) fn octets(&self) -> TeslaPolicyOctets {
        let TeslaParams { start, interval, delay, chain_len, mac_len } = self.params;
        let policy = TeslaPolicy {
            prf: TeslaPrf::HMAC_SHA_1,
            prf_bits: KEY_BITS,
            mac: TeslaMac::HMAC_SHA_1,
            mac_bits: mac_len.saturating_mul(8),
            start: start.to_ntp(),
            interval: u32::try_from(interval.as_millis()).unwrap_or(u32::MAX),
            delay,
            chain_len,
            receiver_time: None,
            answer_time: Some(self.shown.to_ntp()),
        };
        policy.octets()
    }

    /// Of the SP, if it is one that we can act on.
    pub(crate) fn from_wire(policy: &TeslaPolicy) -> Result<Self, PeerFault> {
        let bad = PeerFault::Negotiation("tesla of a group");
        let known = policy.prf == TeslaPrf::HMAC_SHA_1
            && policy.prf_bits == KEY_BITS
            && policy.mac == TeslaMac::HMAC_SHA_1
            && policy.mac_bits.is_multiple_of(8);
        let shown = policy.answer_time.filter(|_| known).ok_or(bad)?;
        let params = TeslaParams {
            start: GroupTime::from_ntp(policy.start),
            interval: Duration::from_millis(policy.interval.into()),
            delay: policy.delay,
            chain_len: policy.chain_len,
            mac_len: policy.mac_bits / 8,
        };
        params.check().map_err(|_| bad)?;
        Ok(Self { params, shown: GroupTime::from_ntp(shown) })
    }
}

/// The keys of an I-Key extension.
pub(super) fn from_wire(keys: &[TeslaIKey]) -> ChainKeys {
    let mut keys =
        keys.iter().map(|TeslaIKey { interval, key }| Commitment { interval: *interval, key: *key });
    [keys.next(), keys.next()]
}

/// The data of an I-Key extension.
pub(super) fn to_wire(chains: &ChainKeys) -> Vec<u8> {
    let key = |Commitment { interval, key }: &Commitment| TeslaIKey { interval: *interval, key: *key };
    chains.iter().flatten().flat_map(|known| key(known).encode()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tesla() -> GroupTesla {
        let interval = Duration::from_millis(100);
        let start = GroupTime(3_989_000_000_123_456_789);
        let params = TeslaParams { start, interval, delay: 2, chain_len: 600, mac_len: 10 };
        GroupTesla { params, shown: GroupTime(start.0 + 7_000_000_001) }
    }

    #[test]
    fn what_a_controller_says_is_what_a_member_reads() {
        let octets = tesla().octets();
        let policy = TeslaPolicy::decode(&octets.sp(3)).unwrap();
        assert_eq!(GroupTesla::from_wire(&policy), Ok(tesla()));
    }

    #[test]
    fn a_policy_that_we_cannot_act_on_is_refused() {
        let good = TeslaPolicy::decode(&tesla().octets().sp(0)).unwrap();
        let bad = [
            TeslaPolicy { prf: TeslaPrf(1), ..good },
            TeslaPolicy { prf_bits: 128, ..good },
            TeslaPolicy { mac: TeslaMac(1), ..good },
            TeslaPolicy { mac_bits: 79, ..good },
            TeslaPolicy { mac_bits: 72, ..good },
            TeslaPolicy { mac_bits: 168, ..good },
            TeslaPolicy { answer_time: None, ..good },
            TeslaPolicy { interval: 0, ..good },
            TeslaPolicy { interval: 60_001, ..good },
            TeslaPolicy { delay: 1, ..good },
            TeslaPolicy { delay: 256, ..good },
            TeslaPolicy { chain_len: 2, ..good },
            TeslaPolicy { chain_len: (1 << 22) + 1, ..good },
        ];
        for policy in bad {
            assert_eq!(
                GroupTesla::from_wire(&policy),
                Err(PeerFault::Negotiation("tesla of a group")),
                "{policy:?}"
            );
        }
    }

    #[test]
    fn keys_of_two_chains_come_back() {
        let key = |interval: u32| Commitment { interval, key: [9; KEY_LEN] };
        for chains in [[None, None], [Some(key(0)), None], [Some(key(600)), Some(key(1200))]] {
            let octets = to_wire(&chains);
            assert_eq!(from_wire(&TeslaIKey::decode_all(&octets).unwrap()), chains);
        }
    }
}
