//! A proxy that forks: every phone rings, the first that is picked up has the call, the others are told (RFC 3261 section 16).

use std::net::SocketAddr;

use super::Outgoing;
use super::ids::Ids;
use super::message::{Message, Start, via};
use crate::error::Result;

/// Calls that are being set up at a time.
const MAX_CALLS: usize = 16;

/// A proxy for one person with several phones.
pub(crate) struct Proxy {
    local: SocketAddr,
    phones: Vec<SocketAddr>,
    ids: Ids,
    calls: Vec<Forked>,
}

/// An INVITE and its copies.
struct Forked {
    /// As it came.
    invite: Message,
    legs: Vec<Leg>,
    picked_up: bool,
    /// The best refusal so far.
    refusal: Option<Message>,
}

struct Leg {
    phone: SocketAddr,
    branch: String,
    /// Whether it has given its final answer.
    done: bool,
}

impl Proxy {
    pub(crate) fn new(local: SocketAddr, phones: Vec<SocketAddr>, ids: Ids) -> Self {
        Self { local, phones, ids, calls: Vec::new() }
    }

    /// Takes a message.
    ///
    /// # Errors
    /// If there is no randomness.
    pub(crate) fn handle(&mut self, message: &Message) -> Result<Vec<Outgoing>> {
        match &message.start {
            Start::Request { method, .. } => self.request(method, message),
            Start::Response { code, .. } => Ok(self.response(*code, message)),
        }
    }

    fn request(&mut self, method: &str, message: &Message) -> Result<Vec<Outgoing>> {
        let answer = |code, reason| {
            Ok(Outgoing::response(Message::response(message, code, reason, None)).into_iter().collect())
        };
        let at = self.calls.iter().position(|call| call.invite.branch() == message.branch());
        match (method, at) {
            // The same again, and the acknowledgement of a refusal, which ends here.
            ("INVITE", Some(_)) => Ok(Vec::new()),
            ("ACK", at) => {
                if let Some(at) = at {
                    self.calls.remove(at);
                }
                Ok(Vec::new())
            }
            ("INVITE", None) => {
                let hops = message.field("Max-Forwards").and_then(|hops| hops.parse::<u8>().ok());
                let Some(hops) = hops.unwrap_or(70).checked_sub(1) else {
                    return answer(483, "Too Many Hops");
                };
                if self.calls.len() >= MAX_CALLS {
                    return answer(503, "Service Unavailable");
                }
                self.fork(message, hops)
            }
            ("CANCEL", Some(at)) => {
                let mut out: Vec<Outgoing> = answer(200, "OK")?;
                out.extend(self.calls.get(at).map(|call| self.cancel(call, None)).unwrap_or_default());
                Ok(out)
            }
            ("CANCEL", None) => answer(481, "Call/Transaction Does Not Exist"),
            _ => answer(501, "Not Implemented"),
        }
    }

    fn fork(&mut self, message: &Message, hops: u8) -> Result<Vec<Outgoing>> {
        let trying = Message::response(message, 100, "Trying", None);
        let mut out: Vec<Outgoing> = Outgoing::response(trying).into_iter().collect();
        let mut legs = Vec::new();
        for phone in &self.phones {
            let branch = self.ids.branch()?;
            let mut copy = message.clone();
            copy.set("Max-Forwards", hops.to_string());
            copy.push_via(self.local, &branch);
            out.push(Outgoing::new(*phone, copy));
            legs.push(Leg { phone: *phone, branch, done: false });
        }
        self.calls.push(Forked { invite: message.clone(), legs, picked_up: false, refusal: None });
        Ok(out)
    }

    fn response(&mut self, code: u16, message: &Message) -> Vec<Outgoing> {
        let Some(branch) = message.branch().filter(|_| message.method() == "INVITE") else {
            return Vec::new();
        };
        let leg_at = |call: &Forked| call.legs.iter().position(|leg| leg.branch == branch);
        let found = self.calls.iter().enumerate().find_map(|(at, call)| Some((at, leg_at(call)?)));
        let Some((at, leg_at)) = found else { return Vec::new() };
        let Some(call) = self.calls.get_mut(at) else { return Vec::new() };
        let Some(leg) = call.legs.get_mut(leg_at) else { return Vec::new() };
        let mut forwarded = message.clone();
        forwarded.pop_via();
        let upstream = |message| Outgoing::response(message).into_iter().collect::<Vec<_>>();
        match code {
            101..=199 if !call.picked_up => upstream(forwarded),
            200..=299 => {
                leg.done = true;
                let first = !std::mem::replace(&mut call.picked_up, true);
                let mut out = upstream(forwarded);
                if let Some(call) = self.calls.get(at).filter(|_| first) {
                    out.extend(self.cancel(call, Some(leg_at)));
                }
                self.forget_done(at);
                out
            }
            300.. if !leg.done => {
                leg.done = true;
                let mut out: Vec<Outgoing> =
                    ack(&call.invite, self.local, leg, message).into_iter().collect();
                let better = call.refusal.as_ref().is_none_or(|known| rank(message) < rank(known));
                if better {
                    call.refusal = Some(forwarded);
                }
                let all = call.legs.iter().all(|leg| leg.done);
                if all && !call.picked_up {
                    out.extend(call.refusal.take().and_then(Outgoing::response));
                }
                self.forget_done(at);
                out
            }
            _ => Vec::new(),
        }
    }

