//! One call's speech, without socket and clock: what to send when, what was heard, and whether it is over.
//!
//! ```text
//!   Talking --all frames sent--> Parting --farewells said--> Quiet
//!   over: quiet, and the peer has said farewell or has been silent for too long
//! ```

use std::time::Duration;

use mikey::{Kind, Time};
use mikey_crypto::Hash;

use crate::audio::g711::Law;
use crate::audio::rtp::{FRAME, Packet, Packetizer, Playout};
use crate::call::rtcp::Farewell;

/// Time of a frame.
const FRAME_TIME: Duration = Duration::from_millis(20);
/// With `--fast`: a little time for each frame, so that no socket's buffer overflows.
const FAST_FRAME_TIME: Duration = Duration::from_micros(200);
/// Frames that leave at once at most.
const MAX_BURST: u32 = 16;
/// The farewell is said this often: any of them may be lost.
const FAREWELLS: u32 = 3;
/// A peer that says nothing for so long has gone.
const SILENCE: Duration = Duration::from_secs(5);

/// After a farewell, speech that was overtaken by it is still waited for.
const GRACE: Duration = Duration::from_millis(60);

/// How fast speech is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As it is spoken.
    Real,
    /// As fast as the machine likes.
    Fast,
}

/// Random start values of an RTP stream (RFC 3550 section 5.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamStart {
    /// The source.
    pub(crate) ssrc: u32,
    /// First sequence number.
    pub(crate) sequence: u16,
    /// First timestamp.
    pub(crate) timestamp: u32,
}

/// The speech of one call.
pub(crate) struct Leg {
    law: Law,
    pace: Pace,
    packetizer: Packetizer,
    start: StreamStart,
    speech: Vec<u8>,
    digest: [u8; 32],
    sent: u32,
    farewells: u32,
    next_at: Time,
    heard: Option<Playout>,
    last_heard: Time,
    said: Option<(Time, Farewell)>,
    hash: &'static dyn Hash,
}

/// What became of the speech of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Packets that were sent.
    pub(crate) sent: u32,
    /// Packets of speech that were heard, each once.
    pub(crate) received: u32,
    /// Packets that the peer sent and that were not heard; none if it did not say how many it sent.
    pub(crate) lost: Option<u32>,
    /// Whether what was heard is what was said, octet for octet; none if the peer did not say.
    pub(crate) identical: Option<bool>,
    /// What was heard.
    pub(crate) heard: Vec<u8>,
}

impl Pace {
    /// Time from one frame to the next.
    pub(crate) fn frame_time(self) -> Duration {
        match self {
            Self::Real => FRAME_TIME,
            Self::Fast => FAST_FRAME_TIME,
        }
    }
}

impl Leg {
    /// Speech that starts at `now`: whole frames of G.711.
    pub(crate) fn new(
        now: Time,
        law: Law,
        pace: Pace,
        speech: &[u8],
        start: StreamStart,
        hash: &'static dyn Hash,
    ) -> Self {
        let mut digest = [0; 32];
        for (to, from) in digest.iter_mut().zip(hash.digest(&[speech]).as_ref()) {
            *to = *from;
        }
        Self {
            law,
            pace,
            packetizer: Packetizer::new(law, start.ssrc, start.sequence, start.timestamp),
            start,
            speech: speech.to_vec(),
            digest,
            sent: 0,
            farewells: 0,
            next_at: now,
            heard: None,
            last_heard: now,
            said: None,
            hash,
        }
    }

    /// Starts at `now`, if something had to be waited for. What was heard meanwhile stays.
    pub(crate) fn begin(&mut self, now: Time) {
        self.next_at = now;
        self.last_heard = now;
    }

