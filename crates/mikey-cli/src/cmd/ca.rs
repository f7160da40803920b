//! `mikey ca`: a development CA and certificates whose subject alternative name is a MIKEY identity.
//!
//! A CA is two files in a directory, `ca.pem` and `ca.key`, and `ca.crl` once it has revoked something. Private keys are PKCS #8, mode 0600, never overwritten
//! without `--force`.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, RsaKeySize, SanType,
};
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Result};
use crate::files::{self, Overwrite};
use crate::ui::{Ui, hex, printable};

mod crl;

const CA_CERTIFICATE: &str = "ca.pem";
const CA_KEY: &str = "ca.key";

/// Clocks differ: a new certificate is valid from a little earlier.
const BACKDATE: Duration = Duration::minutes(10);

/// Longest validity, in days: a hundred years, within X.509's four-digit years.
const MAX_DAYS: i64 = 36_525;

/// Arguments of `mikey ca`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: CaCommand,
}

#[derive(Debug, Subcommand)]
enum CaCommand {
    /// Make a new CA: DIR/ca.pem and DIR/ca.key
    #[command(after_help = "Examples:\n  mikey ca init --dir ca")]
    Init {
        /// The directory, made if it is missing
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The CA's own name
        #[arg(long, value_name = "TEXT", default_value = "MIKEY development CA")]
        name: String,
        /// The kind of its key
        #[arg(long, value_enum, default_value_t = KeyKind::Ed25519)]
        key: KeyKind,
        /// How long it is valid
        #[arg(long, value_name = "N", default_value_t = 3650, value_parser = clap::value_parser!(i64).range(1..=MAX_DAYS))]
        days: i64,
        /// Replace an existing CA
        #[arg(long)]
        force: bool,
    },
    /// Make a certificate and its private key for one name
    ///
    /// The name becomes the subject alternative name: a URI if it has a scheme (sip:alice@example.com), an e-mail
    /// address if it has an '@', else a DNS name. The files are called after it: alice.pem and alice.key.
    #[command(after_help = "Examples:
  mikey ca issue --dir ca --name sip:alice@example.com --out alice
  mikey ca issue --dir ca --name sip:bob@example.com --key p256 --days 30 --out bob")]
    Issue {
        /// The CA's directory
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// Whom the certificate is for
        #[arg(long, value_name = "NAME")]
        name: String,
        /// The kind of its key
        #[arg(long, value_enum, default_value_t = KeyKind::Ed25519)]
        key: KeyKind,
        /// What its key is for. One key is for one of them: keys for decryption are RSA, and their files are called
        /// alice-decryption.pem and alice-decryption.key
        #[arg(long, value_enum, default_value_t = Usage::Signatures)]
        usage: Usage,
        /// How long it is valid
        #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(i64).range(1..=MAX_DAYS))]
        days: i64,
        /// The directory for the two files, made if it is missing
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
        /// Replace existing files
        #[arg(long)]
        force: bool,
    },
    /// Revoke certificates: DIR/ca.crl, for --crl of 'mikey call' and 'mikey listen'
    #[command(after_help = "Examples:\n  mikey ca revoke --dir ca alice/alice.pem")]
    Revoke {
        /// The CA's directory
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// The certificates, as 'mikey ca issue' wrote them
        #[arg(value_name = "FILE", required = true)]
        certificates: Vec<PathBuf>,
        /// How long the list is valid. Past that, peers that have it accept nobody of this CA
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=MAX_DAYS))]
        days: i64,
    },
    /// Make the revocation list anew, with what is in it: DIR/ca.crl
    #[command(after_help = "Examples:\n  mikey ca crl --dir ca")]
    Crl {
        /// The CA's directory
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
        /// How long the list is valid. Past that, peers that have it accept nobody of this CA
        #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(i64).range(1..=MAX_DAYS))]
        days: i64,
    },
    /// Show what is in a certificate file or a CA's directory
    #[command(after_help = "Examples:\n  mikey ca show ca\n  mikey ca show alice/alice.pem")]
    Show {
        /// A PEM file, or a directory with ca.pem
        #[arg(value_name = "PATH")]
        path: PathBuf,
    },
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Usage {
    /// Signing: what calls are authenticated by
    Signatures,
    /// Decryption: what others encrypt keys to (RSA modes of MIKEY)
    Decryption,
}

