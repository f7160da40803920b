//! Nodes and what is under way between them, in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use mikey_proto::{Endpoint, Event, Output, Time};

use crate::link::Link;

/// Something that receives datagrams and wakes up: an endpoint, or an agent with media.
pub trait Node {
    /// Takes a datagram.
    fn handle_datagram(&mut self, now: Time, from: SocketAddr, datagram: &[u8]);
    /// Does what is due.
    fn handle_timeout(&mut self, now: Time);
    /// The next output.
    fn poll_output(&mut self) -> Output;
}

impl Node for Endpoint {
    fn handle_datagram(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        Self::handle_datagram(self, now, from, datagram);
    }

    fn handle_timeout(&mut self, now: Time) {
        Self::handle_timeout(self, now);
    }

    fn poll_output(&mut self) -> Output {
        Self::poll_output(self)
    }
}

/// Octets on their way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Datagram {
    /// Where it seems to come from.
    pub from: SocketAddr,
    /// Where it goes.
    pub to: SocketAddr,
    /// Its octets.
    pub bytes: Vec<u8>,
}

/// Somebody on the path.
pub trait Adversary {
    /// Sees a datagram at the moment when it is sent, and says what is sent instead: with the datagram itself first, nothing
    /// is taken away.
    fn on_datagram(&mut self, now: Time, datagram: Datagram) -> Vec<Datagram>;
}

/// Changes nothing.
pub(crate) struct Nobody;

impl Adversary for Nobody {
    fn on_datagram(&mut self, _: Time, datagram: Datagram) -> Vec<Datagram> {
        vec![datagram]
    }
}

impl<F: FnMut(Time, Datagram) -> Vec<Datagram>> Adversary for F {
    fn on_datagram(&mut self, now: Time, datagram: Datagram) -> Vec<Datagram> {
        self(now, datagram)
    }
}

/// The address of node `n`: 192.0.2.n, port 2269.
#[must_use]
pub fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 2269))
}

struct Inhabitant<N> {
    address: SocketAddr,
    node: N,
    wake: Option<Time>,
    events: Vec<(Time, Event)>,
}

/// Nodes, the link between them, and somebody on it. Node `n` (from 0) has the address `address(n)`.
pub struct World<N> {
    inhabitants: Vec<Inhabitant<N>>,
    link: Link,
    adversary: Box<dyn Adversary>,
    under_way: BinaryHeap<Reverse<(Time, u64, Datagram)>>,
    now: Time,
    sequence: u64,
    /// Every datagram that a node sent, in order.
    pub sent: Vec<Datagram>,
}

/// A wrong number of a node is a mistake in a test, and ends it.
#[allow(clippy::panic)]
impl<N: Node> World<N> {
    /// A world with these nodes.
    #[must_use]
    pub fn new(link: Link, nodes: impl IntoIterator<Item = N>) -> Self {
        let inhabit =
            |(n, node): (u8, N)| Inhabitant { address: address(n), node, wake: None, events: Vec::new() };
        Self {
            inhabitants: (0..).zip(nodes).map(inhabit).collect(),
            link,
            adversary: Box::new(Nobody),
            under_way: BinaryHeap::new(),
            now: Time::ZERO,
            sequence: 0,
            sent: Vec::new(),
        }
    }

    /// The same world with somebody on the path.
    #[must_use]
    pub fn with_adversary(mut self, adversary: impl Adversary + 'static) -> Self {
        self.adversary = Box::new(adversary);
        self
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Node `n`, to look at.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn node(&self, n: usize) -> &N {
        let Some(inhabitant) = self.inhabitants.get(n) else { panic!("no node {n}") };
        &inhabitant.node
    }

    /// Lets the application of node `n` act, and takes its outputs.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn act<T>(&mut self, n: usize, action: impl FnOnce(Time, &mut N) -> T) -> T {
        let now = self.now;
        let Some(inhabitant) = self.inhabitants.get_mut(n) else { panic!("no node {n}") };
        let result = action(now, &mut inhabitant.node);
        self.drain(n);
        result
    }

    /// The events of node `n` since they were last taken.
    pub fn events(&mut self, n: usize) -> Vec<Event> {
        let events = self.inhabitants.get_mut(n).map(|i| std::mem::take(&mut i.events)).unwrap_or_default();
        events.into_iter().map(|(_, event)| event).collect()
    }

    /// Puts a datagram on the wire, past the adversary and the dice: it arrives at once.
    pub fn inject(&mut self, datagram: Datagram) {
        self.deliver(&datagram);
    }

    /// Runs until nothing is left to do or it is `end`.
    pub fn run_until(&mut self, end: Time) {
        while let Some(next) = self.next_moment().filter(|at| *at <= end) {
            self.step(next);
        }
        self.now = self.now.max(end);
    }

    /// Runs until `done` or it is `end`; tells whether it was done.
    pub fn run_while(&mut self, end: Time, mut goes_on: impl FnMut(&mut Self) -> bool) -> bool {
        while goes_on(self) {
            let Some(next) = self.next_moment().filter(|at| *at <= end) else { return false };
            self.step(next);
        }
        true
    }

    fn next_moment(&self) -> Option<Time> {
        let datagram = self.under_way.peek().map(|Reverse((at, _, _))| *at);
        let wakes = self.inhabitants.iter().filter_map(|i| i.wake);
        wakes.chain(datagram).min().map(|at| at.max(self.now))
    }

    fn step(&mut self, at: Time) {
        self.now = at;
        if self.under_way.peek().is_some_and(|Reverse((due, _, _))| *due <= at) {
            if let Some(Reverse((_, _, datagram))) = self.under_way.pop() {
                self.deliver(&datagram);
            }
            return;
        }
        for n in 0..self.inhabitants.len() {
            let Some(inhabitant) = self.inhabitants.get_mut(n) else { continue };
            if inhabitant.wake.is_some_and(|wake| wake <= at) {
                inhabitant.node.handle_timeout(at);
                self.drain(n);
                let stuck = self.inhabitants.get(n).and_then(|i| i.wake).is_some_and(|wake| wake <= at);
                assert!(!stuck, "node {n} wants to be woken at a time that has passed");
            }
        }
    }

    fn deliver(&mut self, datagram: &Datagram) {
        let Some(n) = self.inhabitants.iter().position(|i| i.address == datagram.to) else { return };
        if let Some(inhabitant) = self.inhabitants.get_mut(n) {
            inhabitant.node.handle_datagram(self.now, datagram.from, &datagram.bytes);
        }
        self.drain(n);
    }

    fn drain(&mut self, n: usize) {
        loop {
            let Some(inhabitant) = self.inhabitants.get_mut(n) else { return };
            match inhabitant.node.poll_output() {
                Output::Transmit { to, bytes } => {
                    let datagram = Datagram { from: inhabitant.address, to, bytes };
                    self.sent.push(datagram.clone());
                    for datagram in self.adversary.on_datagram(self.now, datagram) {
                        self.send(datagram);
                    }
                }
                Output::Event(event) => inhabitant.events.push((self.now, event)),
                Output::Timeout(wake) => {
                    inhabitant.wake = wake;
                    return;
                }
                _ => (),
            }
        }
    }

    fn send(&mut self, datagram: Datagram) {
        let Datagram { from, to, bytes } = datagram;
        for (delay, bytes) in self.link.carry(bytes) {
            self.sequence += 1;
            let copy = Datagram { from, to, bytes };
            self.under_way.push(Reverse((self.now + delay, self.sequence, copy)));
        }
    }
}
