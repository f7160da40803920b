//! The UDP driver of MIKEYv2: the only socket and the only clock.
