//! Two agents, virtual time and a hostile link.
