//! Files: secrets that nobody else may read and that are never overwritten by accident, PEM, limits.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ui::Ui;

/// Largest key, certificate or PSK file that is read, in octets. A larger one is not what was meant.
const MAX_CREDENTIAL_FILE: u64 = 1 << 20;

/// Fewest octets of a pre-shared key (docs/spec.md): it is random key material, not a password.
pub(crate) const MIN_PSK: usize = 16;

/// Whether an existing file may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// An existing file is an error.
    Never,
    /// The user said `--force`.
    Force,
}

/// Writes a secret to a file of mode 0600. The file is created with that mode, so there is no moment at which
/// another user could open it.
///
/// # Errors
/// If the file exists without [`Overwrite::Force`], or cannot be written.
pub(crate) fn write_secret(path: &Path, contents: &[u8], overwrite: Overwrite) -> Result {
    write(path, contents, 0o600, overwrite)
}

/// Writes a file that anybody may read.
///
/// # Errors
/// As [`write_secret`].
pub(crate) fn write_public(path: &Path, contents: &[u8], overwrite: Overwrite) -> Result {
    write(path, contents, 0o644, overwrite)
}

/// Opens a file of mode 0600 for secrets that come one after another, replacing an old one.
///
/// # Errors
/// If it cannot be created.
pub(crate) fn create_secret(path: &Path) -> Result<File> {
    open(path, 0o600, Overwrite::Force)
}

/// Reads a pre-shared key: hex or base64 text, lines with `#` left out.
///
/// # Errors
/// If the file cannot be read, is neither hex nor base64, or holds less than [`MIN_PSK`] octets.
pub(crate) fn read_psk(ui: Ui, path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let text = read_secret_text(ui, path)?;
    let mut digits = Zeroizing::new(String::with_capacity(text.len()));
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        digits.extend(line.split_whitespace());
    }
    let decoded = match data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()) {
        Ok(bytes) => Ok(bytes),
        Err(_) => data_encoding::BASE64.decode(digits.as_bytes()),
    };
    let psk = Zeroizing::new(decoded.map_err(|_| {
        Error::failed(format!("'{}' is not a pre-shared key: neither hex nor base64", path.display()))
            .hint("a pre-shared key is random key material, never a password: make one with 'mikey psk new'")
    })?);
    if psk.len() < MIN_PSK {
        let message =
            format!("the pre-shared key in '{}' is too short: {} octets", path.display(), psk.len());
        return Err(Error::failed(message)
            .hint(format!("it must have at least {MIN_PSK} random octets: make one with 'mikey psk new'")));
    }
    Ok(psk)
}

/// Reads a key log.
///
/// # Errors
/// If it cannot be read or is no text.
pub(crate) fn read_key_log(ui: Ui, path: &Path) -> Result<Zeroizing<String>> {
    /// A line for each end of more than a million sessions.
    const LIMIT: u64 = 512 << 20;
    read_secret(ui, path, LIMIT)
}

/// Reads a private key: PKCS #8 in PEM.
///
/// # Errors
/// If the file cannot be read or holds no such key.
pub(crate) fn read_private_key(ui: Ui, path: &Path) -> Result<PrivatePkcs8KeyDer<'static>> {
    let text = read_secret_text(ui, path)?;
    PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| {
        Error::failed(format!("no private key in '{}'", path.display()))
            .hint("a PEM file with 'BEGIN PRIVATE KEY' (PKCS #8) is needed, as 'mikey ca issue' writes it")
    })
}

/// Reads certificates in PEM, at least one.
///
/// # Errors
/// If the file cannot be read or holds none.
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let text = read_limited(path, MAX_CREDENTIAL_FILE)?;
    let found = CertificateDer::pem_slice_iter(&text).collect::<std::result::Result<Vec<_>, _>>();
    match found {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(Error::failed(format!("no certificate in '{}'", path.display()))
            .hint("a PEM file with 'BEGIN CERTIFICATE' is needed, as 'mikey ca issue' writes it")),
    }
}

