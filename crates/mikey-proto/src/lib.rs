//! The MIKEYv2 endpoint and its sessions, without input or output.
