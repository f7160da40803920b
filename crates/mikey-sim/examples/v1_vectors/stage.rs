//! Plays an exchange: every message goes to the other one, and what each makes of it is written down.

use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::v1::{Agreement, BundleId, Error, Known, Pending, Update};
use mikey_proto::{AuthLevel, Name, Side as Sender, Stream, Time};
use mikey_wire::DataType;
use serde_json::{Value, json};

use super::cases::{Case, Then};
use super::cast::{NAMES, Side, hex, shared};
use super::tape;

/// Who: Alice is the initiator of everything.
const ROLES: [&str; 2] = ["initiator", "responder"];

/// An exchange as it runs.
pub(crate) struct Stage {
    case: &'static Case,
    sides: [Side; 2],
    /// Done so far of the first exchange and what follows.
    acts: usize,
    pending: Option<Pending>,
    bundle: Option<BundleId>,
    messages: Vec<(usize, Vec<u8>)>,
    delivered: usize,
    until: Option<usize>,
    results: Vec<Value>,
}

impl Stage {
    /// A first run, or the repetition of one in which the provider drew these.
    pub(crate) fn new(case: &'static Case, draws: Option<Vec<Vec<u8>>>) -> Self {
        tape::rewind(draws);
        let sides = [0, 1].map(|at| Side::new(case.name, at, &(case.policies[at])()));
        Self {
            case,
            sides,
            acts: 0,
            pending: None,
            bundle: None,
            messages: Vec::new(),
            delivered: 0,
            until: None,
            results: Vec::new(),
        }
    }

    /// Stops before this message is delivered.
    pub(crate) fn until(mut self, message: usize) -> Self {
        self.until = Some(message);
        self
    }

    pub(crate) fn run(&mut self) {
        while self.step() {}
    }

    /// Goes on after a stop.
    pub(crate) fn go_on(&mut self) {
        self.until = None;
        self.run();
    }

    /// Puts a message in. What became of it, and the answer.
    pub(crate) fn inject(&mut self, to: &str, message: &[u8]) -> (String, Option<Vec<u8>>) {
        let to = ROLES.iter().position(|role| *role == to).unwrap();
        let before = self.results.len();
        let answer = self.deliver(to, message);
        let outcome = self.results.split_off(before).remove(0);
        let text = outcome["refused"].as_str().unwrap_or_else(|| match outcome["repeat"].is_null() {
            true => "taken",
            false => "repeat",
        });
        (text.to_owned(), answer)
    }

    fn step(&mut self) -> bool {
        if self.until == Some(self.delivered) && self.delivered < self.messages.len() {
            return false;
        }
        if let Some((from, message)) = self.messages.get(self.delivered).cloned() {
            self.delivered += 1;
            if let Some(answer) = self.deliver(1 - from, &message) {
                self.messages.push((1 - from, answer));
            }
            return true;
        }
        let now = self.now();
        let offered = match self.acts.checked_sub(1).map(|at| self.case.then.get(at)) {
            None => self.sides[0].party.offer(now, &(self.case.offer)()).unwrap(),
            Some(Some(then)) => {
                let Some(bundle) = self.bundle.clone() else { return false };
                let update = self.update(*then, bundle);
                self.sides[0].party.update(now, &update).unwrap()
            }
            Some(None) => return false,
        };
        self.acts += 1;
        self.messages.push((0, offered.message));
        self.pending = offered.pending;
        if let Some(agreement) = offered.agreement {
            let at = self.messages.len() - 1;
            self.agreed(at, 0, &agreement);
        }
        true
    }

    fn update(&self, then: Then, bundle: BundleId) -> Update {
        let policy = (self.case.offer)().streams[0].policies[0];
        let mki = if (self.case.offer)().mki.is_empty() { Vec::new() } else { vec![0, 0, 0, 2] };
        let mut update = Update::rekey(bundle, mki);
        if then == Then::Add {
            update.rekey = false;
            update.add = vec![Stream { ssrc: Some(0xA11C_E002), ..Stream::new(Sender::Local, policy) }];
        }
        update
    }

    fn now(&self) -> Time {
        Time::from_secs(u64::try_from(self.acts).unwrap())
    }