/// Kinds of keys that the protocol can authenticate with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KeyKind {
    /// Ed25519
    Ed25519,
    /// ECDSA on P-256
    P256,
    /// ECDSA on P-384
    P384,
    /// RSA of 2048 bits
    Rsa2048,
    /// RSA of 3072 bits
    Rsa3072,
    /// RSA of 4096 bits
    Rsa4096,
}

/// Runs `mikey ca`.
pub(crate) fn run(ui: &Ui, args: Args) -> Result {
    match args.command {
        CaCommand::Init { dir, name, key, days, force } => {
            init(*ui, &dir, &name, key, days, overwrite(force))
        }
        CaCommand::Issue { dir, name, key, usage, days, out, force } => {
            issue(*ui, &dir, &name, (key, usage), days, &out, overwrite(force))
        }
        CaCommand::Revoke { dir, certificates, days } => crl::revise(*ui, &dir, &certificates, days),
        CaCommand::Crl { dir, days } => crl::revise(*ui, &dir, &[], days),
        CaCommand::Show { path } => show(*ui, &path),
    }
}

/// A CA that lives in memory alone, for `mikey demo`.
pub(crate) struct EphemeralCa {
    kind: KeyKind,
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl EphemeralCa {
    /// Makes one, valid for a day; with NIST's curve P-256 if `nist`, else Ed25519.
    ///
    /// # Errors
    /// If no key can be made.
    pub(crate) fn new(name: &str, nist: bool) -> Result<Self> {
        let kind = if nist { KeyKind::P256 } else { KeyKind::Ed25519 };
        let key = new_key(kind)?;
        let params = ca_params(name, Duration::DAY)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        Ok(Self { kind, issuer: Issuer::new(params, key), certificate })
    }

    /// Its certificate: the trust anchor.
    pub(crate) fn anchor(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// A certificate for `name` and its private key as PKCS #8.
    ///
    /// # Errors
    /// If the name cannot stand in a certificate or no key can be made.
    pub(crate) fn issue(&self, name: &str) -> Result<(CertificateDer<'static>, Zeroizing<Vec<u8>>)> {
        let mut key = new_key(self.kind)?;
        let certificate = leaf_params(name, Duration::DAY)?.signed_by(&key, &self.issuer).map_err(failed)?;
        let pkcs8 = Zeroizing::new(key.serialize_der());
        key.zeroize();
        Ok((certificate.der().clone(), pkcs8))
    }
}

fn init(ui: Ui, dir: &Path, name: &str, kind: KeyKind, days: i64, overwrite: Overwrite) -> Result {
    make_dir(dir)?;
    let (certificate_path, key_path) = (dir.join(CA_CERTIFICATE), dir.join(CA_KEY));
    refuse_existing(&[&certificate_path, &key_path], overwrite)?;
    let mut key = new_key(kind)?;
    let certificate = ca_params(name, Duration::days(days))?.self_signed(&key).map_err(failed)?;
    write_pair(&certificate_path, &certificate, &key_path, &mut key, overwrite)?;
    ui.result(
        format_args!(
            "ca certificate: {}\nca private key: {}",
            certificate_path.display(),
            key_path.display()
        ),
        &json!({"event": "ca", "certificate": certificate_path, "key": key_path, "name": name}),
    );
    Ok(())
}

fn issue(
    ui: Ui,
    dir: &Path,
    name: &str,
    (kind, usage): (KeyKind, Usage),
    days: i64,
    out: &Path,
    overwrite: Overwrite,
) -> Result {
    let mut params = leaf_params(name, Duration::days(days))?;
    let mut stem = file_stem(name);
    if usage == Usage::Decryption {
        if !matches!(kind, KeyKind::Rsa2048 | KeyKind::Rsa3072 | KeyKind::Rsa4096) {
            return Err(Error::usage("a key for decryption must be RSA").hint("say --key rsa2048"));
        }
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        stem.push_str("-decryption");
    }
    let (_, issuer) = load_ca(ui, dir)?;
    make_dir(out)?;
    let (certificate_path, key_path) = (out.join(format!("{stem}.pem")), out.join(format!("{stem}.key")));
    refuse_existing(&[&certificate_path, &key_path], overwrite)?;
    let mut key = new_key(kind)?;
    let certificate = params.signed_by(&key, &issuer).map_err(failed)?;
    write_pair(&certificate_path, &certificate, &key_path, &mut key, overwrite)?;
    ui.result(
        format_args!("certificate: {}\nprivate key: {}", certificate_path.display(), key_path.display()),
        &json!({"event": "certificate", "certificate": certificate_path, "key": key_path, "name": name}),
    );
    Ok(())
}

/// The certificate of the CA in `dir`, and what signs with its key.
fn load_ca(ui: Ui, dir: &Path) -> Result<(CertificateDer<'static>, Issuer<'static, KeyPair>)> {
    let (ca_certificate, ca_key) = (dir.join(CA_CERTIFICATE), dir.join(CA_KEY));
    if !ca_certificate.is_file() || !ca_key.is_file() {
        return Err(Error::failed(format!("no CA in '{}'", dir.display()))
            .hint(format!("make one with 'mikey ca init --dir {}'", dir.display())));
    }
    let mut anchors = files::read_certificates(&ca_certificate)?;
    let anchor = anchors.swap_remove(0);
    let signing_key = files::read_private_key(ui, &ca_key)?;
    let signing_key = KeyPair::try_from(&signing_key)
        .map_err(|_| Error::failed(format!("the key in '{}' cannot be used", ca_key.display())))?;
    let issuer = Issuer::from_ca_cert_der(&anchor, signing_key).map_err(failed)?;
    Ok((anchor, issuer))
}

fn show(ui: Ui, path: &Path) -> Result {
    let file = if path.is_dir() { path.join(CA_CERTIFICATE) } else { path.to_owned() };
    for (index, der) in files::read_certificates(&file)?.iter().enumerate() {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| {
            Error::failed(format!("certificate {} in '{}' is broken", index + 1, file.display()))
        })?;
        let (text, value) = describe(&certificate, der);
        ui.result(text, &value);
    }
    Ok(())
}

fn describe(certificate: &X509Certificate<'_>, der: &[u8]) -> (String, Value) {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names: Vec<String> =
        names.into_iter().flat_map(|extension| &extension.value.general_names).map(general_name).collect();
    let provider = mikey_crypto_aws_lc::provider();
    let fingerprint = hex(provider.sha256.digest(&[der]).as_ref());
    let validity = certificate.validity();
    let (from, until) = (validity.not_before.to_datetime(), validity.not_after.to_datetime());
    let now = OffsetDateTime::now_utc();
    let state = match () {
        () if now < from => "not yet valid",
        () if now > until => "expired",
        () => "valid",
    };
    let subject = printable(&certificate.subject().to_string());
    let issuer = printable(&certificate.issuer().to_string());
    let text = format!(
        "subject:     {subject}\nissuer:      {issuer}\nnames:       {}\nvalid:       {} to {} UTC ({state})\n\
         authority:   {}\nsha-256:     {fingerprint}",
        if names.is_empty() { "none".to_owned() } else { names.join(", ") },
        date(from),
        date(until),
        if certificate.is_ca() { "yes" } else { "no" },
    );
    let value = json!({
        "event": "certificate", "subject": subject, "issuer": issuer, "names": names, "not_before": date(from),
        "not_after": date(until), "state": state, "authority": certificate.is_ca(), "sha256": fingerprint,
    });
    (text, value)
}

fn general_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::URI(text) | GeneralName::RFC822Name(text) | GeneralName::DNSName(text) => {
            printable(text)
        }
        other => printable(&other.to_string()),
    }
}

