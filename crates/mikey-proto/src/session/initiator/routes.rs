//! Where a branch may be: the addresses from which its INIT_RESP came.
//!
//! Anyone on the path can repeat an INIT_RESP from an address of its choice, and be first. So each address gets CCE_REQ, and
//! the one from which an answer comes that verifies is the peer's. An address that nobody vouched for may be a victim's: it
//! gets a CCE_REQ of one datagram once, the short word that ends the branch once, and all else only in proportion to what came
//! from it.

use std::net::SocketAddr;

use crate::limits::{AMPLIFICATION, MAX_ROUTES};
use crate::session::Cx;

/// The addresses of one branch.
pub(super) struct Routes(Vec<Route>);

struct Route {
    to: SocketAddr,
    /// Whether it is the address that was called: it has shown that it is there by repeating our SPI.
    vouched: bool,
    /// Octets that may still be sent to it.
    left: usize,
}

impl Routes {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    /// Where the peer is, whose CCE_RESP came from `from`: a copy of that, too, can come from anywhere. The address that was
    /// called comes first, if an answer came from it.
    pub(super) fn peer(&self, from: SocketAddr) -> SocketAddr {
        let known = |wanted: &dyn Fn(&Route) -> bool| self.0.iter().find(|r| wanted(r)).map(|r| r.to);
        known(&|r| r.vouched).or_else(|| known(&|r| r.to == from)).or_else(|| self.first()).unwrap_or(from)
    }

    /// Where the first answer came from.
    pub(super) fn first(&self) -> Option<SocketAddr> {
        self.0.first().map(|route| route.to)
    }

    /// Counts octets that came from an address; says whether it is a new one that is to get the request.
    pub(super) fn received(&mut self, from: SocketAddr, vouched: bool, octets: usize) -> bool {
        let allowance = octets.saturating_mul(AMPLIFICATION);
        if let Some(route) = self.0.iter_mut().find(|route| route.to == from) {
            route.left = route.left.saturating_add(allowance);
            return false;
        }
        // There is always a place for the address that was called.
        if !vouched && self.0.len() >= MAX_ROUTES {
            return false;
        }
        self.0.push(Route { to: from, vouched, left: allowance });
        true
    }

    /// Sends a request to an address for the first time: at once if it is one datagram, else when it may have so much.
    pub(super) fn open(&mut self, cx: &mut Cx<'_>, to: SocketAddr, datagrams: &[Vec<u8>]) {
        let octets = datagrams.iter().map(Vec::len).sum();
        let Some(route) = self.0.iter_mut().find(|route| route.to == to) else { return };
        if route.vouched || datagrams.len() == 1 || octets <= route.left {
            route.left = route.left.saturating_sub(octets);
            cx.out.send(to, datagrams);
        }
    }

    /// Sends a last message to each address: a short one, and only once.
    pub(super) fn tell(&self, cx: &mut Cx<'_>, datagrams: &[Vec<u8>]) {
        for route in &self.0 {
            cx.out.send(route.to, datagrams);
        }
    }

    /// Sends a request again to each address that has not had too much.
    pub(super) fn resend(&mut self, cx: &mut Cx<'_>, datagrams: &[Vec<u8>]) {
        let octets = datagrams.iter().map(Vec::len).sum();
        for route in &mut self.0 {
            let left = route.left.checked_sub(octets);
            if route.vouched || left.is_some() {
                route.left = left.unwrap_or(route.left);
                cx.out.metrics.retransmissions += 1;
                cx.out.send(route.to, datagrams);
            }
        }
    }
}
