//! The memory of a finished session holds no key octet (docs/security-rules.md, rule 24).
//!
//! A child process makes calls, speaks, renews keys and hangs up. This process, its parent, then reads the child's memory
//! through /proc and looks for everything secret that the provider was given or gave out: the private values and secrets
//! of Diffie-Hellman and ML-KEM, PRK, SK_d, TGK and what is derived, the keys of KEMAC, SRTP's master and session keys, the
//! pre-shared key. The child tells them under a mask and never writes them down otherwise.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common_r/mod.rs"]
mod common_r;
mod scan;
mod watch;

use core::time::Duration;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::*;
use common_r::{Phone, rtp};
use mikey_crypto::srtp::SrtpPolicy;
use mikey_crypto::{CryptoProvider, GroupId, SecretBytes, SuiteId};
use mikey_proto::{Call, EndpointConfig, Identity, PskTable};
use mikey_sim::{Ca, KeyKind, Link, World, address};
use watch::{Watch, watched};

const CHILD: &str = "MIKEY_MEMORY_CHILD";

/// What the child does, one call after the other: with a PSK and the hybrid, with certificates and P-256.
struct Life {
    world: World<Phone>,
}

impl Life {
    fn new(provider: &CryptoProvider, watch: &Watch, with_psk: bool) -> Self {
        let names = [ALICE, BOB];
        let ca = Ca::new("ca");
        let mut psk = SecretBytes::zeroed(32);
        provider.random.fill(psk.expose_mut()).unwrap();
        let configs = names.map(|own| {
            let mut config = if with_psk {
                let mut table = PskTable::new();
                table.insert(name(ALICE), name(BOB), SecretBytes::copy_from(psk.expose())).unwrap();
                let mut config = EndpointConfig::new(provider.clone(), Identity::new(name(own)));
                config.psks = Arc::new(table);
                config.policy.groups = vec![GroupId::X25519_MLKEM768];
                config
            } else {
                let identity = ca.identity(provider, own, KeyKind::P256);
                let mut config = EndpointConfig::new(provider.clone(), identity);
                config.trust = ca.trust();
                config.unix_time_at_zero = Some(NOW);
                config.policy.groups = vec![GroupId::P256];
                config.policy.suites = vec![SuiteId::AES_CM_128_HMAC_SHA_256];
                config
            };
            // What resumes a session outlives it, and is a secret of its own.
            config.policy.resumption = false;
            config
        });
        if with_psk {
            watch.note("PSK", psk.expose());
        }
        drop(psk);
        let phones = (0..).zip(configs).map(|(n, config)| Phone::new(config, n));
        Self { world: World::new(Link::perfect(1), phones) }
    }

    fn run(&mut self, seconds: u64) {
        let end = self.world.now() + Duration::from_secs(seconds);
        self.world.run_until(end);
    }

    fn speak(&mut self, policy: SrtpPolicy) {
        let call = Call::both_ways(name(BOB), policy);
        self.world.act(0, |now, phone| phone.agent.call(now, address(1), &call)).unwrap();
        self.run(2);
        for round in 0..2u16 {
            for (n, cs_id) in [(0usize, 1), (1, 2)] {
                let session = self.world.node(n).session();
                let packet = rtp(7 + u32::from(cs_id), round, b"what is said");
                self.world.act(n, |now, phone| phone.speak(now, session, cs_id, &packet));
            }
            self.run(1);
            let session = self.world.node(0).session();
            self.world.act(0, |now, phone| phone.agent.rekey(now, session, true)).unwrap();
            self.run(10);
        }
    }

    fn hang_up(&mut self) {
        let session = self.world.node(0).session();
        self.world.act(0, |now, phone| phone.agent.close(now, session)).unwrap();
        self.run(60);
    }
}

/// Says what stage the child has reached, and waits until its memory was read.
fn stage(name: &str, watch: &Watch) {
    let mut out = std::io::stdout().lock();
    for (kind, masked) in watch.take() {
        writeln!(out, "@{kind}:{masked}").unwrap();
    }
    writeln!(out, "@@{name}").unwrap();
    out.flush().unwrap();
    drop(out);
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// The child's part. By itself it does nothing.
#[test]
fn child() {
    let Ok(which) = std::env::var(CHILD) else { return };
    let provider =
        if which == "rust" { mikey_crypto_rust::provider() } else { mikey_crypto_aws_lc::provider() };
    let (provider, watch) = watched(provider);
    for (with_psk, policy) in
        [(true, SrtpPolicy::AEAD_AES_128_GCM), (false, SrtpPolicy::AES_CM_128_HMAC_SHA1_80)]
    {
        let mut life = Life::new(&provider, watch, with_psk);
        life.speak(policy);
        stage("talking", watch);
        life.hang_up();
        stage("over", watch);
        drop(life);
        stage("gone", watch);
    }
    stage("end", watch);
}

fn memory_of_a_finished_session(which: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, which)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to_child = child.stdin.take().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut needles = scan::Needles::default();
    let mut stages = 0;
    for line in lines {
        let line = line.unwrap();
        // The test harness writes the name of its test without a line end.
        let Some(at) = line.find('@') else { continue };
        let Some(stage) = line[at..].strip_prefix("@@") else {
            let (kind, masked) = line[at + 1..].split_once(':').unwrap();
            needles.add(kind, watch::unmask(masked));
            continue;
        };
        if stage == "end" {
            writeln!(to_child).unwrap();
            continue;
        }
        let found = needles.search(child.id());
        println!(
            "{which}, {stage}: {} secrets, {} found in {} kB",
            needles.len(),
            found.len(),
            needles.scanned / 1024
        );
        match stage {
            // The search can find something: what is in use is there.
            "talking" => assert!(found.iter().any(|f| f.contains("SRTP")), "{found:?}"),
            // The key of the two is their endpoints', not the session's.
            "over" => assert!(found.iter().all(|f| f.starts_with("PSK")), "{found:#?}"),
            _ => assert_eq!(found, [""; 0], "{which}: {stage}"),
        }
        stages += 1;
        writeln!(to_child).unwrap();
    }
    assert!(child.wait().unwrap().success());
    assert_eq!(stages, 6);
    assert!(needles.len() > 60, "only {} secrets", needles.len());
}

// R8.4
#[test]
fn no_secret_is_left_behind_on_aws_lc() {
    memory_of_a_finished_session("aws-lc");
}

// R8.4
#[test]
fn no_secret_is_left_behind_on_rust_alone() {
    memory_of_a_finished_session("rust");
}