    /// A call whose phones have all given their final answer, one of them the good one, needs nothing more.
    fn forget_done(&mut self, at: usize) {
        let done = |call: &Forked| call.picked_up && call.legs.iter().all(|leg| leg.done);
        if self.calls.get(at).is_some_and(done) {
            self.calls.remove(at);
        }
    }

    /// CANCEL for the phones that still ring.
    fn cancel(&self, call: &Forked, but: Option<usize>) -> Vec<Outgoing> {
        let ringing = call.legs.iter().enumerate().filter(|(at, leg)| Some(*at) != but && !leg.done);
        ringing.filter_map(|(_, leg)| hop(&call.invite, "CANCEL", self.local, leg, None)).collect()
    }
}

/// A refusal is acknowledged where it is taken (RFC 3261 section 16.7).
fn ack(invite: &Message, local: SocketAddr, leg: &Leg, response: &Message) -> Option<Outgoing> {
    hop(invite, "ACK", local, leg, response.field("To"))
}

/// CANCEL or ACK of an INVITE that we sent to a phone.
fn hop(invite: &Message, method: &str, local: SocketAddr, leg: &Leg, to: Option<&str>) -> Option<Outgoing> {
    let Start::Request { uri, .. } = &invite.start else { return None };
    let number = invite.field("CSeq")?.split_whitespace().next()?;
    let message = Message::request(method, uri)
        .with("Via", via(local, &leg.branch))
        .with("Max-Forwards", "70")
        .with("From", invite.field("From")?)
        .with("To", to.or(invite.field("To"))?)
        .with("Call-ID", invite.field("Call-ID")?)
        .with("CSeq", format!("{number} {method}"));
    Some(Outgoing::new(leg.phone, message))
}

