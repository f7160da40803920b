//! Many sessions at once: what each takes of memory, and the renewal of all of them while media flows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mikey::{Agent, AgentEvent, AgentOutput, Received};
use mikey_crypto::GroupId;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::{
    AnswerStreams, Call, EndpointConfig, Mismatch, Name, OfferedStream, Peer, SessionId, Side, Stream,
    StreamAnswer, Time,
};

use super::ours::{BOB, Credentials, configurations};
use crate::Result;
use crate::measure::resident;
use crate::report::Counts;

const SESSIONS: u32 = 10_000;
const POLICY: SrtpPolicy = SrtpPolicy::AES_CM_128_HMAC_SHA1_80;
/// SSRCs of the callee; those of the caller count from 0.
const CALLEE: u32 = 0x8000_0000;
/// The crypto session that each end sends, the caller's first.
const SENDS: [u8; 2] = [1, 2];

/// Gives each of the callee's streams an SSRC of its own.
struct Numbered(AtomicU32);

impl AnswerStreams for Numbered {
    fn answer(
        &self,
        _: &Peer,
        offered: &[OfferedStream],
    ) -> std::result::Result<Vec<StreamAnswer>, Mismatch> {
        let answer = |stream: &OfferedStream| {
            let ours = stream.sender == Side::Local;
            let ssrc = ours.then(|| CALLEE | self.0.fetch_add(1, Ordering::Relaxed));
            StreamAnswer { policy: POLICY, ssrc, index: None }
        };
        Ok(offered.iter().map(answer).collect())
    }
}

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, if n == 0 { 1 } else { 2 }], 2269))
}

/// Two agents, all their sessions in the order of their calls, and what is under way between them.
struct Pair {
    agents: [Agent; 2],
    now: Time,
    sessions: [Vec<SessionId>; 2],
    under_way: Vec<(usize, Vec<u8>)>,
    /// Generations of keys that were installed, of the caller.
    renewed: u32,
}

impl Pair {
    fn new() -> Result<Self> {
        let [alice, mut bob] = configurations(Credentials::Pinned, GroupId::X25519)?;
        bob.answer = Arc::new(Numbered(AtomicU32::new(0)));
        let agent = |config: EndpointConfig, n| Agent::new(config, address(n));
        let agents = [agent(alice, 0)?, agent(bob, 1)?];
        let sessions = [Vec::new(), Vec::new()];
        Ok(Self { agents, now: Time::ZERO, sessions, under_way: Vec::new(), renewed: 0 })
    }

    /// Calls once: one stream each way, both with an SSRC that no other call has.
    fn call(&mut self, number: u32) -> Result<()> {
        let mut streams = vec![Stream::new(Side::Local, POLICY), Stream::new(Side::Remote, POLICY)];
        if let Some(own) = streams.first_mut() {
            own.ssrc = Some(number);
        }
        let [alice, _] = &mut self.agents;
        alice.call(self.now, address(1), &Call::new(Name::parse(BOB)?, streams))?;
        Ok(())
    }

    /// Takes what both want sent, and what they tell.
    fn collect(&mut self) {
        for (n, agent) in self.agents.iter_mut().enumerate() {
            loop {
                match agent.poll_output() {
                    AgentOutput::Transmit { bytes, .. } => self.under_way.push((1 - n, bytes)),
                    AgentOutput::Event(AgentEvent::Established { session, .. }) => {
                        if let Some(sessions) = self.sessions.get_mut(n) {
                            sessions.push(session);
                        }
                    }
                    AgentOutput::Event(AgentEvent::MediaReady { streams, .. }) if n == 0 => {
                        self.renewed += u32::from(streams.iter().any(|stream| stream.generation == 1));
                    }
                    AgentOutput::Timeout(_) => break,
                    _ => (),
                }
            }
        }
    }

    /// Delivers what was under way. Returns whether there was anything.
    fn deliver(&mut self) -> bool {
        let under_way = std::mem::take(&mut self.under_way);
        for (to, mut bytes) in &mut under_way.iter().map(|(to, bytes)| (*to, bytes.clone())) {
            if let Some(agent) = self.agents.get_mut(to) {
                let _ = agent.handle_datagram(self.now, address(1 - to), &mut bytes);
            }
        }
        self.collect();
        !under_way.is_empty()
    }

    fn settle(&mut self) {
        self.collect();
        while self.deliver() {}
    }

    /// Lets time pass in steps of a second.
    fn pass(&mut self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.now = self.now + Duration::from_secs(1);
            for agent in &mut self.agents {
                agent.handle_timeout(self.now);
            }
            self.settle();
        }
    }
}

