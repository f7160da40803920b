//! One call on a line, from its keys to its end: its speech, and what speech has to wait for.
//!
//! ```text
//!   Early --the answer came--> Talking            with a ticket: the first words leave with the first message
//!   Comparing --both found the SAS the same--> Talking
//! ```
//!
//! Invariant: while two people still compare, nothing is said, and nothing is heard before the person here is done.

use std::time::Duration;

use mikey::{Kind, MediaStream, Time};

use crate::call::leg::Leg;

/// Bounds of early media, a little below those of the agent, which refuses what is beyond.
const EARLY: Duration = Duration::from_millis(1900);
const EARLY_OCTETS: usize = 60_000;
/// A peer whose person takes long to compare is asked for a sign of life this often.
const PROBE: Duration = Duration::from_secs(5);
/// Another request is on its way: after so long it is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// A call.
pub(crate) struct Ongoing {
    pub(crate) leg: Leg,
    /// The crypto session in which we send.
    pub(crate) cs_id: u8,
    early: Option<Early>,
    early_packets: u32,
    comparison: Option<Comparison>,
    /// Nobody has picked up yet: nothing is said, and what comes is heard.
    ringing: bool,
    renewals: u32,
    renew_every: Option<Duration>,
    renew_at: Option<Time>,
}

struct Early {
    until: Time,
    octets: usize,
}

/// How far the two people are.
struct Comparison {
    /// The person here says that it is the same, and whether the peer was told.
    ours: Option<Told>,
    /// The other person says so.
    theirs: bool,
    due: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    NotYet,
    Done,
}

/// What a call wants done for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// Tell the peer that the SAS is the same.
    Confirm,
    /// Ask it for a sign of life.
    Probe,
    /// Renew the keys.
    Renew,
}

impl Ongoing {
    /// A call whose speech starts at once.
    pub(crate) fn new(leg: Leg, cs_id: u8) -> Self {
        Self {
            leg,
            cs_id,
            early: None,
            early_packets: 0,
            comparison: None,
            ringing: false,
            renewals: 0,
            renew_every: None,
            renew_at: None,
        }
    }

    /// Only the keys of early media are there.
    pub(crate) fn early(mut self, now: Time) -> Self {
        self.early = Some(Early { until: now + EARLY, octets: EARLY_OCTETS });
        self
    }

    /// The answer came: no bounds any more.
    pub(crate) fn keyed(&mut self) {
        self.early = None;
    }

    /// Speech waits until both people have compared.
    pub(crate) fn comparing(mut self, now: Time) -> Self {
        self.comparison = Some(Comparison { ours: None, theirs: false, due: now + PROBE });
        self
    }

    /// Speech waits until somebody picks up.
    pub(crate) fn ringing(mut self) -> Self {
        self.ringing = true;
        self
    }

    /// Somebody picked up.
    pub(crate) fn picked_up(&mut self, now: Time) {
        if std::mem::take(&mut self.ringing) {
            self.leg.begin(now);
        }
    }

    /// Whether speech still waits for two people to compare.
    pub(crate) fn is_comparing(&self) -> bool {
        self.comparison.is_some()
    }

    /// Our side renews the keys if the peer has not done it for so long.
    pub(crate) fn renewing(mut self, now: Time, every: Option<Duration>) -> Self {
        self.renew_every = every;
        self.renew_at = every.map(|every| now + every);
        self
    }

    /// New keys were installed.
    pub(crate) fn renewed(&mut self, now: Time, streams: &[MediaStream]) {
        let generation = streams.iter().map(|stream| stream.generation).max().unwrap_or_default();
        if generation > self.renewals {
            self.renewals = generation;
            self.renew_at = self.renew_every.map(|every| now + every);
        }
    }

    /// How often the keys were renewed.
    pub(crate) fn renewals(&self) -> u32 {
        self.renewals
    }

    /// Packets that left before the answer came.
    pub(crate) fn early_packets(&self) -> u32 {
        self.early_packets
    }

