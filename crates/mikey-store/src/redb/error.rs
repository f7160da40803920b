//! What redb can fail with, as the store's errors.

use std::io::ErrorKind;

use mikey_group::StoreError;

/// Why a transaction did not go through.
pub(super) struct Failed {
    pub(super) error: StoreError,
    /// The database must be opened anew before it does anything again.
    pub(super) reopen: bool,
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self { error, reopen: false }
    }
}

impl Failed {
    pub(super) fn io(error: &std::io::Error) -> Self {
        let text = error.to_string();
        let error = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                StoreError::Full(text)
            }
            // redb says so of a file that is none of its own, or too short to be one.
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof => StoreError::Corrupt(text),
            _ => StoreError::Unavailable(text),
        };
        Self { error, reopen: true }
    }
}

impl From<redb::Error> for Failed {
    fn from(error: redb::Error) -> Self {
        let error = match error {
            redb::Error::Io(error) => return Self::io(&error),
            redb::Error::DatabaseAlreadyOpen => StoreError::Unavailable("another process has it open".into()),
            error
            @ (redb::Error::PreviousIo | redb::Error::DatabaseClosed | redb::Error::LockPoisoned(_)) => {
                StoreError::Unavailable(error.to_string())
            }
            error => StoreError::Corrupt(error.to_string()),
        };
        Self { error, reopen: true }
    }
}

/// Each of redb's families of errors goes through its superset.
macro_rules! from_families {
    ($($family:ident),*) => {
        $(impl From<redb::$family> for Failed {
            fn from(error: redb::$family) -> Self {
                redb::Error::from(error).into()
            }
        })*
    };
}

from_families!(DatabaseError, TransactionError, TableError, StorageError, CommitError);