/// Which refusal is passed on: a global one, else the lowest class (RFC 3261 section 16.7).
fn rank(message: &Message) -> u16 {
    match message.start {
        Start::Response { code, .. } if code >= 600 => 0,
        Start::Response { code, .. } => code,
        Start::Request { .. } => u16::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::caller::{Caller, CallerEvent};
    use crate::sip::phone::{Phone, PhoneEvent};

    fn address(n: u8) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, n], 5060))
    }

    /// Alice at 1, the proxy at 2, phones from 3 on; what went over the wire, and what each was told.
    struct Net {
        alice: Caller,
        proxy: Proxy,
        phones: Vec<Phone>,
        wire: Vec<(SocketAddr, String)>,
        alice_heard: Vec<CallerEvent>,
        phones_heard: Vec<Vec<PhoneEvent>>,
    }

    impl Net {
        fn new(phones: u8) -> Self {
            let ids = Ids::new(mikey_crypto_aws_lc::provider().random);
            let places: Vec<SocketAddr> = (0..phones).map(|n| address(3 + n)).collect();
            let (from, to) = ("sip:alice@example.com", "sip:bob@example.com");
            Self {
                alice: Caller::new(address(1), address(2), from, to, ids.clone()).unwrap(),
                phones: places.iter().map(|place| Phone::new(*place, ids.clone())).collect(),
                phones_heard: vec![Vec::new(); places.len()],
                proxy: Proxy::new(address(2), places, ids),
                wire: Vec::new(),
                alice_heard: Vec::new(),
            }
        }

        /// Delivers messages until all is quiet. Each goes through its octets.
        fn run(&mut self, out: impl IntoIterator<Item = Outgoing>) {
            let mut queue: std::collections::VecDeque<_> = out.into_iter().collect();
            while let Some(Outgoing { to, message }) = queue.pop_front() {
                self.wire.push((to, message.name()));
                let message = Message::parse(&message.encode()).unwrap();
                if to == address(1) {
                    let (out, event) = self.alice.handle(&message).unwrap();
                    queue.extend(out);
                    self.alice_heard.extend(event);
                } else if to == address(2) {
                    queue.extend(self.proxy.handle(&message).unwrap());
                } else {
                    let at = (3..).map(address).position(|phone| phone == to).unwrap();
                    let (out, event) = self.phones[at].handle(&message).unwrap();
                    queue.extend(out);
                    self.phones_heard[at].extend(event);
                }
            }
        }

        fn names_to(&self, n: u8) -> Vec<&str> {
            self.wire.iter().filter(|(to, _)| *to == address(n)).map(|(_, name)| name.as_str()).collect()
        }
    }

    #[test]
    fn three_phones_ring_one_is_picked_up_and_the_others_are_told() {
        let mut net = Net::new(3);
        let invite = net.alice.invite(b"offer").unwrap();
        net.run([invite]);
        for n in 0..3 {
            let from = "sip:alice@example.com".to_owned();
            assert_eq!(net.phones_heard[n], [PhoneEvent::Called { from, sdp: b"offer".to_vec() }]);
            let ring = net.phones[n].ring(format!("answer {n}").as_bytes());
            net.run(ring);
        }
        let tags: std::collections::BTreeSet<_> = net
            .alice_heard
            .iter()
            .map(|event| match event {
                CallerEvent::Rings { tag, .. } => tag.clone(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(tags.len(), 3, "each phone has a dialog of its own");
        let up = net.phones[1].pick_up(b"answer 1");
        net.run(up);
        let Some(CallerEvent::PickedUp { tag, sdp }) = net.alice_heard.last() else { panic!() };
        assert!(tags.contains(tag) && sdp == b"answer 1");
        for n in [0, 2] {
            assert_eq!(net.phones_heard[n].last(), Some(&PhoneEvent::Cancelled));
        }
        assert_eq!(net.names_to(3), ["INVITE", "CANCEL", "ACK"], "its 487 is acknowledged");
        assert_eq!(net.names_to(4), ["INVITE", "ACK"]);
        assert_eq!(net.names_to(1), ["100", "183", "183", "183", "200"], "no refusal reaches alice");
        assert!(net.proxy.calls.is_empty());
        let bye = net.alice.bye().unwrap();
        net.run(bye);
        assert_eq!(net.phones_heard[1].last(), Some(&PhoneEvent::Over));
        assert_eq!(net.alice_heard.last(), Some(&CallerEvent::Over));
    }

    #[test]
    fn two_that_pick_up_at_once_are_one_call_and_one_goodbye() {
        let mut net = Net::new(2);
        let invite = net.alice.invite(b"offer").unwrap();
        net.run([invite]);
        let up: Vec<_> = (0..2).filter_map(|n| net.phones[n].pick_up(b"answer")).collect();
        net.run(up);
        let picked = net.alice_heard.iter().filter(|e| matches!(e, CallerEvent::PickedUp { .. })).count();
        assert_eq!(picked, 1);
        assert_eq!(net.phones_heard[1].last(), Some(&PhoneEvent::Over), "the second one is hung up");
        assert!(net.phones_heard[0].len() == 1, "the first one is not");
    }

    #[test]
    fn when_all_refuse_the_best_refusal_comes_back() {
        let mut net = Net::new(3);
        let invite = net.alice.invite(b"offer").unwrap();
        net.run([invite]);
        for (n, (code, reason)) in
            [(486, "Busy Here"), (488, "Not Acceptable Here"), (603, "Decline")].iter().enumerate()
        {
            let refusal = net.phones[n].refuse(*code, reason);
            net.run(refusal);
        }
        assert_eq!(net.alice_heard, [CallerEvent::Failed { code: 603 }]);
        assert!(net.proxy.calls.is_empty(), "alice's ACK ends it");
    }

    #[test]
    fn what_belongs_to_nothing_does_nothing() {
        let mut net = Net::new(1);
        let invite = net.alice.invite(b"offer").unwrap();
        let stray = Message::response(&invite.message, 200, "OK", Some("x"));
        assert!(net.proxy.handle(&stray).unwrap().is_empty());
        let mut other = stray.clone();
        other.set("Call-ID", "another");
        let (out, event) = net.alice.handle(&other).unwrap();
        assert!(out.is_empty() && event.is_none());
        let (out, event) = net.alice.handle(&stray).unwrap();
        assert!(out.is_empty() && event.is_none(), "nobody knows where it is from: no Contact");
        net.run([invite]);
        let mut hops = net.alice.invite(b"offer").unwrap().message;
        hops.set("Max-Forwards", "0");
        assert_eq!(net.proxy.handle(&hops).unwrap()[0].message.name(), "483");
        let bye = Message::request("BYE", "sip:x").with("Via", via(address(1), "z9hG4bKx"));
        let (out, _) = net.phones[0].handle(&bye).unwrap();
        assert_eq!(out[0].message.name(), "481");
    }
}
