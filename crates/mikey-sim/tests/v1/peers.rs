//! What others make of it: tshark of every message, libsrtp of the keys.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use mikey::srtp::{ContextDb, DbConfig, Destination, Direction, Install, MasterKey, Mki, Owner, Ssrc, Ssrcs};
use mikey_crypto::SecretBytes;
use mikey_crypto::srtp::SrtpPolicy;
use mikey_proto::v1::{KeyKind, Known, Mode, Offer, Party, Policy, Update};
use mikey_proto::{Side, Stream, StreamKeys, Time};
use mikey_wire::Message;

use crate::setup::*;

/// Whether a program that a test cannot do without is there; `ci/setup` installs both.
fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_err() {
        println!("skipped: {program} is not installed");
    }
    there.is_ok()
}

fn place(name: &str) -> PathBuf {
    let place = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(&place).unwrap();
    place.join(name)
}

/// Every message of an exchange, of an update, and an ERROR for it.
fn messages(mode: Mode, change: impl Fn(&mut Offer)) -> Vec<(String, Vec<u8>)> {
    let (mut alice, mut bob) = pair(&everything());
    let offered = alice.offer(Time::ZERO, &with(offer(mode), change)).expect("an offer");
    let mut all = vec![(format!("{mode:?} I"), offered.message.clone())];
    let stranger = with(config(1, &everything(), 9), |config| {
        let mut other = mikey_proto::PskTable::new();
        let names = [ALICE, BOB].map(|name| mikey_proto::Name::parse(name).unwrap());
        let [a, b] = names;
        other.insert(a, b, SecretBytes::copy_from(&[1; 32])).unwrap();
        (config.psks, config.trust) = (std::sync::Arc::new(other), mikey_proto::Trust::none());
    });
    let refused = Party::new(stranger).unwrap().answer(Time::ZERO, &offered.message, &Known::default());
    all.extend(
        refused.err().and_then(|refused| refused.answer).map(|error| (format!("{mode:?} ERROR"), error)),
    );
    let answer = bob.answer(Time::ZERO, &offered.message, &Known::default()).expect("an answer");
    let (Some(response), Some(mut pending)) = (answer.message, offered.pending) else { return all };
    let agreement = alice.finish(Time::ZERO, &mut pending, &response).expect("verified");
    all.push((format!("{mode:?} R"), response));
    let later = Time::from_secs(1);
    let update = alice.update(later, &Update::rekey(agreement.bundle, Vec::new())).expect("an update");
    let answer = bob.answer(later, &update.message, &Known::default()).expect("an answer").message;
    all.push((format!("{mode:?} update I"), update.message));
    all.extend(answer.map(|answer| (format!("{mode:?} update R"), answer)));
    all
}