    /// The person here found the SAS to be the same.
    pub(crate) fn same_here(&mut self, now: Time) {
        if let Some(comparison) = &mut self.comparison {
            comparison.ours.get_or_insert(Told::NotYet);
            comparison.due = now;
        }
    }

    /// The other person did.
    pub(crate) fn same_there(&mut self) {
        if let Some(comparison) = &mut self.comparison {
            comparison.theirs = true;
        }
    }

    /// Whether both are done now: speech starts.
    pub(crate) fn settle_comparison(&mut self, now: Time) -> bool {
        let both = |c: &Comparison| c.ours == Some(Told::Done) && c.theirs;
        if !self.comparison.as_ref().is_some_and(both) {
            return false;
        }
        self.comparison = None;
        self.leg.begin(now);
        true
    }

    /// The packet of speech that is due.
    pub(crate) fn poll(&mut self, now: Time, unix_micros: u64) -> Option<(Kind, Vec<u8>)> {
        if !self.may_speak(now) {
            return None;
        }
        let (kind, packet) = self.leg.poll(now, unix_micros)?;
        if let Some(early) = &mut self.early {
            early.octets = early.octets.saturating_sub(packet.len());
            self.early_packets += 1;
        }
        Some((kind, packet))
    }

    /// Takes what came from the peer.
    pub(crate) fn hear(&mut self, now: Time, kind: Kind, packet: &[u8]) {
        // The other person may be done a moment before we hear of it, and speak already.
        if self.comparison.as_ref().is_none_or(|comparison| comparison.ours.is_some()) {
            self.leg.hear(now, kind, packet);
        }
    }

    /// What is to be done for the call at `now`. Each is said once, and again if [`Self::failed`] says so.
    pub(crate) fn errand(&mut self, now: Time) -> Option<Errand> {
        if let Some(comparison) = self.comparison.as_mut().filter(|comparison| comparison.due <= now) {
            comparison.due = now + PROBE;
            if comparison.ours == Some(Told::NotYet) {
                comparison.ours = Some(Told::Done);
                return Some(Errand::Confirm);
            }
            return Some(Errand::Probe);
        }
        if self.renew_at.is_some_and(|at| at <= now) {
            self.renew_at = self.renew_every.map(|every| now + every);
            return Some(Errand::Renew);
        }
        None
    }

    /// Another request was on its way.
    pub(crate) fn failed(&mut self, now: Time, errand: Errand) {
        match (errand, &mut self.comparison) {
            (Errand::Confirm, Some(comparison)) => {
                comparison.ours = Some(Told::NotYet);
                comparison.due = now + RETRY;
            }
            (Errand::Renew, _) => self.renew_at = self.renew_every.map(|_| now + RETRY),
            _ => {}
        }
    }

    /// When there is something to do.
    pub(crate) fn wake(&self, now: Time) -> Option<Time> {
        let speech = self.may_speak(now).then(|| self.leg.wake());
        let comparison = self.comparison.as_ref().map(|comparison| comparison.due);
        [speech, comparison, self.renew_at].into_iter().flatten().min()
    }

    /// Whether everything has been said on both sides.
    pub(crate) fn is_over(&self, now: Time) -> bool {
        self.comparison.is_none() && self.leg.is_over(now)
    }

