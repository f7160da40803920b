//! Why a chain, a commitment or a limit was not taken.

/// Why TESLA was not set up. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TeslaError {
    /// The interval is not of whole milliseconds, 0, or too long.
    Interval,
    /// The disclosure delay is below 2, or too long.
    Delay,
    /// The chain is not longer than the delay, or too long, or another than the parameters say.
    ChainLen,
    /// The MAC has fewer than 10 octets or more than 20.
    MacLen,
    /// A receiver's limits on what it keeps are 0 or too large.
    Limits,
    /// The commitment is to a key behind the chain's last.
    Commitment,
    /// The chain does not follow the one before: another interval, delay or MAC, or it begins in the middle of an
    /// interval, too early, or behind the other's end. Or it would begin before packets that are already sent.
    Successor,
    /// No such stream, or it goes the other way.
    UnknownStream,
    /// The sender was installed without TESLA.
    NotTesla,
}

impl core::fmt::Display for TeslaError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Interval => "TESLA: the interval is 0, too long, or not of whole milliseconds",
            Self::Delay => "TESLA: the disclosure delay is below 2 or too long",
            Self::ChainLen => "TESLA: the key chain has a length that it cannot have",
            Self::MacLen => "TESLA: the MAC has fewer than 10 octets or more than 20",
            Self::Limits => "TESLA: the receiver's limits are 0 or too large",
            Self::Commitment => "TESLA: the commitment lies behind the chain's end",
            Self::Successor => "TESLA: the chain does not follow the one before",
            Self::UnknownStream => "TESLA: no such stream in that direction",
            Self::NotTesla => "TESLA: the sender was installed without",
        })
    }
}

impl core::error::Error for TeslaError {}