    /// The packet that is due at `now`, if one is. `unix_micros` is the time of day.
    pub(crate) fn poll(&mut self, now: Time, unix_micros: u64) -> Option<(Kind, Vec<u8>)> {
        if now < self.next_at || self.is_quiet() {
            return None;
        }
        // After a pause of the process a few frames are caught up with; more at once would overflow the peer's buffer.
        let behind = now.since(self.next_at).saturating_sub(self.frame_time() * MAX_BURST);
        self.next_at = self.next_at + behind + self.frame_time();
        let at = usize::try_from(self.sent).ok()? * FRAME;
        if let Some(frame) = self.speech.get(at..at + FRAME) {
            self.sent += 1;
            return Some((Kind::Rtp, self.packetizer.packet(frame)));
        }
        self.farewells += 1;
        let octets = u32::try_from(self.speech.len()).unwrap_or(u32::MAX);
        let farewell = Farewell { ssrc: self.start.ssrc, packets: self.sent, octets, digest: self.digest };
        Some((Kind::Rtcp, farewell.encode(unix_micros, self.start.timestamp.wrapping_add(octets))))
    }

    /// When [`Self::poll`] or [`Self::is_over`] may say something new.
    pub(crate) fn wake(&self) -> Time {
        match &self.said {
            _ if !self.is_quiet() => self.next_at,
            Some((at, _)) => *at + GRACE,
            None => self.last_heard + SILENCE,
        }
    }

    /// Takes what came from the peer, authenticated and decrypted.
    pub(crate) fn hear(&mut self, now: Time, kind: Kind, packet: &[u8]) {
        self.last_heard = now;
        match kind {
            Kind::Rtp => {
                if let Some(packet) = Packet::parse(packet) {
                    // The peer may speak the other law: the first packet tells.
                    let law = Law::from_payload_type(packet.payload_type).unwrap_or(self.law);
                    self.heard.get_or_insert_with(|| Playout::new(law, packet.ssrc)).push(&packet);
                }
            }
            Kind::Rtcp => {
                if let Some(farewell) = Farewell::parse(packet) {
                    self.said.get_or_insert((now, farewell));
                }
            }
        }
    }

    /// Sends no more speech, only the farewell.
    pub(crate) fn hang_up(&mut self) {
        let at = usize::try_from(self.sent).unwrap_or(usize::MAX).saturating_mul(FRAME);
        if at < self.speech.len() {
            self.speech.truncate(at);
            let digest = self.hash.digest(&[&self.speech]);
            for (to, from) in self.digest.iter_mut().zip(digest.as_ref()) {
                *to = *from;
            }
        }
    }

    /// Whether both have said everything, or the peer has gone.
    pub(crate) fn is_over(&self, now: Time) -> bool {
        let peer_is_done = match &self.said {
            Some((at, said)) => self.received() >= said.packets || now.since(*at) >= GRACE,
            None => now.since(self.last_heard) >= SILENCE,
        };
        self.is_quiet() && peer_is_done
    }

    /// What became of it.
    pub(crate) fn tally(&self) -> Tally {
        let heard = self.heard.as_ref().map_or(&[][..], Playout::octets).to_vec();
        let received = self.received();
        let said = self.said.as_ref().map(|(_, said)| said);
        Tally {
            sent: self.sent,
            received,
            lost: said.map(|said| said.packets.saturating_sub(received)),
            identical: said.map(|said| {
                said.packets == received && self.hash.digest(&[&heard]).as_ref() == said.digest.as_slice()
            }),
            heard,
        }
    }

    /// The law that the peer speaks.
    pub(crate) fn heard_law(&self) -> Law {
        self.heard.as_ref().map_or(self.law, Playout::law)
    }

    fn received(&self) -> u32 {
        self.heard.as_ref().map_or(0, |heard| u32::try_from(heard.frames()).unwrap_or(u32::MAX))
    }

    fn is_quiet(&self) -> bool {
        self.farewells >= FAREWELLS
    }

