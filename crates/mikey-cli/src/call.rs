//! What `demo`, `listen` and `call` share: credentials, a line with its calls, what is recorded of them.

pub(crate) mod console;
pub(crate) mod credentials;
pub(crate) mod describe;
pub(crate) mod event;
pub(crate) mod keylog;
pub(crate) mod leg;
pub(crate) mod line;
pub(crate) mod ongoing;
pub(crate) mod outcome;
pub(crate) mod record;
pub(crate) mod report;
pub(crate) mod rtcp;
pub(crate) mod sas;
pub(crate) mod version1;
