//! libsrtp2 as a child process (interop/libsrtp_peer.c): every profile that it has, MKI, ROC above 0, SEQ wraps.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use mikey_crypto::srtp::SrtpPolicy;

use crate::ends::{Ours, Peer, SSRC, hex, octets, rtcp, rtp, unhex};

const PROFILES: [(&str, SrtpPolicy); 9] = [
    ("aes-cm-128-80", SrtpPolicy::AES_CM_128_HMAC_SHA1_80),
    ("aes-cm-128-32", SrtpPolicy::AES_CM_128_HMAC_SHA1_32),
    ("aes-cm-192-80", SrtpPolicy::AES_CM_192_HMAC_SHA1_80),
    ("aes-cm-192-32", SrtpPolicy::AES_CM_192_HMAC_SHA1_32),
    ("aes-cm-256-80", SrtpPolicy::AES_CM_256_HMAC_SHA1_80),
    ("aes-cm-256-32", SrtpPolicy::AES_CM_256_HMAC_SHA1_32),
    ("null-80", SrtpPolicy::NULL_HMAC_SHA1_80),
    ("gcm-128", SrtpPolicy::AEAD_AES_128_GCM),
    ("gcm-256", SrtpPolicy::AEAD_AES_256_GCM),
];

pub fn run(program: &str) {
    let mut packets = 0;
    for (name, policy) in PROFILES {
        for mki in [&[][..], &[1, 2, 3, 4], &[9; 100]] {
            for roc in [0, 1, 0x7fff_ffff, u32::MAX - 1] {
                packets += exchange(&mut Libsrtp::start(program), name, policy, mki, roc);
            }
        }
    }
    println!(
        "libsrtp2: {packets} packets, {} profiles, three MKIs, four ROCs, both directions",
        PROFILES.len()
    );
}

fn exchange(peer: &mut Libsrtp, name: &str, policy: SrtpPolicy, mki: &[u8], roc: u32) -> usize {
    let secret = octets(7, usize::from(policy.key_len + policy.salt_len));
    let what = format!("{name}, MKI of {}, ROC {roc:x}", mki.len());
    let mki_text = if mki.is_empty() { "-".to_owned() } else { hex(mki) };
    let mut packets = 0;
    // libsrtp keeps one ROC for an SSRC whichever way it goes, so each direction has a session.
    for theirs_sends in [true, false] {
        let mut ours = ours(policy, &secret, mki, roc);
        peer.ask(&format!("new {name} {} {mki_text} {:08x}", hex(&secret), SSRC.0)).expect(&what);
        if roc != 0 {
            peer.ask(&format!("roc {:08x} {roc}", SSRC.0)).expect(&what);
        }
        // Across the end of SEQ, and to the last index of all when the ROC is the last but one.
        for seq in [65_000u16, 65_534, 65_535, 0, 1, 30_000, 60_000, 65_535] {
            let packet = rtp(seq, &octets(seq as u8, usize::from(seq) % 300));
            let report = rtcp(seq as u8);
            for (packet, rtcp, command) in [(packet, false, ["p", "u"]), (report, true, ["pc", "uc"])] {
                let [protect, unprotect] = command;
                // libsrtp 2.5 looks for SRTCP's MKI where SRTP's tag length would put it.
                if rtcp && !theirs_sends && !mki.is_empty() && policy.tag_len != policy.srtcp_tag_len {
                    continue;
                }
                let what = format!("{what}: SEQ {seq}, {protect}");
                if theirs_sends {
                    let protected = peer.packet(protect, &packet).expect(&what);
                    assert_eq!(ours.unprotect(&protected, rtcp).as_ref(), Ok(&packet), "{what}");
                    let mut forged = protected;
                    *forged.last_mut().unwrap() ^= 1;
                    assert!(ours.unprotect(&forged, rtcp).is_err(), "{what}");
                } else {
                    let protected = ours.protect(&packet, rtcp);
                    let mut forged = protected.clone();
                    forged[9] ^= 0x40;
                    assert!(peer.packet(unprotect, &forged).is_err(), "{what}");
                    assert_eq!(peer.packet(unprotect, &protected).as_ref(), Ok(&packet), "{what}");
                    assert!(peer.packet(unprotect, &protected).is_err(), "{what}: a replay");
                }
                packets += 1;
            }
        }
        let expected = roc.saturating_add(1);
        let (db, id) = if theirs_sends { (&ours.rx, ours.receiver) } else { (&ours.tx, ours.sender) };
        assert_eq!(db.stream(id, SSRC).unwrap().roc, expected, "{what}");
    }
    packets
}

/// libsrtp 2.5 derives session keys of AES-192 with AES-256: what it takes for the PRF's key is the master key and the
/// first octets of the salt, for the salt the rest and zeros. Later versions follow RFC 6188, and a packet of theirs is
/// in tests/vectors.rs; here we do as this one does, which our explicit key lengths allow.
fn ours(policy: SrtpPolicy, secret: &[u8], mki: &[u8], roc: u32) -> Ours {
    if policy.key_len != 24 {
        return Ours::new(policy, secret, mki, roc, None);
    }
    let padded = [secret, &[0; 8]].concat();
    Ours::with_parts(policy, padded.split_at(32), mki, roc, None)
}

/// The peer's process and its line protocol.
struct Libsrtp {
    _process: Peer,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Libsrtp {
    fn start(program: &str) -> Self {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the peer's program");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { _process: Peer(child), input, output: BufReader::new(output) }
    }

    fn ask(&mut self, line: &str) -> Result<String, String> {
        writeln!(self.input, "{line}").map_err(|error| error.to_string())?;
        let mut answer = String::new();
        self.output.read_line(&mut answer).map_err(|error| error.to_string())?;
        let answer = answer.trim().to_owned();
        if answer.is_empty() || answer.starts_with("error") { Err(answer) } else { Ok(answer) }
    }

    fn packet(&mut self, command: &str, packet: &[u8]) -> Result<Vec<u8>, String> {
        let answer = self.ask(&format!("{command} {}", hex(packet)))?;
        unhex(&answer).ok_or(answer)
    }
}
