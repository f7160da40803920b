//! Where MIKEYv2 group controllers keep their logs: the backends of [`mikey_group::Store`].
//!
//! [`RedbStore`] is a file of one process, [`EtcdStore`] an etcd cluster that several controllers share. Both are held
//! to `mikey_group::conformance`. [`Sealed`] wraps what any store keeps under the operator's [`Keyring`].

mod etcd;
mod keyring;
mod redb;
mod sealed;

pub use etcd::{EtcdConfig, EtcdStore, EtcdTls};
pub use keyring::{KEK_LEN, KekError, Keyring, read_credential, read_kek};
pub use redb::RedbStore;
pub use sealed::Sealed;
