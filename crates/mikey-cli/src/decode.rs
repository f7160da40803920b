//! What `mikey decode` reads and shows.

pub(crate) mod input;
pub(crate) mod inside;
pub(crate) mod message;
pub(crate) mod payload;
pub(crate) mod tree;
#[cfg(test)]
mod vectors;