/// `2026-08-01 12:00`.
fn date(at: OffsetDateTime) -> String {
    format!("{} {:02}:{:02}", at.date(), at.hour(), at.minute())
}

fn ca_params(name: &str, validity: Duration) -> Result<CertificateParams> {
    let mut params = base_params(name, validity);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf_params(name: &str, validity: Duration) -> Result<CertificateParams> {
    let mut params = base_params(name, validity);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names = vec![alternative_name(name)?];
    Ok(params)
}

fn base_params(name: &str, validity: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = OffsetDateTime::now_utc() - BACKDATE;
    params.not_after = OffsetDateTime::now_utc() + validity;
    params
}

/// The form of a name: a URI has a scheme, an e-mail address an '@', the rest is a DNS name.
fn alternative_name(name: &str) -> Result<SanType> {
    let bad = || {
        Error::usage(format!("'{}' cannot stand in a certificate", printable(name))).hint(
            "write a sip: URI such as sip:alice@example.com, an e-mail address, or a DNS name, in ASCII",
        )
    };
    if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(bad());
    }
    let text = Ia5String::try_from(name).map_err(|_| bad())?;
    let scheme = name.split_once(':').map(|(scheme, _)| scheme);
    Ok(match scheme {
        Some(scheme) if scheme.bytes().all(|octet| octet.is_ascii_alphabetic()) => SanType::URI(text),
        Some(_) => return Err(bad()),
        None if name.contains('@') => SanType::Rfc822Name(text),
        None => SanType::DnsName(text),
    })
}

