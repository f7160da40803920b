//! The default cryptographic provider of MIKEYv2, on AWS-LC and RustCrypto.

#![forbid(unsafe_code)]

mod srtp;
