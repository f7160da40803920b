//! MIKEY version 1: two parties, message by message.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod captured;
mod exchange;
mod forged;
#[path = "../common/matrix.rs"]
mod matrix;
mod mykey;
mod network;
mod peers;
mod replay;
mod setup;
mod signalling;
mod states;
mod update;