    fn frame_time(&self) -> Duration {
        self.pace.frame_time()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(speech: &[u8], ssrc: u32) -> Leg {
        let start = StreamStart { ssrc, sequence: 65_535, timestamp: u32::MAX };
        Leg::new(Time::ZERO, Law::Pcma, Pace::Real, speech, start, mikey_crypto_aws_lc::provider().sha256)
    }

    /// Everything that a leg says, with its time in milliseconds.
    fn all(leg: &mut Leg) -> Vec<(u64, Kind, Vec<u8>)> {
        let mut packets = Vec::new();
        for at in 0..1000 {
            while let Some((kind, packet)) = leg.poll(Time::from_millis(at), 0) {
                packets.push((at, kind, packet));
            }
        }
        packets
    }

    #[test]
    fn frames_leave_every_twenty_milliseconds_and_a_farewell_ends_them() {
        let speech: Vec<u8> = (0..3 * 160).map(|n| (n % 251) as u8).collect();
        let mut alice = leg(&speech, 1);
        let mut bob = leg(&[], 2);
        let packets = all(&mut alice);
        let times: Vec<u64> = packets.iter().map(|packet| packet.0).collect();
        assert_eq!(times, [0, 20, 40, 60, 80, 100]);
        for (at, kind, packet) in &packets {
            bob.hear(Time::from_millis(*at), *kind, packet);
        }
        assert!(!bob.is_over(Time::from_millis(100)), "bob has not said farewell");
        for (at, kind, packet) in all(&mut bob) {
            alice.hear(Time::from_millis(at), kind, &packet);
        }
        assert!(alice.is_over(Time::from_millis(100)));
        assert!(bob.is_over(Time::from_millis(100)));
        let expected = Tally { sent: 0, received: 3, lost: Some(0), identical: Some(true), heard: speech };
        assert_eq!(bob.tally(), expected);
        assert_eq!(alice.tally().identical, Some(true), "nothing was said and nothing was heard");
    }

    #[test]
    fn a_pause_of_the_process_gives_no_flood() {
        let mut alice = leg(&[7; 100 * 160], 1);
        let mut burst = |at| std::iter::from_fn(|| alice.poll(Time::from_millis(at), 0)).count();
        assert_eq!(burst(0), 1);
        assert_eq!(burst(60), 3);
        assert_eq!(burst(1500), 17);
        assert_eq!(burst(1520), 1);
    }

    #[test]
    fn loss_and_change_are_noticed() {
        let speech = vec![7; 3 * 160];
        let mut alice = leg(&speech, 1);
        let packets = all(&mut alice);
        let mut bob = leg(&[], 2);
        for (at, kind, packet) in packets.iter().filter(|packet| packet.0 != 20) {
            bob.hear(Time::from_millis(*at), *kind, packet);
        }
        let tally = bob.tally();
        assert_eq!((tally.received, tally.lost, tally.identical), (2, Some(1), Some(false)));
        let mut carol = leg(&[], 3);
        for (at, kind, packet) in &packets {
            let mut packet = packet.clone();
            if *at == 20 {
                packet[50] ^= 1;
            }
            carol.hear(Time::from_millis(*at), *kind, &packet);
        }
        let tally = carol.tally();
        assert_eq!((tally.received, tally.lost, tally.identical), (3, Some(0), Some(false)));
    }

    #[test]
    fn a_peer_that_vanishes_ends_the_call() {
        let mut alice = leg(&[7; 160], 1);
        all(&mut alice);
        assert!(!alice.is_over(Time::from_millis(4_999)));
        assert_eq!(alice.wake(), Time::from_secs(5));
        assert!(alice.is_over(Time::from_secs(5)));
        let tally = alice.tally();
        assert_eq!((tally.lost, tally.identical), (None, None));
    }

    #[test]
    fn hanging_up_says_what_was_said() {
        let mut alice = leg(&[7; 1600], 1);
        let (_, first) = alice.poll(Time::ZERO, 0).unwrap();
        alice.hang_up();
        let mut bob = leg(&[], 2);
        bob.hear(Time::ZERO, Kind::Rtp, &first);
        for (at, kind, packet) in all(&mut alice) {
            assert_eq!(kind, Kind::Rtcp);
            bob.hear(Time::from_millis(at), kind, &packet);
        }
        assert_eq!((bob.tally().received, bob.tally().identical), (1, Some(true)));
    }
}
