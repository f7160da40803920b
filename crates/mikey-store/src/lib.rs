//! Where MIKEYv2 group controllers keep their logs: the backends of [`mikey_group::Store`].
//!
//! [`RedbStore`] is a file of one process, [`EtcdStore`] an etcd cluster that several controllers share. Both are held
//! to `mikey_group::conformance`. [`Sealed`] wraps what any store keeps under the operator's [`Keyring`]: without it, every
//! key of every group lies in the store in clear.
//!
//! ```
//! use std::error::Error;
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use mikey_crypto::CryptoProvider;
//! use mikey_store::{Keyring, RedbStore, Sealed, read_kek};
//!
//! fn open(provider: &CryptoProvider, directory: &Path) -> Result<Sealed<RedbStore>, Box<dyn Error>> {
//!     // 32 random octets, in a file that nobody else may read: `head -c 32 /dev/urandom`.
//!     let kek = read_kek(&directory.join("kek"))?;
//!     let keyring = Arc::new(Keyring::new(provider, &kek, &[])?);
//!     Ok(Sealed::new(RedbStore::open(&directory.join("groups.redb"))?, keyring))
//! }
//! ```

mod etcd;
mod keyring;
mod redb;
mod sealed;

pub use etcd::{EtcdConfig, EtcdStore, EtcdTls};
pub use keyring::{KEK_LEN, KekError, Keyring, read_credential, read_kek};
pub use redb::RedbStore;
pub use sealed::Sealed;
