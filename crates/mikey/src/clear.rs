//! Media in clear until a call has its keys (RFC 5479, R-ALLOW-RTP; docs/spec.md, "Signalling").
//!
//! Only where the application says so, and told apart from media of a session by its type. Nothing of it is authenticated:
//! anybody can have sent it, and whoever stops key management on the way keeps the call as it is.

use std::net::SocketAddr;

/// From whom media in clear is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClearFrom {
    /// Whoever sends it: before the answer to an offer, nothing says where it will come from.
    Anyone,
    /// One address, which proves nothing either.
    Address(SocketAddr),
}

/// Whether media in clear is taken now, and how much was.
#[derive(Default)]
pub(crate) struct Clear {
    from: Option<ClearFrom>,
    pub(crate) packets: u64,
}

impl Clear {
    pub(crate) fn accept(&mut self, from: ClearFrom) {
        self.from = Some(from);
    }

    pub(crate) fn refuse(&mut self) {
        self.from = None;
    }

    pub(crate) fn accepted(&self) -> Option<ClearFrom> {
        self.from
    }

    /// Whether a packet from there is taken; counts it.
    // R18.6
    pub(crate) fn take(&mut self, from: SocketAddr) -> bool {
        let taken = match self.from {
            None => false,
            Some(ClearFrom::Anyone) => true,
            Some(ClearFrom::Address(address)) => address == from,
        };
        self.packets += u64::from(taken);
        taken
    }

    /// A session with `remote` has its keys: from now on nothing in clear is taken from there. Whether anything was until now.
    pub(crate) fn end(&mut self, remote: Option<SocketAddr>) -> bool {
        let ends = match self.from {
            None => false,
            Some(ClearFrom::Anyone) => true,
            Some(ClearFrom::Address(address)) => remote == Some(address),
        };
        if ends {
            self.from = None;
        }
        ends
    }
}
