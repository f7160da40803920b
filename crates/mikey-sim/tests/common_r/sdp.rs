//! Signalling as text: an offer and its answers (docs/spec.md, "Signalling"), and what whoever reads them does.

use std::net::SocketAddr;

use mikey_proto::{Call, CallId, Endpoint, Signalled, Time};
use mikey_sdp::{KeyMgmt, Offered, media_address, parse};
use mikey_sim::{Node, World, address};

use super::Phone;

/// Whoever can offer and answer.
pub trait Signals: Node {
    fn offer(&mut self, now: Time, call: &Call) -> (CallId, Vec<u8>);
    fn answer(&mut self, now: Time, init_req: &[u8], protocols: &str) -> Vec<u8>;
    fn answered(
        &mut self,
        now: Time,
        call: CallId,
        media: SocketAddr,
        init_resp: &[u8],
        signalled: Option<&Signalled>,
    );
}

impl Signals for Endpoint {
    fn offer(&mut self, now: Time, call: &Call) -> (CallId, Vec<u8>) {
        Self::offer(self, now, call).unwrap()
    }

    fn answer(&mut self, now: Time, init_req: &[u8], protocols: &str) -> Vec<u8> {
        Self::answer(self, now, init_req, protocols.as_bytes()).unwrap()
    }

    fn answered(
        &mut self,
        now: Time,
        call: CallId,
        media: SocketAddr,
        init_resp: &[u8],
        signalled: Option<&Signalled>,
    ) {
        Self::answered(self, now, call, media, init_resp, signalled).unwrap();
    }
}

impl Signals for Phone {
    fn offer(&mut self, now: Time, call: &Call) -> (CallId, Vec<u8>) {
        self.agent.offer(now, call).unwrap()
    }

    fn answer(&mut self, now: Time, init_req: &[u8], protocols: &str) -> Vec<u8> {
        self.agent.answer(now, init_req, protocols.as_bytes()).unwrap()
    }

    fn answered(
        &mut self,
        now: Time,
        call: CallId,
        media: SocketAddr,
        init_resp: &[u8],
        signalled: Option<&Signalled>,
    ) {
        self.agent.answered(now, call, media, init_resp, signalled).unwrap();
    }
}

/// Where the one line of MIKEY stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Session,
    Media,
    /// There is none: whoever wrote it speaks plain RTP.
    Nowhere,
}

/// An offer or answer of whoever is at node `n`.
pub fn describe(n: u8, mikey: &[u8], at: At) -> String {
    let line = |level| match at == level {
        true => format!("a={}:{}\r\n", KeyMgmt::ATTRIBUTE, KeyMgmt::mikey(mikey.to_vec())),
        false => String::new(),
    };
    let profile = if at == At::Nowhere { "RTP/AVP" } else { "RTP/SAVP" };
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n{}m=audio {} {profile} 8\r\n{}",
        line(At::Session),
        address(n).port(),
        line(At::Media),
        ip = address(n).ip(),
    )
}

/// MIKEY's message in an offer or answer, the protocols that it offers, and where its media is.
pub fn read(text: &str) -> (Option<Vec<u8>>, String, SocketAddr) {
    let session = parse(text.as_bytes()).unwrap();
    let offered = Offered::of_media(&session, 0).unwrap();
    let mikey = offered.mikey().map(|offer| offer.data.clone());
    (mikey, offered.protocols(), media_address(&session, 0).unwrap().unwrap())
}

/// The offer of node `n`, as text.
pub fn offer<N: Signals>(world: &mut World<N>, n: usize, call: &Call, at: At) -> (CallId, String) {
    let mut call = call.clone();
    call.sdp_ids = Some(b"mikey".to_vec());
    let (id, init_req) = world.act(n, |now, node| node.offer(now, &call));
    (id, describe(u8::try_from(n).unwrap(), &init_req, at))
}

/// What node `n` answers, as text.
pub fn answer<N: Signals>(world: &mut World<N>, n: usize, offer: &str, at: At) -> String {
    let (init_req, protocols, _) = read(offer);
    let init_resp = world.act(n, |now, node| node.answer(now, &init_req.unwrap(), &protocols));
    describe(u8::try_from(n).unwrap(), &init_resp, at)
}

/// Node `n` takes an answer to its offer.
pub fn answered<N: Signals>(
    world: &mut World<N>,
    n: usize,
    call: CallId,
    answer: &str,
    signalled: Option<&Signalled>,
) {
    let (init_resp, _, media) = read(answer);
    world.act(n, |now, node| node.answered(now, call, media, &init_resp.unwrap(), signalled));
}

/// Node `from` calls node `to` through an offer and an answer.
pub fn dial_over_sdp<N: Signals>(
    world: &mut World<N>,
    from: usize,
    to: usize,
    call: &Call,
    at: At,
) -> CallId {
    let (id, text) = offer(world, from, call, at);
    let text = answer(world, to, &text, at);
    answered(world, from, id, &text, None);
    id
}