/// What a name's files are called: `alice` for `sip:alice@example.com`. No character of it leaves the directory.
fn file_stem(name: &str) -> String {
    let without_scheme = name.split_once(':').map_or(name, |(_, rest)| rest);
    let user = without_scheme.split('@').next().unwrap_or(without_scheme);
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let stem: String = user.trim_matches('.').chars().map(safe).collect();
    if stem.is_empty() { "certificate".to_owned() } else { stem }
}

fn new_key(kind: KeyKind) -> Result<KeyPair> {
    let made = match kind {
        KeyKind::Ed25519 => KeyPair::generate_for(&rcgen::PKCS_ED25519),
        KeyKind::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        KeyKind::P384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyKind::Rsa3072 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072),
        KeyKind::Rsa4096 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_4096),
    };
    made.map_err(failed)
}

fn write_pair(
    certificate_path: &Path,
    certificate: &Certificate,
    key_path: &Path,
    key: &mut KeyPair,
    overwrite: Overwrite,
) -> Result {
    let pem = Zeroizing::new(key.serialize_pem());
    key.zeroize();
    files::write_secret(key_path, pem.as_bytes(), overwrite)?;
    files::write_public(certificate_path, certificate.pem().as_bytes(), overwrite)
}

/// Checked before anything is written, so that a refusal leaves no half of a pair behind.
fn refuse_existing(paths: &[&Path], overwrite: Overwrite) -> Result {
    match paths.iter().find(|path| overwrite == Overwrite::Never && path.exists()) {
        Some(path) => Err(Error::failed(format!("'{}' exists already", path.display()))
            .hint("choose another directory, or replace it with --force")),
        None => Ok(()),
    }
}

fn make_dir(dir: &Path) -> Result {
    std::fs::create_dir_all(dir).map_err(|error| Error::file("make", dir, &error))
}

fn overwrite(force: bool) -> Overwrite {
    if force { Overwrite::Force } else { Overwrite::Never }
}

fn failed(error: rcgen::Error) -> Error {
    let text = error.to_string();
    let mut chars = text.chars();
    let lower: String =
        chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default();
    Error::failed(format!("cannot make the certificate: {}", lower.trim_end_matches('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_the_right_kind() {
        assert!(matches!(alternative_name("sip:alice@example.com"), Ok(SanType::URI(_))));
        assert!(matches!(alternative_name("alice@example.com"), Ok(SanType::Rfc822Name(_))));
        assert!(matches!(alternative_name("gw.example.com"), Ok(SanType::DnsName(_))));
        for bad in ["", "sip:al ice@example.com", "sip:jürgen@example.com", "1:2", "a\nb"] {
            assert!(alternative_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn file_names_stay_in_the_directory() {
        assert_eq!(file_stem("sip:alice@example.com"), "alice");
        assert_eq!(file_stem("gw.example.com"), "gw.example.com");
        assert_eq!(file_stem("sip:../../etc/passwd@x"), "_.._etc_passwd");
        assert_eq!(file_stem("sip:@x"), "certificate");
    }
}