/// What a session leaves behind when its answers need not be repeated any more, with two contexts at each end.
pub(super) fn established() -> Result<Counts> {
    let mut pair = Pair::new()?;
    // What both have once, and what a call has only for a while, is there before the count begins.
    const WARM: u32 = 500;
    let mut before = 0;
    for number in 0..SESSIONS + WARM {
        pair.call(number)?;
        pair.settle();
        if number % WARM == WARM - 1 {
            pair.pass(Duration::from_secs(20));
        }
        if number == WARM - 1 {
            before = resident()?;
        }
    }
    let each = resident()?.saturating_sub(before) / u64::from(2 * SESSIONS);
    let [alice, bob] = &pair.agents;
    let there = alice.metrics().sessions.min(bob.metrics().sessions);
    if there != usize::try_from(SESSIONS + WARM)? {
        return Err(format!("{there} sessions were established").into());
    }
    let what = "each of 20,000 ends of a session, two contexts each".to_owned();
    Ok(Counts { rows: vec![(what, vec![("octets", each)])] })
}

/// What a first message leaves behind that nobody follows up.
pub(super) fn half_open() -> Result<Counts> {
    const WARM: u32 = 500;
    let [alice, mut bob] = configurations(Credentials::Pinned, GroupId::X25519)?;
    bob.cookie_threshold = usize::MAX;
    let mut agents = (Agent::new(alice, address(0))?, Agent::new(bob, address(1))?);
    let call = Call::both_ways(Name::parse(BOB)?, POLICY);
    let mut before = 0;
    for number in 0..SESSIONS + WARM {
        let (alice, bob) = &mut agents;
        let id = alice.call(Time::ZERO, address(1), &call)?;
        let from = SocketAddr::from((std::net::Ipv4Addr::from(0x0A00_0000 | number), 2269));
        while let AgentOutput::Transmit { mut bytes, .. } = alice.poll_output() {
            let _ = bob.handle_datagram(Time::ZERO, from, &mut bytes);
        }
        alice.settle(id)?;
        while !matches!(bob.poll_output(), AgentOutput::Timeout(_)) {}
        if number == WARM - 1 {
            before = resident()?;
        }
    }
    let each = resident()?.saturating_sub(before) / u64::from(SESSIONS);
    let there = agents.1.metrics().half_open;
    if there != usize::try_from(SESSIONS + WARM)? {
        return Err(format!("{there} half-open sessions are there").into());
    }
    Ok(Counts { rows: vec![("each of 10,000".to_owned(), vec![("octets", each)])] })
}

/// All sessions renew their keys, with a new DH, while each end of each sends a packet every 50 ms. A datagram of keying and
/// a packet of media take 50 ms to arrive; the two kinds overtake each other.
pub(super) fn renewal() -> Result<Counts> {
    const TICK: Duration = Duration::from_millis(50);
    const TICKS: u16 = 70;
    /// Ticks over which the renewals are begun.
    const SPREAD: u16 = 10;
    let mut pair = Pair::new()?;
    for number in 0..SESSIONS {
        pair.call(number)?;
        pair.settle();
    }
    let (mut sent, mut accepted, mut lost) = (0, 0, 0);
    let mut packets: Vec<(usize, Vec<u8>)> = Vec::new();
    let start = Instant::now();
    for tick in 0..TICKS {
        pair.now = pair.now + TICK;
        for agent in &mut pair.agents {
            agent.handle_timeout(pair.now);
        }
        let keying_first = tick % 2 == 0;
        if keying_first {
            pair.deliver();
        }
        for (to, mut packet) in std::mem::take(&mut packets) {
            let Some(agent) = pair.agents.get_mut(to) else { continue };
            match agent.handle_datagram(pair.now, address(1 - to), &mut packet) {
                Received::Media(_) => accepted += 1,
                _ => lost += 1,
            }
        }
        if !keying_first {
            pair.deliver();
        }
        for at in 0..SESSIONS {
            if tick < SPREAD && at % u32::from(SPREAD) == u32::from(tick) {
                let session = *pair.sessions[0].get(usize::try_from(at)?).ok_or("no session")?;
                pair.agents[0].rekey(pair.now, session, true)?;
            }
            for (n, cs_id) in SENDS.into_iter().enumerate() {
                let Some(session) = pair.sessions.get(n).and_then(|s| s.get(at as usize)) else { continue };
                let ssrc = if n == 0 { at } else { CALLEE | at };
                let mut packet = rtp(ssrc, tick);
                let len = packet.len();
                packet.resize(len + 32, 0);
                let Some(agent) = pair.agents.get_mut(n) else { continue };
                let (len, _) = agent.protect_rtp(pair.now, *session, cs_id, &mut packet, len)?;
                packet.truncate(len);
                packets.push((1 - n, packet));
                sent += 1;
            }
        }
        pair.collect();
    }
    let under_way = packets.len() as u64;
    let took = start.elapsed();
    let what = "two packets for each session in each of 70 rounds".to_owned();
    Ok(Counts {
        rows: vec![(
            what,
            vec![
                ("packets sent", sent),
                ("accepted", accepted),
                ("under way at the end", under_way),
                ("lost or refused", lost),
                ("sessions renewed", pair.renewed.into()),
                ("ms in all", u64::try_from(took.as_millis())?),
            ],
        )],
    })
}

fn rtp(ssrc: u32, seq: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(seq.to_be_bytes());
    packet.extend((u32::from(seq) * 400).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.resize(12 + 160, 0x55);
    packet
}
