//! The mikey tool.
fn main() {}