/// Reads certificate revocation lists: PEM, at least one, or one in DER.
///
/// # Errors
/// If the file cannot be read or holds none.
pub(crate) fn read_crls(path: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>> {
    /// ASN.1's SEQUENCE, with which DER begins and no text does.
    const SEQUENCE: u8 = 0x30;
    let octets = read_limited(path, MAX_CREDENTIAL_FILE)?;
    if octets.first() == Some(&SEQUENCE) && octets.get(1).is_some_and(|length| *length & 0x80 != 0) {
        return Ok(vec![CertificateRevocationListDer::from(octets)]);
    }
    let found = CertificateRevocationListDer::pem_slice_iter(&octets);
    match found.collect::<std::result::Result<Vec<_>, _>>() {
        Ok(lists) if !lists.is_empty() => Ok(lists),
        _ => Err(Error::failed(format!("no revocation list in '{}'", path.display())).hint(
            "a file in DER, or in PEM with 'BEGIN X509 CRL', is needed, as 'mikey ca revoke' writes it",
        )),
    }
}

/// Reads a whole file unless it has more than `limit` octets.
///
/// # Errors
/// If it cannot be read or is longer.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(|error| Error::file("read", path, &error))?;
    let mut contents = Vec::new();
    let read = file.take(limit + 1).read_to_end(&mut contents);
    read.map_err(|error| Error::file("read", path, &error))?;
    if u64::try_from(contents.len()).unwrap_or(u64::MAX) > limit {
        return Err(Error::failed(format!("'{}' is longer than {limit} octets", path.display())));
    }
    Ok(contents)
}

fn read_secret_text(ui: Ui, path: &Path) -> Result<Zeroizing<String>> {
    read_secret(ui, path, MAX_CREDENTIAL_FILE)
}

fn read_secret(ui: Ui, path: &Path, limit: u64) -> Result<Zeroizing<String>> {
    if let Ok(metadata) = std::fs::metadata(path)
        && metadata.is_file()
        && metadata.permissions().mode() & 0o077 != 0
    {
        ui.warn(format_args!(
            "'{0}' holds a secret and other users may read it; run 'chmod 600 {0}'",
            path.display()
        ));
    }
    let contents = Zeroizing::new(read_limited(path, limit)?);
    match std::str::from_utf8(&contents) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(Error::failed(format!("'{}' is not a text file", path.display())).hint(
            "keys are text: PEM for a private key, hex or base64 for a pre-shared key, lines for a key log",
        )),
    }
}

fn write(path: &Path, contents: &[u8], mode: u32, overwrite: Overwrite) -> Result {
    let mut file = open(path, mode, overwrite)?;
    file.write_all(contents).and_then(|()| file.flush()).map_err(|error| Error::file("write", path, &error))
}

fn open(path: &Path, mode: u32, overwrite: Overwrite) -> Result<File> {
    if overwrite == Overwrite::Force
        && let Ok(old) = std::fs::symlink_metadata(path)
    {
        if !old.is_file() && !old.is_symlink() {
            return Err(Error::failed(format!("'{}' is not a file that can be replaced", path.display())));
        }
        // A new file, not the old one: its mode and its other names stay as they were.
        std::fs::remove_file(path).map_err(|error| Error::file("replace", path, &error))?;
    }
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    opened.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Error::failed(format!("'{}' exists already", path.display()))
            .hint("choose another place, or replace it with --force"),
        _ => Error::file("write", path, &error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_private_and_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        write_secret(&path, b"one", Overwrite::Never).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(write_secret(&path, b"two", Overwrite::Never).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write_secret(&path, b"three", Overwrite::Force).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"three");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn only_a_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        assert!(write_secret(dir.path(), b"x", Overwrite::Force).is_err());
        assert!(dir.path().is_dir());
        let socket = dir.path().join("socket");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(create_secret(&socket).unwrap_err().message().contains("not a file that can be replaced"));
        assert!(socket.exists());
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        std::fs::write(&target, b"kept").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_secret(&link, b"secret", Overwrite::Force).unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"kept");
        assert_eq!(std::fs::read(&link).unwrap(), b"secret");
    }

    #[test]
    fn a_psk_is_hex_or_base64_and_long_enough() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("psk");
        let read = |text: &str| {
            write_secret(&path, text.as_bytes(), Overwrite::Force).unwrap();
            read_psk(Ui::new(false), &path)
        };
        assert_eq!(
            *read("# made by hand\n000102030405060708090A0B 0C0D0E0F\n").unwrap(),
            (0..16).collect::<Vec<u8>>()
        );
        assert_eq!(*read("AAECAwQFBgcICQoLDA0ODw==\n").unwrap(), (0..16).collect::<Vec<u8>>());
        assert!(
            read("000102030405060708090a0b0c0d0e").unwrap_err().message().contains("too short: 15 octets")
        );
        let password = read("correct horse battery staple!").unwrap_err();
        assert!(password.message().contains("neither hex nor base64"));
        assert!(!password.message().contains("horse"));
        assert!(read("").unwrap_err().message().contains("too short: 0 octets"));
    }
}
