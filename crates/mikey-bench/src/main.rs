//! Benches next to peers.
fn main() {}
