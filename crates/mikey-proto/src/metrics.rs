//! Counters of an endpoint, for an operator.

use mikey_wire::Quirk;

use crate::error::DropReason;

/// What happened since the endpoint was made. All values only grow, but for the gauges at the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Datagrams that were handed in.
    pub datagrams_received: u64,
    /// Their octets.
    pub octets_received: u64,
    /// Datagrams that were handed out.
    pub datagrams_sent: u64,
    /// Their octets.
    pub octets_sent: u64,
    /// Requests that were sent again.
    pub retransmissions: u64,
    /// Cookies that were asked for.
    pub cookies_sent: u64,
    /// Half-open sessions that had to make room.
    pub half_open_evicted: u64,
    /// Half-open sessions whose fragments had to make room.
    pub fragments_evicted: u64,
    /// Key exchanges computed.
    pub key_exchanges: u64,
    /// AUTHs of peers that verified.
    pub authenticated: u64,
    /// AUTHs, certificates, names and policies of peers that did not.
    pub refused: u64,
    /// RESUMEs completed.
    pub resumed: u64,
    /// REKEYs completed.
    pub rekeys: u64,
    /// Now: calls of ours that are not decided.
    pub attempts: usize,
    /// Now: half-open sessions of a responder.
    pub half_open: usize,
    /// Now: established sessions.
    pub sessions: usize,
    drops: [u64; DropReason::ALL.len()],
    pub(crate) quirks: [u64; Quirk::ALL.len()],
}

impl Metrics {
    /// How often a datagram was dropped for this reason.
    #[must_use]
    pub fn drops(&self, why: DropReason) -> u64 {
        self.drops.get(why as usize).copied().unwrap_or_default()
    }

    /// In how many agreements of version 1 this deviation of a peer was put up with.
    #[must_use]
    pub fn quirks(&self, quirk: Quirk) -> u64 {
        let at = Quirk::ALL.iter().position(|known| *known == quirk);
        at.and_then(|at| self.quirks.get(at)).copied().unwrap_or_default()
    }

    /// How often a datagram was dropped for any reason.
    #[must_use]
    pub fn all_drops(&self) -> u64 {
        self.drops.iter().sum()
    }

    pub(crate) fn dropped(&mut self, why: DropReason) {
        if let Some(count) = self.drops.get_mut(why as usize) {
            *count += 1;
        }
    }

    pub(crate) fn received(&mut self, octets: usize) {
        self.datagrams_received += 1;
        self.octets_received += octets as u64;
    }

    pub(crate) fn sent(&mut self, octets: usize) {
        self.datagrams_sent += 1;
        self.octets_sent += octets as u64;
    }
}
