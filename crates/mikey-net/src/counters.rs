//! What the socket saw, for an operator. What the agent made of it, the agent counts.

/// Counters of a driver. All values only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Datagrams that came.
    pub datagrams_received: u64,
    /// Their octets.
    pub octets_received: u64,
    /// Datagrams that the operating system took.
    pub datagrams_sent: u64,
    /// Their octets.
    pub octets_sent: u64,
    /// Datagrams that could not be sent: an ICMP error, no route, too long, or no room for too long. For the protocol
    /// each is a lost datagram.
    pub send_failures: u64,
    /// Errors while receiving, such as an ICMP error for something that was sent. They end nothing.
    pub receive_failures: u64,
}
