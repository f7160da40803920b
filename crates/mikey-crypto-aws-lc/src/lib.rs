//! The default cryptographic provider of MIKEYv2, on AWS-LC and RustCrypto.
