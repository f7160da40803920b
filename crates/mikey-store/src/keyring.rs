//! The key-encryption key (KEK) that the operator supplies, and what is sealed under it.
//!
//! Sealing is deterministic and needs no randomness, so a controller that starts from nothing can never repeat a nonce:
//!
//! ```text
//! salt   = HMAC-SHA-256( Km, L(context) || octets )          Km, Ke, id: HMAC-SHA-256( KEK, "mikey store " || name )
//! key    = HMAC-SHA-256( Ke, salt )
//! sealed = 1 || id (8 octets) || salt (32 octets) || AES-256-GCM( key, nonce 0, AD = context, octets )
//! ```
//!
//! A key seals one content in one context. The salt is checked after opening, so sealed octets open under one KEK alone.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mikey_crypto::{Aead, CryptoProvider, Hash, HmacKey, Secret, SecretBytes, SuiteId, SuiteKind, ct_eq};
use mikey_group::StoreError;
use zeroize::Zeroizing;

/// Octets of a KEK.
pub const KEK_LEN: usize = 32;

const VERSION: u8 = 1;
const ID_LEN: usize = 8;
const SALT_LEN: usize = 32;
const TAG_LEN: usize = 16;

/// The KEK that seals, and older ones that still open.
pub struct Keyring {
    aead: &'static dyn Aead,
    /// The first one seals.
    keys: Vec<Key>,
}

struct Key {
    id: [u8; ID_LEN],
    salt: Box<dyn HmacKey>,
    encryption: Box<dyn HmacKey>,
}

impl Keyring {
    /// Seals under `current`; opens what was sealed under it or one of `previous`.
    ///
    /// # Errors
    /// [`KekError::Provider`] if the provider lacks AES-256-GCM, [`KekError::Weak`] if all octets of a key are equal.
    pub fn new(
        provider: &CryptoProvider,
        current: &Secret<KEK_LEN>,
        previous: &[Secret<KEK_LEN>],
    ) -> Result<Self, KekError> {
        let Some(SuiteKind::Aead(aead)) = provider.suite(SuiteId::AES_256_GCM).map(|suite| suite.kind) else {
            return Err(KekError::Provider);
        };
        let keys = core::iter::once(current).chain(previous).map(|kek| Key::new(provider.sha256, kek));
        let keys = keys.collect::<Result<_, _>>()?;
        Ok(Self { aead, keys })
    }

    /// Seals `octets`, to be opened in the same context alone.
    pub(crate) fn seal(&self, context: &[u8], octets: &[u8]) -> Result<Vec<u8>, StoreError> {
        let key = self.keys.first().ok_or(StoreError::WrongKey)?;
        let salt = key.salt(context, octets);
        let message_key = key.message_key(&salt);
        let mut sealed = Vec::with_capacity(1 + ID_LEN + SALT_LEN + octets.len() + TAG_LEN);
        sealed.push(VERSION);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&salt);
        let head = sealed.len();
        sealed.extend_from_slice(octets);
        let body = sealed.get_mut(head..).unwrap_or_default();
        let tag = self
            .aead
            .seal(message_key.expose(), &[0; 12], context, body)
            .map_err(|_| StoreError::WrongKey)?;
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Opens what was sealed in this context.
    pub(crate) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<SecretBytes, StoreError> {
        let damaged = |what: &str| StoreError::Corrupt(format!("{what} in {}", Context(context)));
        let (version, rest) = sealed.split_first().ok_or_else(|| damaged("nothing"))?;
        if *version != VERSION {
            return Err(damaged("unknown sealing"));
        }
        let (id, rest) = rest.split_at_checked(ID_LEN).ok_or_else(|| damaged("a cut record"))?;
        let (salt, rest) = rest.split_at_checked(SALT_LEN).ok_or_else(|| damaged("a cut record"))?;
        let body = rest.len().checked_sub(TAG_LEN).ok_or_else(|| damaged("a cut record"))?;
        let (body, tag) = rest.split_at_checked(body).ok_or_else(|| damaged("a cut record"))?;
        let key = self.keys.iter().find(|key| key.id == id).ok_or(StoreError::WrongKey)?;
        let mut octets = SecretBytes::copy_from(body);
        self.aead
            .open(key.message_key(salt).expose(), &[0; 12], context, octets.expose_mut(), tag)
            .map_err(|_| damaged("a changed record"))?;
        if !ct_eq(&key.salt(context, octets.expose()), salt) {
            return Err(damaged("a changed record"));
        }
        Ok(octets)
    }

