//! Octets to typed messages of MIKEY versions 1 and 2, and back.
