//! What key management and SRTP agree on: policies, and the transforms that a provider offers for them.

mod policy;
mod transform;

pub use policy::{PolicyError, SrtpAuth, SrtpCipher, SrtpPolicy};
pub use transform::{
    BatchOpening, BatchSealing, MAX_TAG_LEN, Opening, Sealing, SrtpCrypto, SrtpTransform, Tag, TransformKeys,
    UnsupportedTransform,
};