    /// The id under which the newest key is known: shown to operators, never secret.
    #[must_use]
    pub fn id(&self) -> String {
        let id = self.keys.first().map_or([0; ID_LEN], |key| key.id);
        id.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

impl Key {
    fn new(hash: &'static dyn Hash, kek: &Secret<KEK_LEN>) -> Result<Self, KekError> {
        let octets = kek.expose();
        if octets.iter().all(|octet| Some(octet) == octets.first()) {
            return Err(KekError::Weak);
        }
        let derive = |name: &[u8]| hash.hmac(octets, &[b"mikey store ", name]);
        let mut id = [0; ID_LEN];
        id.iter_mut().zip(derive(b"id").expose()).for_each(|(to, from)| *to = *from);
        Ok(Self {
            id,
            salt: hash.hmac_key(derive(b"salt").expose()),
            encryption: hash.hmac_key(derive(b"encryption").expose()),
        })
    }

    fn salt(&self, context: &[u8], octets: &[u8]) -> [u8; SALT_LEN] {
        let mut salt = [0; SALT_LEN];
        let len = (context.len() as u64).to_be_bytes();
        self.salt.mac(&[&len, context, octets], &mut salt);
        salt
    }

    fn message_key(&self, salt: &[u8]) -> Secret<KEK_LEN> {
        let mut key = Secret::new([0; KEK_LEN]);
        self.encryption.mac(&[salt], key.expose_mut());
        key
    }
}

/// A context for people.
struct Context<'a>(&'a [u8]);

impl fmt::Display for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

/// Why there is no usable KEK.
#[derive(Debug)]
#[non_exhaustive]
pub enum KekError {
    /// The file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// Others than its owner may read or change the file; its mode.
    Permissions(PathBuf, u32),
    /// The file belongs to another user.
    Owner(PathBuf, u32),
    /// The file holds neither 32 octets nor 64 hexadecimal digits.
    Format(PathBuf),
    /// There is no `$CREDENTIALS_DIRECTORY`.
    NoCredentials,
    /// All octets of the key are equal.
    Weak,
    /// The provider has no AES-256-GCM.
    Provider,
}

impl fmt::Display for KekError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(path, error) => write!(f, "the key {} cannot be read: {error}", path.display()),
            Self::Permissions(path, mode) => write!(
                f,
                "the key {} is open to others (mode {:04o}): chmod 600 it, and think of it as known",
                path.display(),
                mode & 0o7777
            ),
            Self::Owner(path, uid) => {
                write!(
                    f,
                    "the key {} belongs to user {uid}, neither to root nor to who runs this",
                    path.display()
                )
            }
            Self::Format(path) => {
                write!(f, "the key {} is neither 32 octets nor 64 hexadecimal digits", path.display())
            }
            Self::NoCredentials => {
                f.write_str("there is no $CREDENTIALS_DIRECTORY: the service manager passes no credential")
            }
            Self::Weak => f.write_str("all octets of the key are equal"),
            Self::Provider => f.write_str("the provider has no AES-256-GCM"),
        }
    }
}

impl std::error::Error for KekError {}

/// Reads a KEK from a file that belongs to who runs this or to root, and that nobody else may read or change.
///
/// # Errors
/// [`KekError`]
pub fn read_kek(path: &Path) -> Result<Secret<KEK_LEN>, KekError> {
    let unreadable = |error| KekError::Unreadable(path.to_owned(), error);
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(KekError::Permissions(path.to_owned(), metadata.mode()));
    }
    if metadata.uid() != 0 && metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(KekError::Owner(path.to_owned(), metadata.uid()));
    }
    parse(path, file)
}

/// Reads a KEK from the credential `name` of the service manager, which alone decides who may read it.
///
/// # Errors
/// [`KekError`]
pub fn read_credential(name: &str) -> Result<Secret<KEK_LEN>, KekError> {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").ok_or(KekError::NoCredentials)?;
    let path = Path::new(&directory).join(name);
    let file = File::open(&path).map_err(|error| KekError::Unreadable(path.clone(), error))?;
    parse(&path, file)
}

fn parse(path: &Path, file: File) -> Result<Secret<KEK_LEN>, KekError> {
    // Room for one octet more than the longest form, so that the vector never moves.
    let mut content = Zeroizing::new(Vec::with_capacity(128));
    file.take(127).read_to_end(&mut content).map_err(|error| KekError::Unreadable(path.to_owned(), error))?;
    let mut key = Secret::new([0; KEK_LEN]);
    if content.len() == KEK_LEN {
        key.expose_mut().copy_from_slice(&content);
        return Ok(key);
    }
    let text = content.trim_ascii();
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != KEK_LEN || !rest.is_empty() {
        return Err(KekError::Format(path.to_owned()));
    }
    let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (octet, [high, low]) in key.expose_mut().iter_mut().zip(pairs) {
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err(KekError::Format(path.to_owned()));
        };
        *octet = high << 4 | low;
    }
    Ok(key)
}