    /// What `to` makes of a message, and what it answers.
    fn deliver(&mut self, to: usize, message: &[u8]) -> Option<Vec<u8>> {
        let at = self.delivered.saturating_sub(1);
        let now = self.now();
        if to == 0 {
            let done = match &mut self.pending {
                Some(pending) => self.sides[0].party.finish(now, pending, message),
                None => Err(Error::NotOurs),
            };
            match done {
                Ok(agreement) => self.agreed(at, 0, &agreement),
                Err(why) => self.results.push(refused(at, 0, &why)),
            }
            return None;
        }
        // What names are not in the message, signalling says.
        let caller = Name::parse(NAMES[0]).unwrap();
        let peer = Some(&caller).filter(|_| (self.case.offer)().mode != mikey_proto::v1::Mode::Null);
        let known = Known { peer, ..Known::default() };
        match self.sides[1].party.answer(now, message, &known) {
            Ok(answer) => {
                match &answer.agreement {
                    Some(agreement) => self.agreed(at, 1, agreement),
                    None => self.results.push(json!({"message": at, "party": ROLES[1], "repeat": true})),
                }
                answer.message
            }
            Err(why) => {
                self.results.push(refused(at, 1, &why.why));
                why.answer
            }
        }
    }

    fn agreed(&mut self, at: usize, who: usize, agreement: &Agreement) {
        if who == 0 {
            self.bundle = Some(agreement.bundle.clone());
        }
        let streams: Vec<Value> = agreement
            .keys
            .streams
            .iter()
            .map(|stream| {
                let local = stream.sender == Sender::Local;
                json!({
                    "cs_id": stream.cs_id,
                    "sender": ROLES[if local { who } else { 1 - who }],
                    "ssrc": stream.ssrc,
                    "policy": policy(&stream.policy),
                    "master_key": hex(stream.master_key.expose()),
                    "master_salt": hex(stream.master_salt.expose()),
                    "mki": hex(&stream.mki),
                    "valid": stream.valid.map(|(from, to)| [from, to]),
                })
            })
            .collect();
        let level = match agreement.peer.level {
            AuthLevel::None => "none",
            AuthLevel::Psk => "psk",
            _ => "certificate",
        };
        self.results.push(json!({
            "message": at,
            "party": ROLES[who],
            "mode": format!("{:?}", agreement.mode),
            "level": level,
            "generation": agreement.keys.generation,
            "streams": streams,
        }));
    }

    /// The vector, without what `v1.py` puts in.
    pub(crate) fn record(&self) -> Value {
        let message = |(from, octets): &(usize, Vec<u8>)| {
            let ty = DataType(octets[1]);
            json!({"from": ROLES[*from], "type": ty.name().unwrap_or("?"), "octets": hex(octets)})
        };
        let draws: Vec<Value> =
            tape::noted().iter().map(|(kind, octets)| json!({"kind": kind, "octets": hex(octets)})).collect();
        json!({
            "name": self.case.name,
            "description": self.case.description,
            "inputs": {
                "shared": shared(),
                "initiator": self.sides[0].inputs(),
                "responder": self.sides[1].inputs(),
                "provider_draws": draws,
            },
            "messages": self.messages.iter().map(message).collect::<Vec<_>>(),
            "results": self.results,
        })
    }
}

fn refused(at: usize, who: usize, why: &Error) -> Value {
    json!({"message": at, "party": ROLES[who], "refused": outcome(why)})
}

/// Why a message was refused, in a word.
pub(crate) fn outcome(why: &Error) -> &'static str {
    match why {
        Error::Decode(_) => "decode",
        Error::DataType(_) => "data type",
        Error::Algorithm { .. } => "algorithm",
        Error::Time(_) => "time",
        Error::Auth => "auth",
        Error::Certificate(_) => "certificate",
        Error::Name => "name",
        Error::Keys(_) => "keys",
        Error::Streams(_) => "streams",
        Error::Mismatch(_) => "no policy in common",
        Error::KeyExchange => "key exchange",
        Error::UnknownBundle => "bundle",
        Error::Refused { authenticated: true, .. } => "refused by the peer",
        Error::Refused { authenticated: false, .. } => "a hint",
        Error::NotOurs => "not ours",
        other => panic!("{other}"),
    }
}

fn policy(policy: &SrtpPolicy) -> &'static str {
    match *policy {
        SrtpPolicy::AES_CM_128_HMAC_SHA1_80 => "AES_CM_128_HMAC_SHA1_80",
        SrtpPolicy::AES_CM_128_HMAC_SHA1_32 => "AES_CM_128_HMAC_SHA1_32",
        SrtpPolicy::AES_CM_256_HMAC_SHA1_80 => "AES_CM_256_HMAC_SHA1_80",
        SrtpPolicy::AEAD_AES_128_GCM => "AEAD_AES_128_GCM",
        SrtpPolicy::AEAD_AES_256_GCM => "AEAD_AES_256_GCM",
        _ => "another",
    }
}
