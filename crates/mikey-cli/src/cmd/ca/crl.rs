//! `mikey ca revoke` and `mikey ca crl`: the revocation list of a development CA, `ca.crl` in its directory.
//!
//! The list is its own memory: a new one holds what the last one held, under a higher number.

use std::path::{Path, PathBuf};

use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevokedCertParams, SerialNumber};
use serde_json::json;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::{BACKDATE, CA_CERTIFICATE, load_ca};
use crate::error::{Error, Result};
use crate::files::{self, Overwrite};
use crate::ui::{Ui, printable};

const CA_CRL: &str = "ca.crl";

/// Adds the certificates in `revoked` to the list of the CA in `dir`, and makes it valid for `days` from now.
///
/// # Errors
/// If there is no CA, its list cannot be read or written, or a certificate is not of this CA.
pub(super) fn revise(ui: Ui, dir: &Path, revoked: &[PathBuf], days: i64) -> Result {
    let (anchor, issuer) = load_ca(ui, dir)?;
    let (_, ca) = X509Certificate::from_der(&anchor)
        .map_err(|_| Error::failed(format!("the certificate in '{}' is broken", dir.display())))?;
    let path = dir.join(CA_CRL);
    let (mut number, mut entries) = if path.exists() { last(&path)? } else { (0, Vec::new()) };
    number += 1;
    let now = OffsetDateTime::now_utc();
    for file in revoked {
        let certificates = files::read_certificates(file)?;
        let der = certificates.first().map_or(&[][..], |der| der);
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|_| Error::failed(format!("the certificate in '{}' is broken", file.display())))?;
        if certificate.issuer() != ca.subject()
            || certificate.verify_signature(Some(ca.public_key())).is_err()
        {
            return Err(Error::failed(format!("'{}' is not a certificate of this CA", file.display())).hint(
                format!("'mikey ca show {}' says who issued it; only that CA can revoke it", file.display()),
            ));
        }
        let serial = certificate.raw_serial().to_vec();
        if entries.iter().any(|entry| *entry.serial_number.as_ref() == *serial) {
            ui.note(format_args!("'{}' is revoked already", file.display()));
            continue;
        }
        entries.push(entry(&serial, now));
    }
    let count = entries.len();
    let params = CertificateRevocationListParams {
        this_update: now - BACKDATE,
        next_update: now + Duration::days(days),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs: entries,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let list = params.signed_by(&issuer).and_then(|list| list.pem()).map_err(|error| {
        Error::failed(format!("cannot make the revocation list: {}", printable(&error.to_string())))
    })?;
    files::write_public(&path, list.as_bytes(), Overwrite::Force)?;
    ui.result(
        format_args!("revocation list: {} ({count} revoked, valid for {days} days)", path.display()),
        &json!({"event": "crl", "path": path, "revoked": count, "number": number, "days": days}),
    );
    ui.note(format_args!(
        "give it to who checks certificates of '{}': --crl",
        dir.join(CA_CERTIFICATE).display()
    ));
    Ok(())
}

fn entry(serial: &[u8], at: OffsetDateTime) -> RevokedCertParams {
    RevokedCertParams {
        serial_number: SerialNumber::from_slice(serial),
        revocation_time: at,
        reason_code: None,
        invalidity_date: None,
    }
}

/// The number and the entries of a list.
fn last(path: &Path) -> Result<(u64, Vec<RevokedCertParams>)> {
    let broken = || {
        Error::failed(format!("'{}' is not a revocation list of 'mikey ca'", path.display()))
            .hint("move it away, and revoke again what was revoked")
    };
    let lists = files::read_crls(path)?;
    let der = lists.first().ok_or_else(broken)?;
    let (_, list) = CertificateRevocationList::from_der(der).map_err(|_| broken())?;
    let number =
        list.crl_number().and_then(|number| u64::try_from(number.clone()).ok()).ok_or_else(broken)?;
    let entries = list
        .iter_revoked_certificates()
        .map(|revoked| entry(revoked.raw_serial(), revoked.revocation_date.to_datetime()));
    Ok((number, entries.collect()))
}
