//! SRTP and SRTCP crypto contexts, transforms and the context database.
