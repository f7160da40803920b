//! libsrtp2 in child processes: Debian's, and a build on OpenSSL. `interop/run` and `interop/libsrtp-openssl` make the
//! programs; without them these contestants are left out.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use mikey_crypto::srtp::SrtpPolicy;

use super::pool::{Pool, SSRC, packet};
use super::profile::Profile;
use crate::Result;
use crate::measure::{Contestant, Role};

const PROGRAMS: [(&str, &str); 2] =
    [("libsrtp2, Debian's, on NSS", "libsrtp-peer"), ("libsrtp 2.3 on OpenSSL", "libsrtp-openssl-peer")];

pub(super) fn protect(profile: Profile, size: usize) -> Result<Vec<Contestant<'static>>> {
    let start = hex(&packet(0, size));
    each(profile, move |times| Ok(format!("bench-p {start} {times}")))
}

pub(super) fn unprotect(profile: Profile, size: usize) -> Result<Vec<Contestant<'static>>> {
    let pool = Pool::new(profile, size)?;
    let packets: Vec<String> = pool.round().iter().map(|packet| hex(packet)).collect();
    let packets = packets.join(" ");
    let mut contestants = Vec::new();
    for (name, program) in PROGRAMS {
        let Some(peer) = Peer::start(program, profile)? else { continue };
        peer.borrow_mut().ask(&format!("bench-u 1 {packets}"))?;
        contestants.push(Contestant::elsewhere(name, Role::Peer, move |times| {
            peer.borrow_mut().nanoseconds(&format!("bench-u {times}"))
        }));
    }
    Ok(contestants)
}

fn each(
    profile: Profile,
    line: impl Fn(u64) -> Result<String> + Clone + 'static,
) -> Result<Vec<Contestant<'static>>> {
    let mut contestants = Vec::new();
    for (name, program) in PROGRAMS {
        let Some(peer) = Peer::start(program, profile)? else { continue };
        let line = line.clone();
        contestants.push(Contestant::elsewhere(name, Role::Peer, move |times| {
            peer.borrow_mut().nanoseconds(&line(times)?)
        }));
    }
    Ok(contestants)
}

/// A child process that lives as long as its case.
struct Peer {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Peer {
    fn start(program: &str, profile: Profile) -> Result<Option<Rc<RefCell<Self>>>> {
        let name = match profile.policy {
            SrtpPolicy::AES_CM_128_HMAC_SHA1_80 => "aes-cm-128-80",
            SrtpPolicy::AES_CM_128_HMAC_SHA1_32 => "aes-cm-128-32",
            SrtpPolicy::AES_CM_256_HMAC_SHA1_80 => "aes-cm-256-80",
            SrtpPolicy::AEAD_AES_128_GCM => "gcm-128",
            SrtpPolicy::AEAD_AES_256_GCM => "gcm-256",
            // libsrtp before 2.6 derives other keys than the RFCs for AES-192, and 2.3 for the NULL cipher.
            _ => return Ok(None),
        };
        // Beside the bench's own program: target/release/mikey-bench, target/interop/.
        let own = std::env::current_exe()?;
        let Some(target) = own.parent().and_then(|release| release.parent()) else { return Ok(None) };
        let path: PathBuf = target.join("interop").join(program);
        if !path.exists() {
            return Ok(None);
        }
        let mut child = Command::new(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) =
            (child.stdin.take().ok_or("no stdin")?, child.stdout.take().ok_or("no stdout")?);
        let mut peer = Self { child, input, output: BufReader::new(output) };
        let secret = hex(&[profile.key(), profile.salt()].concat());
        peer.ask(&format!("new {name} {secret} - {SSRC:08x}"))?;
        Ok(Some(Rc::new(RefCell::new(peer))))
    }

    fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.input, "{line}")?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        let answer = answer.trim();
        if answer.is_empty() || answer.starts_with("error") {
            return Err(format!("libsrtp: {answer}").into());
        }
        Ok(answer.to_owned())
    }

    fn nanoseconds(&mut self, line: &str) -> Result<Duration> {
        Ok(Duration::from_nanos(self.ask(line)?.parse()?))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