/// A capture of datagrams to MIKEY's port: classic format, IPv4 without link layer.
fn capture(messages: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    for (_, message) in messages {
        let udp = u16::try_from(8 + message.len()).unwrap();
        let mut packet = vec![0x45, 0];
        packet.extend((udp + 20).to_be_bytes());
        packet.extend([0, 0, 0x40, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        packet.extend(2269_u16.to_be_bytes());
        packet.extend(2269_u16.to_be_bytes());
        packet.extend(udp.to_be_bytes());
        packet.extend([0, 0]);
        packet.extend(message);
        let length = u32::try_from(packet.len()).unwrap();
        for word in [0, 0, length, length] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// For each message: whether tshark finds it malformed, and the next-payload fields that it came through.
fn dissected(name: &str, messages: &[(String, Vec<u8>)]) -> Vec<(bool, Vec<u8>)> {
    let path = place(name);
    std::fs::write(&path, capture(messages)).unwrap();
    let fields = ["-T", "fields", "-E", "separator=|", "-e", "_ws.malformed", "-e", "mikey.next_payload"];
    let output =
        Command::new("tshark").args(["-r"]).arg(&path).args(fields).stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| {
        let (malformed, next) = line.split_once('|').unwrap();
        let next = next.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        (!malformed.is_empty(), next)
    });
    lines.collect()
}

#[test]
fn tshark_dissects_every_message_to_its_end() {
    if !is_there("tshark") {
        return;
    }
    let mut all: Vec<_> = ALL.into_iter().flat_map(|mode| messages(mode, |_| {})).collect();
    all.extend(messages(Mode::Psk, |offer| {
        (offer.mki, offer.key_ids) = (vec![1, 2, 3, 4], vec![(0, vec![7; 8])])
    }));
    all.extend(messages(Mode::Pk, |offer| offer.sdp_ids = Some(b"mikey".to_vec())));
    all.extend(messages(Mode::Null, |offer| offer.key = KeyKind::JoinedTek));
    all.extend(messages(Mode::Psk, |offer| offer.valid = Some((0, 1 << 20))));
    for kind in ["I", "R", "update I", "update R", "ERROR"] {
        let of_kind =
            all.iter().filter(|(name, _)| name.split_once(' ').is_some_and(|(_, rest)| rest == kind));
        assert!(of_kind.count() >= 5, "{kind}");
    }
    let found = dissected("version1.pcap", &all);
    assert_eq!(found.len(), all.len());
    for ((name, octets), (malformed, next)) in all.iter().zip(found) {
        let message = Message::decode(octets).unwrap();
        assert!(!malformed, "{name}");
        // HDR and every payload name the next one, but SIGN, which is always the last. Keys in the clear have payloads too.
        let last = next.last().copied().unwrap_or(u8::MAX);
        let is_signed = last == mikey_wire::PayloadType::SIGN.0;
        let named = message.items.len() + usize::from(!is_signed);
        assert!((is_signed || last == 0) && next.len() >= named, "{name}: stopped after {next:?}");
    }
}

/// RFC 6043's map is the exception: tshark 4.0 does not know it and takes its octets for payloads. It is sent only where it
/// is asked for.
#[test]
fn the_generic_map_is_what_tshark_cannot_read() {
    if !is_there("tshark") {
        return;
    }
    let policy = mikey_wire::PayloadType::SP.0;
    let [generic, plain] = [true, false].map(|is_generic| {
        let message = messages(Mode::Psk, |offer| offer.generic = is_generic).swap_remove(0);
        dissected(&format!("generic-{is_generic}.pcap"), &[message])[0].1.contains(&policy)
    });
    assert!(plain && !generic, "if this fails, tshark has learned it: take it into the others");
}

/// `interop/libsrtp_peer.c` as a child process.
struct LibSrtp {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl LibSrtp {
    fn start() -> Option<Self> {
        let flags = Command::new("pkg-config").args(["--cflags", "--libs", "libsrtp2"]).output().ok()?;
        if !flags.status.success() {
            println!("skipped: libsrtp2 is not installed");
            return None;
        }
        let flags = String::from_utf8(flags.stdout).unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../interop/libsrtp_peer.c");
        let path = place("libsrtp-peer-v1");
        let built =
            Command::new("cc").arg("-o").arg(&path).arg(source).args(flags.split_whitespace()).status();
        assert!(built.unwrap().success());
        let mut child = Command::new(path).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Some(Self { child, input, output })
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

impl Drop for LibSrtp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn rtp(ssrc: u32) -> Vec<u8> {
    [&[0x80, 0, 0, 1, 0, 0, 0, 160][..], &ssrc.to_be_bytes(), b"twenty octets of it.."].concat()
}

/// A packet of ours that libsrtp opens, and one of libsrtp's that we open.
fn both_ways(peer: &mut LibSrtp, profile: &str, keys: StreamKeys, direction: Direction) {
    let (ssrc, to) = (keys.ssrc.unwrap_or(0x2222), Destination::flow(1));
    let master = hex(&[keys.master_key.expose(), keys.master_salt.expose()].concat());
    let mki = if keys.mki.is_empty() { "-".to_owned() } else { hex(&keys.mki) };
    assert_eq!(peer.ask(&format!("new {profile} {master} {mki} {ssrc:08x}")), "ok");
    let key = MasterKey::new(keys.master_key, keys.master_salt).with_mki(Mki::new(&keys.mki).unwrap());
    let mut db = ContextDb::new(mikey_crypto_aws_lc::provider().srtp, DbConfig::new([1, 2]));
    let install = Install::new(direction, to, Owner(1), Ssrcs::one(Ssrc(ssrc)), keys.policy, key);
    db.install(install).unwrap();
    let (plain, now) = (rtp(ssrc), mikey::srtp::Time::ZERO);
    match direction {
        Direction::Outbound => {
            let mut packet = [&plain[..], &[0; 300]].concat();
            let len = db.protect_rtp(now, to, &mut packet, plain.len()).unwrap().len;
            assert_eq!(peer.ask(&format!("u {}", hex(&packet[..len]))), hex(&plain), "{profile}");
            packet[len - 1] ^= 1;
            assert!(
                peer.ask(&format!("u {}", hex(&packet[..len]))).starts_with("error"),
                "{profile}: a forgery"
            );
        }
        Direction::Inbound => {
            let mut packet = unhex(&peer.ask(&format!("p {}", hex(&plain))));
            let len = db.unprotect_rtp(now, to, &mut packet).unwrap().len;
            assert_eq!(packet[..len], plain, "{profile}");
        }
    }
}

#[test]
fn libsrtp_takes_the_keys_of_every_mode() {
    let Some(mut peer) = LibSrtp::start() else { return };
    let profiles = [
        ("aes-cm-128-80", SrtpPolicy::AES_CM_128_HMAC_SHA1_80),
        ("aes-cm-128-32", SrtpPolicy::AES_CM_128_HMAC_SHA1_32),
        ("aes-cm-256-80", SrtpPolicy::AES_CM_256_HMAC_SHA1_80),
        ("gcm-128", SrtpPolicy::AEAD_AES_128_GCM),
        ("gcm-256", SrtpPolicy::AEAD_AES_256_GCM),
    ];
    for mode in ALL {
        for (name, policy) in profiles {
            for mki in [Vec::new(), vec![9, 8, 7, 6]] {
                let ours = Stream { ssrc: Some(0x1111), ..Stream::new(Side::Local, policy) };
                let theirs = Stream::new(Side::Remote, policy);
                let streams = if mode == Mode::Null { vec![ours] } else { vec![ours, theirs] };
                let (mut alice, mut bob) = pair(&everything());
                let offer = with(offer(mode), |offer| (offer.streams, offer.mki) = (streams, mki.clone()));
                // RSA-R's responder makes the keys, and says what they are valid for.
                let mki = if mode == Mode::RsaR { Vec::new() } else { mki };
                // Alice's keys send, Bob's receive: what libsrtp does with them is the other side of each.
                let (of_alice, of_bob) = run(&mut alice, &mut bob, &offer);
                for (keys, is_alice) in [(of_alice.keys, true), (of_bob.keys, false)] {
                    for stream in keys.streams {
                        let direction = if stream.sender == Side::Local {
                            Direction::Outbound
                        } else {
                            Direction::Inbound
                        };
                        assert_eq!((stream.policy, &stream.mki), (policy, &mki), "{mode:?} alice {is_alice}");
                        both_ways(&mut peer, name, stream, direction);
                    }
                }
            }
        }
    }
}

/// libsrtp has no key derivation rate: its keys are those of index 0 for ever, and so are ours until the first one is due.
#[test]
fn with_a_key_derivation_rate_libsrtp_agrees_until_the_first_derivation() {
    let Some(mut peer) = LibSrtp::start() else { return };
    let policy = SrtpPolicy { kdr: 1 << 10, ..SrtpPolicy::AES_CM_128_HMAC_SHA1_80 };
    let policies = vec![policy];
    let accept = mikey_proto::AcceptStreams { policies };
    let party = |at| {
        let config = with(config(at, &with(Policy::legacy(), |o| o.modes = ALL.to_vec()), 5), |config| {
            config.answer = std::sync::Arc::new(accept.clone());
        });
        Party::new(config).unwrap()
    };
    let streams = vec![
        Stream { ssrc: Some(0x1111), ..Stream::new(Side::Local, policy) },
        Stream::new(Side::Remote, policy),
    ];
    let (ours, theirs) =
        run(&mut party(0), &mut party(1), &with(offer(Mode::Psk), |offer| offer.streams = streams));
    assert!(agree(&ours.keys, &theirs.keys));
    for stream in ours.keys.streams {
        assert_eq!(stream.policy.kdr, 1 << 10);
        let direction = if stream.sender == Side::Local { Direction::Outbound } else { Direction::Inbound };
        both_ways(&mut peer, "aes-cm-128-80", stream, direction);
    }
}