    fn may_speak(&self, now: Time) -> bool {
        let early = self.early.as_ref().is_none_or(|early| now < early.until && early.octets > 0);
        early && self.comparison.is_none() && !self.ringing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::g711::Law;
    use crate::call::leg::{Pace, StreamStart};

    fn ongoing() -> Ongoing {
        let start = StreamStart { ssrc: 1, sequence: 1, timestamp: 1 };
        let hash = mikey_crypto_aws_lc::provider().sha256;
        Ongoing::new(Leg::new(Time::ZERO, Law::Pcma, Pace::Real, &[7; 200 * 160], start, hash), 1)
    }

    fn said(call: &mut Ongoing, at: u64) -> usize {
        std::iter::from_fn(|| call.poll(Time::from_millis(at), 0)).count()
    }

    #[test]
    fn nothing_is_said_or_heard_before_the_comparison() {
        let (mut call, mut peer) = (ongoing().comparing(Time::ZERO), ongoing());
        let (kind, packet) = peer.poll(Time::ZERO, 0).unwrap();
        let at = Time::from_millis(100);
        assert_eq!(said(&mut call, 100), 0);
        call.hear(at, kind, &packet);
        assert_eq!(call.leg.tally().received, 0, "the person here has not compared");
        assert_eq!(call.errand(at), None);

        call.same_there();
        assert!(!call.settle_comparison(at));
        call.same_here(at);
        assert!(!call.settle_comparison(at), "the peer was not told");
        assert_eq!(call.errand(at), Some(Errand::Confirm));
        call.failed(at, Errand::Confirm);
        assert!(!call.settle_comparison(at));
        assert_eq!(call.wake(at), Some(Time::from_millis(150)));
        assert_eq!(call.errand(Time::from_millis(150)), Some(Errand::Confirm));
        call.hear(at, kind, &packet);
        assert_eq!(call.leg.tally().received, 1);
        assert!(call.settle_comparison(Time::from_millis(150)));
        assert!(!call.is_comparing());
        assert_eq!(said(&mut call, 150), 1, "no burst after the wait");
    }

    #[test]
    fn a_person_who_takes_long_is_asked_for_life() {
        let mut call = ongoing().comparing(Time::ZERO);
        assert_eq!(call.errand(Time::from_millis(4_999)), None);
        assert_eq!(call.errand(Time::from_secs(5)), Some(Errand::Probe));
        assert_eq!(call.errand(Time::from_secs(5)), None);
        assert_eq!(call.wake(Time::from_secs(5)), Some(Time::from_secs(10)));
    }

    #[test]
    fn a_call_that_rings_hears_and_says_nothing() {
        let (mut call, mut peer) = (ongoing().ringing(), ongoing());
        let (kind, packet) = peer.poll(Time::ZERO, 0).unwrap();
        assert_eq!(said(&mut call, 100), 0);
        call.hear(Time::from_millis(100), kind, &packet);
        assert_eq!(call.leg.tally().received, 1);
        assert!(!call.is_over(Time::from_secs(60)));
        call.picked_up(Time::from_millis(200));
        assert_eq!(said(&mut call, 200), 1, "no burst after the wait");
    }

    #[test]
    fn early_media_has_bounds() {
        let mut call = ongoing().early(Time::ZERO);
        for at in (0..3000).step_by(20) {
            said(&mut call, at);
        }
        assert_eq!(call.early_packets(), 95, "1.9 seconds of 20 ms");
        assert_eq!(call.wake(Time::from_secs(3)), None);
        call.keyed();
        assert!(said(&mut call, 3000) > 0);
        assert_eq!(call.early_packets(), 95);
    }

    #[test]
    fn keys_are_renewed_when_the_peer_does_not() {
        let every = Some(Duration::from_secs(1));
        let mut call = ongoing().renewing(Time::ZERO, every);
        let stream = |generation| MediaStream {
            cs_id: 1,
            sender: mikey::Side::Local,
            ssrc: None,
            policy: mikey::SrtpPolicy::AEAD_AES_128_GCM,
            generation,
        };
        call.renewed(Time::from_millis(900), &[stream(1)]);
        assert_eq!(call.errand(Time::from_millis(1800)), None, "the peer did it");
        assert_eq!(call.errand(Time::from_millis(1900)), Some(Errand::Renew));
        call.failed(Time::from_millis(1900), Errand::Renew);
        assert_eq!(call.errand(Time::from_millis(1950)), Some(Errand::Renew));
        call.renewed(Time::from_secs(2), &[stream(1)]);
        assert_eq!(call.renewals(), 1, "the other half of the same keys");
    }
}
