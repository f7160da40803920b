//! MIKEYv2 key management and SRTP as one sans-IO agent.
